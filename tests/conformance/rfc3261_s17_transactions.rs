//! RFC 3261 §17: retransmissions, timeouts and what is absorbed, to the 10 ms of the timer wheel.

use crate::support::World;
use crate::support::call::{Call, MS, S, ack_of, branch_of, invite, only, ringing, shown, statuses, uri_of};
use crate::support::phone::{Phone, header, headers, status};

/// Bob on a stream, called by alice over UDP.
fn ringing_over_tcp() -> (World, Phone, Phone, String, crate::support::Sent) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(1);
    bob.register(&mut world);
    let (sent_invite, forwarded) = invite(&mut world, &mut alice, "bob");
    (world, alice, bob, sent_invite, only(forwarded))
}

/// A MESSAGE from alice to bob that was let in: as alice sent it and as bob has it.
fn message(bob_on_tcp: bool) -> (World, Phone, Phone, String, crate::support::Sent) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    if bob_on_tcp {
        bob = bob.over_tcp(1);
    }
    bob.register(&mut world);
    let request = alice.request("MESSAGE", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "m1", "", "hello");
    let (request, sent) = alice.authenticate(&mut world, &request);
    (world, alice, bob, request, only(sent))
}

#[test]
fn s17_1_1_2_timer_a_doubles_from_t1_and_timer_b_ends_it_with_408() {
    let (mut world, alice, _, sent_invite, forwarded) = ringing();
    let mut again = Vec::new();
    let mut refused = Vec::new();
    for (at, sent) in world.pass_timed(S(100)) {
        match status(&sent.text) {
            0 => {
                assert_eq!((&sent.bytes, sent.flow), (&forwarded.bytes, forwarded.flow));
                again.push(at);
            }
            _ => refused.push((at, status(&sent.text))),
        }
    }
    assert_eq!(again, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    // §17.2.1: the 408 of our own is repeated with timer G, up to T2, until timer H ends that.
    let times = [32_000, 32_500, 33_500, 35_500, 39_500, 43_500, 47_500, 51_500, 55_500, 59_500, 63_500];
    assert_eq!(refused, times.map(|at| (at, 408)));
    assert!(alice.send(&mut world, &late_ack(&sent_invite)).is_empty());
    world.assert_all_over();
    assert_eq!(world.heard.log, ["registered bob", "call started", "call ended 408"]);
}

/// An ACK that comes after everything is over.
fn late_ack(sent_invite: &str) -> String {
    ack_of(sent_invite, "SIP/2.0 408 x\r\nTo: <sip:bob@127.0.0.1>;tag=x\r\n\r\n")
}

#[test]
fn s17_1_1_2_on_a_stream_nothing_is_repeated_and_timer_b_holds_all_the_same() {
    let (mut world, ..) = ringing_over_tcp();
    let first = world.pass_timed(S(33));
    let list: Vec<_> = first.iter().map(|(at, sent)| (*at, status(&sent.text))).collect();
    assert_eq!(list, [(32_000, 408), (32_500, 408)]);
    world.assert_all_over();
}

#[test]
fn s17_1_1_2_any_provisional_response_stops_the_retransmission() {
    for code in [100, 180, 183] {
        let (mut world, _, bob, _, forwarded) = ringing();
        world.pass(MS(600));
        bob.send(&mut world, &bob.respond(&forwarded.text, code, "b", ""));
        assert!(world.pass(S(100)).is_empty(), "{code}");
        bob.send(&mut world, &bob.respond(&forwarded.text, 480, "b", ""));
        world.assert_all_over();
    }
}

#[test]
fn s17_1_1_3_the_ack_for_a_failure_is_made_here_from_the_invite_that_was_sent() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    let failed = bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b486", ""));
    assert_eq!(shown(&failed), ["ACK 6002", "486 6001"]);
    let ack = &failed[0].text;
    assert_eq!(uri_of(ack), uri_of(&forwarded.text));
    assert_eq!(headers(ack, "Via"), headers(&forwarded.text, "Via")[..1]);
    for name in ["From", "Call-ID"] {
        assert_eq!(header(ack, name), header(&forwarded.text, name), "{name}");
    }
    assert_eq!(header(ack, "To"), Some("<sip:bob@127.0.0.1>;tag=b486"));
    assert_eq!(header(ack, "CSeq").unwrap(), header(&forwarded.text, "CSeq").unwrap().replace("INVITE", "ACK"));
    assert_eq!(header(ack, "Content-Length"), Some("0"));
    assert_eq!(failed[0].flow, forwarded.flow);
    assert_eq!(headers(&failed[1].text, "Via").len(), 1);
    assert_eq!(header(&failed[1].text, "To"), Some("<sip:bob@127.0.0.1>;tag=b486"));
    assert!(alice.send(&mut world, &ack_of(&sent_invite, &failed[1].text)).is_empty());
    world.assert_all_over();
}

