//! Keys. All configuration lives in one sled tree, `objects`, and the first byte of a key says what kind of thing it names.
//!
//! One tree and not one a kind, because one `Batch` on one tree is applied atomically, across a crash too: deleting a trunk
//! with its credentials and ACL entries is all there or not at all. sled's transactions over several trees would do it
//! as well, but retry, and hold every row in memory twice.

use std::fmt::Write;

use uuid::Uuid;

use crate::location::AddressOfRecord;

/// Separates account and username; neither can hold it.
pub(super) const SEPARATOR: u8 = 0;

/// What kind of thing a key names. The bytes are part of the format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    /// [`super::AccountRecord`] by `auth_id`.
    Account = b'A',
    /// [`super::CredentialRecord`] by `auth_id \0 username`.
    Credential = b'C',
    /// [`super::AuditRecord`] by its number, big-endian.
    Audit = b'J',
    /// [`super::RouteKeyRecord`] by its id.
    RouteKey = b'K',
    /// [`super::AclRecord`] by its id.
    AclEntry = b'L',
    /// [`super::NumberRecord`] by its E.164 form.
    Number = b'N',
    /// [`super::state::State`]; one row.
    State = b'S',
    /// [`super::TrunkRecord`] by its id.
    Trunk = b'T',
    /// [`super::OriginationUriRecord`] by its id.
    OriginationUri = b'U',
    /// [`super::TombstoneRecord`] of a deleted credential, by `auth_id \0 username`.
    Tombstone = b'X',
}

impl Kind {
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        match key.first()? {
            b'A' => Some(Self::Account),
            b'C' => Some(Self::Credential),
            b'J' => Some(Self::Audit),
            b'K' => Some(Self::RouteKey),
            b'L' => Some(Self::AclEntry),
            b'N' => Some(Self::Number),
            b'S' => Some(Self::State),
            b'T' => Some(Self::Trunk),
            b'U' => Some(Self::OriginationUri),
            b'X' => Some(Self::Tombstone),
            _ => None,
        }
    }

    /// For messages about a whole kind.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Account => "accounts",
            Self::Credential => "credentials",
            Self::Audit => "audit entries",
            Self::RouteKey => "route keys",
            Self::AclEntry => "ACL entries",
            Self::Number => "numbers",
            Self::State => "state",
            Self::Trunk => "trunks",
            Self::OriginationUri => "origination URIs",
            Self::Tombstone => "deleted credentials",
        }
    }

    fn singular(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Credential => "credential",
            Self::Audit => "audit entry",
            Self::RouteKey => "route key",
            Self::AclEntry => "ACL entry",
            Self::Number => "number",
            Self::State => "state",
            Self::Trunk => "trunk",
            Self::OriginationUri => "origination URI",
            Self::Tombstone => "deleted credential",
        }
    }
}

pub(super) fn key(kind: Kind, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(kind as u8);
    key.extend_from_slice(name);
    key
}

pub(super) fn id_key(kind: Kind, id: Uuid) -> Vec<u8> {
    key(kind, id.as_bytes())
}

/// `auth_id \0 username`: the key of a credential without its kind, as the cache uses it.
pub(super) fn credential_name(auth_id: &str, username: &str) -> Vec<u8> {
    [auth_id.as_bytes(), &[SEPARATOR], username.as_bytes()].concat()
}

/// Account and username of a [`credential_name`].
pub(super) fn split_credential_name(name: &[u8]) -> Option<(&str, &str)> {
    let at = memchr::memchr(SEPARATOR, name)?;
    let (auth_id, username) = (name.get(..at)?, name.get(at + 1..)?);
    Some((std::str::from_utf8(auth_id).ok()?, std::str::from_utf8(username).ok()?))
}

/// `trunk id (16 bytes) user`, in the tree `bindings`.
pub(super) fn binding_key(aor: &AddressOfRecord) -> Vec<u8> {
    let mut key = aor.trunk.0.as_bytes().to_vec();
    key.extend_from_slice(aor.user.as_bytes());
    key
}

/// Kind and name of a key, readable, for messages.
pub(super) fn describe(key: &[u8]) -> String {
    let Some(kind) = Kind::of(key) else { return format!("record {}", key.escape_ascii()) };
    format!("{} {}", kind.singular(), readable(key))
}

/// The name in a key without its kind, readable.
pub(super) fn readable(key: &[u8]) -> String {
    let name = key.get(1..).unwrap_or_default();
    match Kind::of(key) {
        Some(Kind::Trunk | Kind::AclEntry | Kind::OriginationUri) => {
            Uuid::from_slice(name).map_or_else(|_| hex(name), |id| id.to_string())
        }
        Some(Kind::Credential | Kind::Tombstone) => match split_credential_name(name) {
            Some((auth_id, username)) => format!("{}/{}", auth_id.escape_default(), username.escape_default()),
            None => hex(name),
        },
        Some(Kind::Audit) => super::audit::sequence(key).to_string(),
        Some(Kind::RouteKey) | None => hex(name),
        Some(Kind::Account | Kind::Number | Kind::State) => name.escape_ascii().to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_name_splits_into_what_it_was_made_of() {
        assert_eq!(split_credential_name(&credential_name("MA_1", "alice")), Some(("MA_1", "alice")));
        assert_eq!(split_credential_name(b"no separator"), None);
    }

    #[test]
    fn every_kind_is_found_again_in_its_keys_and_named() {
        let id = Uuid::from_u128(0x1486_467e_0000_4000_8000_0000_0000_0001);
        assert_eq!(describe(&id_key(Kind::Trunk, id)), format!("trunk {id}"));
        assert_eq!(describe(&key(Kind::Credential, b"MA_1\0al\nice")), "credential MA_1/al\\nice");
        for kind in [
            Kind::Account,
            Kind::Credential,
            Kind::Audit,
            Kind::RouteKey,
            Kind::AclEntry,
            Kind::Number,
            Kind::State,
            Kind::Trunk,
            Kind::OriginationUri,
            Kind::Tombstone,
        ] {
            assert_eq!(Kind::of(&key(kind, b"x")), Some(kind));
        }
    }
}
