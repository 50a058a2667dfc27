//! No password, HA1 or token that comes in is found in anything that comes out: log, store, backup, answers, and what the commands print.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking, in its support code too"
)]
#![allow(clippy::disallowed_methods, reason = "these tests are a shell: they wait for programs and read the clock")]

mod server;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem;
use server::{AUTH_TOKEN, OPERATOR_TOKEN, Place, Server, err, out};

const FIRST: &str = "Marmalade-Zebra-71";
const SECOND: &str = "Quokka-Teapot-58";
const REFUSED: &str = "Xy7$Gq";
const TWICE: &str = "Walnut-Harbour-36";
const BROKEN: &str = "Pelican-Broken-94";
const IMPORTED: &str = "Velvet-Cactus-27";
const HA1: &str = "c0ffee11c0ffee22c0ffee33c0ffee44";
/// The account's realm, as the server names it.
const REALM: &str = "MA_TEST.sipward.invalid";
const SECRETS: [&str; 9] = [FIRST, SECOND, REFUSED, TWICE, BROKEN, IMPORTED, HA1, AUTH_TOKEN, OPERATOR_TOKEN];

/// Everything that came out of a run, by where it came from.
#[derive(Default)]
struct Heard(Vec<(String, Vec<u8>)>);

impl Heard {
    fn put(&mut self, from: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push((from.to_owned(), bytes.into()));
    }

    fn ask(&mut self, server: &Server, method: &str, path: &str, body: &str) -> u16 {
        let answer = server.account(method, path, body);
        self.put(&format!("{method} {path}"), format!("{}\n{}", answer.head, answer.body));
        answer.status
    }

    fn command(&mut self, server: &Server, arguments: &[&str], input: &str) {
        let output = server::run(&mut server.cli(arguments), input);
        self.put(&format!("{arguments:?}"), out(&output) + &err(&output));
    }

    fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.folder(&path);
            } else {
                self.put(&path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }

    /// Where a secret is, as it stands or written in another way.
    fn find(&self, secret: &str) -> Vec<String> {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut ways = vec![secret.as_bytes().to_vec(), hex.into_bytes()];
        ways.push(STANDARD_NO_PAD.encode(secret).into_bytes());
        ways.push(secret.replace('$', "%24").into_bytes());
        ways.push(secret.bytes().flat_map(|byte| [byte, 0]).collect());
        let holds = |bytes: &[u8]| ways.iter().any(|way| memmem::find(bytes, way).is_some());
        self.0.iter().filter(|(_, bytes)| holds(bytes)).map(|(from, _)| from.clone()).collect()
    }
}

