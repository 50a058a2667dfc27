//! Who may say what of himself (product §2 step 6), and which names select the trunk (§1).

use sipward::event::Outcome;

use crate::support::phone::{Phone, header, status};
use crate::support::{OTHER_DOMAIN, Setup, TRUNK_DOMAIN, World};

/// A call of alice to bob, rewritten before she answers for it.
fn call(setup: &Setup, rewrite: impl Fn(String) -> String) -> (u16, Outcome) {
    let mut world = World::new(setup);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let plain = rewrite(alice.invite_with("bob", ""));
    let answer = alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1);
    let text = alice.with_answer(&plain, &answer);
    let sent = alice.send(&mut world, &text);
    (status(&sent[0].text), world.outcome())
}

fn from(uri: &str) -> impl Fn(String) -> String + '_ {
    move |text| text.replace("From: <sip:alice@127.0.0.1>", &format!("From: {uri}"))
}

const LET_THROUGH: (u16, Outcome) = (100, Outcome::Forwarded);
const REFUSED: (u16, Outcome) = (403, Outcome::NotYourFrom);

#[test]
fn a_caller_says_its_own_name_at_any_name_of_the_server() {
    let ordinary = Setup::default();
    for own in [
        "<sip:alice@127.0.0.1>",
        "<sip:alice@127.0.0.1:5060>",
        "<sip:alice@127.0.0.1:6001>",
        "\"Alice\" <sip:alice@localhost>",
        "sip:alice@127.0.0.1",
        "<sip:%61lice@127.0.0.1;transport=udp>",
        "<sip:alice@[::1]>",
        "Alice of Foo <sip:alice:pw@127.0.0.1>",
        &format!("<sip:alice@{TRUNK_DOMAIN}>"),
        &format!("<sip:alice@{}>", TRUNK_DOMAIN.to_ascii_uppercase()),
    ] {
        assert_eq!(call(&ordinary, from(own)), LET_THROUGH, "{own}");
    }
}

#[test]
fn another_user_or_host_in_from_is_refused_unless_the_trunk_lets_any_through() {
    let any = Setup { caller_id_any: true, ..Setup::default() };
    for foreign in [
        "<sip:bob@127.0.0.1>",
        "<sip:Alice@127.0.0.1>",
        "<sip:127.0.0.1>",
        "<sip:alice@192.0.2.1>",
        "<sip:alice@example.invalid>",
        "<tel:+4930123456>",
        "<sip:anonymous@anonymous.invalid>",
        "\"alice\" <sip:boss@127.0.0.1>",
        "<sip:alice%00@127.0.0.1>",
        "<sip:alice%40127.0.0.1@127.0.0.1>",
    ] {
        assert_eq!(call(&Setup::default(), from(foreign)), REFUSED, "{foreign}");
        assert_eq!(call(&any, from(foreign)), LET_THROUGH, "{foreign}");
    }
}

#[test]
fn an_anonymous_caller_says_who_he_is_elsewhere() {
    let anonymous = |field: &str| {
        let field = field.to_owned();
        move |text: String| {
            from("\"Anonymous\" <sip:anonymous@anonymous.invalid>")(text)
                .replace("Max-Forwards", &format!("{field}Max-Forwards"))
        }
    };
    let ordinary = Setup::default();
    for own in [
        "P-Preferred-Identity: <sip:alice@127.0.0.1>\r\n",
        "P-Asserted-Identity: \"A\" <sip:alice@127.0.0.1:5060>\r\n",
        "P-Asserted-Identity: <tel:+4930123>, <sip:alice@127.0.0.1>\r\n",
    ] {
        assert_eq!(call(&ordinary, anonymous(own)), LET_THROUGH, "{own}");
    }
    for foreign in [
        "P-Preferred-Identity: <sip:bob@127.0.0.1>\r\n",
        "P-Asserted-Identity: <sip:alice@192.0.2.1>\r\n",
        "Remote-Party-ID: <sip:alice@127.0.0.1>\r\n",
    ] {
        assert_eq!(call(&ordinary, anonymous(foreign)), REFUSED, "{foreign}");
    }
    // Who is not anonymous cannot speak for another by the same means.
    let bob = |text: String| {
        from("<sip:bob@127.0.0.1>")(text)
            .replace("Max-Forwards", "P-Preferred-Identity: <sip:alice@127.0.0.1>\r\nMax-Forwards")
    };
    assert_eq!(call(&ordinary, bob), REFUSED);
}

