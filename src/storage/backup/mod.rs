//! Backups: one file with everything that the store holds, made while the server runs, and the way back.
//!
//! The objects are those of one moment between two changes (see `snapshot`), and the sum over them that the store keeps anyhow proves it, when the
//! backup is made and again when it is restored. Bindings are taken one by one as they are met: each is whole, and a
//! phone registers again anyhow.

mod error;
mod format;
mod restoring;

pub use error::BackupError;
pub use restoring::{check_backup, restore_backup};

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Store;
use super::error::ReadError;
use super::open::FORMAT;
use super::state::row_hash;

use format::{Header, Tag};

/// What a backup holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BackupSummary {
    /// When it was made, in microseconds since the Unix epoch.
    pub made_at: u64,
    /// Version of the program that made it.
    pub program: String,
    /// Records of the configuration.
    pub objects: u64,
    /// Addresses of record with bindings.
    pub bindings: u64,
}

impl Store {
    /// Writes a backup to `out`. Blocks, and may take as long as `out` does; changes go on meanwhile. `now` is in
    /// microseconds since the Unix epoch.
    ///
    /// # Errors
    /// `out` fails, the store cannot be read, or too much changed. What was written is then no backup and is refused as one.
    pub fn backup(&self, out: impl Write, now: u64) -> Result<BackupSummary, BackupError> {
        let snapshot = self.snapshots.begin(&self.objects);
        let header = Header {
            store_format: FORMAT,
            made_at: now,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            change: snapshot.state.changes,
            contents: snapshot.state.contents,
        };
        let mut writer = format::Writer::begin(BufWriter::with_capacity(64 * 1024, out), &header)?;
        let (mut objects, mut contents) = (0, 0);
        snapshot.read(|key, value| {
            contents ^= row_hash(key, value);
            objects += 1;
            Ok::<_, BackupError>(writer.record(Tag::Object, key, value)?)
        })?;
        if contents != header.contents {
            return Err(BackupError::Inconsistent);
        }
        let mut bindings = 0;
        for row in &self.bindings {
            let (key, value) =
                row.map_err(|error| ReadError::Engine { tree: "bindings", detail: error.to_string() })?;
            writer.record(Tag::Bindings, &key, &value)?;
            bindings += 1;
        }
        writer.finish()?;
        Ok(BackupSummary { made_at: now, program: header.program, objects, bindings })
    }

    /// [`Store::backup`] to a new file with mode 0600. It appears whole and synced, or not at all.
    ///
    /// # Errors
    /// The file exists or cannot be written; or as [`Store::backup`].
    pub fn backup_to(&self, path: &Path, now: u64) -> Result<BackupSummary, BackupError> {
        let pending = Pending::new(path)?;
        let summary = self.backup(&pending.file, now)?;
        pending.finish()?;
        Ok(summary)
    }
}

/// Stores a backup that comes from a server in a new file with mode 0600, and checks it. It appears whole and synced, or not at all.
///
/// # Errors
/// The file exists or cannot be written, `input` fails, or what it gives is no whole backup.
pub fn receive_backup(mut input: impl Read, path: &Path) -> Result<BackupSummary, BackupError> {
    let pending = Pending::new(path)?;
    let receive = |source| BackupError::Io { path: path.to_owned(), action: "receive it", source };
    io::copy(&mut input, &mut &pending.file).map_err(receive)?;
    let summary = check_backup(&pending.temporary)?;
    pending.finish()?;
    Ok(summary)
}

/// A file that gets its name when it is complete.
struct Pending {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Pending {
    fn new(path: &Path) -> Result<Self, BackupError> {
        let fail = |source| BackupError::Io { path: path.to_owned(), action: "make the file", source };
        if path.try_exists().map_err(fail)? {
            return Err(BackupError::Exists { path: path.to_owned() });
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".part-{}", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(fail)?;
        Ok(Self { file, temporary, path: path.to_owned() })
    }

    fn finish(self) -> Result<(), BackupError> {
        self.try_finish().map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists { path: self.path.clone() },
            _ => BackupError::Io { path: self.path.clone(), action: "complete it", source },
        })
    }

    fn try_finish(&self) -> io::Result<()> {
        self.file.sync_all()?;
        if self.path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&self.temporary, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A file that is right in itself, whatever its rows are.
#[cfg(test)]
pub(super) fn sealed(objects: &[(Vec<u8>, Vec<u8>)], store_format: u32, contents: u64) -> Vec<u8> {
    let header = Header { store_format, made_at: 0, program: "test".to_owned(), change: 1, contents };
    let mut bytes = Vec::new();
    let mut writer = format::Writer::begin(&mut bytes, &header).unwrap();
    for (key, value) in objects {
        writer.record(Tag::Object, key, value).unwrap();
    }
    writer.finish().unwrap();
    bytes
}
