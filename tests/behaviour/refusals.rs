//! What a refusal tells the outside: nothing. Every reason gets the same bytes, the nonce apart, and its own outcome
//! (product §2: "look the same from outside").

use std::time::Duration;

use sipward::acl::Rule;
use sipward::auth::{Algorithm, ChallengeStatus};
use sipward::event::Outcome;
use sipward::flow::Flow;

use crate::support::phone::{Phone, quoted, status};
use crate::support::{REALM, SERVER, Setup, World, address};

const LISTED: (&str, Rule) = ("127.0.0.0/24", Rule::Allow);

/// A reason to refuse alice: how the trunk stands, the password that she uses, the realm that she answers for.
struct Reason {
    outcome: Outcome,
    setup: Setup,
    password: &'static str,
    realm: &'static str,
}

fn reasons(base: &Setup) -> Vec<Reason> {
    let listed = || Setup { acl: vec![LISTED], ..base.clone() };
    let with = |outcome, setup| Reason { outcome, setup, password: "alice-secret", realm: REALM };
    let without_alice = base.users.iter().copied().filter(|(name, ..)| *name != "alice").collect();
    let disabled_alice =
        base.users.iter().map(|(name, password, on)| (*name, *password, *on && *name != "alice")).collect();
    vec![
        Reason { password: "wrong", ..with(Outcome::WrongPassword, listed()) },
        with(Outcome::OutsideAcl, Setup { acl: vec![("127.0.1.0/24", Rule::Allow)], ..base.clone() }),
        with(Outcome::UnknownUser, Setup { users: without_alice, ..listed() }),
        with(Outcome::DisabledCredential, Setup { users: disabled_alice, ..listed() }),
        with(Outcome::TrunkDisabled, Setup { enabled: false, ..listed() }),
        with(Outcome::AddressDenied, Setup { acl: vec![LISTED, ("127.0.0.1/32", Rule::Deny)], ..base.clone() }),
        Reason { realm: "elsewhere.invalid", ..with(Outcome::WrongRealm, listed()) },
    ]
}

/// Sends one answered request of alice and returns the refusal with its nonce taken out, and the outcome.
fn refusal(reason: &Reason, method: &str, nonce_age: Duration, tcp: bool) -> (String, Outcome) {
    let mut world = World::new(&reason.setup);
    world.bind("bob", "sip:bob@127.0.0.1:6002", Flow::udp(address(SERVER), address("127.0.0.1:6002")));
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    if tcp {
        alice = alice.over_tcp(1);
    }
    alice.password = reason.password;
    let contact = format!("Contact: <{}>\r\n", alice.contact());
    let plain = if method == "REGISTER" { alice.register_with(&contact) } else { alice.invite_with("bob", "") };
    let nonce = world.nonce(1);
    world.pass(nonce_age);
    let algorithm = reason.setup.algorithms[0].token();
    let answer = alice.answer_with("Authorization", &plain, &nonce, algorithm, 1).replace(REALM, reason.realm);
    let text = alice.with_answer(&plain, &answer);
    let sent = alice.send(&mut world, &text);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(world.bindings("alice").is_empty() && world.is_idle());
    let text = &sent[0].text;
    let fresh = quoted(text, "nonce").unwrap_or_else(|| panic!("a challenge: {text}"));
    (text.replace(fresh, "NONCE"), world.outcome())
}

fn all_look_the_same(base: &Setup, method: &str, nonce_age: Duration, tcp: bool) {
    let mut seen = Vec::new();
    for reason in reasons(base) {
        let (text, outcome) = refusal(&reason, method, nonce_age, tcp);
        assert_eq!(outcome, reason.outcome, "{method}");
        assert!(!text.contains("stale"), "{outcome:?}: {text}");
        seen.push((outcome, text));
    }
    let (first, expected) = &seen[0];
    for (outcome, text) in &seen {
        assert_eq!(text, expected, "{method}: {outcome:?} does not look like {first:?}");
    }
}

#[test]
fn every_reason_gets_the_same_bytes_and_its_own_outcome() {
    for method in ["REGISTER", "INVITE"] {
        for tcp in [false, true] {
            all_look_the_same(&Setup::default(), method, Duration::ZERO, tcp);
        }
    }
}

/// `stale=true` would tell that the password was right.
#[test]
fn an_expired_nonce_tells_none_of_them_apart_either() {
    for method in ["REGISTER", "INVITE"] {
        all_look_the_same(&Setup::default(), method, Duration::from_secs(301), false);
    }
}

#[test]
fn nor_does_another_challenge() {
    let base = Setup {
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        call_challenge: ChallengeStatus::ProxyAuthenticationRequired,
        ..Setup::default()
    };
    for method in ["REGISTER", "INVITE"] {
        all_look_the_same(&base, method, Duration::ZERO, false);
        all_look_the_same(&base, method, Duration::from_secs(301), false);
    }
}

#[test]
fn only_who_may_come_in_hears_that_the_nonce_is_stale() {
    let welcome = Reason {
        outcome: Outcome::StaleNonce,
        setup: Setup { acl: vec![LISTED], ..Setup::default() },
        password: "alice-secret",
        realm: REALM,
    };
    for method in ["REGISTER", "INVITE"] {
        let (text, outcome) = refusal(&welcome, method, Duration::from_secs(301), false);
        assert_eq!(outcome, Outcome::StaleNonce);
        assert!(text.contains(", stale=true"), "{text}");
    }
}

/// Neither do names that no credential has at all differ from one that a password guesser has found.
#[test]
fn a_request_without_an_answer_gets_what_a_wrong_answer_gets() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    alice.password = "wrong";
    let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
    let answer = alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1);
    let answered = plain.replacen("Content-Length:", &format!("{answer}Content-Length:"), 1);
    let mut same = Vec::new();
    for text in [plain, answered] {
        let sent = alice.send(&mut world, &text);
        assert_eq!((sent.len(), status(&sent[0].text)), (1, 401));
        same.push(sent[0].text.replace(quoted(&sent[0].text, "nonce").unwrap(), "NONCE"));
    }
    assert_eq!(same[0], same[1]);
    assert_eq!(world.heard.outcomes, [Outcome::Challenged, Outcome::WrongPassword]);
}

/// Their messages are taken apart in `hostile`.
pub(crate) const SCENARIOS: &[fn()] = &[
    every_reason_gets_the_same_bytes_and_its_own_outcome,
    an_expired_nonce_tells_none_of_them_apart_either,
    nor_does_another_challenge,
    only_who_may_come_in_hears_that_the_nonce_is_stale,
    a_request_without_an_answer_gets_what_a_wrong_answer_gets,
];
