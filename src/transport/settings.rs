//! What the operator decides about sockets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::flow::Transport;

/// An address to listen on, written `udp:0.0.0.0:5060`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenAddress {
    /// The transport.
    pub transport: Transport,
    /// The socket address; the unspecified address stands for all of its family.
    pub address: SocketAddr,
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.address)
    }
}

/// An address that peers are told to use instead of a listener's own, written `udp:203.0.113.5:5060`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdvertisedAddress {
    /// The transport that it is for.
    pub transport: Transport,
    /// A lower-case name or an address as it stands in a SIP URI: IPv6 in brackets.
    pub host: String,
    /// The port; never 0.
    pub port: u16,
}

impl fmt::Display for AdvertisedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.transport, self.host, self.port)
    }
}

/// Listeners and the bounds on what they hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<ListenAddress>,
    /// What goes into Via and Record-Route; where a transport is missing, the local address of the route to the peer.
    pub advertise: Vec<AdvertisedAddress>,
    /// Shards, each with a thread of its own; 0 makes one for each core.
    pub workers: usize,
    /// Longest message, in bytes.
    pub max_message_bytes: usize,
    /// How long, in seconds, a TCP connection may stay without a byte in either direction.
    pub tcp_idle_s: u64,
    /// How long, in seconds, a TCP connection may stay without a message while nothing on it has been accepted.
    pub tcp_unproven_idle_s: u64,
    /// How many TCP connections may be open at once.
    pub tcp_max_connections: usize,
    /// How many of them may come from one address.
    pub tcp_max_per_source: usize,
    /// How long, in seconds, a message on TCP may take from its first byte to its last.
    pub tcp_message_timeout_s: u64,
    /// How many bytes may wait to be written to one TCP connection before it is given up.
    pub tcp_write_queue_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let everywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5060);
        Self {
            listen: vec![
                ListenAddress { transport: Transport::Udp, address: everywhere },
                ListenAddress { transport: Transport::Tcp, address: everywhere },
            ],
            advertise: Vec::new(),
            workers: 0,
            max_message_bytes: 65_535,
            // A phone need not send keep-alives (RFC 5626 §4.4.1 asks only those that support Outbound), and calls reach
            // it over the connection on which it registered: that must outlive the longest registration, 7200 s.
            tcp_idle_s: 7_260,
            // Long enough to be asked for a password and answer.
            tcp_unproven_idle_s: 30,
            tcp_max_connections: 20_000,
            // Whole offices stand behind one address.
            tcp_max_per_source: 2_000,
            tcp_message_timeout_s: 30,
            tcp_write_queue_bytes: 262_144,
        }
    }
}
