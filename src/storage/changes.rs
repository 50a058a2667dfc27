//! A set of changes that is made whole or not at all.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use uuid::Uuid;

use crate::auth::Credential;
use crate::location::{AddressOfRecord, AorRecord, StoredRecord};
use crate::trunk::TrunkId;

use super::audit::AuditEntry;
use super::author::Author;
use super::destination::{NumberRecord, OriginationUriRecord};
use super::error::{RecordError, WriteError};
use super::index::Place;
use super::key::{self, Kind};
use super::record::{self, Record};
use super::schema::{AccountRecord, AclRecord, CredentialRecord, RouteKeyRecord, TombstoneRecord, TrunkRecord};

/// Largest encoded record of the configuration, in bytes. A page of sled holds up to 17 rows, and one of more than 128 KiB goes
/// into a file of its own that sled never syncs; this keeps every page below that.
pub const MAX_RECORD: usize = 6 * 1024;

/// Largest encoded record of one address of record, in bytes: 32 KiB. The registrar keeps below it.
pub(super) const MAX_BINDINGS: usize = AorRecord::MOST_STORED_BYTES + 16;

/// What a row wants of the row it replaces; judged by the writer, one change after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Guard {
    Nothing,
    Absent,
    Present,
    /// Where a row is there already, this one is left out and counted.
    SkipIfPresent,
}

/// What becomes of the credential cache once the row is on disk.
#[derive(Clone, Debug)]
pub(super) enum CacheChange {
    Put(Arc<[u8]>, Credential),
    Remove(Box<[u8]>),
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) value: Option<Vec<u8>>,
    pub(super) guard: Guard,
    pub(super) cache: Option<CacheChange>,
    /// Where the replaced row stood; found by the writer.
    pub(super) old: Option<Place>,
}

/// A row and its key.
pub(super) type KeyedRow = (Vec<u8>, Row);

/// Changes to be committed together by [`super::Store::commit`]. A later change of the same object replaces the earlier one.
#[derive(Debug, Default)]
pub struct Changes {
    pub(super) objects: BTreeMap<Vec<u8>, Row>,
    pub(super) bindings: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Rows of the tree `usage`, by the id of a credential.
    pub(super) usage: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// What the audit log is to tell beside what the writer finds in the rows.
    pub(super) audit: Vec<AuditEntry>,
    /// On whose behalf; the thread's that commits where nothing is said.
    pub(super) author: Option<Author>,
    /// From a backup: the audit log is among the rows, and nothing is to be told of them.
    pub(super) is_restored: bool,
}

