use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::event::Gone;
use crate::flow::ConnectionId;
use crate::trunk::TrunkId;

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The lines that `events` cause, without their time.
fn lines_of(format: LogFormat, filter: &str, limit: u32, events: &[Event<'_>]) -> Vec<String> {
    let captured = Captured::default();
    let subscriber = logging::subscriber(format, EnvFilter::new(filter), false, captured.clone());
    tracing::subscriber::with_default(subscriber, || {
        let mut reporter = Reporter::new(&Metrics::new(), Arc::new(LogLimiter::new(limit, limit)));
        events.iter().for_each(|event| reporter.observe(event));
    });
    let bytes = captured.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    let timeless = |line: &str| line.split_once('Z').map_or(line, |(_, rest)| rest).trim().to_owned();
    text.lines().map(|line| if format == LogFormat::Human { timeless(line) } else { line.to_owned() }).collect()
}

fn human(filter: &str, event: Event<'_>) -> Vec<String> {
    lines_of(LogFormat::Human, filter, 20, &[event])
}

fn flow() -> Flow {
    Flow::udp("127.0.0.1:5060".parse().unwrap(), "[::ffff:127.0.0.9]:6000".parse().unwrap())
}

fn subject() -> Subject<'static> {
    Subject { method: b"REGISTER", name: b"alice", call_id: b"c@d" }
}

fn decided<'a>(outcome: Outcome, flow: &'a Flow, subject: Subject<'a>) -> Event<'a> {
    Event::Decided { outcome, flow, subject }
}

fn binding() -> (AddressOfRecord, Binding) {
    let (local, peer) = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.9:6000".parse().unwrap());
    let binding = Binding {
        contact: (*b"sip:alice:pw@127.0.0.9:6000").into(),
        flow: Flow::tcp(local, peer, ConnectionId::new(0, 1)),
        call_id: (*b"c@d").into(),
        cseq: 1,
        expires_at: Timestamp::from_secs(9),
        q: 1000,
        credential: None,
        user_agent: "a \"phone\"".into(),
        answered: Default::default(),
    };
    (AddressOfRecord { trunk: TrunkId(Uuid::nil()), user: "alice".into() }, binding)
}

#[test]
fn a_refused_authentication_has_the_promised_line() {
    assert_eq!(
        human("info", decided(Outcome::WrongPassword, &flow(), subject())),
        [
            r#"WARN authentication refused peer=127.0.0.9 reason=wrong_password user="alice" method=REGISTER call_id="c@d" port=6000 transport=udp"#
        ]
    );
}

#[test]
fn the_same_line_in_json_has_plain_values() {
    let lines = lines_of(LogFormat::Json, "info", 20, &[decided(Outcome::WrongPassword, &flow(), subject())]);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    for (key, expected) in [
        ("level", "WARN"),
        ("message", "authentication refused"),
        ("target", "sipward::report"),
        ("peer", "127.0.0.9"),
        ("reason", "wrong_password"),
        ("user", "alice"),
        ("method", "REGISTER"),
        ("call_id", "c@d"),
        ("transport", "udp"),
    ] {
        assert_eq!(value[key], expected, "{line}");
    }
    assert_eq!(value["port"], 6000);
}

#[test]
fn every_outcome_has_its_level_and_those_of_failed_attempts_warn() {
    for &outcome in Outcome::ALL {
        assert_eq!(level(outcome) == Level::WARN, outcome.is_refused_authentication(), "{outcome:?}");
        let lines = human("sipward=trace", decided(outcome, &flow(), subject()));
        let [line] = lines.as_slice() else { panic!("{outcome:?} {lines:?}") };
        assert!(line.starts_with(level(outcome).as_str()), "{line}");
        assert!(line.contains(&format!(" reason={} ", outcome.label())), "{line}");
    }
    for quiet in [Outcome::Challenged, Outcome::StaleNonce, Outcome::ReplayedAnswer] {
        assert!(human("info", decided(quiet, &flow(), subject())).is_empty(), "{quiet:?}");
    }
}

#[test]
fn a_hostile_name_forges_neither_a_field_nor_a_line() {
    let hostile = Subject {
        method: b"REG\r\n ISTER",
        name:
            b"x\" peer=10.0.0.1 reason=\"\r\n2026-01-01T00:00:00Z  WARN authentication refused peer=10.0.0.1\x1b[2J\xff",
        call_id: b"\n",
    };
    let lines = human("info", decided(Outcome::UnknownUser, &flow(), hostile));
    assert_eq!(
        lines,
        [concat!(
            r"WARN authentication refused peer=127.0.0.9 reason=unknown_user ",
            r#"user="x\x22 peer=10.0.0.1 reason=\x22\x0d\x0a2026-01-01T00:00:00Z  WARN authentication refused peer=10.0.0.1\x1b[2J\xff" "#,
            r#"method=REG\x0d\x0a\x20ISTER call_id="\x0a" port=6000 transport=udp"#
        )]
    );
    let json = lines_of(LogFormat::Json, "info", 20, &[decided(Outcome::UnknownUser, &flow(), hostile)]);
    assert_eq!(json.len(), 1, "{json:?}");
    let value: serde_json::Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!((&value["peer"], &value["call_id"]), (&"127.0.0.9".into(), &r"\x0a".into()));
}

