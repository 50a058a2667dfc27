//! Rates: how much a source may ask before anything is known about it.
//!
//! Memory does not grow with the number of sources, since over UDP anybody can claim to be any of them.

mod rate;
mod settings;

pub use rate::SourceRates;
pub use settings::Settings;

use std::net::IpAddr;

use crate::clock::Timestamp;

/// Where rates are kept. The embedded one is [`SourceRates`].
pub trait Rates: Send + Sync {
    /// Whether one more request from `source` is within its rate; if so, it counts.
    fn admit(&self, source: IpAddr, now: Timestamp) -> bool;
}
