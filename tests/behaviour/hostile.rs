//! Hostile bytes through the whole engine: every message of the test set cut at every byte and with bytes changed
//! (security of the parser and of everything behind it).
//!
//! The set is what the other tests send and get, `tests/data/*.sip`, and the torture messages of RFC 4475 and RFC 5118
//! where they are beside the project.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sipward::engine::Load;
use sipward::flow::{ConnectionId, Flow};

use crate::support::phone::{Phone, header, status};
use crate::support::{SERVER, Setup, World, address, record};
use crate::{digest_uri, identity, rates, refusals, registrar, replay};

const STRANGER: &str = "127.0.0.66:6666";
const BOB: &str = "127.0.0.1:6002";

/// A small generator: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    /// A byte that means something to a parser, or any.
    fn byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"\r\n\0\t \"<>;:,=%@[]()\\/*&?0aZ-\x7f\xff";
        match self.roll(3) {
            0 => self.roll(256) as u8,
            _ => TELLING[self.roll(TELLING.len())],
        }
    }
}

/// A call with all its requests, over a datagram and a stream; a message; a call that is given up.
fn calls() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    for mut bob in [Phone::new("bob", BOB), Phone::new("bob", BOB).over_tcp(3)] {
        bob.cseq = alice.cseq * 10;
        bob.register(&mut world);
        let invite = alice.invite_with("bob", "User-Agent: Téléphone 1.0\r\nRoute: <sip:127.0.0.1;lr>\r\n");
        let (text, sent) = alice.authenticate(&mut world, &invite);
        let contact = format!("Contact: <{}>\r\n", bob.contact());
        let request = &sent.iter().find(|sent| sent.text.starts_with("INVITE")).unwrap().text;
        bob.send(&mut world, &bob.respond(request, 180, "bt", &contact));
        let answered = bob.send(&mut world, &bob.respond(request, 200, "bt", &contact));
        let reply = &answered.last().unwrap().text;
        let route = format!("Route: {}\r\n", headers_in_reverse(reply));
        let (to, call_id) = (header(reply, "To").unwrap(), header(&text, "Call-ID").unwrap());
        for method in ["ACK", "INFO", "UPDATE", "FOO", "BYE"] {
            let request = alice.request(method, &bob.contact(), to, call_id, &route, "");
            let sent = alice.send(&mut world, &request);
            if method != "ACK" {
                bob.send(&mut world, &bob.respond(&sent[0].text, 200, "bt", ""));
            }
        }
    }
    let invite = alice.invite_with("bob", "");
    let (text, _) = alice.authenticate(&mut world, &invite);
    let cancel = text.replacen("INVITE", "CANCEL", 1).replace(" INVITE\r\n", " CANCEL\r\n");
    assert!(!alice.send(&mut world, &cancel).is_empty());
    let message = alice.request("MESSAGE", "sip:bob@127.0.0.1", "<sip:bob@127.0.0.1>", "m", "", "hello");
    alice.authenticate(&mut world, &message);
    world.pass(Duration::from_secs(40));
}

fn headers_in_reverse(reply: &str) -> String {
    let mut routes = crate::support::phone::headers(reply, "Record-Route");
    routes.reverse();
    routes.join(", ")
}

/// What is alike but for its numbers, and for what stands in a digest answer, counts once; so do responses that have the
/// same fields.
fn shape(message: &[u8]) -> Vec<u8> {
    let is_response = message.starts_with(b"SIP/");
    let mut shape = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let names_only = is_response || line.windows(7).any(|window| window == b"Digest ");
        let shown =
            if names_only { line.split(|byte| matches!(byte, b':' | b' ')).next().unwrap_or_default() } else { line };
        for word in shown.split_inclusive(|byte| !byte.is_ascii_alphanumeric()) {
            let has_digits = word.iter().any(u8::is_ascii_digit);
            shape.extend_from_slice(if has_digits { &word[word.len() - 1..] } else { word });
        }
    }
    shape
}

fn files(folder: &Path, extension: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("its bytes")).collect()
}

