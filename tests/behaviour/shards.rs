//! Two shards over what they share: what arrives at the wrong one is handed over.

use sipward::engine::{Disposition, Engine, Load};
use sipward::event::Outcome;
use sipward::flow::Flow;

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
