//! One call to several phones of the same name.

use crate::support::call::{MS, S, ack_of, branch_of, cancel_of, invite, only, requests, shown, statuses};
use crate::support::phone::{Phone, header, headers, method_of, status};
use crate::support::{Sent, World};

/// Bob's three phones, and alice who calls them: the INVITE as sent, and as each phone has it.
fn three() -> (World, Phone, [Phone; 3], String, [Sent; 3]) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut phones = [6011, 6012, 6013].map(|port| Phone::new("bob", &format!("127.0.0.1:{port}")));
    for phone in &mut phones {
        phone.register(&mut world);
    }
    let (sent_invite, mut forwarded) = invite(&mut world, &mut alice, "bob");
    forwarded.sort_by_key(|sent| sent.flow.peer.port());
    let forwarded = <[Sent; 3]>::try_from(forwarded).expect("three INVITEs");
    for (phone, sent) in phones.iter().zip(&forwarded) {
        assert_eq!(sent.flow.peer, phone.address);
    }
    (world, alice, phones, sent_invite, forwarded)
}

fn answer(world: &mut World, phone: &Phone, to: &Sent, code: u16) -> Vec<Sent> {
    let contact = format!("Contact: <{}>\r\n", phone.contact());
    let tag = format!("t{}", phone.address.port());
    phone.send(world, &phone.respond(&to.text, code, &tag, &contact))
}

#[test]
fn every_phone_is_called_at_once_each_in_a_branch_of_its_own() {
    let (mut world, _, phones, _, forwarded) = three();
    let branches: std::collections::HashSet<_> = forwarded.iter().map(|sent| branch_of(&sent.text)).collect();
    assert_eq!(branches.len(), 3);
    for (phone, sent) in phones.iter().zip(&forwarded) {
        assert!(sent.text.starts_with(&format!("INVITE {} SIP/2.0\r\n", phone.contact())));
    }
    world.assert_all_over();
}

#[test]
fn one_answers_one_is_busy_and_the_one_that_has_not_rung_is_cancelled_when_it_does() {
    let (mut world, _, [one, two, three], _, [to_one, to_two, to_three]) = three();
    assert_eq!(shown(&answer(&mut world, &one, &to_one, 486)), ["ACK 6011"]);
    assert_eq!(shown(&answer(&mut world, &two, &to_two, 180)), ["180 6001"]);
    let answered = answer(&mut world, &two, &to_two, 200);
    assert_eq!(shown(&answered), ["200 6001"], "phone three has said nothing yet");
    assert!(header(&answered[0].text, "To").unwrap().ends_with("tag=t6012"));
    let cancelled = answer(&mut world, &three, &to_three, 180);
    assert_eq!(shown(&cancelled), ["CANCEL 6013"], "and its 180 interests nobody any more");
    assert_eq!(branch_of(&cancelled[0].text), branch_of(&to_three.text));
    three.send(&mut world, &three.respond(&cancelled[0].text, 200, "t6013", ""));
    assert_eq!(shown(&answer(&mut world, &three, &to_three, 487)), ["ACK 6013"]);
    world.pass(S(300));
    assert_eq!(world.engine.load(), sipward::engine::Load::default());
    assert_eq!(world.shared.dialogs.len(), 1, "the call is up");
}

#[test]
fn those_that_ring_are_cancelled_at_once() {
    let (mut world, _, [one, two, three], _, [to_one, to_two, to_three]) = three();
    answer(&mut world, &one, &to_one, 180);
    answer(&mut world, &two, &to_two, 183);
    answer(&mut world, &three, &to_three, 180);
    assert_eq!(shown(&answer(&mut world, &two, &to_two, 200)), ["200 6001", "CANCEL 6011", "CANCEL 6013"]);
    for (phone, to) in [(&one, &to_one), (&three, &to_three)] {
        assert_eq!(shown(&answer(&mut world, phone, to, 487)), [format!("ACK {}", phone.address.port())]);
    }
    assert!(requests(world.pass(S(40))).iter().all(|sent| method_of(&sent.text) == "CANCEL"));
    world.pass(S(300));
    assert_eq!(world.engine.load(), sipward::engine::Load::default());
}

