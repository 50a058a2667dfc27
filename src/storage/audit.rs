//! The audit log: what was changed, by whom and from where, each entry chained to the one before it.
//!
//! An entry is a row of the tree `objects` like any other and goes to disk in the batch of the change that it tells of: there
//! is no change without its entry and no entry without its change. Each holds the SHA-256 of the stored bytes of the entry
//! before it, so that none can be altered, left out or put in between without every later one being made anew. The
//! newest entry is held by nothing here; whoever wants to hold it keeps [`AuditChain::head`] elsewhere.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Store;
use super::changes::{Changes, Guard, Row};
use super::error::{ReadError, RecordError, WriteError};
use super::key::{self, Kind};
use super::page::{Page, Window};
use super::read::record_at;
use super::record::{self, Record};

/// Entries that are kept. With each further one the oldest goes.
pub const MAX_AUDIT_ENTRIES: u64 = 200_000;

/// What was done to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AuditAction {
    /// It was made.
    Created,
    /// Fields of it were changed.
    Updated,
    /// It was removed.
    Deleted,
}

impl AuditAction {
    /// Its name in answers.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// What an entry tells. No value of any field is in it, so no secret can be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// Who: an account's `auth_id`, `operator`, or `server` for what it does of its own.
    pub actor: String,
    /// From where.
    pub peer: Option<IpAddr>,
    /// The id of the request.
    pub request_id: String,
    /// Whose object it is.
    pub auth_id: String,
    /// What was done.
    pub action: AuditAction,
    /// The kind of the object, for example `credential`.
    pub object: String,
    /// The object's id.
    pub id: String,
    /// The fields that were set or changed, by name.
    pub fields: Vec<String>,
}

/// An entry in its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditRecord {
    /// From 1, without a gap.
    pub sequence: u64,
    /// SHA-256 of the stored bytes of the entry before; zeros in the first.
    pub previous: [u8; 32],
    /// What it tells.
    pub entry: AuditEntry,
}

impl Record for AuditRecord {
    const VERSION: u8 = 1;
}

/// Where the chain ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct AuditHead {
    sequence: u64,
    hash: [u8; 32],
}

/// What a look over the whole chain found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditChain {
    /// Number of the oldest entry kept; 0 where there is none.
    pub first: u64,
    /// Number of the newest.
    pub last: u64,
    /// SHA-256 of the newest entry as stored.
    pub head: [u8; 32],
    /// Where it does not hold; `None` when it does.
    pub broken: Option<AuditBreak>,
}

/// A place at which the chain does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditBreak {
    /// The entry that should have been there.
    pub sequence: u64,
    /// What is wrong.
    pub reason: String,
}

impl AuditHead {
    pub(super) fn read(objects: &sled::Tree) -> Result<Self, ReadError> {
        let Some(row) = objects.scan_prefix(key::key(Kind::Audit, b"")).next_back() else { return Ok(Self::default()) };
        let (key, value) = row.map_err(|error| engine(&error))?;
        let record: AuditRecord = record_at(&key, &value)?;
        Ok(Self { sequence: record.sequence, hash: hash(&value) })
    }

    /// Turns what `changes` has to tell into rows. The chain ends where is said, if the changes are made.
    pub(super) fn chain(mut self, changes: &mut Changes) -> Result<Self, WriteError> {
        for entry in std::mem::take(&mut changes.audit) {
            self.sequence += 1;
            let record = AuditRecord { sequence: self.sequence, previous: self.hash, entry };
            let value = record::encode(&record).map_err(|_: RecordError| WriteError::Invalid {
                what: "audit entry".to_owned(),
                reason: "it cannot be encoded",
            })?;
            self.hash = hash(&value);
            let row = |value| Row { value, guard: Guard::Nothing, cache: None, old: None };
            changes.objects.insert(audit_key(self.sequence), row(Some(value)));
            if let Some(oldest) = self.sequence.checked_sub(MAX_AUDIT_ENTRIES).filter(|oldest| *oldest > 0) {
                changes.objects.insert(audit_key(oldest), row(None));
            }
        }
        Ok(self)
    }
}

impl Changes {
    /// Notes in the audit log what these changes do.
    pub fn tell(&mut self, entry: AuditEntry) {
        self.audit.push(entry);
    }
}

impl Store {
    /// The audit log, newest first: of one account, or all of it.
    pub fn page_of_audit(&self, auth_id: Option<&str>, window: Window) -> Result<Page<AuditRecord>, ReadError> {
        if let Some(auth_id) = auth_id {
            return self.page(Kind::Audit, auth_id, None, None, window);
        }
        let all = || self.objects.scan_prefix(key::key(Kind::Audit, b""));
        let number = |row: Option<sled::Result<(sled::IVec, sled::IVec)>>| match row {
            Some(row) => row.map(|(key, _)| Some(sequence(&key))).map_err(|error| engine(&error)),
            None => Ok(None),
        };
        let (Some(first), Some(last)) = (number(all().next())?, number(all().next_back())?) else {
            return Ok(Page { total: 0, records: Vec::new() });
        };
        let offset = u64::try_from(window.offset).unwrap_or(u64::MAX);
        let mut records = Vec::new();
        let newest = last.saturating_sub(offset);
        for number in (first..=newest).rev().take(window.limit) {
            records.extend(self.get(&audit_key(number))?);
        }
        Ok(Page { total: usize::try_from(last + 1 - first).unwrap_or(usize::MAX), records })
    }

    /// Follows the chain from its oldest entry to its newest.
    pub fn verify_audit(&self) -> Result<AuditChain, ReadError> {
        let mut chain = AuditChain { first: 0, last: 0, head: [0; 32], broken: None };
        for row in self.objects.scan_prefix(key::key(Kind::Audit, b"")) {
            let (key, value) = row.map_err(|error| engine(&error))?;
            let number = sequence(&key);
            if chain.broken.is_none() {
                let reason = fault(&chain, number, &value);
                let sequence = if chain.last == 0 { number } else { chain.last + 1 };
                chain.broken = reason.map(|reason| AuditBreak { sequence, reason });
            }
            chain.first = if chain.first == 0 { number } else { chain.first };
            chain.last = number;
            chain.head = hash(&value);
        }
        Ok(chain)
    }
}

/// What is wrong with the entry that follows `chain`.
fn fault(chain: &AuditChain, number: u64, value: &[u8]) -> Option<String> {
    if chain.last != 0 && number != chain.last + 1 {
        return Some(format!("it is missing: entry {number} follows entry {}", chain.last));
    }
    let record: AuditRecord = match record::decode(value) {
        Ok(record) => record,
        Err(error) => return Some(format!("it cannot be read: {error}")),
    };
    if record.sequence != number {
        return Some(format!("in its place is entry {}", record.sequence));
    }
    // The entry before the oldest one kept is not there to be held against it.
    let begins = chain.last == 0;
    if (begins && number == 1 && record.previous != [0; 32]) || (!begins && record.previous != chain.head) {
        return Some(format!("it does not follow from entry {}: one of the two was altered", number - 1));
    }
    None
}

fn audit_key(sequence: u64) -> Vec<u8> {
    key::key(Kind::Audit, &sequence.to_be_bytes())
}

pub(super) fn sequence(key: &[u8]) -> u64 {
    key.get(1..).and_then(|name| name.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn hash(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

fn engine(error: &sled::Error) -> ReadError {
    ReadError::Engine { tree: Kind::Audit.plural(), detail: error.to_string() }
}
