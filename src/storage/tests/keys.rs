use super::*;

const MAX_AGE: u64 = 1_000;
const LONGEST_CALL: u64 = 300;

fn ids(store: &Store, now_s: u64) -> Vec<u8> {
    let random = [u8::try_from(now_s % 251).unwrap(); 32];
    let keys = load_or_rotate(store, now_s, MAX_AGE, LONGEST_CALL, random).unwrap();
    keys.iter().map(|key| key.id).collect()
}

#[test]
fn a_key_is_made_once_and_outlasts_a_restart() {
    let folder = folder();
    let first = load_or_rotate(&open(&folder), 10_000, MAX_AGE, LONGEST_CALL, [1; 32]).unwrap();
    let again = load_or_rotate(&open(&folder), 10_999, MAX_AGE, LONGEST_CALL, [2; 32]).unwrap();
    assert_eq!((first.len(), &first), (1, &again));
    assert_eq!(first[0].key, [1; 32]);
}

#[test]
fn an_old_key_is_replaced_and_kept_for_the_longest_call_after_that() {
    let folder = folder();
    let store = open(&folder);
    assert_eq!(ids(&store, 10_000), [0]);
    assert_eq!(ids(&store, 11_000), [1, 0]);
    assert_eq!(ids(&store, 11_299), [1, 0]);
    assert_eq!(ids(&store, 11_300), [1]);
    drop(store);
    assert_eq!(ids(&open(&folder), 11_301), [1], "the dropped key is gone from the disk, too");
}

#[test]
fn after_a_long_rest_only_the_last_key_is_kept_beside_the_new_one() {
    let folder = folder();
    let store = open(&folder);
    ids(&store, 10_000);
    ids(&store, 11_000);
    assert_eq!(ids(&store, 99_000), [2, 1], "calls may have been up until a moment ago");
}

#[test]
fn a_clock_that_went_back_makes_no_new_key() {
    let folder = folder();
    let store = open(&folder);
    ids(&store, 10_000);
    assert_eq!(ids(&store, 5_000), [0]);
}
