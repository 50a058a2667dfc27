//! What the operator decides about the HTTP API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the HTTP API answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The address of the API, `/healthz` and `/metrics`.
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080) }
    }
}
