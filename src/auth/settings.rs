//! What an operator sets about digest: section `[digest]` of the configuration.

use std::fmt;
use std::time::Duration;

/// Settings of challenges and answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a nonce is fresh.
    pub nonce_lifetime: Duration,
    /// The master key of the nonces; `None` lets the process draw one. Several nodes that share it accept each other's nonces.
    pub nonce_key: Option<[u8; 32]>,
    /// How many nonces in use are remembered at most.
    pub replay_windows: usize,
    /// Whether answers of RFC 2069, which have no qop, are accepted, each for a nonce of its own.
    pub allow_rfc2069: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nonce_lifetime: Duration::from_secs(300),
            nonce_key: None,
            replay_windows: 1_000_000,
            allow_rfc2069: false,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("nonce_lifetime", &self.nonce_lifetime)
            .field("nonce_key", &self.nonce_key.map(|_| "<redacted>"))
            .field("replay_windows", &self.replay_windows)
            .field("allow_rfc2069", &self.allow_rfc2069)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_that_there_is_a_key_but_not_which() {
        let settings = Settings { nonce_key: Some([0xc7; 32]), ..Settings::default() };
        let shown = format!("{settings:?}");
        assert!(shown.contains("<redacted>") && !shown.contains("199") && !shown.contains("c7"), "{shown}");
    }
}
