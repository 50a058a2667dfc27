use super::*;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};

use crate::auth::CredentialSource;

fn store_path(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("store")
}

#[test]
fn a_reopened_store_has_everything_that_was_committed() {
    let folder = folder();
    filled(&open(&folder));
    let store = open(&folder);
    assert_eq!(store.accounts(), Ok(vec![account()]));
    assert_eq!(store.account("MA_1"), Ok(Some(account())));
    assert_eq!(store.trunks(), Ok(vec![trunk(1)]));
    assert_eq!(store.trunk(trunk(1).id), Ok(Some(trunk(1))));
    assert_eq!(store.acl_entries(), Ok(vec![acl_entry(5)]));
    assert_eq!(store.credential("MA_1", "alice"), Ok(Some(credential("alice"))));
    assert_eq!(store.credential_by_id(credential("bob").id), Ok(Some(credential("bob"))));
    assert_eq!(store.credentials_of("MA_1"), Ok(vec![credential("alice"), credential("bob"), credential("carol")]));
    assert_eq!(store.credentials_of("MA"), Ok(vec![]), "an account is not the prefix of another");
    assert_eq!(store.credentials().len(), 3);
    let cached = store.credentials().credential("MA_1", b"carol").unwrap();
    assert_eq!(cached.ha1, credential("carol").credential().ha1);
    assert_eq!(store.credentials().unscoped_counter("MA_1").load(std::sync::atomic::Ordering::Acquire), 3);
}

#[test]
fn a_snapshot_that_a_crash_left_unfinished_is_removed() {
    let folder = folder();
    filled(&open(&folder));
    let unfinished = store_path(&folder).join("snap.00000000FFFFFFFF.generating");
    fs::write(&unfinished, b"half").unwrap();
    assert_eq!(open(&folder).credentials().len(), 3);
    assert!(!unfinished.exists());
}

#[test]
fn a_second_opener_is_refused_with_the_folder_in_the_message() {
    let folder = folder();
    let _first = open(&folder);
    let error = try_open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&store_path(&folder).display().to_string()), "{error}");
}

#[test]
fn a_folder_of_something_else_is_refused_and_left_as_it_was() {
    let folder = folder();
    fs::create_dir(store_path(&folder)).unwrap();
    fs::write(store_path(&folder).join("thesis.txt"), b"mine").unwrap();
    let error = try_open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    assert!(error.to_string().contains("thesis.txt"), "{error}");
    assert_eq!(fs::read_dir(store_path(&folder)).unwrap().count(), 1);
}

#[test]
fn another_programs_sled_is_refused_and_left_as_it_was() {
    let folder = folder();
    drop(sled::open(store_path(&folder)).unwrap());
    let before = fs::read_dir(store_path(&folder)).unwrap().count();
    assert!(matches!(try_open(folder.path()), Err(OpenError::NotAStore { .. })));
    assert_eq!(fs::read_dir(store_path(&folder)).unwrap().count(), before);
}

#[test]
fn folder_and_files_are_closed_to_other_users() {
    let folder = folder();
    fs::create_dir(store_path(&folder)).unwrap();
    fs::set_permissions(store_path(&folder), fs::Permissions::from_mode(0o755)).unwrap();
    let store = open(&folder);
    filled(&store);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store_path(&folder)), 0o700);
    for entry in fs::read_dir(store_path(&folder)).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn a_first_start_that_was_cut_off_begins_again() {
    let folder = folder();
    fs::create_dir(store_path(&folder)).unwrap();
    fs::write(store_path(&folder).join("sipward-store"), b"creating\n").unwrap();
    fs::write(store_path(&folder).join("db"), b"half-made").unwrap();
    fs::write(store_path(&folder).join("snap.0000000000000000"), b"").unwrap();
    filled(&open(&folder));
    assert_eq!(open(&folder).credentials().len(), 3);
}

#[test]
fn a_newer_format_is_refused() {
    let folder = folder();
    drop(open(&folder));
    // The format is postcard(2) under version 1, with its checksum.
    let mut bytes = vec![1, 2];
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let db = sled::open(store_path(&folder)).unwrap();
    db.open_tree("meta").unwrap().insert("format", bytes).unwrap();
    drop(db);
    let error = try_open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 2, known: 1, .. }), "{error}");
}

