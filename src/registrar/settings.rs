//! What the operator decides about registrations.

/// Limits on the lifetime and the number of bindings (RFC 3261 §10.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Shortest lifetime, in seconds; a shorter one is refused with 423 and Min-Expires (step 7).
    pub min_expires_s: u32,
    /// Lifetime, in seconds, of a binding that asks for none.
    pub default_expires_s: u32,
    /// Longest lifetime, in seconds; what asks for more is granted this.
    pub max_expires_s: u32,
    /// How many bindings one address of record may have.
    pub max_contacts: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { min_expires_s: 60, default_expires_s: 3600, max_expires_s: 7200, max_contacts: 10 }
    }
}
