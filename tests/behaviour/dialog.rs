//! Requests inside a dialog: where the route token lets them go, and where not.

use std::sync::Arc;

use sipward::engine::Engine;
use sipward::event::Outcome;
use sipward::proxy;

use crate::support::call::{Call, S, only, requests, shown, statuses, uri_of};
use crate::support::phone::{Phone, header, headers, status};
use crate::support::{Setup, World, address, shared};

fn up(setup: &Setup) -> (World, Call) {
    let mut world = World::new(setup);
    let call = Call::set_up(&mut world, Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "127.0.0.1:6002"));
    (world, call)
}

/// The server starts anew: same keys, same trunk, nothing else.
fn restart(world: &mut World) {
    world.now = world.now + S(1);
    let fresh = Arc::new(shared(&Setup::default(), world.now));
    fresh.directory.store(world.shared.directory.load_full());
    world.engine = Engine::new(fresh.clone(), 0, [8; 32], world.now);
    world.shared = fresh;
}

#[test]
fn every_method_passes_both_ways_and_either_side_hangs_up() {
    for last in [true, false] {
        let (mut world, mut call) = up(&Setup::default());
        for method in ["INVITE", "UPDATE", "INFO", "MESSAGE", "NOTIFY", "REFER", "SUBSCRIBE", "OPTIONS", "PRACK", "FOO"]
        {
            for by_caller in [true, false] {
                call.exchange(&mut world, by_caller, method, "", "");
            }
        }
        call.exchange(&mut world, last, "BYE", "", "");
        world.assert_all_over();
        assert_eq!(world.heard.log, ["registered bob", "call started", "call answered", "call ended 200"]);
    }
}

