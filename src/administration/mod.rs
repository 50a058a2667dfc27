//! The one place that changes the configuration while the server runs.
//!
//! Every change takes the same way: it is checked against what is stored, committed (fsync), shown to the packet path (a new
//! [`Directory`]; the credential cache follows the store by itself), and the bindings that it revokes are dropped. Only then does the call return:
//! the next packet sees the change, and no crash takes it back. One writer at a time, so that store and snapshot agree; only what is merely
//! new (a credential, a number, a URI) is made by several at once.
//! A REGISTER that was being decided meanwhile is looked at again by the engine after it has made its binding.

mod accounts;
mod acl;
mod credentials;
mod error;
mod numbers;
mod origination_uris;
mod rules;
mod settings;
mod snapshot;
mod trunks;
mod webhook;
mod welcome;

#[cfg(test)]
mod tests;

pub use acl::AclFields;
pub use credentials::{CredentialFields, NewSecret};
pub use error::Error;
pub use numbers::{NewNumber, e164};
pub use origination_uris::OriginationUriFields;
pub use settings::Settings;
pub use snapshot::{directory, realm};
pub use trunks::TrunkFields;
pub use welcome::{JudgedBindings, Welcome};

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;

use crate::clock::Timestamp;
use crate::dialog::Dialogs;
use crate::event::{Event, Gone, Observer};
use crate::location::{AddressOfRecord, Binding, Location};
use crate::storage::{AccountRecord, AclRecord, Changes, Store, TrunkRecord, Window};
use crate::trunk::{Directory, TrunkId};

/// What an [`Administration`] works on.
pub struct Parts {
    /// The durable store.
    pub store: Arc<Store>,
    /// The packet path's snapshot.
    pub directory: Arc<ArcSwap<Directory>>,
    /// The bindings.
    pub location: Arc<Location>,
    /// The live calls.
    pub dialogs: Arc<Dialogs>,
    /// `[sip] domain`, under which trunks and realms are named.
    pub domain: Box<str>,
    /// What the operator decided.
    pub settings: Settings,
    /// Reads the clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Hears of bindings that are revoked.
    pub observer: Box<dyn Observer + Send>,
}

/// Changes the configuration. Every method may wait for the disk.
pub struct Administration {
    store: Arc<Store>,
    directory: Arc<ArcSwap<Directory>>,
    location: Arc<Location>,
    dialogs: Arc<Dialogs>,
    domain: Box<str>,
    settings: Settings,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    observer: Mutex<Box<dyn Observer + Send>>,
    writing: RwLock<()>,
}

impl fmt::Debug for Administration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administration").field("domain", &self.domain).finish_non_exhaustive()
    }
}

/// What of an account the directory is made from, and changes to it that are not yet made.
struct Draft {
    account: AccountRecord,
    trunks: Vec<TrunkRecord>,
    entries: Vec<AclRecord>,
    changes: Changes,
}

impl Administration {
    /// Over what is stored and running. The directory must be that of the store.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, directory, location, dialogs, domain, settings, now, observer } = parts;
        let (observer, writing) = (Mutex::new(observer), RwLock::default());
        Self { store, directory, location, dialogs, domain, settings, now, observer, writing }
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The bindings, for reading.
    pub fn location(&self) -> &Arc<Location> {
        &self.location
    }

    /// The live calls, for reading.
    pub fn dialogs(&self) -> &Arc<Dialogs> {
        &self.dialogs
    }

    /// What the packet path sees, for reading.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// `[sip] domain`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Drops all bindings of an address of record; answers how many there were.
    pub fn drop_bindings(&self, trunk: TrunkId, user: &str) -> usize {
        self.revoke_at(trunk, user, |_, _| true)
    }

    /// For what is read, judged and written back: nothing else changes meanwhile.
    fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.writing.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// For making something that only has to be new, which the store itself sees to: many at a time share an fsync. What it refers to stays
    /// meanwhile.
    fn among_others(&self) -> RwLockReadGuard<'_, ()> {
        self.writing.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time, as the changes have it.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    fn micros(&self) -> u64 {
        (self.now)().micros()
    }

    /// A later `updated_at` than `before`, also where the clock went back: it is what tells two versions apart.
    fn later(&self, before: u64) -> u64 {
        self.micros().max(before.saturating_add(1))
    }

    /// Changes what the directory is made from: `edit` changes the draft of one account and fills its changes.
    fn configure<T>(&self, auth_id: &str, edit: impl FnOnce(&mut Draft) -> Result<T, Error>) -> Result<T, Error> {
        let _alone = self.alone();
        let mut draft = Draft {
            account: self.store.account(auth_id)?.ok_or(Error::NotFound("Account"))?,
            trunks: self.store.page_of_trunks(auth_id, Window::ALL)?.records,
            entries: self.store.page_of_acl_entries(auth_id, Window::ALL)?.records,
            changes: Changes::new(),
        };
        let done = edit(&mut draft)?;
        let Draft { account, trunks, entries, changes } = draft;
        let before = self.directory.load_full();
        let made = snapshot::trunks_of(&self.store, &account, &trunks, &entries, &self.domain)?;
        let after = snapshot::replaced(&before, auth_id, made)?;
        self.show(&before, after, changes)?;
        Ok(done)
    }

    /// Commits, swaps the directory, and drops what it no longer lets in.
    fn show(&self, before: &Directory, after: Directory, changes: Changes) -> Result<(), Error> {
        let narrowed: HashSet<TrunkId> = before
            .trunks()
            .filter(|trunk| after.get(trunk.id).is_none_or(|now| welcome::may_let_less_in(trunk, now)))
            .map(|trunk| trunk.id)
            .collect();
        self.store.commit(changes)?;
        let after = Arc::new(after);
        self.directory.store(after.clone());
        if narrowed.is_empty() {
            return Ok(());
        }
        let mut gone = Vec::new();
        self.location.revoke(
            |aor, binding| {
                narrowed.contains(&aor.trunk) && !welcome::keeps(&after, self.store.credentials(), aor, binding)
            },
            |aor, binding| gone.push((aor.clone(), binding.clone())),
        );
        self.tell(&gone);
        Ok(())
    }

    /// Drops the bindings that the account's credential of that name made and no longer may have.
    fn revoke_credential(&self, auth_id: &str, username: &str) {
        let directory = self.directory.load_full();
        for trunk in directory.trunks().filter(|trunk| &*trunk.account.auth_id == auth_id) {
            self.revoke_at(trunk.id, username, |aor, binding| {
                !welcome::keeps(&directory, self.store.credentials(), aor, binding)
            });
        }
    }

    fn revoke_at(&self, trunk: TrunkId, user: &str, mut drop: impl FnMut(&AddressOfRecord, &Binding) -> bool) -> usize {
        let mut gone = Vec::new();
        self.location.revoke_at(trunk, user, &mut drop, |aor, binding| gone.push((aor.clone(), binding.clone())));
        self.tell(&gone);
        gone.len()
    }

    /// After the fact: an observer that writes a log must not do so under the table's locks.
    fn tell(&self, gone: &[(AddressOfRecord, Binding)]) {
        let mut observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        for (aor, binding) in gone {
            observer.observe(&Event::Unregistered { aor, binding, gone: Gone::Revoked });
        }
    }
}
