//! Guesses per source and name, in a table of fixed size.
//!
//! A keyed hash of source and name selects one of 65,536 cells (512 KiB), each the theoretical arrival time of the generic
//! cell rate algorithm as in [`SourceRates`](super::SourceRates). Names are hashed whether they exist or not, so what a
//! source can see of the table says nothing about which do.
//!
//! Over UDP anybody can send guesses in the name of a victim's address. What is past its limit is therefore never dropped:
//! it is challenged as always, and only its answer is not looked at. Whoever holds a binding of the name over that source is
//! not asked for it at all (the caller sees to that).

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;
use siphasher::sip::SipHasher13;

use crate::clock::Timestamp;

use super::source::{is_exempt, source_bytes};

/// Where failed answers are counted. The embedded place is [`FailureTable`].
pub trait Failures: Send + Sync {
    /// Whether the answers of `source` for `name` are not to be looked at now.
    fn is_past_limit(&self, source: IpAddr, name: &[u8], now: Timestamp) -> bool;

    /// Counts one answer of `source` for `name` that let nobody in.
    fn note(&self, source: IpAddr, name: &[u8], now: Timestamp);
}

/// A power of two: a hash is cut to an index by a mask.
const CELLS: usize = 1 << 16;
const MINUTE_US: u64 = 60_000_000;

/// The failures of all sources and names. Takes no lock, and looks at each exempt network and one cell.
pub struct FailureTable {
    arrival_us_by_cell: Box<[AtomicU64]>,
    interval_us: u64,
    exempt: Box<[IpNet]>,
    hasher: SipHasher13,
}

impl FailureTable {
    /// `per_minute` failures per minute, as many at once after a minute's silence; 0 means no limit. Sources in `exempt`
    /// have no limit. `key` must come from a random generator.
    pub fn new(per_minute: u32, exempt: Vec<IpNet>, key: [u8; 16]) -> Self {
        Self {
            arrival_us_by_cell: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
            interval_us: MINUTE_US.checked_div(u64::from(per_minute)).unwrap_or(0),
            exempt: exempt.into_boxed_slice(),
            hasher: SipHasher13::new_with_key(&key),
        }
    }

    /// The cell; `None` where there is no limit.
    fn cell(&self, source: IpAddr, name: &[u8]) -> Option<&AtomicU64> {
        if self.interval_us == 0 || is_exempt(&self.exempt, source) {
            return None;
        }
        use std::hash::Hasher;
        let mut hasher = self.hasher;
        hasher.write(&source_bytes(source));
        hasher.write(name);
        self.arrival_us_by_cell.get(usize::try_from(hasher.finish() % CELLS as u64).ok()?)
    }

    /// The arrival time after one more failure; `None` when that is too many.
    fn next(&self, arrival_us: u64, now: Timestamp) -> Option<u64> {
        let next = arrival_us.max(now.micros()).saturating_add(self.interval_us);
        (next <= now.micros().saturating_add(MINUTE_US)).then_some(next)
    }
}

impl Failures for FailureTable {
    fn is_past_limit(&self, source: IpAddr, name: &[u8], now: Timestamp) -> bool {
        // A cell stands alone: nothing else is published by changing it.
        self.cell(source, name).is_some_and(|cell| self.next(cell.load(Ordering::Relaxed), now).is_none())
    }

    fn note(&self, source: IpAddr, name: &[u8], now: Timestamp) {
        if let Some(cell) = self.cell(source, name) {
            // Past the limit nothing more is owed: the wait for the next look does not grow.
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |arrival| self.next(arrival, now));
        }
    }
}

impl fmt::Debug for FailureTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureTable")
            .field("interval_us", &self.interval_us)
            .field("exempt", &self.exempt)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Settings;
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `times` guesses in a row are looked at.
    fn looked_at(table: &FailureTable, source: &str, name: &str, times: usize, now: Timestamp) -> usize {
        let guess = |_: &usize| {
            let looked = !table.is_past_limit(ip(source), name.as_bytes(), now);
            if looked {
                table.note(ip(source), name.as_bytes(), now);
            }
            looked
        };
        (0..times).filter(guess).count()
    }

    #[test]
    fn a_source_has_a_minute_of_guesses_at_a_name_and_then_its_rate() {
        let table = FailureTable::new(30, Vec::new(), [1; 16]);
        assert_eq!(looked_at(&table, "192.0.2.1", "alice", 100, START), 30);
        assert_eq!(looked_at(&table, "192.0.2.1", "alice", 100, START + Duration::from_millis(1_999)), 0);
        assert_eq!(looked_at(&table, "192.0.2.1", "alice", 100, START + Duration::from_secs(2)), 1);
        assert_eq!(looked_at(&table, "192.0.2.1", "alice", 100, START + Duration::from_secs(10)), 4);
        assert_eq!(looked_at(&table, "192.0.2.1", "alice", 100, START + Duration::from_secs(3_600)), 30);
    }

    #[test]
    fn another_source_and_another_name_have_their_own_count() {
        let table = FailureTable::new(5, Vec::new(), [1; 16]);
        assert_eq!(looked_at(&table, "192.0.2.1", "alice", 10, START), 5);
        for (source, name) in
            [("192.0.2.2", "alice"), ("192.0.2.1", "bob"), ("192.0.2.1", ""), ("2001:db8::1", "alice")]
        {
            assert_eq!(looked_at(&table, source, name, 10, START), 5, "{source} {name}");
        }
        assert_eq!(looked_at(&table, "::ffff:192.0.2.1", "alice", 10, START), 0);
        assert_eq!(looked_at(&table, "2001:db8::2", "alice", 10, START), 0, "one host has all of a /64");
    }

    #[test]
    fn exempt_sources_and_a_limit_of_zero_have_no_limit() {
        let table = FailureTable::new(1, Settings::default().exempt, [1; 16]);
        assert_eq!(looked_at(&table, "127.0.0.1", "alice", 100, START), 100);
        assert_eq!(looked_at(&table, "192.0.2.1", "alice", 100, START), 1);
        let off = FailureTable::new(0, Vec::new(), [1; 16]);
        assert_eq!(looked_at(&off, "192.0.2.1", "alice", 100, START), 100);
    }

    #[test]
    fn guesses_past_the_limit_do_not_make_the_wait_longer() {
        let table = FailureTable::new(30, Vec::new(), [1; 16]);
        for _ in 0..100_000 {
            table.note(ip("192.0.2.1"), b"alice", START);
        }
        assert_eq!(looked_at(&table, "192.0.2.1", "alice", 9, START + Duration::from_secs(2)), 1);
    }
}
