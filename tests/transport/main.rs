//! The shell over real sockets on the loopback interface, with a packet path that obeys commands instead of SIP.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "real sockets and threads need real time")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod streams;

use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use sipward::clock::Timestamp;
use sipward::engine::BranchId;
use sipward::engine::Disposition;
use sipward::engine::Event;
use sipward::engine::Observer;
use sipward::engine::Output;
use sipward::flow::ConnectionId;
use sipward::flow::Flow;
use sipward::flow::Transport;
use sipward::output::ReplyWay;
use sipward::transport::Clock;
use sipward::transport::ListenAddress;
use sipward::transport::PacketPath;
use sipward::transport::Running;
use sipward::transport::Settings;
use sipward::transport::bind;
use sipward::transport::totals;

type Log = Arc<Mutex<Vec<String>>>;

/// Obeys the first line of each message.
struct Obedient {
    shard: u8,
    log: Log,
    timer: Option<(Timestamp, ReplyWay)>,
    /// What "keep" was told on, for all shards.
    kept: Arc<Mutex<Option<Flow>>>,
}

struct Nobody;

impl Observer for Nobody {
    fn observe(&mut self, _event: &Event<'_>) {}
}

impl Obedient {
    fn note(&self, text: String) {
        self.log.lock().unwrap().push(text);
    }
}

impl Obedient {
    fn obey_among_shards(&self, words: &[&str], flow: Flow, out: &mut Output) -> Disposition {
        match *words {
            ["tell", shard] if shard.parse() == Ok(self.shard) => {
                let id = flow.connection;
                self.note(format!("told {} of {} at {shard}", id.serial(), id.shard()));
            }
            ["tell", shard] => return Disposition::HandOver(shard.parse().unwrap()),
            ["sleep", shard, millis] if shard.parse() == Ok(self.shard) => {
                self.note(format!("asleep {shard}"));
                sleep(Duration::from_millis(millis.parse().unwrap()));
            }
            ["sleep", shard, _] => return Disposition::HandOver(shard.parse().unwrap()),
            ["which"] => answer(out, flow, &format!("shard {}", self.shard)),
            ["answer", status, method] => {
                let text = format!("SIP/2.0 {status} x\r\nVia: x\r\nCSeq: 1 {method}\r\n\r\n");
                out.push(flow, None, |to| to.extend_from_slice(text.as_bytes()));
            }
            ["keep"] => {
                *self.kept.lock().unwrap() = Some(flow);
                answer(out, flow, &format!("kept {}", self.shard));
            }
            ["late", shard, fallback] => {
                let gone = ConnectionId::new(shard.parse().unwrap(), 1 << 40);
                let way = ReplyWay {
                    flow: Flow::tcp(flow.local, flow.peer, gone),
                    fallback: Some(fallback.parse().unwrap()),
                };
                out.push_reply(way, |to| to.extend_from_slice(&message("late")));
            }
            ["press", count] => {
                let kept = self.kept.lock().unwrap().unwrap();
                for index in 0..count.parse().unwrap() {
                    let branch = BranchId { index, serial: 6 };
                    out.push(kept, Some(branch), |to| to.resize(to.len() + (1 << 20), b'x'));
                }
            }
            _ => self.note(format!("got {}", words.join(" "))),
        }
        Disposition::Done
    }
}

impl PacketPath for Obedient {
    fn receive(
        &mut self,
        bytes: &mut [u8],
        flow: Flow,
        now: Timestamp,
        _observer: &mut dyn Observer,
        out: &mut Output,
    ) -> Disposition {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let words: Vec<_> = text.lines().next().unwrap_or_default().split(' ').collect();
        match words[..] {
            ["echo", ..] => {
                out.push(flow, None, |to| to.extend_from_slice(bytes));
            }
            ["where"] => answer(out, flow, &format!("at {}", flow.local)),
            ["by", shard] if shard.parse() == Ok(self.shard) => answer(out, flow, &format!("by {shard}")),
            ["by" | "lose", shard] => return Disposition::HandOver(shard.parse().unwrap()),
            ["flood", count] => {
                for _ in 0..count.parse().unwrap() {
                    out.push(flow, None, |to| to.resize(to.len() + 1_024, b'x'));
                }
            }
            ["call", peer, what] => {
                let to = Flow::tcp("0.0.0.0:0".parse().unwrap(), peer.parse().unwrap(), ConnectionId::NONE);
                out.push(to, Some(BranchId { index: 7, serial: 8 }), |to| to.extend_from_slice(&message(what)));
            }
            ["datagram", local, peer] => {
                let to = Flow::udp(local.parse().unwrap(), peer.parse().unwrap());
                out.push(to, Some(BranchId { index: 9, serial: 9 }), |to| to.extend_from_slice(&message("sent")));
            }
            ["long", peer] => {
                let to = Flow::udp(flow.local, peer.parse().unwrap());
                out.push(to, Some(BranchId { index: 4, serial: 4 }), |to| to.resize(to.len() + 65_530, b'x'));
            }
            ["dead", shard] => {
                let gone = ConnectionId::new(shard.parse().unwrap(), 1 << 24);
                let to = Flow::tcp(flow.local, flow.peer, gone);
                out.push(to, Some(BranchId { index: 5, serial: 5 }), |to| to.extend_from_slice(&message("lost")));
                answer(out, flow, &format!("asked {}", self.shard));
            }
            ["ring", millis] | ["ring", millis, _] => {
                let fallback = words.get(2).map(|fallback| fallback.parse().unwrap());
                let at = now + Duration::from_millis(millis.parse().unwrap());
                self.timer = Some((at, ReplyWay { flow, fallback }));
            }
            ["panic"] => panic!("as told"),
            _ => return self.obey_among_shards(&words, flow, out),
        }
        Disposition::Done
    }

