//! The digest uri is hashed as sent and may differ from the Request-URI where both mean the same (product §3; RFC 7616
//! §3.4.6). Odd but harmless ways to write an answer are taken as well.

use sipward::event::Outcome;

use crate::support::phone::{Phone, status};
use crate::support::{OTHER_DOMAIN, Setup, TRUNK_DOMAIN, World};

fn register(uri: &str, digest_uri: &str) -> (u16, Outcome) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n").replacen("sip:127.0.0.1", uri, 1);
    let answer = alice.answer_for("Authorization", "REGISTER", digest_uri, &world.nonce(1), "MD5", 1);
    let text = alice.with_answer(&plain, &answer);
    let sent = alice.send(&mut world, &text);
    (status(&sent[0].text), world.outcome())
}

fn call(uri: &str, digest_uri: &str) -> (u16, Outcome) {
    let mut world = World::new(&Setup { second_trunk: true, ..Setup::default() });
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let plain = alice.invite_with("bob", "").replacen("sip:bob@127.0.0.1", uri, 1);
    let answer = alice.answer_for("Authorization", "INVITE", digest_uri, &world.nonce(1), "MD5", 1);
    let text = alice.with_answer(&plain, &answer);
    let sent = alice.send(&mut world, &text);
    (status(&sent[0].text), world.outcome())
}

#[test]
fn equivalent_uris_are_accepted() {
    let domain = format!("sip:{TRUNK_DOMAIN}");
    for (uri, digest_uri) in [
        ("sip:127.0.0.1", "sip:127.0.0.1"),
        ("sip:127.0.0.1", "sip:127.0.0.1:5060"),
        ("sip:127.0.0.1", "sip:127.0.0.1;transport=udp"),
        ("sip:127.0.0.1:5060;transport=udp", "sip:127.0.0.1"),
        ("sip:127.0.0.1:5060", "sip:127.0.0.1:5060;transport=udp"),
        ("sip:127.0.0.1", "sip:localhost"),
        ("sip:127.0.0.1", "SIP:127.0.0.1"),
        ("sip:127.0.0.1", &domain),
        (&domain, "sip:127.0.0.1"),
        (&domain, &domain.to_ascii_uppercase().replace("SIP:", "sip:")),
    ] {
        assert_eq!(register(uri, digest_uri), (200, Outcome::RegisterAccepted), "{uri} answered as {digest_uri}");
    }
    for (uri, digest_uri) in [
        ("sip:bob@127.0.0.1", "sip:bob@127.0.0.1:5060"),
        ("sip:bob@127.0.0.1", "sip:bob@127.0.0.1;transport=tcp"),
        ("sip:bob@127.0.0.1", "sip:127.0.0.1"),
        ("sip:bob@127.0.0.1", "sip:%62ob@127.0.0.1"),
        ("sip:%62ob@127.0.0.1:5060;transport=udp", "sip:bob@127.0.0.1"),
        ("sip:bob@127.0.0.1", &format!("sip:bob@{TRUNK_DOMAIN}")),
    ] {
        assert_eq!(call(uri, digest_uri), (100, Outcome::Forwarded), "{uri} answered as {digest_uri}");
    }
}

#[test]
fn another_user_or_host_is_refused_though_the_hash_is_right() {
    for digest_uri in [
        "sip:carol@127.0.0.1",
        "sip:BOB@127.0.0.1",
        "sip:bob@192.0.2.1",
        "sip:192.0.2.1",
        "sip:bob@example.invalid",
        "tel:+123",
        "bob@127.0.0.1",
        "*",
        "/",
        "sip:bob@127.0.0.1@192.0.2.1",
        &format!("sip:bob@{OTHER_DOMAIN}"),
        &format!("sip:{OTHER_DOMAIN}"),
    ] {
        assert_eq!(call("sip:bob@127.0.0.1", digest_uri), (401, Outcome::WrongDigestUri), "{digest_uri}");
    }
    for digest_uri in ["sip:bob@127.0.0.1", "sip:192.0.2.1", "sip:example.invalid"] {
        assert_eq!(register("sip:127.0.0.1", digest_uri), (401, Outcome::WrongDigestUri), "{digest_uri}");
    }
}

