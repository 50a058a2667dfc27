//! Rates, pings, and what is never answered (product §2 step 2 and "Every method passes the gate").

use std::time::Duration;

use sipward::acl::Rule;
use sipward::event::Outcome;
use sipward::trunk::AuthPolicy;

use crate::support::phone::{Phone, header, status};
use crate::support::{Setup, TRUNK_DOMAIN, World, address};

fn limited(per_source_per_s: u32) -> World {
    World::new(&Setup { per_source_per_s, ..Setup::default() })
}

fn ping(uri: &str, hops: u8, number: u32) -> String {
    format!(
        "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKping{number};rport\r\nMax-Forwards: {hops}\r\nFrom: <sip:monitor@127.0.0.1>;tag=m\r\nTo: <{uri}>\r\nCall-ID: ping\r\nCSeq: {number} OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_source_beyond_its_rate_hears_nothing_and_no_other_source_suffers() {
    let mut world = limited(3);
    let (mut loud, mut quiet) = (Phone::new("alice", "127.0.0.1:6001"), Phone::new("alice", "127.0.0.2:6001"));
    for number in 1..=5 {
        loud.address.set_port(6_000 + number);
        let text = loud.register_with("");
        let sent = loud.send(&mut world, &text);
        assert_eq!(sent.len(), usize::from(number <= 3), "number {number}");
    }
    assert_eq!(world.outcome(), Outcome::RateLimited);
    let text = quiet.register_with("");
    assert_eq!(quiet.send(&mut world, &text).len(), 1);
    world.pass(Duration::from_secs(1));
    let text = loud.register_with("");
    assert_eq!(loud.send(&mut world, &text).len(), 1);
}

/// A victim whose address somebody forges must still get through.
#[test]
fn traffic_with_a_nonce_of_ours_is_not_counted() {
    let mut world = limited(1);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let nonce = world.nonce(1);
    for number in 0..3 {
        let forged = ping("sip:127.0.0.1", 70, number);
        world.datagram(address("127.0.0.1:6666"), &forged);
    }
    assert_eq!(world.outcome(), Outcome::RateLimited);
    for nc in 1..=5 {
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let answer = alice.answer_with("Authorization", &plain, &nonce, "MD5", nc);
        let text = alice.with_answer(&plain, &answer);
        assert_eq!(status(&alice.send(&mut world, &text)[0].text), 200);
    }
    let forgery = "A".repeat(nonce.len());
    for nonce in [forgery.as_str(), "", "x"] {
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let answer = alice.answer_with("Authorization", &plain, nonce, "MD5", 9);
        let text = alice.with_answer(&plain, &answer);
        assert!(alice.send(&mut world, &text).is_empty(), "a nonce that anybody can make up");
    }
}

/// A nonce is free for everybody to fetch and proves nothing once its time has passed.
#[test]
fn an_old_nonce_of_ours_is_counted_like_none() {
    let mut world = limited(1);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let old = world.nonce(1);
    world.pass(Duration::from_secs(301));
    world.datagram(address("127.0.0.1:6666"), &ping("sip:127.0.0.1", 70, 1));
    for (nonce, heard) in [(old, 0), (world.nonce(2), 1)] {
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let answer = alice.answer_with("Authorization", &plain, &nonce, "MD5", 1);
        let text = alice.with_answer(&plain, &answer);
        assert_eq!(alice.send(&mut world, &text).len(), heard);
    }
    assert_eq!(world.outcome(), Outcome::RegisterAccepted);
}

/// A fresh nonce is no licence to guess; but whoever has the password gets in, whatever others send from his address.
#[test]
fn a_wrong_answer_costs_its_source_and_a_right_one_is_never_dropped() {
    let mut world = limited(3);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let nonce = world.nonce(1);
    let mut guess = |world: &mut World, user: &'static str, password: &'static str, nc: u32| {
        alice.user = user;
        alice.password = password;
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let answer = alice.answer_with("Authorization", &plain, &nonce, "MD5", nc);
        let text = alice.with_answer(&plain, &answer);
        alice.send(world, &text).iter().map(|sent| status(&sent.text)).collect::<Vec<_>>()
    };
    for (nc, user) in (1..).zip(["alice", "nobody", "bob"]) {
        assert_eq!(guess(&mut world, user, "wrong", nc), [401], "{user}");
    }
    for user in ["alice", "nobody"] {
        assert!(guess(&mut world, user, "wrong", 4).is_empty(), "{user}");
        assert_eq!(world.outcome(), Outcome::RateLimited);
    }
    assert_eq!(guess(&mut world, "alice", "alice-secret", 5), [200]);
}

/// Guesses at names from one address, each with a fresh nonce.
struct Guesser {
    world: World,
    phone: Phone,
    sent: u32,
}

impl Guesser {
    fn new(setup: &Setup) -> Self {
        Self { world: World::new(setup), phone: Phone::new("alice", "127.0.0.1:6001"), sent: 0 }
    }

    /// Tries a password and returns the answer without its nonce.
    fn guess(&mut self, user: &'static str, password: &'static str) -> String {
        self.sent += 1;
        self.phone.user = user;
        self.phone.password = password;
        let nonce = self.world.nonce(u64::from(self.sent));
        let plain = self.phone.register_with(&format!("Contact: <{}>;expires=600\r\n", self.phone.contact()));
        let answer = self.phone.answer_with("Authorization", &plain, &nonce, "MD5", 1);
        let text = self.phone.with_answer(&plain, &answer);
        let sent = self.phone.send(&mut self.world, &text);
        assert_eq!(sent.len(), 1, "{sent:?}");
        let text = sent[0].text.clone();
        match text.split_once("nonce=\"") {
            Some((before, rest)) => format!("{before}{}", rest.split_once('"').unwrap().1),
            None => text,
        }
    }
}

#[test]
fn after_too_many_wrong_answers_for_a_name_its_answers_are_not_looked_at() {
    let mut guesser = Guesser::new(&Setup { failures_per_minute: 5, ..Setup::default() });
    for _ in 0..5 {
        assert_eq!(status(&guesser.guess("alice", "wrong")), 401);
        assert_eq!(guesser.world.outcome(), Outcome::WrongPassword);
    }
    for password in ["wrong", "alice-secret"] {
        assert_eq!(status(&guesser.guess("alice", password)), 401);
        assert_eq!(guesser.world.outcome(), Outcome::GuessingThrottled);
    }
    assert!(guesser.world.bindings("alice").is_empty());
    assert_eq!(status(&guesser.guess("bob", "bob-secret")), 200, "another name");
    guesser.phone.address = address("127.0.0.2:6001");
    assert_eq!(status(&guesser.guess("alice", "alice-secret")), 200, "another source");
    guesser.phone.address = address("127.0.0.1:6002");
    assert_eq!(status(&guesser.guess("alice", "alice-secret")), 401, "another port of the same source");
    guesser.world.pass(Duration::from_secs(12));
    assert_eq!(status(&guesser.guess("alice", "alice-secret")), 200, "one answer in twelve seconds is looked at");
    for _ in 0..20 {
        assert_eq!(status(&guesser.guess("carol", "carol-secret")), 200, "right answers cost nothing");
    }
}

/// Nothing on the wire tells a name that exists from one that does not, nor a right password from a wrong one, once the
/// limit is reached and before.
#[test]
fn the_limit_is_the_same_for_every_name_and_shows_in_no_byte() {
    let log = |user: &'static str, password: &'static str, setup: &Setup| {
        let mut guesser = Guesser::new(setup);
        let texts: Vec<String> = (0..5).map(|_| guesser.guess(user, password)).collect();
        (texts.join("").replace(user, "NAME"), guesser.world.heard.outcomes)
    };
    let setup = Setup { failures_per_minute: 3, ..Setup::default() };
    let expected = log("alice", "wrong", &setup).0;
    let bare = |text: &str| text.lines().filter(|line| !line.starts_with("To:")).collect::<Vec<_>>().join("\n");
    for (user, password) in [("nobody", "wrong"), ("disabled", "disabled-secret"), ("bob", "wrong")] {
        let (text, outcomes) = log(user, password, &setup);
        assert_eq!(bare(&text), bare(&expected), "{user}");
        assert_eq!(&outcomes[3..], [Outcome::GuessingThrottled; 2], "{user}");
    }
    // The right password from where it opens nothing counts as a guess, or the quick answer to a throttled one would tell.
    for acl in [vec![("127.0.9.0/24", Rule::Allow)], vec![("127.0.0.1/32", Rule::Deny)]] {
        let setup = Setup { acl, ..setup.clone() };
        for (user, password) in [("alice", "alice-secret"), ("alice", "wrong"), ("nobody", "wrong")] {
            let (text, _) = log(user, password, &setup);
            assert_eq!(bare(&text), bare(&expected), "{user} {password}");
            let mut guesser = Guesser::new(&setup);
            (0..3).for_each(|_| drop(guesser.guess(user, password)));
            let name = user.as_bytes();
            let source = guesser.phone.address.ip();
            assert!(guesser.world.shared.failures.is_past_limit(source, name, guesser.world.now), "{user} {password}");
        }
    }
}

/// Whoever forges the address of a registered phone cannot throw it out.
#[test]
fn a_source_with_a_live_binding_of_the_name_is_always_looked_at() {
    let mut guesser = Guesser::new(&Setup { failures_per_minute: 2, ..Setup::default() });
    assert_eq!(status(&guesser.guess("alice", "alice-secret")), 200);
    for _ in 0..10 {
        guesser.guess("alice", "wrong");
        assert_eq!(guesser.world.outcome(), Outcome::WrongPassword);
    }
    assert_eq!(status(&guesser.guess("alice", "alice-secret")), 200);
    guesser.phone.address = address("127.0.0.2:6001");
    (0..2).for_each(|_| drop(guesser.guess("alice", "wrong")));
    assert_eq!(status(&guesser.guess("alice", "alice-secret")), 401, "the binding is of another source");
    guesser.world.pass(Duration::from_secs(601));
    guesser.phone.address = address("127.0.0.1:6001");
    (0..2).for_each(|_| drop(guesser.guess("alice", "wrong")));
    assert_eq!(status(&guesser.guess("alice", "alice-secret")), 401, "the binding has ended");
}

/// After a restart every phone's nonce is foreign, after a pause it is old: neither is a guess.
#[test]
fn a_right_answer_to_an_old_nonce_is_no_failure() {
    let mut guesser = Guesser::new(&Setup { failures_per_minute: 2, ..Setup::default() });
    let elsewhere = World::new(&Setup { other_keys: true, ..Setup::default() }).nonce(1);
    let old = guesser.world.nonce(1);
    guesser.world.pass(Duration::from_secs(301));
    for nonce in [&old, &elsewhere, &old, &elsewhere, &old] {
        let plain = guesser.phone.register_with("");
        let answer = guesser.phone.answer_with("Authorization", &plain, nonce, "MD5", 1);
        let text = guesser.phone.with_answer(&plain, &answer);
        assert!(guesser.phone.send(&mut guesser.world, &text)[0].text.contains("stale=true"));
    }
    assert_eq!(status(&guesser.guess("alice", "alice-secret")), 200);
}

/// Clients that have a new nonce may send the answer to the old one along, in either order. A third answer is not looked at:
/// a request is no list of passwords to try.
#[test]
fn two_answers_for_our_realm_are_looked_at_and_each_is_a_guess() {
    let mut world = World::new(&Setup { failures_per_minute: 2, ..Setup::default() });
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut wrong = Phone::new("nobody", "127.0.0.1:6001");
    wrong.password = "wrong";
    let mut send = |world: &mut World, order: &[bool], salt: u64| {
        let plain = alice.register_with("");
        let nonce = world.nonce(salt);
        let answer = |right: &bool| {
            let phone = if *right { &alice } else { &wrong };
            phone.answer_with("Authorization", &plain, &nonce, "MD5", 1)
        };
        let answers: String = order.iter().map(answer).collect();
        let text = alice.with_answer(&plain, &answers);
        let sent = alice.send(world, &text);
        status(&sent[0].text)
    };
    let throttled = |world: &World| world.shared.failures.is_past_limit([127, 0, 0, 1].into(), b"nobody", world.now);
    assert_eq!(send(&mut world, &[false, true], 1), 200);
    assert_eq!(send(&mut world, &[true, false], 2), 200, "the second is looked at as well");
    assert!(throttled(&world), "each was a guess, though another answer was right");
    assert_eq!(send(&mut world, &[false, false, true], 3), 401);
    assert_eq!(send(&mut world, &[true, true], 4), 200);
}

#[test]
fn a_call_goes_on_under_its_route_token_whatever_the_rate() {
    let mut world = limited(2);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.2:6002");
    bob.register(&mut world);
    let invite = alice.invite_with("bob", "");
    let (text, sent) = alice.authenticate(&mut world, &invite);
    let contact = format!("Contact: <{}>\r\n", bob.contact());
    let answered = bob.send(&mut world, &bob.respond(&sent[1].text, 200, "bt", &contact));
    for number in 0..3 {
        alice.send(&mut world, &ping("sip:127.0.0.1", 70, number));
    }
    assert_eq!(world.outcome(), Outcome::RateLimited);
    let (to, route) = (header(&answered[0].text, "To").unwrap(), header(&answered[0].text, "Record-Route").unwrap());
    let call_id = header(&text, "Call-ID").unwrap();
    let bye = alice.request("BYE", &bob.contact(), to, call_id, &format!("Route: {route}\r\n"), "");
    let sent = alice.send(&mut world, &bye);
    assert_eq!((sent.len(), world.outcome()), (1, Outcome::ForwardedInDialog));
}

#[test]
fn an_options_ping_is_answered_without_state_also_at_its_last_hop() {
    let mut world = limited(4);
    let uris =
        ["sip:127.0.0.1".to_owned(), "sip:127.0.0.1:5060;transport=udp".to_owned(), format!("sip:{TRUNK_DOMAIN}")];
    for (number, (uri, hops)) in (1..).zip(uris.iter().zip([70, 0, 0])) {
        let text = ping(uri, hops, number);
        let sent = world.datagram(address("127.0.0.1:6001"), &text);
        assert_eq!((sent.len(), status(&sent[0].text), world.outcome()), (1, 200, Outcome::OptionsAnswered), "{uri}");
        for field in ["Allow", "Accept", "Supported"] {
            assert!(header(&sent[0].text, field).is_some(), "{field} in {}", sent[0].text);
        }
    }
    assert!(world.is_idle());
    for number in 5..8 {
        world.datagram(address("127.0.0.1:6001"), &ping("sip:127.0.0.1", 70, number));
    }
    assert_eq!(world.outcome(), Outcome::RateLimited);
}

#[test]
fn options_to_a_user_or_to_another_host_is_no_ping() {
    let mut world = World::ordinary();
    for (uri, hops, code) in [
        ("sip:bob@127.0.0.1", 70, 401),
        ("sip:bob@127.0.0.1", 0, 483),
        ("sip:192.0.2.1", 70, 403),
        ("sip:192.0.2.1", 0, 483),
    ] {
        let sent = world.datagram(address("127.0.0.1:6001"), &ping(uri, hops, 1));
        assert_eq!(status(&sent[0].text), code, "{uri} {hops}");
    }
}

#[test]
fn every_method_passes_the_gate() {
    let mut world = World::ordinary();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let log = world.heard.log.clone();
    for method in [
        "INVITE",
        "BYE",
        "OPTIONS",
        "MESSAGE",
        "SUBSCRIBE",
        "NOTIFY",
        "REFER",
        "INFO",
        "UPDATE",
        "PRACK",
        "PUBLISH",
        "FOO",
        "invite",
        "Ack",
        "REGISTER",
        "x!%*_+`'~.-",
    ] {
        let route =
            "Route: <sip:127.0.0.1;lr>\r\nRoute: <sip:127.0.0.1:5060;lr;tk=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA>\r\n";
        for (to, extra) in
            [("<sip:bob@127.0.0.1>", ""), ("<sip:bob@127.0.0.1>;tag=x", ""), ("<sip:bob@127.0.0.1>;tag=x", route)]
        {
            let text = alice.request(method, "sip:bob@127.0.0.1", to, method, extra, "");
            let sent = alice.send(&mut world, &text);
            assert_eq!((sent.len(), status(&sent[0].text)), (1, 401), "{method} {to} {extra}: {sent:?}");
            assert_eq!(world.outcome(), Outcome::Challenged);
        }
    }
    assert!(world.is_idle());
    assert_eq!(world.heard.log, log);
}

/// A CANCEL is never challenged; one that belongs to nothing is not let through to make noise, either.
#[test]
fn a_cancel_for_nothing_is_under_the_rate() {
    let mut world = limited(2);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    for number in 1..=4 {
        let text = alice.request("CANCEL", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "c", "", "");
        let sent = alice.send(&mut world, &text);
        assert_eq!(
            sent.iter().map(|sent| status(&sent.text)).collect::<Vec<_>>(),
            if number <= 2 { vec![481] } else { vec![] }
        );
    }
    assert!(world.is_idle());
}

#[test]
fn an_ack_is_never_answered() {
    let mut worlds = [
        World::ordinary(),
        World::new(&Setup { policy: AuthPolicy::IpOnly, acl: vec![("127.0.0.0/8", Rule::Allow)], ..Setup::default() }),
    ];
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let good = alice.request("ACK", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>;tag=x", "c", "", "");
    let rewritten = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        text
    };
    for text in [
        good.clone(),
        rewritten("Max-Forwards: 70", "Max-Forwards: 0"),
        rewritten("Max-Forwards: 70", "Max-Forwards: 700"),
        rewritten("Max-Forwards: 70", "Proxy-Require: foo\r\nMax-Forwards: 70"),
        rewritten("sip:bob@127.0.0.1 ", "sip:bob@192.0.2.1 "),
        rewritten("sip:bob@127.0.0.1 ", "tel:+123 "),
        rewritten("sip:bob@127.0.0.1 ", " sip:bob@127.0.0.1 "),
        rewritten("ACK sip:bob@127.0.0.1 ", "ACK\tsip:bob@127.0.0.1 "),
        rewritten("SIP/2.0", "SIP/3.0"),
        rewritten("SIP/2.0", "HTTP/1.1"),
        rewritten("CSeq: 1 ACK", "CSeq: 1 INVITE"),
        rewritten("CSeq: 1 ACK", "CSeq: x"),
        rewritten("From: <sip:alice", "From: <sip:alice\x01"),
        rewritten("Content-Length: 0", "Content-Length: 99"),
        rewritten("Content-Length: 0", "Route: <sip:192.0.2.1;lr>\r\nContent-Length: 0"),
        rewritten("Content-Length: 0", "Subject: folded\r\n over\r\nContent-Length: 0"),
        rewritten("\r\n\r\n", "\r\n"),
    ] {
        for world in &mut worlds {
            let sent = alice.send(world, &text);
            assert!(sent.is_empty(), "{text}\ngot {sent:?}");
        }
    }
}

#[test]
fn a_response_is_never_answered() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let request = alice.request("OPTIONS", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "c", "", "");
    let tail = request.split_once("\r\n").unwrap().1;
    for line in [
        "SIP/2.0 200 OK",
        "SIP/2.0 100 Trying",
        "SIP/2.0 401 Unauthorized",
        "SIP/2.0 200",
        "SIP/2.0 200 ",
        "sip/2.0 200 OK",
        "SIP/2.0 99 Low",
        "SIP/2.0 700 High",
        "SIP/2.0 4294967301 better not break the receiver",
        "SIP/2.0  200 OK",
        "SIP/2.0\t200 OK",
        "SIP/2.0 OK",
        "SIP/2.0",
        "SIP/7.0 200 OK",
        "SIP/3.0 200 OK",
        "SIP/2.0 2xx OK",
        "SIP/2.0 -1 OK",
        "SIP/ 200 OK",
    ] {
        for tail in
            [tail, &tail.replace("CSeq: 1", "CSeq: x"), &tail.replace("\r\n\r\n", "\r\n"), &tail.replace("Via:", "X:")]
        {
            let sent = alice.send(&mut world, &format!("{line}\r\n{tail}"));
            assert!(sent.is_empty(), "{line}\ngot {sent:?}");
        }
    }
}

/// Their messages are taken apart in `hostile`.
pub(crate) const SCENARIOS: &[fn()] = &[
    a_source_beyond_its_rate_hears_nothing_and_no_other_source_suffers,
    traffic_with_a_nonce_of_ours_is_not_counted,
    an_old_nonce_of_ours_is_counted_like_none,
    a_wrong_answer_costs_its_source_and_a_right_one_is_never_dropped,
    after_too_many_wrong_answers_for_a_name_its_answers_are_not_looked_at,
    the_limit_is_the_same_for_every_name_and_shows_in_no_byte,
    a_source_with_a_live_binding_of_the_name_is_always_looked_at,
    a_right_answer_to_an_old_nonce_is_no_failure,
    two_answers_for_our_realm_are_looked_at_and_each_is_a_guess,
    a_call_goes_on_under_its_route_token_whatever_the_rate,
    an_options_ping_is_answered_without_state_also_at_its_last_hop,
    options_to_a_user_or_to_another_host_is_no_ping,
    every_method_passes_the_gate,
    a_cancel_for_nothing_is_under_the_rate,
    an_ack_is_never_answered,
    a_response_is_never_answered,
];