    fn expire(&mut self, _now: Timestamp, _observer: &mut dyn Observer, out: &mut Output) {
        let (_, way) = self.timer.take().expect("called only when due");
        out.push_reply(way, |to| to.extend_from_slice(&message("ringing")));
        assert_ne!(way.flow.peer.ip(), SocketAddr::from(([127, 0, 0, 66], 0)).ip(), "as told");
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.timer.map(|(at, _)| at)
    }

    fn send_failed(&mut self, branch: BranchId, _now: Timestamp, _observer: &mut dyn Observer, _out: &mut Output) {
        self.note(format!("failed {} {}", branch.index, self.shard));
    }

    fn connection_closed(&mut self, id: ConnectionId, _now: Timestamp, _: &mut dyn Observer, _out: &mut Output) {
        self.note(format!("closed {} of {} at {}", id.serial(), id.shard(), self.shard));
    }
}

fn answer(out: &mut Output, flow: Flow, first_line: &str) {
    out.push(flow, None, |to| to.extend_from_slice(&message(first_line)));
}

fn message(first_line: &str) -> Vec<u8> {
    format!("{first_line}\r\nVia: x\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

struct Server {
    running: Running,
    log: Log,
}

impl Server {
    fn start(listen: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let listen = listen
            .iter()
            .map(|text| {
                let (transport, address) = text.split_once(':').unwrap();
                ListenAddress {
                    transport: Transport::from_token(transport.as_bytes()).unwrap(),
                    address: address.parse().unwrap(),
                }
            })
            .collect();
        let mut settings = Settings { listen, workers: 1, ..Settings::default() };
        change(&mut settings);
        let log = Log::default();
        let (notes, kept) = (Arc::clone(&log), Arc::default());
        let make = move |shard| {
            let (log, kept) = (Arc::clone(&notes), Arc::clone(&kept));
            (Obedient { shard, log, timer: None, kept }, Nobody)
        };
        let running = bind(settings).unwrap().start(Clock::start(), make).unwrap();
        Self { running, log }
    }

    fn address(&self, index: usize) -> SocketAddr {
        self.running.addresses()[index].address
    }

    fn count(&self, name: &str) -> u64 {
        totals(self.running.counters()).into_iter().find(|(known, ..)| *known == name).expect("a counter").2
    }

    fn connect(&self, index: usize) -> TcpStream {
        let stream = TcpStream::connect(self.address(index)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A stream that the kernel gave to shard `wanted`.
    fn connect_to_shard(&self, index: usize, wanted: u8) -> TcpStream {
        for _ in 0..200 {
            let mut stream = self.connect(index);
            stream.write_all(&message("which")).unwrap();
            let mut answer = message("shard 0");
            stream.read_exact(&mut answer).unwrap();
            if answer == message(&format!("shard {wanted}")) {
                return stream;
            }
        }
        panic!("the kernel gives shard {wanted} nothing");
    }

    fn has_noted(&self, text: &str) -> bool {
        self.notes(text) > 0
    }

    fn notes(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|note| *note == text).count()
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until `holds`, and fails when it does not come to be.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(5));
    }
}

fn udp_client(address: &str) -> UdpSocket {
    let client = UdpSocket::bind(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn ask(client: &UdpSocket, server: SocketAddr, first_line: &str) -> (String, SocketAddr) {
    client.send_to(&message(first_line), server).unwrap();
    let mut buffer = [0; 65_536];
    let (count, from) = client.recv_from(&mut buffer).unwrap();
    (first_line_of(&buffer[..count]), from)
}

fn first_line_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

/// Reads exactly what `expected` says.
fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut buffer = vec![0; expected.len()];
    stream.read_exact(&mut buffer).unwrap();
    assert_eq!(String::from_utf8_lossy(&buffer), String::from_utf8_lossy(expected));
}

fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn datagrams_are_answered_on_ipv4_and_ipv6() {
    let server = Server::start(&["udp:127.0.0.1:0", "udp:[::1]:0"], |_| {});
    for (index, address) in ["127.0.0.1:0", "[::1]:0"].into_iter().enumerate() {
        let at = server.address(index);
        assert_eq!(ask(&udp_client(address), at, "echo me"), ("echo me".to_owned(), at));
        assert_eq!(ask(&udp_client(address), at, "where"), (format!("at {at}"), at));
    }
    server.running.stop();
}

#[test]
fn a_burst_of_datagrams_is_answered_whole_and_in_order() {
    let server = Server::start(&["udp:127.0.0.1:0"], |_| {});
    let client = udp_client("127.0.0.1:0");
    for round in 0..20 {
        for number in 0..50 {
            client.send_to(&message(&format!("echo {round} {number}")), server.address(0)).unwrap();
        }
        for number in 0..50 {
            let mut buffer = [0; 512];
            let count = client.recv(&mut buffer).unwrap();
            assert_eq!(first_line_of(&buffer[..count]), format!("echo {round} {number}"));
        }
    }
    eventually("all are counted", || {
        (server.count("datagrams_received"), server.count("datagrams_sent")) == (1_000, 1_000)
    });
}

#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let server = Server::start(&["udp:0.0.0.0:0", "udp:[::]:0", "tcp:0.0.0.0:0"], |_| {});
    let port = server.address(0).port();
    let client = udp_client("127.0.0.1:0");
    for asked in ["127.0.0.2", "127.0.0.1", "127.0.0.3"] {
        let at: SocketAddr = format!("{asked}:{port}").parse().unwrap();
        for _ in 0..3 {
            assert_eq!(ask(&client, at, "where"), (format!("at {at}"), at));
        }
    }
    let at: SocketAddr = format!("[::1]:{}", server.address(1).port()).parse().unwrap();
    assert_eq!(ask(&udp_client("[::1]:0"), at, "where"), (format!("at {at}"), at));

    let at: SocketAddr = format!("127.0.0.2:{}", server.address(2).port()).parse().unwrap();
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(&message("where")).unwrap();
    expect(&mut stream, &message(&format!("at {at}")));
}

#[test]
fn a_large_datagram_arrives_whole_and_one_beyond_the_limit_is_dropped() {
    let server = Server::start(&["udp:127.0.0.1:0"], |settings| settings.max_message_bytes = 20_000);
    let client = udp_client("127.0.0.1:0");
    let large = [&message("echo large")[..], &[b'x'; 19_000]].concat();
    client.send_to(&large, server.address(0)).unwrap();
    let mut buffer = vec![0; 65_536];
    let count = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], large);
    client.send_to(&[b'x'; 20_001], server.address(0)).unwrap();
    eventually("the drop is counted", || server.count("datagrams_too_long") == 1);
}

#[test]
fn keep_alive_datagrams_are_dropped_in_silence() {
    let server = Server::start(&["udp:127.0.0.1:0"], |_| {});
    let client = udp_client("127.0.0.1:0");
    for keep_alive in [&b"\r\n\r\n"[..], b"\r\n", b"\0\0\0\0", b""] {
        client.send_to(keep_alive, server.address(0)).unwrap();
    }
    assert_eq!(ask(&client, server.address(0), "echo next").0, "echo next");
    eventually("it is counted", || server.count("datagram_keep_alives") == 4);
}

#[test]
fn a_datagram_from_where_no_socket_is_fails_its_branch() {
    let server = Server::start(&["udp:127.0.0.1:0"], |_| {});
    let client = udp_client("127.0.0.1:0");
    let command = format!("datagram 127.0.0.1:1 {}", client.local_addr().unwrap());
    client.send_to(&message(&command), server.address(0)).unwrap();
    eventually("the branch fails", || server.has_noted("failed 9 0"));
    eventually("it is counted", || server.count("datagram_sends_without_socket") == 1);
    let command = format!("datagram {} {}", server.address(0), client.local_addr().unwrap());
    assert_eq!(ask(&client, server.address(0), &command).0, "sent");
}

#[test]
fn a_datagram_that_the_system_refuses_fails_its_branch() {
    let server = Server::start(&["udp:127.0.0.1:0", "udp:[::1]:0"], |_| {});
    for (index, address) in ["127.0.0.1:0", "[::1]:0"].into_iter().enumerate() {
        let client = udp_client(address);
        let command = format!("long {}", client.local_addr().unwrap());
        client.send_to(&message(&command), server.address(index)).unwrap();
        eventually("too long", || server.notes("failed 4 0") == index + 1);
    }
    let client = udp_client("127.0.0.1:0");
    let command = format!("datagram {} 127.0.0.1:0", server.address(0));
    client.send_to(&message(&command), server.address(0)).unwrap();
    eventually("no port", || server.has_noted("failed 9 0"));
    eventually("it is counted", || server.count("datagram_sends_failed") == 3);
}

#[test]
fn a_message_that_makes_the_engine_panic_is_dropped_and_the_next_is_served() {
    let server = Server::start(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"], |_| {});
    let client = udp_client("127.0.0.1:0");
    client.send_to(&message("panic"), server.address(0)).unwrap();
    assert_eq!(ask(&client, server.address(0), "echo after").0, "echo after");
    let mut stream = server.connect(1);
    stream.write_all(&[message("panic"), message("echo same stream")].concat()).unwrap();
    expect(&mut stream, &message("echo same stream"));
    eventually("it is counted", || server.count("panics") == 2);
}

#[test]
fn a_panic_without_a_message_is_told_to_whoever_waits_for_it() {
    let server = Server::start(&["udp:127.0.0.1:0"], |settings| settings.workers = 1);
    let client = udp_client("127.0.0.66:0");
    client.send_to(&message("ring 1"), server.address(0)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let failed = server.running.failed();
    let worker = runtime.block_on(async { tokio::time::timeout(PATIENCE, failed).await });
    assert_eq!(worker.unwrap(), 0);
}

#[test]
fn the_timer_wakes_the_engine_when_it_is_due_and_for_an_earlier_one_before() {
    let server = Server::start(&["udp:127.0.0.1:0"], |_| {});
    let client = udp_client("127.0.0.1:0");
    client.send_to(&message("ring 60000"), server.address(0)).unwrap();
    let asked_at = Instant::now();
    assert_eq!(ask(&client, server.address(0), "ring 60").0, "ringing");
    assert!(asked_at.elapsed() >= Duration::from_millis(60));
    let asked_at = Instant::now();
    assert_eq!(ask(&client, server.address(0), "ring 0").0, "ringing");
    assert!(asked_at.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_stream_is_read_byte_by_byte_and_many_messages_at_once() {
    let server = Server::start(&["tcp:127.0.0.1:0", "tcp:[::1]:0"], |_| {});
    for index in 0..2 {
        let mut stream = server.connect(index);
        let body = b"echo body\r\nContent-Length: 5\r\n\r\nhello";
        for byte in body {
            stream.write_all(&[*byte]).unwrap();
        }
        expect(&mut stream, body);
        let many = message("echo one").repeat(500);
        stream.write_all(&many).unwrap();
        expect(&mut stream, &many);
    }
}

#[test]
fn a_message_longer_than_one_read_comes_through() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| settings.max_message_bytes = 300_000);
    let mut stream = server.connect(0);
    let long = [b"echo long\r\nl: 200000\r\n\r\n", &[b'x'; 200_000][..]].concat();
    let mut writer = stream.try_clone().unwrap();
    let sent = long.clone();
    let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
    expect(&mut stream, &long);
    writing.join().unwrap();
}

#[test]
fn a_double_crlf_gets_one_back_and_a_lone_one_nothing() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |_| {});
    let mut stream = server.connect(0);
    stream.write_all(b"\r\n\r\n").unwrap();
    expect(&mut stream, b"\r\n");
    stream.write_all(&[b"\r\n", &message("echo a")[..], b"\r\n", &message("echo b")].concat()).unwrap();
    expect(&mut stream, &[message("echo a"), message("echo b")].concat());
    for byte in b"\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
        sleep(Duration::from_millis(10));
    }
    expect(&mut stream, b"\r\n");
    eventually("it is counted", || server.count("stream_keep_alives") == 2);
}

