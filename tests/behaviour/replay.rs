//! What was captured and is sent again does nothing but earn a challenge; what was lost and is repeated gets the answer
//! that it missed (product §3, "Replay").

use std::time::Duration;

use sipward::auth::{Algorithm, ChallengeStatus, Ha1Set, NonceKeys, ResponseInput, response};
use sipward::clock::Timestamp;
use sipward::event::Outcome;

use crate::support::phone::{Phone, header, headers, quoted, status};
use crate::support::{REALM, START_S, Sent, Setup, World, address};

const ELSEWHERE: &str = "127.0.0.9:6666";

fn alice() -> Phone {
    Phone::new("alice", "127.0.0.1:6001")
}

/// A REGISTER of alice's contact with an answer of that nonce and nonce-count, as a transaction of its own.
fn register(alice: &mut Phone, nonce: &str, nc: u32) -> String {
    let plain = alice.register_with(&format!("Contact: <{}>;expires=600\r\n", alice.contact()));
    let answer = alice.answer_with("Authorization", &plain, nonce, "MD5", nc);
    alice.with_answer(&plain, &answer)
}

fn is_stale_challenge(sent: &[Sent]) {
    assert_eq!(sent.len(), 1, "{sent:?}");
    let text = &sent[0].text;
    assert!(matches!(status(text), 401 | 407), "{text}");
    assert!(text.contains(", stale=true"), "{text}");
}

fn is_registered(sent: &[Sent]) {
    assert_eq!(sent.iter().map(|sent| status(&sent.text)).collect::<Vec<_>>(), [200], "{sent:?}");
}

#[test]
fn a_replayed_register_from_elsewhere_earns_a_challenge_and_changes_nothing() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let captured = register(&mut alice, &world.nonce(1), 1);
    is_registered(&alice.send(&mut world, &captured));
    let remove = alice.register_with("Contact: *\r\nExpires: 0\r\n");
    let answer = alice.answer_with("Authorization", &remove, &world.nonce(2), "MD5", 1);
    let remove = alice.with_answer(&remove, &answer);
    is_registered(&alice.send(&mut world, &remove));
    assert!(world.bindings("alice").is_empty());
    is_stale_challenge(&world.datagram(address(ELSEWHERE), &captured));
    is_stale_challenge(&world.stream(address(ELSEWHERE), 9, &captured));
    // The attacker's own Via and a new CSeq make it no fresher.
    let moved = captured.replace("127.0.0.1:6001;branch", "127.0.0.9:6666;branch").replace("CSeq: 2 ", "CSeq: 99 ");
    assert_ne!(moved, captured);
    is_stale_challenge(&world.datagram(address(ELSEWHERE), &moved));
    assert_eq!(world.outcome(), Outcome::ReplayedAnswer);
    assert!(world.bindings("alice").is_empty() && world.is_idle());
}

#[test]
fn a_replayed_register_from_the_same_port_is_no_retransmission_after_32_seconds() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let captured = register(&mut alice, &world.nonce(1), 1);
    is_registered(&alice.send(&mut world, &captured));
    world.pass(Duration::from_millis(31_900));
    is_registered(&alice.send(&mut world, &captured));
    assert_eq!(world.outcome(), Outcome::Retransmission);
    world.pass(Duration::from_millis(200));
    let before = world.bindings("alice");
    is_stale_challenge(&alice.send(&mut world, &captured));
    assert_eq!(world.bindings("alice"), before);
}

#[test]
fn a_replayed_invite_reaches_nobody() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let invite = alice.invite_with("bob", "");
    let (captured, sent) = alice.authenticate(&mut world, &invite);
    assert_eq!(sent.len(), 2);
    // While it rings, when it has been answered, and when it is over.
    is_stale_challenge(&world.datagram(address(ELSEWHERE), &captured));
    is_stale_challenge(&world.stream(address(ELSEWHERE), 9, &captured));
    bob.send(&mut world, &bob.respond(&sent[1].text, 486, "bt", ""));
    is_stale_challenge(&world.datagram(address(ELSEWHERE), &captured));
    let ack = captured.replacen("INVITE", "ACK", 1).replace(" INVITE\r\n", " ACK\r\n");
    assert!(alice.send(&mut world, &ack).is_empty());
    world.pass(Duration::from_secs(40));
    is_stale_challenge(&alice.send(&mut world, &captured));
    is_stale_challenge(&world.datagram(address(ELSEWHERE), &captured));
    assert_eq!(world.heard.log.iter().filter(|line| *line == "call started").count(), 1);
    assert!(world.is_idle());
}

