//! The name of a trunk: credentials and trunks point at each other by it, and neither needs to know the other.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Identifies a trunk. Its first eight hexadecimal digits name the trunk's SIP domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TrunkId(pub Uuid);

impl TrunkId {
    /// The first 32 bits, which the trunk's domain and the route token carry.
    pub fn short(self) -> u32 {
        self.0.as_fields().0
    }
}