#[test]
fn a_stream_that_cannot_be_framed_reaches_the_engine_once_and_is_closed() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |_| {});
    let mut stream = server.connect(0);
    stream.write_all(b"echo broken\r\nContent-Length: -1\r\n\r\n").unwrap();
    expect(&mut stream, b"echo broken\r\nContent-Length: -1\r\n\r\n");
    assert!(is_closed(&mut stream));
    eventually("the engine is told", || server.notes("closed 16777216 of 0 at 0") == 1);
    eventually("it is counted", || server.count("connections_closed_framing") == 1);
    assert_eq!(server.count("connections_open"), 0);
}

#[test]
fn limits_on_streams_hold_in_total_and_by_source() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| {
        settings.tcp_max_connections = 3;
        settings.tcp_max_per_source = 2;
        settings.workers = 2;
    });
    let from = |source: &str| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&format!("{source}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.connect(&server.address(0).into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let served = stream.write_all(&message("echo hi")).is_ok()
            && stream.read_exact(&mut vec![0; message("echo hi").len()]).is_ok();
        served.then_some(stream)
    };
    let first = from("127.0.0.1").expect("served");
    let _second = from("127.0.0.1").expect("served");
    assert!(from("127.0.0.1").is_none(), "the source has two");
    let _third = from("127.0.0.2").expect("served");
    assert!(from("127.0.0.3").is_none(), "three are open");
    drop(first);
    eventually("the place is free", || server.count("connections_open") == 2);
    assert!(from("127.0.0.1").is_some());
    eventually("it is counted", || server.count("connections_refused_source") == 1);
    eventually("it is counted", || server.count("connections_refused_full") == 1);
}

