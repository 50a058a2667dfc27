//! What the writing thread does to sled: apply, sync, publish.

use std::any::Any;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::audit::{self, AuditHead};
use super::changes::{CacheChange, Changes, Guard, KeyedRow, Row};
use super::credentials::Credentials;
use super::difference::Changed;
use super::directory::Acknowledged;
use super::error::WriteError;
use super::index::{Index, Place};
use super::key::{self, Kind};
use super::record;
use super::snapshot::{Current, Snapshots};
use super::state::{State, row_hash};

/// What the writing thread works on.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) path: PathBuf,
    pub(super) objects: sled::Tree,
    pub(super) bindings: sled::Tree,
    pub(super) usage: sled::Tree,
    /// sled's log, opened a second time.
    pub(super) log: File,
    pub(super) blobs: PathBuf,
    pub(super) acknowledged: Acknowledged,
    pub(super) credentials: Arc<Credentials>,
    pub(super) index: Arc<Index>,
    pub(super) state: State,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) audit: AuditHead,
}

impl Disk {
    /// The inner error is the caller's own, the outer one the disk's.
    pub(super) fn apply(
        &mut self,
        changes: &mut Changes,
        current: &mut Current,
    ) -> Result<Result<usize, WriteError>, String> {
        let engine = |error: sled::Error| error.to_string();
        let mut draft = Draft { batch: sled::Batch::default(), contents: self.state.contents };
        let mut left_out = Vec::new();
        let mut replaced = HashMap::new();
        for (key, row) in &mut changes.objects {
            let old = self.objects.get(key).map_err(engine)?;
            match verdict(row, key, old.is_some()) {
                Ok(true) => {}
                Ok(false) => {
                    left_out.push(key.clone());
                    continue;
                }
                Err(error) => return Ok(Err(error)),
            }
            current.keep(key, old.as_ref());
            draft.put(key, row, old.as_deref());
            if let Some(old) = old {
                replaced.insert(key.clone(), old);
            }
        }
        // What was left out has nothing to tell the cache either.
        for key in &left_out {
            changes.objects.remove(key);
        }
        let (audit, rows) = match self.audit_rows(changes, &replaced) {
            // These rows bring the entries that tell of them.
            _ if changes.is_restored => (self.audit, Vec::new()),
            Ok(audit) => audit,
            Err(error) => return Ok(Err(error)),
        };
        for (key, mut row) in rows {
            let old = self.objects.get(&key).map_err(engine)?;
            current.keep(&key, old.as_ref());
            draft.put(&key, &mut row, old.as_deref());
            changes.objects.insert(key, row);
        }
        if !changes.objects.is_empty() {
            let Draft { mut batch, contents } = draft;
            let state = State { changes: self.state.changes + 1, contents };
            let value = record::encode(&state).map_err(|error| error.to_string())?;
            batch.insert(key::key(Kind::State, b""), value);
            self.objects.apply_batch(batch).map_err(engine)?;
            self.state = state;
            self.audit = audit;
        }
        apply_rows(&self.bindings, &mut changes.bindings).map_err(engine)?;
        apply_rows(&self.usage, &mut changes.usage).map_err(engine)?;
        Ok(Ok(left_out.len()))
    }

    /// What the audit log tells of changes that replace these rows.
    fn audit_rows(
        &self,
        changes: &mut Changes,
        replaced: &HashMap<Vec<u8>, sled::IVec>,
    ) -> Result<(AuditHead, Vec<KeyedRow>), WriteError> {
        let changed = changes.objects.iter().map(|(key, row)| Changed {
            key,
            old: replaced.get(key).map(AsRef::as_ref),
            new: row.value.as_deref(),
        });
        let changed: Vec<Changed<'_>> = changed.filter(|row| row.old.is_some() || row.new.is_some()).collect();
        let mut entries = audit::entries(&changes.author.clone().unwrap_or_default(), &changed);
        entries.append(&mut changes.audit);
        self.audit.chain(entries)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.objects.flush().map_err(io::Error::other)?;
        self.sync_blobs()?;
        self.log.sync_all()?;
        if let Err(error) = self.acknowledged.write(self.state.changes) {
            // Only the detection of a lost tail is weaker for it.
            tracing::warn!(%error, "the number of the last acknowledged change could not be written");
        }
        Ok(())
    }

    /// Pages that outgrew the log: sled writes them and never syncs them. There are hardly ever any.
    fn sync_blobs(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.blobs)? {
            match File::open(entry?.path()) {
                Ok(blob) => blob.sync_all()?,
                // sled has collected it in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn publish(&self, changes: &mut Changes) {
        for (key, row) in &mut changes.objects {
            let shared = match &row.cache {
                Some(CacheChange::Put(name, _)) => Some(Arc::clone(name)),
                _ => None,
            };
            match row.cache.take() {
                Some(CacheChange::Put(name, credential)) => self.credentials.put(name, credential),
                Some(CacheChange::Remove(name)) => self.credentials.remove(&name),
                None => {}
            }
            let place = row.value.as_ref().and_then(|value| Place::of(key, value).ok().flatten());
            if let Some(kind) = Kind::of(key).filter(|_| place != row.old) {
                let name = shared.unwrap_or_else(|| key.get(1..).unwrap_or_default().into());
                self.index.replace(kind, &name, row.old.as_ref(), place.as_ref());
            }
        }
    }
}

fn apply_rows(tree: &sled::Tree, rows: &mut Vec<(Vec<u8>, Option<Vec<u8>>)>) -> sled::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut batch = sled::Batch::default();
    for (key, value) in rows.drain(..) {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    tree.apply_batch(batch)
}

/// A batch, and what the contents of the store come to with it.
struct Draft {
    batch: sled::Batch,
    contents: u64,
}

impl Draft {
    fn put(&mut self, key: &[u8], row: &mut Row, old: Option<&[u8]>) {
        if let Some(old) = old {
            self.contents ^= row_hash(key, old);
            // A row that cannot be read stood in no list: the start would have refused it.
            row.old = Place::of(key, old).ok().flatten();
        }
        match &row.value {
            Some(value) => {
                self.contents ^= row_hash(key, value);
                self.batch.insert(key, value.as_slice());
            }
            None => self.batch.remove(key),
        }
    }
}

/// Whether the row is to be written.
fn verdict(row: &Row, key: &[u8], present: bool) -> Result<bool, WriteError> {
    match (row.guard, present) {
        (Guard::Absent, true) => Err(WriteError::Exists { what: key::describe(key) }),
        (Guard::Present, false) => Err(WriteError::Missing { what: key::describe(key) }),
        (Guard::SkipIfPresent, true) => Ok(false),
        _ => Ok(true),
    }
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("sled panicked: {}", text.unwrap_or("without a message"))
}