/// A captured answer is bound to its method and its uri: it opens nothing else.
#[test]
fn a_captured_answer_opens_no_other_request() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let nonce = world.nonce(1);
    let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
    let answer = alice.answer_with("Authorization", &plain, &nonce, "MD5", 1);
    let invite = alice.invite_with("bob", &answer);
    let sent = alice.send(&mut world, &invite);
    assert_eq!((status(&sent[0].text), world.outcome()), (401, Outcome::WrongPassword));
    assert!(!sent[0].text.contains("stale"));
    // And it has not been used up by that.
    let register = alice.with_answer(&plain, &answer);
    is_registered(&alice.send(&mut world, &register));
}

#[test]
fn a_retransmitted_register_gets_the_answer_that_it_missed() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let text = register(&mut alice, &world.nonce(1), 1);
    let first = alice.send(&mut world, &text);
    is_registered(&first);
    for _ in 0..3 {
        let again = alice.send(&mut world, &text);
        assert_eq!(again[0].text, first[0].text);
    }
    assert_eq!(world.heard.log, ["registered alice"]);
    // An un-REGISTER too, though no binding is left that could tell of it.
    let remove = alice.register_with("Contact: *\r\nExpires: 0\r\n");
    let answer = alice.answer_with("Authorization", &remove, &world.nonce(2), "MD5", 1);
    let remove = alice.with_answer(&remove, &answer);
    let first = alice.send(&mut world, &remove);
    is_registered(&first);
    assert_eq!(alice.send(&mut world, &remove)[0].text, first[0].text);
    assert!(world.bindings("alice").is_empty());
}

/// All phones of one user at once, as after a power cut: each that missed its answer gets it, and not a challenge.
#[test]
fn each_of_many_phones_of_one_user_gets_the_answer_that_it_missed() {
    let mut world = World::ordinary();
    let mut phones: Vec<Phone> = (1..=10).map(|host| Phone::new("alice", &format!("127.0.0.{host}:6001"))).collect();
    let mut salt = 0;
    let mut round = |world: &mut World, extra: fn(&Phone) -> String| {
        let mut texts = Vec::new();
        for phone in &mut phones {
            salt += 1;
            let plain = phone.register_with(&extra(phone));
            let answer = phone.answer_with("Authorization", &plain, &world.nonce(salt), "MD5", 1);
            let text = phone.with_answer(&plain, &answer);
            is_registered(&phone.send(world, &text));
            texts.push(text);
        }
        for (phone, text) in phones.iter_mut().zip(&texts) {
            is_registered(&phone.send(world, text));
            assert_eq!(world.outcome(), Outcome::Retransmission);
        }
        world.pass(Duration::from_secs(32));
        for (phone, text) in phones.iter_mut().zip(&texts) {
            is_stale_challenge(&phone.send(world, text));
        }
    };
    round(&mut world, |phone| format!("Contact: <{}>;expires=600\r\n", phone.contact()));
    round(&mut world, |phone| format!("Contact: <{}>;expires=600\r\n", phone.contact()));
    round(&mut world, |_| String::new());
    round(&mut world, |phone| format!("Contact: <{}>;expires=0\r\n", phone.contact()));
    assert!(world.bindings("alice").is_empty());
}

