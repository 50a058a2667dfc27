//! RFC 3261 §16: what is refused, what is changed on the way, and what is not.

use sipward::acl::Rule;
use sipward::event::Outcome;
use sipward::trunk::AuthPolicy;

use crate::support::call::{Call, MS, S, ack_of, body_of, invite, only, requests, ringing, shown, statuses, uri_of};
use crate::support::phone::{Phone, header, headers, method_of, status};
use crate::support::{SERVER, Sent, Setup, World, address};

fn registered() -> (World, Phone, Phone) {
    let mut world = World::ordinary();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    (world, Phone::new("alice", "127.0.0.1:6001"), bob)
}

/// The header lines of a message.
fn lines(text: &str) -> Vec<&str> {
    text.split("\r\n\r\n").next().unwrap().split("\r\n").collect()
}

#[test]
fn s16_6_the_request_is_forwarded_as_it_came_but_for_what_a_proxy_must_change() {
    let (mut world, mut alice, bob) = registered();
    let extra = "x-odd :  two  blanks \r\nSubject:\r\nSupported: replaces,  100rel\r\nk: timer\r\nP-Custom: \"q, \\\" ;\" <x>\r\nX-Dup: 1\r\nX-Dup: 2\r\nX-\u{fc}: no\r\n";
    let extra = extra.replace("X-\u{fc}: no\r\n", "X-Value: \u{fc}nic\u{f6}de \u{2603}\r\n");
    let request = alice.invite_with("bob", &extra);
    let (sent_invite, sent) = alice.authenticate(&mut world, &request);
    let forwarded = &sent[1];
    let mut expected = Vec::new();
    let got = lines(&forwarded.text);
    for line in lines(&sent_invite) {
        if line.starts_with("INVITE ") {
            expected.push(format!("INVITE {} SIP/2.0", bob.contact()));
            expected.extend(got[1..3].iter().map(|&line| line.to_owned()));
        } else if let Some(via) = line.strip_suffix(";rport") {
            expected.push(format!("{via};received=127.0.0.1;rport=6001"));
        } else if line == "Max-Forwards: 70" {
            expected.push("Max-Forwards: 69".to_owned());
        } else if !line.starts_with("Authorization") {
            expected.push(line.to_owned());
        }
    }
    assert!(got[1].starts_with("Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKsw"), "{}", got[1]);
    assert!(got[2].starts_with("Record-Route: <sip:127.0.0.1:5060;lr;tk=") && got[2].ends_with('>'), "{}", got[2]);
    assert_eq!(got, expected);
    assert_eq!(body_of(&forwarded.text), "v=0\r\n");
}

#[test]
fn s16_6_a_body_passes_byte_for_byte_and_what_is_behind_it_does_not() {
    let (mut world, mut alice, bob) = registered();
    let request = alice.request("MESSAGE", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "m1", "", "0123456789");
    let reply = alice.send(&mut world, &request);
    let answer = alice.answer(&request, &reply[0].text, 1);
    let request = alice.with_answer(&request, &answer);
    let head = request.split("\r\n\r\n").next().unwrap();
    let body = [0, 255, b'\r', b'\n', b'\r', b'\n', 0xc3, 0x28, 10, 1];
    let bytes = [head.as_bytes(), b"\r\n\r\n", &body, b"trailing"].concat();
    let forwarded = only(world.datagram_of(alice.address, &bytes));
    assert!(forwarded.bytes.ends_with(&[b"\r\n\r\n".as_slice(), &body].concat()));
    let head = bob.respond(&forwarded.text, 200, "b", "").replace("Content-Length: 0\r\n\r\n", "l: 10\r\n\r\n");
    let bytes = [head.as_bytes(), &body, b"trailing"].concat();
    let back = only(world.datagram_of(bob.address, &bytes));
    assert!(back.bytes.ends_with(&[b"l: 10\r\n\r\n".as_slice(), &body].concat()));
}

