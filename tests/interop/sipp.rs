//! SIPp registers many users and completes many calls.

use crate::support::ports::free_port;
use crate::support::seed::user;
use crate::support::seed::write_inf;
use crate::support::seed::write_seed;
use crate::support::server::Place;
use crate::support::sipp::Sipp;
use crate::support::trial::Trial;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

const USERS: usize = 10_000;
const REGISTERED: usize = 1_000;
const CALLS: usize = 200;

#[test]
fn sipp_registers_1000_of_10000_users_over_udp() {
    registers_1000_of_10000_users("sipp_registers_1000_of_10000_users_over_udp", "u1");
}

#[test]
fn sipp_registers_1000_of_10000_users_over_one_tcp_connection() {
    registers_1000_of_10000_users("sipp_registers_1000_of_10000_users_over_one_tcp_connection", "t1");
}

#[test]
fn sipp_registers_1000_of_10000_users_over_a_tcp_connection_each() {
    registers_1000_of_10000_users("sipp_registers_1000_of_10000_users_over_a_tcp_connection_each", "tn");
}

#[test]
fn sipp_completes_200_calls_over_udp() {
    completes_200_calls("sipp_completes_200_calls_over_udp", "u1");
}

#[test]
fn sipp_completes_200_calls_from_udp_to_tcp() {
    completes_200_calls("sipp_completes_200_calls_from_udp_to_tcp", "t1");
}

fn registers_1000_of_10000_users(test: &str, transport: &str) {
    let trial = Trial::new(test);
    let place = Place::on_loopback();
    let seed = write_seed(&trial, (0..USERS).map(user));
    let _server = place.start(&trial, Some(&seed));
    // From all over the ten thousand, not the first ones.
    let users: Vec<String> = (0..REGISTERED).map(|n| user(n * (USERS / REGISTERED))).collect();
    let contacts = (20_000u16..).map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let inf = write_inf(&trial, "users.csv", users.iter().map(String::as_str).zip(contacts));
    register(&place, transport, REGISTERED as u64).with_inf(&inf).run(&trial, "register");
}

/// A callee of SIPp's on `callee_transport` is called by users of SIPp's on UDP.
fn completes_200_calls(test: &str, callee_transport: &str) {
    let trial = Trial::new(test);
    let place = Place::on_loopback();
    let callers: Vec<String> = (0..CALLS).map(user).collect();
    let seed = write_seed(&trial, callers.iter().cloned().chain(["callee".to_owned()]));
    let _server = place.start(&trial, Some(&seed));

    let callee = SocketAddr::new(place.sip.ip(), free_port(place.sip.ip()));
    let callee_inf = write_inf(&trial, "callee.csv", [("callee", callee)]);
    register(&place, callee_transport, 1).with_inf(&callee_inf).with_port(callee.port()).run(&trial, "callee-register");

    let calls = CALLS as u64;
    let answering = Sipp::new("callee.xml", place.sip, callee_transport, calls).with_port(callee.port());
    let answering = answering.start(&trial, "callee");
    // SIPp says nowhere that it listens; a call that comes too early would be retransmitted over UDP, but not over TCP.
    sleep(Duration::from_secs(1));
    let caller_inf = write_inf(&trial, "callers.csv", callers.iter().map(|caller| (caller.as_str(), callee)));
    let calling =
        Sipp::new("caller.xml", place.sip, "u1", calls).with_inf(&caller_inf).with_port(free_port(place.sip.ip()));
    calling.with_service("callee").at_rate(50).run(&trial, "caller");
    answering.finish();
}

fn register<'a>(place: &Place, transport: &'a str, calls: u64) -> Sipp<'a> {
    Sipp::new("register.xml", place.sip, transport, calls).at_rate(500)
}
