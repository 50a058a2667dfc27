//! How the server ends: when it is asked to, and when it cannot start.

use crate::support::server::Place;
use crate::support::server::STOP_LIMIT;
use crate::support::trial::Trial;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::time::Duration;

#[test]
fn sigterm_and_sigint_stop_it_cleanly() {
    for signal in ["TERM", "INT"] {
        let trial = Trial::new(&format!("sigterm_and_sigint_stop_it_cleanly-{signal}"));
        let place = Place::on_loopback();
        let status = place.start(&trial, None).stop(signal);
        assert_eq!(status.code(), Some(0), "SIG{signal} ended the server with {status} within {STOP_LIMIT:?}");
        // Nothing holds the ports any more.
        UdpSocket::bind(place.sip).expect("the UDP port is free again");
    }
}

#[test]
fn a_udp_port_in_use_is_a_clear_error() {
    let trial = Trial::new("a_udp_port_in_use_is_a_clear_error");
    let place = Place::on_loopback();
    let _other = UdpSocket::bind(place.sip).unwrap();
    ends_naming(&trial, &place, &place.sip.to_string());
}

#[test]
fn a_tcp_port_in_use_is_a_clear_error() {
    let trial = Trial::new("a_tcp_port_in_use_is_a_clear_error");
    let place = Place::on_loopback();
    let _other = TcpListener::bind(place.sip).unwrap();
    ends_naming(&trial, &place, &place.sip.to_string());
}

#[test]
fn an_api_port_in_use_is_a_clear_error() {
    let trial = Trial::new("an_api_port_in_use_is_a_clear_error");
    let place = Place::on_loopback();
    let _other = TcpListener::bind(place.api).unwrap();
    ends_naming(&trial, &place, &place.api.to_string());
}

fn ends_naming(trial: &Trial, place: &Place, address: &str) {
    let mut server = place.launch(trial, None);
    let status = server.wait(Duration::from_secs(20));
    let output = server.output();
    assert!(status.code().is_some_and(|code| code != 0), "it ended with {status}:\n{output}");
    assert!(output.contains(address), "the error names {address}:\n{output}");
    assert!(output.to_lowercase().contains("in use"), "the error says what is wrong:\n{output}");
    assert!(!output.contains("panicked"), "{output}");
}
