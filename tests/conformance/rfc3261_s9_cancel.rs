//! RFC 3261 §9 and §16.10: CANCEL, from the caller and toward the callees.

use sipward::event::Outcome;

use crate::support::call::{Call, MS, S, ack_of, branch_of, cancel_of, invite, only, ringing, shown, statuses, uri_of};
use crate::support::phone::{Phone, header, headers, method_of, status};
use crate::support::{World, address};

#[test]
fn s9_1_after_180_it_is_answered_here_and_a_cancel_of_our_own_goes_to_the_callee() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", ""));
    let sent = alice.send(&mut world, &cancel_of(&sent_invite));
    assert_eq!(shown(&sent), ["200 6001", "CANCEL 6002"]);
    assert_eq!(header(&sent[0].text, "CSeq"), Some("2 CANCEL"));
    let cancel = &sent[1].text;
    assert_eq!(uri_of(cancel), uri_of(&forwarded.text));
    assert_eq!(headers(cancel, "Via"), headers(&forwarded.text, "Via")[..1]);
    for name in ["From", "To", "Call-ID"] {
        assert_eq!(header(cancel, name), header(&forwarded.text, name), "{name}");
    }
    assert_eq!(header(cancel, "CSeq"), Some("2 CANCEL"));
    assert_eq!(header(cancel, "Content-Length"), Some("0"));
    assert!(header(cancel, "Contact").is_none() && header(cancel, "Authorization").is_none());
    assert!(bob.send(&mut world, &bob.respond(cancel, 200, "b", "")).is_empty(), "its 200 ends here");
    let ended = bob.send(&mut world, &bob.respond(&forwarded.text, 487, "b", ""));
    assert_eq!(shown(&ended), ["ACK 6002", "487 6001"]);
    assert!(alice.send(&mut world, &ack_of(&sent_invite, &ended[1].text)).is_empty());
    assert!(world.pass(S(100)).is_empty());
    world.assert_all_over();
    assert_eq!(world.heard.log, ["registered bob", "call started", "call ended 487"]);
}

#[test]
fn s9_1_before_any_response_it_waits_for_one() {
    for code in [100, 180] {
        let (mut world, alice, bob, sent_invite, forwarded) = ringing();
        assert_eq!(shown(&alice.send(&mut world, &cancel_of(&sent_invite))), ["200 6001"]);
        assert_eq!(shown(&world.pass(MS(600))), ["INVITE 6002"], "it is still being called");
        let sent = bob.send(&mut world, &bob.respond(&forwarded.text, code, "b", ""));
        assert!(shown(&sent).contains(&"CANCEL 6002".to_owned()), "{:?}", shown(&sent));
        let again = bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", ""));
        assert!(!shown(&again).contains(&"CANCEL 6002".to_owned()), "once");
        assert_eq!(shown(&bob.send(&mut world, &bob.respond(&forwarded.text, 487, "b", ""))), ["ACK 6002", "487 6001"]);
        world.assert_all_over();
    }
}

#[test]
fn s9_1_before_any_response_and_none_ever_comes() {
    let (mut world, alice, _, sent_invite, _) = ringing();
    alice.send(&mut world, &cancel_of(&sent_invite));
    let sent = world.pass_timed(S(33));
    let answers: Vec<_> = sent.iter().filter(|(_, sent)| status(&sent.text) > 0).collect();
    assert_eq!((answers[0].0, status(&answers[0].1.text)), (32_000, 487));
    assert!(sent.iter().all(|(_, sent)| method_of(&sent.text) != "CANCEL"));
    world.assert_all_over();
}

#[test]
fn s9_1_a_cancel_is_repeated_until_it_is_answered_and_the_branch_ends_32_s_later() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", ""));
    alice.send(&mut world, &cancel_of(&sent_invite));
    let sent = world.pass_timed(S(33));
    let cancels: Vec<_> =
        sent.iter().filter(|(_, sent)| method_of(&sent.text) == "CANCEL").map(|(at, _)| *at).collect();
    assert_eq!(cancels, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    let ended = sent.iter().find(|(_, sent)| status(&sent.text) == 487).expect("a 487");
    assert_eq!(ended.0, 32_000);
    world.assert_all_over();
}

