//! Our reader of messages and rsip, held against each other (product §7). Where rsip takes a message and is known to be
//! right, both read the same; what it refuses is served all the same and counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test fails by panicking, also in the functions it shares with others, and says why it skips"
)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use sipward::message::{Head, Name, Request, second_reader, unfold};

use support::phone::{Phone, header, headers, status};
use support::{World, record};

/// What became of holding the two readers against each other.
#[derive(Debug, PartialEq, Eq)]
enum Comparison {
    /// We refuse the message, so rsip is never asked.
    NotServed,
    /// rsip refuses what we serve.
    Refused,
    /// Both read the same Call-ID, CSeq number, Expires and User-Agent.
    Agreed,
}

/// Reads a message with both and panics where they read a field differently.
fn compare(message: &[u8]) -> Comparison {
    let mut bytes = message.to_vec();
    if Head::read(&bytes).is_err() {
        unfold(&mut bytes);
    }
    let shown = || String::from_utf8_lossy(message).into_owned();
    let Ok(head) = Head::read(&bytes) else { return Comparison::NotServed };
    let Ok(request) = Request::parse(head, false) else { return Comparison::NotServed };
    let Ok(second) = second_reader::read(request.head.bytes()) else { return Comparison::Refused };
    assert_eq!(second.difference(request.call_id, request.cseq), None, "{}", shown());
    let own_expires =
        request.head.get(Name::Expires).and_then(|value| std::str::from_utf8(value).ok()?.parse::<u32>().ok());
    if let Some(expires) = second.expires {
        assert_eq!(Some(expires), own_expires, "Expires of {}", shown());
    }
    if let Some(agent) = &second.user_agent {
        assert_eq!(Some(agent.as_bytes()), request.head.get(Name::UserAgent), "User-Agent of {}", shown());
    }
    Comparison::Agreed
}

/// What phones and server say to each other when phones register and call.
fn spoken() -> Vec<Vec<u8>> {
    record(|| {
        let mut world = World::ordinary();
        let mut alice = Phone::new("alice", "127.0.0.1:6001");
        let mut bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(1);
        bob.register(&mut world);
        alice.register(&mut world);
        let many = "User-Agent: A phone/1.0 (with; odd, words)\r\nContact: <sip:alice@127.0.0.1:6001>, <sip:alice@127.0.0.1:6002>;q=0.5\r\nExpires: 600\r\n";
        let request = alice.register_with(many);
        alice.authenticate(&mut world, &request);
        let invite = alice.invite_with("bob", "User-Agent: A phone\r\n");
        let (text, sent) = alice.authenticate(&mut world, &invite);
        let contact = format!("Contact: <{}>\r\n", bob.contact());
        let answered = bob.send(&mut world, &bob.respond(&sent[1].text, 200, "bt", &contact));
        let (to, call_id) = (header(&answered[0].text, "To").unwrap(), header(&text, "Call-ID").unwrap());
        let mut routes = headers(&answered[0].text, "Record-Route");
        routes.reverse();
        let extra = format!("Route: {}\r\nExpires: 30\r\n", routes.join(", "));
        let again = alice.request("INVITE", &bob.contact(), to, call_id, &extra, "v=0\r\n");
        assert!(alice.send(&mut world, &again).len() > 1);
        world.pass(Duration::from_secs(300));
    })
}

fn files(folder: &Path, extension: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("its bytes")).collect()
}

fn torture() -> Vec<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("SIPWARD_SHARED").map_or(beside, PathBuf::from).join("torture");
    if !shared.is_dir() {
        println!("skipped: the torture messages in {} are absent", shared.display());
        return Vec::new();
    }
    ["rfc4475", "rfc5118"].iter().flat_map(|rfc| files(&shared.join(rfc), "dat")).collect()
}

#[test]
fn both_readers_agree_on_what_phones_say() {
    let messages = spoken();
    let requests: Vec<_> =
        messages.iter().filter(|message| message.starts_with(b"REGISTER") || message.starts_with(b"INVITE")).collect();
    assert!(requests.len() >= 11, "{}", requests.len());
    for message in requests {
        assert_eq!(compare(message), Comparison::Agreed, "{}", String::from_utf8_lossy(message));
    }
}

#[test]
fn both_readers_agree_on_odd_messages_as_far_as_rsip_takes_them() {
    let mut messages = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), "sip");
    assert!(messages.len() >= 8);
    messages.extend(torture());
    let results: Vec<Comparison> = messages.iter().map(|message| compare(message)).collect();
    assert!(results.contains(&Comparison::Refused) && results.contains(&Comparison::Agreed), "{results:?}");
}

