//! System calls for datagrams: many in one call, with the address at which each arrived, and out again from there.

use std::io;
use std::io::IoSlice;
use std::io::IoSliceMut;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use nix::libc;
use nix::sys::socket::ControlMessage;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::MultiHeaders;
use nix::sys::socket::RecvMsg;
use nix::sys::socket::SockaddrIn;
use nix::sys::socket::SockaddrIn6;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::recvmmsg;
use nix::sys::socket::sendmsg;
use nix::sys::socket::sendto;

/// Datagrams read in one system call.
pub(super) const BATCH: usize = 16;
/// No datagram is longer, so none is ever cut.
pub(super) const DATAGRAM_BYTES: usize = 65_536;

/// Where one datagram came from and arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) len: usize,
    pub(super) peer: SocketAddr,
    /// Known on sockets that listen at every address; with a scope where the address is link-local.
    pub(super) local: Option<(IpAddr, u32)>,
}

/// What the kernel writes beside the datagrams of one socket, kept from call to call.
pub(super) struct Headers {
    headers: MultiHeaders<SockaddrStorage>,
    wants_destination: bool,
}

impl Headers {
    /// `wants_destination` for a socket that has the kernel tell where datagrams arrived.
    pub(super) fn new(wants_destination: bool) -> Self {
        Self { headers: preallocate(wants_destination), wants_destination }
    }

    /// Reads up to [`BATCH`] datagrams, each to the next [`DATAGRAM_BYTES`] of `buffer`, and appends to `arrivals`.
    pub(super) fn receive(&mut self, fd: RawFd, buffer: &mut [u8], arrivals: &mut Vec<Arrival>) -> io::Result<()> {
        let before = arrivals.len();
        {
            let mut room = buffer.chunks_exact_mut(DATAGRAM_BYTES);
            let mut slices: [_; BATCH] = std::array::from_fn(|_| [IoSliceMut::new(room.next().unwrap_or_default())]);
            let received = recvmmsg(fd, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
            arrivals.extend(received.map(|message| arrival(&message)));
        }
        let read = arrivals.get(before..).unwrap_or_default();
        if self.wants_destination && read.iter().any(|arrival| arrival.local.is_none()) {
            // The kernel leaves the room it used as the room there is; after a datagram that came without a control
            // message there would be none for the next.
            self.headers = preallocate(true);
        }
        Ok(())
    }
}

fn preallocate(wants_destination: bool) -> MultiHeaders<SockaddrStorage> {
    let control = wants_destination.then(|| nix::cmsg_space!(libc::in6_pktinfo));
    MultiHeaders::preallocate(BATCH, control)
}

fn arrival(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Arrival {
    /// Stands for a sender that the kernel did not tell, which does not happen on IP sockets; nothing is sent to port 0.
    const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
    let peer = message.address.as_ref().and_then(socket_address).unwrap_or(NOBODY);
    let local = message.cmsgs().ok().and_then(|mut messages| messages.find_map(|message| destination(&message)));
    Arrival { len: message.bytes, peer, local }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

fn destination(message: &ControlMessageOwned) -> Option<(IpAddr, u32)> {
    match message {
        // `ipi_spec_dst` is the address to answer from also where the datagram was a broadcast.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some((std::net::Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into(), 0))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let address = std::net::Ipv6Addr::from(info.ipi6_addr.s6_addr);
            Some((address.into(), if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 }))
        }
        _ => None,
    }
}

/// Sends one datagram from the address that the socket is bound to.
pub(super) fn send(fd: RawFd, bytes: &[u8], peer: SocketAddr) -> io::Result<()> {
    match peer {
        SocketAddr::V4(peer) => sendto(fd, bytes, &SockaddrIn::from(peer), MsgFlags::MSG_DONTWAIT)?,
        SocketAddr::V6(peer) => sendto(fd, bytes, &SockaddrIn6::from(peer), MsgFlags::MSG_DONTWAIT)?,
    };
    Ok(())
}

/// Sends one datagram from `local`, on a socket that is bound to every address.
pub(super) fn send_from(fd: RawFd, bytes: &[u8], local: SocketAddr, peer: SocketAddr) -> io::Result<()> {
    let bytes = [IoSlice::new(bytes)];
    match (local, peer) {
        (SocketAddr::V4(local), SocketAddr::V4(peer)) => {
            let source = libc::in_addr { s_addr: u32::from_ne_bytes(local.ip().octets()) };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: source };
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(fd, &bytes, &control, MsgFlags::MSG_DONTWAIT, Some(&SockaddrIn::from(peer)))?;
        }
        (SocketAddr::V6(local), SocketAddr::V6(peer)) => {
            let source = libc::in6_addr { s6_addr: local.ip().octets() };
            let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: local.scope_id() };
            let control = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(fd, &bytes, &control, MsgFlags::MSG_DONTWAIT, Some(&SockaddrIn6::from(peer)))?;
        }
        _ => return Err(io::ErrorKind::AddrNotAvailable.into()),
    }
    Ok(())
}