#[test]
fn s9_1_a_callee_that_keeps_ringing_after_a_cancel_does_not_hold_the_branch() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    let rings = bob.respond(&forwarded.text, 180, "b", "");
    bob.send(&mut world, &rings);
    alice.send(&mut world, &cancel_of(&sent_invite));
    let mut ended = None;
    for second in 0..60 {
        let sent = world.pass(S(1));
        if statuses(&sent).contains(&487) {
            ended.get_or_insert(second + 1);
        }
        bob.send(&mut world, &rings);
    }
    assert_eq!(ended, Some(32));
    world.assert_all_over();
}

#[test]
fn s9_2_a_200_that_crosses_it_wins() {
    let (mut world, mut alice, bob, sent_invite, forwarded) = ringing();
    let contact = format!("Contact: <{}>\r\n", bob.contact());
    bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", &contact));
    let sent = alice.send(&mut world, &cancel_of(&sent_invite));
    assert_eq!(shown(&sent), ["200 6001", "CANCEL 6002"]);
    let answered = only(bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", &contact)));
    assert_eq!((status(&answered.text), answered.flow.peer), (200, alice.address));
    assert!(bob.send(&mut world, &bob.respond(&sent[1].text, 481, "b", "")).is_empty());
    // The caller acknowledges and hangs up at once.
    let route = format!("Route: {}\r\n", header(&answered.text, "Record-Route").unwrap());
    let (to, call_id) = (header(&answered.text, "To").unwrap(), header(&sent_invite, "Call-ID").unwrap());
    let from = header(&sent_invite, "From").unwrap().to_owned();
    for method in ["ACK", "BYE"] {
        let request = alice.request(method, &bob.contact(), to, call_id, &route, "");
        let request = request.replace(header(&request, "From").unwrap(), &from);
        let forwarded = only(alice.send(&mut world, &request));
        assert_eq!(shown(std::slice::from_ref(&forwarded)), [format!("{method} 6002")]);
        if method == "BYE" {
            assert_eq!(statuses(&bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", ""))), [200]);
        }
    }
    world.assert_all_over();
    assert_eq!(world.heard.log, ["registered bob", "call started", "call answered", "call ended 200"]);
}

#[test]
fn s9_2_after_the_answer_it_has_no_effect() {
    let mut world = World::ordinary();
    let mut call = Call::set_up(&mut world, Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "127.0.0.1:6002"));
    assert_eq!(shown(&call.caller.send(&mut world, &cancel_of(&call.invite))), ["200 6001"]);
    call.hang_up(&mut world);
    world.assert_all_over();
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b", ""));
    assert_eq!(shown(&alice.send(&mut world, &cancel_of(&sent_invite))), ["200 6001"]);
    world.assert_all_over();
}

#[test]
fn s9_2_from_another_address_or_with_another_branch_it_finds_nothing() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", ""));
    let cancel = cancel_of(&sent_invite);
    let mut mallory = alice.clone();
    mallory.address = address("127.0.0.1:6666");
    assert_eq!(shown(&mallory.send(&mut world, &cancel)), ["481 6666"]);
    assert_eq!(world.outcome(), Outcome::NothingToCancel);
    let other = cancel.replace(branch_of(&cancel), "z9hG4bKother");
    assert_eq!(shown(&alice.send(&mut world, &other)), ["481 6001"]);
    let elsewhere = cancel.replacen("127.0.0.1:6001", "127.0.0.1:6003", 1);
    assert_eq!(shown(&alice.send(&mut world, &elsewhere)), ["481 6001"]);
    // The call rings on.
    assert_eq!(shown(&bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", ""))), ["200 6001"]);
}

#[test]
fn s9_2_a_repeated_cancel_is_answered_again_and_goes_no_further() {
    let (mut world, alice, bob, sent_invite, forwarded) = ringing();
    bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", ""));
    let cancel = cancel_of(&sent_invite);
    let first = alice.send(&mut world, &cancel);
    let again = only(alice.send(&mut world, &cancel));
    assert_eq!(again.bytes, first[0].bytes);
    bob.send(&mut world, &bob.respond(&forwarded.text, 487, "b", ""));
    assert_eq!(statuses(&alice.send(&mut world, &cancel)), [200]);
    world.assert_all_over();
}

#[test]
fn s9_2_there_is_nothing_to_cancel_where_the_invite_was_challenged() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let request = alice.invite_with("bob", "");
    assert_eq!(statuses(&alice.send(&mut world, &request)), [401]);
    assert_eq!(statuses(&alice.send(&mut world, &cancel_of(&request))), [481]);
    world.assert_all_over();
}

#[test]
fn s9_1_only_an_invite_is_cancelled() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let request = alice.request("MESSAGE", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "m1", "", "hello");
    let (request, sent) = alice.authenticate(&mut world, &request);
    bob.send(&mut world, &bob.respond(&only(sent).text, 100, "b", ""));
    let cancel = cancel_of(&request).replace("MESSAGE\r\n", "CANCEL\r\n");
    assert_eq!(shown(&alice.send(&mut world, &cancel)), ["481 6001"]);
    world.assert_all_over();
}

#[test]
fn s9_1_over_a_stream_a_cancel_is_sent_once() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001").over_tcp(1);
    let mut bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(2);
    bob.register(&mut world);
    let (sent_invite, forwarded) = invite(&mut world, &mut alice, "bob");
    let forwarded = only(forwarded);
    bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", ""));
    let sent = alice.send(&mut world, &cancel_of(&sent_invite));
    assert_eq!(shown(&sent), ["200 6001", "CANCEL 6002"]);
    assert_eq!(sent[1].flow, forwarded.flow);
    let later: Vec<_> = world.pass_timed(S(40)).into_iter().map(|(at, sent)| (at, status(&sent.text))).collect();
    assert_eq!(later, [(32_000, 487)]);
    world.assert_all_over();
}

