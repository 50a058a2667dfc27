//! Whether a binding may stay: what the gate would say if its REGISTER came again.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use uuid::Uuid;

use crate::acl::Verdict;
use crate::auth::CredentialSource;
use crate::location::{AddressOfRecord, Binding, BindingStore, Location, StoredBinding, StoredRecord};
use crate::storage::{BindingJournal, Credentials};
use crate::trunk::{AuthPolicy, Directory, Trunk};

/// Whether `binding` may stay.
pub(super) fn keeps(
    directory: &Directory,
    credentials: &Credentials,
    aor: &AddressOfRecord,
    binding: &Binding,
) -> bool {
    judge(directory, credentials, aor, binding.credential, binding.flow.peer_ip())
}

/// As `engine::gate` decides on REGISTER, with the credential that answered then in place of an answer.
fn judge(
    directory: &Directory,
    credentials: &Credentials,
    aor: &AddressOfRecord,
    credential: Option<Uuid>,
    peer: IpAddr,
) -> bool {
    let Some(trunk) = directory.get(aor.trunk) else { return false };
    if !trunk.enabled || !trunk.account.enabled {
        return false;
    }
    let address = trunk.acl.decide(peer);
    if matches!(address, Verdict::Denied(_)) {
        return false;
    }
    let by_address =
        matches!(address, Verdict::Allowed(entry) if entry.may_register.iter().any(|name| **name == *aor.user));
    // A credential registers only its own name.
    let by_credential = credential.is_some_and(|id| {
        let stored = credentials.credential(&trunk.account.auth_id, aor.user.as_bytes());
        stored.is_some_and(|stored| stored.id == id && stored.enabled && trunk.takes_credential(id, stored.trunk))
    });
    match trunk.policy_register {
        AuthPolicy::IpOnly => by_address,
        AuthPolicy::DigestOnly => by_credential,
        AuthPolicy::Any => by_credential || (by_address && credential.is_none()),
        AuthPolicy::All if !trunk.has_credentials() => by_address && credential.is_none(),
        AuthPolicy::All => by_credential && !matches!(address, Verdict::Unlisted),
    }
}

/// Whether a binding that `before` kept may not be kept by `now`.
pub(super) fn may_let_less_in(before: &Trunk, now: &Trunk) -> bool {
    let open = |trunk: &Trunk| trunk.enabled && trunk.account.enabled;
    open(before) != open(now)
        || before.policy_register != now.policy_register
        || before.credential != now.credential
        || !before.acl.entries().eq(now.acl.entries())
}

/// Judges stored bindings before they are put back after a start: a change may have been committed right before the process
/// ended, and the bindings that it revoked may still be stored.
#[derive(Clone)]
pub struct Welcome {
    /// The packet path's snapshot.
    pub directory: Arc<ArcSwap<Directory>>,
    /// The credentials.
    pub credentials: Arc<Credentials>,
}

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome").finish_non_exhaustive()
    }
}

impl Welcome {
    /// Whether the stored binding may be put back.
    pub fn keeps(&self, aor: &AddressOfRecord, stored: &StoredBinding) -> bool {
        judge(&self.directory.load(), &self.credentials, aor, stored.credential, stored.peer.ip().to_canonical())
    }
}

/// The journal of bindings with a judge in front of what it gives back.
#[derive(Debug)]
pub struct JudgedBindings {
    journal: Arc<BindingJournal>,
    welcome: Welcome,
}

impl JudgedBindings {
    /// In front of `journal`.
    pub fn new(journal: Arc<BindingJournal>, welcome: Welcome) -> Self {
        Self { journal, welcome }
    }

    /// Puts a stored record back, without what may not stay. To be given to [`BindingJournal::restore`].
    pub fn restore(&self, location: &Location, aor: AddressOfRecord, stored: StoredRecord) {
        let before = stored.len();
        let kept = self.judged(&aor, stored);
        let lost_some = kept.len() != before;
        location.restore(aor.clone(), kept);
        if lost_some {
            // The row is written anew, else what was dropped would come back with the next start.
            self.journal.changed(&aor);
        }
    }

    fn judged(&self, aor: &AddressOfRecord, mut stored: StoredRecord) -> StoredRecord {
        stored.retain(|binding| self.welcome.keeps(aor, binding));
        stored
    }
}

impl BindingStore for JudgedBindings {
    fn changed(&self, aor: &AddressOfRecord) {
        self.journal.changed(aor);
    }

    fn recall(&self, aor: &AddressOfRecord) -> Option<StoredRecord> {
        let kept = self.judged(aor, self.journal.recall(aor)?);
        (!kept.is_empty()).then_some(kept)
    }
}
