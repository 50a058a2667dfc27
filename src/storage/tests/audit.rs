use super::*;

use crate::storage::audit::AuditAction;

fn commit(store: &Store, auth_id: &str, username: &str) -> Result<(), WriteError> {
    let mut changes = Changes::new();
    changes.create_credential(&CredentialRecord { auth_id: auth_id.to_owned(), ..credential(username) })?;
    store.commit(changes)
}

fn ids(page: &Page<AuditRecord>) -> Vec<(u64, &str)> {
    page.records.iter().map(|record| (record.sequence, record.entry.name.as_str())).collect()
}

#[test]
fn an_entry_is_written_with_its_change_and_not_without() {
    let folder = folder();
    let store = open(&folder);
    commit(&store, "MA_1", "alice").unwrap();
    assert!(matches!(commit(&store, "MA_1", "alice"), Err(WriteError::Exists { .. })));
    commit(&store, "MA_2", "bob").unwrap();
    commit(&store, "MA_1", "carol").unwrap();
    drop(store);
    let store = open(&folder);
    commit(&store, "MA_1", "dave").unwrap();
    let all = store.page_of_audit(None, Window { offset: 1, limit: 2 }).unwrap();
    assert_eq!((all.total, ids(&all)), (4, vec![(3, "carol"), (2, "bob")]));
    let own = store.page_of_audit(Some("MA_1"), Window::ALL).unwrap();
    assert_eq!((own.total, ids(&own)), (3, vec![(4, "dave"), (3, "carol"), (1, "alice")]));
    assert_eq!(store.page_of_audit(None, Window { offset: 9, limit: 2 }).unwrap().records, []);
    let chain = store.verify_audit().unwrap();
    assert_eq!((chain.first, chain.last, chain.broken), (1, 4, None));
    assert_eq!(all.records[0].previous.len(), 32);
}

#[test]
fn an_entry_says_who_did_what_to_which_fields_and_no_value() {
    let folder = folder();
    let store = open(&folder);
    let author = Author { actor: "MA_1".into(), peer: Some([192, 0, 2, 1].into()), request_id: "r-1".into() };
    let mut record = credential("alice");
    author.acting(|| {
        commit(&store, "MA_1", "alice").unwrap();
        record.enabled = false;
        record.ha1_md5 = Some([1; 16]);
        record.ha1_sha256 = Some([2; 32]);
        record.updated_at = 99;
        let mut changes = Changes::new();
        changes.update_credential(&record).unwrap();
        store.commit(changes).unwrap();
    });
    let mut changes = Changes::new();
    changes.delete_credential("MA_1", "alice").unwrap();
    changes.delete_credential("MA_1", "nobody").unwrap();
    store.commit(changes).unwrap();
    let log = store.page_of_audit(Some("MA_1"), Window::ALL).unwrap().records;
    let [deleted, updated, created] = log.as_slice() else { panic!("{log:?}") };
    let AuditEntry { at, actor, peer, request_id, auth_id, action, object, id, name, fields } = &updated.entry;
    assert!(*at > 1_700_000_000_000_000);
    assert_eq!((&**actor, *peer, &**request_id), ("MA_1", Some([192, 0, 2, 1].into()), "r-1"));
    assert_eq!((&**auth_id, *action, &**object), ("MA_1", AuditAction::Updated, "credential"));
    assert_eq!((id, &**name), (&record.id.to_string(), "alice"));
    assert_eq!(*fields, ["enabled", "password"]);
    assert_eq!((created.entry.action, created.entry.fields.len()), (AuditAction::Created, 0));
    assert_eq!((deleted.entry.action, &*deleted.entry.actor), (AuditAction::Deleted, "server"));
}

#[test]
fn many_objects_at_once_are_told_by_their_number() {
    let folder = folder();
    let store = open(&folder);
    store.import((0..500).map(|number| credential(&format!("user{number}")))).unwrap();
    store.import((0..500).map(|number| credential(&format!("user{number}")))).unwrap();
    let log = store.page_of_audit(Some("MA_1"), Window::ALL).unwrap();
    assert_eq!(ids(&log), [(1, "500 objects")]);
}

#[test]
fn an_empty_log_holds() {
    let folder = folder();
    let chain = open(&folder).verify_audit().unwrap();
    assert_eq!((chain.first, chain.last, chain.head, chain.broken), (0, 0, [0; 32], None));
}

/// What somebody with the files could do to entry 2 of 4, and the first entry that tells of it.
#[test]
fn whatever_is_altered_missing_or_swapped_breaks_the_chain_there() {
    let key = |number: u64| [b"J".as_slice(), &number.to_be_bytes()].concat();
    type Harm = fn(&sled::Tree, &dyn Fn(u64) -> Vec<u8>);
    let alter: Harm = |rows, key| {
        let mut record: AuditRecord = decode(&rows.get(key(2)).unwrap().unwrap()).unwrap();
        record.entry.actor = "MA_9".to_owned();
        rows.insert(key(2), encode(&record).unwrap()).unwrap();
    };
    let remove: Harm = |rows, key| {
        rows.remove(key(2)).unwrap();
    };
    let spoil: Harm = |rows, key| {
        rows.insert(key(2), b"nonsense").unwrap();
    };
    let repeat: Harm = |rows, key| {
        let first = rows.get(key(1)).unwrap().unwrap();
        rows.insert(key(2), first).unwrap();
    };
    let forge_first: Harm = |rows, key| {
        let mut record: AuditRecord = decode(&rows.get(key(1)).unwrap().unwrap()).unwrap();
        record.previous = [7; 32];
        rows.insert(key(1), encode(&record).unwrap()).unwrap();
    };
    for (harm, at, reason) in [
        (alter, 3, "does not follow from entry 2"),
        (remove, 2, "missing"),
        (spoil, 2, "cannot be read"),
        (repeat, 2, "in its place is entry 1"),
        (forge_first, 1, "does not follow"),
    ] {
        let folder = folder();
        let store = open(&folder);
        for name in ["alice", "bob", "carol", "dave"] {
            commit(&store, "MA_1", name).unwrap();
        }
        harm(&store.objects, &key);
        let chain = store.verify_audit().unwrap();
        let broken = chain.broken.expect("a break");
        assert_eq!((broken.sequence, chain.last), (at, 4), "{reason}");
        assert!(broken.reason.contains(reason), "{}", broken.reason);
    }
}

#[test]
fn the_oldest_entry_goes_when_there_are_too_many_and_the_chain_still_holds() {
    let folder = folder();
    let store = open(&folder);
    for round in 0..51 {
        let mut changes = Changes::new();
        let name = ("MA_1", "id", "name");
        (0..MAX_AUDIT_ENTRIES / 50).for_each(|_| changes.tell(AuditAction::Deleted, "registration", name));
        changes.create_credential(&credential(&format!("user{round}"))).unwrap();
        store.commit(changes).unwrap();
    }
    let chain = store.verify_audit().unwrap();
    assert_eq!((chain.last - chain.first + 1, &chain.broken), (MAX_AUDIT_ENTRIES, &None));
    assert_eq!(
        store.page_of_audit(Some("MA_1"), Window { offset: 0, limit: 1 }).unwrap().total as u64,
        MAX_AUDIT_ENTRIES
    );
    drop(store);
    assert_eq!(open(&folder).verify_audit().unwrap(), chain);
}
