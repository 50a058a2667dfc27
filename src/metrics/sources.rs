//! What the shards, the location service, the dialogs and the store hold.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::dialog::Dialogs;
use crate::engine::Load;
use crate::location::Location;
use crate::storage::{BindingJournal, Store};

use super::encode::gauges;
use super::{Metrics, Reading};

/// What the engine of one shard held when it was last asked.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardLoad {
    server_transactions: AtomicU64,
    client_transactions: AtomicU64,
    contexts: AtomicU64,
    timers: AtomicU64,
}

impl ShardLoad {
    /// Notes it. Four stores: cheap enough for every turn of the shard's loop.
    pub fn set(&self, load: Load) {
        self.server_transactions.store(load.server_transactions as u64, Ordering::Relaxed);
        self.client_transactions.store(load.client_transactions as u64, Ordering::Relaxed);
        self.contexts.store(load.contexts as u64, Ordering::Relaxed);
        self.timers.store(load.timers as u64, Ordering::Relaxed);
    }
}

/// The loads of all shards.
#[derive(Clone, Debug, Default)]
pub(super) struct Loads(Arc<Mutex<Numbered>>);

/// Shards by their number.
type Numbered = Vec<(u8, Arc<ShardLoad>)>;

impl Loads {
    pub(super) fn shard(&self, shard: u8) -> Arc<ShardLoad> {
        let mut shards = self.shards();
        if let Some((_, load)) = shards.iter().find(|(number, _)| *number == shard) {
            return Arc::clone(load);
        }
        let load = Arc::<ShardLoad>::default();
        shards.push((shard, Arc::clone(&load)));
        load
    }

    fn shards(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Loads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shards: Vec<_> =
            self.shards().iter().map(|(number, load)| (number.to_string(), Arc::clone(load))).collect();
        let transactions = shards.iter().flat_map(|(number, load)| {
            let row =
                |side, count: &AtomicU64| ([("shard", number.as_str()), ("side", side)], count.load(Ordering::Relaxed));
            [row("server", &load.server_transactions), row("client", &load.client_transactions)]
        });
        gauges(&mut encoder, ("transactions", "Live transactions."), transactions)?;
        let of = |count: fn(&ShardLoad) -> &AtomicU64| {
            shards.iter().map(move |(number, load)| ([("shard", number.as_str())], count(load).load(Ordering::Relaxed)))
        };
        gauges(
            &mut encoder,
            ("response_contexts", "Requests that the proxy has forwarded and not yet answered."),
            of(|load| &load.contexts),
        )?;
        gauges(&mut encoder, ("timers", "Timers that have not fired yet."), of(|load| &load.timers))
    }
}

impl Metrics {
    /// Shows how many addresses of record and dialogs are known. Keeps neither alive.
    pub fn watch_state(&self, location: &Arc<Location>, dialogs: &Arc<Dialogs>) {
        let (location, dialogs) = (Arc::downgrade(location), Arc::downgrade(dialogs));
        self.gauge(
            "addresses_of_record",
            "Addresses of record that are known, those included that have just lost their last binding.",
            move || number(&location, Location::len),
        );
        self.gauge("dialogs", "Dialogs that are known.", move || number(&dialogs, Dialogs::len));
    }

    /// Shows what the store and the journal of bindings do. Keeps neither alive, so that dropping them still closes the store.
    pub fn watch_store(&self, store: &Arc<Store>, journal: &Arc<BindingJournal>) {
        let (store, journal) = (Arc::downgrade(store), Arc::downgrade(journal));
        self.watch(move || {
            let mut readings = store.upgrade().map_or_else(Vec::new, |store| store_readings(&store));
            readings.extend(journal.upgrade().iter().flat_map(|journal| journal_readings(journal)));
            readings
        });
    }
}

fn number<T>(source: &Weak<T>, read: fn(&T) -> usize) -> u64 {
    source.upgrade().map_or(0, |source| read(&source) as u64)
}

fn store_readings(store: &Store) -> Vec<Reading> {
    let counts = store.write_counts();
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    vec![
        Reading::gauge(
            "credentials",
            "Credentials of all accounts, disabled ones included.",
            store.credentials().len() as u64,
        ),
        Reading::counter("store_commits", "Sets of changes that are on disk.", get(&counts.committed)),
        Reading::counter("store_syncs", "fsyncs made for sets of changes.", get(&counts.synced)),
    ]
}

fn journal_readings(journal: &BindingJournal) -> Vec<Reading> {
    let counts = journal.counts();
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let queued = "Addresses of record whose bindings wait to be written.";
    let written = "Addresses of record whose bindings were written or removed.";
    let failed = "Commits of bindings that failed; what they held was queued again.";
    let oversized = "Addresses of record with bindings too large to be stored.";
    let restored = "Addresses of record that were restored at the start.";
    let unreadable = "Stored bindings that could not be read at the start and were dropped.";
    let restoring = "1 while stored bindings are still being restored.";
    vec![
        Reading::gauge("store_queued_bindings", queued, journal.queued() as u64),
        Reading::counter("store_written_bindings", written, get(&counts.written)),
        Reading::counter("store_binding_write_errors", failed, get(&counts.failed)),
        Reading::counter("store_oversized_bindings", oversized, get(&counts.oversized)),
        Reading::counter("store_restored_bindings", restored, get(&counts.restored)),
        Reading::counter("store_unreadable_bindings", unreadable, get(&counts.unreadable)),
        Reading::gauge("store_restoring", restoring, u64::from(journal.restoring())),
    ]
}
