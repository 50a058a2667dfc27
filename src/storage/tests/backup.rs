use super::*;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;

use super::super::backup::check_backup;
use super::super::directory::Directory;
use super::super::key::Kind;
use super::super::{key, record};
use super::bindings::stored;
use crate::location::AddressOfRecord;

const NOW: u64 = 1_795_000_000_000_000;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Everything but the state, which counts commits.
fn rows(store: &Store) -> (Rows, Rows) {
    let all = |tree: &sled::Tree| -> Rows {
        tree.iter().map(|row| row.unwrap()).map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    };
    let mut objects = all(&store.objects);
    objects.retain(|(key, _)| Kind::of(key) != Some(Kind::State));
    (objects, all(&store.bindings))
}

/// Every kind of row there is.
fn with_every_kind(folder: &TempDir) -> Store {
    let store = open(folder);
    filled(&store);
    commit(&store, |changes| changes.delete_credential("MA_1", "bob")).unwrap();
    load_or_rotate(&store, 1_000, 100, 100, [7; 32]).unwrap();
    let mut changes = Changes::new();
    let aor = AddressOfRecord { trunk: TrunkId(Uuid::from_u128(1)), user: "alice".into() };
    assert!(changes.put_bindings(&aor, Some(&vec![stored("alice", 5_000)])));
    store.commit(changes).unwrap();
    store
}

fn backup(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("backup");
    with_every_kind(folder).backup_to(&path, NOW).unwrap();
    path
}

fn restore(folder: &TempDir, backup: &Path) -> Result<Store, BackupError> {
    let settings = Settings { path: folder.path().join("restored") };
    restore_backup(backup, &settings, true)?;
    Ok(Store::open(&settings)?)
}

fn refused(folder: &TempDir, bytes: &[u8]) -> String {
    let path = folder.path().join("changed");
    fs::write(&path, bytes).unwrap();
    let error = restore(folder, &path).unwrap_err().to_string();
    assert!(!folder.path().join("restored").exists(), "{error}");
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    error
}

#[test]
fn what_was_restored_is_what_was_backed_up_row_for_row() {
    let folder = folder();
    let store = with_every_kind(&folder);
    let path = folder.path().join("backup");
    let made = store.backup_to(&path, NOW).unwrap();
    // Seven objects, and an entry of the audit log for each.
    assert_eq!((made.objects, made.bindings, made.made_at), (14, 1, NOW));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(check_backup(&path).unwrap(), made);
    let restored = restore(&folder, &path).unwrap();
    assert_eq!(rows(&restored), rows(&store));
    assert!(restored.credentials().contains("MA_1", "alice"));
    assert!(restored.was_deleted("MA_1", "bob").unwrap());
    commit(&restored, |changes| changes.create_credential(&credential("dave"))).unwrap();
}

