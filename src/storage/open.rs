//! Opening: the folder, sled, the format, and one pass over everything that checks it and fills the cache.

#![allow(clippy::disallowed_methods, reason = "the store is shell: it waits for sled to let go of its own lock")]

use std::fs::OpenOptions;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, scope, sleep};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Store;
use super::audit::AuditHead;
use super::credentials::Credentials;
use super::directory::{Acknowledged, Directory, Progress};
use super::disk::{Disk, panic_text};
use super::error::{OpenError, ReadError};
use super::index::{Index, IndexBuilder, Place};
use super::key::Kind;
use super::read::{ENGINE_OBJECTS, record_at};
use super::record::{self, Record};
use super::schema::CredentialRecord;
use super::snapshot::Snapshots;
use super::state::{State, row_hash};
use super::writer::Writer;

/// The format of the store as a whole: trees, keys, what a start checks.
pub(super) const FORMAT: u32 = 1;

const META: &str = "meta";
const FORMAT_KEY: &str = "format";

/// sled's page cache, in bytes. Reads are answered by our own memory; this is for writing and for the start.
const PAGE_CACHE: u64 = 64 * 1024 * 1024;

/// sled's own flusher. Acknowledgements do not wait for it; it collects garbage, too.
const FLUSH_EVERY_MS: u64 = 500;

/// Rows handed to the other thread at once while loading.
const CHUNK: usize = 4_096;

#[derive(Serialize, Deserialize)]
struct Format(u32);

impl Record for Format {
    const VERSION: u8 = 1;
}

/// What one pass over the objects found.
struct Contents {
    state: State,
    credentials: Credentials,
    index: Index,
}

pub(super) fn open(path: &Path) -> Result<Store, OpenError> {
    let (directory, progress) = Directory::take(path)?;
    let damaged = |detail| OpenError::Damaged { path: path.to_owned(), detail };
    if progress == Progress::Ready && !directory.log().exists() {
        return Err(damaged("its file db is missing".to_owned()));
    }
    if progress == Progress::Restoring {
        return Err(damaged("a restore into it was cut off before its end; run it again".to_owned()));
    }
    guarded(directory, progress)
}

/// A store that is being filled from a backup. It is none until [`Store::finish_restore`].
pub(super) fn open_for_restore(path: &Path) -> Result<Option<Store>, OpenError> {
    let (directory, progress) = Directory::take(path)?;
    if progress == Progress::Ready {
        return Ok(None);
    }
    let fail = |source| OpenError::Io { path: path.to_owned(), action: "write the marker file", source };
    directory.mark_restoring().map_err(fail)?;
    guarded(directory, Progress::Restoring).map(Some)
}

fn guarded(directory: Directory, progress: Progress) -> Result<Store, OpenError> {
    let path = directory.path().to_owned();
    let damaged = |detail| OpenError::Damaged { path, detail };
    // sled panics on some of what it cannot read, here and in the pass over the records.
    catch_unwind(AssertUnwindSafe(|| open_engine(directory, progress)))
        .unwrap_or_else(|panic| Err(damaged(panic_text(panic.as_ref()))))
}

fn open_engine(directory: Directory, progress: Progress) -> Result<Store, OpenError> {
    let path = directory.path().to_owned();
    let fail = |action| {
        let path = path.clone();
        move |source| OpenError::Io { path, action, source }
    };
    let engine = |error| engine_error(&path, error);
    let db = open_sled(&path).map_err(engine)?;
    directory.close_to_others().map_err(fail("close the files to other users"))?;
    let log = OpenOptions::new().read(true).write(true).open(directory.log()).map_err(fail("open the file db"))?;
    let objects = db.open_tree("objects").map_err(engine)?;
    let bindings = db.open_tree("bindings").map_err(engine)?;
    let usage = db.open_tree("usage").map_err(engine)?;
    let meta = db.open_tree(META).map_err(engine)?;
    check_format(&path, &meta, progress)?;
    if progress == Progress::New {
        db.flush().map_err(engine)?;
        log.sync_all().map_err(fail("sync the file db"))?;
        directory.mark_ready().map_err(fail("write the marker file"))?;
    }
    let Contents { state, credentials, index } = load(&path, &objects)?;
    let index = Arc::new(index);
    let audit = AuditHead::read(&objects).map_err(|error| damaged_by(&path, &error))?;
    let (acknowledged, last) = directory.acknowledged().map_err(fail("read the file acknowledged"))?;
    check_acknowledged(&path, &acknowledged, state, last)?;
    let credentials = Arc::new(credentials);
    tracing::info!(path = %path.display(), credentials = credentials.len(), change = state.changes, "store opened");
    let snapshots = Arc::new(Snapshots::new(state));
    let disk = Disk {
        path: path.clone(),
        objects: objects.clone(),
        bindings: bindings.clone(),
        usage: usage.clone(),
        log,
        blobs: directory.blobs(),
        acknowledged,
        credentials: Arc::clone(&credentials),
        index: Arc::clone(&index),
        state,
        audit,
        snapshots: Arc::clone(&snapshots),
    };
    let writer = Writer::start(disk).map_err(fail("start the writing thread"))?;
    Ok(Store { writer, credentials, index, objects, bindings, usage, snapshots, _db: db, directory })
}

fn damaged_by(path: &Path, error: &ReadError) -> OpenError {
    OpenError::Damaged { path: path.to_owned(), detail: error.to_string() }
}

