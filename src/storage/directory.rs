//! The store's folder: who may use it, what lies in it, and how far it got.
//!
//! ```text
//! sipward-data/          0700
//!   lock                 held (flock) while a process has the store open
//!   sipward-store        "creating" until the first start is on disk, "ready" from then on;
//!                        "restoring" while a backup is being brought back
//!   acknowledged         number of the last acknowledged change, see `state`
//!   db conf snap.* blobs sled's
//! ```

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::OpenError;

const LOCK: &str = "lock";
const MARKER: &str = "sipward-store";
const MARKER_BEFORE_RENAME: &str = "sipward-store.new";
const ACKNOWLEDGED: &str = "acknowledged";
/// Where mounts of their own begin.
const LOST_AND_FOUND: &str = "lost+found";

const CREATING: &[u8] = b"creating\n";
const READY: &[u8] = b"ready\n";
const RESTORING: &[u8] = b"restoring\n";

/// How far a store got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// Nothing was ever acknowledged from here.
    New,
    /// A backup is being brought back, or was until the program ended.
    Restoring,
    /// A start went through; what is missing now was lost.
    Ready,
}

/// The folder, locked. The lock goes with it.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Directory {
    /// Takes the folder `path`, making it where it is not there.
    pub(super) fn take(path: &Path) -> Result<(Self, Progress), OpenError> {
        let fail = |action| move |source| OpenError::Io { path: path.to_owned(), action, source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail("make the folder"))?;
        // Before the lock file is made: a folder of something else must stay as it was.
        if let Some(found) = foreign(path).map_err(fail("read the folder"))? {
            return Err(OpenError::NotAStore { path: path.to_owned(), found });
        }
        if let Err(error) = fs::set_permissions(path, Permissions::from_mode(0o700)) {
            tracing::warn!(path = %path.display(), %error, "the store's folder could not be closed to other users");
        }
        let file = private_file(&path.join(LOCK)).map_err(fail("make the lock file"))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
            Errno::EWOULDBLOCK => OpenError::InUse { path: path.to_owned() },
            other => fail("lock the folder")(other.into()),
        })?;
        let directory = Self { path: path.to_owned(), _lock: lock };
        let progress = directory.progress().map_err(fail("read the marker file"))?;
        if progress == Progress::New {
            directory.begin().map_err(fail("prepare the folder"))?;
        }
        directory.remove_unfinished_snapshots().map_err(fail("remove an unfinished snapshot"))?;
        Ok((directory, progress))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// sled's log.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("db")
    }

    /// Where sled puts what does not fit its log.
    pub(super) fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// From now on, what is missing was lost.
    pub(super) fn mark_ready(&self) -> io::Result<()> {
        self.write_marker(READY)
    }

    /// From now on, the folder holds a part of a backup, and nothing of anybody else.
    pub(super) fn mark_restoring(&self) -> io::Result<()> {
        self.remove_engine_files()?;
        // That of a restore that was cut off.
        match fs::remove_file(self.path.join(ACKNOWLEDGED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.write_marker(RESTORING)
    }

    /// Closes what sled has made to other users, whatever the umask was.
    pub(super) fn close_to_others(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if is_sleds(&entry.file_name()) {
                let mode = if entry.file_type()?.is_dir() { 0o700 } else { 0o600 };
                fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// The file of the last acknowledged change and what it says; zero where there is none.
    pub(super) fn acknowledged(&self) -> io::Result<(Acknowledged, u64)> {
        let mut file = private_file(&self.path.join(ACKNOWLEDGED))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let change = match Acknowledged::decode(&bytes) {
            Some(change) => change,
            None if bytes.is_empty() => 0,
            None => {
                // A power cut can leave this: it is never synced. The contents of the store are checked all the same.
                tracing::warn!(path = %self.path.display(), "the file of the last acknowledged change is not readable; it is written anew");
                0
            }
        };
        Ok((Acknowledged(file), change))
    }

    fn progress(&self) -> io::Result<Progress> {
        match fs::read(self.path.join(MARKER)) {
            Ok(bytes) if bytes == CREATING => Ok(Progress::New),
            Ok(bytes) if bytes == RESTORING => Ok(Progress::Restoring),
            // Whatever else it says: that something was here is what counts.
            Ok(_) => Ok(Progress::Ready),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Progress::New),
            Err(error) => Err(error),
        }
    }

    /// A start that was cut off before it was ready has acknowledged nothing, and may have left a half-made log.
    fn begin(&self) -> io::Result<()> {
        self.write_marker(CREATING)?;
        self.remove_engine_files()
    }

    fn remove_engine_files(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if is_sleds(&entry.file_name()) {
                if entry.file_type()?.is_dir() {
                    fs::remove_dir_all(entry.path())?;
                } else {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// sled 0.34.7 takes a half-written `snap.*.generating` for a snapshot and then calls the store corrupt.
    fn remove_unfinished_snapshots(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                fs::remove_file(entry.path())?;
                tracing::warn!(path = %entry.path().display(), "removed a snapshot that a crash left unfinished");
            }
        }
        Ok(())
    }

    fn write_marker(&self, content: &[u8]) -> io::Result<()> {
        let new = self.path.join(MARKER_BEFORE_RENAME);
        let mut file = private_file(&new)?;
        file.set_len(0)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, self.path.join(MARKER))?;
        File::open(&self.path)?.sync_all()
    }
}

/// The file of the last acknowledged change: its number and the CRC-32 of that.
#[derive(Debug)]
pub(super) struct Acknowledged(File);

impl Acknowledged {
    pub(super) fn write(&self, change: u64) -> io::Result<()> {
        let number = change.to_le_bytes();
        let mut bytes = [0; 12];
        for (to, from) in bytes.iter_mut().zip(number.into_iter().chain(crc32fast::hash(&number).to_le_bytes())) {
            *to = from;
        }
        self.0.write_all_at(&bytes, 0)
    }

    fn decode(bytes: &[u8]) -> Option<u64> {
        let (number, sum) = bytes.split_first_chunk::<8>()?;
        (sum == crc32fast::hash(number).to_le_bytes()).then(|| u64::from_le_bytes(*number))
    }
}

/// A name in `path` that a store would not have there, where the folder has no marker.
fn foreign(path: &Path) -> io::Result<Option<String>> {
    if path.join(MARKER).try_exists()? {
        return Ok(None);
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if ![LOCK, MARKER_BEFORE_RENAME, LOST_AND_FOUND].iter().any(|known| name == *known) {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

fn is_sleds(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    matches!(&*name, "db" | "conf" | "blobs") || name.starts_with("snap.")
}

/// A file for reading and writing with mode 0600, whatever the umask is.
fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
