use super::*;

use crate::auth::CredentialSource;

fn imported(made: usize, present: usize, deleted: usize) -> Imported {
    Imported { made, present, deleted }
}

#[test]
fn an_import_makes_what_is_missing_and_counts_the_rest() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let rows = (0..25_000).map(|number| credential(&format!("u{number}")));
    let rows = rows.chain([credential("alice"), credential("u1"), credential("new"), credential("new")]);
    assert_eq!(store.import(rows), Ok(imported(25_001, 3, 0)));
    drop(store);
    let store = open(&folder);
    assert_eq!(store.credentials().len(), 25_004);
    assert!(store.credentials().credential("MA_1", b"u24999").is_some());
}

#[test]
fn a_seeded_name_that_was_deleted_stays_deleted_until_made_by_hand() {
    let folder = folder();
    let store = open(&folder);
    let rows = || ["alice", "bob"].map(credential);
    assert_eq!(store.seed_missing(rows()), Ok(imported(2, 0, 0)));
    commit(&store, |changes| changes.delete_credential("MA_1", "bob")).unwrap();
    drop(store);
    let store = open(&folder);
    assert_eq!(store.seed_missing(rows()), Ok(imported(0, 1, 1)));
    assert!(store.credentials().credential("MA_1", b"bob").is_none());
    commit(&store, |changes| changes.create_credential(&credential("bob"))).unwrap();
    assert_eq!(store.was_deleted("MA_1", "bob"), Ok(false));
    assert_eq!(store.seed_missing(rows()), Ok(imported(0, 2, 0)));
}

#[test]
fn a_seed_that_is_there_already_writes_nothing() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let synced = || store.write_counts().synced.load(std::sync::atomic::Ordering::Relaxed);
    let before = synced();
    store.seed_missing([credential("alice")]).unwrap();
    assert_eq!(synced(), before);
}
