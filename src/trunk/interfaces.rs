//! What "this server" means: its listeners, the addresses it advertises and its aliases (product rule).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::flow::{Flow, LocalRoutes, Transport};
use crate::message::{host_ip, lex, push_host_ip};

/// A name under which the server is reached from outside, for one transport.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advertised {
    /// The transport it is for.
    pub transport: Transport,
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A further name of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alias {
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// A port that counts beside those of the listeners.
    pub port: Option<u16>,
}

/// The addresses and names of this server.
pub struct Interfaces {
    listeners: Vec<(Transport, SocketAddr)>,
    advertised: Vec<Advertised>,
    aliases: Vec<Alias>,
    routes: Arc<dyn LocalRoutes>,
}

impl std::fmt::Debug for Interfaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interfaces")
            .field("listeners", &self.listeners)
            .field("advertised", &self.advertised)
            .field("aliases", &self.aliases)
            .finish_non_exhaustive()
    }
}

impl Interfaces {
    /// A server that listens on `listeners`, with their real ports.
    pub fn new(
        listeners: Vec<(Transport, SocketAddr)>,
        advertised: Vec<Advertised>,
        aliases: Vec<Alias>,
        routes: Arc<dyn LocalRoutes>,
    ) -> Self {
        Self { listeners, advertised, aliases, routes }
    }

    /// Whether host and port of a URI name this server; `local` is the address at which the message arrived.
    pub fn is_this_server(&self, host: &[u8], port: Option<u16>, local: SocketAddr) -> bool {
        match host_ip(host) {
            Some(ip) => self.is_our_address(ip.to_canonical(), port, local),
            None => self.is_our_name(host.strip_suffix(b".").unwrap_or(host), port, local),
        }
    }

    fn is_our_address(&self, ip: IpAddr, port: Option<u16>, local: SocketAddr) -> bool {
        let listens = self.listeners.iter().any(|(_, listener)| {
            let bound = listener.ip().to_canonical();
            let here = bound == ip
                || (bound.is_unspecified()
                    && bound.is_ipv4() == ip.is_ipv4()
                    && (local.ip().to_canonical() == ip || ip.is_loopback() || self.routes.is_local(ip)));
            here && port.is_none_or(|port| port == listener.port())
        });
        listens
            || self
                .is_outside_name(|host| host.parse::<IpAddr>().is_ok_and(|outside| outside.to_canonical() == ip), port)
    }

    fn is_our_name(&self, host: &[u8], port: Option<u16>, local: SocketAddr) -> bool {
        if host.eq_ignore_ascii_case(b"localhost") {
            let v4 = IpAddr::from([127, 0, 0, 1]);
            return self.is_our_address(v4, port, local)
                || self.is_our_address(std::net::Ipv6Addr::LOCALHOST.into(), port, local);
        }
        self.is_outside_name(|name| name.as_bytes().eq_ignore_ascii_case(host), port)
    }

    /// Whether an advertised name or an alias is meant.
    fn is_outside_name(&self, is_it: impl Fn(&str) -> bool, port: Option<u16>) -> bool {
        let listens_on = |port: u16| self.listeners.iter().any(|(_, listener)| listener.port() == port);
        self.advertised
            .iter()
            .any(|name| is_it(&name.host) && port.is_none_or(|port| port == name.port || listens_on(port)))
            || self
                .aliases
                .iter()
                .any(|name| is_it(&name.host) && port.is_none_or(|port| name.port == Some(port) || listens_on(port)))
    }

    /// Appends `host:port` for Via and Record-Route toward the peer of `flow`.
    pub fn push_sent_by(&self, out: &mut Vec<u8>, flow: &Flow) {
        match self.advertised_for(flow) {
            Some(name) => {
                if name.host.contains(':') {
                    out.push(b'[');
                    out.extend_from_slice(name.host.as_bytes());
                    out.push(b']');
                } else {
                    out.extend_from_slice(name.host.as_bytes());
                }
                out.push(b':');
                lex::push_decimal(out, u64::from(name.port));
            }
            None => {
                push_host_ip(out, flow.local.ip());
                out.push(b':');
                lex::push_decimal(out, u64::from(flow.local.port()));
            }
        }
    }

    /// A name is advertised to peers of its own address family only; a host name to all.
    fn advertised_for(&self, flow: &Flow) -> Option<&Advertised> {
        self.advertised.iter().find(|name| {
            name.transport == flow.transport
                && name
                    .host
                    .parse::<IpAddr>()
                    .map_or(true, |ip| ip.to_canonical().is_ipv4() == flow.peer_ip().is_ipv4())
        })
    }

