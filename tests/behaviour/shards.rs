//! Two shards over what they share: what arrives at the wrong one is handed over.

use sipward::engine::{Disposition, Engine, Load};
use sipward::event::Outcome;
use sipward::flow::{ConnectionId, Flow};

use crate::support::call::{S, ack_of, invite, only, requests, shown};
use crate::support::phone::{Phone, header};
use crate::support::{SERVER, World, address};

#[test]
fn a_response_that_arrives_at_the_other_shard_is_handed_over_and_works() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    // Shard 1 registers bob, shard 0 takes the call.
    let mut other = Engine::new(world.shared.clone(), 1, [9; 32], world.now);
    std::mem::swap(&mut world.engine, &mut other);
    bob.register(&mut world);
    std::mem::swap(&mut world.engine, &mut other);
    let (sent_invite, forwarded) = invite(&mut world, &mut alice, "bob");
    let forwarded = only(forwarded);
    let contact = format!("Contact: <{}>\r\n", bob.contact());
    let flow = Flow::udp(address(SERVER), bob.address);
    for code in [180, 200] {
        let response = bob.respond(&forwarded.text, code, "b", &contact);
        std::mem::swap(&mut world.engine, &mut other);
        assert_eq!(world.deliver(flow, response.as_bytes()), Disposition::HandOver(0));
        assert_eq!(world.outcome(), Outcome::HandedOver);
        assert!(world.pass(S(0)).is_empty());
        std::mem::swap(&mut world.engine, &mut other);
        assert_eq!(shown(&bob.send(&mut world, &response)), [format!("{code} 6001")]);
    }
    // A BYE of bob's arrives at his own shard: dialogs are shared.
    std::mem::swap(&mut world.engine, &mut other);
    let bye = format!(
        "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKx;rport\r\nRoute: {}\r\nMax-Forwards: 70\r\nFrom: {};tag=b\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n",
        alice.contact(),
        bob.address,
        header(&forwarded.text, "Record-Route").unwrap(),
        header(&forwarded.text, "To").unwrap(),
        header(&forwarded.text, "From").unwrap(),
        header(&forwarded.text, "Call-ID").unwrap(),
    );
    let byed = only(requests(bob.send(&mut world, &bye)));
    assert_eq!(byed.flow.peer, alice.address);
    assert_eq!(shown(&alice.send(&mut world, &alice.respond(&byed.text, 200, "", ""))), ["200 6002"]);
    world.assert_all_over();
    std::mem::swap(&mut world.engine, &mut other);
    world.assert_all_over();
    assert_eq!((world.engine.load(), other.load()), (Load::default(), Load::default()));
    assert!(alice.send(&mut world, &ack_of(&sent_invite, &sent_invite)).is_empty());
}

#[test]
fn a_response_for_a_shard_that_does_not_exist_is_the_shells_to_drop() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let (_, forwarded) = invite(&mut world, &mut alice, "bob");
    let response = bob.respond(&forwarded[0].text, 200, "b", "").replacen("z9hG4bKsw00", "z9hG4bKswff", 1);
    let flow = Flow::udp(address(SERVER), bob.address);
    assert_eq!(world.deliver(flow, response.as_bytes()), Disposition::HandOver(255));
    // Handed to the wrong shard, it is a stray there, and is not handed on for ever by the right one.
    assert!(world.pass(S(0)).is_empty());
}

/// A response that came on a stream is handed over while the stream closes: whoever reads it last must not believe that
/// the stream is open.
#[test]
fn a_response_handed_over_does_not_bring_a_closed_stream_back() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.connection = Some(5);
    let stream = ConnectionId::new(1, 5);
    let flow = Flow::tcp(address(SERVER), bob.address, stream);
    // Bob's stream is shard 1's; alice calls through shard 0.
    let mut other = Engine::new(world.shared.clone(), 1, [9; 32], world.now);
    std::mem::swap(&mut world.engine, &mut other);
    let request = bob.register_with(&format!("Contact: <{}>\r\n", bob.contact()));
    let _ = world.deliver(flow, request.as_bytes());
    let challenge = world.take_sent();
    let answer = bob.answer(&request, &challenge[0].text, 1);
    let again = bob.with_answer(&request, &answer);
    let _ = world.deliver(flow, again.as_bytes());
    assert_eq!(shown(&world.take_sent()), ["200 6002"]);
    std::mem::swap(&mut world.engine, &mut other);
    let (_, forwarded) = invite(&mut world, &mut alice, "bob");
    assert_eq!(forwarded[0].flow.connection, stream);
    let busy = bob.respond(&forwarded[0].text, 486, "b", "");
    std::mem::swap(&mut world.engine, &mut other);
    assert_eq!(world.deliver(flow, busy.as_bytes()), Disposition::HandOver(0));
    world.hear_of_closing(stream);
    std::mem::swap(&mut world.engine, &mut other);
    let _ = world.deliver(flow, busy.as_bytes());
    world.hear_of_closing(stream);
    world.take_sent();
    let (_, forwarded) = invite(&mut world, &mut alice, "bob");
    assert_eq!(forwarded[0].flow.connection, ConnectionId::NONE, "the stream is opened anew");
    assert_eq!(forwarded[0].flow.peer, bob.address);
}

#[test]
fn a_call_through_one_shard_ends_with_the_stream_of_another() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let bob = Phone::new("bob", "127.0.0.1:6002");
    let stream = ConnectionId::new(1, 5);
    let flow = Flow::tcp(address(SERVER), bob.address, stream);
    world.shared.streams.note(stream);
    world.bind("bob", "sip:bob@127.0.0.1:6002;transport=tcp", flow);
    let (_, forwarded) = invite(&mut world, &mut alice, "bob");
    assert_eq!(forwarded[0].flow, flow);
    assert_eq!(shown(&world.hear_of_closing(stream)), ["500 6001"]);
    world.assert_all_over();
}
