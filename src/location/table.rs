//! The table of records: lookup, change, restore and expiry.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;

use crate::clock::Timestamp;
use crate::trunk::TrunkId;

use super::{AddressOfRecord, AorRecord, Binding, BindingStore, StoredRecord};

/// How long a record without bindings is kept, so that a retransmitted REGISTER still finds its answer: Timer J of
/// RFC 3261 §17.2.2.
const LINGER_US: u64 = 32_000_000;

/// A borrowed address of record, so that a lookup allocates nothing.
trait AorKey {
    fn trunk(&self) -> TrunkId;
    fn user(&self) -> &str;
}

impl AorKey for AddressOfRecord {
    fn trunk(&self) -> TrunkId {
        self.trunk
    }
    fn user(&self) -> &str {
        &self.user
    }
}

impl AorKey for (TrunkId, &str) {
    fn trunk(&self) -> TrunkId {
        self.0
    }
    fn user(&self) -> &str {
        self.1
    }
}

impl<'a> Borrow<dyn AorKey + 'a> for AddressOfRecord {
    fn borrow(&self) -> &(dyn AorKey + 'a) {
        self
    }
}

impl Hash for dyn AorKey + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.trunk().hash(state);
        self.user().hash(state);
    }
}

impl PartialEq for dyn AorKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.trunk() == other.trunk() && self.user() == other.user()
    }
}

impl Eq for dyn AorKey + '_ {}

/// The location service of all trunks, shared by the shards.
pub struct Location {
    records: DashMap<AddressOfRecord, AorRecord>,
    store: Arc<dyn BindingStore>,
    /// Second of the earliest expiry → records to look at then. A refresh leaves its entry where it is; the sweep looks
    /// the record up again and moves it on.
    due: Mutex<BTreeMap<u64, Vec<AddressOfRecord>>>,
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Location").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

impl Location {
    /// An empty table in front of `store`.
    pub fn new(store: Arc<dyn BindingStore>) -> Self {
        Self { records: DashMap::new(), store, due: Mutex::default() }
    }

    /// How many addresses of record are known, those included that have just lost their last binding.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Shows the record of `user` at `trunk` to `read`; `None` when there is none. Bindings past their time may still be
    /// in it. The record is locked meanwhile: `read` must not come back here.
    pub fn read<R>(&self, trunk: TrunkId, user: &str, read: impl FnOnce(&AorRecord) -> R) -> Option<R> {
        let key = (trunk, user);
        if let Some(record) = self.records.get(&key as &dyn AorKey) {
            return Some(read(&record));
        }
        let aor = AddressOfRecord { trunk, user: user.into() };
        let stored = self.store.recall(&aor)?;
        self.restore(aor.clone(), stored);
        self.records.get(&aor).map(|record| read(&record))
    }

    /// Lets `change` change the record of `user` at `trunk`, making it where there is none. What `change` returns beside
    /// its result says whether the store must be told.
    pub fn update<R>(&self, trunk: TrunkId, user: &str, change: impl FnOnce(&mut AorRecord) -> (R, bool)) -> R {
        let key = (trunk, user);
        if let Some(mut entry) = self.records.get_mut(&key as &dyn AorKey) {
            let (aor, record) = entry.pair_mut();
            return self.change(aor, record, change);
        }
        let aor = AddressOfRecord { trunk, user: user.into() };
        if let Some(stored) = self.store.recall(&aor) {
            self.restore(aor.clone(), stored);
        }
        let mut entry = self.records.entry(aor).or_default();
        let (aor, record) = entry.pair_mut();
        self.change(aor, record, change)
    }

    fn change<R>(
        &self,
        aor: &AddressOfRecord,
        record: &mut AorRecord,
        change: impl FnOnce(&mut AorRecord) -> (R, bool),
    ) -> R {
        let (result, changed) = change(record);
        if changed && !std::mem::replace(&mut record.dirty, true) {
            self.store.changed(aor);
        }
        self.schedule(aor, record);
        result
    }

    /// Puts the record on the list for its earliest expiry, unless it stands there early enough.
    fn schedule(&self, aor: &AddressOfRecord, record: &mut AorRecord) {
        let earliest = record.next_change_s();
        if record.scheduled_s == 0 || earliest < record.scheduled_s {
            record.scheduled_s = earliest;
            self.due.lock().unwrap_or_else(PoisonError::into_inner).entry(earliest).or_default().push(aor.clone());
        }
    }

