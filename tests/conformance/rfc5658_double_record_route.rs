//! RFC 5658: where the two sides of a call are reached by different ways, both are recorded.

use crate::support::World;
use crate::support::call::{Call, uri_of};
use crate::support::phone::{Phone, header, headers};

fn record_routes(text: &str) -> Vec<String> {
    let cut = |route: &str| route.split(";tk=").next().unwrap().to_owned();
    headers(text, "Record-Route").into_iter().map(cut).collect()
}

/// Every kind of request, from both sides, until the callee hangs up.
fn talk(world: &mut World, call: &mut Call) {
    for by_caller in [true, false, true] {
        for method in ["UPDATE", "INFO", "INVITE", "MESSAGE", "FOO"] {
            let forwarded = call.exchange(world, by_caller, method, "", "v=0\r\n");
            assert!(forwarded.text.ends_with("\r\n\r\nv=0\r\n"));
        }
    }
    call.exchange(world, false, "BYE", "", "");
    world.assert_all_over();
}

#[test]
fn from_udp_to_tcp_the_outgoing_way_stands_on_top() {
    let mut world = World::ordinary();
    let bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(1);
    let mut call = Call::set_up(&mut world, Phone::new("alice", "127.0.0.1:6001"), bob);
    let both = ["<sip:127.0.0.1:5060;transport=tcp;lr", "<sip:127.0.0.1:5060;lr"];
    assert_eq!(record_routes(&call.forwarded.text), both);
    assert_eq!(record_routes(&call.answer), both);
    assert!(headers(&call.forwarded.text, "Via")[0].starts_with("SIP/2.0/TCP "));
    assert_eq!(uri_of(&call.forwarded.text), "sip:bob@127.0.0.1:6002;transport=tcp");
    talk(&mut world, &mut call);
}

#[test]
fn from_tcp_to_udp() {
    let mut world = World::ordinary();
    let alice = Phone::new("alice", "127.0.0.1:6001").over_tcp(1);
    let mut call = Call::set_up(&mut world, alice, Phone::new("bob", "127.0.0.1:6002"));
    let both = ["<sip:127.0.0.1:5060;lr", "<sip:127.0.0.1:5060;transport=tcp;lr"];
    assert_eq!(record_routes(&call.forwarded.text), both);
    talk(&mut world, &mut call);
}

#[test]
fn from_ipv4_to_ipv6() {
    let mut world = World::ordinary();
    let mut call = Call::set_up(&mut world, Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "[::1]:6002"));
    assert_eq!(record_routes(&call.forwarded.text), ["<sip:[::1]:5060;lr", "<sip:127.0.0.1:5060;lr"]);
    assert!(headers(&call.forwarded.text, "Via")[0].starts_with("SIP/2.0/UDP [::1]:5060;"));
    talk(&mut world, &mut call);
}

#[test]
fn where_the_way_is_the_same_one_is_enough() {
    for tcp in [false, true] {
        let mut world = World::ordinary();
        let (mut alice, mut bob) = (Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "127.0.0.1:6002"));
        if tcp {
            (alice, bob) = (alice.over_tcp(1), bob.over_tcp(2));
        }
        let mut call = Call::set_up(&mut world, alice, bob);
        assert_eq!(record_routes(&call.forwarded.text).len(), 1);
        talk(&mut world, &mut call);
    }
}

#[test]
fn both_carry_the_token_and_either_is_enough() {
    let mut world = World::ordinary();
    let bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(1);
    let mut call = Call::set_up(&mut world, Phone::new("alice", "127.0.0.1:6001"), bob);
    let tokens: Vec<_> =
        call.caller_routes().iter().map(|route| route.split(";tk=").nth(1).unwrap().to_owned()).collect();
    assert_eq!(tokens[0], tokens[1]);
    // A client that joins its routes in one line, and one that keeps the first only.
    let info = call.caller_request("INFO", "", "");
    let joined = info.replacen("\r\nRoute: ", ", ", 2).replacen("rport, ", "rport\r\nRoute: ", 1);
    assert_eq!(headers(&joined, "Route").len(), 1, "{joined}");
    assert!(header(&joined, "Route").unwrap().contains(", "));
    let sent = call.caller.send(&mut world, &joined);
    assert!(header(&sent[0].text, "Route").is_none());
    call.callee.send(&mut world, &call.callee.respond(&sent[0].text, 200, "x", ""));
    let second = info.split_inclusive("\r\n").filter(|line| !line.contains(";transport=tcp;lr")).collect::<String>();
    let second = second.replace(";branch=z9hG4bK", ";branch=z9hG4bKn");
    let sent = call.caller.send(&mut world, &second);
    assert_eq!(sent[0].flow.peer, call.callee.address);
    call.callee.send(&mut world, &call.callee.respond(&sent[0].text, 200, "x", ""));
    call.hang_up(&mut world);
    world.assert_all_over();
}