#[test]
fn s16_8_timer_c_ends_what_rings_for_more_than_three_minutes_without_a_word() {
    let (mut world, _, bob, _, forwarded) = ringing();
    bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", ""));
    let sent = world.pass_timed(MS(185_000));
    let list: Vec<_> = sent.iter().map(|(at, sent)| (*at, method_of(&sent.text))).collect();
    assert_eq!(list, [(185_000, "CANCEL")]);
    let ended = bob.send(&mut world, &bob.respond(&forwarded.text, 487, "b", ""));
    assert_eq!(shown(&ended), ["ACK 6002", "487 6001"]);
    world.assert_all_over();
}

#[test]
fn s16_8_a_provisional_response_other_than_100_starts_timer_c_anew() {
    let (mut world, _, bob, _, forwarded) = ringing();
    let rings = bob.respond(&forwarded.text, 180, "b", "");
    bob.send(&mut world, &rings);
    world.pass(S(170));
    bob.send(&mut world, &rings);
    assert!(world.pass(S(170)).is_empty());
    bob.send(&mut world, &bob.respond(&forwarded.text, 100, "b", ""));
    assert_eq!(shown(&world.pass(S(15))), ["CANCEL 6002"], "a 100 does not");
    // It rings on without minding the CANCEL, and is given up.
    let mut ended = None;
    for second in 0..60 {
        let sent = world.pass(S(1));
        if statuses(&sent).contains(&487) || statuses(&sent).contains(&408) {
            ended.get_or_insert(second + 1);
        }
        bob.send(&mut world, &rings);
    }
    assert_eq!(ended, Some(32));
    world.assert_all_over();
}