#[test]
fn s17_1_1_2_timer_d_a_repeated_failure_is_acknowledged_again_for_32_s_and_goes_no_further() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    let busy = bob.respond(&forwarded.text, 486, "b", "");
    let first = bob.send(&mut world, &busy);
    alice.send(&mut world, &ack_of(&sent_invite, &first[1].text));
    for wait in [500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 400] {
        world.pass(MS(wait));
        let again = only(bob.send(&mut world, &busy));
        assert_eq!(again.bytes, first[0].bytes);
    }
    world.pass(MS(100));
    assert!(bob.send(&mut world, &busy).is_empty(), "timer D has fired");
    world.assert_all_over();
}

#[test]
fn s17_1_1_2_a_failure_of_another_class_behind_the_first_is_acknowledged_and_ends_here() {
    let (mut world, _, bob, _, forwarded) = ringing();
    bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b", ""));
    assert_eq!(shown(&bob.send(&mut world, &bob.respond(&forwarded.text, 603, "b", ""))), ["ACK 6002"]);
    assert!(
        bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", "")).is_empty(),
        "a 2xx after a failure is no answer"
    );
    assert!(bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", "")).is_empty());
    world.assert_all_over();
}

#[test]
fn s17_1_1_2_on_a_stream_timer_d_is_nothing() {
    let (mut world, _, bob, _, forwarded) = ringing_over_tcp();
    assert_eq!(shown(&bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b", ""))), ["ACK 6002", "486 6001"]);
    world.pass(MS(10));
    assert_eq!(world.engine.load().client_transactions, 0);
    assert!(bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b", "")).is_empty());
}

#[test]
fn s17_1_2_2_timer_e_doubles_up_to_t2_and_timer_f_ends_it() {
    let (mut world, _, _, _, forwarded) = message(false);
    let times = world.times_of("MESSAGE", S(100));
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(headers(&forwarded.text, "Via").len(), 2);
    world.assert_all_over();
}

#[test]
fn s17_1_2_2_after_a_provisional_response_timer_e_is_t2() {
    let (mut world, _, bob, _, forwarded) = message(false);
    world.pass(MS(600));
    bob.send(&mut world, &bob.respond(&forwarded.text, 100, "b", ""));
    assert_eq!(world.times_of("MESSAGE", S(100)), [900, 4_900, 8_900, 12_900, 16_900, 20_900, 24_900, 28_900]);
    world.assert_all_over();
}

#[test]
fn s17_1_2_2_on_a_stream_a_request_is_sent_once() {
    let (mut world, ..) = message(true);
    assert!(world.times_of("MESSAGE", S(100)).is_empty());
    world.assert_all_over();
}

#[test]
fn s17_1_2_2_timer_k_repeated_final_responses_are_absorbed_for_5_s() {
    let (mut world, _, bob, _, forwarded) = message(false);
    let answer = bob.respond(&forwarded.text, 200, "b", "");
    assert_eq!(shown(&bob.send(&mut world, &answer)), ["200 6001"]);
    world.pass(MS(4_990));
    assert!(bob.send(&mut world, &answer).is_empty());
    assert_eq!(world.engine.load().client_transactions, 1);
    world.pass(MS(10));
    assert_eq!(world.engine.load().client_transactions, 0);
    assert!(bob.send(&mut world, &answer).is_empty());
    world.assert_all_over();
}

#[test]
fn s17_2_1_a_repeated_invite_gets_the_last_provisional_response() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    let again = only(alice.send(&mut world, &sent_invite));
    assert_eq!((status(&again.text), header(&again.text, "To")), (100, Some("<sip:bob@127.0.0.1>")));
    let rang =
        only(bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", "Contact: <sip:bob@127.0.0.1:6002>\r\n")));
    let again = only(alice.send(&mut world, &sent_invite));
    assert_eq!(again.bytes, rang.bytes);
    bob.send(&mut world, &bob.respond(&forwarded.text, 480, "b", ""));
    world.assert_all_over();
}

#[test]
fn s17_2_1_timer_g_repeats_a_failure_until_the_ack_and_a_repeated_invite_gets_it_again() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    let failed = bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b", ""));
    assert_eq!(world.times_of("486", S(9)), [500, 1_500, 3_500, 7_500]);
    assert_eq!(only(alice.send(&mut world, &sent_invite)).bytes, failed[1].bytes);
    let ack = ack_of(&sent_invite, &failed[1].text);
    assert!(alice.send(&mut world, &ack).is_empty());
    assert!(world.pass(S(1)).is_empty(), "acknowledged");
    assert!(alice.send(&mut world, &sent_invite).is_empty(), "Confirmed absorbs");
    // Timer I: 5 s for further ACKs.
    assert!(alice.send(&mut world, &ack).is_empty());
    assert_eq!(world.outcome(), sipward::event::Outcome::AckAbsorbed);
    world.pass(MS(4_010));
    assert!(alice.send(&mut world, &ack).is_empty());
    assert_eq!(world.outcome(), sipward::event::Outcome::AckDropped);
    world.assert_all_over();
}

#[test]
fn s17_2_1_on_a_stream_a_failure_is_sent_once_and_timer_h_holds() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001").over_tcp(2);
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let (_, forwarded) = invite(&mut world, &mut alice, "bob");
    let forwarded = only(forwarded);
    bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b", ""));
    assert!(world.pass(MS(31_990)).is_empty());
    assert_eq!(world.engine.load().server_transactions, 1);
    world.pass(MS(10));
    assert_eq!(world.engine.load().server_transactions, 0);
    world.assert_all_over();
}

#[test]
fn s17_2_2_timer_j_a_repeated_request_gets_the_final_response_again_for_32_s() {
    let (mut world, alice, bob, request, forwarded) = message(false);
    assert!(alice.send(&mut world, &request).is_empty(), "Trying absorbs");
    let answered = only(bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", "")));
    world.pass(MS(31_990));
    assert_eq!(only(alice.send(&mut world, &request)).bytes, answered.bytes);
    world.pass(MS(10));
    assert_eq!(statuses(&alice.send(&mut world, &request)), [401], "timer J has fired: it has to pass the gate again");
    world.assert_all_over();
}

#[test]
fn s17_2_3_a_request_from_elsewhere_with_the_same_branch_is_another_one() {
    let (mut world, alice, _, request, _) = message(false);
    let mut other = alice;
    other.address = crate::support::address("127.0.0.1:6009");
    assert_eq!(statuses(&other.send(&mut world, &request)), [401]);
}

#[test]
fn s17_2_3_a_request_without_the_cookie_is_matched_by_its_fields() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let old = |text: String| text.replace("branch=z9hG4bK", "branch=");
    let request = alice.invite_with("bob", "");
    let reply = alice.send(&mut world, &old(request.clone()));
    let answer = alice.answer(&request, &reply[0].text, 1);
    let request = old(alice.with_answer(&request, &answer));
    let sent = alice.send(&mut world, &request);
    assert_eq!(shown(&sent), ["100 6001", "INVITE 6002"]);
    assert_eq!(shown(&alice.send(&mut world, &request)), ["100 6001"]);
    let failed = bob.send(&mut world, &bob.respond(&sent[1].text, 486, "b", ""));
    assert_eq!(shown(&failed), ["ACK 6002", "486 6001"]);
    assert!(alice.send(&mut world, &ack_of(&request, &failed[1].text)).is_empty());
    assert_eq!(world.outcome(), sipward::event::Outcome::AckAbsorbed);
    assert!(world.pass(S(60)).is_empty());
    world.assert_all_over();
}

#[test]
fn s17_1_3_a_response_is_matched_by_branch_and_by_the_method_in_cseq() {
    let (mut world, _, bob, _, forwarded) = ringing();
    let rang = bob.respond(&forwarded.text, 180, "b", "");
    let branch = branch_of(&forwarded.text).to_owned();
    for forged in [
        branch.replace('.', "0."),
        branch[..branch.len() - 1].to_owned(),
        format!("{}0000000000000000.{}", &branch[..19], branch.split('.').nth(1).unwrap()),
        format!("{}ffffffff{}", &branch[..11], &branch[19..]),
        "z9hG4bK1".to_owned(),
        "z9hG4bKsw".to_owned(),
    ] {
        let text = rang.replace(&branch, &forged);
        assert!(bob.send(&mut world, &text).is_empty(), "{forged}");
    }
    for method in ["BYE", "OPTIONS", "REGISTER", "FOO"] {
        let text = rang.replace(" INVITE\r\n", &format!(" {method}\r\n"));
        assert!(bob.send(&mut world, &text).is_empty(), "{method}");
        assert_eq!(world.outcome(), sipward::event::Outcome::StrayResponse, "{method}");
    }
    assert_eq!(shown(&bob.send(&mut world, &rang)), ["180 6001"]);
    bob.send(&mut world, &bob.respond(&forwarded.text, 480, "b", ""));
    world.assert_all_over();
}

#[test]
fn s17_1_4_a_request_that_cannot_be_sent_counts_as_503_and_the_caller_gets_500() {
    let (mut world, _, _, _, forwarded) = ringing();
    let failed = world.fail_to_send(forwarded.branch.expect("a branch to fail"));
    assert_eq!(statuses(&failed), [500]);
    assert!(world.fail_to_send(forwarded.branch.unwrap()).is_empty(), "once");
    world.assert_all_over();
}

#[test]
fn s17_1_4_a_failure_to_send_that_comes_late_changes_nothing() {
    let mut world = World::ordinary();
    let mut call = Call::set_up(&mut world, Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "127.0.0.1:6002"));
    assert!(world.fail_to_send(call.forwarded.branch.unwrap()).is_empty());
    call.hang_up(&mut world);
    world.assert_all_over();
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    let failed = bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b", ""));
    assert!(world.fail_to_send(forwarded.branch.unwrap()).is_empty());
    alice.send(&mut world, &ack_of(&sent_invite, &failed[1].text));
    world.assert_all_over();
}