/// A REGISTER of alice with an answer as in RFC 2069: no qop, no nc, no cnonce.
fn register_rfc2069(alice: &mut Phone, password: &str, nonce: &str) -> String {
    let plain = alice.register_with(&format!("Contact: <{}>;expires=600\r\n", alice.contact()));
    let uri = plain.split(' ').nth(1).unwrap();
    let input = ResponseInput {
        method: b"REGISTER",
        uri: uri.as_bytes(),
        nonce: nonce.as_bytes(),
        cnonce: b"",
        qop: None,
        body: b"",
    };
    let ha1 = Ha1Set::from_password(b"alice", REALM.as_bytes(), password.as_bytes());
    let digest = response(Algorithm::Md5, ha1.get(Algorithm::Md5).unwrap(), false, &input);
    let digits = String::from_utf8_lossy(digest.as_bytes());
    let answer = format!(
        "Authorization: Digest username=\"alice\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{digits}\"\r\n"
    );
    alice.with_answer(&plain, &answer)
}

#[test]
fn an_answer_without_qop_is_accepted_where_the_operator_says_so_and_once_for_a_nonce() {
    let mut strict = World::ordinary();
    let mut alice = alice();
    let text = register_rfc2069(&mut alice, "alice-secret", &strict.nonce(1));
    let sent = alice.send(&mut strict, &text);
    assert_eq!((status(&sent[0].text), strict.outcome()), (401, Outcome::MalformedAnswer));

    let mut world = World::new(&Setup { allow_rfc2069: true, ..Setup::default() });
    let nonce = world.nonce(1);
    let text = register_rfc2069(&mut alice, "wrong", &nonce);
    let sent = alice.send(&mut world, &text);
    assert_eq!((status(&sent[0].text), world.outcome()), (401, Outcome::WrongPassword));
    let text = register_rfc2069(&mut alice, "alice-secret", &nonce);
    is_registered(&alice.send(&mut world, &text));
    is_registered(&alice.send(&mut world, &text));
    assert_eq!(world.outcome(), Outcome::Retransmission);
    is_stale_challenge(&world.datagram(address(ELSEWHERE), &text));
    let again = register_rfc2069(&mut alice, "alice-secret", &nonce);
    is_stale_challenge(&alice.send(&mut world, &again));
    let counted = register(&mut alice, &nonce, 1);
    is_stale_challenge(&alice.send(&mut world, &counted));
    let counted = register(&mut alice, &world.nonce(2), 1);
    is_registered(&alice.send(&mut world, &counted));
}

#[test]
fn a_retransmitted_register_that_was_refused_is_refused_again() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let brief = format!("Contact: <{}>;expires=5\r\n", alice.contact());
    let foreign = format!("Contact: <{}>\r\n", alice.contact());
    for (extra, to, code) in
        [(brief, "alice", 423), (foreign, "bob", 403), ("Contact: <nonsense\r\n".to_owned(), "alice", 400)]
    {
        let plain = alice.register_with(&extra).replace("To: <sip:alice@", &format!("To: <sip:{to}@"));
        let answer = alice.answer_with("Authorization", &plain, &world.nonce(u64::from(code)), "MD5", 1);
        let text = alice.with_answer(&plain, &answer);
        let first = alice.send(&mut world, &text);
        assert_eq!((first.len(), status(&first[0].text)), (1, code), "{first:?}");
        let again = alice.send(&mut world, &text);
        assert_eq!((again.len(), &again[0].text), (1, &first[0].text));
        assert_eq!(world.outcome(), Outcome::Retransmission);
        is_stale_challenge(&world.datagram(address(ELSEWHERE), &text));
        world.pass(Duration::from_secs(33));
        is_stale_challenge(&alice.send(&mut world, &text));
    }
    assert!(world.bindings("alice").is_empty() && world.bindings("bob").is_empty() && world.is_idle());
}

#[test]
fn a_retransmitted_invite_gets_the_last_response() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let invite = alice.invite_with("bob", "");
    let (text, sent) = alice.authenticate(&mut world, &invite);
    let again = alice.send(&mut world, &text);
    assert_eq!((again.len(), &again[0].text), (1, &sent[0].text), "100 again");
    for code in [180, 183, 486] {
        let response = bob.send(&mut world, &bob.respond(&sent[1].text, code, "bt", ""));
        let response = response.iter().find(|sent| status(&sent.text) == code).expect("passed on").text.clone();
        let again = alice.send(&mut world, &text);
        assert_eq!((again.len(), &again[0].text), (1, &response), "{code} again");
    }
    let refused = alice.invite_with("nobody", "");
    let (text, first) = alice.authenticate(&mut world, &refused);
    assert_eq!(status(&first[0].text), 404);
    assert_eq!(alice.send(&mut world, &text)[0].text, first[0].text);
}