#[test]
fn silent_and_unfinished_streams_are_closed_and_a_lone_crlf_is_not_unfinished() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| {
        settings.tcp_idle_s = 2;
        settings.tcp_message_timeout_s = 1;
    });
    let started_at = Instant::now();
    let mut silent = server.connect(0);
    let mut unfinished = server.connect(0);
    unfinished.write_all(b"echo half").unwrap();
    silent.write_all(b"\r\n").unwrap();
    let mut dripping = unfinished.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        while dripping.write_all(b"x").is_ok() {
            sleep(Duration::from_millis(100));
        }
    });
    assert!(is_closed(&mut unfinished));
    assert!(started_at.elapsed() >= Duration::from_secs(1));
    drip.join().unwrap();
    assert!(is_closed(&mut silent));
    assert!(started_at.elapsed() >= Duration::from_secs(2));
    eventually("it is counted", || server.count("connections_closed_incomplete") == 1);
    eventually("it is counted", || server.count("connections_closed_idle") == 1);
}

#[test]
fn a_peer_that_does_not_read_is_given_up_when_its_queue_is_full() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| settings.tcp_write_queue_bytes = 100_000);
    let mut stream = server.connect(0);
    stream.write_all(&message("flood 20000")).unwrap();
    eventually("it is closed", || server.count("connections_closed_unread") == 1);
    assert_eq!(server.count("connections_open"), 0);
}

