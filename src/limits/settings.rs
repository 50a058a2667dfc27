//! What the operator decides about rates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Rates for traffic that has not proved who it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Requests a second from one address.
    pub per_source_per_s: u32,
    /// Sources without rates.
    pub exempt: Vec<IpNet>,
}

impl Default for Settings {
    fn default() -> Self {
        let loopback_v4 = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8);
        let loopback_v6 = IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST));
        Self { per_source_per_s: 100, exempt: vec![loopback_v4, loopback_v6] }
    }
}
