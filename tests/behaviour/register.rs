//! Phones register.

use crate::support::World;
use crate::support::phone::{Phone, header, status};

#[test]
fn a_phone_that_knows_its_password_registers() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    alice.register(&mut world);
    assert_eq!(world.bindings("alice"), [("sip:alice@127.0.0.1:6001".to_owned(), 3600)]);
    assert_eq!(world.heard.log, ["registered alice"]);
}

#[test]
fn a_wrong_password_changes_nothing() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    alice.password = "wrong";
    let request = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
    let (_, sent) = alice.authenticate(&mut world, &request);
    assert_eq!(status(&sent[0].text), 401);
    assert!(!header(&sent[0].text, "WWW-Authenticate").unwrap().contains("stale"));
    assert!(world.bindings("alice").is_empty());
}
