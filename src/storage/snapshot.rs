//! Reading all objects as they were at one moment while changes go on.
//!
//! A scan of sled shows each row as it is when it is reached. So from the moment a snapshot begins, the writer keeps the old
//! value of every row that it changes and the scan has not reached. The scan takes the kept value where there is one; what was removed before it
//! got there comes at its end. Nothing waits for a backup, and a backup waits for nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::key::Kind;
use super::state::State;

/// Kept rows at which a snapshot gives up: whoever reads it too slowly must not fill the memory.
const MOST_KEPT: usize = 250_000;

/// Rows read from sled at once.
const CHUNK: usize = 1_024;

/// What the writer tells of its changes.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
pub(super) struct Current {
    /// As of the last change that is on disk.
    pub(super) state: State,
    active: Vec<Weak<Mutex<Kept>>>,
}

/// Rows as they were when a snapshot began.
#[derive(Debug, Default)]
struct Kept {
    /// The last key that the scan has given out.
    reached: Option<Vec<u8>>,
    rows: BTreeMap<Vec<u8>, KeptRow>,
    overflowed: bool,
}

#[derive(Debug)]
struct KeptRow {
    /// `None` where there was none.
    value: Option<sled::IVec>,
    given_out: bool,
}

impl Snapshots {
    pub(super) fn new(state: State) -> Self {
        Self { current: Mutex::new(Current { state, active: Vec::new() }) }
    }

    /// Held by the writer from the first change of a group until the group is on disk, so that a snapshot begins between two groups.
    pub(super) fn writing(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a snapshot of `objects`.
    pub(super) fn begin(&self, objects: &sled::Tree) -> Snapshot {
        let mut current = self.writing();
        let kept = Arc::new(Mutex::new(Kept::default()));
        current.active.push(Arc::downgrade(&kept));
        Snapshot { state: current.state, rows: objects.iter(), kept }
    }
}

impl Current {
    /// To be called before the row under `key` is changed; `old` is what it held.
    pub(super) fn keep(&mut self, key: &[u8], old: Option<&sled::IVec>) {
        self.active.retain(|weak| weak.upgrade().map(|kept| lock(&kept).keep(key, old)).is_some());
    }
}

impl Kept {
    fn keep(&mut self, key: &[u8], old: Option<&sled::IVec>) {
        if self.overflowed || self.reached.as_deref().is_some_and(|reached| key <= reached) {
            return;
        }
        if self.rows.len() >= MOST_KEPT {
            self.overflowed = true;
            self.rows = BTreeMap::new();
            return;
        }
        self.rows.entry(key.to_vec()).or_insert_with(|| KeptRow { value: old.cloned(), given_out: false });
    }
}

/// Why a snapshot ended early.
#[derive(Debug)]
pub(super) enum SnapshotError {
    /// Too much changed while it was read.
    Overtaken,
    /// sled could not read.
    Engine(String),
}

/// One moment of the objects, without the row of the state.
pub(super) struct Snapshot {
    /// The state that goes with the rows.
    pub(super) state: State,
    rows: sled::Iter,
    kept: Arc<Mutex<Kept>>,
}

impl Snapshot {
    /// Gives every row to `take`.
    pub(super) fn read<E: From<SnapshotError>>(
        mut self,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let chunk: Result<Vec<_>, _> = self.rows.by_ref().take(CHUNK).collect();
            let chunk = chunk.map_err(|error| SnapshotError::Engine(error.to_string()))?;
            let Some((last, _)) = chunk.last() else { break };
            let last = last.to_vec();
            for (key, value) in self.as_they_were(chunk, last)? {
                take(&key, &value)?;
            }
        }
        let rest = std::mem::take(&mut lock(&self.kept).rows);
        if lock(&self.kept).overflowed {
            return Err(SnapshotError::Overtaken.into());
        }
        for (key, row) in rest {
            if let Some(value) = row.value.filter(|_| !row.given_out && Kind::of(&key) != Some(Kind::State)) {
                take(&key, &value)?;
            }
        }
        Ok(())
    }

    fn as_they_were(
        &self,
        mut chunk: Vec<(sled::IVec, sled::IVec)>,
        last: Vec<u8>,
    ) -> Result<Vec<(sled::IVec, sled::IVec)>, SnapshotError> {
        let mut kept = lock(&self.kept);
        if kept.overflowed {
            return Err(SnapshotError::Overtaken);
        }
        chunk.retain_mut(|(key, value)| match kept.rows.get_mut(key.as_ref()) {
            _ if Kind::of(key) == Some(Kind::State) => false,
            None => true,
            Some(row) => {
                row.given_out = true;
                row.value.as_ref().map(|old| *value = old.clone()).is_some()
            }
        });
        kept.reached = Some(last);
        Ok(chunk)
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
