//! Where a request goes: the bindings of an address of record, or an address that stands in a URI (RFC 3261 §16.5).

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::event::{Event, Observer};
use crate::flow::{ConnectionId, Flow, OpenStreams, Transport};
use crate::location::{Binding, Location};
use crate::message::{Scheme, Uri};
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
    observer: &mut dyn Observer,
) -> Targets {
    let mut found = SmallVec::<[(u16, Target); 1]>::new();
    location.read(trunk, user, |record| {
        for binding in record.bindings.iter().filter(|binding| binding.expires_at > now) {
            match flow_to(binding, interfaces, streams) {
                Some(flow) => found.push((binding.q, Target { uri: SmallVec::from_slice(&binding.contact), flow })),
                None => observer.observe(&Event::TargetSkipped { contact: &binding.contact }),
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
/// a NAT and reached through the flow it was seen on. `None` for what this server cannot speak to: TLS, and so every
/// `sips` URI, and WebSocket.
pub fn live_flow(flow: &Flow, contact: &Uri<'_>, interfaces: &Interfaces, streams: &OpenStreams) -> Option<Flow> {
    if contact.scheme == Scheme::Sips {
        return None;
    }
    if streams.serves(flow) {
        return Some(*flow);
    }
    // A contact that names no transport is reached by the one it registered over.
    let transport = match contact.params.get(b"transport") {
        None => flow.transport,
        Some(token) => Transport::from_token(token)?,
    };
    let seen = Flow { connection: ConnectionId::NONE, ..*flow };
    match contact.socket_addr() {
        Some(address) if !hides_behind_nat(address, flow.peer) => {
            // The host that was heard is answered from the address it spoke to, port for port where NAT is watching.
            let local = match flow.local {
                local if transport == flow.transport && address.ip() == flow.peer.ip() => local,
                local => interfaces.local_for(transport, address, local)?,
            };
            Some(Flow { transport, local, peer: address, connection: ConnectionId::NONE })
        }
        _ if transport == flow.transport => Some(seen),
        _ => None,
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
    if uri.scheme != Scheme::Sip {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::flow::LocalRoutes;

    struct Routes;

    impl LocalRoutes for Routes {
        fn is_local(&self, ip: IpAddr) -> bool {
            ip.is_loopback()
        }
        fn toward(&self, _peer: IpAddr) -> Option<IpAddr> {
            Some([127, 0, 0, 1].into())
        }
    }

    fn server(listen: &[&str]) -> Interfaces {
        let listeners = listen.iter().map(|text| {
            let (transport, address) = text.split_once(':').unwrap();
            (Transport::from_token(transport.as_bytes()).unwrap(), address.parse().unwrap())
        });
        Interfaces::new(listeners.collect(), Vec::new(), Vec::new(), Arc::new(Routes))
    }

    /// Transport, our address and the peer's of the way to `contact`, which was registered over UDP from `peer` at `local`.
    fn way(server: &Interfaces, local: &str, peer: &str, contact: &str) -> Option<String> {
        let flow = Flow::udp(local.parse().unwrap(), peer.parse().unwrap());
        let uri = Uri::parse(contact.as_bytes()).unwrap();
        let way = live_flow(&flow, &uri, server, &OpenStreams::default())?;
        Some(format!("{} {} {}", way.transport, way.local, way.peer))
    }

    #[test]
    fn a_phone_is_called_from_the_address_and_port_at_which_it_registered() {
        let wildcard = server(&["udp:0.0.0.0:5060"]);
        let there = |local, contact| way(&wildcard, local, "127.0.0.9:6001", contact).unwrap();
        assert_eq!(there("127.0.0.2:5060", "sip:a@127.0.0.9:6001"), "udp 127.0.0.2:5060 127.0.0.9:6001");
        assert_eq!(there("127.0.0.2:5060", "sip:a@name.invalid"), "udp 127.0.0.2:5060 127.0.0.9:6001");
        let two = server(&["udp:127.0.0.1:5060", "udp:127.0.0.1:5070"]);
        let there = way(&two, "127.0.0.1:5070", "127.0.0.9:6001", "sip:a@127.0.0.9:6002").unwrap();
        assert_eq!(there, "udp 127.0.0.1:5070 127.0.0.9:6002");
    }

    #[test]
    fn a_contact_is_reached_over_the_transport_that_it_names_if_it_is_one_of_ours() {
        let both = server(&["udp:127.0.0.1:5060", "tcp:127.0.0.1:5061"]);
        let there = |contact| way(&both, "127.0.0.1:5060", "127.0.0.9:6001", contact);
        assert_eq!(there("sip:a@127.0.0.9:6002;transport=TCP").as_deref(), Some("tcp 127.0.0.1:5061 127.0.0.9:6002"));
        for unspoken in ["sips:a@127.0.0.9:6002", "sip:a@127.0.0.9:6002;transport=tls", "sip:a@127.0.0.9;transport=ws"]
        {
            assert_eq!(there(unspoken), None, "{unspoken}");
        }
        assert_eq!(there("sip:a@10.0.0.1:6002;transport=tcp"), None, "behind a NAT there is only the way it came");
    }
}
