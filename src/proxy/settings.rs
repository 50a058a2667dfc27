//! What the proxy may be told.

/// Limits on calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Longest call, in seconds: how long a route token is good and a dialog is remembered.
    pub max_call_s: u32,
    /// How long one target of several may take to answer, in milliseconds.
    pub target_timeout_ms: u32,
    /// Timer C of RFC 3261 §16.6 step 11, in seconds: how long an INVITE may ring.
    pub invite_timeout_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_call_s: 43_200, target_timeout_ms: 5_000, invite_timeout_s: 180 }
    }
}
