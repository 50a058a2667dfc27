//! The durable store: sled (`=0.34.7`) in one folder, behind this wall. Only this folder names sled.
//!
//! [`Store::commit`] writes [`Changes`] of the configuration whole and fsynced before it returns; [`Credentials`] is what the
//! packet path reads instead of the disk; [`BindingJournal`] writes bindings behind. What is on disk, and how its loss
//! would be noticed, is in `directory`, `key`, `record` and `state`.
//!
//! Opening never starts empty where something was, and says in words what is wrong and what to do ([`OpenError`]).

mod audit;
mod author;
mod backup;
mod bindings;
mod changes;
mod credentials;
mod destination;
mod difference;
mod directory;
mod disk;
mod error;
mod import;
mod index;
mod key;
mod keys;
mod open;
mod page;
mod read;
mod record;
mod restore;
mod schema;
mod sequence;
mod settings;
mod snapshot;
mod state;
mod usage;
mod writer;

#[cfg(test)]
mod tests;

pub use audit::{AuditAction, AuditBreak, AuditChain, AuditEntry, AuditRecord, MAX_AUDIT_ENTRIES, hex};
pub use author::Author;
pub use backup::{BackupError, BackupSummary, check_backup, receive_backup, restore_backup};
pub use bindings::{BindingJournal, JournalCounts, ReadRecord};
pub use changes::{Changes, MAX_RECORD};
pub use credentials::Credentials;
pub use destination::{NumberRecord, OriginationUriRecord};
pub use error::{OpenError, ReadError, RecordError, StoreError, WriteError};
pub use import::Imported;
pub use keys::load_or_rotate;
pub use page::{Page, Window};
pub use record::{Record, decode, encode};
pub use schema::{
    AccountRecord, AclRecord, CredentialRecord, Direction, RouteKeyRecord, TombstoneRecord, TrunkRecord,
    TrunkTransport, WebhookMethod,
};
pub use settings::Settings;
pub use usage::UsageRecord;
pub use writer::WriteCounts;

use std::path::Path;
use std::sync::Arc;

use directory::Directory;
use index::Index;
use snapshot::Snapshots;
use writer::Writer;

/// An open store. Dropping it finishes what is queued, syncs, and gives the folder free.
///
/// The order of the fields is the order in which they end: first the writing thread, last the folder's lock.
#[derive(Debug)]
pub struct Store {
    writer: Writer,
    credentials: Arc<Credentials>,
    index: Arc<Index>,
    objects: sled::Tree,
    bindings: sled::Tree,
    usage: sled::Tree,
    snapshots: Arc<Snapshots>,
    _db: sled::Db,
    directory: Directory,
}

impl Store {
    /// Opens the store, making it where the folder is new or empty. Reads every record once, so it takes seconds with a million;
    /// to be called before anything is served, on a thread that may block.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        open::open(&settings.path)
    }

    /// Makes `changes`, all or none. Returns when they are on disk (fsync) and in [`Store::credentials`]. Blocks; callers
    /// that wait at the same time share one fsync. After an error memory is as before.
    pub fn commit(&self, changes: Changes) -> Result<(), WriteError> {
        self.writer.commit(changes).map(|_| ())
    }

    /// The credential cache: the packet path's [`crate::auth::CredentialSource`].
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Counts of the writing thread, for metrics.
    pub fn write_counts(&self) -> &WriteCounts {
        self.writer.counts()
    }
}
