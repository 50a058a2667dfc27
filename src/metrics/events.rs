//! Counts of the core's events, one set of numbers a thread.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::event::{Event, Gone, Outcome};

use super::encode::counters;

/// A number that one thread alone changes and anyone may read: a plain load and store, no locked bus cycle.
#[derive(Debug)]
struct Count(AtomicU64);

impl Count {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn increment(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const CHANGES: [&str; 4] = ["registered", "removed", "expired", "revoked"];
const STAGES: [&str; 3] = ["started", "answered", "ended"];
const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "6xx"];
const READINGS: [&str; 3] = ["agreed", "refused", "differed"];

/// On cache lines of its own, so that shards do not slow each other down.
#[derive(Debug)]
#[repr(align(128))]
struct Counts {
    outcomes: [Count; Outcome::ALL.len()],
    registrations: [Count; CHANGES.len()],
    calls: [Count; STAGES.len()],
    final_classes: [Count; CLASSES.len()],
    readings: [Count; READINGS.len()],
    /// Few, and each a constant of the program; seldom touched.
    differences: Mutex<Vec<(&'static str, u64)>>,
}

impl Counts {
    const fn new() -> Self {
        Self {
            outcomes: [const { Count::new() }; Outcome::ALL.len()],
            registrations: [const { Count::new() }; CHANGES.len()],
            calls: [const { Count::new() }; STAGES.len()],
            final_classes: [const { Count::new() }; CLASSES.len()],
            readings: [const { Count::new() }; READINGS.len()],
            differences: Mutex::new(Vec::new()),
        }
    }

    fn differences(&self) -> MutexGuard<'_, Vec<(&'static str, u64)>> {
        self.differences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the events of one thread. Cannot be cloned: its numbers have one writer.
#[derive(Debug)]
pub struct EventCounter(Arc<Counts>);

impl EventCounter {
    /// Counts one event. Neither hashes nor allocates, a difference between the readers apart.
    pub fn count(&mut self, event: &Event<'_>) {
        let counts = &self.0;
        match event {
            Event::Decided { outcome, .. } => increment(&counts.outcomes, *outcome as usize),
            Event::CredentialUsed { .. } => {}
            Event::Registered { .. } => increment(&counts.registrations, 0),
            Event::Unregistered { gone, .. } => increment(&counts.registrations, change(*gone)),
            Event::CallStarted { .. } => increment(&counts.calls, 0),
            Event::CallAnswered { .. } => increment(&counts.calls, 1),
            Event::CallEnded { status, .. } => {
                increment(&counts.calls, 2);
                increment(&counts.final_classes, usize::from(status / 100).saturating_sub(2));
            }
            // Warned of in the log; there is nothing to count that the answer to the call does not count.
            Event::TargetSkipped { .. } => {}
            Event::SecondReaderAgreed => increment(&counts.readings, 0),
            Event::SecondReaderRefused => increment(&counts.readings, 1),
            Event::SecondReaderDiffered { field } => {
                increment(&counts.readings, 2);
                add(&mut counts.differences(), field, 1);
            }
        }
    }
}

fn change(gone: Gone) -> usize {
    match gone {
        Gone::Removed => 1,
        Gone::Expired => 2,
        Gone::Revoked => 3,
    }
}

fn increment(counts: &[Count], index: usize) {
    if let Some(count) = counts.get(index) {
        count.increment();
    }
}

fn add(differences: &mut Vec<(&'static str, u64)>, field: &'static str, amount: u64) {
    match differences.iter_mut().find(|(known, _)| *known == field) {
        Some((_, count)) => *count += amount,
        None => differences.push((field, amount)),
    }
}

/// The counts of all threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(Arc<Mutex<Vec<Arc<Counts>>>>);

impl Events {
    pub(super) fn counter(&self) -> EventCounter {
        let counts = Arc::new(Counts::new());
        self.counts().push(Arc::clone(&counts));
        EventCounter(counts)
    }

    fn counts(&self) -> MutexGuard<'_, Vec<Arc<Counts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sums over all threads, with the labels' values.
    fn sums<const N: usize>(
        &self,
        labels: impl IntoIterator<Item = &'static str>,
        of: fn(&Counts) -> &[Count; N],
    ) -> Vec<(&'static str, u64)> {
        let threads = self.counts();
        let sum = |index: usize| threads.iter().filter_map(|counts| of(counts).get(index)).map(Count::get).sum();
        labels.into_iter().enumerate().map(|(index, label)| (label, sum(index))).collect()
    }

    fn differences(&self) -> Vec<(&'static str, u64)> {
        let mut sums = Vec::new();
        for counts in self.counts().iter() {
            for (field, count) in counts.differences().iter() {
                add(&mut sums, field, *count);
            }
        }
        sums
    }
}

fn labelled(
    label: &'static str,
    rows: Vec<(&'static str, u64)>,
) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> {
    rows.into_iter().map(move |(value, count)| ([(label, value)], count))
}

impl Collector for Events {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let outcomes = self.sums(Outcome::ALL.iter().map(|outcome| outcome.label()), |counts| &counts.outcomes);
        counters(encoder, ("messages", "SIP messages by how they were dealt with."), labelled("outcome", outcomes))?;
        let registrations = self.sums(CHANGES, |counts| &counts.registrations);
        let help = "Bindings that were made or moved (registered), or are gone and why; refreshes are not counted.";
        counters(encoder, ("registrations", help), labelled("change", registrations))?;
        let calls = self.sums(STAGES, |counts| &counts.calls);
        counters(encoder, ("calls", "Calls by how far they got."), labelled("stage", calls))?;
        let classes = self.sums(CLASSES, |counts| &counts.final_classes);
        let help = "Calls that are over, by the class of their final status; 2xx was answered and hung up.";
        counters(encoder, ("calls_ended", help), labelled("class", classes))?;
        let readings = self.sums(READINGS, |counts| &counts.readings);
        let help = "REGISTERs that changed a binding and INVITEs that started a dialog, by how rsip read them.";
        counters(encoder, ("second_reader", help), labelled("result", readings))?;
        let help = "Messages of which rsip read a field otherwise; our own reading was used.";
        counters(encoder, ("second_reader_differences", help), labelled("field", self.differences()))
    }
}
