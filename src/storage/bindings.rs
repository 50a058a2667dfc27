//! Bindings, written behind: a changed address of record is queued and within 0.6 s written, with everything else
//! that changed, in one batch and one fsync.
//!
//! The queue is a set, so it never holds more than there are addresses of record, however long the disk fails. A key leaves it
//! before its record is read, and the reader takes the record's dirty mark off while reading: a change that comes after that queues the key again, so
//! none is lost. What cannot be written is queued again.

#![allow(clippy::disallowed_methods, reason = "the store is shell: it owns threads")]

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::location::{AddressOfRecord, BindingStore, StoredRecord};

use super::Store;
use super::changes::Changes;
use super::disk::panic_text;
use super::error::WriteError;
use super::key;
use super::record;

/// How often the queue is written. Leaves 0.4 of the promised second for the disk; a longer interval writes an address of
/// record that changes often less often.
const FLUSH_EVERY: Duration = Duration::from_millis(600);

/// Addresses of record in one commit: bounds the memory of a flush and how long a change over the API waits behind it.
const ROWS: usize = 4_000;

/// Reads the current bindings of an address of record, to be stored; `None` or none of them removes the row. It must take the record's
/// dirty mark off before or while it reads.
pub type ReadRecord = Box<dyn Fn(&AddressOfRecord) -> Option<StoredRecord> + Send + Sync>;

/// The journal of bindings over a [`Store`].
///
/// Life: [`BindingJournal::new`] (now [`BindingStore::recall`] reads through), [`BindingJournal::start`], [`BindingJournal::restore`],
/// and at SIGTERM [`BindingJournal::stop`]. Dropping it stops it, too.
pub struct BindingJournal {
    pub(super) shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Counts for metrics.
#[derive(Debug, Default)]
pub struct JournalCounts {
    /// Addresses of record written or removed.
    pub written: AtomicU64,
    /// Commits that failed; their keys were queued again.
    pub failed: AtomicU64,
    /// Addresses of record too large to be stored.
    pub oversized: AtomicU64,
    /// Addresses of record handed over by the restore.
    pub restored: AtomicU64,
    /// Stored records dropped by the restore because they could not be read.
    pub unreadable: AtomicU64,
}

pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    queue: Mutex<HashSet<AddressOfRecord>>,
    pub(super) counts: JournalCounts,
    /// While set, a miss reads through.
    pub(super) restoring: AtomicBool,
    /// What has changed since the start, while restoring: there the stored row is the older truth.
    touched: Mutex<HashSet<AddressOfRecord>>,
    /// Held while a stored row is judged and handed over, and while a current record is read for writing: so a row that was
    /// read before an address of record lost its last binding is not handed over after that was written.
    pub(super) handing_over: Mutex<()>,
    /// One flush at a time, so that rows reach the disk in the order in which records were read.
    flushing: Mutex<()>,
    read: Mutex<Option<Arc<ReadRecord>>>,
    failing: AtomicBool,
    pub(super) stopping: AtomicBool,
    stop: (Mutex<()>, Condvar),
}

impl fmt::Debug for BindingJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindingJournal")
            .field("queued", &self.queued())
            .field("restoring", &self.restoring())
            .field("counts", &self.shared.counts)
            .finish_non_exhaustive()
    }
}

impl BindingStore for BindingJournal {
    fn changed(&self, aor: &AddressOfRecord) {
        self.shared.changed(aor);
    }

    /// May hold bindings that have expired. Unreadable rows are `None`.
    fn recall(&self, aor: &AddressOfRecord) -> Option<StoredRecord> {
        if !self.restoring() || self.shared.is_touched(aor) {
            return None;
        }
        let stored = self.shared.store.bindings.get(key::binding_key(aor)).ok()??;
        // Asked again: the record may have lived and ended in memory while the disk was read.
        if self.shared.is_touched(aor) { None } else { record::decode(&stored).ok() }
    }
}

impl BindingJournal {
    /// A journal that queues and reads through, and does not write yet.
    pub fn new(store: Arc<Store>) -> Self {
        let shared = Shared {
            store,
            queue: Mutex::default(),
            counts: JournalCounts::default(),
            restoring: AtomicBool::new(true),
            touched: Mutex::default(),
            handing_over: Mutex::default(),
            flushing: Mutex::default(),
            read: Mutex::default(),
            failing: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            stop: (Mutex::default(), Condvar::new()),
        };
        Self { shared: Arc::new(shared), threads: Mutex::default() }
    }

    /// Starts writing; `read` says what is current.
    pub fn start(&self, read: ReadRecord) -> io::Result<()> {
        *lock(&self.shared.read) = Some(Arc::new(read));
        let shared = Arc::clone(&self.shared);
        self.spawn("binding-flush", move || {
            while !shared.wait(FLUSH_EVERY) {
                // The error was counted and logged, and the keys are queued again.
                let _ = shared.flush();
            }
        })
    }

