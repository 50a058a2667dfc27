//! What the operator decides about changes of the configuration.

/// Rules for what accounts may set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Fewest characters of a password.
    pub password_min: u32,
    /// Whether a password needs a lower-case letter, an upper-case letter and a digit, and must not hold the username.
    pub password_mixed: bool,
    /// Whether webhooks may lead to private and loopback addresses. For tests: whoever may set a webhook could otherwise make the server
    /// call into its own network.
    pub webhook_private: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { password_min: 8, password_mixed: false, webhook_private: false }
    }
}
