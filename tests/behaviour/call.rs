//! One phone calls another.

use sipward::flow::ConnectionId;

use crate::support::call::{Call, invite, only, shown, statuses};
use crate::support::phone::{Phone, header, headers, status};
use crate::support::{Setup, World};

#[test]
fn a_call_is_set_up_and_hung_up() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let invite = alice.invite_with("bob", "");
    let (sent_invite, sent) = alice.authenticate(&mut world, &invite);
    assert_eq!(sent.iter().map(|sent| status(&sent.text)).collect::<Vec<_>>(), [100, 0]);
    let forwarded = &sent[1];
    assert_eq!(forwarded.flow.peer, bob.address);
    assert!(forwarded.text.starts_with("INVITE sip:bob@127.0.0.1:6002 SIP/2.0\r\n"), "{}", forwarded.text);
    assert!(header(&forwarded.text, "Authorization").is_none());
    let contact = format!("Contact: <{}>\r\n", bob.contact());
    let ringing = bob.send(&mut world, &bob.respond(&forwarded.text, 180, "bt", &contact));
    assert_eq!((ringing.len(), status(&ringing[0].text)), (1, 180));
    let answered = bob.send(&mut world, &bob.respond(&forwarded.text, 200, "bt", &contact));
    assert_eq!((answered.len(), status(&answered[0].text)), (1, 200));
    assert_eq!(headers(&answered[0].text, "Via").len(), 1);
    let route = header(&answered[0].text, "Record-Route").unwrap().to_owned();
    let to = header(&answered[0].text, "To").unwrap().to_owned();
    let call_id = header(&sent_invite, "Call-ID").unwrap().to_owned();
    let ack = alice.request("ACK", &bob.contact(), &to, &call_id, &format!("Route: {route}\r\n"), "");
    let acked = alice.send(&mut world, &ack);
    assert_eq!((acked.len(), acked[0].flow.peer), (1, bob.address));
    assert!(header(&acked[0].text, "Route").is_none());
    let bye = alice.request("BYE", &bob.contact(), &to, &call_id, &format!("Route: {route}\r\n"), "");
    let byed = alice.send(&mut world, &bye);
    assert_eq!((byed.len(), byed[0].flow.peer), (1, bob.address));
    let over = bob.send(&mut world, &bob.respond(&byed[0].text, 200, "bt", ""));
    assert_eq!((over.len(), status(&over[0].text)), (1, 200));
    assert_eq!(world.heard.log, ["registered bob", "call started", "call answered", "call ended 200"]);
    world.pass(std::time::Duration::from_secs(300));
    assert_eq!(world.engine.load(), sipward::engine::Load::default());
    assert!(world.shared.dialogs.is_empty());
}

#[test]
fn a_call_over_two_streams_goes_back_and_forth_on_them() {
    let mut world = World::ordinary();
    let alice = Phone::new("alice", "127.0.0.1:6001").over_tcp(1);
    let bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(2);
    let mut call = Call::set_up(&mut world, alice, bob);
    assert_eq!(call.forwarded.flow.connection, ConnectionId::new(0, 2));
    let forwarded = call.exchange(&mut world, false, "INVITE", "", "v=0\r\n");
    assert_eq!(forwarded.flow.connection, ConnectionId::new(0, 1));
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn a_stream_that_closed_during_the_call_is_opened_anew_to_where_it_came_from() {
    let mut world = World::ordinary();
    let alice = Phone::new("alice", "127.0.0.1:6001");
    let bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(2);
    let mut call = Call::set_up(&mut world, alice, bob);
    world.close(2);
    let bye = call.caller_request("BYE", "", "");
    let sent = only(call.caller.send(&mut world, &bye));
    assert_eq!((sent.flow.peer, sent.flow.connection), (call.callee.address, ConnectionId::NONE));
    assert_eq!(statuses(&world.fail_to_send(sent.branch.unwrap())), [500]);
    world.assert_all_over();
    assert_eq!(world.heard.log.last().unwrap(), "call ended 200");
}

#[test]
fn early_media_and_its_acknowledgement_pass_before_the_answer() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let (sent_invite, forwarded) = invite(&mut world, &mut alice, "bob");
    let forwarded = only(forwarded);
    let extra = format!("Contact: <{}>\r\nRequire: 100rel\r\nRSeq: 1\r\n", bob.contact());
    let early = only(bob.send(&mut world, &bob.respond(&forwarded.text, 183, "bt", &extra)));
    assert_eq!((status(&early.text), header(&early.text, "RSeq")), (183, Some("1")));
    let route = format!("Route: {}\r\n", header(&early.text, "Record-Route").unwrap());
    let (to, call_id) = (header(&early.text, "To").unwrap(), header(&sent_invite, "Call-ID").unwrap());
    for method in ["PRACK", "UPDATE"] {
        let request = alice.request(method, &bob.contact(), to, call_id, &route, "");
        let request = request.replace(header(&request, "From").unwrap(), header(&sent_invite, "From").unwrap());
        let got = only(alice.send(&mut world, &request));
        assert_eq!(got.flow.peer, bob.address);
        assert_eq!(statuses(&bob.send(&mut world, &bob.respond(&got.text, 200, "bt", ""))), [200]);
    }
    let refused = bob.send(&mut world, &bob.respond(&forwarded.text, 603, "bt", ""));
    assert_eq!(statuses(&refused), [0, 603]);
    world.assert_all_over();
    assert_eq!(world.heard.log, ["registered bob", "call started", "call ended 603"]);
}