#[test]
fn a_slow_reader_gets_everything_that_fits_into_its_queue() {
    let server = Server::start(&["tcp:127.0.0.1:0"], |settings| settings.tcp_write_queue_bytes = 64 << 20);
    let mut stream = server.connect(0);
    stream.write_all(&message("flood 20000")).unwrap();
    sleep(Duration::from_millis(100));
    stream.write_all(&message("echo last")).unwrap();
    let mut flood = vec![0; 20_000 * 1_024];
    stream.read_exact(&mut flood).unwrap();
    assert!(flood.iter().all(|byte| *byte == b'x'));
    expect(&mut stream, &message("echo last"));
}

#[test]
fn a_stream_is_opened_once_used_again_and_can_be_answered_on() {
    let server = Server::start(&["udp:127.0.0.1:0"], |_| {});
    let phone = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = udp_client("127.0.0.1:0");
    for what in ["first", "second"] {
        let call = message(&format!("call {} {what}", phone.local_addr().unwrap()));
        client.send_to(&call, server.address(0)).unwrap();
    }
    let (mut stream, _) = phone.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    expect(&mut stream, &[message("first"), message("second")].concat());
    stream.write_all(&message("echo answer")).unwrap();
    expect(&mut stream, &message("echo answer"));
    eventually("it is counted", || server.count("connections_connected") == 1);
}