/// Sends a REGISTER whose answer line has been rewritten.
fn rewritten(rewrite: impl FnOnce(String) -> String) -> (u16, Outcome) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
    let answer = rewrite(alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1));
    let text = alice.with_answer(&plain, &answer);
    let sent = alice.send(&mut world, &text);
    assert_eq!(sent.len(), 1);
    assert_eq!(world.bindings("alice").len(), usize::from(status(&sent[0].text) == 200));
    (status(&sent[0].text), world.outcome())
}

#[test]
fn what_real_clients_write_is_read() {
    let accepted = (200, Outcome::RegisterAccepted);
    assert_eq!(
        rewritten(|line| line.replace("Authorization: ", "Authorization:  ")),
        accepted,
        "Linphone's two blanks"
    );
    assert_eq!(rewritten(|line| line.replace("Authorization: Digest ", "AUTHORIZATION:dIgEsT\t")), accepted);
    assert_eq!(rewritten(|line| line.replace("qop=auth", "qop=\"auth\"")), accepted);
    assert_eq!(rewritten(|line| line.replace("algorithm=MD5", "algorithm=\"md5\"")), accepted);
    assert_eq!(rewritten(|line| line.replace(", ", ",")), accepted);
    assert_eq!(rewritten(|line| line.replace(", ", "\r\n ,\r\n\t")), accepted, "folded");
    assert_eq!(rewritten(|line| line.replace("cnonce=", "opaque=\"\",, auth-param=\"x,y\" , cnonce=")), accepted);
    assert_eq!(rewritten(|line| line.replace("username=\"alice\"", "username=\"\\alice\"")), accepted);
}

#[test]
fn what_is_doubtful_in_an_answer_is_refused() {
    let refused = |outcome| (401, outcome);
    let wrong = refused(Outcome::WrongPassword);
    let malformed = refused(Outcome::MalformedAnswer);
    let digits = |line: &str| line.split("response=\"").nth(1).unwrap()[..32].to_owned();
    assert_eq!(rewritten(|line| line.replace(&digits(&line), &digits(&line).to_ascii_uppercase())), wrong);
    assert_eq!(rewritten(|line| line.replace(&digits(&line), &digits(&line)[..31])), wrong);
    assert_eq!(rewritten(|line| line.replace(&digits(&line), &format!("{}0", digits(&line)))), wrong);
    assert_eq!(rewritten(|line| line.replace(&digits(&line), "")), wrong);
    assert_eq!(rewritten(|line| line.replace("cnonce=\"cn\"", "cnonce=\"cn\", nonce=\"x\"")), malformed);
    assert_eq!(rewritten(|line| line.replace("nc=00000001", "nc=1")), malformed);
    assert_eq!(rewritten(|line| line.replace("nc=00000001, ", "")), malformed);
    assert_eq!(rewritten(|line| line.replace("qop=auth, ", "")), malformed);
    assert_eq!(rewritten(|line| line.replace("qop=auth,", "qop=auth-int,")), malformed);
    assert_eq!(rewritten(|line| line.replace("cnonce=\"cn\"", "cnonce=\"cn")), malformed);
    assert_eq!(rewritten(|_| "Authorization: Digest\r\n".to_owned()), malformed);
    assert_eq!(
        rewritten(|line| line.replace("algorithm=MD5", "algorithm=MD5-sess")),
        refused(Outcome::AlgorithmRefused)
    );
    assert_eq!(rewritten(|line| line.replace("username=\"alice\"", "username=\"bob\"")), wrong);
    assert_eq!(
        rewritten(|line| line.replace("username=\"alice\"", "username=\"ALICE\"")),
        refused(Outcome::UnknownUser)
    );
    let long = "a".repeat(2_000);
    assert_eq!(
        rewritten(|line| line.replace("username=\"alice\"", &format!("username=\"{long}\""))),
        refused(Outcome::UnknownUser)
    );
}

/// Their messages are taken apart in `hostile`.
pub(crate) const SCENARIOS: &[fn()] = &[
    equivalent_uris_are_accepted,
    another_user_or_host_is_refused_though_the_hash_is_right,
    what_real_clients_write_is_read,
    what_is_doubtful_in_an_answer_is_refused,
];