/// Opens after `damage`; it must be refused, with the folder named and nothing emptied.
fn refused_after(damage: impl FnOnce(&Path)) -> OpenError {
    let folder = folder();
    filled(&open(&folder));
    damage(&store_path(&folder));
    let error = try_open(folder.path()).unwrap_err();
    assert!(error.to_string().contains(&store_path(&folder).display().to_string()), "{error}");
    assert!(try_open(folder.path()).is_err(), "the second try must not find an empty store either");
    error
}

#[test]
fn a_store_that_lost_its_log_does_not_start_empty() {
    assert!(matches!(refused_after(|path| fs::remove_file(path.join("db")).unwrap()), OpenError::Damaged { .. }));
    assert!(matches!(
        refused_after(|path| {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if name == "db" || name.starts_with("snap.") {
                    fs::remove_file(&path).unwrap();
                }
            }
            fs::write(path.join("db"), b"").unwrap();
        }),
        OpenError::Damaged { .. }
    ));
}

#[test]
fn a_log_that_lost_its_end_is_noticed_though_it_opens() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    drop(store);
    for name in ["db", "conf"] {
        fs::copy(store_path(&folder).join(name), kept.join(name)).unwrap();
    }
    let store = open(&folder);
    commit(&store, |changes| changes.create_credential(&credential("dave"))).unwrap();
    drop(store);
    // The state before dave: sound in itself, but not what was acknowledged.
    for entry in fs::read_dir(store_path(&folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
            fs::remove_file(path).unwrap();
        }
    }
    for name in ["db", "conf"] {
        fs::copy(kept.join(name), store_path(&folder).join(name)).unwrap();
    }
    let error = try_open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::LostChanges { stored: 1, acknowledged: 2, .. }), "{error}");
    fs::remove_file(store_path(&folder).join("acknowledged")).unwrap();
    assert_eq!(open(&folder).credentials().len(), 3, "and the way out that the message names works");
}

#[test]
fn a_row_that_disappeared_is_noticed() {
    let error = refused_after(|path| {
        let db = sled::open(path).unwrap();
        db.open_tree("objects").unwrap().remove(b"CMA_1\0bob").unwrap().unwrap();
    });
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_record_of_nonsense_is_named_with_its_kind_and_key() {
    let error = refused_after(|path| {
        let db = sled::open(path).unwrap();
        db.open_tree("objects").unwrap().insert(b"CMA_1\0bob", b"nonsense").unwrap();
    });
    assert!(error.to_string().contains("MA_1/bob") && error.to_string().contains("credentials"), "{error}");
}

/// The whole log at every cut and with every kind of flip is too much for one test; these spread over it.
#[test]
fn a_cut_or_flipped_log_is_refused_or_complete_but_never_partial() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    for number in 0..200 {
        commit(&store, |changes| changes.create_credential(&credential(&format!("user{number}")))).unwrap();
    }
    drop(store);
    let original: Vec<_> = fs::read_dir(store_path(&folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    let log = original.iter().find(|(name, _)| name == "db").unwrap().1.clone();
    let used = log.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut refused = 0;
    for step in 0..40 {
        let at = used * step / 40;
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir_all(copy.path().join("store/blobs")).unwrap();
        for (name, bytes) in &original {
            fs::write(copy.path().join("store").join(name), bytes).unwrap();
        }
        let file = fs::OpenOptions::new().write(true).open(copy.path().join("store/db")).unwrap();
        if step % 2 == 0 {
            file.set_len(at as u64).unwrap();
        } else {
            file.write_all_at(&[log[at] ^ 0x10], at as u64).unwrap();
        }
        match try_open(copy.path()) {
            Ok(store) => assert_eq!(store.credentials().len(), 203, "step {step}"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(&*copy.path().to_string_lossy()), "{error}");
            }
        }
    }
    assert!(refused >= 20, "only {refused} of 40 damages were noticed");
}
