//! Credentials and bindings outlast the server: a phone that registered before is called after.

use crate::support::phone::Phone;
use crate::support::seed::write_seed;
use crate::support::server::Place;
use crate::support::server::Server;
use crate::support::trial::Trial;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_restart_keeps_credentials_and_bindings() {
    a_phone_is_called_after("a_restart_keeps_credentials_and_bindings", |server| {
        let status = server.stop("TERM");
        assert!(status.success(), "SIGTERM ended the server with {status}");
    });
}

#[test]
fn kill_nine_two_seconds_after_the_200_keeps_credentials_and_bindings() {
    a_phone_is_called_after("kill_nine_two_seconds_after_the_200_keeps_credentials_and_bindings", |server| {
        sleep(Duration::from_secs(2));
        server.kill_nine();
    });
}

fn a_phone_is_called_after(test: &str, end: impl FnOnce(Server)) {
    let trial = Trial::new(test);
    let place = Place::on_loopback();
    let seed = write_seed(&trial, ["alice".to_owned(), "bob".to_owned()]);
    let server = place.start(&trial, Some(&seed));
    let mut alice = Phone::new(place.sip, "alice");
    alice.register();
    end(server);

    // Without the seed: what is known now was in the store.
    let _server = place.start(&trial, None);
    let mut bob = Phone::new(place.sip, "bob");
    let call_id = bob.invite("alice");
    let invite = alice.expect_request("INVITE");
    assert!(invite.request_uri().is_some_and(|uri| uri.starts_with(&alice.contact())), "{invite:?}");
    assert_eq!(invite.headers("Authorization").count(), 0, "the server's credentials go no further: {invite:?}");
    alice.respond(&invite, "486 Busy Here");
    assert_eq!(bob.expect_final(&call_id).status(), Some(486));
}
