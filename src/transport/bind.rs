//! Opening the listeners, all of them before any thread starts, with errors that say what to do.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::UdpSocket;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

use super::settings::ListenAddress;
use crate::flow::Transport;

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refused the address.
    #[error("cannot listen on {address}: {cause}: {}", advice(.cause, *.address))]
    Refused {
        /// What was asked for.
        address: ListenAddress,
        /// What the system said.
        cause: io::Error,
    },
    /// There is nothing to listen on.
    #[error("there is no address to listen on: give at least one, such as udp:0.0.0.0:5060")]
    Nothing,
}

/// The sockets of one shard, not yet part of a runtime.
#[derive(Debug, Default)]
pub(super) struct ShardSockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
}

/// Opens every address once for each of `shards` shards. Gives back the addresses with the ports that were chosen.
pub(super) fn open(
    listen: &[ListenAddress],
    shards: usize,
) -> Result<(Vec<ListenAddress>, Vec<ShardSockets>), BindError> {
    if listen.is_empty() {
        return Err(BindError::Nothing);
    }
    let mut sockets: Vec<_> = (0..shards).map(|_| ShardSockets::default()).collect();
    let mut bound = Vec::with_capacity(listen.len());
    for address in listen {
        let actual =
            open_address(*address, &mut sockets).map_err(|cause| BindError::Refused { address: *address, cause })?;
        bound.push(actual);
    }
    Ok((bound, sockets))
}

/// The first socket takes the port for itself, so that another server, even one of ours, is noticed; only then is the
/// port shared among the shards. With SO_REUSEPORT from the start two servers would silently halve each other's traffic.
fn open_address(listen: ListenAddress, shards: &mut [ShardSockets]) -> io::Result<ListenAddress> {
    let mut actual = listen;
    let share = shards.len() > 1;
    for (index, shard) in shards.iter_mut().enumerate() {
        let first = index == 0;
        let socket = new_socket(actual)?;
        socket.set_reuse_port(!first)?;
        socket.bind(&actual.address.into())?;
        if first {
            actual.address = local_address(&socket, listen.address)?;
            socket.set_reuse_port(share)?;
        }
        match actual.transport {
            Transport::Udp => shard.udp.push(socket.into()),
            Transport::Tcp => {
                socket.listen(BACKLOG)?;
                shard.tcp.push(socket.into());
            }
        }
    }
    Ok(actual)
}

/// Connections that wait to be accepted, per listener and shard; the system may allow fewer.
const BACKLOG: i32 = 1_024;
/// Best effort: the system caps it. It must hold what arrives while the thread is busy with something long.
const UDP_RECEIVE_BYTES: usize = 4 << 20;
const UDP_SEND_BYTES: usize = 1 << 20;

fn new_socket(listen: ListenAddress) -> io::Result<Socket> {
    let domain = Domain::for_address(listen.address);
    let (kind, protocol) = match listen.transport {
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(domain, kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if listen.address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    match listen.transport {
        Transport::Udp => {
            // What the system does not grant is not worth failing for.
            let _ = socket.set_recv_buffer_size(UDP_RECEIVE_BYTES);
            let _ = socket.set_send_buffer_size(UDP_SEND_BYTES);
            if listen.address.ip().is_unspecified() {
                ask_for_destination(&socket, listen.address)?;
            }
        }
        Transport::Tcp => {
            // A restart must not wait for the old connections' TIME_WAIT.
            socket.set_reuse_address(true)?;
            // Accepted connections inherit it; messages are written whole, so there is nothing to gather.
            socket.set_tcp_nodelay(true)?;
        }
    }
    Ok(socket)
}

/// Has the kernel tell at which address each datagram arrived, so that the answer can leave from there.
fn ask_for_destination(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(())
}

fn local_address(socket: &Socket, asked: SocketAddr) -> io::Result<SocketAddr> {
    Ok(socket.local_addr()?.as_socket().unwrap_or(asked))
}

fn advice(error: &io::Error, listen: ListenAddress) -> String {
    let port = listen.address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let kind = if listen.transport == Transport::Udp { 'u' } else { 't' };
            format!(
                "another program, or another sipward, has the port (`ss -ln{kind}p 'sport = :{port}'` names it); stop it \
                 or choose another port"
            )
        }
        io::ErrorKind::PermissionDenied if port < 1_024 => {
            "ports below 1024 are for privileged programs; choose a higher one or give the program CAP_NET_BIND_SERVICE"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address (`ip address` lists them)".to_owned()
        }
        _ => "choose another address or port".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(transport: Transport, address: &str) -> ListenAddress {
        ListenAddress { transport, address: address.parse().unwrap() }
    }

    #[test]
    fn shards_share_the_port_that_was_chosen_for_the_first() {
        for transport in [Transport::Udp, Transport::Tcp] {
            for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
                let (bound, sockets) = open(&[listen(transport, address)], 3).unwrap();
                let port = bound[0].address.port();
                assert_ne!(port, 0);
                assert_eq!(sockets.len(), 3);
                for shard in &sockets {
                    let ports = shard.udp.iter().map(UdpSocket::local_addr);
                    let ports: Vec<_> = ports.chain(shard.tcp.iter().map(TcpListener::local_addr)).collect();
                    assert_eq!(ports.len(), 1);
                    assert_eq!(ports[0].as_ref().unwrap().port(), port, "{transport} {address}");
                }
            }
        }
    }

    #[test]
    fn a_second_server_is_told_that_the_port_is_taken_and_how_to_find_by_whom() {
        for transport in [Transport::Udp, Transport::Tcp] {
            for shards in [1, 2] {
                let (bound, _sockets) = open(&[listen(transport, "127.0.0.1:0")], shards).unwrap();
                let error = open(&bound, 2).unwrap_err().to_string();
                assert!(error.contains(&format!("cannot listen on {}", bound[0])), "{error}");
                assert!(error.contains("another sipward") && error.contains("ss -ln"), "{error}");
            }
        }
    }

    #[test]
    fn an_address_of_no_interface_is_named() {
        let error = open(&[listen(Transport::Udp, "192.0.2.1:5060")], 1).unwrap_err().to_string();
        assert!(error.contains("udp:192.0.2.1:5060") && error.contains("no interface"), "{error}");
        assert!(matches!(open(&[], 1), Err(BindError::Nothing)));
    }
}
