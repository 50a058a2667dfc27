//! Where a request goes: the bindings of an address of record, or an address that stands in a URI (RFC 3261 §16.5).

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::flow::{ConnectionId, Flow, OpenStreams, Transport};
use crate::location::{Binding, Location};
use crate::message::Uri;
use crate::trunk::{Interfaces, TrunkId};

/// One place to send a request to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The Request-URI to send.
    pub uri: SmallVec<[u8; 64]>,
    /// The way there.
    pub flow: Flow,
}

/// The targets of one request.
pub type Targets = SmallVec<[Target; 1]>;

/// The live bindings of an address of record, in the order of their q.
pub fn bindings(
    location: &Location,
    interfaces: &Interfaces,
    streams: &OpenStreams,
    trunk: TrunkId,
    user: &str,
    now: Timestamp,
) -> Targets {
    let mut found = SmallVec::<[(u16, Target); 1]>::new();
    location.read(trunk, user, |record| {
        for binding in record.bindings.iter().filter(|binding| binding.expires_at > now) {
            if let Some(flow) = flow_to(binding, interfaces, streams) {
                found.push((binding.q, Target { uri: SmallVec::from_slice(&binding.contact), flow }));
            }
        }
    });
    found.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    found.into_iter().map(|(_, target)| target).collect()
}

fn flow_to(binding: &Binding, interfaces: &Interfaces, streams: &OpenStreams) -> Option<Flow> {
    let uri = Uri::parse(&binding.contact)?;
    live_flow(&binding.flow, &uri, interfaces, streams)
}

/// The way to a contact that was seen on `flow`. An open stream is used as it stands; otherwise the address in the contact
/// counts where that can be right. A name, or a private address that the contact's messages do not come from, is behind
/// a NAT and reached through the flow it was seen on.
pub fn live_flow(flow: &Flow, contact: &Uri<'_>, interfaces: &Interfaces, streams: &OpenStreams) -> Option<Flow> {
    if streams.serves(flow) {
        return Some(*flow);
    }
    let seen = Flow { connection: ConnectionId::NONE, ..*flow };
    // A contact that names no transport is reached by the one it registered over.
    let transport = match contact.params.get(b"transport") {
        None => Some(flow.transport),
        Some(_) => transport_of(contact),
    };
    match (contact.socket_addr(), transport) {
        (Some(address), Some(transport)) if transport == flow.transport && !hides_behind_nat(address, flow.peer) => {
            let local = interfaces.local_for(transport, address, flow.local)?;
            Some(Flow { transport, local, peer: address, connection: ConnectionId::NONE })
        }
        _ => Some(seen),
    }
}

fn hides_behind_nat(contact: SocketAddr, peer: SocketAddr) -> bool {
    contact.ip().to_canonical() != peer.ip().to_canonical() && is_private(contact.ip())
}

/// Addresses that mean something else on every network (RFC 1918, 4193, 6598, 3927, 4291).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// The transport that a URI asks for; `None` for one that this server does not speak.
pub fn transport_of(uri: &Uri<'_>) -> Option<Transport> {
    if uri.scheme != crate::message::Scheme::Sip {
        return None;
    }
    match uri.params.get(b"transport") {
        Some(token) => Transport::from_token(token),
        None => Some(Transport::Udp),
    }
}

/// The way to the address that stands in a URI (RFC 3263 §4 for numeric hosts); `None` where there is none, or it is one
/// that no request may be sent to.
pub fn address_in(uri: &Uri<'_>, interfaces: &Interfaces, near: SocketAddr) -> Option<Flow> {
    let transport = transport_of(uri)?;
    let peer = uri.socket_addr()?;
    if peer.ip().is_unspecified() || peer.ip().is_multicast() {
        return None;
    }
    let local = interfaces.local_for(transport, peer, near)?;
    Some(Flow { transport, local, peer, connection: ConnectionId::NONE })
}
