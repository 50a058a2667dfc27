//! What the server counts, and its text form for Prometheus (OpenMetrics 1.0).
//!
//! Every shard counts into numbers of its own ([`EventCounter`], [`ShardLoad`]) and a scrape adds them up; what others keep is
//! read when somebody scrapes ([`Metrics::counter`], [`Metrics::gauge`], [`Metrics::watch`]). No label ever holds a user or an
//! address: their number is the sender's to choose.

#![allow(clippy::disallowed_methods, reason = "metrics are shell: the time of the start is read from the clock")]

mod encode;
mod events;
mod process;
mod sources;
mod watch;

pub use events::EventCounter;
pub use sources::ShardLoad;
pub use watch::{Kind, Reading};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use events::Events;
use process::Process;
use sources::Loads;
use watch::Watch;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters of one server. Names begin with `sipward_`.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    events: Events,
    loads: Loads,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counts nothing yet but already shows every outcome; the time of this call is the time of the start.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sipward");
        let (events, loads) = (Events::default(), Loads::default());
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "What is running", Info::new(version));
        registry.register_collector(Box::new(events.clone()));
        registry.register_collector(Box::new(loads.clone()));
        registry.register_collector(Box::new(Process));
        let metrics = Self { registry: Mutex::new(registry), events, loads };
        let started_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        metrics.gauge("start_time_seconds", "When the server was started, since the Unix epoch.", move || started_s);
        metrics
    }

    /// A counter of events for one thread.
    pub fn event_counter(&self) -> EventCounter {
        self.events.counter()
    }

    /// Where the shell notes what the engine of `shard` holds.
    pub fn shard_load(&self, shard: u8) -> Arc<ShardLoad> {
        self.loads.shard(shard)
    }

    /// Shows a number that only grows as `sipward_{name}_total`. `read` is called at every scrape and must not block.
    pub fn counter(&self, name: &'static str, help: &'static str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.watch(move || vec![Reading::counter(name, help, read())]);
    }

    /// Shows a number that goes up and down as `sipward_{name}`. `read` is called at every scrape and must not block.
    pub fn gauge(&self, name: &'static str, help: &'static str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.watch(move || vec![Reading::gauge(name, help, read())]);
    }

    /// Shows what `read` gives at every scrape. It must not block, and must not give a name that something else gives.
    pub fn watch(&self, read: impl Fn() -> Vec<Reading> + Send + Sync + 'static) {
        self.register(Watch::new(read));
    }

    fn register(&self, collector: impl Collector) {
        self.registry().register_collector(Box::new(collector));
    }

    /// Everything, as [`CONTENT_TYPE`]. Reads files of `/proc`, which takes milliseconds with very many open streams.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry());
        text
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