#[test]
fn s16_6_content_length_is_added_where_it_is_missing() {
    let (mut world, mut alice, bob) = registered();
    let request = alice.invite_with("bob", "");
    let (_, sent) = alice.authenticate(&mut world, &request.replace("Content-Length: 5\r\n", "Content-Length:5\r\n"));
    assert_eq!(header(&sent[1].text, "Content-Length"), Some("5"));
    let mut world = World::ordinary();
    let mut bob = bob;
    bob.register(&mut world);
    let request = alice.invite_with("bob", "");
    let reply = alice.send(&mut world, &request);
    let answer = alice.answer(&request, &reply[0].text, 1);
    let request = alice.with_answer(&request, &answer).replace("Content-Length: 5\r\n", "");
    let sent = alice.send(&mut world, &request);
    assert_eq!((header(&sent[1].text, "Content-Length"), body_of(&sent[1].text)), (Some("5"), "v=0\r\n"));
    let answer = bob.respond(&sent[1].text, 183, "b", "").replace("Content-Length: 0\r\n\r\n", "\r\nv=1\r\n\r\n");
    let back = only(bob.send(&mut world, &answer));
    assert_eq!((header(&back.text, "Content-Length"), body_of(&back.text)), (Some("7"), "v=1\r\n\r\n"));
}

