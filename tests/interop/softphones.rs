//! baresip on UDP and pjsua2 on TCP register and talk to each other, in a network namespace of the test's own.

use crate::support::baresip::Baresip;
use crate::support::namespace;
use crate::support::namespace::SERVER;
use crate::support::namespace::TCP_PHONE;
use crate::support::namespace::UDP_PHONE;
use crate::support::pjsua2::Pjsua2;
use crate::support::seed::write_seed;
use crate::support::server::Place;
use crate::support::tone::seconds_of_tone;
use crate::support::tone::write_tone;
use crate::support::trial::Trial;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

/// What baresip plays.
const HIGH: f64 = 1000.0;
/// What pjsua2 plays.
const LOW: f64 = 440.0;
/// How long a call is held.
const HOLD: Duration = Duration::from_secs(4);
/// Two seconds of speech in packets of 20 ms: what must at least have arrived of a call of [`HOLD`].
const PACKETS: u32 = 100;

#[test]
fn pjsua2_on_tcp_calls_baresip_on_udp() {
    namespace::inside("softphones::pjsua2_on_tcp_calls_baresip_on_udp", || {
        let trial = Trial::new("pjsua2_on_tcp_calls_baresip_on_udp");
        let (place, high, low) = prepare(&trial);
        let seed = write_seed(&trial, ["alice".to_owned(), "bob".to_owned()]);
        let _server = place.start(&trial, Some(&seed));
        let mut alice = Baresip::start(&trial, place.sip, UDP_PHONE, "alice", &high);
        let callee = format!("sip:alice@{SERVER}");
        let mut bob = Pjsua2::start(&trial, place.sip, TCP_PHONE, "bob", &low, Some(&callee));
        alice.wait_for_event("CALL_ESTABLISHED");
        bob.wait_until_established();
        // The caller hangs up by itself.
        alice.wait_for_event("CALL_CLOSED");
        both_heard_each_other(&alice, &mut bob);
    });
}

#[test]
fn baresip_on_udp_calls_pjsua2_on_tcp() {
    namespace::inside("softphones::baresip_on_udp_calls_pjsua2_on_tcp", || {
        let trial = Trial::new("baresip_on_udp_calls_pjsua2_on_tcp");
        let (place, high, low) = prepare(&trial);
        let seed = write_seed(&trial, ["alice".to_owned(), "bob".to_owned()]);
        let _server = place.start(&trial, Some(&seed));
        let mut alice = Baresip::start(&trial, place.sip, UDP_PHONE, "alice", &high);
        let mut bob = Pjsua2::start(&trial, place.sip, TCP_PHONE, "bob", &low, None);
        alice.dial(&format!("sip:bob@{SERVER}"));
        alice.wait_for_event("CALL_ESTABLISHED");
        bob.wait_until_established();
        sleep(HOLD);
        alice.hang_up();
        both_heard_each_other(&alice, &mut bob);
    });
}

fn prepare(trial: &Trial) -> (Place, PathBuf, PathBuf) {
    let address = |port| format!("{SERVER}:{port}").parse().expect("an address");
    let (high, low) = (trial.path("high.wav"), trial.path("low.wav"));
    write_tone(&high, HIGH, 12_000.0);
    write_tone(&low, LOW, 12_000.0);
    (Place::at(address(5060), address(8080)), high, low)
}

/// Both phones received the other's tone, and not only packets.
fn both_heard_each_other(alice: &Baresip, bob: &mut Pjsua2) {
    let (received, sent) = bob.finish();
    assert!(received >= PACKETS && sent >= PACKETS, "pjsua2 received {received} and sent {sent} RTP packets");
    let heard_by_bob = seconds_of_tone(bob.heard(), HIGH);
    assert!(heard_by_bob >= 2.0, "pjsua2 heard baresip's tone for {heard_by_bob} s");
    let heard_by_alice = seconds_of_tone(&alice.heard(), LOW);
    assert!(heard_by_alice >= 2.0, "baresip heard pjsua2's tone for {heard_by_alice} s");
}
