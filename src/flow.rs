//! How a message reached us, and so how to answer on the same way (the "flow" of RFC 5626 §2).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use dashmap::DashMap;

/// A transport that carries SIP (RFC 3261 §18).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// Datagrams; the transaction layer repeats what is lost.
    Udp,
    /// A stream; messages are framed by Content-Length.
    Tcp,
}

impl Transport {
    /// Whether the transport repeats lost data itself, so that timers A, E and G stay off (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp)
    }

    /// The token in a Via header: `UDP`.
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// The value of a `transport` URI parameter and of our configuration: `udp`.
    pub const fn uri_token(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// Reads either token, ignoring case; `None` for a transport that this server does not speak.
    pub fn from_token(token: &[u8]) -> Option<Self> {
        if token.eq_ignore_ascii_case(b"udp") {
            Some(Self::Udp)
        } else if token.eq_ignore_ascii_case(b"tcp") {
            Some(Self::Tcp)
        } else {
            None
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri_token())
    }
}

/// A stream connection, unique for the life of the process. The top byte is the shard that owns it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// No connection: a datagram, or a stream that is still to be opened.
    pub const NONE: Self = Self(0);

    /// The `serial`th connection of `shard`; serials start at 1.
    pub const fn new(shard: u8, serial: u64) -> Self {
        Self(((shard as u64) << 56) | (serial & 0x00ff_ffff_ffff_ffff))
    }

    /// The shard that owns the connection.
    pub const fn shard(self) -> u8 {
        (self.0 >> 56) as u8
    }

    /// Which of its shard's connections it is.
    pub const fn serial(self) -> u64 {
        self.0 & 0x00ff_ffff_ffff_ffff
    }

    /// Whether this names a connection at all.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// One way between a peer and us: the transport, our address, the peer's address and, on a stream, the connection.
///
/// The peer address is the socket's, never one that a SIP header claims.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our side: the address at which the message arrived, or from which to send.
    pub local: SocketAddr,
    /// The other side.
    pub peer: SocketAddr,
    /// The stream, or [`ConnectionId::NONE`] for datagrams and for a stream that is still to be opened.
    pub connection: ConnectionId,
}

impl Flow {
    /// A datagram flow.
    pub const fn udp(local: SocketAddr, peer: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, peer, connection: ConnectionId::NONE }
    }

    /// A flow over the stream `connection`.
    pub const fn tcp(local: SocketAddr, peer: SocketAddr, connection: ConnectionId) -> Self {
        Self { transport: Transport::Tcp, local, peer, connection }
    }

    /// The peer's address with an IPv4-mapped IPv6 address shown as the IPv4 address it is.
    pub fn peer_ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport, self.peer)
    }
}

/// The streams on which a message has come and which are still open. Each shard notes its own; all may ask.
#[derive(Debug, Default)]
pub struct OpenStreams(DashMap<ConnectionId, ()>);

impl OpenStreams {
    /// A first message has come on that stream.
    pub fn note(&self, connection: ConnectionId) {
        self.0.insert(connection, ());
    }

    /// That stream has closed.
    pub fn closed(&self, connection: ConnectionId) {
        self.0.remove(&connection);
    }

    /// Whether a flow has a stream that can still be used; a datagram flow has none.
    pub fn serves(&self, flow: &Flow) -> bool {
        flow.connection.is_some() && self.0.contains_key(&flow.connection)
    }
}

/// What the core asks about the host's own addresses. Implemented by the shell; answers come from memory.
pub trait LocalRoutes: Send + Sync {
    /// Whether the address belongs to an interface of this host.
    fn is_local(&self, ip: IpAddr) -> bool;

    /// The local address from which packets to `peer` leave.
    fn toward(&self, peer: IpAddr) -> Option<IpAddr>;
}
