//! The datagram sockets of one shard.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use nix::errno::Errno;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::counters::TransportCounters;
use super::datagram::Arrival;
use super::datagram::BATCH;
use super::datagram::DATAGRAM_BYTES;
use super::datagram::Headers;
use super::datagram::send;
use super::datagram::send_from;

/// The sockets, one for each address that is listened on.
pub(super) struct UdpSockets {
    sockets: Vec<UdpListener>,
    counters: Arc<TransportCounters>,
}

struct UdpListener {
    socket: Rc<UdpSocket>,
    address: SocketAddr,
    headers: Headers,
}

/// The room for one batch of datagrams. Pages that no datagram ever reached take no memory.
#[derive(Default)]
pub(super) struct DatagramRoom {
    bytes: Vec<u8>,
    arrivals: Vec<Arrival>,
}

impl DatagramRoom {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BATCH * DATAGRAM_BYTES], arrivals: Vec::with_capacity(BATCH) }
    }

    /// The datagrams of the last [`UdpSockets::receive`].
    pub(super) fn datagrams(&mut self) -> impl Iterator<Item = (&mut [u8], Arrival)> {
        let rooms = self.bytes.chunks_exact_mut(DATAGRAM_BYTES);
        rooms.zip(&self.arrivals).map(|(room, arrival)| (room.get_mut(..arrival.len).unwrap_or_default(), *arrival))
    }

    /// How many datagrams the last [`UdpSockets::receive`] read.
    pub(super) fn len(&self) -> usize {
        self.arrivals.len()
    }
}

impl UdpSockets {
    /// Makes the sockets part of the current runtime.
    pub(super) fn new(sockets: Vec<std::net::UdpSocket>, counters: Arc<TransportCounters>) -> io::Result<Self> {
        let sockets = sockets.into_iter().map(UdpListener::new).collect::<io::Result<_>>()?;
        Ok(Self { sockets, counters })
    }

    /// The sockets, to wait on; their places in this list are their indices.
    pub(super) fn handles(&self) -> Vec<Rc<UdpSocket>> {
        self.sockets.iter().map(|listener| Rc::clone(&listener.socket)).collect()
    }

