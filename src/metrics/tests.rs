use std::collections::HashSet;

use crate::dialog::Dialogs;
use crate::engine::Load;
use crate::event::{Event, Gone, Outcome, Subject};
use crate::flow::Flow;
use crate::location::{AddressOfRecord, Binding, Location, NoBindingStore};
use crate::storage::{BindingJournal, Settings, Store};
use crate::trunk::TrunkId;

use super::*;

fn value(text: &str, sample: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')).map(str::to_owned)
}

#[track_caller]
fn assert_value(metrics: &Metrics, sample: &str, expected: &str) {
    let text = metrics.text();
    assert_eq!(value(&text, sample).as_deref(), Some(expected), "{sample} in\n{text}");
}

fn flow() -> Flow {
    Flow::udp("127.0.0.1:5060".parse().unwrap(), "127.0.0.9:6000".parse().unwrap())
}

fn decided(outcome: Outcome, flow: &Flow) -> Event<'_> {
    Event::Decided { outcome, flow, subject: Subject::default() }
}

fn binding() -> (AddressOfRecord, Binding) {
    let binding = Binding {
        contact: (*b"sip:alice@127.0.0.9").into(),
        flow: flow(),
        call_id: (*b"c").into(),
        cseq: 1,
        expires_at: crate::clock::Timestamp::from_secs(9),
        q: 1000,
        credential: None,
        user_agent: "".into(),
        answered: Default::default(),
    };
    (AddressOfRecord { trunk: TrunkId(uuid::Uuid::nil()), user: "alice".into() }, binding)
}

#[test]
fn every_outcome_is_shown_from_the_start_and_counted_under_its_own_name() {
    let metrics = Metrics::new();
    let mut counter = metrics.event_counter();
    let labels: HashSet<_> = Outcome::ALL.iter().map(|outcome| outcome.label()).collect();
    assert_eq!(labels.len(), Outcome::ALL.len(), "labels differ");
    for outcome in Outcome::ALL {
        assert_value(&metrics, &format!("sipward_messages_total{{outcome=\"{}\"}}", outcome.label()), "0");
    }
    let flow = flow();
    for (index, outcome) in Outcome::ALL.iter().enumerate() {
        for _ in 0..=index {
            counter.count(&decided(*outcome, &flow));
        }
    }
    for (index, outcome) in Outcome::ALL.iter().enumerate() {
        let sample = format!("sipward_messages_total{{outcome=\"{}\"}}", outcome.label());
        assert_value(&metrics, &sample, &(index + 1).to_string());
    }
}

#[test]
fn the_counts_of_all_threads_are_added_up() {
    let metrics = Metrics::new();
    let (mut first, mut second) = (metrics.event_counter(), metrics.event_counter());
    let flow = flow();
    first.count(&decided(Outcome::Challenged, &flow));
    second.count(&decided(Outcome::Challenged, &flow));
    drop(second);
    assert_value(&metrics, "sipward_messages_total{outcome=\"challenged\"}", "2");
}

#[test]
fn registrations_calls_and_readings_are_told_apart() {
    let metrics = Metrics::new();
    let mut counter = metrics.event_counter();
    let (aor, binding) = binding();
    let flow = flow();
    counter.count(&Event::Registered { aor: &aor, binding: &binding });
    for gone in [Gone::Removed, Gone::Expired, Gone::Expired, Gone::Revoked, Gone::Revoked, Gone::Revoked] {
        counter.count(&Event::Unregistered { aor: &aor, binding: &binding, gone });
    }
    counter.count(&Event::CallStarted { call_id: b"c", from: b"a", to: b"b", flow: &flow, user_agent: "" });
    counter.count(&Event::CallAnswered { call_id: b"c" });
    for status in [200, 302, 486, 487, 503, 603, 0, u16::MAX] {
        counter.count(&Event::CallEnded { call_id: b"c", status });
    }
    counter.count(&Event::SecondReaderAgreed);
    counter.count(&Event::SecondReaderRefused);
    counter.count(&Event::SecondReaderDiffered { field: "Expires" });
    counter.count(&Event::SecondReaderDiffered { field: "CSeq" });
    counter.count(&Event::SecondReaderDiffered { field: "CSeq" });
    for (sample, expected) in [
        ("sipward_registrations_total{change=\"registered\"}", "1"),
        ("sipward_registrations_total{change=\"removed\"}", "1"),
        ("sipward_registrations_total{change=\"expired\"}", "2"),
        ("sipward_registrations_total{change=\"revoked\"}", "3"),
        ("sipward_calls_total{stage=\"started\"}", "1"),
        ("sipward_calls_total{stage=\"answered\"}", "1"),
        ("sipward_calls_total{stage=\"ended\"}", "8"),
        // 0 is no status; it lands with the answered ones rather than nowhere.
        ("sipward_calls_ended_total{class=\"2xx\"}", "2"),
        ("sipward_calls_ended_total{class=\"3xx\"}", "1"),
        ("sipward_calls_ended_total{class=\"4xx\"}", "2"),
        ("sipward_calls_ended_total{class=\"5xx\"}", "1"),
        ("sipward_calls_ended_total{class=\"6xx\"}", "1"),
        ("sipward_second_reader_total{result=\"agreed\"}", "1"),
        ("sipward_second_reader_total{result=\"refused\"}", "1"),
        ("sipward_second_reader_total{result=\"differed\"}", "3"),
        ("sipward_second_reader_differences_total{field=\"CSeq\"}", "2"),
        ("sipward_second_reader_differences_total{field=\"Expires\"}", "1"),
    ] {
        assert_value(&metrics, sample, expected);
    }
}