    /// Writes what is queued and waits until it is on disk; answers how many addresses of record were written.
    pub fn flush_now(&self) -> Result<usize, WriteError> {
        self.shared.flush()
    }

    /// Stops the threads and writes what is queued.
    pub fn stop(&self) -> Result<(), WriteError> {
        self.shared.stop();
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
        let flushed = self.shared.flush().map(|_| ());
        // The reader holds what owns this journal.
        *lock(&self.shared.read) = None;
        flushed
    }

    /// Addresses of record that wait to be written.
    pub fn queued(&self) -> usize {
        lock(&self.shared.queue).len()
    }

    /// Whether the restore is still to be finished.
    pub fn restoring(&self) -> bool {
        self.shared.restoring.load(Ordering::Acquire)
    }

    /// Counts for metrics.
    pub fn counts(&self) -> &JournalCounts {
        &self.shared.counts
    }

    pub(super) fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = Builder::new().name(name.to_owned()).spawn(run)?;
        lock(&self.threads).push(thread);
        Ok(())
    }
}

impl Drop for BindingJournal {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, queued = self.queued(), "bindings were not written at the end");
        }
    }
}

impl Shared {
    pub(super) fn changed(&self, aor: &AddressOfRecord) {
        if self.restoring.load(Ordering::Acquire) {
            lock(&self.touched).insert(aor.clone());
        }
        lock(&self.queue).insert(aor.clone());
    }

    pub(super) fn is_touched(&self, aor: &AddressOfRecord) -> bool {
        lock(&self.touched).contains(aor)
    }

    /// From now on memory alone is right.
    pub(super) fn restored(&self) {
        self.restoring.store(false, Ordering::Release);
        *lock(&self.touched) = HashSet::new();
    }

    pub(super) fn queued(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Waits for `span` or the end; says whether it is the end.
    pub(super) fn wait(&self, span: Duration) -> bool {
        let (mutex, condition) = &self.stop;
        let going = |_: &mut ()| !self.stopping.load(Ordering::Acquire);
        drop(condition.wait_timeout_while(lock(mutex), span, going).unwrap_or_else(PoisonError::into_inner));
        self.stopping.load(Ordering::Acquire)
    }

    fn stop(&self) {
        let (mutex, condition) = &self.stop;
        let guard = lock(mutex);
        self.stopping.store(true, Ordering::Release);
        drop(guard);
        condition.notify_all();
    }

    fn flush(&self) -> Result<usize, WriteError> {
        let _one_at_a_time = lock(&self.flushing);
        let Some(read) = lock(&self.read).clone() else { return Ok(0) };
        let queued: Vec<AddressOfRecord> = std::mem::take(&mut *lock(&self.queue)).into_iter().collect();
        let mut written = 0;
        let mut chunks = queued.chunks(ROWS);
        while let Some(chunk) = chunks.next() {
            if let Err(error) = self.write(chunk, &read) {
                let mut queue = lock(&self.queue);
                queue.extend(chunk.iter().chain(chunks.flatten()).cloned());
                drop(queue);
                self.failed(&error);
                return Err(error);
            }
            written += chunk.len();
        }
        if written > 0 {
            self.counts.written.fetch_add(written as u64, Ordering::Relaxed);
            if self.failing.swap(false, Ordering::Relaxed) {
                tracing::info!("bindings are written again");
            }
        }
        Ok(written)
    }

    fn write(&self, aors: &[AddressOfRecord], read: &ReadRecord) -> Result<(), WriteError> {
        // The reader is not ours: were it to panic, the keys must stay queued and the thread alive.
        let changes = catch_unwind(AssertUnwindSafe(|| self.current(aors, read))).map_err(|panic| {
            WriteError::Failed { path: self.store.path().to_owned(), detail: panic_text(panic.as_ref()) }
        })?;
        self.store.commit(changes)
    }

    fn current(&self, aors: &[AddressOfRecord], read: &ReadRecord) -> Changes {
        let mut changes = Changes::new();
        for aor in aors {
            let handing_over = self.restoring.load(Ordering::Acquire).then(|| lock(&self.handing_over));
            let record = read(aor);
            drop(handing_over);
            if !changes.put_bindings(aor, record.as_ref()) {
                self.counts.oversized.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(trunk = %aor.trunk.0, user = %aor.user.escape_debug(), "bindings too large to be stored; they will not outlast a restart");
            }
        }
        changes
    }

    fn failed(&self, error: &WriteError) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        // Four times a second would fill a disk that is full already.
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, queued = self.queued(), "bindings cannot be written; they stay queued");
        }
    }
}

/// A panic elsewhere leaves these sets usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