#[test]
fn s16_3_max_forwards_is_counted_down_added_and_0_is_483() {
    let (mut world, mut alice, _) = registered();
    let (_, sent) = {
        let request = alice.invite_with("bob", "").replace("Max-Forwards: 70\r\n", "");
        alice.authenticate(&mut world, &request)
    };
    assert_eq!(headers(&sent[1].text, "Max-Forwards"), ["70"]);
    let request = alice.invite_with("bob", "").replace("Max-Forwards: 70", "mAX-fORWARDS : 1");
    let (_, sent) = alice.authenticate(&mut world, &request);
    assert_eq!(headers(&sent[1].text, "Max-Forwards"), ["0"]);
    for method in ["INVITE", "MESSAGE", "BYE", "FOO"] {
        let request = alice.request(method, "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "m", "", "");
        let refused = only(alice.send(&mut world, &request.replace("Max-Forwards: 70", "Max-Forwards: 0")));
        assert_eq!(status(&refused.text), 483);
        assert!(header(&refused.text, "To").unwrap().contains(";tag="));
        assert_eq!(world.outcome(), Outcome::TooManyHops);
    }
}

#[test]
fn s16_3_proxy_require_is_420_and_names_all_that_is_not_supported() {
    let (mut world, mut alice, _) = registered();
    let request = alice.invite_with("bob", "Proxy-Require: foo, bar\r\nproxy-require: baz\r\n");
    let refused = only(alice.send(&mut world, &request));
    assert_eq!(status(&refused.text), 420);
    assert_eq!(headers(&refused.text, "Unsupported"), ["foo, bar", "baz"]);
    let request = alice.invite_with("bob", "Require: 100rel\r\n");
    let (_, sent) = alice.authenticate(&mut world, &request);
    assert_eq!(
        header(&sent[1].text, "Require"),
        Some("100rel"),
        "what the callee must know is none of a proxy's business"
    );
}

/// Users call without digest from any address; contacts may point back to the server.
fn open_world() -> World {
    let setup = Setup { policy: AuthPolicy::Any, acl: vec![("127.0.0.0/8", Rule::Allow)], ..Setup::default() };
    World::new(&setup)
}

fn register_contact(world: &mut World, user: &'static str, contact: &str) {
    let mut phone = Phone::new(user, "127.0.0.1:6002");
    let request = phone.register_with(&format!("Contact: <{contact}>;expires=3600\r\n"));
    let (_, sent) = phone.authenticate(world, &request);
    assert_eq!(status(&sent[0].text), 200, "{}", sent[0].text);
}

/// Lets what the server sends to itself arrive, until all is said. Returns what went to others.
fn settle(world: &mut World, sent: Vec<Sent>) -> Vec<Sent> {
    let mut queue = std::collections::VecDeque::from(sent);
    let mut others = Vec::new();
    for _ in 0..200 {
        let Some(next) = queue.pop_front() else { return others };
        if next.flow.peer == address(SERVER) {
            queue.extend(world.datagram_of(address(SERVER), &next.bytes));
        } else {
            others.push(next);
        }
    }
    panic!("it goes round for ever");
}

#[test]
fn s16_3_a_request_that_comes_back_unchanged_is_a_loop() {
    let mut world = open_world();
    register_contact(&mut world, "bob", "sip:bob@127.0.0.1:5060");
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let request = alice.invite_with("bob", "");
    let sent = alice.send(&mut world, &request);
    let said = settle(&mut world, sent);
    assert_eq!(shown(&said), ["100 6001", "482 6001"]);
    assert_eq!(world.heard.outcomes.iter().filter(|&&outcome| outcome == Outcome::LoopDetected).count(), 1);
    assert!(alice.send(&mut world, &ack_of(&request, &said[1].text)).is_empty());
    world.assert_all_over();
}

#[test]
fn s16_3_two_names_that_point_at_each_other_are_a_loop_too() {
    let mut world = open_world();
    register_contact(&mut world, "bob", "sip:carol@127.0.0.1:5060");
    register_contact(&mut world, "carol", "sip:bob@127.0.0.1:5060");
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let request = alice.invite_with("bob", "");
    let sent = alice.send(&mut world, &request);
    assert_eq!(shown(&settle(&mut world, sent)).last().unwrap(), "482 6001");
    world.assert_all_over();
}

#[test]
fn s16_3_a_spiral_is_none() {
    let mut world = open_world();
    register_contact(&mut world, "bob", "sip:carol@127.0.0.1:5060");
    let mut carol = Phone::new("carol", "127.0.0.1:6003");
    carol.register(&mut world);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let request = alice.invite_with("bob", "");
    let sent = alice.send(&mut world, &request);
    let said = settle(&mut world, sent);
    assert_eq!(shown(&said), ["100 6001", "INVITE 6003"]);
    assert_eq!(headers(&said[1].text, "Via").len(), 3);
    assert_eq!(headers(&said[1].text, "Record-Route").len(), 2);
    assert_eq!(header(&said[1].text, "Max-Forwards"), Some("68"));
    let failed = carol.send(&mut world, &carol.respond(&said[1].text, 486, "c", ""));
    assert_eq!(shown(&settle(&mut world, failed)), ["ACK 6003", "486 6001"]);
    assert!(
        alice.send(&mut world, &ack_of(&request, "SIP/2.0 486 x\r\nTo: <sip:bob@127.0.0.1>;tag=c\r\n\r\n")).is_empty()
    );
    let late = world.pass(S(40));
    assert!(settle(&mut world, late).iter().all(|sent| status(&sent.text) == 0 || status(&sent.text) == 486));
    world.assert_all_over();
}

#[test]
fn s16_4_a_route_that_is_ours_is_taken_away_and_one_that_is_not_is_403() {
    for (route, left) in [
        ("Route: <sip:127.0.0.1;lr>\r\n", None),
        ("Route: <sip:127.0.0.1:5060;lr>,<sip:12345678.sipward.invalid;lr>\r\n", None),
        ("Route: <sip:localhost;transport=udp;lr>\r\nroute: <sip:127.0.0.1;lr>\r\n", None),
        ("Route: \"us, ourselves\" <sip:127.0.0.1;lr;tk=AAAA>;x=y\r\n", None),
        ("Route: <sip:127.0.0.1:9999;lr>\r\n", Some("403")),
        ("Route: <sip:127.0.0.1;lr>, <sip:192.0.2.1;lr>\r\n", Some("403")),
        ("Route: <sip:evil.invalid;lr>\r\nRoute: <sip:127.0.0.1;lr>\r\n", Some("403")),
        ("Route: <sips:evil.invalid;lr>\r\n", Some("403")),
        ("Route: nonsense\r\n", Some("400")),
        ("Route: <tel:+123>\r\n", Some("400")),
    ] {
        let (mut world, mut alice, bob) = registered();
        let request = alice.invite_with("bob", route);
        let (sent_invite, sent) = alice.authenticate(&mut world, &request);
        match left {
            None => {
                assert_eq!(shown(&sent), ["100 6001", "INVITE 6002"], "{route}");
                assert!(header(&sent[1].text, "Route").is_none(), "{route}");
                bob.send(&mut world, &bob.respond(&sent[1].text, 486, "b", ""));
            }
            Some(code) => {
                assert_eq!(shown(&sent), [format!("{code} 6001")], "{route}");
                // It was let in, so its retransmission meets the transaction and not the replay window.
                assert_eq!(only(alice.send(&mut world, &sent_invite)).bytes, sent[0].bytes);
                assert!(alice.send(&mut world, &ack_of(&sent_invite, &sent[0].text)).is_empty());
            }
        }
        world.assert_all_over();
    }
}

#[test]
fn s16_4_behind_our_own_route_one_passes_that_the_dialog_has_recorded_and_no_other() {
    let (mut world, mut alice, bob) = registered();
    let invite = alice.invite_with("bob", "");
    let (invite, sent) = alice.authenticate(&mut world, &invite);
    let recorded = format!("Contact: <{}>\r\nRecord-Route: <sip:127.0.0.1:7000;lr>\r\n", bob.contact());
    let answer = only(bob.send(&mut world, &bob.respond(&sent[1].text, 200, "b", &recorded)));
    let ours = headers(&answer.text, "Record-Route")[0].to_owned();
    let (to, call_id) = (header(&answer.text, "To").unwrap(), header(&invite, "Call-ID").unwrap());
    let mut info = |next: &str| {
        let route = format!("Route: {ours}, {next}\r\n");
        alice.request("INFO", &bob.contact(), to, call_id, &route, "")
    };
    let sent = only(world.datagram(address("127.0.0.1:6001"), &info("<sip:127.0.0.1:7000;lr>, <sip:x.invalid;lr>")));
    assert_eq!(sent.flow.peer, address("127.0.0.1:7000"));
    assert_eq!(headers(&sent.text, "Route"), ["<sip:127.0.0.1:7000;lr>, <sip:x.invalid;lr>"]);
    assert_eq!(uri_of(&sent.text), bob.contact());
    for foreign in ["<sip:127.0.0.1:7001;lr>", "<sip:127.0.0.2:7000;lr>", "<sip:x.invalid;lr>"] {
        let refused = world.datagram(address("127.0.0.1:6001"), &info(foreign));
        assert_eq!(shown(&refused), ["403 6001"], "{foreign}");
        assert_eq!(world.outcome(), Outcome::ForeignRoute);
    }
}

#[test]
fn s16_6_answers_for_our_realm_stay_here_and_those_for_others_pass() {
    let (mut world, mut alice, _) = registered();
    let other = "Authorization: Digest username=\"alice\", realm=\"elsewhere\", nonce=\"n\", uri=\"sip:bob@127.0.0.1\", response=\"00000000000000000000000000000000\"\r\nProxy-Authorization: Digest username=\"alice\", realm=\"other\", nonce=\"n\", uri=\"sip:x\", response=\"00000000000000000000000000000000\"\r\nAuthorization: Bearer abc\r\n";
    let request = alice.invite_with("bob", other);
    let reply = alice.send(&mut world, &request);
    let answer = alice.answer(&request, &reply[0].text, 1);
    let twice = format!("{answer}{}", answer.replace("Authorization", "pROXY-aUTHORIZATION "));
    let request = alice.with_answer(&request, &twice.replace("Authorization:", "aUTHORIZATION:"));
    let sent = alice.send(&mut world, &request);
    assert_eq!(shown(&sent), ["100 6001", "INVITE 6002"]);
    let forwarded = &sent[1].text;
    assert!(!forwarded.contains("MA_TEST"), "{forwarded}");
    assert_eq!(headers(forwarded, "Authorization").len(), 2);
    assert_eq!(headers(forwarded, "Proxy-Authorization").len(), 1);
    assert!(other.split_inclusive("\r\n").all(|line| forwarded.contains(line)));
}

#[test]
fn s16_6_in_a_dialog_too() {
    let (mut world, alice, bob) = registered();
    let mut call = Call::set_up(&mut world, alice, bob);
    let line = "Authorization: Digest username=\"alice\", realm=\"MA_TEST.sipward.invalid\", nonce=\"n\", uri=\"sip:x\", response=\"0\"\r\n";
    let other = line.replace("MA_TEST.sipward.invalid", "bob");
    let forwarded = call.exchange(&mut world, true, "INFO", &format!("{line}{other}"), "");
    assert_eq!(headers(&forwarded.text, "Authorization").len(), 1);
    assert!(forwarded.text.contains(&other));
}

#[test]
fn s16_7_only_our_via_is_taken_off_a_response() {
    let (mut world, mut alice, bob) = registered();
    let request = alice.invite_with("bob", "").replacen(
        "Via:",
        "Via: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKtop;rport ,SIP/2.0/UDP below;branch=z9hG4bK0\r\nv:",
        1,
    );
    let (_, sent) = alice.authenticate(&mut world, &request);
    let forwarded = &sent[1].text;
    let (ours, rest) = (headers(forwarded, "Via")[0], &headers(forwarded, "Via")[1..]);
    assert_eq!(
        rest[0],
        "SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKtop;received=127.0.0.1;rport=6001, SIP/2.0/UDP below;branch=z9hG4bK0"
    );
    let answer = bob.respond(forwarded, 183, "b", "X-Odd:  a\r\nm : <sip:bob@127.0.0.1:6002>\r\n");
    let without_ours = answer.replacen(&format!("Via: {ours}\r\n"), "", 1);
    let back = only(bob.send(&mut world, &answer));
    assert_eq!(back.text, without_ours);
    // A callee that joins them in one line, with blanks as it likes.
    let joined = without_ours.replacen("Via: ", &format!("V: {ours} ,\t"), 1);
    assert_ne!(joined, answer);
    let back = only(bob.send(&mut world, &joined));
    assert_eq!(back.text, without_ours);
    assert_eq!(back.flow.peer, alice.address);
}

#[test]
fn s16_7_a_100_goes_no_further_and_every_other_provisional_response_does() {
    let (mut world, alice, bob, _, forwarded) = ringing();
    assert!(bob.send(&mut world, &bob.respond(&forwarded.text, 100, "b", "")).is_empty());
    for code in [101, 180, 181, 182, 183, 199] {
        let sent = only(bob.send(&mut world, &bob.respond(&forwarded.text, code, "b", "")));
        assert_eq!((status(&sent.text), sent.flow.peer), (code, alice.address));
    }
    bob.send(&mut world, &bob.respond(&forwarded.text, 486, "b", ""));
    world.assert_all_over();
}

#[test]
fn s16_7_what_is_no_answer_to_anything_is_dropped() {
    let (mut world, _, bob) = registered();
    let stray = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKy\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    assert!(bob.send(&mut world, stray).is_empty());
    assert_eq!(world.outcome(), Outcome::StrayResponse);
    for broken in [
        stray.replace("Call-ID: c\r\n", ""),
        stray.replace("200 OK", "2000 OK"),
        stray.replace("CSeq: 1", "CSeq: x"),
        stray.replace("SIP/2.0 2", "sip/3.0 2"),
    ] {
        assert!(bob.send(&mut world, &broken).is_empty());
        assert_eq!(world.outcome(), Outcome::Unreadable);
    }
}

#[test]
fn s16_7_an_answer_from_another_port_counts_by_its_branch() {
    let (mut world, alice, mut bob, _, forwarded) = ringing();
    bob.address = address("127.0.0.1:6999");
    let sent = only(bob.send(&mut world, &bob.respond(&forwarded.text, 180, "b", "")));
    assert_eq!((status(&sent.text), sent.flow.peer), (180, alice.address));
}

#[test]
fn s16_2_the_caller_hears_100_at_once_and_without_a_tag() {
    let (mut world, mut alice, _) = registered();
    let request = alice.invite_with("bob", "");
    let (sent_invite, sent) = alice.authenticate(&mut world, &request);
    let trying = &sent[0].text;
    assert!(trying.starts_with("SIP/2.0 100 Trying\r\n"));
    for name in ["From", "To", "Call-ID", "CSeq"] {
        assert_eq!(header(trying, name), header(&sent_invite, name));
    }
    assert!(header(trying, "Record-Route").is_none() && header(trying, "Contact").is_none());
}

#[test]
fn s16_5_who_has_no_phone_is_480_and_who_is_nobody_is_404() {
    for (user, code) in [("carol", 480), ("disabled", 480), ("nobody", 404), ("BOB", 404)] {
        let (mut world, mut alice, _) = registered();
        let request = alice.invite_with(user, "");
        let (sent_invite, sent) = alice.authenticate(&mut world, &request);
        assert_eq!(statuses(&sent), [code], "{user}");
        assert_eq!(world.times_of(&code.to_string(), S(2)), [500, 1_500]);
        alice.send(&mut world, &ack_of(&sent_invite, &sent[0].text));
        assert!(world.pass(S(20)).is_empty());
        world.assert_all_over();
    }
}

#[test]
fn s16_6_only_what_makes_a_dialog_is_record_routed() {
    for (method, recorded) in
        [("INVITE", 1), ("SUBSCRIBE", 1), ("REFER", 1), ("MESSAGE", 0), ("OPTIONS", 0), ("PUBLISH", 0), ("FOO", 0)]
    {
        let (mut world, mut alice, _) = registered();
        let request = alice.request(
            method,
            "sip:bob@127.0.0.1",
            "<sip:bob@127.0.0.1>",
            "m1",
            "Record-Route: <sip:p1.invalid;lr>\r\n",
            "",
        );
        let (_, sent) = alice.authenticate(&mut world, &request);
        let forwarded = only(requests(sent));
        assert_eq!(method_of(&forwarded.text), method);
        let routes = headers(&forwarded.text, "Record-Route");
        assert_eq!(routes.len(), recorded + 1, "{method}");
        assert_eq!(*routes.last().unwrap(), "<sip:p1.invalid;lr>", "ours stands before those of others");
    }
}

#[test]
fn s16_9_a_phone_whose_stream_is_gone_gives_500() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(1);
    bob.register(&mut world);
    world.close(1);
    let (_, forwarded) = invite(&mut world, &mut alice, "bob");
    let forwarded = only(forwarded);
    assert!(!forwarded.flow.connection.is_some(), "a new stream is to be opened");
    assert_eq!(forwarded.flow.peer, bob.address);
    assert_eq!(statuses(&world.fail_to_send(forwarded.branch.unwrap())), [500]);
    world.pass(MS(1));
    world.assert_all_over();
}

/// RFC 3325 §5: nobody outside says who somebody is.
#[test]
fn s16_6_identities_that_a_phone_asserts_stay_here_under_every_spelling() {
    let (mut world, mut alice, _) = registered();
    let claims = "P-Asserted-Identity: <sip:ceo@127.0.0.1>\r\np-asserted-identity : <tel:+1>\r\nP-ASSERTED-IDENTITY:\r\n <sip:x@y>\r\nP-Preferred-Identity: <sip:alice@127.0.0.1>\r\n";
    let invite = alice.invite_with("bob", claims);
    let (_, sent) = alice.authenticate(&mut world, &invite);
    let forwarded = sent[1].text.to_ascii_lowercase();
    assert!(!forwarded.contains("asserted") && !forwarded.contains("ceo"), "{forwarded}");
}
