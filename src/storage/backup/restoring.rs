//! From a backup to a store: everything is checked before the first byte is written.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use super::super::audit::AuditRecord;
use super::super::changes::{Changes, Guard, Row};
use super::super::destination::{NumberRecord, OriginationUriRecord};
use super::super::error::{OpenError, RecordError};
use super::super::key::{self, Kind};
use super::super::open::{FORMAT, open_for_restore};
use super::super::schema::{AccountRecord, AclRecord, CredentialRecord, RouteKeyRecord, TombstoneRecord, TrunkRecord};
use super::super::state::row_hash;
use super::super::{Settings, Store, record};
use super::format::{Header, Reader, RecordRead, Tag};
use super::{BackupError, BackupSummary};

/// Rows of one commit.
const ROWS: usize = 10_000;

/// Reads a backup to its end and checks all of it.
///
/// # Errors
/// It cannot be read, is damaged (the error names the place), or was made by a newer program.
pub fn check_backup(path: &Path) -> Result<BackupSummary, BackupError> {
    let mut contents = 0;
    let (header, summary) = read(path, |record, place| {
        let wrong = |source: RecordError| damaged(path, place, &source.to_string());
        match record.tag {
            Tag::Object => {
                check_object(&record).map_err(wrong)?;
                contents ^= row_hash(&record.key, &record.value);
            }
            Tag::Bindings => record::check(&record.value).map_err(wrong)?,
        }
        Ok(())
    })?;
    if contents != header.contents {
        return Err(damaged(path, "its records together", "they are not those of one moment"));
    }
    Ok(summary)
}

/// Brings the backup `path` back into the folder of `settings`, which must hold no store. `bindings` says whether phones
/// that were registered are, too.
///
/// # Errors
/// The backup is no good (then nothing was written), the folder is not free, or it cannot be written; then the folder is no
/// store, and the restore can be run again.
pub fn restore_backup(path: &Path, settings: &Settings, bindings: bool) -> Result<BackupSummary, BackupError> {
    let mut checked = check_backup(path)?;
    let store = match open_for_restore(&settings.path) {
        Ok(Some(store)) => store,
        Ok(None) => return Err(BackupError::Occupied { path: settings.path.clone() }),
        Err(error) => return Err(error.into()),
    };
    let restored = || Changes { is_restored: true, ..Changes::new() };
    let mut changes = restored();
    let (header, _) = read(path, |record, _| {
        match record.tag {
            Tag::Object => {
                let row = Row { value: Some(record.value), guard: Guard::Nothing, cache: None, old: None };
                changes.objects.insert(record.key, row);
            }
            Tag::Bindings if bindings => changes.bindings.push((record.key, Some(record.value))),
            Tag::Bindings => {}
        }
        if changes.len() >= ROWS {
            store.commit(std::mem::replace(&mut changes, restored()))?;
        }
        Ok(())
    })?;
    store.commit(changes)?;
    store.finish_restore(header.contents)?;
    if !bindings {
        checked.bindings = 0;
    }
    Ok(checked)
}

impl Store {
    /// From now on the folder holds a store.
    fn finish_restore(&self, contents: u64) -> Result<(), BackupError> {
        let path = self.path().to_owned();
        if self.snapshots.writing().state.contents != contents {
            return Err(OpenError::Damaged { path, detail: "not everything arrived in it".to_owned() }.into());
        }
        let fail = |source: io::Error| OpenError::Io { path, action: "write the marker file", source };
        Ok(self.directory.mark_ready().map_err(fail)?)
    }
}

fn read(
    path: &Path,
    mut take: impl FnMut(RecordRead, &str) -> Result<(), BackupError>,
) -> Result<(Header, BackupSummary), BackupError> {
    let open = |source| BackupError::Io { path: path.to_owned(), action: "open it", source };
    let file = File::open(path).map_err(open)?;
    let of_format = |error| BackupError::of_format(path, error);
    let (mut reader, header) = Reader::begin(BufReader::with_capacity(64 * 1024, file)).map_err(of_format)?;
    if header.store_format > FORMAT {
        let (found, known) = (header.store_format, FORMAT);
        return Err(BackupError::Newer { path: path.to_owned(), what: "a store of format", found, known });
    }
    let mut summary =
        BackupSummary { made_at: header.made_at, program: header.program.clone(), objects: 0, bindings: 0 };
    while let Some(record) = reader.next().map_err(of_format)? {
        match record.tag {
            Tag::Object => summary.objects += 1,
            Tag::Bindings => summary.bindings += 1,
        }
        let place = format!("record {}", summary.objects + summary.bindings);
        take(record, &place)?;
    }
    Ok((header, summary))
}

fn damaged(path: &Path, place: &str, detail: &str) -> BackupError {
    BackupError::Damaged { path: path.to_owned(), place: place.to_owned(), detail: detail.to_owned() }
}

/// A record that this program could not read would keep the server from starting, so it is refused here.
fn check_object(row: &RecordRead) -> Result<(), RecordError> {
    let value = &row.value;
    match Kind::of(&row.key).ok_or(RecordError::Key)? {
        Kind::Account => record::decode::<AccountRecord>(value).map(drop),
        Kind::Credential => {
            key::split_credential_name(row.key.get(1..).unwrap_or_default()).ok_or(RecordError::Key)?;
            record::decode::<CredentialRecord>(value).map(drop)
        }
        Kind::RouteKey => record::decode::<RouteKeyRecord>(value).map(drop),
        Kind::AclEntry => record::decode::<AclRecord>(value).map(drop),
        Kind::Trunk => record::decode::<TrunkRecord>(value).map(drop),
        Kind::Audit => record::decode::<AuditRecord>(value).map(drop),
        Kind::Number => record::decode::<NumberRecord>(value).map(drop),
        Kind::OriginationUri => record::decode::<OriginationUriRecord>(value).map(drop),
        Kind::Tombstone => record::decode::<TombstoneRecord>(value).map(drop),
        Kind::State => Err(RecordError::Key),
    }
}
