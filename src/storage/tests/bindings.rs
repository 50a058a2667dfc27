use super::*;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::location::{AddressOfRecord, AorRecord, Binding, BindingStore, StoredBinding, StoredRecord};

const WAIT: Duration = Duration::from_secs(20);

pub(super) fn stored(user: &str, expires_at_s: u64) -> StoredBinding {
    StoredBinding {
        contact: format!("sip:{user}@127.0.0.1:5070").into_bytes(),
        tcp: false,
        local: "127.0.0.1:5060".parse().unwrap(),
        peer: "127.0.0.1:5070".parse().unwrap(),
        call_id: b"call".to_vec(),
        cseq: 1,
        expires_at_s,
        q: 1000,
        credential: None,
        user_agent: "phone".to_owned(),
    }
}

fn aor(user: &str) -> AddressOfRecord {
    AddressOfRecord { trunk: TrunkId(Uuid::from_u128(1)), user: user.into() }
}

/// Stands in for the location table.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<HashMap<AddressOfRecord, StoredRecord>>>);

impl Table {
    fn set(&self, user: &str, expires_at_s: u64) {
        self.0.lock().unwrap().insert(aor(user), vec![stored(user, expires_at_s)]);
    }

    fn reader(&self) -> ReadRecord {
        let table = self.clone();
        Box::new(move |aor| table.0.lock().unwrap().get(aor).cloned())
    }
}

fn journal(folder: &TempDir) -> BindingJournal {
    BindingJournal::new(Arc::new(open(folder)))
}

/// Restores everything and waits for the end.
fn restored(journal: &BindingJournal, now_s: u64) -> Vec<(String, StoredRecord)> {
    let (send, receive) = channel();
    journal.restore(now_s, move |aor, record| send.send((aor.user.to_string(), record)).unwrap()).unwrap();
    // The sender goes with the restoring thread.
    receive.iter().collect()
}

fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

#[test]
fn many_changes_of_one_record_become_one_write_of_the_last_state() {
    let folder = folder();
    let table = Table::default();
    let journal = journal(&folder);
    for round in 0..1_000 {
        table.set("alice", 100 + round);
        journal.changed(&aor("alice"));
    }
    assert_eq!(journal.queued(), 1);
    journal.start(table.reader()).unwrap();
    journal.stop().unwrap();
    assert_eq!(journal.counts().written.load(Ordering::Relaxed), 1);
    drop(journal);
    assert_eq!(restored(&self::journal(&folder), 0), [("alice".to_owned(), vec![stored("alice", 1_099)])]);
}

#[test]
fn a_change_is_written_within_a_second_without_being_asked_for() {
    let folder = folder();
    let table = Table::default();
    let journal = journal(&folder);
    journal.start(table.reader()).unwrap();
    table.set("alice", 100);
    journal.changed(&aor("alice"));
    eventually("the write", || journal.counts().written.load(Ordering::Relaxed) == 1);
    let store = Arc::clone(&journal.shared.store);
    assert!(store.bindings.contains_key(super::super::key::binding_key(&aor("alice"))).unwrap());
}

#[test]
fn a_change_that_comes_while_its_record_is_being_written_is_written_after_it() {
    let folder = folder();
    let journal = Arc::new(journal(&folder));
    let reads = Arc::new(AtomicUsize::new(0));
    let (late, counted) = (Arc::clone(&journal), Arc::clone(&reads));
    journal
        .start(Box::new(move |aor| {
            // The first read sees the old state; the change comes before that state is on disk.
            let nth = counted.fetch_add(1, Ordering::SeqCst);
            if nth == 0 {
                late.changed(aor);
            }
            Some(vec![stored("alice", 100 + nth as u64)])
        }))
        .unwrap();
    journal.changed(&aor("alice"));
    eventually("the second write", || journal.counts().written.load(Ordering::Relaxed) == 2);
    assert_eq!(journal.recall(&aor("alice")), None, "memory is the newer truth for what has changed");
    journal.stop().unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 2);
    drop(journal);
    assert_eq!(restored(&self::journal(&folder), 0), [("alice".to_owned(), vec![stored("alice", 101)])]);
}

#[test]
fn what_cannot_be_written_stays_queued_and_is_written_later() {
    let folder = folder();
    let table = Table::default();
    let journal = journal(&folder);
    journal.start(table.reader()).unwrap();
    journal.shared.store.writer.set_reserve(u64::MAX);
    for user in ["alice", "bob"] {
        table.set(user, 100);
        journal.changed(&aor(user));
    }
    assert!(matches!(journal.flush_now(), Err(WriteError::DiskFull { .. })));
    assert_eq!(journal.queued(), 2);
    assert!(journal.counts().failed.load(Ordering::Relaxed) >= 1);
    journal.shared.store.writer.set_reserve(0);
    eventually("the retry", || journal.queued() == 0);
    drop(journal);
    assert_eq!(restored(&self::journal(&folder), 0).len(), 2);
}

#[test]
fn a_record_that_cannot_be_read_from_memory_neither_ends_the_flusher_nor_is_forgotten() {
    let folder = folder();
    let journal = journal(&folder);
    let failed = AtomicUsize::new(0);
    journal
        .start(Box::new(move |_| {
            assert!(failed.fetch_add(1, Ordering::SeqCst) > 0, "the first read fails");
            Some(vec![stored("alice", 100)])
        }))
        .unwrap();
    journal.changed(&aor("alice"));
    eventually("the write after the failed read", || journal.counts().written.load(Ordering::Relaxed) == 1);
}

