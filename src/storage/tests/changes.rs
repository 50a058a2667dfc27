use super::*;

use std::sync::Barrier;
use std::sync::atomic::Ordering;

use crate::auth::CredentialSource;

#[test]
fn creating_what_is_there_and_updating_what_is_not_are_refused_whole() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let refused = commit(&store, |changes| {
        changes.create_credential(&credential("dave"))?;
        changes.create_credential(&credential("alice"))
    });
    assert_eq!(refused, Err(WriteError::Exists { what: "credential MA_1/alice".to_owned() }));
    let refused = commit(&store, |changes| changes.update_trunk(&trunk(2)));
    assert!(matches!(refused, Err(WriteError::Missing { .. })), "{refused:?}");
    assert!(store.credentials().credential("MA_1", b"dave").is_none());
    assert_eq!(store.credential("MA_1", "dave"), Ok(None));
}

#[test]
fn a_change_is_in_the_cache_when_commit_returns() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let disabled = CredentialRecord { enabled: false, trunk: Some(trunk(1).id), ..credential("alice") };
    commit(&store, |changes| changes.update_credential(&disabled)).unwrap();
    assert!(!store.credentials().credential("MA_1", b"alice").unwrap().enabled);
    assert_eq!(store.credentials().scoped_counter(trunk(1).id).load(Ordering::Acquire), 1);
    commit(&store, |changes| changes.delete_credential("MA_1", "alice")).unwrap();
    assert!(store.credentials().credential("MA_1", b"alice").is_none());
    assert_eq!(store.credentials().by_id(credential("alice").id), None);
}

#[test]
fn a_trunk_goes_with_what_is_scoped_to_it_in_one_change() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    commit(&store, |changes| {
        changes.delete_trunk(trunk(1).id);
        changes.delete_acl_entry(acl_entry(5).id);
        changes.delete_credential("MA_1", "bob")
    })
    .unwrap();
    drop(store);
    let store = open(&folder);
    assert_eq!((store.trunks(), store.acl_entries()), (Ok(vec![]), Ok(vec![])));
    assert_eq!(store.credentials().len(), 2);
}

#[test]
fn deleting_and_making_a_name_again_in_one_change_leaves_the_new_one() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let again = CredentialRecord { id: Uuid::from_u128(99), ..credential("alice") };
    commit(&store, |changes| {
        changes.delete_credential("MA_1", "alice")?;
        changes.create_credential(&again)
    })
    .unwrap();
    assert_eq!(store.credential_by_id(Uuid::from_u128(99)), Ok(Some(again)));
    assert_eq!(store.was_deleted("MA_1", "alice"), Ok(false));
    assert_eq!(store.credentials().unscoped_counter("MA_1").load(Ordering::Acquire), 3);
}

#[test]
fn names_with_nul_and_records_that_are_too_large_are_refused() {
    let mut changes = Changes::new();
    let nul = CredentialRecord { username: "al\0ice".to_owned(), ..credential("alice") };
    assert!(matches!(changes.create_credential(&nul), Err(WriteError::Invalid { .. })));
    let large = AclRecord { description: "x".repeat(MAX_RECORD), ..acl_entry(1) };
    assert!(matches!(changes.create_acl_entry(&large), Err(WriteError::TooLarge { .. })));
    assert!(changes.is_empty());
}

#[test]
fn writers_that_wait_together_share_an_fsync() {
    let folder = folder();
    let store = open(&folder);
    let (writers, each) = (32, 20);
    let barrier = Barrier::new(writers);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (store, barrier) = (&store, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for number in 0..each {
                    let name = format!("u{writer}-{number}");
                    commit(store, |changes| changes.create_credential(&credential(&name))).unwrap();
                    assert!(store.credentials().credential("MA_1", name.as_bytes()).is_some());
                }
            });
        }
    });
    let counts = store.write_counts();
    let (committed, synced) = (counts.committed.load(Ordering::Relaxed), counts.synced.load(Ordering::Relaxed));
    assert_eq!(committed, (writers * each) as u64);
    assert!(synced <= committed / 4, "{synced} fsyncs for {committed} commits");
    drop(store);
    assert_eq!(open(&folder).credentials().len(), writers * each);
}

#[test]
fn with_too_little_space_a_change_is_refused_and_a_later_one_succeeds() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let dave = |store: &Store| commit(store, |changes| changes.create_credential(&credential("dave")));
    store.writer.set_reserve(u64::MAX);
    let refused = dave(&store);
    assert!(matches!(refused, Err(WriteError::DiskFull { .. })), "{refused:?}");
    assert!(store.credentials().credential("MA_1", b"dave").is_none());
    store.writer.set_reserve(0);
    dave(&store).unwrap();
    drop(store);
    assert!(open(&folder).credentials().credential("MA_1", b"dave").is_some());
}

#[test]
fn no_debug_text_shows_a_secret() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    let key = RouteKeyRecord { id: 1, key: [0xA1; 32], created_at_s: 5 };
    let texts = format!("{:?} {:?} {:?} {:?}", account(), credential("alice"), key, credential("alice").credential());
    // 161 and 238 are the bytes that all secrets here are made of.
    assert!(!texts.contains("161") && !texts.contains("238"), "{texts}");
    assert!(texts.contains("alice"));
}

/// A changed shape must get a new version; this fails when only the shape changes.
#[test]
fn the_stored_bytes_of_every_kind_are_pinned() {
    let crc = |bytes: Vec<u8>| u32::from_le_bytes(*bytes.last_chunk().unwrap());
    let pinned = [
        crc(encode(&account()).unwrap()),
        crc(encode(&trunk(1)).unwrap()),
        crc(encode(&CredentialRecord { trunk: Some(trunk(1).id), ..credential("alice") }).unwrap()),
        crc(encode(&acl_entry(5)).unwrap()),
        crc(encode(&RouteKeyRecord { id: 1, key: [3; 32], created_at_s: 5 }).unwrap()),
        crc(encode(&TombstoneRecord).unwrap()),
        crc(encode(&vec![super::bindings::stored("alice", 9)]).unwrap()),
    ];
    assert_eq!(pinned, [308731654, 901976947, 3566904161, 4188579965, 3722206026, 2768625435, 3691062854]);
}