#[test]
fn nonce_counts_may_jump_and_come_out_of_order_but_not_twice() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let nonce = world.nonce(1);
    for nc in [1, 2, 10, 7, 9, 8, 40, 11, 1_000, 999, 0x0fff_ffff] {
        let text = register(&mut alice, &nonce, nc);
        let sent = alice.send(&mut world, &text);
        assert_eq!(status(&sent[0].text), 200, "nc {nc}");
    }
    for nc in [0x0fff_ffff, 0, 1, 2, 999, 5, 0x0fff_ffff - 64] {
        let text = register(&mut alice, &nonce, nc);
        is_stale_challenge(&alice.send(&mut world, &text));
    }
    let text = register(&mut alice, &nonce, 0x0fff_ffff - 63);
    is_registered(&alice.send(&mut world, &text));
}

#[test]
fn a_nonce_count_counts_over_all_transports_and_methods() {
    let mut world = World::ordinary();
    let (mut udp, mut tcp) = (alice(), alice().over_tcp(1));
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let nonce = world.nonce(1);
    let text = register(&mut udp, &nonce, 1);
    is_registered(&udp.send(&mut world, &text));
    tcp.cseq = 100;
    let text = register(&mut tcp, &nonce, 1);
    is_stale_challenge(&tcp.send(&mut world, &text));
    let text = register(&mut tcp, &nonce, 2);
    is_registered(&tcp.send(&mut world, &text));
    for (nc, reaches) in [(2, false), (3, true), (1, false)] {
        let invite = udp.invite_with("bob", "");
        let answer = udp.answer_with("Authorization", &invite, &nonce, "MD5", nc);
        let invite = udp.with_answer(&invite, &answer);
        let sent = udp.send(&mut world, &invite);
        match reaches {
            true => assert_eq!(sent.iter().map(|sent| status(&sent.text)).collect::<Vec<_>>(), [100, 0]),
            false => is_stale_challenge(&sent),
        }
    }
}

/// The price is one more round trip each time.
#[test]
fn a_client_that_always_sends_one_as_nonce_count_still_works() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let mut nonce = world.nonce(1);
    for round in 0..5 {
        let text = register(&mut alice, &nonce, 1);
        let mut sent = alice.send(&mut world, &text);
        if round > 0 {
            is_stale_challenge(&sent);
            nonce = quoted(&sent[0].text, "nonce").unwrap().to_owned();
            let text = register(&mut alice, &nonce, 1);
            sent = alice.send(&mut world, &text);
        }
        is_registered(&sent);
        world.pass(Duration::from_secs(40));
    }
}

#[test]
fn an_expired_nonce_is_stale_for_a_right_answer_only() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let nonce = world.nonce(1);
    world.pass(Duration::from_secs(299));
    let text = register(&mut alice, &nonce, 1);
    is_registered(&alice.send(&mut world, &text));
    world.pass(Duration::from_secs(1));
    let text = register(&mut alice, &nonce, 2);
    is_stale_challenge(&alice.send(&mut world, &text));
    assert_eq!(world.outcome(), Outcome::StaleNonce);
    alice.password = "wrong";
    let text = register(&mut alice, &nonce, 3);
    let sent = alice.send(&mut world, &text);
    assert!(status(&sent[0].text) == 401 && !sent[0].text.contains("stale"));
}