/// Words and texts as header fields may hold them. Line folding and compact names are left out: rsip does not read them.
fn request() -> impl Strategy<Value = (String, String, u32, Option<u32>, Option<String>)> {
    let word = "[A-Za-z0-9.!%*_+`'~()<>:\\\\/\\[\\]?{}-]{1,40}";
    let call_id =
        (word, proptest::option::of(word)).prop_map(|(one, two)| two.map_or(one.clone(), |two| format!("{one}@{two}")));
    let user = "[A-Za-z0-9_.!~*'()&=+$,-]{1,20}";
    let agent = proptest::option::of("[!-~]([ -~]{0,60}[!-~])?");
    let name = proptest::option::of("\"([a-zA-Z ,;<>@:]|\\\\\"){0,20}\" ");
    let kind = prop_oneof!["REGISTER", "INVITE"];
    let expires = proptest::option::of(any::<u32>());
    (kind, call_id, 0..0x7fff_ffff_u32, expires, agent, user, name, any::<u16>(), 0..4_usize).prop_map(
        |(method, call_id, cseq, expires, agent, user, name, port, extra)| {
            let uri = if method == "REGISTER" { "sip:example.invalid".to_owned() } else { format!("sip:{user}@example.invalid:{}", port.max(1)) };
            let mut text = format!("{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bK{port};rport\r\n", port.max(1));
            for number in 0..extra {
                text += &format!("X-Field-{number}: {port}, \"a, b\" ;c=d\r\n");
            }
            let name = name.unwrap_or_default();
            text += &format!("Max-Forwards: 70\r\nFrom: {name}<sip:{user}@example.invalid>;tag={port}\r\nTo: <sip:{user}@example.invalid>\r\n");
            text += &format!("Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: {name}<sip:{user}@127.0.0.1:5070>;expires=60\r\n");
            if let Some(expires) = expires {
                text += &format!("Expires: {expires}\r\n");
            }
            if let Some(agent) = &agent {
                text += &format!("User-Agent: {agent}\r\n");
            }
            (text + "Content-Length: 0\r\n\r\n", call_id, cseq, expires, agent)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Both read what was written, and so the same.
    #[test]
    fn both_readers_read_what_was_written((text, call_id, cseq, expires, agent) in request()) {
        let head = Head::read(text.as_bytes()).expect("no folds");
        let request = Request::parse(head, false).map_err(|(malformed, _)| malformed).expect("a request");
        prop_assert_eq!(request.call_id, call_id.as_bytes());
        prop_assert_eq!(request.cseq, cseq);
        let own_expires = request.head.get(Name::Expires).map(|value| String::from_utf8_lossy(value).into_owned());
        prop_assert_eq!(own_expires, expires.map(|expires| expires.to_string()));
        prop_assert_eq!(request.head.get(Name::UserAgent), agent.as_ref().map(String::as_bytes));
        let second = second_reader::read(text.as_bytes());
        prop_assert!(second.is_ok(), "rsip refuses {}", text);
        let second = second.expect("read");
        prop_assert_eq!(second.call_id, Some(call_id));
        prop_assert_eq!(second.cseq, Some(cseq));
        prop_assert_eq!(second.expires, expires);
        prop_assert_eq!(second.user_agent, agent);
    }
}

/// A message that rsip refuses and what the server makes of it.
struct Odd {
    what: &'static str,
    rewrite: fn(String) -> String,
}

const REFUSED_BY_RSIP: &[Odd] = &[
    Odd {
        what: "IPv6 request line",
        rewrite: |text| text.replacen("REGISTER sip:127.0.0.1 ", "REGISTER sip:[::1] ", 1),
    },
    Odd { what: "blank before a colon", rewrite: |text| text.replacen("Max-Forwards:", "Max-Forwards :", 1) },
];

/// Folded lines have been unfolded before rsip sees them. Compact names are no reason for it to refuse; it passes over
/// them, and ours counts.
const SERVED: &[Odd] = &[
    Odd {
        what: "folded line",
        rewrite: |text| text.replacen("Max-Forwards: 70", "Subject: one\r\n two\r\nMax-Forwards: 70", 1),
    },
    Odd {
        what: "compact names",
        rewrite: |text| {
            let compact = [
                ("Via:", "v:"),
                ("From:", "f:"),
                ("To:", "t:"),
                ("Call-ID:", "i:"),
                ("Contact:", "m:"),
                ("Content-Length:", "l:"),
            ];
            compact.iter().fold(text, |text, (long, short)| text.replacen(long, short, 1))
        },
    },
    Odd { what: "a user with dots", rewrite: |text| text.replacen("From: <sip:alice@", "From: <sip:john.doe@", 1) },
    Odd { what: "no blank after a colon", rewrite: |text| text.replace(": ", ":") },
];

/// Registers alice with a rewritten REGISTER. Returns the status and what was heard of it.
fn register(odd: &Odd) -> (u16, Vec<String>, usize) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let plain = (odd.rewrite)(alice.register_with("Contact: <sip:alice@127.0.0.1:6001>;expires=600\r\n"));
    let uri = plain.split(' ').nth(1).unwrap().to_owned();
    let answer = alice.answer_for("Authorization", "REGISTER", &uri, &world.nonce(1), "MD5", 1);
    let text = plain.replacen("\r\n\r\n", &format!("\r\n{answer}\r\n"), 1);
    let sent = alice.send(&mut world, &text);
    (status(&sent[0].text), world.heard.log.clone(), world.bindings("alice").len())
}

#[test]
fn what_rsip_refuses_is_served_and_counted() {
    for odd in REFUSED_BY_RSIP {
        let (code, log, bound) = register(odd);
        assert_eq!((code, bound), (200, 1), "{}", odd.what);
        assert_eq!(log, ["rsip refused", "registered alice"], "{}", odd.what);
    }
    for odd in SERVED {
        let (code, log, bound) = register(odd);
        assert_eq!((code, bound), (200, 1), "{}", odd.what);
        assert!(!log.iter().any(|line| line.starts_with("rsip differs")), "{}: {log:?}", odd.what);
    }
}

/// What keeps rsip from being the one reader.
#[test]
fn rsip_by_itself_refuses_what_the_server_must_serve() {
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let plain = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
    assert!(second_reader::read(plain.as_bytes()).is_ok());
    let folded = plain.replacen("Max-Forwards: 70", "Subject: one\r\n two\r\nMax-Forwards: 70", 1);
    let unknown = plain.replace("REGISTER", "FOO");
    for odd in REFUSED_BY_RSIP.iter().map(|odd| (odd.rewrite)(plain.clone())).chain([folded, unknown]) {
        assert_eq!(second_reader::read(odd.as_bytes()), Err(second_reader::Refused), "{odd}");
        let mut unfolded = odd.clone().into_bytes();
        unfold(&mut unfolded);
        assert!(Request::parse(Head::read(&unfolded).unwrap(), false).is_ok(), "{odd}");
    }
}

/// An INVITE that starts a dialog is read by both; no other method is, for rsip does not know them all.
#[test]
fn what_rsip_refuses_is_forwarded_and_counted() {
    for (method, what, heard) in [
        ("INVITE", "plain", false),
        ("INVITE", "odd", true),
        ("INVITE", "[::1]", true),
        ("FOO", "unknown method", false),
    ] {
        let mut world = World::ordinary();
        let mut alice = Phone::new("alice", "127.0.0.1:6001");
        Phone::new("bob", "127.0.0.1:6002").register(&mut world);
        let uri = if what == "[::1]" { "sip:bob@[::1]" } else { "sip:bob@127.0.0.1" };
        let extra = if what == "odd" { "Subject : one\r\n" } else { "" };
        let plain = alice.request(method, uri, "<sip:bob@127.0.0.1>", "call", extra, "");
        let (_, sent) = alice.authenticate(&mut world, &plain);
        assert!(sent.iter().any(|sent| sent.text.starts_with(method)), "{what}: {sent:?}");
        assert_eq!(world.heard.log.contains(&"rsip refused".to_owned()), heard, "{what}: {:?}", world.heard.log);
    }
}

/// A refresh that changes nothing but the expiry is not read twice: that is most of all traffic.
#[test]
fn a_refresh_is_read_once() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let odd = "Subject : one\r\nContact: <sip:alice@127.0.0.1:6001>\r\n";
    for _ in 0..3 {
        let request = alice.register_with(odd);
        let (_, sent) = alice.authenticate(&mut world, &request);
        assert_eq!(status(&sent[0].text), 200);
    }
    assert_eq!(world.heard.log, ["rsip refused", "registered alice"]);
}
