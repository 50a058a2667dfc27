//! Trunks and accounts as the packet path sees them: an immutable snapshot, replaced whole when the configuration changes.
//!
//! Which trunk a request belongs to is decided by [`Directory`]; nothing here looks at From or To.

mod directory;
mod interfaces;

pub use crate::trunk_id::TrunkId;
pub use directory::{Directory, DirectoryError};
pub use interfaces::{Advertised, Alias, Interfaces};

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::acl::Acl;
use crate::auth::{Algorithm, ChallengeStatus};

/// What a trunk demands of a sender, separately for REGISTER and for calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthPolicy {
    /// Everything that the trunk has must pass: with credentials and ACL entries, both.
    #[default]
    All,
    /// An address on the ACL or a right digest answer.
    Any,
    /// The address alone; refused with 403.
    IpOnly,
    /// The digest answer alone; deny entries still refuse.
    DigestOnly,
}

/// An account and what its trunks share.
#[derive(Debug)]
pub struct Account {
    /// `MA_…`, as in the API's paths.
    pub auth_id: Box<str>,
    /// The digest realm of all its credentials.
    pub realm: Box<str>,
    /// A suspended account's trunks refuse everybody.
    pub enabled: bool,
    /// How many credentials without a trunk the account has, disabled ones included. Kept by the store.
    pub unscoped_credentials: Arc<AtomicU32>,
}

/// A trunk.
#[derive(Debug)]
pub struct Trunk {
    /// Its identity.
    pub id: TrunkId,
    /// What people call it.
    pub name: Box<str>,
    /// The account it belongs to.
    pub account: Arc<Account>,
    /// `{first 8 hex digits}.{domain}`, lower case.
    pub domain: Box<str>,
    /// A disabled trunk refuses everybody.
    pub enabled: bool,
    /// Policy for REGISTER.
    pub policy_register: AuthPolicy,
    /// Policy for every other method.
    pub policy_call: AuthPolicy,
    /// Allow and deny entries, compiled.
    pub acl: Acl,
    /// Digest algorithms offered, in order; never empty.
    pub algorithms: Box<[Algorithm]>,
    /// Which status challenges a call: 401 with WWW-Authenticate or 407 with Proxy-Authenticate.
    pub call_challenge: ChallengeStatus,
    /// `caller_id = "any"`: no rule binds From to the credential.
    pub caller_id_any: bool,
    /// Chosen by the peer's address where the Request-URI names this server.
    pub select_by_source: bool,
    /// The one account-wide credential of this trunk (`credential_uuid`); without it all unscoped ones belong to it.
    pub credential: Option<Uuid>,
    /// How many credentials are scoped to this trunk, disabled ones included. Kept by the store.
    pub scoped_credentials: Arc<AtomicU32>,
}

impl Trunk {
    /// Whether any credential belongs to this trunk, enabled or not: disabling the last one must not open the trunk to
    /// whoever is on its ACL.
    pub fn has_credentials(&self) -> bool {
        self.credential.is_some()
            || self.scoped_credentials.load(Ordering::Acquire) > 0
            || self.account.unscoped_credentials.load(Ordering::Acquire) > 0
    }

    /// Whether the credential `id`, scoped to `scope`, belongs to this trunk.
    pub fn takes_credential(&self, id: Uuid, scope: Option<TrunkId>) -> bool {
        match scope {
            Some(trunk) => trunk == self.id,
            None => self.credential.is_none_or(|only| only == id),
        }
    }

    /// Whether some peer can be admitted by its address alone, without digest.
    pub fn admits_by_address(&self) -> bool {
        let by_address = |policy| match policy {
            AuthPolicy::Any | AuthPolicy::IpOnly => self.acl.has_allow(),
            AuthPolicy::All => self.acl.has_allow() && !self.has_credentials(),
            AuthPolicy::DigestOnly => false,
        };
        self.enabled && (by_address(self.policy_register) || by_address(self.policy_call))
    }
}
