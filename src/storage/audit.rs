//! The audit log: what was changed, by whom and from where, each entry chained to the one before it.
//!
//! Nobody has to remember to write it: the writer compares each row of the configuration with the one it replaces and tells what
//! differs, by name. An entry is a row of the tree `objects` like any other and goes to disk in the batch of the change that it tells of: there
//! is no change without its entry and no entry without its change. Each holds the SHA-256 of the stored bytes of the entry
//! before it, so that none can be altered, left out or put in between without every later one being made anew. The
//! newest entry is held by nothing here; whoever wants to hold it keeps [`AuditChain::head`] elsewhere.

#![allow(clippy::disallowed_methods, reason = "the store is shell: it dates its entries")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Store;
use super::author::Author;
use super::changes::{Changes, Guard, KeyedRow, Row};
use super::difference::{Changed, object_name};
use super::error::{ReadError, RecordError, WriteError};
use super::key::{self, Kind};
use super::page::{Page, Window};
use super::read::record_at;
use super::record::{self, Record};

/// Entries that are kept. With each further one the oldest goes.
pub const MAX_AUDIT_ENTRIES: u64 = 200_000;

/// Objects of one kind that one change may make, change or remove and still be told one by one; beyond it, their number is.
const ONE_BY_ONE: usize = 20;

/// Longest id or name in an entry, in characters.
const LONGEST: usize = 255;

/// What was done to an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
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
    /// The object's id. Empty where `name` speaks of many.
    pub id: String,
    /// What people know it by: a username, an address, a number.
    pub name: String,
    /// The fields that were changed, by name.
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

    /// The rows of `entries`, and those that must give way; and where the chain then ends.
    pub(super) fn chain(mut self, entries: Vec<AuditEntry>) -> Result<(Self, Vec<KeyedRow>), WriteError> {
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            self.sequence += 1;
            let record = AuditRecord { sequence: self.sequence, previous: self.hash, entry };
            let value = record::encode(&record).map_err(|_: RecordError| WriteError::Invalid {
                what: "audit entry".to_owned(),
                reason: "it cannot be encoded",
            })?;
            self.hash = hash(&value);
            let row = |value| Row { value, guard: Guard::Nothing, cache: None, old: None };
            rows.push((audit_key(self.sequence), row(Some(value))));
            if let Some(oldest) = self.sequence.checked_sub(MAX_AUDIT_ENTRIES).filter(|oldest| *oldest > 0) {
                rows.push((audit_key(oldest), row(None)));
            }
        }
        Ok((self, rows))
    }
}

impl Changes {
    /// Has the audit log tell of something that is no change of the configuration.
    pub fn tell(&mut self, action: AuditAction, object: &str, (auth_id, id, name): (&str, &str, &str)) {
        let author = self.author.get_or_insert_with(Author::current);
        self.audit.push(entry(author, action, object, (auth_id, id, name), Vec::new()));
    }
}

/// What there is to tell of rows that changed.
pub(super) fn entries(author: &Author, rows: &[Changed<'_>]) -> Vec<AuditEntry> {
    let mut groups: BTreeMap<(&'static str, AuditAction), Vec<&Changed<'_>>> = BTreeMap::new();
    for row in rows {
        if let Some(object) = Kind::of(row.key).and_then(object_name) {
            groups.entry((object, row.action())).or_default().push(row);
        }
    }
    let mut entries = Vec::new();
    for ((object, action), rows) in groups {
        if rows.len() > ONE_BY_ONE {
            let auth_id = rows.first().and_then(|row| row.difference()).map(|first| first.auth_id).unwrap_or_default();
            let name = format!("{} objects", rows.len());
            entries.push(entry(author, action, object, (&auth_id, "", &name), Vec::new()));
            continue;
        }
        for told in rows.into_iter().filter_map(|row| row.difference()) {
            entries.push(entry(author, action, object, (&told.auth_id, &told.id, &told.name), told.fields));
        }
    }
    entries
}

fn entry(
    author: &Author,
    action: AuditAction,
    object: &str,
    (auth_id, id, name): (&str, &str, &str),
    fields: Vec<String>,
) -> AuditEntry {
    let cut = |text: &str| text.chars().take(LONGEST).collect();
    AuditEntry {
        at: u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default(),
        actor: author.actor.to_string(),
        peer: author.peer,
        request_id: author.request_id.to_string(),
        auth_id: auth_id.to_owned(),
        action,
        object: object.to_owned(),
        id: cut(id),
        name: cut(name),
        fields,
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

    /// Whether the log once ended in an entry with this hash, in hexadecimal digits.
    pub fn audit_has_head(&self, head: &str) -> Result<bool, ReadError> {
        for row in self.objects.scan_prefix(key::key(Kind::Audit, b"")).rev() {
            let (_, value) = row.map_err(|error| engine(&error))?;
            if hex(&hash(&value)).eq_ignore_ascii_case(head) {
                return Ok(true);
            }
        }
        Ok(false)
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

/// Hexadecimal digits, as [`AuditChain::head`] is written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
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
