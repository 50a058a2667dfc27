//! The words of the API for values that are one of a few. Where a value has several, the first is the one that is shown.

use crate::auth::ChallengeStatus;
use crate::storage::{Direction, TrunkTransport, WebhookMethod};
use crate::trunk::AuthPolicy;

pub(super) const TRANSPORTS: [(&str, TrunkTransport); 3] =
    [("udp", TrunkTransport::Udp), ("tcp", TrunkTransport::Tcp), ("tls", TrunkTransport::Tls)];

pub(super) const DIRECTIONS: [(&str, Direction); 3] =
    [("inbound", Direction::Inbound), ("outbound", Direction::Outbound), ("both", Direction::Both)];

pub(super) const WEBHOOK_METHODS: [(&str, WebhookMethod); 2] =
    [("POST", WebhookMethod::Post), ("GET", WebhookMethod::Get)];

/// `trunk_status`: the contract shows one pair of words and takes two.
pub(super) const STATUSES: [(&str, bool); 4] =
    [("active", true), ("inactive", false), ("enabled", true), ("disabled", false)];

pub(super) const POLICIES: [(&str, AuthPolicy); 4] = [
    ("all", AuthPolicy::All),
    ("any", AuthPolicy::Any),
    ("ip_only", AuthPolicy::IpOnly),
    ("digest_only", AuthPolicy::DigestOnly),
];

/// `caller_id`: whether any From will do.
pub(super) const CALLER_IDS: [(&str, bool); 2] = [("own", false), ("any", true)];

/// `call_challenge`.
pub(super) const CHALLENGES: [(&str, ChallengeStatus); 2] =
    [("401", ChallengeStatus::Unauthorized), ("407", ChallengeStatus::ProxyAuthenticationRequired)];

/// The word for a value.
pub(super) fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, meant)| *meant == value).map_or("", |(word, _)| word)
}