#[test]
fn every_200_is_passed_on_and_so_is_each_repetition() {
    let (mut world, alice, [one, two, three], _, [to_one, to_two, to_three]) = three();
    for (phone, to) in [(&one, &to_one), (&two, &to_two), (&three, &to_three)] {
        answer(&mut world, phone, to, 180);
    }
    answer(&mut world, &one, &to_one, 200);
    let second = answer(&mut world, &two, &to_two, 200);
    assert_eq!((shown(&second), second[0].flow.peer), (vec!["200 6001".to_owned()], alice.address));
    assert!(header(&second[0].text, "To").unwrap().ends_with("tag=t6012"));
    assert_eq!(shown(&answer(&mut world, &one, &to_one, 200)), ["200 6001"]);
    // Both dialogs can be used: the caller hangs up the one it does not want.
    let route = format!("Route: {}\r\n", header(&second[0].text, "Record-Route").unwrap());
    let mut alice = alice;
    for phone in [&two, &one] {
        let to = format!("<sip:bob@127.0.0.1>;tag=t{}", phone.address.port());
        let call_id = header(&to_one.text, "Call-ID").unwrap();
        let bye = alice.request("BYE", &phone.contact(), &to, call_id, &route, "");
        let bye = bye.replace(header(&bye, "From").unwrap(), header(&to_one.text, "From").unwrap());
        let byed = only(alice.send(&mut world, &bye));
        assert_eq!(byed.flow.peer, phone.address);
        assert_eq!(statuses(&phone.send(&mut world, &phone.respond(&byed.text, 200, "x", ""))), [200]);
    }
    answer(&mut world, &three, &to_three, 487);
    world.assert_all_over();
}

#[test]
fn when_all_fail_the_best_response_goes_up_when_the_last_one_is_there() {
    for (codes, best) in [
        ([486, 480, 404], 486),
        ([404, 480, 486], 404),
        ([486, 500, 503], 486),
        ([503, 500, 504], 500),
        ([486, 302, 404], 302),
        ([486, 401, 404], 401),
        ([486, 404, 407], 407),
        ([503, 503, 503], 500),
        ([408, 486, 503], 486),
        ([486, 603, 404], 603),
        ([600, 603, 302], 600),
        ([603, 401, 302], 603),
    ] {
        let (mut world, alice, phones, sent_invite, forwarded) = three();
        for (at, (phone, to)) in phones.iter().zip(&forwarded).enumerate() {
            let sent = answer(&mut world, phone, to, codes[at]);
            let ack = format!("ACK {}", phone.address.port());
            if at < 2 {
                assert_eq!(shown(&sent), [ack], "{codes:?}");
            } else {
                assert_eq!(shown(&sent), [ack, format!("{best} 6001")], "{codes:?}");
                assert!(alice.send(&mut world, &ack_of(&sent_invite, &sent[1].text)).is_empty());
            }
        }
        world.assert_all_over();
        assert_eq!(world.heard.log.last().unwrap(), &format!("call ended {best}"), "{codes:?}");
    }
}

#[test]
fn a_6xx_cancels_the_others_also_those_that_ring_only_later() {
    let (mut world, _, [one, two, three], _, [to_one, to_two, to_three]) = three();
    answer(&mut world, &one, &to_one, 180);
    assert_eq!(shown(&answer(&mut world, &two, &to_two, 603)), ["ACK 6012", "CANCEL 6011"]);
    assert!(shown(&answer(&mut world, &three, &to_three, 180)).contains(&"CANCEL 6013".to_owned()));
    assert_eq!(shown(&answer(&mut world, &one, &to_one, 487)), ["ACK 6011"]);
    assert_eq!(shown(&answer(&mut world, &three, &to_three, 487)), ["ACK 6013", "603 6001"]);
    world.assert_all_over();
}

#[test]
fn a_200_behind_a_6xx_still_wins() {
    let (mut world, _, [one, two, _], _, [to_one, to_two, _]) = three();
    answer(&mut world, &one, &to_one, 180);
    answer(&mut world, &two, &to_two, 603);
    assert_eq!(shown(&answer(&mut world, &one, &to_one, 200)), ["200 6001"]);
    world.pass(S(300));
    assert_eq!(world.engine.load(), sipward::engine::Load::default());
}