/// The windows of a process that has ended are gone, so its nonces must not be fresh to the next one.
#[test]
fn nonces_from_before_this_start_are_stale() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let before = Timestamp::from_secs(START_S - 10);
    let mint = |key| {
        let earlier = NonceKeys::new([key; 32], Duration::from_secs(300), before);
        String::from_utf8_lossy(earlier.mint(REALM.as_bytes(), 1, before).as_bytes()).into_owned()
    };
    let ours = 5;
    for key in [ours, ours + 1] {
        let text = register(&mut alice, &mint(key), 1);
        is_stale_challenge(&alice.send(&mut world, &text));
        assert!(world.bindings("alice").is_empty());
    }
    alice.password = "wrong";
    for key in [ours, ours + 1] {
        let text = register(&mut alice, &mint(key), 1);
        let sent = alice.send(&mut world, &text);
        assert!(status(&sent[0].text) == 401 && !sent[0].text.contains("stale"));
    }
}

#[test]
fn wrong_answers_use_nothing_up() {
    let mut world = World::ordinary();
    let (mut alice, mut thief) = (alice(), alice());
    thief.password = "guess";
    let nonce = world.nonce(1);
    for nc in [1, 0x7fff_ffff, 2] {
        let text = register(&mut thief, &nonce, nc);
        assert!(!thief.send(&mut world, &text)[0].text.contains("stale"));
    }
    assert_eq!(
        world.shared.replay.admit(sipward::auth::NonceId { minted_ms: world.now.millis(), salt: 1 }, 1, world.now),
        sipward::auth::Replay::Fresh
    );
    let text = register(&mut alice, &nonce, 2);
    is_registered(&alice.send(&mut world, &text));
}

#[test]
fn each_algorithm_registers_and_no_other_than_those_offered() {
    for (number, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        let mut world = World::new(&Setup { algorithms: vec![algorithm], ..Setup::default() });
        let mut alice = alice();
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let challenge = alice.send(&mut world, &plain);
        let value = header(&challenge[0].text, "WWW-Authenticate").unwrap();
        assert!(value.contains(&format!("algorithm={},", algorithm.token())), "{value}");
        let other = Algorithm::ALL[(number + 1) % 3];
        let answer = alice.answer_with("Authorization", &plain, quoted(value, "nonce").unwrap(), other.token(), 1);
        let text = alice.with_answer(&plain, &answer);
        let sent = alice.send(&mut world, &text);
        assert_eq!((status(&sent[0].text), world.outcome()), (401, Outcome::AlgorithmRefused));
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let answer = alice.answer(&plain, &challenge[0].text, 1);
        let text = alice.with_answer(&plain, &answer);
        is_registered(&alice.send(&mut world, &text));
    }
}

#[test]
fn a_trunk_offers_its_algorithms_in_its_order_and_takes_each() {
    let offered = [Algorithm::Sha512_256, Algorithm::Md5, Algorithm::Sha256];
    let mut world = World::new(&Setup { algorithms: offered.to_vec(), ..Setup::default() });
    let mut alice = alice();
    let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
    let challenge = alice.send(&mut world, &plain)[0].text.clone();
    let lines = headers(&challenge, "WWW-Authenticate");
    assert_eq!(lines.len(), 3);
    for (nc, (line, algorithm)) in (1..).zip(lines.iter().zip(offered)) {
        assert!(line.contains(&format!("algorithm={},", algorithm.token())), "{line}");
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let answer = alice.answer_with("Authorization", &plain, quoted(line, "nonce").unwrap(), algorithm.token(), nc);
        let text = alice.with_answer(&plain, &answer);
        is_registered(&alice.send(&mut world, &text));
    }
}

/// RFC 7616 §3.4: without the parameter it is MD5, so a client cannot be talked down where MD5 is not offered.
#[test]
fn an_answer_without_algorithm_is_md5() {
    for (offered, code) in [(Algorithm::Md5, 200), (Algorithm::Sha256, 401)] {
        let mut world = World::new(&Setup { algorithms: vec![offered], ..Setup::default() });
        let mut alice = alice();
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let answer =
            alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1).replace(", algorithm=MD5", "");
        let text = alice.with_answer(&plain, &answer);
        assert_eq!(status(&alice.send(&mut world, &text)[0].text), code);
    }
}

