//! What the operator decides about registrations.

use super::Rejection;

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

impl Settings {
    /// How many contacts one REGISTER may name, removals included: it can exchange every binding for another.
    pub(super) const fn most_named(&self) -> usize {
        self.max_contacts.saturating_mul(2)
    }

    /// The lifetime granted for a wish, in seconds; 0 removes (RFC 3261 §10.3 step 7).
    pub(super) fn lifetime_s(&self, wish_s: Option<u32>) -> Result<u32, Rejection> {
        match wish_s.unwrap_or(self.default_expires_s) {
            0 => Ok(0),
            wish if wish < self.min_expires_s => {
                Err(Rejection { status: 423, reason: "Interval Too Brief", min_expires_s: Some(self.min_expires_s) })
            }
            wish => Ok(wish.min(self.max_expires_s)),
        }
    }
}
