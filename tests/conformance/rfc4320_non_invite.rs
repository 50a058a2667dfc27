//! RFC 4320: what a proxy says, and does not say, to a request other than INVITE.

use crate::support::World;
use crate::support::call::{Call, MS, S, only, shown};
use crate::support::phone::{Phone, status};
use crate::support::{Sent, phone::method_of};

fn message(over_tcp: bool) -> (World, Phone, Phone, String, Sent) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    if over_tcp {
        alice = alice.over_tcp(1);
    }
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let request = alice.request("MESSAGE", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "m1", "", "hello");
    let (request, sent) = alice.authenticate(&mut world, &request);
    (world, alice, bob, request, only(sent))
}

fn responses(timed: &[(u64, Sent)]) -> Vec<(u64, u16)> {
    timed.iter().map(|(at, sent)| (*at, status(&sent.text))).filter(|(_, code)| *code > 0).collect()
}

#[test]
fn s4_1_a_request_that_waits_is_told_100_when_timer_e_has_come_to_t2_and_not_before() {
    for over_tcp in [false, true] {
        let (mut world, alice, bob, request, forwarded) = message(over_tcp);
        assert_eq!(responses(&world.pass_timed(S(20))), [(3_500, 100)]);
        if !over_tcp {
            assert_eq!(shown(&alice.send(&mut world, &request)), ["100 6001"], "repeated to a repeated request");
        }
        assert_eq!(shown(&bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", ""))), ["200 6001"]);
        assert!(responses(&world.pass_timed(S(60))).is_empty());
        world.assert_all_over();
    }
}

#[test]
fn s4_1_one_that_was_answered_in_time_is_told_nothing_more() {
    let (mut world, _, bob, _, forwarded) = message(false);
    world.pass(MS(3_490));
    bob.send(&mut world, &bob.respond(&forwarded.text, 404, "b", ""));
    assert!(world.pass(S(60)).is_empty());
    world.assert_all_over();
}

#[test]
fn s4_1_no_provisional_response_goes_up() {
    let (mut world, alice, bob, request, forwarded) = message(false);
    for code in [100, 180, 183, 199] {
        assert!(bob.send(&mut world, &bob.respond(&forwarded.text, code, "b", "")).is_empty(), "{code}");
    }
    assert!(alice.send(&mut world, &request).is_empty());
    assert_eq!(shown(&bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", ""))), ["200 6001"]);
    world.assert_all_over();
}

#[test]
fn s4_2_no_408_is_sent_and_nothing_stays() {
    let (mut world, _, bob, _, forwarded) = message(false);
    assert_eq!(responses(&world.pass_timed(S(33))), [(3_500, 100)]);
    assert_eq!(world.engine.load().server_transactions, 0);
    assert_eq!(world.engine.load().contexts, 0);
    assert!(bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", "")).is_empty(), "too late");
    world.assert_all_over();
}

#[test]
fn s4_2_a_bye_that_nobody_answers_ends_the_call_and_is_told_nothing() {
    let mut world = World::ordinary();
    let mut call = Call::set_up(&mut world, Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "127.0.0.1:6002"));
    let bye = call.caller_request("BYE", "", "");
    call.caller.send(&mut world, &bye);
    let timed = world.pass_timed(S(100));
    assert_eq!(responses(&timed), [(3_500, 100)]);
    assert!(timed.iter().all(|(_, sent)| status(&sent.text) == 100 || method_of(&sent.text) == "BYE"));
    world.assert_all_over();
    assert_eq!(world.heard.log.last().unwrap(), "call ended 200");
}