#[test]
fn expired_rows_are_not_restored_and_leave_the_disk() {
    let folder = folder();
    let table = Table::default();
    let first = journal(&folder);
    table.set("old", 100);
    table.set("new", 200);
    table.0.lock().unwrap().insert(aor("both"), vec![stored("both", 100), stored("both", 200)]);
    for user in ["old", "new", "both"] {
        first.changed(&aor(user));
    }
    first.start(table.reader()).unwrap();
    drop(first);
    let second = journal(&folder);
    second.start(Table::default().reader()).unwrap();
    let mut back = restored(&second, 100);
    back.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = ["both", "new"].map(|user| (user.to_owned(), vec![stored(user, 200)]));
    assert_eq!(back, expected);
    second.stop().unwrap();
    assert_eq!(second.shared.store.bindings.len(), 2);
}

#[test]
fn a_removed_record_leaves_the_disk() {
    let folder = folder();
    let table = Table::default();
    let journal = journal(&folder);
    journal.start(table.reader()).unwrap();
    table.set("alice", 100);
    journal.changed(&aor("alice"));
    journal.flush_now().unwrap();
    table.0.lock().unwrap().insert(aor("alice"), vec![]);
    journal.changed(&aor("alice"));
    journal.flush_now().unwrap();
    assert_eq!(journal.shared.store.bindings.len(), 0);
}

#[test]
fn a_miss_reads_through_until_the_restore_is_over() {
    let folder = folder();
    let table = Table::default();
    let first = journal(&folder);
    table.set("alice", 100);
    first.changed(&aor("alice"));
    first.start(table.reader()).unwrap();
    drop(first);
    let second = journal(&folder);
    assert_eq!(second.recall(&aor("alice")), Some(vec![stored("alice", 100)]));
    assert_eq!(second.recall(&aor("nobody")), None);
    assert_eq!(restored(&second, 0).len(), 1);
    eventually("the end of the restore", || !second.restoring());
    assert_eq!(second.recall(&aor("alice")), None);
}

#[test]
fn what_has_changed_since_the_start_is_not_overwritten_by_the_restore() {
    let folder = folder();
    let table = Table::default();
    let first = journal(&folder);
    for user in ["alice", "bob"] {
        table.set(user, 100);
        first.changed(&aor(user));
    }
    first.start(table.reader()).unwrap();
    drop(first);
    let second = journal(&folder);
    second.changed(&aor("alice"));
    assert_eq!(restored(&second, 0), [("bob".to_owned(), vec![stored("bob", 100)])]);
}

#[test]
fn bindings_that_cannot_be_read_are_dropped_and_the_rest_is_restored() {
    let folder = folder();
    let table = Table::default();
    let first = journal(&folder);
    table.set("bob", 100);
    first.changed(&aor("bob"));
    first.start(table.reader()).unwrap();
    first.stop().unwrap();
    first.shared.store.bindings.insert(super::super::key::binding_key(&aor("alice")), b"nonsense").unwrap();
    first.shared.store.bindings.insert(b"short", b"nonsense").unwrap();
    drop(first);
    let second = journal(&folder);
    assert_eq!(restored(&second, 0).len(), 1);
    assert_eq!(second.counts().unreadable.load(Ordering::Relaxed), 2);
}

/// The registrar counts on it.
#[test]
fn a_binding_takes_no_more_room_than_it_says() {
    let large = |length: usize| StoredBinding {
        contact: vec![b'x'; length],
        tcp: true,
        local: "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap(),
        peer: "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap(),
        call_id: vec![b'x'; length],
        cseq: u32::MAX,
        expires_at_s: u64::MAX / 1_000_000,
        q: u16::MAX,
        credential: Some(uuid::Uuid::max()),
        user_agent: "x".repeat(length),
    };
    for (length, count) in [(0, 340), (130, 60), (8_000, 1)] {
        let record: StoredRecord = (0..count).map(|_| large(length)).collect();
        let bytes: usize = record.iter().map(|stored| Binding::from(stored.clone()).stored_bytes()).sum();
        let encoded = crate::storage::record::encode(&record).unwrap().len();
        assert!(encoded <= bytes + 16 && bytes <= AorRecord::MOST_STORED_BYTES, "{encoded} {bytes}");
    }
}

#[test]
fn bindings_too_large_to_be_stored_are_counted_and_the_old_row_goes() {
    let folder = folder();
    let table = Table::default();
    let journal = journal(&folder);
    journal.start(table.reader()).unwrap();
    table.set("alice", 100);
    journal.changed(&aor("alice"));
    journal.flush_now().unwrap();
    let large = StoredBinding { contact: vec![b'x'; 40_000], ..stored("alice", 100) };
    table.0.lock().unwrap().insert(aor("alice"), vec![large]);
    journal.changed(&aor("alice"));
    journal.flush_now().unwrap();
    assert_eq!(journal.counts().oversized.load(Ordering::Relaxed), 1);
    assert_eq!(journal.shared.store.bindings.len(), 0);
}

#[test]
fn stopping_waits_for_everything_and_does_not_take_long() {
    let folder = folder();
    let table = Table::default();
    let journal = journal(&folder);
    journal.start(table.reader()).unwrap();
    for number in 0..10_000 {
        let user = format!("u{number}");
        table.set(&user, 100);
        journal.changed(&aor(&user));
    }
    let (send, receive) = channel();
    std::thread::scope(|scope| {
        let journal = &journal;
        scope.spawn(move || send.send(journal.stop()).unwrap());
        assert_eq!(receive.recv_timeout(WAIT), Ok(Ok(())));
    });
    assert_eq!(journal.queued(), 0);
    assert_eq!(journal.shared.store.bindings.len(), 10_000);
}