#[test]
fn the_callers_cancel_reaches_every_phone_that_rings() {
    let (mut world, alice, [one, two, three], sent_invite, [to_one, to_two, to_three]) = three();
    answer(&mut world, &one, &to_one, 180);
    answer(&mut world, &two, &to_two, 180);
    assert_eq!(shown(&alice.send(&mut world, &cancel_of(&sent_invite))), ["200 6001", "CANCEL 6011", "CANCEL 6012"]);
    answer(&mut world, &one, &to_one, 487);
    answer(&mut world, &two, &to_two, 487);
    assert!(shown(&answer(&mut world, &three, &to_three, 100)).contains(&"CANCEL 6013".to_owned()));
    assert_eq!(shown(&answer(&mut world, &three, &to_three, 487)), ["ACK 6013", "487 6001"]);
    world.assert_all_over();
}

#[test]
fn a_phone_that_is_gone_does_not_keep_the_others_from_answering() {
    let (mut world, _, [_, two, three], _, [to_one, to_two, to_three]) = three();
    assert!(world.fail_to_send(to_one.branch.unwrap()).is_empty());
    answer(&mut world, &two, &to_two, 180);
    assert_eq!(shown(&answer(&mut world, &three, &to_three, 486)), ["ACK 6013"]);
    assert_eq!(shown(&answer(&mut world, &two, &to_two, 200)), ["200 6001"]);
    let (mut world, _, [_, two, three], _, [to_one, to_two, to_three]) = self::three();
    world.fail_to_send(to_one.branch.unwrap());
    answer(&mut world, &two, &to_two, 486);
    assert_eq!(shown(&answer(&mut world, &three, &to_three, 480)), ["ACK 6013", "486 6001"]);
    world.assert_all_over();
}

#[test]
fn phones_that_never_answer_count_as_408_only_if_nobody_did() {
    let (mut world, _, [one, ..], _, [to_one, ..]) = three();
    answer(&mut world, &one, &to_one, 486);
    let sent = world.pass_timed(MS(32_000));
    let answers: Vec<_> = sent.iter().filter(|(_, sent)| status(&sent.text) > 0).collect();
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].0, status(&answers[0].1.text)), (32_000, 486));
    world.assert_all_over();
}

#[test]
fn the_challenges_of_all_phones_go_up_together() {
    let (mut world, _, [one, two, three], _, [to_one, to_two, to_three]) = three();
    let with = |phone: &Phone, to: &Sent, code: u16, field: &str| {
        phone.respond(
            &to.text,
            code,
            "t",
            &format!("{field}: Digest realm=\"r{}\", nonce=\"n\"\r\n", phone.address.port()),
        )
    };
    one.send(&mut world, &with(&one, &to_one, 401, "WWW-Authenticate"));
    two.send(&mut world, &with(&two, &to_two, 407, "Proxy-Authenticate"));
    let sent = three.send(&mut world, &with(&three, &to_three, 401, "www-authenticate"));
    assert_eq!(shown(&sent), ["ACK 6013", "401 6001"]);
    assert_eq!(headers(&sent[1].text, "WWW-Authenticate").len(), 2, "{}", sent[1].text);
    assert_eq!(headers(&sent[1].text, "Proxy-Authenticate"), ["Digest realm=\"r6012\", nonce=\"n\""]);
    world.assert_all_over();
}

#[test]
fn a_message_to_several_phones_is_answered_once() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut phones = [6011, 6012].map(|port| Phone::new("bob", &format!("127.0.0.1:{port}")));
    for phone in &mut phones {
        phone.register(&mut world);
    }
    let request = alice.request("MESSAGE", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "m1", "", "hello");
    let (_, sent) = alice.authenticate(&mut world, &request);
    assert_eq!(sent.len(), 2);
    for (at, to) in sent.iter().enumerate() {
        let phone = phones.iter().find(|phone| phone.address == to.flow.peer).unwrap();
        let got = answer(&mut world, phone, to, 200);
        assert_eq!(shown(&got), if at == 0 { vec!["200 6001".to_owned()] } else { vec![] });
    }
    world.assert_all_over();
}