#[test]
fn bindings_can_be_left_out() {
    let folder = folder();
    let path = backup(&folder);
    let settings = Settings { path: folder.path().join("restored") };
    assert_eq!(restore_backup(&path, &settings, false).unwrap().bindings, 0);
    let (objects, bindings) = rows(&Store::open(&settings).unwrap());
    assert_eq!((objects.len(), bindings.len()), (14, 0));
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_no_half_file() {
    let folder = folder();
    let path = backup(&folder);
    let store = open(&folder);
    let before = fs::read(&path).unwrap();
    assert!(matches!(store.backup_to(&path, NOW), Err(BackupError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    let other = folder.path().join("received");
    let error = receive_backup(&before[..before.len() - 1], &other).unwrap_err().to_string();
    assert!(error.contains("the rest is missing"), "{error}");
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["backup", "store"]);
    receive_backup(before.as_slice(), &other).unwrap();
    assert_eq!(fs::read(&other).unwrap(), before);
    assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_cut_anywhere_is_refused_and_nothing_is_written() {
    let folder = folder();
    let bytes = fs::read(backup(&folder)).unwrap();
    for end in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        let error = refused(&folder, &bytes[..end]);
        assert!(error.contains("the rest is missing") || error.contains("is not a backup"), "{end}: {error}");
    }
    let error = refused(&folder, &bytes[..bytes.len() / 2]);
    assert!(error.contains(": record ") && error.contains(" at byte "), "{error}");
    assert!(refused(&folder, &[&bytes[..], b"x"].concat()).contains("more follows the end"));
}

#[test]
fn a_bit_flipped_anywhere_is_refused_and_the_place_is_named() {
    let folder = folder();
    let mut bytes = fs::read(backup(&folder)).unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 0x10;
        let error = refused(&folder, &bytes);
        assert!(
            error.contains("damaged: record ")
                || error.contains("damaged: its header")
                || error.contains("is not a backup")
                || (error.contains("has format") && (8..12).contains(&at))
                || (error.contains("the rest is missing") && at < 100)
                || (error.contains("a length is wrong") && at < 100),
            "{at}: {error}"
        );
        bytes[at] ^= 0x10;
    }
    restore(&folder, &folder.path().join("backup")).unwrap();
}

#[test]
fn a_record_of_another_time_is_refused_although_its_checksum_is_right() {
    let folder = folder();
    let store = with_every_kind(&folder);
    let path = folder.path().join("backup");
    store.backup_to(&path, NOW).unwrap();
    let key = key::key(Kind::Credential, &key::credential_name("MA_1", "alice"));
    let other = CredentialRecord { enabled: false, ..credential("alice") };
    let sound = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    let mut changed: Vec<_> = rows(&store).0.iter().map(|(key, value)| sound(key, value)).collect();
    changed.iter_mut().find(|(k, _)| *k == key).unwrap().1 = record::encode(&other).unwrap();
    fs::write(&path, super::super::backup::sealed(&changed, 1, store.snapshots.writing().state.contents)).unwrap();
    let error = restore(&folder, &path).err().unwrap().to_string();
    assert!(error.contains("not those of one moment"), "{error}");
}

#[test]
fn what_a_newer_program_made_is_refused() {
    let folder = folder();
    let mut bytes = fs::read(backup(&folder)).unwrap();
    bytes[8] += 1;
    let error = refused(&folder, &bytes);
    assert!(error.contains("has format 2, this program knows 1: restore it with the newer program"), "{error}");
    let error = refused(&folder, &super::super::backup::sealed(&[], 99, 0));
    assert!(error.contains("has a store of format 99, this program knows"), "{error}");
    let unknown = (b"?x".to_vec(), record::encode(&TombstoneRecord).unwrap());
    let error = refused(&folder, &super::super::backup::sealed(&[unknown], 1, 0));
    assert!(error.contains("record 1: its key is not of the right form"), "{error}");
}

#[test]
fn no_store_is_overwritten_and_no_other_folder_touched() {
    let folder = folder();
    let path = backup(&folder);
    let settings = Settings { path: folder.path().join("store") };
    let before = rows(&open(&folder));
    assert!(matches!(restore_backup(&path, &settings, true), Err(BackupError::Occupied { .. })));
    assert_eq!(rows(&open(&folder)), before);
    let held = open(&folder);
    assert!(matches!(restore_backup(&path, &settings, true), Err(BackupError::Open(OpenError::InUse { .. }))));
    drop(held);
    let other = folder.path().join("documents");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letter"), "dear").unwrap();
    let result = restore_backup(&path, &Settings { path: other.clone() }, true);
    assert!(matches!(result, Err(BackupError::Open(OpenError::NotAStore { .. }))));
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}

#[test]
fn a_restore_that_was_cut_off_is_no_store_and_can_be_repeated() {
    let folder = folder();
    let path = backup(&folder);
    let settings = Settings { path: folder.path().join("restored") };
    let store = super::super::open::open_for_restore(&settings.path).unwrap().unwrap();
    commit(&store, |changes| changes.create_credential(&credential("mallory"))).unwrap();
    drop(store);
    let error = Store::open(&settings).unwrap_err().to_string();
    assert!(error.contains("a restore into it was cut off before its end; run it again"), "{error}");
    drop(Directory::take(&settings.path).unwrap());
    restore_backup(&path, &settings, true).unwrap();
    assert_eq!(rows(&Store::open(&settings).unwrap()), rows(&open(&folder)));
}

#[test]
fn a_backup_under_writes_is_one_moment_between_two_commits() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    // Enough rows that writes meet the scan in its middle.
    store.import((0..20_000).map(|n| credential(&format!("row{n:05}")))).unwrap();
    let (acknowledged, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Each commit adds two at both ends of the keys, changes one in the middle and removes one behind it.
                commit(&store, |changes| {
                    changes.create_credential(&credential(&format!("a{n}")))?;
                    changes.create_credential(&credential(&format!("z{n}")))?;
                    changes.update_credential(&CredentialRecord { updated_at: n, ..credential("row10000") })?;
                    changes.delete_credential("MA_1", &format!("row{:05}", 20_000 - n))
                })
                .unwrap();
                acknowledged.store(n, Ordering::SeqCst);
            }
        });
        for round in 0..6 {
            let before = acknowledged.load(Ordering::SeqCst);
            let path = folder.path().join(format!("backup{round}"));
            store.backup_to(&path, NOW).unwrap();
            let after = acknowledged.load(Ordering::SeqCst) + 1;
            let settings = Settings { path: folder.path().join(format!("restored{round}")) };
            restore_backup(&path, &settings, true).unwrap();
            is_after_a_commit(&Store::open(&settings).unwrap(), before, after);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(acknowledged.load(Ordering::SeqCst) > 10);
}

fn is_after_a_commit(store: &Store, least: u64, most: u64) {
    let names: Vec<String> =
        store.credentials_of("MA_1").unwrap().into_iter().map(|credential| credential.username).collect();
    let starting = |letter: char| {
        names.iter().filter(|name| name.starts_with(letter) && name.as_bytes()[1].is_ascii_digit()).count() as u64
    };
    let n = starting('z');
    assert!((least..=most).contains(&n), "{least} <= {n} <= {most}");
    assert_eq!(starting('a'), n);
    assert_eq!(names.iter().filter(|name| name.starts_with("row")).count() as u64, 20_000 - n);
    assert!((1..=n).all(|i| store.was_deleted("MA_1", &format!("row{:05}", 20_000 - i)).unwrap()));
    let changed = store.credential("MA_1", "row10000").unwrap().unwrap().updated_at;
    assert_eq!(changed, if n == 0 { 2 } else { n });
}

#[test]
fn a_backup_that_is_read_too_slowly_gives_up_instead_of_filling_the_memory() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let snapshot = store.snapshots.begin(&store.objects);
    let mut current = store.snapshots.writing();
    for n in 0..=250_000_u32 {
        current.keep(&key::key(Kind::Credential, &n.to_be_bytes()), None);
    }
    drop(current);
    let result: Result<(), BackupError> = snapshot.read(|_, _| Ok(()));
    assert!(matches!(result, Err(BackupError::Overtaken)));
}
