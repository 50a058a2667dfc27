//! How each credential is used: when, from where and by what client last, and how often.
//!
//! Kept in memory from the core's events; the shell writes what has changed to the store now and then. What a crash takes is the
//! counts of the last minute.

use std::fmt;
use std::net::IpAddr;
use std::sync::Mutex;

use dashmap::DashMap;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::event::{CredentialUse, Event, Observer};
use crate::storage::UsageRecord;

/// Longest User-Agent kept, in bytes.
const LONGEST: usize = 128;

/// The usage of all credentials.
pub struct Usage {
    cells: DashMap<Uuid, Cell>,
    /// Takes the failures of names that there are not, so that these cost the same.
    nobody: Mutex<Cell>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

#[derive(Clone, Default)]
struct Cell {
    record: UsageRecord,
    is_changed: bool,
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usage").field("credentials", &self.cells.len()).finish_non_exhaustive()
    }
}

impl Usage {
    /// As it was `stored`; `now` reads the clock.
    pub fn new(
        stored: impl IntoIterator<Item = (Uuid, UsageRecord)>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let cells = stored.into_iter().map(|(id, record)| (id, Cell { record, is_changed: false })).collect();
        Self { cells, nobody: Mutex::default(), now: Box::new(now) }
    }

    /// That of one credential; `None` where it was never used.
    pub fn of(&self, credential: Uuid) -> Option<UsageRecord> {
        self.cells.get(&credential).map(|cell| cell.record.clone())
    }

    /// What has changed since the last time, to be stored; `None` for what is to be removed, because `exists` does not know it.
    pub fn take_changed(&self, exists: impl Fn(Uuid) -> bool) -> Vec<(Uuid, Option<UsageRecord>)> {
        let mut changed = Vec::new();
        self.cells.retain(|id, cell| {
            if !exists(*id) {
                changed.push((*id, None));
                return false;
            }
            if std::mem::take(&mut cell.is_changed) {
                changed.push((*id, Some(cell.record.clone())));
            }
            true
        });
        changed
    }

    fn note(&self, credential: Option<Uuid>, used_for: CredentialUse, peer: IpAddr, user_agent: &[u8]) {
        let now = (self.now)().micros();
        let Some(id) = credential else {
            // Whoever does not get it goes on: it must not line the shards up.
            if let Ok(mut nobody) = self.nobody.try_lock() {
                nobody.note(now, used_for, peer, user_agent);
            }
            return;
        };
        if let Some(mut cell) = self.cells.get_mut(&id) {
            return cell.note(now, used_for, peer, user_agent);
        }
        self.cells.entry(id).or_default().note(now, used_for, peer, user_agent);
    }
}

impl Cell {
    fn note(&mut self, now: u64, used_for: CredentialUse, peer: IpAddr, user_agent: &[u8]) {
        self.is_changed = true;
        let record = &mut self.record;
        match used_for {
            CredentialUse::Failure => {
                record.failures += 1;
                record.last_failure_at = now;
                record.last_failure_source = Some(peer);
                return;
            }
            CredentialUse::Registration => record.registrations += 1,
            CredentialUse::Call => record.calls += 1,
            CredentialUse::Other => {}
        }
        record.last_used_at = now;
        record.last_source = Some(peer);
        let user_agent = user_agent.get(..LONGEST).unwrap_or(user_agent);
        // A client hardly ever changes its name, so this hardly ever allocates.
        if record.last_user_agent.as_bytes() != user_agent {
            record.last_user_agent = String::from_utf8_lossy(user_agent).into_owned();
        }
    }
}

/// Two observers that hear the same.
#[derive(Debug)]
pub struct WithUsage<O> {
    /// The other one.
    pub other: O,
    /// This one.
    pub usage: std::sync::Arc<Usage>,
}

impl<O: Observer> Observer for WithUsage<O> {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::CredentialUsed { credential, used_for, flow, user_agent } = event {
            self.usage.note(*credential, *used_for, flow.peer_ip(), user_agent);
        }
        self.other.observe(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::event::Silent;
    use crate::flow::Flow;

    fn observer(usage: &Arc<Usage>) -> impl FnMut(Option<u128>, CredentialUse, &str) {
        let mut observer = WithUsage { other: Silent, usage: usage.clone() };
        move |id, used_for, user_agent| {
            let flow = Flow::udp("127.0.0.1:5060".parse().unwrap(), "192.0.2.1:5070".parse().unwrap());
            let (credential, user_agent) = (id.map(Uuid::from_u128), user_agent.as_bytes());
            observer.observe(&Event::CredentialUsed { credential, used_for, flow: &flow, user_agent });
        }
    }

    #[test]
    fn uses_are_counted_and_the_last_one_is_remembered() {
        let time = Arc::new(AtomicU64::new(5));
        let clock = time.clone();
        let usage = Arc::new(Usage::new([], move || Timestamp::from_micros(clock.load(Ordering::Relaxed))));
        let mut used = observer(&usage);
        assert_eq!(usage.of(Uuid::from_u128(1)), None);
        used(Some(1), CredentialUse::Registration, "phone/1");
        used(Some(1), CredentialUse::Call, "phone/2");
        used(Some(1), CredentialUse::Other, &"x".repeat(5_000));
        time.store(9, Ordering::Relaxed);
        used(Some(1), CredentialUse::Failure, "guesser");
        used(None, CredentialUse::Failure, "guesser");
        let record = usage.of(Uuid::from_u128(1)).unwrap();
        assert_eq!((record.registrations, record.calls, record.failures), (1, 1, 1));
        assert_eq!((record.last_used_at, record.last_failure_at), (5, 9));
        assert_eq!(record.last_source, Some([192, 0, 2, 1].into()));
        assert_eq!(record.last_user_agent.len(), LONGEST);
    }

    #[test]
    fn only_what_has_changed_is_stored_and_what_is_gone_is_removed() {
        let id = Uuid::from_u128;
        let stored = UsageRecord { calls: 7, ..UsageRecord::default() };
        let usage = Arc::new(Usage::new([(id(1), stored.clone()), (id(2), stored)], || Timestamp::from_secs(1)));
        let mut used = observer(&usage);
        used(Some(1), CredentialUse::Call, "a");
        let changed = usage.take_changed(|_| true);
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].1.as_ref().unwrap().calls, 8);
        assert_eq!(usage.take_changed(|_| true), []);
        assert_eq!(usage.take_changed(|known| known == id(1)), [(id(2), None)]);
        assert_eq!(usage.of(id(2)), None);
    }
}