#[test]
fn the_rule_holds_for_every_method_that_is_no_register() {
    for method in ["MESSAGE", "SUBSCRIBE", "REFER", "OPTIONS", "PUBLISH", "FOO"] {
        let mut world = World::ordinary();
        let mut alice = Phone::new("alice", "127.0.0.1:6001");
        let mut bob = Phone::new("bob", "127.0.0.1:6002");
        bob.register(&mut world);
        for (nc, (user, expected)) in (1..).zip([("bob", Outcome::NotYourFrom), ("alice", Outcome::Forwarded)]) {
            let plain =
                alice.request(method, "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", &format!("{method}-{user}"), "", "");
            let plain = plain.replace("From: <sip:alice@", &format!("From: <sip:{user}@"));
            let answer = alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", nc);
            let text = alice.with_answer(&plain, &answer);
            alice.send(&mut world, &text);
            assert_eq!(world.outcome(), expected, "{method} from {user}");
        }
    }
}

/// A domain of another trunk is not a name of this one, though account and realm are the same.
#[test]
fn a_name_at_another_trunk_is_another_name() {
    let two = Setup { second_trunk: true, ..Setup::default() };
    let other = format!("<sip:alice@{OTHER_DOMAIN}>");
    assert_eq!(call(&two, from(&other)), REFUSED);
    let mut world = World::new(&two);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let plain = to(&other)(alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n"));
    let answer = alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1);
    let text = alice.with_answer(&plain, &answer);
    assert_eq!(status(&alice.send(&mut world, &text)[0].text), 404);
    // Registered there, she is not found here.
    let plain = plain.replacen("sip:127.0.0.1", &format!("sip:{OTHER_DOMAIN}"), 1);
    let answer = alice.answer_with("Authorization", &plain, &world.nonce(2), "MD5", 1);
    let text = plain.replacen("Content-Length:", &format!("{answer}Content-Length:"), 1);
    assert_eq!(status(&alice.send(&mut world, &text)[0].text), 200);
    assert_eq!((world.bindings("alice").len(), world.shared.location.len()), (0, 1));
}

/// A REGISTER of alice, rewritten before she answers for it.
fn register(rewrite: impl Fn(String) -> String) -> (u16, Outcome, World) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let plain = rewrite(alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n"));
    let answer = alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1);
    let text = alice.with_answer(&plain, &answer);
    let sent = alice.send(&mut world, &text);
    (status(&sent[0].text), world.outcome(), world)
}

fn to(value: &str) -> impl Fn(String) -> String + '_ {
    move |text| text.replace("To: <sip:alice@127.0.0.1>", &format!("To: {value}"))
}

#[test]
fn every_name_of_an_address_of_record_is_the_same_one() {
    for own in [
        "<sip:alice@127.0.0.1:5060>",
        "<sip:alice@127.0.0.1:6001>",
        "sip:alice@127.0.0.1",
        "sip:alice@127.0.0.1:5060;tag=x",
        "<sip:%61l%69ce@127.0.0.1>",
        "\"A, <B>\" <sip:alice@localhost;transport=tcp>",
        "<sip:alice:pw@127.0.0.1>",
        &format!("<sip:alice@{TRUNK_DOMAIN}>"),
    ] {
        let (code, outcome, world) = register(to(own));
        assert_eq!((code, outcome), (200, Outcome::RegisterAccepted), "{own}");
        assert_eq!(world.bindings("alice").len(), 1, "{own}");
    }
}

#[test]
fn a_credential_registers_no_address_of_record_but_its_own() {
    for foreign in [
        "<sip:bob@127.0.0.1>",
        "<sip:Alice@127.0.0.1>",
        "<sip:127.0.0.1>",
        "<sip:alice%20@127.0.0.1>",
        "<sip:alice%00@127.0.0.1>",
        "<sip:%ff@127.0.0.1>",
    ] {
        let (code, outcome, world) = register(to(foreign));
        assert_eq!((code, outcome), (403, Outcome::NotYourAor), "{foreign}");
        assert!(world.shared.location.is_empty(), "{foreign}");
    }
}

