//! The shapes of where calls go, as stored: origination URIs and numbers. What `schema` says of shapes holds here too.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::trunk::TrunkId;

use super::record::Record;
use super::schema::TrunkTransport;

/// A place that a trunk's calls go to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OriginationUriRecord {
    /// Its identity.
    pub id: Uuid,
    /// The account.
    pub auth_id: String,
    /// `sip:` or `sips:` URI, as given.
    pub uri: String,
    /// The lowest comes first.
    pub priority: u32,
    /// Its share of the calls among those of one priority.
    pub weight: u32,
    /// A disabled one is passed over.
    pub enabled: bool,
    /// What carries the requests.
    pub transport: TrunkTransport,
    /// Free text.
    pub description: String,
    /// The one trunk it is for; a trunk also has those in its `primary_uri_uuid` and `fallback_uri_uuid`.
    pub trunk: Option<TrunkId>,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
}

/// A telephone number of an account. No two accounts have the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NumberRecord {
    /// Its identity in answers of the API; the key is [`NumberRecord::e164`].
    pub id: Uuid,
    /// `+` and 7 to 15 digits.
    pub e164: String,
    /// The account.
    pub auth_id: String,
    /// The trunk that its calls go to.
    pub trunk: Option<TrunkId>,
    /// Two letters of ISO 3166-1, or empty.
    pub country: String,
    /// Free text.
    pub region: String,
    /// Who delivers its calls; free text.
    pub provider: String,
    /// Free texts.
    pub tags: Vec<String>,
    /// A blocked number takes no calls.
    pub is_blocked: bool,
    /// When it was made.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
}

impl Record for OriginationUriRecord {
    const VERSION: u8 = 1;
}
impl Record for NumberRecord {
    const VERSION: u8 = 1;
}
