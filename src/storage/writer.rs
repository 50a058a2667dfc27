//! The one thread that writes: changes are applied one after the other, and those that wait together share one fsync.
//!
//! sled's `flush` ends in `sync_file_range`, which leaves the drive's cache alone; the fsync after it, on a second handle of
//! the same file, is what an acknowledgement stands on. While it runs, the next changes queue up and become the next group.

#![allow(clippy::disallowed_methods, reason = "the store is shell: it owns threads")]

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::author::Author;
use super::changes::Changes;
use super::disk::{Disk, panic_text};
use super::error::WriteError;

/// Changes that may wait before a caller waits for a place: a slow disk slows its writers and does not fill memory.
const QUEUE: usize = 256;

/// Free space below which no change is taken, in bytes. sled does not get over a failed write, so it must not meet a full disk.
const RESERVE: u64 = 32 * 1024 * 1024;

/// Counts of the writing thread.
#[derive(Debug)]
pub struct WriteCounts {
    /// Sets of changes that are on disk.
    pub committed: AtomicU64,
    /// fsyncs made for them.
    pub synced: AtomicU64,
    /// Free bytes that must be left; tests move it.
    reserve: AtomicU64,
}

#[derive(Debug)]
struct Job {
    changes: Changes,
    /// How many rows were left out by [`super::changes::Guard::SkipIfPresent`].
    reply: SyncSender<Result<usize, WriteError>>,
}

/// The writing thread's handle. Dropping it lets the thread finish what is queued and waits for it.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<WriteCounts>,
}

impl Writer {
    pub(super) fn start(disk: Disk) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let counts = Arc::new(WriteCounts {
            committed: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            reserve: AtomicU64::new(RESERVE),
        });
        let path = disk.path.clone();
        let mut loop_ = WriteLoop { disk, counts: Arc::clone(&counts), failed: None };
        let thread = Builder::new().name("store-writer".to_owned()).spawn(move || loop_.run(&queue))?;
        Ok(Self { path, jobs: Some(jobs), thread: Some(thread), counts })
    }

    /// Waits until `changes` are on disk and in the cache; answers how many rows were left out.
    pub(super) fn commit(&self, mut changes: Changes) -> Result<usize, WriteError> {
        if changes.is_empty() {
            return Ok(0);
        }
        changes.author.get_or_insert_with(Author::current);
        let (reply, answer) = sync_channel(1);
        let stopped =
            || WriteError::Failed { path: self.path.clone(), detail: "its writing thread has ended".to_owned() };
        self.jobs.as_ref().ok_or_else(stopped)?.send(Job { changes, reply }).map_err(|_| stopped())?;
        answer.recv().unwrap_or_else(|_| Err(stopped()))
    }

    pub(super) fn counts(&self) -> &WriteCounts {
        &self.counts
    }

    #[cfg(test)]
    pub(super) fn set_reserve(&self, bytes: u64) {
        self.counts.reserve.store(bytes, Ordering::Relaxed);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct WriteLoop {
    disk: Disk,
    counts: Arc<WriteCounts>,
    /// The first failure. sled keeps its own and refuses every later write with it.
    failed: Option<WriteError>,
}

impl WriteLoop {
    fn run(&mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let group = std::iter::once(first).chain(queue.try_iter().take(QUEUE - 1)).collect();
            self.commit_group(group);
        }
    }

    fn commit_group(&mut self, mut group: Vec<Job>) {
        if let Err(error) = self.ready() {
            return answer_all(group, &error);
        }
        // sled panics on some of what it cannot read.
        let written = catch_unwind(AssertUnwindSafe(|| self.write_group(&mut group)))
            .unwrap_or_else(|panic| Err(panic_text(panic.as_ref())));
        match written {
            Ok(results) => {
                for (job, result) in group.into_iter().zip(results) {
                    let _ = job.reply.send(result);
                }
            }
            Err(detail) => {
                let error = WriteError::Failed { path: self.disk.path.clone(), detail };
                tracing::error!(%error, "the store has failed");
                self.failed = Some(error.clone());
                answer_all(group, &error);
            }
        }
    }

    fn ready(&self) -> Result<(), WriteError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let needed = self.counts.reserve.load(Ordering::Relaxed);
        // A file system that cannot say how full it is gets the benefit of the doubt.
        match nix::sys::statvfs::fstatvfs(&self.disk.log) {
            Ok(space) => {
                let free = space.blocks_available().saturating_mul(space.fragment_size());
                if free < needed {
                    return Err(WriteError::DiskFull { path: self.disk.path.clone(), free, needed });
                }
            }
            Err(error) => tracing::debug!(%error, "free space is not known"),
        }
        Ok(())
    }

    /// Applies each job, syncs once, then lets the cache see all of them, in order.
    fn write_group(&mut self, group: &mut [Job]) -> Result<Vec<Result<usize, WriteError>>, String> {
        let mut results = Vec::with_capacity(group.len());
        let snapshots = Arc::clone(&self.disk.snapshots);
        let mut current = snapshots.writing();
        for job in group.iter_mut() {
            results.push(self.disk.apply(&mut job.changes, &mut current)?);
        }
        let applied = results.iter().filter(|result| result.is_ok()).count() as u64;
        if applied > 0 {
            self.disk.sync().map_err(|error| error.to_string())?;
            self.counts.synced.fetch_add(1, Ordering::Relaxed);
            self.counts.committed.fetch_add(applied, Ordering::Relaxed);
        }
        current.state = self.disk.state;
        drop(current);
        for (job, result) in group.iter_mut().zip(&results) {
            if result.is_ok() {
                self.disk.publish(&mut job.changes);
            }
        }
        Ok(results)
    }
}

fn answer_all(group: Vec<Job>, error: &WriteError) {
    for job in group {
        let _ = job.reply.send(Err(error.clone()));
    }
}
