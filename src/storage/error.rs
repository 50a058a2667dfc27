//! What can go wrong with the store, in words for the person who runs it. No sled type leaves this module's folder.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why the store could not be opened. Every message names the folder and says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store {} is in use by another process: stop that one, or set [storage] path to another folder", path.display())]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error(
        "{} is not empty and is not a store of sipward (it holds {found:?}): set [storage] path to a new or empty folder",
        path.display()
    )]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// One name found in it.
        found: String,
    },
    /// A later version of the program wrote it.
    #[error(
        "the store {} has format {found}, this program knows format {known}: use the newer program, or restore a backup made before the upgrade",
        path.display()
    )]
    NewerFormat {
        /// The store's folder.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// What is on disk cannot be right.
    #[error(
        "the store {} is damaged: {detail}. Nothing was changed or dropped. Move the folder aside and restore a backup; an empty folder starts anew",
        path.display()
    )]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The end of the log is missing: changes that were acknowledged are gone.
    #[error(
        "the store {} is damaged: it holds change {stored}, but change {acknowledged} was acknowledged. Move the folder aside and restore a backup; \
         to go on without the lost changes remove the file {}",
        path.display(), path.join("acknowledged").display()
    )]
    LostChanges {
        /// The store's folder.
        path: PathBuf,
        /// The last change found.
        stored: u64,
        /// The last change acknowledged.
        acknowledged: u64,
    },
    /// The operating system refused something.
    #[error("the store {}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The reason.
        source: io::Error,
    },
}

/// Why a change was not made. Neither memory nor (after a restart) the disk shows any part of it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Creating something that is there.
    #[error("{what} exists already")]
    Exists {
        /// Kind and name.
        what: String,
    },
    /// Updating something that is not there.
    #[error("{what} does not exist")]
    Missing {
        /// Kind and name.
        what: String,
    },
    /// The record is larger than the store takes.
    #[error("{what} takes {bytes} bytes, more than the {max} that one record may have")]
    TooLarge {
        /// Kind and name.
        what: String,
        /// Encoded size in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A name that cannot be a key.
    #[error("{what} cannot be stored: {reason}")]
    Invalid {
        /// Kind and name.
        what: String,
        /// Why.
        reason: &'static str,
    },
    /// Too little space. Checked before anything is written, so a later try can succeed.
    #[error("no change is taken while the disk of the store {} has only {free} bytes free; {needed} are kept in reserve", path.display())]
    DiskFull {
        /// The store's folder.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes that must be free.
        needed: u64,
    },
    /// The disk failed while writing. sled takes no further writes after that, so neither does the store.
    #[error("the store {} cannot write: {detail}. It takes no changes until the cause is removed and sipward is restarted", path.display())]
    Failed {
        /// The store's folder.
        path: PathBuf,
        /// What failed.
        detail: String,
    },
}

/// Why something stored could not be read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The record is not what it should be.
    #[error("record {key:?} of {tree}: {source}")]
    Record {
        /// What kind of record.
        tree: &'static str,
        /// Its key, readable.
        key: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The engine could not read.
    #[error("{tree}: {detail}")]
    Engine {
        /// What kind of record.
        tree: &'static str,
        /// What the engine says.
        detail: String,
    },
}

/// What is wrong with an encoded record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Fewer bytes than a version and a checksum take.
    #[error("it has only {0} bytes")]
    Short(usize),
    /// The checksum does not match.
    #[error("its checksum is wrong")]
    Checksum,
    /// Written by a later program.
    #[error("its version is {found}, this program knows {known}")]
    Version {
        /// The version found.
        found: u8,
        /// The version known.
        known: u8,
    },
    /// The checksum matches, the content does not.
    #[error("its content cannot be decoded")]
    Content,
    /// Its key is not of the right form.
    #[error("its key is not of the right form")]
    Key,
}

/// Either kind, for what both reads and writes.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// While reading.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// While writing.
    #[error(transparent)]
    Write(#[from] WriteError),
}
