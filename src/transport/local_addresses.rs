//! The addresses of this host, and which of them it uses toward a peer.
#![allow(clippy::disallowed_methods, reason = "the age of a remembered route is shell business")]

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;
use std::time::Instant;

use arc_swap::ArcSwap;
use dashmap::DashMap;

use crate::flow::LocalRoutes;

/// Interface addresses, as of the last [`LocalAddresses::refresh`], and the routes lately asked for.
#[derive(Debug)]
pub struct LocalAddresses {
    /// In ascending order.
    listed: ArcSwap<Vec<IpAddr>>,
    route_by_peer: DashMap<IpAddr, Route>,
}

#[derive(Clone, Copy, Debug)]
struct Route {
    from: Option<IpAddr>,
    asked_at: Instant,
}

/// How often the wiring is to call [`LocalAddresses::refresh`].
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// Three system calls a minute and peer are nothing; a route that changes is followed soon enough.
const ROUTE_LIFETIME: Duration = Duration::from_secs(60);
const MAX_ROUTES: usize = 4_096;

impl LocalAddresses {
    /// Reads the interfaces.
    ///
    /// # Errors
    /// When the system does not tell them.
    pub fn read() -> io::Result<Self> {
        Ok(Self { listed: ArcSwap::from_pointee(interface_addresses()?), route_by_peer: DashMap::new() })
    }

    /// Reads the interfaces again; when they have changed, remembered routes are forgotten.
    ///
    /// # Errors
    /// When the system does not tell them; what was known stays.
    pub fn refresh(&self) -> io::Result<()> {
        let addresses = interface_addresses()?;
        if **self.listed.load() != addresses {
            self.listed.store(addresses.into());
            self.route_by_peer.clear();
        }
        Ok(())
    }

    /// The interface addresses, in ascending order.
    pub fn list(&self) -> Vec<IpAddr> {
        self.listed.load().to_vec()
    }

    fn remember(&self, peer: IpAddr, route: Route) {
        if self.route_by_peer.len() >= MAX_ROUTES {
            self.route_by_peer.retain(|_, known| known.is_fresh());
        }
        if self.route_by_peer.len() >= MAX_ROUTES {
            self.route_by_peer.clear();
        }
        self.route_by_peer.insert(peer, route);
    }
}

impl LocalRoutes for LocalAddresses {
    fn is_local(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || self.listed.load().binary_search(&ip).is_ok()
    }

    fn toward(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let known = self.route_by_peer.get(&peer).map(|route| *route).filter(Route::is_fresh);
        if let Some(route) = known {
            return route.from;
        }
        let route = Route { from: ask_kernel(peer).ok(), asked_at: Instant::now() };
        self.remember(peer, route);
        route.from
    }
}

impl Route {
    fn is_fresh(&self) -> bool {
        self.asked_at.elapsed() < ROUTE_LIFETIME
    }
}

/// Connecting a datagram socket makes the kernel choose a source address and sends nothing.
fn ask_kernel(peer: IpAddr) -> io::Result<IpAddr> {
    /// Any port serves; 0 cannot be connected to on every system.
    const PORT: u16 = 5060;
    let any = match peer {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(SocketAddr::new(peer, PORT))?;
    Ok(socket.local_addr()?.ip())
}

fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<_> = if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_local_and_the_route_to_it_starts_there() {
        let addresses = LocalAddresses::read().unwrap();
        for ip in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert!(addresses.is_local(ip.parse().unwrap()), "{ip}");
        }
        assert!(!addresses.is_local("192.0.2.1".parse().unwrap()));
        assert_eq!(addresses.toward("127.0.0.2".parse().unwrap()), Some("127.0.0.1".parse().unwrap()));
        assert_eq!(addresses.toward("::1".parse().unwrap()), Some("::1".parse().unwrap()));
        assert_eq!(addresses.toward("127.0.0.2".parse().unwrap()), Some("127.0.0.1".parse().unwrap()), "remembered");
        assert!(addresses.list().contains(&"127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn no_more_routes_are_remembered_than_the_bound() {
        let addresses = LocalAddresses::read().unwrap();
        let route = Route { from: None, asked_at: Instant::now() };
        for last in 0..u32::try_from(MAX_ROUTES).unwrap() + 10 {
            addresses.remember(Ipv4Addr::from_bits(0x7f00_0000 + last).into(), route);
        }
        assert!(addresses.route_by_peer.len() <= MAX_ROUTES);
    }

    #[test]
    fn an_old_route_is_asked_for_again() {
        let addresses = LocalAddresses::read().unwrap();
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        let long_ago = Instant::now().checked_sub(ROUTE_LIFETIME).unwrap();
        addresses.remember(peer, Route { from: None, asked_at: long_ago });
        assert_eq!(addresses.toward(peer), Some(peer));
    }
}