/// Everything that takes a secret, and everything that shows something.
fn work(place: &Place, server: &Server) -> Heard {
    let mut heard = Heard::default();
    let body = |name: &str, password: &str| format!(r#"{{"username": "{name}", "password": "{password}"}}"#);
    assert_eq!(heard.ask(server, "POST", "credentials", &body("alice", FIRST)), 201);
    assert_eq!(heard.ask(server, "POST", "credentials", &body("alice", TWICE)), 409);
    assert_eq!(heard.ask(server, "POST", "credentials", &body("bob", REFUSED)), 400);
    assert_eq!(heard.ask(server, "POST", "credentials", &format!(r#"{{"password": "{BROKEN}"#)), 400);
    assert_eq!(
        heard.ask(server, "POST", "credentials", &format!(r#"{{"username": 7, "password": ["{BROKEN}"]}}"#)),
        400
    );
    let ha1 = format!(r#"{{"username": "carol", "ha1": {{"MD5": "{HA1}"}}}}"#);
    assert_eq!(heard.ask(server, "POST", "credentials", &ha1), 201);
    heard.ask(server, "POST", "credentials", &format!(r#"{{"username": "dora", "ha1": {{"MD5": "{HA1}00"}}}}"#));
    heard.command(server, &["credential", "set", "alice", "--password-stdin"], &format!("{SECOND}\n"));
    heard.command(server, &["credential", "add", "bob", "--password-stdin"], &format!("{REFUSED}\n"));
    let rows = place.file("users.csv", &format!("eve,{IMPORTED}\nbad name,{IMPORTED}\neve,{IMPORTED}x\n"));
    heard.command(server, &["credential", "import", rows.to_str().unwrap()], "");
    fs::remove_file(rows).unwrap();
    heard.command(server, &["credential", "add", "frank", "--ha1", HA1], "");
    for path in [
        "trunks",
        "trunks/credentials",
        "trunks/ip-acl",
        "trunks/origination-uris",
        "numbers",
        "registrations",
        "calls",
        "audit",
    ] {
        heard.ask(server, "GET", path, "");
        heard.ask(server, "GET", &format!("{path}?view=full&limit=100"), "");
    }
    for path in ["/metrics", "/healthz", "/openapi.json", "/docs"] {
        let answer = server.request("GET", path, &[], "").unwrap();
        heard.put(path, answer.head + &answer.body);
    }
    let (status, said) = register(server, "alice", SECOND);
    heard.put("REGISTER", said);
    assert_eq!(status, 200, "{}", server.printed());
    let (status, said) = register(server, "alice", FIRST);
    heard.put("REGISTER", said);
    assert_eq!(status, 401);
    heard.command(server, &["credential", "list", "--json"], "");
    heard.command(server, &["credential", "show", "alice"], "");
    heard.command(server, &["account", "list"], "");
    let backup = place.folder.path().join("backup");
    heard.command(server, &["backup", backup.to_str().unwrap()], "");
    assert!(backup.exists(), "no backup: {}", server.printed());
    heard
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5(text: &str) -> String {
    use md5::Digest as _;
    hex(&md5::Md5::digest(text.as_bytes()))
}

fn ha1(name: &str, password: &str) -> String {
    md5(&format!("{name}:{REALM}:{password}"))
}

/// Registers over UDP with a digest answer; gives back the status and everything that the server said.
fn register(server: &Server, name: &str, password: &str) -> (u16, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (here, sip) = (socket.local_addr().unwrap(), server.sip);
    let mut said = String::new();
    let mut ask = |cseq: u32, authorization: &str| {
        let text = format!(
            "REGISTER sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{cseq}{};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{name}@{sip}>;tag=a\r\nTo: <sip:{name}@{sip}>\r\nCall-ID: {}@test\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{name}@{here}>\r\n{authorization}Content-Length: 0\r\n\r\n",
            here.port(),
            here.port()
        );
        socket.send_to(text.as_bytes(), sip).unwrap();
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).expect("the server answers");
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        said.push_str(&answer);
        answer
    };
    let challenge = ask(1, "");
    let nonce =
        challenge.split_once("nonce=\"").and_then(|(_, rest)| rest.split_once('"')).expect("a nonce").0.to_owned();
    assert!(challenge.contains(REALM), "{challenge}");
    let uri = format!("sip:{sip}");
    let response =
        md5(&format!("{}:{nonce}:00000001:c0:auth:{}", ha1(name, password), md5(&format!("REGISTER:{uri}"))));
    let answer = ask(
        2,
        &format!(
            "Authorization: Digest username=\"{name}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c0\"\r\n"
        ),
    );
    (answer[8..11].parse().unwrap(), said)
}

#[test]
fn no_secret_that_came_in_is_found_in_anything_that_came_out() {
    let mut place = Place::new();
    place.log_level = "trace";
    let server = place.start();
    let mut heard = work(&place, &server);
    server.stop();
    // Log, store and backup, while everything of this run is in them.
    heard.folder(place.folder.path());
    assert!(heard.0.iter().any(|(from, bytes)| from.ends_with("/log") && memmem::find(bytes, b"TRACE").is_some()));
    assert!(!heard.find("alice").is_empty() && heard.find("alice").iter().any(|from| from.ends_with("/backup")));
    for secret in SECRETS {
        assert_eq!(heard.find(secret), [""; 0], "{secret}");
    }
    // HA1s are in the store as bytes and nowhere as text.
    for secret in [ha1("alice", FIRST), ha1("alice", SECOND), ha1("eve", IMPORTED)] {
        assert_eq!(heard.find(&secret), [""; 0], "{secret}");
    }
    // The search itself: it finds what is there.
    heard.put("control", format!("xx{}yy", STANDARD_NO_PAD.encode(FIRST)));
    assert_eq!(heard.find(FIRST), ["control"]);
}

#[test]
fn an_offline_backup_and_a_restored_store_hold_none_either() {
    let place = Place::new();
    let server = place.start();
    drop(work(&place, &server));
    server.stop();
    let (store, other) = (place.store(), place.folder.path().join("restored"));
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let backup = place.folder.path().join("offline");
    for arguments in [
        ["backup", "--offline", "--store", &text(&store), &text(&backup)],
        ["restore", "--without-bindings", "--store", &text(&other), &text(&backup)],
    ] {
        let output = server::run(&mut server::sipward(&arguments), "");
        assert!(output.status.success(), "{}", err(&output));
    }
    let mut heard = Heard::default();
    heard.folder(place.folder.path());
    for secret in SECRETS {
        assert_eq!(heard.find(secret), [""; 0], "{secret}");
    }
}

/// The writable memory of a process that this one has started.
fn memory(pid: u32) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let writable = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")));
    let ranges = writable.filter_map(|line| line.split(' ').next()?.split_once('-'));
    let read = |(from, to): (&str, &str)| {
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let mut bytes = vec![0; usize::try_from(to - from).ok()?];
        memory.read_exact_at(&mut bytes, from).ok().map(|()| bytes)
    };
    ranges.filter_map(read).collect()
}

#[test]
fn five_seconds_after_the_connection_closed_no_password_is_in_the_memory_of_the_server() {
    let place = Place::new();
    let server = place.start();
    let body = |name: &str, password: &str| format!(r#"{{"username": "{name}", "password": "{password}"}}"#);
    assert_eq!(server.account("POST", "credentials", &body("alice-in-memory", FIRST)).status, 201);
    assert_eq!(server.account("POST", "credentials", &body("alice-in-memory", TWICE)).status, 409);
    assert_eq!(server.account("POST", "credentials", &format!(r#"{{"password": "{BROKEN}"#)).status, 400);
    sleep(Duration::from_secs(5));
    let memory = memory(server.pid());
    let found = |text: &str| memory.iter().map(|bytes| memmem::find_iter(bytes, text).count()).sum::<usize>();
    assert!(found("alice-in-memory") > 0, "the search finds nothing at all");
    for secret in [FIRST, TWICE, BROKEN] {
        assert_eq!(found(secret), 0, "{secret}");
    }
    server.stop();
}
