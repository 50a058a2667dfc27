//! Challenges.

use serde::{Deserialize, Serialize};

/// Which status challenges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ChallengeStatus {
    /// 401 with WWW-Authenticate.
    #[default]
    Unauthorized,
    /// 407 with Proxy-Authenticate (RFC 3261 §22.3).
    ProxyAuthenticationRequired,
}
