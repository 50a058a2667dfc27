//! Against guessing tokens: a source that was wrong too often is not listened to for a while.
//!
//! Only wrong tokens count; what a request asks for, and whether it gets it, does not. A token that was right from the same source
//! before is always listened to, so that one bad client does not lock out the others behind the same address.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tokens in a row that are answered as such.
const BURST: u32 = 20;

/// How long it takes until one more is.
const REFILL: Duration = Duration::from_secs(3);

/// Sources that are remembered; all further ones share one count.
const MAX_SOURCES: usize = 10_000;

/// Tokens that were right, by source.
const MAX_KNOWN: usize = 10_000;

/// The counts of all sources.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// When the source will have nothing held against it any more.
    clear_at: HashMap<Option<IpAddr>, Instant>,
    known: HashSet<(IpAddr, [u8; 32])>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("sources", &self.clear_at.len()).finish_non_exhaustive()
    }
}

impl Failures {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the token with this hash is looked at; if not, after which time one will be.
    pub(super) fn admit(&self, peer: IpAddr, token: &[u8; 32], now: Instant) -> Result<(), Duration> {
        let source = source(peer);
        let table = self.table();
        let clear_at =
            table.clear_at.get(&Some(source)).or_else(|| table.clear_at.get(&None).filter(|_| table.is_full()));
        let Some(owed) = clear_at.map(|clear_at| clear_at.saturating_duration_since(now)) else { return Ok(()) };
        let most = REFILL * (BURST - 1);
        if owed <= most || table.known.contains(&(source, *token)) { Ok(()) } else { Err(owed - most) }
    }

    /// Notes a wrong token.
    pub(super) fn wrong(&self, peer: IpAddr, now: Instant) {
        let mut table = self.table();
        let source = source(peer);
        if table.is_full() && !table.clear_at.contains_key(&Some(source)) {
            table.clear_at.retain(|_, clear_at| *clear_at > now);
        }
        let key = Some(source).filter(|_| !table.is_full() || table.clear_at.contains_key(&Some(source)));
        let clear_at = table.clear_at.entry(key).or_insert(now);
        *clear_at = (*clear_at).max(now) + REFILL;
    }

    /// Notes a token that was right.
    pub(super) fn right(&self, peer: IpAddr, token: [u8; 32]) {
        let mut table = self.table();
        let known = (source(peer), token);
        if table.known.len() >= MAX_KNOWN && !table.known.contains(&known) {
            table.known.clear();
        }
        table.known.insert(known);
    }
}

impl Table {
    fn is_full(&self) -> bool {
        self.clear_at.len() >= MAX_SOURCES
    }
}

/// Whoever has one IPv6 address has the 2^64 beside it.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: [u8; 32] = [1; 32];

    #[expect(clippy::disallowed_methods, reason = "a starting point, from which the tests count on")]
    fn start() -> Instant {
        Instant::now()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_that_was_wrong_too_often_waits_and_the_others_do_not() {
        let (failures, now) = (Failures::default(), start());
        for _ in 0..BURST {
            assert_eq!(failures.admit(ip("192.0.2.1"), &TOKEN, now), Ok(()));
            failures.wrong(ip("192.0.2.1"), now);
        }
        assert_eq!(failures.admit(ip("192.0.2.1"), &TOKEN, now), Err(REFILL));
        assert_eq!(failures.admit(ip("::ffff:192.0.2.1"), &TOKEN, now), Err(REFILL));
        assert_eq!(failures.admit(ip("192.0.2.2"), &TOKEN, now), Ok(()));
        assert_eq!(failures.admit(ip("192.0.2.1"), &TOKEN, now + REFILL), Ok(()));
    }

    #[test]
    fn a_token_that_was_right_from_there_is_always_listened_to() {
        let (failures, now) = (Failures::default(), start());
        failures.right(ip("2001:db8::1"), TOKEN);
        for _ in 0..100 {
            failures.wrong(ip("2001:db8::2"), now);
        }
        assert_eq!(failures.admit(ip("2001:db8::3"), &TOKEN, now), Ok(()));
        assert!(failures.admit(ip("2001:db8::3"), &[2; 32], now).is_err());
        assert_eq!(failures.admit(ip("2001:db8:0:1::3"), &[2; 32], now), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_a_full_table_still_counts() {
        let (failures, now) = (Failures::default(), start());
        for number in 0..u32::try_from(MAX_SOURCES + 100).unwrap() {
            failures.wrong(IpAddr::V4(number.into()), now);
            failures.right(IpAddr::V4(number.into()), TOKEN);
        }
        assert!(failures.table().clear_at.len() <= MAX_SOURCES + 1);
        assert!(failures.table().known.len() <= MAX_KNOWN);
        assert!(failures.admit(ip("203.0.113.1"), &TOKEN, now).is_err());
        failures.wrong(ip("203.0.113.1"), now + REFILL * 200);
        assert_eq!(failures.table().clear_at.len(), 1);
    }
}