#[test]
fn out_of_a_dialog_every_method_has_to_pass_the_gate_and_then_passes() {
    for method in ["OPTIONS", "INFO", "MESSAGE", "NOTIFY", "PUBLISH", "UPDATE", "FOO", "BYE"] {
        let mut world = World::ordinary();
        let mut alice = Phone::new("alice", "127.0.0.1:6001");
        let mut bob = Phone::new("bob", "127.0.0.1:6002");
        bob.register(&mut world);
        let request = alice.request(method, "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "m1", "", "body");
        let (_, sent) = alice.authenticate(&mut world, &request);
        let forwarded = only(sent);
        assert_eq!(
            (shown(std::slice::from_ref(&forwarded)), uri_of(&forwarded.text)),
            (vec![format!("{method} 6002")], "sip:bob@127.0.0.1:6002")
        );
        assert_eq!(shown(&bob.send(&mut world, &bob.respond(&forwarded.text, 200, "b", ""))), ["200 6001"], "{method}");
        world.assert_all_over();
    }
}

#[test]
fn a_subscription_lives_by_its_notifications_in_both_directions() {
    for method in ["SUBSCRIBE", "REFER"] {
        let mut world = World::ordinary();
        let mut alice = Phone::new("alice", "127.0.0.1:6001");
        let mut bob = Phone::new("bob", "127.0.0.1:6002");
        bob.register(&mut world);
        let contact = format!("Contact: <{}>\r\nExpires: 600\r\n", alice.contact());
        let request = alice.request(method, "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "s1", &contact, "");
        let (_, sent) = alice.authenticate(&mut world, &request);
        let forwarded = only(sent);
        let contact = format!("Contact: <{}>\r\n", bob.contact());
        assert_eq!(statuses(&bob.send(&mut world, &bob.respond(&forwarded.text, 202, "b", &contact))), [202]);
        for (number, state) in ["active", "terminated"].into_iter().enumerate() {
            let notify = format!(
                "NOTIFY {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKn{number};rport\r\nRoute: {}\r\nMax-Forwards: 70\r\nFrom: {};tag=b\r\nTo: {}\r\nCall-ID: s1\r\nCSeq: {} NOTIFY\r\nContact: <{}>\r\nSubscription-State: {state}\r\nContent-Length: 0\r\n\r\n",
                alice.contact(),
                bob.address,
                header(&forwarded.text, "Record-Route").unwrap(),
                header(&forwarded.text, "To").unwrap(),
                header(&forwarded.text, "From").unwrap(),
                number + 1,
                bob.contact(),
            );
            let got = only(bob.send(&mut world, &notify));
            assert_eq!(got.flow.peer, alice.address);
            assert_eq!(statuses(&alice.send(&mut world, &alice.respond(&got.text, 200, "", ""))), [200]);
        }
        world.assert_all_over();
    }
}

#[test]
fn a_target_refresh_moves_the_dialog_and_what_was_never_named_is_403() {
    let (mut world, mut call) = up(&Setup::default());
    // Alice moves to another port with a re-INVITE.
    call.caller.address = address("127.0.0.1:6101");
    call.exchange(&mut world, true, "UPDATE", "", "");
    let info = call.callee_request("INFO", "", "");
    let info = info.replacen("sip:alice@127.0.0.1:6001", "sip:alice@127.0.0.1:6101", 1);
    assert_eq!(shown(&call.callee.send(&mut world, &info)), ["INFO 6101"]);
    for other in ["sip:alice@127.0.0.1:6102", "sip:mallory@127.0.0.1:6101", "sip:bob@192.0.2.1", "sip:127.0.0.1:6001"] {
        let info = call.callee_request("INFO", "", "").replacen("sip:alice@127.0.0.1:6001", other, 1);
        assert_eq!(shown(&call.callee.send(&mut world, &info)), ["403 6002"], "{other}");
        assert_eq!(world.outcome(), Outcome::TargetNotNamed);
    }
}

#[test]
fn a_request_that_could_make_a_dialog_is_record_routed_inside_one_too_under_the_same_token() {
    let (mut world, mut call) = up(&Setup::default());
    let route = call.caller_routes()[0].clone();
    for by_caller in [true, false] {
        for method in ["INVITE", "SUBSCRIBE", "REFER"] {
            let forwarded = call.exchange(&mut world, by_caller, method, "", "");
            assert_eq!(headers(&forwarded.text, "Record-Route"), [route.as_str()], "{method}");
        }
        for method in ["UPDATE", "INFO", "NOTIFY"] {
            let forwarded = call.exchange(&mut world, by_caller, method, "", "");
            assert!(header(&forwarded.text, "Record-Route").is_none(), "{method}");
        }
    }
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn a_subscription_that_nobody_ends_is_forgotten_in_its_time() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let extra = format!("Contact: <{}>\r\nExpires: 600\r\n", alice.contact());
    let request = alice.request("SUBSCRIBE", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "s1", &extra, "");
    let (_, sent) = alice.authenticate(&mut world, &request);
    bob.send(&mut world, &bob.respond(&sent[0].text, 200, "b", "Contact: <sip:bob@127.0.0.1:6002>\r\n"));
    world.pass(S(631));
    world.shared.dialogs.sweep(world.now);
    assert_eq!(world.shared.dialogs.len(), 1);
    world.pass(S(1));
    world.shared.dialogs.sweep(world.now);
    assert!(world.shared.dialogs.is_empty());
}

#[test]
fn an_address_of_record_is_no_target_inside_a_dialog() {
    let (mut world, mut call) = up(&Setup::default());
    for aor in ["sip:bob@127.0.0.1", "sip:bob@127.0.0.1:5060", "sip:bob@12345678.sipward.invalid", "sip:bob@localhost"]
    {
        let info = call.caller_request("INFO", "", "");
        let info = info.replacen(&call.callee.contact(), aor, 1);
        assert_eq!(shown(&call.caller.send(&mut world, &info)), ["403 6001"], "{aor}");
    }
    call.hang_up(&mut world);
    world.assert_all_over();
}

/// A dialog has no REGISTER in it (RFC 3261 §12.2): it is for the registrar, and has to show who sent it.
#[test]
fn a_token_lets_no_register_pass() {
    let (mut world, mut call) = up(&Setup::default());
    let register = call.caller_request("REGISTER", "", "").replacen(&call.callee.contact(), "sip:127.0.0.1", 1);
    assert_eq!(shown(&call.caller.send(&mut world, &register)), ["401 6001"]);
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn a_token_is_worth_nothing_for_another_call_or_after_its_time() {
    let setup = Setup { proxy: proxy::Settings { max_call_s: 600, ..proxy::Settings::default() }, ..Setup::default() };
    let (mut world, mut call) = up(&setup);
    let info = call.caller_request("INFO", "", "");
    let call_id = call.call_id().to_owned();
    let other_call = info.replace(&format!("Call-ID: {call_id}"), "Call-ID: another");
    assert_eq!(shown(&call.caller.send(&mut world, &other_call)), ["403 6001"]);
    let from = header(&info, "From").unwrap().to_owned();
    let other_tag = info.replace(&from, "<sip:alice@127.0.0.1>;tag=another");
    assert_eq!(shown(&call.caller.send(&mut world, &other_tag)), ["403 6001"]);
    let to = header(&info, "To").unwrap().to_owned();
    let without_tag = info.replace(&to, "<sip:bob@127.0.0.1>").replace("z9hG4bK", "z9hG4bKt");
    assert_eq!(
        shown(&call.caller.send(&mut world, &without_tag)),
        ["403 6001"],
        "an initial request never passes by it"
    );
    // The other tag of the dialog may be anything: it was not there when the token was made.
    let forked = info.replace(&to, "<sip:bob@127.0.0.1>;tag=fork").replace("z9hG4bK", "z9hG4bKf");
    assert_eq!(shown(&call.caller.send(&mut world, &forked)), ["INFO 6002"]);
    world.pass(S(599));
    let bye = call.caller_request("INFO", "", "");
    assert_eq!(shown(&call.caller.send(&mut world, &bye)), ["INFO 6002"]);
    world.pass(S(2));
    let bye = call.caller_request("INFO", "", "");
    assert_eq!(shown(&call.caller.send(&mut world, &bye)), ["403 6001"]);
    let ack = call.ack();
    assert!(call.caller.send(&mut world, &ack).is_empty());
    assert_eq!(world.outcome(), Outcome::AckDropped);
}

#[test]
fn a_spoilt_token_lets_nothing_pass() {
    let (mut world, mut call) = up(&Setup::default());
    let token = call.caller_routes()[0].split(";tk=").nth(1).unwrap().trim_end_matches('>').to_owned();
    for bad in [
        "",
        "AAAA",
        &token[1..],
        &token[..33],
        &format!("{token}A"),
        &token.to_ascii_uppercase(),
        &format!("\"{token}\""),
    ] {
        let info = call.caller_request("INFO", "", "").replace(&token, bad);
        assert_eq!(shown(&call.caller.send(&mut world, &info)), ["403 6001"], "{bad}");
    }
    call.hang_up(&mut world);
    world.assert_all_over();
}

/// What a call leaves behind is no way out for whoever has seen its token: that was once an open relay.
#[test]
fn once_a_call_is_over_its_token_leads_nowhere() {
    let (mut world, mut call) = up(&Setup::default());
    let invite = call.caller_request("INVITE", "", "").replacen(&call.callee.contact(), "sip:+1900@127.0.0.1:7777", 1);
    let from_a_stranger = |world: &mut World, name: &str| {
        let text = invite.replace("z9hG4bK", &format!("z9hG4bK{name}"));
        shown(&world.datagram(address("127.0.0.1:6666"), &text))
    };
    assert_eq!(from_a_stranger(&mut world, "up"), ["403 6666"]);
    call.hang_up(&mut world);
    assert_eq!(from_a_stranger(&mut world, "ending"), ["403 6666"]);
    world.pass(S(60));
    assert_eq!(from_a_stranger(&mut world, "over"), ["481 6666"]);
    assert_eq!(world.outcome(), Outcome::UnknownDialog);
    world.assert_all_over();
}

#[test]
fn the_token_of_a_call_that_was_declined_leads_nowhere() {
    let (mut world, call) = up(&Setup::default());
    let (mut alice, bob) = (call.caller, call.callee);
    let invite = alice.invite_with("bob", "");
    let (_, sent) = alice.authenticate(&mut world, &invite);
    bob.send(&mut world, &bob.respond(&sent[1].text, 486, "busy", ""));
    let route = header(&sent[1].text, "Record-Route").unwrap().to_owned();
    let from = header(&sent[1].text, "From").unwrap().to_owned();
    let call_id = header(&sent[1].text, "Call-ID").unwrap().to_owned();
    let mut mallory = bob.clone();
    let text =
        mallory.request("INVITE", "sip:+1900@127.0.0.1:7777", &from, &call_id, &format!("Route: {route}\r\n"), "");
    assert_eq!(shown(&mallory.send(&mut world, &text)), ["481 6002"]);
}

/// A dialog that is not remembered could be led anywhere, so there is none.
#[test]
fn with_too_many_dialogs_no_new_one_begins() {
    let (mut world, call) = up(&Setup::default());
    let full = Arc::new(sipward::dialog::Dialogs::new(0, [3; 16]));
    let mut limited = shared(&Setup::default(), world.now);
    limited.proxy = Arc::new(proxy::Shared {
        settings: limited.proxy.settings.clone(),
        interfaces: limited.interfaces.clone(),
        dialogs: full.clone(),
        route_keys: limited.proxy.route_keys.clone(),
        loop_secret: [4; 16],
    });
    limited.dialogs = full;
    limited.location = world.shared.location.clone();
    let limited = Arc::new(limited);
    world.engine = Engine::new(limited.clone(), 0, [8; 32], world.now);
    world.shared = limited;
    let mut alice = call.caller;
    let invite = alice.invite_with("bob", "");
    let (_, sent) = alice.authenticate(&mut world, &invite);
    assert_eq!(shown(&sent), ["503 6001"]);
    assert!(world.engine.load().server_transactions == 0, "nothing is left behind");
}

#[test]
fn after_a_restart_the_token_alone_decides() {
    let (mut world, mut call) = up(&Setup::default());
    restart(&mut world);
    call.exchange(&mut world, true, "INFO", "", "");
    call.exchange(&mut world, false, "INVITE", "", "v=0\r\n");
    // Not even now does it lead to an address of record, or anywhere without a token.
    let info = call.caller_request("INFO", "", "");
    let aor = info.replacen(&call.callee.contact(), "sip:bob@127.0.0.1", 1);
    assert_eq!(shown(&call.caller.send(&mut world, &aor)), ["403 6001"]);
    let bare: String = info.split_inclusive("\r\n").filter(|line| !line.starts_with("Route")).collect();
    assert_eq!(shown(&call.caller.send(&mut world, &bare.replace("z9hG4bK", "z9hG4bKb"))), ["403 6001"]);
    for nowhere in
        ["sip:bob@0.0.0.0", "sip:bob@224.0.0.1", "sip:bob@name.invalid", "sip:bob@127.0.0.1:6002;transport=ws"]
    {
        let info = call.caller_request("INFO", "", "").replacen(&call.callee.contact(), nowhere, 1);
        assert_eq!(shown(&call.caller.send(&mut world, &info)), ["502 6001"], "{nowhere}");
    }
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn a_re_invite_that_fails_leaves_the_call_up() {
    let (mut world, mut call) = up(&Setup::default());
    let again = call.caller_request("INVITE", "", "v=0\r\n");
    let sent = call.caller.send(&mut world, &again);
    assert_eq!(shown(&sent), ["100 6001", "INVITE 6002"]);
    let failed = call.callee.send(&mut world, &call.callee.respond(&sent[1].text, 488, "", ""));
    assert_eq!(shown(&failed), ["ACK 6002", "488 6001"]);
    let ack = crate::support::call::ack_of(&again, &failed[1].text);
    assert!(call.caller.send(&mut world, &ack).is_empty());
    world.pass(S(300));
    assert_eq!(world.shared.dialogs.len(), 1);
    call.exchange(&mut world, false, "INFO", "", "");
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn a_re_invite_can_be_cancelled_and_the_call_stays_up() {
    let (mut world, mut call) = up(&Setup::default());
    let again = call.callee_request("INVITE", "", "v=0\r\n");
    let sent = requests(call.callee.send(&mut world, &again));
    call.caller.send(&mut world, &call.caller.respond(&sent[0].text, 180, "", ""));
    let cancelled = call.callee.send(&mut world, &crate::support::call::cancel_of(&again));
    assert_eq!(shown(&cancelled), ["200 6002", "CANCEL 6001"]);
    let ended = call.caller.send(&mut world, &call.caller.respond(&sent[0].text, 487, "", ""));
    assert_eq!(shown(&ended), ["ACK 6001", "487 6002"]);
    call.hang_up(&mut world);
    world.assert_all_over();
}

#[test]
fn a_bye_that_the_other_side_refuses_ends_the_call_too() {
    let (mut world, mut call) = up(&Setup::default());
    let bye = call.caller_request("BYE", "", "");
    let sent = only(call.caller.send(&mut world, &bye));
    let refused = call.callee.send(&mut world, &call.callee.respond(&sent.text, 481, "", ""));
    assert_eq!(status(&refused[0].text), 481);
    world.assert_all_over();
    assert_eq!(world.heard.log.last().unwrap(), "call ended 200");
}

#[test]
fn a_key_that_was_rotated_still_serves_calls_that_are_up() {
    let (mut world, mut call) = up(&Setup::default());
    let keys = &world.shared.proxy.route_keys;
    keys.store(Arc::new(proxy::RouteKeys::new([(2, [8; 32]), (1, [9; 32])])));
    call.exchange(&mut world, true, "INFO", "", "");
    world.shared.proxy.route_keys.store(Arc::new(proxy::RouteKeys::new([(2, [8; 32])])));
    let info = call.caller_request("INFO", "", "");
    assert_eq!(shown(&call.caller.send(&mut world, &info)), ["403 6001"]);
}
