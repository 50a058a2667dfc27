//! Typed reading, for the composition root, the API and backups. Never for a packet.

use uuid::Uuid;

use crate::trunk::TrunkId;

use super::Store;
use super::destination::{NumberRecord, OriginationUriRecord};
use super::error::{ReadError, RecordError};
use super::key::{self, Kind};
use super::record::{self, Record};
use super::schema::{AccountRecord, AclRecord, CredentialRecord, RouteKeyRecord, TrunkRecord};

/// The tree's name in messages that concern no single kind.
pub(super) const ENGINE_OBJECTS: &str = "the tree objects";

/// A read sees what the writer has applied, which is at most one fsync ahead of what it has acknowledged.
impl Store {
    /// All accounts, by `auth_id`.
    pub fn accounts(&self) -> Result<Vec<AccountRecord>, ReadError> {
        self.scan(Kind::Account, b"")
    }

    /// One account.
    pub fn account(&self, auth_id: &str) -> Result<Option<AccountRecord>, ReadError> {
        self.get(&key::key(Kind::Account, auth_id.as_bytes()))
    }

    /// All trunks.
    pub fn trunks(&self) -> Result<Vec<TrunkRecord>, ReadError> {
        self.scan(Kind::Trunk, b"")
    }

    /// One trunk.
    pub fn trunk(&self, id: TrunkId) -> Result<Option<TrunkRecord>, ReadError> {
        self.get(&key::id_key(Kind::Trunk, id.0))
    }

    /// All ACL entries of all accounts.
    pub fn acl_entries(&self) -> Result<Vec<AclRecord>, ReadError> {
        self.scan(Kind::AclEntry, b"")
    }

    /// One ACL entry.
    pub fn acl_entry(&self, id: Uuid) -> Result<Option<AclRecord>, ReadError> {
        self.get(&key::id_key(Kind::AclEntry, id))
    }

    /// All credentials of one account, by username.
    pub fn credentials_of(&self, auth_id: &str) -> Result<Vec<CredentialRecord>, ReadError> {
        self.scan(Kind::Credential, &key::credential_name(auth_id, ""))
    }

    /// One credential.
    pub fn credential(&self, auth_id: &str, username: &str) -> Result<Option<CredentialRecord>, ReadError> {
        self.get(&key::key(Kind::Credential, &key::credential_name(auth_id, username)))
    }

    /// One credential by its id.
    pub fn credential_by_id(&self, id: Uuid) -> Result<Option<CredentialRecord>, ReadError> {
        match self.credentials.by_id(id) {
            Some((auth_id, username)) => self.credential(&auth_id, &username),
            None => Ok(None),
        }
    }

    /// One origination URI.
    pub fn origination_uri(&self, id: Uuid) -> Result<Option<OriginationUriRecord>, ReadError> {
        self.get(&key::id_key(Kind::OriginationUri, id))
    }

    /// All origination URIs of all accounts.
    pub fn origination_uris(&self) -> Result<Vec<OriginationUriRecord>, ReadError> {
        self.scan(Kind::OriginationUri, b"")
    }

    /// One number, by its E.164 form.
    pub fn number(&self, e164: &str) -> Result<Option<NumberRecord>, ReadError> {
        self.get(&key::key(Kind::Number, e164.as_bytes()))
    }

    /// All numbers of all accounts.
    pub fn numbers(&self) -> Result<Vec<NumberRecord>, ReadError> {
        self.scan(Kind::Number, b"")
    }

    /// Usernames of the account that were deleted and not made again by hand.
    pub fn deleted_usernames(&self, auth_id: &str) -> Result<Vec<String>, ReadError> {
        let rows = self.objects.scan_prefix(key::key(Kind::Tombstone, &key::credential_name(auth_id, ""))).keys();
        rows.filter_map(|row| match row {
            Ok(key) => key::split_credential_name(key.get(1..)?).map(|(_, username)| Ok(username.to_owned())),
            Err(error) => Some(Err(engine(Kind::Tombstone, &error))),
        })
        .collect()
    }

    /// Whether a credential of that name was deleted and not made again by hand.
    pub fn was_deleted(&self, auth_id: &str, username: &str) -> Result<bool, ReadError> {
        let key = key::key(Kind::Tombstone, &key::credential_name(auth_id, username));
        self.objects.contains_key(key).map_err(|error| engine(Kind::Tombstone, &error))
    }

    pub(super) fn route_keys(&self) -> Result<Vec<RouteKeyRecord>, ReadError> {
        self.scan(Kind::RouteKey, b"")
    }

    pub(super) fn get<T: Record>(&self, key: &[u8]) -> Result<Option<T>, ReadError> {
        let kind = Kind::of(key).unwrap_or(Kind::State);
        let value = self.objects.get(key).map_err(|error| engine(kind, &error))?;
        value.map(|value| record_at(key, &value)).transpose()
    }

    fn scan<T: Record>(&self, kind: Kind, prefix: &[u8]) -> Result<Vec<T>, ReadError> {
        let rows = self.objects.scan_prefix(key::key(kind, prefix));
        rows.map(|row| {
            let (key, value) = row.map_err(|error| engine(kind, &error))?;
            record_at(&key, &value)
        })
        .collect()
    }
}

/// Decodes the record under `key`; an error names both kind and key.
pub(super) fn record_at<T: Record>(key: &[u8], value: &[u8]) -> Result<T, ReadError> {
    record::decode(value).map_err(|source: RecordError| ReadError::Record {
        tree: Kind::of(key).map_or(ENGINE_OBJECTS, Kind::plural),
        key: key::readable(key),
        source,
    })
}

fn engine(kind: Kind, error: &sled::Error) -> ReadError {
    ReadError::Engine { tree: kind.plural(), detail: error.to_string() }
}
