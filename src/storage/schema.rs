//! The shapes as stored, one struct a kind.
//!
//! postcard writes fields in order and enums by index, without names: a changed shape needs a new
//! [`Record::VERSION`] and a reader for the old one. The test below pins the bytes.
//!
//! Identifiers are UUIDs of version 4 for trunks, whose first eight hexadecimal digits are the trunk's domain and must
//! differ (those of version 7 are a clock and would repeat within the minute), and of version 7 for everything else, so that ids sort by age.
//! All times are microseconds since the Unix epoch unless the field says otherwise.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::{Algorithm, ChallengeStatus, Credential, Ha1, Ha1Set};
use crate::location::StoredRecord;
use crate::trunk::{AuthPolicy, TrunkId};

use super::record::Record;

/// An account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// `MA_…`.
    pub auth_id: String,
    /// SHA-256 of the API token. The token is 256 random bits, so nothing slower is needed.
    pub token_hash: [u8; 32],
    /// The digest realm, where it is not `{auth_id}.{domain}`.
    pub realm_override: Option<String>,
    /// A suspended account's trunks refuse everybody.
    pub enabled: bool,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
}

impl fmt::Debug for AccountRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRecord")
            .field("auth_id", &self.auth_id)
            .field("realm_override", &self.realm_override)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// Which way a trunk's calls may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Direction {
    /// Not out to its origination URIs.
    Inbound,
    /// No calls to its numbers.
    Outbound,
    /// Both ways.
    #[default]
    Both,
}

/// The transport a trunk says it wants. Kept and shown, not enforced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum TrunkTransport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

/// How a webhook is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum WebhookMethod {
    /// POST.
    #[default]
    Post,
    /// GET.
    Get,
}

/// A trunk: the fields of the API's object, then those of ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrunkRecord {
    /// `trunk_id`.
    pub id: TrunkId,
    /// `account_id`.
    pub auth_id: String,
    /// What people call it.
    pub name: String,
    /// `trunk_domain`, where it is not `{first 8 hex digits}.{domain}`.
    pub domain_override: Option<String>,
    /// `trunk_status`.
    pub enabled: bool,
    /// Kept and shown, not enforced.
    pub secure: bool,
    /// `trunk_direction`.
    pub direction: Direction,
    /// Calls at once; 0 for no limit.
    pub concurrent_calls_limit: u32,
    /// New calls per second; 0 for no limit.
    pub cps_limit: u32,
    /// Free text.
    pub description: String,
    /// Kept and shown, not enforced.
    pub transport: TrunkTransport,
    /// Kept and shown, not enforced.
    pub recording: bool,
    /// Kept and shown, not enforced.
    pub enable_transcription: bool,
    /// Kept and shown, not enforced.
    pub pii_redaction: bool,
    /// Kept and shown, not enforced.
    pub recording_webhook_enabled: bool,
    /// How `webhook_url` is called.
    pub webhook_method: WebhookMethod,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
    /// The one account-wide credential of the trunk.
    pub credential_uuid: Option<Uuid>,
    /// The one account-wide ACL entry of the trunk.
    pub ipacl_uuid: Option<Uuid>,
    /// First origination URI.
    pub primary_uri_uuid: Option<Uuid>,
    /// Second origination URI.
    pub fallback_uri_uuid: Option<Uuid>,
    /// As given.
    pub inbound_destination: Option<String>,
    /// Comma-separated, as given.
    pub pii_entity_types: Option<String>,
    /// Where call events go.
    pub webhook_url: Option<String>,
    /// Policy for REGISTER.
    pub policy_register: AuthPolicy,
    /// Policy for every other method.
    pub policy_call: AuthPolicy,
    /// Which status challenges a call.
    pub call_challenge: ChallengeStatus,
    /// Digest algorithms offered, in order.
    pub algorithms: Vec<Algorithm>,
    /// No rule binds From to the credential.
    pub caller_id_any: bool,
    /// Chosen by the peer's address.
    pub select_by_source: bool,
    /// The account's unscoped ACL entries count too.
    pub use_account_acl: bool,
}

/// A credential. Never the password: one HA1 (RFC 7616 §3.4.2) per algorithm, over the account's realm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRecord {
    /// Its identity.
    pub id: Uuid,
    /// The account.
    pub auth_id: String,
    /// Case-sensitive, unique in the account, never changed.
    pub username: String,
    /// Free text.
    pub description: String,
    /// A disabled credential is refused like an unknown one.
    pub enabled: bool,
    /// The one trunk it is for.
    pub trunk: Option<TrunkId>,
    /// HA1 for MD5.
    pub ha1_md5: Option<[u8; 16]>,
    /// HA1 for SHA-256.
    pub ha1_sha256: Option<[u8; 32]>,
    /// HA1 for SHA-512-256.
    pub ha1_sha512_256: Option<[u8; 32]>,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
}

impl CredentialRecord {
    /// What the packet path needs of it.
    pub fn credential(&self) -> Credential {
        Credential {
            id: self.id,
            enabled: self.enabled,
            trunk: self.trunk,
            ha1: Ha1Set {
                md5: self.ha1_md5.map(Ha1),
                sha256: self.ha1_sha256.map(Ha1),
                sha512_256: self.ha1_sha512_256.map(Ha1),
            },
        }
    }
}

impl fmt::Debug for CredentialRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialRecord")
            .field("id", &self.id)
            .field("auth_id", &self.auth_id)
            .field("username", &self.username)
            .field("enabled", &self.enabled)
            .field("trunk", &self.trunk)
            .finish_non_exhaustive()
    }
}

/// That a credential was deleted: a seed does not bring it back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TombstoneRecord;

/// An entry of an IP ACL.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AclRecord {
    /// Its identity.
    pub id: Uuid,
    /// The account.
    pub auth_id: String,
    /// Address or CIDR, as given.
    pub ip_address: String,
    /// Whether it denies.
    pub deny: bool,
    /// Free text.
    pub description: String,
    /// A disabled entry does not count.
    pub enabled: bool,
    /// The one trunk it is for.
    pub trunk: Option<TrunkId>,
    /// Names that a peer admitted by this entry may register.
    pub may_register: Vec<String>,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
}

/// A key of route tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteKeyRecord {
    /// Goes into the token, so that the right key is tried.
    pub id: u8,
    /// The key.
    pub key: [u8; 32],
    /// When it was made, in seconds since the Unix epoch.
    pub created_at_s: u64,
}

impl fmt::Debug for RouteKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteKeyRecord")
            .field("id", &self.id)
            .field("created_at_s", &self.created_at_s)
            .finish_non_exhaustive()
    }
}

impl Record for AccountRecord {
    const VERSION: u8 = 1;
}
impl Record for TrunkRecord {
    const VERSION: u8 = 1;
}
impl Record for CredentialRecord {
    const VERSION: u8 = 1;
}
impl Record for TombstoneRecord {
    const VERSION: u8 = 1;
}
impl Record for AclRecord {
    const VERSION: u8 = 1;
}
impl Record for RouteKeyRecord {
    const VERSION: u8 = 1;
}
impl Record for StoredRecord {
    const VERSION: u8 = 1;
}
