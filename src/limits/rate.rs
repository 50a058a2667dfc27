//! Rates per source in a table of fixed size.
//!
//! A source is an IPv4 address or an IPv6 /64. A keyed hash of it selects one of 65,536 cells (512 KiB), each the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371): one
//! number, changed by compare-and-swap.
//!
//! Two sources may share a cell and then share its rate. A busy neighbour can so cost a source its requests; with n busy
//! sources the odds are n in 65,536. The key is drawn at start and nobody outside knows who shares with whom, so a
//! neighbour cannot be chosen; what carries a valid nonce or route token is not asked for its rate at all.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;
use siphasher::sip::SipHasher13;

use crate::clock::Timestamp;

use super::Rates;
use super::source::{is_exempt, source_bytes};

/// A power of two: a hash is cut to an index by a mask.
const CELLS: usize = 1 << 16;
const SECOND_NS: u64 = 1_000_000_000;

/// The rates of all sources. An `admit` takes no lock, and looks at each exempt network and one cell.
pub struct SourceRates {
    arrival_ns_by_cell: Box<[AtomicU64]>,
    interval_ns: u64,
    exempt: Box<[IpNet]>,
    hasher: SipHasher13,
}

impl SourceRates {
    /// `per_source_per_s` requests per second, as many at once after a second's silence; 0 means no limit. Sources in
    /// `exempt` have no rate. `key` must come from a random generator.
    pub fn new(per_source_per_s: u32, exempt: Vec<IpNet>, key: [u8; 16]) -> Self {
        Self {
            arrival_ns_by_cell: (0..CELLS).map(|_| AtomicU64::new(0)).collect(),
            interval_ns: SECOND_NS.checked_div(u64::from(per_source_per_s)).unwrap_or(0),
            exempt: exempt.into_boxed_slice(),
            hasher: SipHasher13::new_with_key(&key),
        }
    }

    fn cell(&self, source: IpAddr) -> Option<&AtomicU64> {
        let hash = self.hasher.hash(&source_bytes(source));
        self.arrival_ns_by_cell.get(usize::try_from(hash % CELLS as u64).ok()?)
    }
}

impl Rates for SourceRates {
    fn admit(&self, source: IpAddr, now: Timestamp) -> bool {
        if self.interval_ns == 0 || is_exempt(&self.exempt, source) {
            return true;
        }
        let Some(cell) = self.cell(source) else { return true };
        let now_ns = now.micros().saturating_mul(1_000);
        let latest = now_ns.saturating_add(SECOND_NS);
        let advance = |arrival: u64| {
            let next = arrival.max(now_ns).saturating_add(self.interval_ns);
            (next <= latest).then_some(next)
        };
        // A cell stands alone: nothing else is published by changing it.
        cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance).is_ok()
    }
}

impl fmt::Debug for SourceRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRates")
            .field("interval_ns", &self.interval_ns)
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

    fn admitted(rates: &SourceRates, source: &str, times: usize, now: Timestamp) -> usize {
        (0..times).filter(|_| rates.admit(ip(source), now)).count()
    }

    #[test]
    fn a_source_has_one_second_of_burst_and_then_its_rate() {
        let rates = SourceRates::new(10, Vec::new(), [1; 16]);
        assert_eq!(admitted(&rates, "192.0.2.1", 100, START), 10);
        assert_eq!(admitted(&rates, "192.0.2.1", 100, START + Duration::from_millis(99)), 0);
        assert_eq!(admitted(&rates, "192.0.2.1", 100, START + Duration::from_millis(100)), 1);
        assert_eq!(admitted(&rates, "192.0.2.1", 100, START + Duration::from_millis(500)), 4);
        assert_eq!(admitted(&rates, "192.0.2.1", 100, START + Duration::from_secs(60)), 10);
    }

    #[test]
    fn refused_requests_cost_a_source_nothing_further() {
        let rates = SourceRates::new(1, Vec::new(), [1; 16]);
        assert_eq!(admitted(&rates, "192.0.2.1", 1_000_000, START), 1);
        assert_eq!(admitted(&rates, "192.0.2.1", 1, START + Duration::from_secs(1)), 1);
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_slash_64() {
        let rates = SourceRates::new(1, Vec::new(), [1; 16]);
        assert_eq!(admitted(&rates, "192.0.2.1", 1, START), 1);
        assert_eq!(admitted(&rates, "::ffff:192.0.2.1", 1, START), 0);
        assert_eq!(admitted(&rates, "192.0.2.2", 1, START), 1);
        assert_eq!(admitted(&rates, "2001:db8::1", 1, START), 1);
        assert_eq!(admitted(&rates, "2001:db8::ffff:1", 1, START), 0);
        assert_eq!(admitted(&rates, "2001:db8:0:1::1", 1, START), 1);
    }

    #[test]
    fn exempt_sources_and_a_rate_of_zero_have_no_limit() {
        let rates = SourceRates::new(1, Settings::default().exempt, [1; 16]);
        assert_eq!(admitted(&rates, "127.1.2.3", 1_000, START), 1_000);
        assert_eq!(admitted(&rates, "::ffff:127.0.0.1", 1_000, START), 1_000);
        assert_eq!(admitted(&rates, "::1", 1_000, START), 1_000);
        assert_eq!(admitted(&rates, "::2", 1_000, START), 1);
        assert_eq!(admitted(&SourceRates::new(0, Vec::new(), [1; 16]), "192.0.2.1", 1_000, START), 1_000);
    }

    #[test]
    fn which_sources_share_a_cell_depends_on_the_key() {
        let sharing = |key: [u8; 16]| {
            let rates = SourceRates::new(1, Vec::new(), key);
            (0..4_000_u32).filter(|n| !rates.admit(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), START)).collect()
        };
        let (one, other): (Vec<u32>, Vec<u32>) = (sharing([1; 16]), sharing([2; 16]));
        assert_ne!(one, other);
        assert!(one.len() < 300, "about 120 of 4,000 share: {}", one.len());
    }

    #[test]
    fn threads_together_get_no_more_than_the_rate() {
        let rates = SourceRates::new(500, Vec::new(), [1; 16]);
        let total: usize = std::thread::scope(|scope| {
            let run = || admitted(&rates, "192.0.2.1", 1_000, START);
            [scope.spawn(run), scope.spawn(run)].into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 500);
    }
}
