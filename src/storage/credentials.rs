//! All credentials in memory, in front of the store: no packet waits for sled.
//!
//! Changed by the writing thread alone, in the order of the commits and only after they are on disk; read by every packet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::auth::{Credential, CredentialSource};
use crate::trunk::TrunkId;

use super::key;

/// Longest username there is, in bytes; a longer one in a request is unknown without being looked up.
const LONGEST_USERNAME: usize = 255;

/// The cache.
///
/// Keyed by `auth_id \0 username` with the standard library's hasher: names come from the network, so the hash must be
/// keyed (SipHash-1-3 with random keys); an unkeyed one would be some 15 ns faster and let a sender choose who shares a bucket.
#[derive(Debug, Default)]
pub struct Credentials {
    by_name: DashMap<Arc<[u8]>, Credential>,
    /// Redundant, so that the API and a revocation find a credential by its id; shares the names of `by_name`.
    name_by_id: DashMap<Uuid, Arc<[u8]>>,
    unscoped: DashMap<Box<str>, Arc<AtomicU32>>,
    scoped: DashMap<TrunkId, Arc<AtomicU32>>,
}

impl CredentialSource for Credentials {
    fn credential(&self, auth_id: &str, username: &[u8]) -> Option<Credential> {
        if username.len() > LONGEST_USERNAME {
            return None;
        }
        // On the stack: this is the packet path.
        let mut name: SmallVec<[u8; 128]> = SmallVec::new();
        name.extend_from_slice(auth_id.as_bytes());
        name.push(key::SEPARATOR);
        name.extend_from_slice(username);
        self.by_name.get(name.as_slice()).map(|entry| *entry.value())
    }
}

impl Credentials {
    /// `(auth_id, username)` of the credential `id`.
    pub fn by_id(&self, id: Uuid) -> Option<(String, String)> {
        let name = Arc::clone(self.name_by_id.get(&id)?.value());
        key::split_credential_name(&name).map(|(auth_id, username)| (auth_id.to_owned(), username.to_owned()))
    }

    /// Whether the account has a credential of that name.
    pub fn contains(&self, auth_id: &str, username: &str) -> bool {
        self.by_name.contains_key(key::credential_name(auth_id, username).as_slice())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The live count of the account's credentials without a trunk, disabled ones included.
    pub fn unscoped_counter(&self, auth_id: &str) -> Arc<AtomicU32> {
        if let Some(counter) = self.unscoped.get(auth_id) {
            return Arc::clone(counter.value());
        }
        Arc::clone(self.unscoped.entry(auth_id.into()).or_default().value())
    }

    /// The live count of the credentials of `trunk`, disabled ones included.
    pub fn scoped_counter(&self, trunk: TrunkId) -> Arc<AtomicU32> {
        Arc::clone(self.scoped.entry(trunk).or_default().value())
    }

    /// Adds or replaces. The count goes up first: no packet may see a trunk without credentials that is about to have one.
    pub(super) fn put(&self, name: Arc<[u8]>, credential: Credential) {
        self.count(&name, credential.trunk, 1);
        self.name_by_id.insert(credential.id, Arc::clone(&name));
        let old = match self.by_name.entry(Arc::clone(&name)) {
            Entry::Occupied(mut occupied) => Some(occupied.insert(credential)),
            Entry::Vacant(vacant) => {
                vacant.insert(credential);
                None
            }
        };
        if let Some(old) = old {
            if old.id != credential.id {
                self.name_by_id.remove(&old.id);
            }
            self.count(&name, old.trunk, -1);
        }
    }

    /// Removes; the count goes down last.
    pub(super) fn remove(&self, name: &[u8]) {
        if let Some((name, old)) = self.by_name.remove(name) {
            self.name_by_id.remove(&old.id);
            self.count(&name, old.trunk, -1);
        }
    }

    fn count(&self, name: &[u8], trunk: Option<TrunkId>, by: i32) {
        let counter = match (trunk, key::split_credential_name(name)) {
            (Some(trunk), _) => self.scoped_counter(trunk),
            (None, Some((auth_id, _))) => self.unscoped_counter(auth_id),
            (None, None) => return,
        };
        // Two's complement: adding -1 takes one away.
        counter.fetch_add(by.cast_unsigned(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::auth::{Ha1, Ha1Set};

    fn credential(id: u128, trunk: Option<u128>) -> Credential {
        Credential {
            id: Uuid::from_u128(id),
            enabled: true,
            trunk: trunk.map(|id| TrunkId(Uuid::from_u128(id))),
            ha1: Ha1Set { md5: Some(Ha1([1; 16])), sha256: None, sha512_256: None },
        }
    }

    fn name(user: &str) -> Arc<[u8]> {
        Arc::from(key::credential_name("MA_1", user))
    }

    #[test]
    fn a_name_is_found_in_its_own_account_and_case_only() {
        let credentials = Credentials::default();
        credentials.put(name("alice"), credential(1, None));
        assert_eq!(credentials.credential("MA_1", b"alice").unwrap().id, Uuid::from_u128(1));
        assert!(credentials.credential("MA_1", b"Alice").is_none());
        assert!(credentials.credential("MA_2", b"alice").is_none());
        assert!(credentials.credential("MA_1", &[b'a'; 70_000]).is_none());
    }

    #[test]
    fn the_counters_follow_scopes_replacements_and_removals() {
        let credentials = Credentials::default();
        let (unscoped, scoped) =
            (credentials.unscoped_counter("MA_1"), credentials.scoped_counter(TrunkId(Uuid::from_u128(9))));
        let counts = || (unscoped.load(Ordering::Acquire), scoped.load(Ordering::Acquire));
        credentials.put(name("alice"), credential(1, None));
        credentials.put(name("bob"), credential(2, None));
        assert_eq!(counts(), (2, 0));
        credentials.put(name("alice"), credential(1, Some(9)));
        assert_eq!(counts(), (1, 1));
        credentials.remove(&name("alice"));
        credentials.remove(&name("alice"));
        assert_eq!(counts(), (1, 0));
        assert_eq!(credentials.len(), 1);
    }

    #[test]
    fn an_id_leads_to_its_name_until_it_is_removed_or_replaced() {
        let credentials = Credentials::default();
        credentials.put(name("alice"), credential(1, None));
        assert_eq!(credentials.by_id(Uuid::from_u128(1)), Some(("MA_1".to_owned(), "alice".to_owned())));
        credentials.put(name("alice"), credential(2, None));
        assert_eq!(credentials.by_id(Uuid::from_u128(1)), None);
        credentials.remove(&name("alice"));
        assert_eq!(credentials.by_id(Uuid::from_u128(2)), None);
    }
}