    /// Puts a stored record back after a start. Bindings that have been made meanwhile win.
    pub fn restore(&self, aor: AddressOfRecord, stored: StoredRecord) {
        let mut entry = self.records.entry(aor).or_default();
        let (aor, record) = entry.pair_mut();
        if record.bindings.is_empty() && record.answered_at().is_none() {
            record.bindings = stored.into_iter().map(Binding::from).collect();
            self.schedule(aor, record);
        }
    }

    /// The record as it is to be stored, `None` when its row is to be removed; marks it as told.
    pub fn to_store(&self, aor: &AddressOfRecord) -> Option<StoredRecord> {
        let mut record = self.records.get_mut(aor)?;
        record.dirty = false;
        (!record.bindings.is_empty()).then(|| record.bindings.iter().map(Into::into).collect())
    }

    /// Removes bindings whose time has come, looking at no more than `limit` records; `removed` hears of each. Returns
    /// how many records it looked at: call again when it is `limit`.
    pub fn sweep(&self, now: Timestamp, limit: usize, mut removed: impl FnMut(&AddressOfRecord, &Binding)) -> usize {
        let due = self.take_due(now, limit);
        for aor in &due {
            let gone = self.records.remove_if_mut(aor, |aor, record| {
                let before = record.bindings.len();
                record.bindings.retain(|binding| {
                    let live = binding.expires_at > now;
                    if !live {
                        removed(aor, binding);
                    }
                    live
                });
                if record.bindings.len() != before && !std::mem::replace(&mut record.dirty, true) {
                    self.store.changed(aor);
                }
                record.scheduled_s = 0;
                let lingers = record.answered_at().is_some_and(|at| now.since(at).as_micros() < u128::from(LINGER_US));
                record.bindings.is_empty() && !lingers
            });
            if gone.is_none()
                && let Some(mut entry) = self.records.get_mut(aor)
            {
                let (aor, record) = entry.pair_mut();
                self.schedule(aor, record);
            }
        }
        due.len()
    }