#[test]
fn the_load_of_each_shard_is_shown() {
    let metrics = Metrics::new();
    metrics.shard_load(0).set(Load { server_transactions: 1, client_transactions: 2, contexts: 3, timers: 4 });
    metrics.shard_load(1).set(Load { server_transactions: 5, ..Load::default() });
    assert!(Arc::ptr_eq(&metrics.shard_load(1), &metrics.shard_load(1)));
    for (sample, expected) in [
        ("sipward_transactions{shard=\"0\",side=\"server\"}", "1"),
        ("sipward_transactions{shard=\"0\",side=\"client\"}", "2"),
        ("sipward_transactions{shard=\"1\",side=\"server\"}", "5"),
        ("sipward_response_contexts{shard=\"0\"}", "3"),
        ("sipward_timers{shard=\"0\"}", "4"),
    ] {
        assert_value(&metrics, sample, expected);
    }
}

#[test]
fn what_others_keep_is_read_at_the_scrape() {
    let metrics = Metrics::new();
    let number = Arc::new(std::sync::atomic::AtomicU64::new(7));
    let read = Arc::clone(&number);
    metrics.counter("log_lines_dropped", "Lines.", move || read.load(std::sync::atomic::Ordering::Relaxed));
    metrics.watch(|| vec![Reading::gauge(format!("transport_{}", "connections_open"), "Streams.", 3)]);
    assert_value(&metrics, "sipward_log_lines_dropped_total", "7");
    assert_value(&metrics, "sipward_transport_connections_open", "3");
    number.store(8, std::sync::atomic::Ordering::Relaxed);
    assert_value(&metrics, "sipward_log_lines_dropped_total", "8");
}

#[test]
fn the_store_and_the_state_are_shown_while_they_live_and_not_kept_alive() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let store = Arc::new(Store::open(&Settings { path: folder.path().join("store") }).unwrap());
    let journal = Arc::new(BindingJournal::new(Arc::clone(&store)));
    let location = Arc::new(Location::new(Arc::new(NoBindingStore)));
    let dialogs = Arc::new(Dialogs::new(10, [0; 16]));
    metrics.watch_store(&store, &journal);
    metrics.watch_state(&location, &dialogs);
    crate::location::BindingStore::changed(&*journal, &binding().0);
    assert_value(&metrics, "sipward_store_queued_bindings", "1");
    assert_value(&metrics, "sipward_store_restoring", "1");
    assert_value(&metrics, "sipward_store_binding_write_errors_total", "0");
    assert_value(&metrics, "sipward_credentials", "0");
    assert_value(&metrics, "sipward_addresses_of_record", "0");
    assert_value(&metrics, "sipward_dialogs", "0");
    assert_eq!((Arc::strong_count(&journal), Arc::strong_count(&location)), (1, 1));
    drop((store, journal, location, dialogs));
    assert!(!metrics.text().contains("sipward_store_"));
}

#[test]
fn the_text_is_well_formed_and_tells_of_program_and_process() {
    let metrics = Metrics::new();
    let text = metrics.text();
    assert!(text.ends_with("# EOF\n"));
    assert_value(&metrics, &format!("sipward_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), "1");
    for sample in ["sipward_start_time_seconds", "sipward_process_resident_memory_bytes", "sipward_process_open_fds"] {
        assert!(value(&text, sample).unwrap().parse::<u64>().unwrap() > 0, "{sample}");
    }
    let helped: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    let names: HashSet<_> = helped.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), helped.len(), "a name is described once");
    for (name, help) in helped {
        assert!(name.starts_with("sipward_") && help.len() > 5 && !help.ends_with(".."), "{name} {help}");
    }
}