#[test]
fn an_answer_is_taken_in_either_field() {
    let mut world = World::ordinary();
    let mut alice = alice();
    for (nc, field) in (1..).zip(["Proxy-Authorization", "Authorization", "proxy-authorization"]) {
        let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
        let answer = alice.answer_with(field, &plain, &world.nonce(1), "MD5", nc);
        let text = alice.with_answer(&plain, &answer);
        is_registered(&alice.send(&mut world, &text));
    }
}

#[test]
fn a_trunk_may_challenge_calls_with_407_and_registers_with_401_all_the_same() {
    let setup = Setup { call_challenge: ChallengeStatus::ProxyAuthenticationRequired, ..Setup::default() };
    let mut world = World::new(&setup);
    let mut alice = alice();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let plain = alice.invite_with("bob", "");
    let challenge = alice.send(&mut world, &plain)[0].text.clone();
    assert_eq!(status(&challenge), 407);
    assert!(header(&challenge, "Proxy-Authenticate").is_some() && header(&challenge, "WWW-Authenticate").is_none());
    for field in ["Proxy-Authorization", "Authorization"] {
        let plain = alice.invite_with("bob", "");
        let answer = alice.answer_with(field, &plain, &world.nonce(9), "MD5", alice.calls);
        let text = alice.with_answer(&plain, &answer);
        let sent = alice.send(&mut world, &text);
        assert_eq!(sent.iter().map(|sent| status(&sent.text)).collect::<Vec<_>>(), [100, 0], "{field}");
        assert!(header(&sent[1].text, field).is_none(), "{}", sent[1].text);
    }
}

/// Answers for other realms pass unchanged; one for ours is found behind them.
#[test]
fn an_answer_is_found_among_those_of_other_realms() {
    let mut world = World::ordinary();
    let mut alice = alice();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let plain = alice.invite_with("bob", "");
    let ours = alice.answer_with("Proxy-Authorization", &plain, &world.nonce(1), "MD5", 1);
    let foreign = ours.replace(REALM, "other.invalid").replace("nonce=\"", "nonce=\"x");
    let old = "Authorization: Basic YWxpY2U6c2VjcmV0\r\nAuthorization: Digest username=\"alice\", realm=\"third.invalid\"\r\n";
    let text = alice.with_answer(&plain, &format!("{foreign}{old}{ours}"));
    let sent = alice.send(&mut world, &text);
    assert_eq!(sent.iter().map(|sent| status(&sent.text)).collect::<Vec<_>>(), [100, 0], "{sent:?}");
    let forwarded = &sent[1].text;
    assert!(!forwarded.contains(REALM), "{forwarded}");
    assert_eq!(headers(forwarded, "Proxy-Authorization").len(), 1);
    assert_eq!(headers(forwarded, "Authorization").len(), 2);
}

/// Their messages are taken apart in `hostile`.
pub(crate) const SCENARIOS: &[fn()] = &[
    a_replayed_register_from_elsewhere_earns_a_challenge_and_changes_nothing,
    a_replayed_register_from_the_same_port_is_no_retransmission_after_32_seconds,
    a_replayed_invite_reaches_nobody,
    a_captured_answer_opens_no_other_request,
    a_retransmitted_register_gets_the_answer_that_it_missed,
    each_of_many_phones_of_one_user_gets_the_answer_that_it_missed,
    an_answer_without_qop_is_accepted_where_the_operator_says_so_and_once_for_a_nonce,
    a_retransmitted_register_that_was_refused_is_refused_again,
    a_retransmitted_invite_gets_the_last_response,
    nonce_counts_may_jump_and_come_out_of_order_but_not_twice,
    a_nonce_count_counts_over_all_transports_and_methods,
    a_client_that_always_sends_one_as_nonce_count_still_works,
    an_expired_nonce_is_stale_for_a_right_answer_only,
    nonces_from_before_this_start_are_stale,
    wrong_answers_use_nothing_up,
    each_algorithm_registers_and_no_other_than_those_offered,
    a_trunk_offers_its_algorithms_in_its_order_and_takes_each,
    an_answer_without_algorithm_is_md5,
    an_answer_is_taken_in_either_field,
    a_trunk_may_challenge_calls_with_407_and_registers_with_401_all_the_same,
    an_answer_is_found_among_those_of_other_realms,
];
