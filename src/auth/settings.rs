//! What the operator decides about digest.

use std::fmt;
use std::time::Duration;

/// Nonces and the protection against replay.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// The key of the nonces' MAC, so that several nodes agree; without one, each process makes its own.
    pub nonce_key: Option<[u8; 32]>,
    /// How many nonces have their counts remembered at once.
    pub replay_windows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { nonce_lifetime: Duration::from_secs(300), nonce_key: None, replay_windows: 262_144 }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("nonce_lifetime", &self.nonce_lifetime)
            .field("nonce_key", &self.nonce_key.map(|_| "redacted"))
            .field("replay_windows", &self.replay_windows)
            .finish()
    }
}