    /// Reads what has arrived at socket `index`, up to the room there is.
    pub(super) fn receive(&mut self, index: usize, room: &mut DatagramRoom) {
        room.arrivals.clear();
        let Some(listener) = self.sockets.get_mut(index) else { return };
        let (fd, headers) = (listener.socket.as_raw_fd(), &mut listener.headers);
        // An error says either that nothing is there, or is one of an earlier send and told to no one in particular.
        let _ = listener.socket.try_io(Interest::READABLE, || {
            headers.receive(fd, &mut room.bytes, &mut room.arrivals)?;
            // Fewer than asked for have emptied the socket: saying so saves the call that would find it empty.
            if room.arrivals.len() < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
    }

    /// The address at which a datagram arrived at socket `index`.
    pub(super) fn local(&self, index: usize, arrival: &Arrival) -> Option<SocketAddr> {
        let bound = self.sockets.get(index)?.address;
        Some(arrival.local.map_or(bound, |(ip, scope)| with_ip(bound, ip, scope)))
    }

    /// Sends a datagram from `local`. Whether it may have left; one that was lost on the way, in the kernel or beyond, is
    /// repeated by the transaction's timers (RFC 3261 §17). What did not leave is counted.
    pub(super) fn send(&self, local: SocketAddr, peer: SocketAddr, bytes: &[u8]) -> bool {
        let Some(listener) = self.at(local) else {
            self.counters.datagram_sends_without_socket.increment();
            return false;
        };
        let fd = listener.socket.as_raw_fd();
        let sent = if listener.address.ip().is_unspecified() && !local.ip().is_unspecified() {
            send_from(fd, bytes, local, peer)
        } else {
            send(fd, bytes, peer)
        };
        match sent {
            Ok(()) => {
                self.counters.datagrams_sent.increment();
                self.counters.datagram_bytes_sent.add(bytes.len());
                true
            }
            Err(error) if is_loss(&error) => {
                self.counters.datagram_sends_lost.increment();
                true
            }
            Err(error) => {
                tracing::debug!(%local, %peer, %error, "a datagram could not be sent");
                self.counters.datagram_sends_failed.increment();
                false
            }
        }
    }

    /// The socket bound to exactly `local`, else one bound to every address at its port.
    fn at(&self, local: SocketAddr) -> Option<&UdpListener> {
        let same_port = || self.sockets.iter().filter(|listener| listener.address.port() == local.port());
        let exact = same_port().find(|listener| listener.address.ip() == local.ip());
        exact.or_else(|| {
            same_port().find(|listener| {
                listener.address.ip().is_unspecified() && listener.address.is_ipv4() == local.is_ipv4()
            })
        })
    }
}

impl UdpListener {
    fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let headers = Headers::new(address.ip().is_unspecified());
        Ok(Self { socket: Rc::new(UdpSocket::from_std(socket)?), address, headers })
    }
}

/// Whether the same datagram may well be sent a moment later. Any other error would come again: EMSGSIZE (too long for a
/// datagram), ENETUNREACH, EHOSTUNREACH and ENETDOWN (no route), EADDRNOTAVAIL and EINVAL (the address is not ours any
/// more, or cannot be sent from or to), EACCES (a broadcast address), EPERM (a packet filter forbids it). Then another
/// target is to be tried at once.
fn is_loss(error: &io::Error) -> bool {
    match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
        // No room in the socket's buffer, in the queue of the interface, or in memory at the moment.
        Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM => true,
        // The system tells of an earlier datagram, to whatever peer, and has not sent this one.
        Errno::ECONNREFUSED => true,
        _ => false,
    }
}

fn with_ip(bound: SocketAddr, ip: IpAddr, scope: u32) -> SocketAddr {
    let mut address = SocketAddr::new(ip, bound.port());
    if let SocketAddr::V6(v6) = &mut address {
        v6.set_scope_id(scope);
    }
    address
}

/// Whether a datagram only keeps a NAT binding open: line ends or zeros, or shorter than any SIP message can be.
pub(super) fn is_keep_alive(datagram: &[u8]) -> bool {
    /// `A a:b SIP/2.0` with the empty line has 17 bytes, a response without phrase 16.
    const SHORTEST_MESSAGE: usize = 16;
    datagram.len() < SHORTEST_MESSAGE || datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_that_pass_by_themselves_are_losses() {
        let loss = |errno| is_loss(&io::Error::from(errno));
        for passing in [Errno::EAGAIN, Errno::ENOBUFS, Errno::ENOMEM, Errno::ECONNREFUSED] {
            assert!(loss(passing), "{passing}");
        }
        for lasting in [
            Errno::EMSGSIZE,
            Errno::ENETUNREACH,
            Errno::EHOSTUNREACH,
            Errno::ENETDOWN,
            Errno::EADDRNOTAVAIL,
            Errno::EINVAL,
            Errno::EACCES,
            Errno::EPERM,
        ] {
            assert!(!loss(lasting), "{lasting}");
        }
        assert!(!is_loss(&io::ErrorKind::AddrNotAvailable.into()), "what was not asked of the system");
    }

    #[test]
    fn line_ends_zeros_and_scraps_are_keep_alives_and_the_shortest_messages_are_not() {
        for keep_alive in [&b""[..], b"\r\n", b"\r\n\r\n", &[0; 400], b"jaK", &b"\r\n".repeat(40)] {
            assert!(is_keep_alive(keep_alive), "{keep_alive:?}");
        }
        for message in [&b"SIP/2.0 200 \r\n\r\n"[..], b"A a:b SIP/2.0\r\n\r\n", b"\r\n\r\nA a:b SIP/2.0\r\n\r\n"] {
            assert!(!is_keep_alive(message));
        }
    }
}