#[test]
fn an_accepted_stream_is_used_toward_its_peer() {
    let server = Server::start(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"], |_| {});
    let mut stream = server.connect(1);
    stream.write_all(&message("echo hi")).unwrap();
    expect(&mut stream, &message("echo hi"));
    let client = udp_client("127.0.0.1:0");
    let call = message(&format!("call {} come", stream.local_addr().unwrap()));
    client.send_to(&call, server.address(0)).unwrap();
    expect(&mut stream, &message("come"));
    assert_eq!(server.count("connections_connected"), 0);
}

#[test]
fn requests_to_a_peer_that_refuses_fail_their_branches() {
    let server = Server::start(&["udp:127.0.0.1:0"], |_| {});
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = udp_client("127.0.0.1:0");
    for _ in 0..2 {
        client.send_to(&message(&format!("call {refusing} x")), server.address(0)).unwrap();
    }
    eventually("both fail", || server.log.lock().unwrap().iter().filter(|note| *note == "failed 7 0").count() == 2);
    assert_eq!(server.count("connections_open"), 0);
}

#[test]
fn messages_reach_the_shard_they_belong_to_and_answers_come_back_on_the_stream_of_another() {
    let server = Server::start(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"], |settings| settings.workers = 2);
    for _ in 0..8 {
        let client = udp_client("127.0.0.1:0");
        let mut stream = server.connect(1);
        for shard in ["by 0", "by 1"] {
            assert_eq!(ask(&client, server.address(0), shard).0, shard);
            stream.write_all(&message(shard)).unwrap();
            expect(&mut stream, &message(shard));
        }
    }
    eventually("each asked for one of two shards that was not its own", || server.count("handed_over") == 16);
    assert_eq!(server.count("inbox_full"), 0);
}

#[test]
fn a_request_on_a_stream_that_is_gone_fails_its_branch_also_when_the_stream_was_of_another_shard() {
    let server = Server::start(&["udp:127.0.0.1:0"], |settings| settings.workers = 2);
    let client = udp_client("127.0.0.1:0");
    for (stream_of, failures) in [("dead 0", 1), ("dead 1", 2)] {
        let (asked, _) = ask(&client, server.address(0), stream_of);
        let expected = asked.replace("asked", "failed 5");
        eventually("its own shard is told", || {
            server.log.lock().unwrap().iter().filter(|note| **note == expected).count() == failures
        });
    }
}

#[test]
fn a_message_for_no_shard_or_handed_over_twice_is_lost() {
    let server = Server::start(&["udp:127.0.0.1:0"], |settings| settings.workers = 2);
    let client = udp_client("127.0.0.1:0");
    client.send_to(&message("by 9"), server.address(0)).unwrap();
    eventually("it is counted", || server.count("hand_overs_lost") == 1);
    client.send_to(&message("lose 0"), server.address(0)).unwrap();
    eventually("0 does not keep it", || server.count("hand_overs_lost") == 2);
}

#[test]
fn stop_delivers_what_is_queued_closes_streams_and_ends_the_threads() {
    let server = Server::start(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"], |settings| {
        settings.workers = 2;
        settings.tcp_write_queue_bytes = 64 << 20;
    });
    let address = server.address(1);
    let mut idle = server.connect(1);
    let mut busy = server.connect(1);
    busy.write_all(&message("flood 20000")).unwrap();
    eventually("the flood is sent", || server.count("stream_messages_sent") == 20_000);
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        busy.read_to_end(&mut all).map(|_| all.len())
    });
    let stopping = Instant::now();
    server.running.stop();
    assert!(stopping.elapsed() < Duration::from_secs(3));
    assert!(is_closed(&mut idle));
    assert_eq!(reading.join().unwrap().unwrap(), 20_000 * 1_024);
    assert!(TcpStream::connect(address).is_err());
}
