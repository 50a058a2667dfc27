//! What can go wrong with a backup, in words for the person who runs it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::super::error::{OpenError, ReadError, WriteError};
use super::super::snapshot::SnapshotError;
use super::format::FormatError;

/// Why a backup was not made, is no good, or was not restored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It could not be written or read.
    #[error("the backup {}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// It could not be sent.
    #[error("the backup could not be sent: {0}")]
    Send(#[from] io::Error),
    /// The file exists.
    #[error("{} exists already: name a new file, or remove that one", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is some other file.
    #[error("{} is not a backup of sipward", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
    },
    /// A later version of the program made it.
    #[error("the backup {} has {what} {found}, this program knows {known}: restore it with the newer program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Format of the file or of the store.
        what: &'static str,
        /// The format found.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// It is not what was written.
    #[error("the backup {} is damaged: {place}: {detail}. Nothing was restored; use another copy of it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Record and byte.
        place: String,
        /// What is wrong there.
        detail: String,
    },
    /// There is a store already.
    #[error(
        "{} holds a store already, and a restore overwrites none: move that folder aside, or restore into a new one",
        path.display()
    )]
    Occupied {
        /// The store's folder.
        path: PathBuf,
    },
    /// More changed while it was made than is kept for it.
    #[error("too much changed while the backup was made, or it was taken too slowly: try again")]
    Overtaken,
    /// The store's own records do not fit together.
    #[error("the store does not read as it was written; restart the server, which checks it and says what is wrong")]
    Inconsistent,
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<SnapshotError> for BackupError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Overtaken => Self::Overtaken,
            SnapshotError::Engine(detail) => Self::Read(ReadError::Engine { tree: "the tree objects", detail }),
        }
    }
}

impl BackupError {
    pub(super) fn of_format(path: &Path, error: FormatError) -> Self {
        let path = path.to_owned();
        match error {
            FormatError::Io(source) => Self::Io { path, action: "read it", source },
            FormatError::NotABackup => Self::NotABackup { path },
            FormatError::Newer(found) => Self::Newer { path, what: "format", found, known: super::format::VERSION },
            FormatError::Damaged(place, detail) => Self::Damaged { path, place, detail: detail.to_owned() },
        }
    }
}
