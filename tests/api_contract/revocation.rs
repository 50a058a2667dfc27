//! A change acts at once: the answer is the proof that is asked for, so nothing here waits for a change to show.

use serde_json::{Value, json};

use crate::phone::Phone;
use crate::requests::id;
use crate::server::Server;
use crate::shape::listed;

const PASSWORD: &str = "correct horse";

/// A server with two phones of its own, registered.
fn phones() -> (Server, Phone, Phone, Value) {
    let server = Server::start();
    let make = |name: &str| server.post("credentials", json!({"username": name, "password": PASSWORD}));
    let (_, dave) = (make("carol"), make("dave"));
    let mut carol = Phone::new(server.sip, "carol", PASSWORD);
    let mut dave_phone = Phone::new(server.sip, "dave", PASSWORD);
    assert_eq!(
        (carol.register(), dave_phone.register()),
        (200, 200),
        "a credential registers with the very next packet"
    );
    (server, carol, dave_phone, dave)
}

fn default_trunk(server: &Server) -> String {
    let (_, trunks) = listed(&server.get("trunks"));
    format!("trunks/{}", id(trunks.last().unwrap()))
}

/// From the metrics, which count before the answer leaves; the log is written behind it.
fn revoked(server: &Server) -> usize {
    let metrics = server.ask("GET", "/metrics", &[], None).is(200);
    let count =
        metrics.body.lines().find_map(|line| line.strip_prefix("sipward_registrations_total{change=\"revoked\"} "));
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count: {metrics:?}"))
}

#[test]
fn a_deleted_credential_is_nobody_any_more() {
    let (server, mut carol, mut dave_phone, dave) = phones();
    server.delete(&format!("credentials/{}", id(&dave)));
    assert_eq!(carol.call("dave"), 404);
    assert_eq!(dave_phone.register(), 401);
    assert_eq!(dave_phone.call("carol"), 401);
    assert_eq!(revoked(&server), 1, "{}", server.log());
    server.post("credentials", json!({"username": "dave", "password": PASSWORD}));
    assert_eq!(carol.call("dave"), 480, "its binding did not come back with the name");
    assert_eq!(dave_phone.register(), 200);
}

#[test]
fn a_disabled_credential_is_away_until_it_is_enabled_and_registers() {
    let (server, mut carol, mut dave_phone, dave) = phones();
    let path = format!("credentials/{}", id(&dave));
    server.put(&path, json!({"enabled": false}));
    assert_eq!(carol.call("dave"), 480);
    assert_eq!(dave_phone.register(), 401);
    server.put(&path, json!({"enabled": true}));
    assert_eq!(carol.call("dave"), 480);
    assert_eq!(dave_phone.register(), 200);
}

#[test]
fn a_changed_password_counts_from_the_next_request_and_keeps_the_binding() {
    let (server, mut carol, mut dave_phone, dave) = phones();
    server.put(&format!("credentials/{}", id(&dave)), json!({"password": "another horse"}));
    carol.ring("dave");
    dave_phone.answer_next("INVITE", "486 Busy Here");
    assert_eq!(dave_phone.register(), 401);
    assert_eq!(Phone::new(server.sip, "dave", "another horse").register(), 200);
}

#[test]
fn a_credential_that_moves_to_another_trunk_leaves_this_one() {
    let (server, mut carol, mut dave_phone, dave) = phones();
    let other = id(&server.post("trunks", json!({"name": "other"})));
    server.put(&format!("credentials/{}", id(&dave)), json!({"trunk_id": other}));
    assert_eq!(carol.call("dave"), 404);
    assert_eq!(dave_phone.register(), 401);
}

#[test]
fn a_trunk_that_names_one_credential_drops_the_others() {
    let (server, mut carol, mut dave_phone, dave) = phones();
    server.put(&default_trunk(&server), json!({"credential_uuid": id(&dave)}));
    assert_eq!(carol.register(), 401);
    assert_eq!(dave_phone.register(), 200);
    assert_eq!(dave_phone.call("carol"), 404);
}

#[test]
fn a_disabled_trunk_drops_everybody() {
    let (server, mut carol, mut dave_phone, _) = phones();
    let trunk = default_trunk(&server);
    server.put(&trunk, json!({"enabled": false}));
    assert_eq!((carol.register(), dave_phone.call("carol")), (401, 401));
    assert_eq!(revoked(&server), 2, "{}", server.log());
    server.put(&trunk, json!({"enabled": true}));
    assert_eq!((carol.register(), carol.call("dave")), (200, 480));
}

#[test]
fn a_denied_address_loses_its_bindings_and_no_other_does() {
    let (server, mut carol, _, _) = phones();
    let mut far = Phone::at("127.0.0.9", server.sip, "dave", PASSWORD);
    assert_eq!(far.register(), 200);
    let deny = server.post("ip-acl", json!({"ip_address": "127.0.0.9", "deny": true}));
    assert_eq!(far.register(), 401);
    assert_eq!(revoked(&server), 1, "{}", server.log());
    assert_eq!(carol.register(), 200);
    server.delete(&format!("ip-acl/{}", id(&deny)));
    assert_eq!(far.register(), 200);
}

#[test]
fn a_deleted_trunk_takes_its_phones_along() {
    let server = Server::start();
    let trunk = server.post("trunks", json!({"name": "t", "select_by_source": true}));
    server.post("ip-acl", json!({"ip_address": "127.0.0.9", "trunk_id": id(&trunk)}));
    server.post("credentials", json!({"username": "erin", "password": PASSWORD, "trunk_id": id(&trunk)}));
    let mut erin = Phone::at("127.0.0.9", server.sip, "erin", PASSWORD);
    assert_eq!(erin.register(), 200);
    server.delete(&format!("trunks/{}", id(&trunk)));
    assert_eq!(erin.register(), 401);
    assert_eq!(revoked(&server), 1, "{}", server.log());
}

#[test]
fn a_trunk_with_a_call_is_not_deleted() {
    let server = Server::start();
    let trunk = server.post("trunks", json!({"name": "t", "select_by_source": true}));
    server.post("ip-acl", json!({"ip_address": "127.0.0.9", "trunk_id": id(&trunk)}));
    for name in ["erin", "fred"] {
        server.post("credentials", json!({"username": name, "password": PASSWORD, "trunk_id": id(&trunk)}));
    }
    let mut erin = Phone::at("127.0.0.9", server.sip, "erin", PASSWORD);
    let mut fred = Phone::at("127.0.0.9", server.sip, "fred", PASSWORD);
    assert_eq!((erin.register(), fred.register()), (200, 200));
    erin.ring("fred");
    let path = format!("trunks/{}", id(&trunk));
    assert!(server.refused(409, "DELETE", &path, None).contains("active call"));
    fred.answer_next("INVITE", "486 Busy Here");
    let ended = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        server.account("DELETE", &path, None).status == 204
    });
    assert!(ended);
}

#[test]
fn what_was_revoked_right_before_the_end_does_not_come_back() {
    let (server, _carol, _dave_phone, dave) = phones();
    // The bindings are on disk.
    let server = Server::start_in(server.stop(), &[]);
    server.delete(&format!("credentials/{}", id(&dave)));
    let server = Server::start_in(server.kill_nine(), &[]);
    server.post("credentials", json!({"username": "dave", "password": PASSWORD}));
    let mut carol = Phone::new(server.sip, "carol", PASSWORD);
    assert_eq!(carol.call("dave"), 480);
}
