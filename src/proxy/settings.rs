//! What the operator decides about calls.

/// How long calls and the attempts to set them up may last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Longest call, in seconds: as long as this a route token is honoured.
    pub max_call_s: u32,
    /// Timer C, in seconds: how long an INVITE may ring without a provisional response (RFC 3261 §16.6 step 11).
    pub invite_timeout_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_call_s: 43_200, invite_timeout_s: 185 }
    }
}
