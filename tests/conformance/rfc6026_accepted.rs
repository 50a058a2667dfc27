//! RFC 6026: the Accepted state. A 2xx is repeated end to end, and everything else meets silence.

use sipward::event::Outcome;

use crate::support::World;
use crate::support::call::{Call, MS, S, only, requests, shown, statuses};
use crate::support::phone::{Phone, header, method_of};

fn answered(callee_on_tcp: bool) -> (World, Call) {
    let mut world = World::ordinary();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    if callee_on_tcp {
        bob = bob.over_tcp(1);
    }
    let call = Call::answered(&mut world, Phone::new("alice", "127.0.0.1:6001"), bob);
    (world, call)
}

fn ok_of(call: &Call) -> String {
    let contact = format!("Contact: <{}>\r\n", call.callee.contact());
    call.callee.respond(&call.forwarded.text, 200, "callee", &contact)
}

#[test]
fn s7_1_a_repeated_200_is_passed_on_until_timers_l_and_m_and_dropped_after() {
    let (mut world, call) = answered(false);
    let ok = ok_of(&call);
    for wait in [500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 490] {
        assert!(world.pass(MS(wait)).is_empty(), "the server repeats nothing of its own");
        let again = only(call.callee.send(&mut world, &ok));
        assert_eq!((again.text.as_str(), again.flow.peer), (call.answer.as_str(), call.caller.address));
    }
    world.pass(MS(10));
    assert!(call.callee.send(&mut world, &ok).is_empty());
    assert_eq!(world.outcome(), Outcome::StrayResponse);
    assert_eq!(world.engine.load().server_transactions, 0);
    assert_eq!(world.engine.load().client_transactions, 0);
}

#[test]
fn s7_1_on_a_stream_too() {
    let (mut world, call) = answered(true);
    assert!(world.pass(MS(31_990)).is_empty());
    assert_eq!(shown(&call.callee.send(&mut world, &ok_of(&call))), ["200 6001"]);
    world.pass(MS(10));
    assert!(call.callee.send(&mut world, &ok_of(&call)).is_empty());
}

#[test]
fn s7_1_a_repeated_invite_is_absorbed_once_the_call_is_answered() {
    let (mut world, call) = answered(false);
    assert!(call.caller.send(&mut world, &call.invite).is_empty());
    assert_eq!(world.outcome(), Outcome::Retransmission);
    world.pass(MS(31_990));
    assert!(call.caller.send(&mut world, &call.invite).is_empty());
    world.pass(MS(10));
    assert_eq!(statuses(&call.caller.send(&mut world, &call.invite)), [401], "then it is a new one");
}

#[test]
fn s7_2_nothing_but_a_2xx_passes_behind_a_2xx() {
    let (mut world, mut call) = answered(false);
    for code in [100, 180, 302, 486, 603] {
        let late = call.callee.respond(&call.forwarded.text, code, "callee", "");
        assert!(call.callee.send(&mut world, &late).is_empty(), "{code}");
    }
    call.caller.send(&mut world, &call.ack());
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn a_lost_ack_is_sent_again_for_each_repeated_200_and_each_one_is_forwarded() {
    let (mut world, mut call) = answered(false);
    for _ in 0..3 {
        world.pass(MS(500));
        assert_eq!(shown(&call.callee.send(&mut world, &ok_of(&call))), ["200 6001"]);
        let acked = only(call.caller.send(&mut world, &call.ack()));
        assert_eq!((method_of(&acked.text), acked.flow.peer), ("ACK", call.callee.address));
        assert_eq!(world.outcome(), Outcome::AckForwarded);
    }
    // An ACK waits for nothing: no transaction, and so no repetition.
    assert!(requests(world.pass(S(20))).is_empty());
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn an_ack_for_a_200_under_the_branch_of_the_invite_is_forwarded_all_the_same() {
    let (mut world, mut call) = answered(false);
    let via = header(&call.invite, "Via").unwrap().to_owned();
    let ack = call.ack();
    let ack = ack.replace(header(&ack, "Via").unwrap(), &via);
    assert_eq!(shown(&call.caller.send(&mut world, &ack)), ["ACK 6002"]);
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn an_ack_without_transaction_and_token_is_dropped() {
    let (mut world, mut call) = answered(false);
    let ack = call.ack();
    let without: String = ack.split_inclusive("\r\n").filter(|line| !line.starts_with("Route")).collect();
    assert!(call.caller.send(&mut world, &without).is_empty());
    assert_eq!(world.outcome(), Outcome::AckDropped);
    let spent = ack.replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert!(call.caller.send(&mut world, &spent).is_empty());
    assert_eq!(world.outcome(), Outcome::AckDropped);
    assert_eq!(shown(&call.caller.send(&mut world, &ack)), ["ACK 6002"]);
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn when_the_answer_is_never_acknowledged_nothing_of_it_stays_but_the_dialog() {
    let (mut world, mut call) = answered(false);
    world.pass(S(300));
    assert_eq!(world.engine.load(), sipward::engine::Load::default());
    assert_eq!(world.shared.dialogs.len(), 1);
    // RFC 3261 §13.3.1.4: the callee gives up and hangs up.
    call.exchange(&mut world, false, "BYE", "", "");
    world.assert_all_over();
}