impl Changes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows change.
    pub fn len(&self) -> usize {
        self.objects.len() + self.bindings.len() + self.usage.len() + self.audit.len()
    }

    /// Makes an account; refused where one of that name exists.
    pub fn create_account(&mut self, account: &AccountRecord) -> Result<(), WriteError> {
        named(Kind::Account, &account.auth_id)?;
        self.put(key::key(Kind::Account, account.auth_id.as_bytes()), account, Guard::Absent, None)
    }

    /// Changes an account; refused where it does not exist.
    pub fn update_account(&mut self, account: &AccountRecord) -> Result<(), WriteError> {
        self.put(key::key(Kind::Account, account.auth_id.as_bytes()), account, Guard::Present, None)
    }

    /// Removes an account's own row; what belongs to it is removed by the caller.
    pub fn delete_account(&mut self, auth_id: &str) {
        self.remove(key::key(Kind::Account, auth_id.as_bytes()), None);
    }

    /// Makes a trunk; refused where its id exists.
    pub fn create_trunk(&mut self, trunk: &TrunkRecord) -> Result<(), WriteError> {
        self.put(key::id_key(Kind::Trunk, trunk.id.0), trunk, Guard::Absent, None)
    }

    /// Changes a trunk; refused where it does not exist.
    pub fn update_trunk(&mut self, trunk: &TrunkRecord) -> Result<(), WriteError> {
        self.put(key::id_key(Kind::Trunk, trunk.id.0), trunk, Guard::Present, None)
    }

    /// Removes a trunk's own row; what is scoped to it is removed by the caller.
    pub fn delete_trunk(&mut self, id: TrunkId) {
        self.remove(key::id_key(Kind::Trunk, id.0), None);
    }

    /// Makes an ACL entry; refused where its id exists.
    pub fn create_acl_entry(&mut self, entry: &AclRecord) -> Result<(), WriteError> {
        self.put(key::id_key(Kind::AclEntry, entry.id), entry, Guard::Absent, None)
    }

    /// Changes an ACL entry; refused where it does not exist.
    pub fn update_acl_entry(&mut self, entry: &AclRecord) -> Result<(), WriteError> {
        self.put(key::id_key(Kind::AclEntry, entry.id), entry, Guard::Present, None)
    }

    /// Removes an ACL entry.
    pub fn delete_acl_entry(&mut self, id: Uuid) {
        self.remove(key::id_key(Kind::AclEntry, id), None);
    }

    /// Makes an origination URI; refused where its id exists.
    pub fn create_origination_uri(&mut self, uri: &OriginationUriRecord) -> Result<(), WriteError> {
        self.put(key::id_key(Kind::OriginationUri, uri.id), uri, Guard::Absent, None)
    }

    /// Changes an origination URI; refused where it does not exist.
    pub fn update_origination_uri(&mut self, uri: &OriginationUriRecord) -> Result<(), WriteError> {
        self.put(key::id_key(Kind::OriginationUri, uri.id), uri, Guard::Present, None)
    }

    /// Removes an origination URI.
    pub fn delete_origination_uri(&mut self, id: Uuid) {
        self.remove(key::id_key(Kind::OriginationUri, id), None);
    }

    /// Makes a number; refused where any account has it.
    pub fn create_number(&mut self, number: &NumberRecord) -> Result<(), WriteError> {
        named(Kind::Number, &number.e164)?;
        self.put(key::key(Kind::Number, number.e164.as_bytes()), number, Guard::Absent, None)
    }

    /// Changes a number; refused where it does not exist.
    pub fn update_number(&mut self, number: &NumberRecord) -> Result<(), WriteError> {
        self.put(key::key(Kind::Number, number.e164.as_bytes()), number, Guard::Present, None)
    }

    /// Removes a number.
    pub fn delete_number(&mut self, e164: &str) {
        self.remove(key::key(Kind::Number, e164.as_bytes()), None);
    }

    /// Makes a credential by hand: refused where the username exists, and a seed may meet the name again.
    pub fn create_credential(&mut self, credential: &CredentialRecord) -> Result<(), WriteError> {
        self.put_credential(credential, Guard::Absent)?;
        let name = key::credential_name(&credential.auth_id, &credential.username);
        self.remove(key::key(Kind::Tombstone, &name), None);
        Ok(())
    }

    /// Changes a credential; refused where it does not exist.
    pub fn update_credential(&mut self, credential: &CredentialRecord) -> Result<(), WriteError> {
        self.put_credential(credential, Guard::Present)
    }

    /// Removes a credential and notes that it was removed, so that a seed does not bring it back.
    pub fn delete_credential(&mut self, auth_id: &str, username: &str) -> Result<(), WriteError> {
        let name = key::credential_name(auth_id, username);
        self.remove(key::key(Kind::Credential, &name), Some(CacheChange::Remove(name.clone().into())));
        self.put(key::key(Kind::Tombstone, &name), &TombstoneRecord, Guard::Nothing, None)
    }

    /// Removes the note that a credential was deleted: for when its account goes.
    pub fn forget_deleted_credential(&mut self, auth_id: &str, username: &str) {
        self.remove(key::key(Kind::Tombstone, &key::credential_name(auth_id, username)), None);
    }

    /// Removes a credential without a note, for when its account goes with it.
    pub fn remove_credential(&mut self, auth_id: &str, username: &str) {
        let name = key::credential_name(auth_id, username);
        self.remove(key::key(Kind::Credential, &name), Some(CacheChange::Remove(name.into())));
    }

    /// Stores a route key.
    pub fn put_route_key(&mut self, route_key: &RouteKeyRecord) -> Result<(), WriteError> {
        self.put(key::key(Kind::RouteKey, &[route_key.id]), route_key, Guard::Nothing, None)
    }

    /// Removes a route key.
    pub fn delete_route_key(&mut self, id: u8) {
        self.remove(key::key(Kind::RouteKey, &[id]), None);
    }

    /// Adds a credential unless its name exists or was added to these changes before. Says whether it was added here.
    pub(super) fn offer_credential(&mut self, credential: &CredentialRecord) -> Result<bool, WriteError> {
        let name = key::credential_name(&credential.auth_id, &credential.username);
        if self.objects.contains_key(&key::key(Kind::Credential, &name)) {
            return Ok(false);
        }
        self.put_credential(credential, Guard::SkipIfPresent)?;
        self.remove(key::key(Kind::Tombstone, &name), None);
        Ok(true)
    }

    /// Writes or removes the bindings of `aor`. What is larger than a record may be is not stored; says whether it fit.
    pub(super) fn put_bindings(&mut self, aor: &AddressOfRecord, bindings: Option<&StoredRecord>) -> bool {
        let encoded = bindings.filter(|some| !some.is_empty()).map(record::encode);
        let (value, fits) = match encoded {
            None => (None, true),
            Some(Ok(bytes)) if bytes.len() <= MAX_BINDINGS => (Some(bytes), true),
            Some(_) => (None, false),
        };
        self.bindings.push((key::binding_key(aor), value));
        fits
    }

    fn put_credential(&mut self, credential: &CredentialRecord, guard: Guard) -> Result<(), WriteError> {
        named(Kind::Credential, &credential.auth_id)?;
        named(Kind::Credential, &credential.username)?;
        let name = key::credential_name(&credential.auth_id, &credential.username);
        let cache = CacheChange::Put(Arc::from(name.as_slice()), credential.credential());
        self.put(key::key(Kind::Credential, &name), credential, guard, Some(cache))
    }

    fn put<T: Record>(
        &mut self,
        key: Vec<u8>,
        record: &T,
        guard: Guard,
        cache: Option<CacheChange>,
    ) -> Result<(), WriteError> {
        let what = || key::describe(&key);
        let value = record::encode(record)
            .map_err(|_: RecordError| WriteError::Invalid { what: what(), reason: "it cannot be encoded" })?;
        if value.len() > MAX_RECORD {
            return Err(WriteError::TooLarge { what: what(), bytes: value.len(), max: MAX_RECORD });
        }
        self.insert(key, Row { value: Some(value), guard, cache, old: None });
        Ok(())
    }

    fn remove(&mut self, key: Vec<u8>, cache: Option<CacheChange>) {
        self.insert(key, Row { value: None, guard: Guard::Nothing, cache, old: None });
    }

    /// Two changes of one object: the guard of the first speaks of what is stored, the rest is the last one's.
    fn insert(&mut self, key: Vec<u8>, row: Row) {
        match self.objects.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(row);
            }
            Entry::Occupied(mut occupied) => {
                let guard = occupied.get().guard;
                occupied.insert(Row { guard, ..row });
            }
        }
    }
}

/// A NUL would make two names out of one.
fn named(kind: Kind, name: &str) -> Result<(), WriteError> {
    let reason = match name {
        "" => "its name is empty",
        _ if name.contains('\0') => "its name holds a NUL",
        _ => return Ok(()),
    };
    Err(WriteError::Invalid { what: key::describe(&key::key(kind, name.as_bytes())), reason })
}