/// From names who registers on whose behalf (RFC 3261 §10.2); To alone is bound.
#[test]
fn from_counts_for_nothing_in_a_register() {
    let (code, _, world) =
        register(|text| text.replace("From: <sip:alice@127.0.0.1>", "From: <sip:secretary@192.0.2.1>"));
    assert_eq!((code, world.bindings("alice").len()), (200, 1));
}

#[test]
fn to_of_another_domain_is_not_found() {
    for foreign in
        ["<sip:alice@192.0.2.1>", "<sip:alice@example.invalid>", "<tel:+123>", "<sip:alice@87654321.sipward.invalid>"]
    {
        let (code, outcome, world) = register(to(foreign));
        assert_eq!((code, outcome), (404, Outcome::NotOurs), "{foreign}");
        assert!(world.shared.location.is_empty());
    }
}

#[test]
fn a_foreign_request_uri_is_no_way_out() {
    for foreign in [
        "sip:bob@192.0.2.1",
        "sip:bob@example.invalid",
        "sip:bob@127.0.0.1:6002",
        "sip:bob@87654321.sipward.invalid",
        "sip:bob@127.0.0.1.example.invalid",
    ] {
        let rewrite = |text: String| text.replacen("sip:bob@127.0.0.1", foreign, 1);
        assert_eq!(call(&Setup::default(), rewrite), (403, Outcome::NotOurs), "{foreign}");
        let (code, outcome, _) = register(|text| text.replacen("sip:127.0.0.1", foreign, 1));
        assert_eq!((code, outcome), (404, Outcome::NotOurs), "{foreign}");
    }
}

#[test]
fn a_called_name_is_found_under_every_spelling_but_another_case() {
    let uri = |uri: &'static str| move |text: String| text.replacen("sip:bob@127.0.0.1", uri, 1);
    for same in [
        "sip:%62ob@127.0.0.1",
        "sip:bob@127.0.0.1:5060;user=phone",
        "sip:bob@localhost",
        "sip:bob@[::1]:5060",
        "SIP:bob@127.0.0.1",
    ] {
        assert_eq!(call(&Setup::default(), uri(same)), LET_THROUGH, "{same}");
    }
    assert_eq!(call(&Setup::default(), uri("sip:Bob@127.0.0.1")), (404, Outcome::NotFound));
    assert_eq!(call(&Setup::default(), uri("sip:carol@127.0.0.1")), (480, Outcome::NotRegistered));
    assert_eq!(call(&Setup::default(), uri("sip:127.0.0.1")), (404, Outcome::NotFound));
}

/// RFC 3261 §18.3: over datagrams the end of the packet is the end of the body.
#[test]
fn a_datagram_needs_no_content_length() {
    let (code, _, world) = register(|text| text);
    assert_eq!((code, world.bindings("alice").len()), (200, 1));
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
    let answer = alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1);
    let text = alice.with_answer(&plain, &answer).replace("Content-Length: 0\r\n", "");
    assert_eq!(status(&alice.send(&mut world, &text)[0].text), 200);
    let plain = alice.invite_with("bob", "");
    let answer = alice.answer_with("Authorization", &plain, &world.nonce(2), "MD5", 1);
    let text = alice.with_answer(&plain, &answer).replace("Content-Length: 5\r\n", "");
    let sent = alice.send(&mut world, &text);
    assert_eq!(header(&sent[1].text, "Content-Length"), Some("5"));
    assert!(sent[1].text.ends_with("\r\n\r\nv=0\r\n"));
}

/// Their messages are taken apart in `hostile`.
pub(crate) const SCENARIOS: &[fn()] = &[
    a_caller_says_its_own_name_at_any_name_of_the_server,
    another_user_or_host_in_from_is_refused_unless_the_trunk_lets_any_through,
    an_anonymous_caller_says_who_he_is_elsewhere,
    the_rule_holds_for_every_method_that_is_no_register,
    a_name_at_another_trunk_is_another_name,
    every_name_of_an_address_of_record_is_the_same_one,
    a_credential_registers_no_address_of_record_but_its_own,
    from_counts_for_nothing_in_a_register,
    to_of_another_domain_is_not_found,
    a_foreign_request_uri_is_no_way_out,
    a_called_name_is_found_under_every_spelling_but_another_case,
    a_datagram_needs_no_content_length,
];