/// The torture messages, or none where they are absent.
fn torture() -> Vec<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("SIPWARD_SHARED").map_or(beside, PathBuf::from).join("torture");
    if !shared.is_dir() {
        println!("skipped: the torture messages in {} are absent", shared.display());
        return Vec::new();
    }
    ["rfc4475", "rfc5118"].iter().flat_map(|rfc| files(&shared.join(rfc), "dat")).collect()
}

fn message_set() -> Vec<Vec<u8>> {
    let mut messages = record(|| {
        calls();
        for module in [
            refusals::SCENARIOS,
            digest_uri::SCENARIOS,
            identity::SCENARIOS,
            rates::SCENARIOS,
            registrar::SCENARIOS,
            replay::SCENARIOS,
        ] {
            module.iter().for_each(|scenario| scenario());
        }
    });
    messages.extend(files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"), "sip"));
    messages.extend(torture());
    let mut shapes = HashSet::new();
    messages.retain(|message| message.len() < 5_000 && shapes.insert(shape(message)));
    println!("{} messages", messages.len());
    assert!(messages.len() > 150, "the set has shrunk to {}", messages.len());
    messages
}

/// The message cut at every byte.
fn cut(message: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..message.len()).map(|at| message[..at].to_vec())
}

/// The message with one to three bytes changed, put in or taken out around every `step`th.
fn changed<'m>(message: &'m [u8], step: usize, dice: &'m mut Dice) -> impl Iterator<Item = Vec<u8>> + 'm {
    (0..message.len()).step_by(step).map(move |at| {
        let mut bytes = message.to_vec();
        let at = (at + dice.roll(step)).min(bytes.len() - 1);
        bytes[at] = dice.byte();
        for _ in 0..dice.roll(3) {
            let near = (at + dice.roll(40)).min(bytes.len() - 1);
            match dice.roll(3) {
                0 => bytes.insert(near, dice.byte()),
                1 if bytes.len() > 1 => drop(bytes.remove(near)),
                _ => bytes[near] = dice.byte(),
            }
        }
        bytes
    })
}

fn flow(number: usize) -> Flow {
    let (server, peer) = (address(SERVER), address(STRANGER));
    if number.is_multiple_of(3) { Flow::tcp(server, peer, ConnectionId::new(0, 66)) } else { Flow::udp(server, peer) }
}

/// The header section has whole lines only: no bare CR, bare LF or NUL stands in it.
fn assert_clean_lines(sent: &str, because: &[u8]) {
    let head = sent.split("\r\n\r\n").next().unwrap();
    let broken = head.replace("\r\n", "").contains(['\r', '\n', '\0']);
    assert!(
        !broken && sent.contains("\r\n\r\n"),
        "broken lines in {sent:?}\nbecause of {:?}",
        String::from_utf8_lossy(because)
    );
}

/// A reply of this server says only what it may: our own lines, and lines that the request had.
fn assert_honest_reply(reply: &str, request: &[u8]) {
    assert_clean_lines(reply, request);
    let mut unfolded = request.to_vec();
    sipward::message::unfold(&mut unfolded);
    let request_text = String::from_utf8_lossy(&unfolded);
    let fail = |why: &str| -> ! { panic!("{why} in {reply:?}\nbecause of {request_text:?}") };
    let Some(head) = reply.strip_suffix("\r\n\r\n") else { fail("a body") };
    let mut count = std::collections::HashMap::<String, usize>::new();
    for line in head.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else { fail("a line without a name") };
        let name = match name.trim_end().to_ascii_lowercase().as_str() {
            "v" => "via".to_owned(),
            "f" => "from".to_owned(),
            "t" => "to".to_owned(),
            "i" => "call-id".to_owned(),
            other => other.to_owned(),
        };
        let value = value.trim();
        let known = match name.as_str() {
            "via" => request_text.contains(value.split(';').next().unwrap_or_default()),
            "from" | "call-id" | "cseq" => request_text.contains(value),
            "to" => {
                request_text.contains(value)
                    || value.rsplit_once(";tag=").is_some_and(|(to, _)| request_text.contains(to))
            }
            "unsupported" => request_text.contains(value),
            "content-length" => value == "0",
            "www-authenticate" | "proxy-authenticate" | "allow" | "accept" | "supported" | "min-expires"
            | "retry-after" | "contact" => true,
            _ => false,
        };
        if !known {
            fail(&format!("the line {line:?}"));
        }
        *count.entry(name).or_default() += 1;
    }
    for single in ["from", "to", "call-id", "cseq", "content-length"] {
        if count.get(single) != Some(&1) {
            fail(&format!("{single} not once"));
        }
    }
}