    /// The local address from which to reach `peer`; `None` when no listener of that transport and family is there.
    /// `near` is the address at which the message being forwarded arrived: it is kept where it will do.
    pub fn local_for(&self, transport: Transport, peer: SocketAddr, near: SocketAddr) -> Option<SocketAddr> {
        let is_v4 = peer.ip().to_canonical().is_ipv4();
        let fits = |listener: &SocketAddr| listener.ip().to_canonical().is_ipv4() == is_v4;
        let candidates =
            || self.listeners.iter().filter(|(kind, listener)| *kind == transport && fits(listener)).map(|(_, l)| l);
        // The listener that the message came in by, else another on its address, else any.
        let own = |listener: &&SocketAddr| {
            listener.port() == near.port() && (listener.ip() == near.ip() || listener.ip().is_unspecified())
        };
        let same = candidates().find(|listener| listener.ip() == near.ip() && listener.port() == near.port());
        if let Some(same) = same.or_else(|| candidates().find(|listener| listener.ip() == near.ip())) {
            return Some(*same);
        }
        let listener = candidates().find(own).or_else(|| candidates().next())?;
        if !listener.ip().is_unspecified() {
            return Some(*listener);
        }
        let ip = self.routes.toward(peer.ip()).unwrap_or(near.ip());
        Some(SocketAddr::new(ip, listener.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneInterface;

    impl LocalRoutes for OneInterface {
        fn is_local(&self, ip: IpAddr) -> bool {
            ip == IpAddr::from([192, 0, 2, 7])
        }
        fn toward(&self, _peer: IpAddr) -> Option<IpAddr> {
            Some([192, 0, 2, 7].into())
        }
    }

    fn server(listen: &str) -> Interfaces {
        let advertised = vec![Advertised { transport: Transport::Udp, host: "203.0.113.5".into(), port: 5070 }];
        let aliases = vec![
            Alias { host: "sip.example.com".into(), port: None },
            Alias { host: "pbx.example.com".into(), port: Some(5080) },
        ];
        Interfaces::new(vec![(Transport::Udp, listen.parse().unwrap())], advertised, aliases, Arc::new(OneInterface))
    }

    fn names(server: &Interfaces, host: &str, port: Option<u16>) -> bool {
        server.is_this_server(host.as_bytes(), port, "192.0.2.99:5060".parse().unwrap())
    }

    #[test]
    fn a_listener_is_named_with_its_port_or_without_one() {
        let server = server("127.0.0.1:15060");
        assert!(names(&server, "127.0.0.1", None));
        assert!(names(&server, "127.0.0.1", Some(15060)));
        assert!(names(&server, "LOCALHOST", None));
        assert!(!names(&server, "127.0.0.1", Some(5060)), "that is a contact, not this server");
        assert!(!names(&server, "192.0.2.7", None));
    }

    #[test]
    fn a_wildcard_listener_is_every_local_address_and_the_one_arrived_at() {
        let server = server("0.0.0.0:5060");
        for host in ["192.0.2.7", "192.0.2.99", "127.0.0.1", "localhost"] {
            assert!(names(&server, host, Some(5060)), "{host}");
        }
        assert!(!names(&server, "192.0.2.1", None));
        assert!(!names(&server, "[::1]", None));
    }

    #[test]
    fn advertised_names_and_aliases_count_with_their_ports() {
        let server = server("127.0.0.1:15060");
        for (host, port) in [
            ("203.0.113.5", None),
            ("203.0.113.5", Some(5070)),
            ("SIP.example.com.", None),
            ("sip.example.com", Some(15060)),
            ("pbx.example.com", Some(5080)),
        ] {
            assert!(names(&server, host, port), "{host} {port:?}");
        }
        for (host, port) in [("sip.example.com", Some(5080)), ("example.com", None), ("203.0.113.5", Some(1))] {
            assert!(!names(&server, host, port), "{host} {port:?}");
        }
    }

    #[test]
    fn via_shows_the_advertised_name_to_its_own_transport_only() {
        let server = server("0.0.0.0:5060");
        let shown = |flow: Flow| {
            let mut out = Vec::new();
            server.push_sent_by(&mut out, &flow);
            String::from_utf8(out).unwrap()
        };
        let local = "192.0.2.7:5060".parse().unwrap();
        let peer = "192.0.2.8:9".parse().unwrap();
        assert_eq!(shown(Flow::udp(local, peer)), "203.0.113.5:5070");
        assert_eq!(shown(Flow::tcp(local, peer, crate::flow::ConnectionId::NONE)), "192.0.2.7:5060");
        let local = "[::1]:5060".parse().unwrap();
        assert_eq!(shown(Flow::udp(local, "[::1]:9".parse().unwrap())), "[::1]:5060");
    }
}