#[test]
fn both_hang_up_at_once() {
    let mut world = World::ordinary();
    let mut call = Call::set_up(&mut world, Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "127.0.0.1:6002"));
    let (one, two) = (call.caller_request("BYE", "", ""), call.callee_request("BYE", "", ""));
    let to_bob = only(call.caller.send(&mut world, &one));
    let to_alice = only(call.callee.send(&mut world, &two));
    assert_eq!((to_bob.flow.peer, to_alice.flow.peer), (call.callee.address, call.caller.address));
    let bob_says = only(call.callee.send(&mut world, &call.callee.respond(&to_bob.text, 200, "x", "")));
    let alice_says = only(call.caller.send(&mut world, &call.caller.respond(&to_alice.text, 481, "x", "")));
    assert_eq!((status(&bob_says.text), status(&alice_says.text)), (200, 481));
    world.assert_all_over();
    assert_eq!(world.heard.log.iter().filter(|line| *line == "call ended 200").count(), 1);
}

#[test]
fn many_calls_at_once_do_not_mix_and_nothing_is_left_of_them() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let calls: Vec<_> = (0..200).map(|_| invite(&mut world, &mut alice, "bob")).collect();
    assert_eq!(world.engine.load().contexts, 200);
    for (number, (sent_invite, forwarded)) in calls.iter().enumerate().rev() {
        let code = if number % 2 == 0 { 486 } else { 404 };
        let refused = bob.send(&mut world, &bob.respond(&forwarded[0].text, code, "bt", ""));
        assert_eq!(status(&refused[1].text), code);
        assert_eq!(header(&refused[1].text, "Call-ID"), header(sent_invite, "Call-ID"));
    }
    world.assert_all_over();
}

#[test]
fn beyond_the_limit_of_transactions_a_call_is_503_and_nothing_is_kept() {
    let mut world = World::ordinary();
    let mut limited = crate::support::shared(&Setup::default(), world.now);
    limited.transactions.transactions = 2;
    world.shared = std::sync::Arc::new(limited);
    world.engine = sipward::engine::Engine::new(world.shared.clone(), 0, [1; 32], world.now);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    for _ in 0..2 {
        invite(&mut world, &mut alice, "bob");
    }
    let request = alice.invite_with("bob", "");
    let (_, sent) = alice.authenticate(&mut world, &request);
    assert_eq!((statuses(&sent), header(&sent[0].text, "Retry-After")), (vec![503], Some("5")));
    assert_eq!(world.outcome(), sipward::event::Outcome::Overloaded);
    world.assert_all_over();
}

/// Messages that are kept to be repeated cost memory by their size, so they are counted by it.
#[test]
fn beyond_the_bytes_that_may_be_kept_a_call_is_503() {
    let mut world = World::ordinary();
    let mut limited = crate::support::shared(&Setup::default(), world.now);
    limited.transactions.bytes = 60_000;
    world.shared = std::sync::Arc::new(limited);
    world.engine = sipward::engine::Engine::new(world.shared.clone(), 0, [1; 32], world.now);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let large = format!("X-Padding: {}\r\n", "x".repeat(25_000));
    let mut codes = Vec::new();
    for _ in 0..5 {
        let request = alice.invite_with("bob", &large);
        let (_, sent) = alice.authenticate(&mut world, &request);
        codes.push(statuses(&sent)[0]);
    }
    assert_eq!(codes, [100, 100, 100, 503, 503]);
    world.assert_all_over();
    let request = alice.invite_with("bob", &large);
    let (_, sent) = alice.authenticate(&mut world, &request);
    assert_eq!(statuses(&sent)[0], 100, "what has ended is given back");
    world.assert_all_over();
}

/// RFC 3261 §17.1.4: nobody waits for an answer on a stream that is gone.
#[test]
fn a_call_that_rings_on_a_stream_ends_with_the_stream() {
    for rings in [false, true] {
        let mut world = World::ordinary();
        let mut alice = Phone::new("alice", "127.0.0.1:6001");
        let mut bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(5);
        bob.register(&mut world);
        let (_, forwarded) = invite(&mut world, &mut alice, "bob");
        if rings {
            bob.send(&mut world, &bob.respond(&forwarded[0].text, 180, "b", ""));
        }
        assert_eq!(shown(&world.close(5)), ["500 6001"], "rings: {rings}");
        world.assert_all_over();
    }
}

#[test]
fn what_was_answered_does_not_mind_that_its_stream_closes() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(5);
    bob.register(&mut world);
    let (_, forwarded) = invite(&mut world, &mut alice, "bob");
    bob.send(&mut world, &bob.respond(&forwarded[0].text, 486, "b", ""));
    assert!(world.close(5).is_empty());
    world.assert_all_over();
}

#[test]
fn a_contact_that_asks_for_tls_is_skipped_with_a_warning_and_the_others_ring() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    let request = bob.register_with("Contact: <sips:bob@127.0.0.1:6002>, <sip:bob@127.0.0.1:6003>\r\n");
    bob.authenticate(&mut world, &request);
    let (_, forwarded) = invite(&mut world, &mut alice, "bob");
    assert_eq!(only(forwarded).flow.peer, crate::support::address("127.0.0.1:6003"));
    assert!(world.heard.log.contains(&"target skipped".to_owned()));
}