#[test]
fn a_flood_is_cut_and_said_to_be() {
    let captured = Captured::default();
    let subscriber = logging::subscriber(LogFormat::Human, EnvFilter::new("info"), false, captured.clone());
    let limiter = Arc::new(LogLimiter::new(3, 3));
    let metrics = Metrics::new();
    tracing::subscriber::with_default(subscriber, || {
        let mut shards = [0; 2].map(|_| Reporter::new(&metrics, Arc::clone(&limiter)));
        for _ in 0..500 {
            shards.iter_mut().for_each(|shard| shard.observe(&decided(Outcome::WrongPassword, &flow(), subject())));
        }
        limiter.tell_left_out();
        limiter.tell_left_out();
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let refused = text.matches("authentication refused").count();
    // 1000 attempts take a moment: a second or two may begin meanwhile.
    assert!((3..=9).contains(&refused), "{text}");
    let left_out: usize =
        text.lines().filter_map(|line| line.split_once("left_out=")).map(|(_, n)| n.parse::<usize>().unwrap()).sum();
    assert_eq!(refused + left_out, 1_000, "{text}");
    assert!(metrics.text().contains("sipward_messages_total{outcome=\"wrong_password\"} 1000\n"));
}

#[test]
fn attempts_that_nobody_would_see_are_not_said_to_be_left_out() {
    let events: Vec<_> = (0..10).map(|_| decided(Outcome::WrongPassword, &FLOW, subject())).collect();
    let captured = Captured::default();
    let subscriber = logging::subscriber(LogFormat::Human, EnvFilter::new("error"), false, captured);
    let limiter = Arc::new(LogLimiter::new(3, 3));
    tracing::subscriber::with_default(subscriber, || {
        let mut reporter = Reporter::new(&Metrics::new(), Arc::clone(&limiter));
        events.iter().for_each(|event| reporter.observe(event));
    });
    assert!(format!("{limiter:?}").contains("left_out: 0"), "{limiter:?}");
}

static FLOW: std::sync::LazyLock<Flow> = std::sync::LazyLock::new(flow);

#[test]
fn changes_of_state_have_one_line_each_at_info() {
    let (aor, binding) = binding();
    let trunk = Uuid::nil();
    assert_eq!(
        human("info", Event::Registered { aor: &aor, binding: &binding }),
        [format!(
            r#"INFO registered user="alice" trunk={trunk} contact="sip:alice:***@127.0.0.9:6000" peer=127.0.0.9 port=6000 transport=tcp call_id="c@d" user_agent="a \x22phone\x22""#
        )]
    );
    assert_eq!(
        human("info", Event::Unregistered { aor: &aor, binding: &binding, gone: Gone::Revoked }),
        [format!(
            r#"INFO unregistered user="alice" trunk={trunk} reason=revoked contact="sip:alice:***@127.0.0.9:6000" peer=127.0.0.9 port=6000 transport=tcp"#
        )]
    );
    assert_eq!(
        human(
            "info",
            Event::CallStarted {
                call_id: b"c",
                from: b"sip:a:pw@h",
                to: b"sip:b@h\n",
                flow: &FLOW,
                user_agent: "x\ny"
            }
        ),
        [
            r#"INFO call started call_id="c" from="sip:a:***@h" to="sip:b@h\x0a" peer=127.0.0.9 port=6000 transport=udp user_agent="x\x0ay""#
        ]
    );
    assert_eq!(human("info", Event::CallAnswered { call_id: b"c" }), [r#"INFO call answered call_id="c""#]);
    assert_eq!(
        human("info", Event::CallEnded { call_id: b"c", status: 486 }),
        [r#"INFO call ended call_id="c" status=486"#]
    );
    assert!(human("info", Event::SecondReaderRefused).is_empty());
    assert_eq!(human("debug", Event::SecondReaderDiffered { field: "CSeq" }).len(), 1);
}

#[test]
fn no_module_can_write_a_control_character_to_a_line_for_people() {
    let captured = Captured::default();
    let subscriber = logging::subscriber(LogFormat::Human, EnvFilter::new("info"), false, captured.clone());
    tracing::subscriber::with_default(subscriber, || {
        let error = io::Error::other("first\nsecond\x1b[2J");
        warn!(%error, name = "a\"\r\nb", list = ?["x\ny"], "text\r\n{}", "more");
    });
    let bytes = captured.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    let (_, rest) = text.split_once("WARN ").unwrap();
    assert_eq!(rest, "text\\x0d\\x0amore error=first\\x0asecond\\x1b[2J name=\"a\\x22\\x0d\\x0ab\" list=[\"x\\ny\"]\n");
}

#[test]
fn the_engine_of_the_store_never_shows_its_pages() {
    for filter in ["trace", "info,sled=debug", "info,sled::pagecache=trace"] {
        let captured = Captured::default();
        let subscriber = logging::subscriber(LogFormat::Human, EnvFilter::new(filter), false, captured.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "sled::pagecache", "a page");
            tracing::trace!(target: "sled::pagecache", "a page");
            tracing::info!(target: "sled::pagecache", "recovered");
        });
        let bytes = captured.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("recovered") && !text.contains("a page"), "{filter}: {text}");
    }
}