/// A store closed a moment ago in this process may still be held by sled's threads; our own lock is ours, so it will not last.
fn open_sled(path: &Path) -> sled::Result<sled::Db> {
    let config = sled::Config::new().path(path).cache_capacity(PAGE_CACHE).flush_every_ms(Some(FLUSH_EVERY_MS));
    let mut result = config.open();
    for _ in 0..40 {
        match &result {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                sleep(Duration::from_millis(50));
                result = config.open();
            }
            _ => break,
        }
    }
    result
}

fn engine_error(path: &Path, error: sled::Error) -> OpenError {
    let path = path.to_owned();
    match error {
        sled::Error::Io(source) => OpenError::Io { path, action: "open sled's files", source },
        other => OpenError::Damaged { path, detail: other.to_string() },
    }
}

fn check_format(path: &Path, meta: &sled::Tree, progress: Progress) -> Result<(), OpenError> {
    let path = path.to_owned();
    let stored = meta.get(FORMAT_KEY).map_err(|error| engine_error(&path, error))?;
    let Some(stored) = stored else {
        if progress == Progress::Ready {
            return Err(OpenError::Damaged { path, detail: "the record of its format is missing".to_owned() });
        }
        let format = record::encode(&Format(FORMAT));
        let format = format.map_err(|error| OpenError::Damaged { path: path.clone(), detail: error.to_string() })?;
        return meta.insert(FORMAT_KEY, format).map(|_| ()).map_err(|error| engine_error(&path, error));
    };
    match record::decode::<Format>(&stored) {
        Ok(Format(FORMAT)) => Ok(()),
        Ok(Format(found)) => Err(OpenError::NewerFormat { path, found, known: FORMAT }),
        Err(error) => Err(OpenError::Damaged { path, detail: format!("the record of its format: {error}") }),
    }
}

/// One pass over everything: hashes every row, holds the sum against the stored one, and fills the cache. Reading and filling take about
/// as long as each other, so each has a thread: that nearly halves the start with a million credentials.
fn load(path: &Path, objects: &sled::Tree) -> Result<Contents, OpenError> {
    let damaged = |detail: String| OpenError::Damaged { path: path.to_owned(), detail };
    let credentials = Credentials::default();
    let (send, receive) = sync_channel::<Vec<Row>>(4);
    let (sum, filled) = scope(|scope| {
        let fill = || {
            let mut index = IndexBuilder::default();
            receive.into_iter().try_for_each(|rows| fill(&credentials, &mut index, &rows))?;
            Ok(index.build())
        };
        let filler = Builder::new().name("store-load".to_owned()).spawn_scoped(scope, fill);
        let filler =
            filler.map_err(|source| OpenError::Io { path: path.to_owned(), action: "start a thread", source })?;
        let sum = read_all(objects, &send);
        drop(send);
        Ok((sum, filler.join().unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))))
    })?;
    let index = filled.map_err(damaged)?;
    let Sum { rows, contents, state } = sum.map_err(damaged)?;
    if contents != state.contents {
        let change = state.changes;
        return Err(damaged(format!(
            "its {rows} records are not those of change {change}: some are missing or of another time"
        )));
    }
    Ok(Contents { state, credentials, index })
}

type Row = (sled::IVec, sled::IVec);

/// What the rows come to.
#[derive(Default)]
struct Sum {
    rows: u64,
    contents: u64,
    state: State,
}

fn read_all(objects: &sled::Tree, rows: &SyncSender<Vec<Row>>) -> Result<Sum, String> {
    let mut sum = Sum::default();
    let mut chunk = Vec::new();
    for row in objects {
        let (key, value) = row.map_err(|error| format!("{ENGINE_OBJECTS}: {error}"))?;
        if Kind::of(&key) == Some(Kind::State) {
            sum.state = record_at(&key, &value).map_err(|error| error.to_string())?;
            continue;
        }
        sum.rows += 1;
        sum.contents ^= row_hash(&key, &value);
        chunk.push((key, value));
        // Where the other side has given up, its error is the one that counts.
        if chunk.len() == CHUNK && rows.send(std::mem::take(&mut chunk)).is_err() {
            return Ok(sum);
        }
    }
    let _ = rows.send(chunk);
    Ok(sum)
}

fn fill(credentials: &Credentials, index: &mut IndexBuilder, rows: &[Row]) -> Result<(), String> {
    for (key, value) in rows {
        let name: Arc<[u8]> = Arc::from(key.get(1..).unwrap_or_default());
        let Some(kind) = Kind::of(key) else { continue };
        if kind == Kind::Credential {
            let record: CredentialRecord = record_at(key, value).map_err(|error| error.to_string())?;
            let credential = record.credential();
            let place = Place { auth_id: record.auth_id.into(), trunk: record.trunk, created_at: record.created_at };
            index.add(kind, &name, &place);
            credentials.put(name, credential);
        } else if let Some(place) = Place::of(key, value).map_err(|error| error.to_string())? {
            index.add(kind, &name, &place);
        }
    }
    Ok(())
}

fn check_acknowledged(path: &Path, file: &Acknowledged, state: State, last: u64) -> Result<(), OpenError> {
    let path = path.to_owned();
    if state.changes < last {
        return Err(OpenError::LostChanges { path, stored: state.changes, acknowledged: last });
    }
    let action = "write the file acknowledged";
    file.write(state.changes).map_err(|source| OpenError::Io { path, action, source })
}
