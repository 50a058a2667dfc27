//! Keys of route tokens: kept in the store, so that a dialog outlasts a restart, and replaced by age.

use super::Store;
use super::changes::Changes;
use super::error::StoreError;
use super::schema::RouteKeyRecord;

/// The keys in use at `now_s` (seconds since the Unix epoch), newest first and never empty. Tokens are made with the first; all are accepted.
///
/// Where there is none, or the newest is `max_age_s` old, a new one is made of `random`. A replaced key is kept until
/// `keep_for_s` (the longest call) after its successor was made.
pub fn load_or_rotate(
    store: &Store,
    now_s: u64,
    max_age_s: u64,
    keep_for_s: u64,
    random: [u8; 32],
) -> Result<Vec<RouteKeyRecord>, StoreError> {
    let mut keys = store.route_keys()?;
    keys.sort_by_key(|key| std::cmp::Reverse(key.created_at_s));
    let mut changes = Changes::new();
    if keys.first().is_none_or(|newest| now_s.saturating_sub(newest.created_at_s) >= max_age_s) {
        let made = RouteKeyRecord { id: free_id(&keys), key: random, created_at_s: now_s };
        changes.put_route_key(&made)?;
        keys.insert(0, made);
    }
    let mut kept: Vec<RouteKeyRecord> = Vec::with_capacity(keys.len());
    for key in keys {
        // Old from the day its successor was made, not from its own.
        match kept.last() {
            Some(successor) if now_s.saturating_sub(successor.created_at_s) >= keep_for_s => {
                changes.delete_route_key(key.id);
            }
            _ => kept.push(key),
        }
    }
    store.commit(changes)?;
    Ok(kept)
}

/// The id after the newest, so that an id comes back as late as it can; where it is taken, the next that is not.
fn free_id(keys: &[RouteKeyRecord]) -> u8 {
    let first = keys.first().map_or(0, |newest| newest.id.wrapping_add(1));
    let taken = |id: &u8| keys.iter().any(|key| key.id == *id);
    (0..=u8::MAX).map(|step| first.wrapping_add(step)).find(|id| !taken(id)).unwrap_or(first)
}
