//! Rates: how much a source may ask before anything is known about it, and how often it may guess at a name.
//!
//! Memory does not grow with the number of sources, since over UDP anybody can claim to be any of them.

mod failures;
mod rate;
mod settings;
mod source;

pub use failures::{FailureTable, Failures};
pub use rate::SourceRates;
pub use settings::Settings;
pub use source::source_bytes;

use std::net::IpAddr;

use crate::clock::Timestamp;

/// Where rates are kept. The embedded one is [`SourceRates`].
pub trait Rates: Send + Sync {
    /// Whether one more request from `source` is within its rate; if so, it counts.
    fn admit(&self, source: IpAddr, now: Timestamp) -> bool;
}