    fn take_due(&self, now: Timestamp, limit: usize) -> Vec<AddressOfRecord> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(mut first) = due.first_entry().filter(|first| *first.key() < now.secs()) else { break };
            let bucket = first.get_mut();
            let keep = bucket.len().saturating_sub(limit - taken.len());
            taken.extend(bucket.drain(keep..));
            if bucket.is_empty() {
                first.remove();
            }
        }
        taken
    }

    /// Calls `each` with every record.
    pub fn for_each(&self, mut each: impl FnMut(&AddressOfRecord, &AorRecord)) {
        for entry in &self.records {
            each(entry.key(), entry.value());
        }
    }

    /// Drops the bindings for which `drop` says so, of every record; `removed` hears of each.
    pub fn revoke(
        &self,
        mut drop: impl FnMut(&AddressOfRecord, &Binding) -> bool,
        mut removed: impl FnMut(&AddressOfRecord, &Binding),
    ) {
        for mut entry in self.records.iter_mut() {
            let (aor, record) = entry.pair_mut();
            self.revoke_of(aor, record, &mut drop, &mut removed);
        }
    }

    /// As [`Location::revoke`], for one address of record.
    pub fn revoke_at(
        &self,
        trunk: TrunkId,
        user: &str,
        mut drop: impl FnMut(&AddressOfRecord, &Binding) -> bool,
        mut removed: impl FnMut(&AddressOfRecord, &Binding),
    ) {
        let key = (trunk, user);
        if !self.records.contains_key(&key as &dyn AorKey) {
            let aor = AddressOfRecord { trunk, user: user.into() };
            let Some(stored) = self.store.recall(&aor) else { return };
            self.restore(aor, stored);
        }
        if let Some(mut entry) = self.records.get_mut(&key as &dyn AorKey) {
            let (aor, record) = entry.pair_mut();
            self.revoke_of(aor, record, &mut drop, &mut removed);
        }
    }

    /// The answers that were noted go with the bindings: a repeated REGISTER must be looked at anew.
    fn revoke_of(
        &self,
        aor: &AddressOfRecord,
        record: &mut AorRecord,
        drop: &mut impl FnMut(&AddressOfRecord, &Binding) -> bool,
        removed: &mut impl FnMut(&AddressOfRecord, &Binding),
    ) {
        let before = record.bindings.len();
        record.bindings.retain(|binding| {
            let gone = drop(aor, binding);
            if gone {
                removed(aor, binding);
            }
            !gone
        });
        if record.bindings.len() == before {
            return;
        }
        record.answered = Default::default();
        if !std::mem::replace(&mut record.dirty, true) {
            self.store.changed(aor);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use uuid::Uuid;

    use super::super::{NoBindingStore, StoredBinding};
    use super::*;

    const TRUNK: TrunkId = TrunkId(Uuid::from_u128(7));

    fn stored(contact: &str, expires_at_s: u64) -> StoredBinding {
        StoredBinding {
            contact: contact.as_bytes().to_vec(),
            tcp: false,
            local: "127.0.0.1:5060".parse().unwrap(),
            peer: "127.0.0.1:9".parse().unwrap(),
            call_id: b"c".to_vec(),
            cseq: 1,
            expires_at_s,
            q: 1000,
            credential: None,
            user_agent: String::new(),
        }
    }

    fn bind(location: &Location, user: &str, contact: &str, expires_at_s: u64) {
        location.update(TRUNK, user, |record| {
            record.bindings.retain(|binding| &*binding.contact != contact.as_bytes());
            record.bindings.push(stored(contact, expires_at_s).into());
            ((), true)
        });
    }

    fn count(location: &Location, user: &str) -> Option<usize> {
        location.read(TRUNK, user, |record| record.bindings.len())
    }

    #[test]
    fn a_binding_goes_when_its_time_has_come_and_not_before() {
        let location = Location::new(Arc::new(NoBindingStore));
        bind(&location, "a", "sip:1", 100);
        bind(&location, "a", "sip:2", 200);
        let mut gone = Vec::new();
        for second in [99, 100, 101, 201, 240] {
            location
                .sweep(Timestamp::from_secs(second), 10, |_, binding| gone.push((second, binding.contact.to_vec())));
        }
        assert_eq!(gone, [(101, b"sip:1".to_vec()), (201, b"sip:2".to_vec())]);
        assert_eq!(count(&location, "a"), None);
    }

    #[test]
    fn a_refreshed_binding_stays_though_its_old_time_comes() {
        let location = Location::new(Arc::new(NoBindingStore));
        bind(&location, "a", "sip:1", 100);
        bind(&location, "a", "sip:1", 500);
        location.sweep(Timestamp::from_secs(101), 10, |_, _| panic!("nothing is due"));
        assert_eq!(count(&location, "a"), Some(1));
        let mut gone = 0;
        location.sweep(Timestamp::from_secs(501), 10, |_, _| gone += 1);
        assert_eq!(gone, 1);
    }

    #[test]
    fn the_sweep_keeps_to_its_limit() {
        let location = Location::new(Arc::new(NoBindingStore));
        for number in 0..10 {
            bind(&location, &number.to_string(), "sip:1", 100);
        }
        let looked: Vec<_> = (0..4).map(|_| location.sweep(Timestamp::from_secs(200), 4, |_, _| ())).collect();
        assert_eq!(looked, [4, 4, 2, 0]);
    }

    /// Counts what it is told, and holds one stored record.
    #[derive(Default)]
    struct Ledger(Mutex<Vec<AddressOfRecord>>);

    impl BindingStore for Ledger {
        fn changed(&self, aor: &AddressOfRecord) {
            self.0.lock().unwrap().push(aor.clone());
        }
        fn recall(&self, aor: &AddressOfRecord) -> Option<StoredRecord> {
            (&*aor.user == "old").then(|| vec![stored("sip:old", 300)])
        }
    }

    #[test]
    fn many_changes_before_a_write_are_told_once() {
        let ledger = Arc::new(Ledger::default());
        let location = Location::new(ledger.clone());
        bind(&location, "a", "sip:1", 100);
        bind(&location, "a", "sip:2", 100);
        assert_eq!(ledger.0.lock().unwrap().len(), 1);
        let aor = AddressOfRecord { trunk: TRUNK, user: "a".into() };
        assert_eq!(location.to_store(&aor).map(|stored| stored.len()), Some(2));
        bind(&location, "a", "sip:3", 100);
        assert_eq!(ledger.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn while_restoring_a_lookup_reads_through_to_the_store() {
        let location = Location::new(Arc::new(Ledger::default()));
        assert_eq!(count(&location, "old"), Some(1));
        assert_eq!(count(&location, "new"), None);
    }

    #[test]
    fn revoking_drops_the_bindings_named_and_tells_the_store() {
        let ledger = Arc::new(Ledger::default());
        let location = Location::new(ledger.clone());
        bind(&location, "a", "sip:1", 100);
        bind(&location, "b", "sip:1", 100);
        ledger.0.lock().unwrap().clear();
        location.to_store(&AddressOfRecord { trunk: TRUNK, user: "a".into() });
        let mut gone = 0;
        location.revoke(|aor, _| &*aor.user == "a", |_, _| gone += 1);
        assert_eq!((gone, count(&location, "a"), count(&location, "b")), (1, Some(0), Some(1)));
        assert_eq!(ledger.0.lock().unwrap().len(), 1);
    }
}