/// Passwords, nonces and route tokens of the set count for nothing here: whatever happens, nobody is let in.
#[test]
fn who_is_not_let_in_gets_at_most_one_honest_reply_and_leaves_nothing_behind() {
    let users = vec![("alice", "another-1", true), ("bob", "another-2", true), ("carol", "another-3", true)];
    let mut world = World::new(&Setup { other_keys: true, users, ..Setup::default() });
    world.bind("bob", "sip:bob@127.0.0.1:6002", Flow::udp(address(SERVER), address(BOB)));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut deliveries = 0;
    for message in message_set() {
        for bytes in cut(&message).chain(changed(&message, 3, &mut dice)).chain([message.clone()]) {
            deliveries += 1;
            let sent = world.bytes(flow(deliveries), &bytes);
            let shown = || String::from_utf8_lossy(&bytes).into_owned();
            assert!(sent.len() <= 1, "{} replies to {:?}", sent.len(), shown());
            for sent in sent {
                assert_ne!(status(&sent.text), 0, "forwarded {:?}\nbecause of {:?}", sent.text, shown());
                assert_eq!(sent.flow.peer.ip(), address(STRANGER).ip(), "{:?}", shown());
                assert_honest_reply(&sent.text, &bytes);
            }
            assert!(
                world.engine.load() == Load::default() && world.shared.dialogs.is_empty(),
                "state is left by {:?}",
                shown()
            );
        }
        assert_eq!((world.shared.location.len(), world.bindings("bob").len()), (1, 1));
        world.heard.outcomes.clear();
    }
    assert!(world.heard.log.is_empty(), "{:?}", world.heard.log);
    println!("{deliveries} deliveries");
}

/// Here the passwords are right and nothing is a replay, so the registrar and the proxy get to see the damage too.
#[test]
fn who_is_let_in_breaks_nothing_either() {
    let setup = Setup { forgets_replays: true, ..Setup::default() };
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut deliveries, mut registered, mut forwarded) = (0, 0, 0);
    for message in message_set() {
        let mut world = World::new(&setup);
        // Later than any nonce of the set was made.
        world.pass(Duration::from_secs(86_400));
        world.bind("bob", "sip:bob@127.0.0.1:6002", Flow::udp(address(SERVER), address(BOB)));
        // A cut message ends before it is asked who sent it, unless the cut is in the body.
        let body =
            cut(&message).skip(message.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(message.len()));
        for bytes in body.chain(changed(&message, 1, &mut dice)) {
            deliveries += 1;
            let bytes = with_own_branch(&bytes, deliveries);
            for sent in world.bytes(flow(deliveries), &bytes) {
                match status(&sent.text) {
                    0 => {
                        forwarded += 1;
                        assert_clean_lines(&sent.text, &bytes);
                    }
                    // What comes from another phone is passed on as it is.
                    _ if bytes.starts_with(b"SIP/") => assert_clean_lines(&sent.text, &bytes),
                    _ => assert_honest_reply(&sent.text, &bytes),
                }
            }
            world.shared.location.revoke(|aor, _| &*aor.user != "bob", |_, _| registered += 1);
        }
        world.pass(Duration::from_secs(1_000));
        assert_eq!(
            world.engine.load(),
            Load::default(),
            "something has no end: {:?}",
            String::from_utf8_lossy(&message)
        );
    }
    println!("{deliveries} deliveries, {registered} bindings, {forwarded} forwarded");
    assert!(
        registered > 1_000 && forwarded > 1_000,
        "{registered} bindings and {forwarded} requests: the set does not get far"
    );
}

/// The same message as a transaction of its own.
fn with_own_branch(bytes: &[u8], number: usize) -> Vec<u8> {
    let cookie = b"z9hG4bK";
    let Some(at) = bytes.windows(cookie.len()).position(|window| window == cookie) else { return bytes.to_vec() };
    let (before, after) = bytes.split_at(at + cookie.len());
    [before, number.to_string().as_bytes(), after].concat()
}
