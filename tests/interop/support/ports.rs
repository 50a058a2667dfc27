//! Ports for the tests: below the range from which the system takes ports for outgoing connections, so that no client
//! takes one between its choice and its use.

use std::net::IpAddr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;

const FIRST: u16 = 15_100;
const COUNT: u16 = 15_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port free for UDP and TCP on `host`, never given out before by this process.
pub fn free_port(host: IpAddr) -> u16 {
    // Two test runs at once start at different places.
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (u32::from(start) + u32::from(offset)).rem_euclid(u32::from(COUNT)) as u16;
        if UdpSocket::bind((host, port)).is_ok() && TcpListener::bind((host, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on {host}");
}
