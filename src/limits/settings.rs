//! What an operator sets about rates: section `[limits]` of the configuration.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use ipnet::IpNet;
use ipnet::Ipv4Net;
use ipnet::Ipv6Net;

const LOOPBACK_V4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
const LOOPBACK_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);

/// Settings of the rates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Requests per second that one source may send; 0 means no limit.
    pub per_source_per_s: u32,
    /// Answers for one name that one source may get wrong in a minute before they are looked at no more; 0 means no limit.
    pub failures_per_minute: u32,
    /// Sources without limits.
    pub exempt: Vec<IpNet>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_source_per_s: 100,
            failures_per_minute: 30,
            exempt: vec![IpNet::V4(LOOPBACK_V4), IpNet::V6(LOOPBACK_V6)],
        }
    }
}
