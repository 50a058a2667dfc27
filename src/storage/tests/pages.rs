use super::*;

use std::collections::BTreeSet;

fn numbered(number: u64, trunk: Option<TrunkId>) -> CredentialRecord {
    CredentialRecord {
        id: Uuid::from_u128(number.into()),
        created_at: number,
        trunk,
        ..credential(&format!("u{number}"))
    }
}

fn usernames(page: Page<CredentialRecord>) -> (usize, Vec<String>) {
    (page.total, page.records.into_iter().map(|record| record.username).collect())
}

fn uri(id: u128) -> OriginationUriRecord {
    OriginationUriRecord {
        id: Uuid::from_u128(id),
        auth_id: "MA_1".to_owned(),
        uri: "sip:pbx.example.com".to_owned(),
        priority: 1,
        weight: 10,
        enabled: true,
        transport: TrunkTransport::Udp,
        description: "PBX".to_owned(),
        trunk: Some(trunk(1).id),
        created_at: 1,
        updated_at: 2,
    }
}

fn number(e164: &str) -> NumberRecord {
    NumberRecord {
        id: Uuid::from_u128(3),
        e164: e164.to_owned(),
        auth_id: "MA_1".to_owned(),
        trunk: None,
        country: "IN".to_owned(),
        region: "Mumbai".to_owned(),
        provider: "operator".to_owned(),
        tags: vec!["support".to_owned()],
        is_blocked: false,
        created_at: 1,
        updated_at: 2,
    }
}

#[test]
fn pages_are_newest_first_and_the_same_after_a_restart() {
    let folder = folder();
    let store = open(&folder);
    let scope = trunk(7).id;
    commit(&store, |changes| {
        (1..=30_u64).try_for_each(|at| changes.create_credential(&numbered(at, (at % 3 == 0).then_some(scope))))
    })
    .unwrap();
    commit(&store, |changes| {
        changes.delete_credential("MA_1", "u29")?;
        changes.update_credential(&numbered(28, Some(scope)))?;
        changes.update_credential(&numbered(27, None))
    })
    .unwrap();
    let look = |store: &Store| {
        let window = |offset, limit| Window { offset, limit };
        assert_eq!(
            usernames(store.page_of_credentials("MA_1", None, None, window(1, 3)).unwrap()),
            (29, vec!["u28".to_owned(), "u27".to_owned(), "u26".to_owned()])
        );
        assert_eq!(
            usernames(store.page_of_credentials("MA_1", Some(scope), None, window(0, 3)).unwrap()),
            (10, vec!["u30".to_owned(), "u28".to_owned(), "u24".to_owned()])
        );
        assert_eq!(usernames(store.page_of_credentials("MA_2", None, None, Window::ALL).unwrap()), (0, vec![]));
        assert_eq!(usernames(store.page_of_credentials("MA_1", None, None, window(29, 5)).unwrap()), (29, vec![]));
    };
    look(&store);
    drop(store);
    look(&open(&folder));
}

#[test]
fn the_attached_credential_stands_at_its_place_whatever_the_page() {
    let folder = folder();
    let store = open(&folder);
    let scope = trunk(7).id;
    commit(&store, |changes| {
        (1..=9_u64).try_for_each(|at| changes.create_credential(&numbered(at, (at != 5).then_some(scope))))
    })
    .unwrap();
    for limit in 1..=10 {
        let mut seen = Vec::new();
        for offset in (0..9).step_by(limit) {
            let attached = Some(Uuid::from_u128(5));
            let page = store.page_of_credentials("MA_1", Some(scope), attached, Window { offset, limit }).unwrap();
            assert_eq!(page.total, 9);
            seen.extend(page.records.into_iter().map(|record| record.created_at));
        }
        assert_eq!(seen, [9, 8, 7, 6, 5, 4, 3, 2, 1], "limit {limit}");
    }
    let own = store.page_of_credentials("MA_1", Some(scope), Some(Uuid::from_u128(4)), Window::ALL).unwrap();
    assert_eq!(own.total, 8, "one that is scoped and attached counts once");
}

#[test]
fn uris_and_numbers_are_kept_and_a_number_belongs_to_one_account() {
    let folder = folder();
    let store = open(&folder);
    commit(&store, |changes| {
        changes.create_origination_uri(&uri(1))?;
        changes.create_number(&number("+911"))?;
        changes.create_number(&number("+912"))
    })
    .unwrap();
    let taken = NumberRecord { auth_id: "MA_2".to_owned(), ..number("+911") };
    assert!(matches!(commit(&store, |changes| changes.create_number(&taken)), Err(WriteError::Exists { .. })));
    commit(&store, |changes| {
        changes.delete_number("+912");
        changes.update_number(&NumberRecord { trunk: Some(trunk(1).id), ..number("+911") })
    })
    .unwrap();
    drop(store);
    let store = open(&folder);
    assert_eq!(store.origination_uri(Uuid::from_u128(1)), Ok(Some(uri(1))));
    assert_eq!(store.page_of_origination_uris("MA_1", Window::ALL).unwrap().records, [uri(1)]);
    assert_eq!(store.number("+912"), Ok(None));
    assert_eq!(store.page_of_numbers("MA_1", Window::ALL).unwrap().records[0].trunk, Some(trunk(1).id));
    let crc = |bytes: Vec<u8>| u32::from_le_bytes(*bytes.last_chunk().unwrap());
    let pinned = [crc(encode(&uri(1)).unwrap()), crc(encode(&number("+911")).unwrap())];
    assert_eq!(pinned, [2001804056, 901804475], "a changed shape must get a new version");
}

#[test]
fn an_account_goes_with_the_notes_of_its_deleted_credentials() {
    let folder = folder();
    let store = open(&folder);
    filled(&store);
    commit(&store, |changes| changes.delete_credential("MA_1", "bob")).unwrap();
    assert_eq!(store.deleted_usernames("MA_1"), Ok(vec!["bob".to_owned()]));
    commit(&store, |changes| {
        changes.forget_deleted_credential("MA_1", "bob");
        changes.remove_credential("MA_1", "alice");
        changes.delete_account("MA_1");
        Ok(())
    })
    .unwrap();
    assert_eq!(store.deleted_usernames("MA_1"), Ok(vec![]));
    let left: BTreeSet<String> =
        store.credentials_of("MA_1").unwrap().into_iter().map(|record| record.username).collect();
    assert_eq!(left, BTreeSet::from(["carol".to_owned()]));
}
