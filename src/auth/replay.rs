//! Protection against replay: which nonce-counts of a nonce were used (RFC 7616 §3.4 `nc`).
//!
//! Asked only after a response has verified, so nothing is consumed by whoever does not know the password.
//!
//! A nonce's window is its highest nonce-count and a bitmap of the 64 up to it. Windows lie in buckets by the second in
//! which their nonce was made, so that forgetting is dropping whole buckets: the old ones when their nonces have expired,
//! the oldest one when the store is full. A bucket that is dropped leaves a floor behind: a nonce from at or below it that
//! has no window may have been used before, and is taken as replayed, never as fresh. Its owner pays one more challenge.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

use super::nonce::NonceId;

/// Whether a nonce-count was seen before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replay {
    /// Never before; from now on it is used.
    Fresh,
    /// Used before, or too old to know.
    Replayed,
}

/// Where used nonce-counts are remembered. The embedded one is [`MemoryReplayWindows`].
pub trait ReplayWindows: Send + Sync {
    /// Uses `nc` of `nonce` up, once.
    fn admit(&self, nonce: NonceId, nc: u32, now: Timestamp) -> Replay;
}

const MOST_SHARDS: usize = 64;
const WINDOW_BITS: u32 = u64::BITS;

/// Replay windows in the memory of this process.
///
/// An `admit` locks one of up to 64 shards and costs one look into a tree of at most (lifetime in seconds) buckets and one
/// into a hash map. Full, the store takes some 70 bytes a window.
pub struct MemoryReplayWindows {
    shards: Box<[Mutex<Shard>]>,
    capacity_per_shard: usize,
    lifetime_ms: u64,
}

#[derive(Default)]
struct Shard {
    window_by_nonce_by_second: BTreeMap<u64, HashMap<NonceId, Window, BuildHasherDefault<NonceHasher>>>,
    windows: usize,
    /// Nonces made before this second without a window are not fresh.
    floor: u64,
}

#[derive(Clone, Copy)]
struct Window {
    highest: u32,
    /// Bit n stands for `highest - n`.
    used: u64,
}

impl MemoryReplayWindows {
    /// Room for about `capacity` nonces in use, each remembered until it is `lifetime` old (the lifetime of the nonces).
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        let shards = capacity.clamp(1, MOST_SHARDS);
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            capacity_per_shard: capacity.div_ceil(shards).max(1),
            lifetime_ms: u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// How many nonces have a window now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).windows).sum()
    }

    /// Whether no nonce has a window.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard_of(&self, nonce: NonceId) -> Option<MutexGuard<'_, Shard>> {
        // The modulus is at most 64, and nonces are spread by their random salt.
        let shard = usize::try_from(nonce.salt % self.shards.len() as u64).unwrap_or(0);
        self.shards.get(shard).map(locked)
    }
}

/// A panic of another thread leaves a shard as it was between two steps; the worst is a wrong count.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ReplayWindows for MemoryReplayWindows {
    fn admit(&self, nonce: NonceId, nc: u32, now: Timestamp) -> Replay {
        if nc == 0 {
            return Replay::Replayed;
        }
        let Some(mut shard) = self.shard_of(nonce) else { return Replay::Replayed };
        shard.forget_before(now.millis().saturating_sub(self.lifetime_ms) / 1_000);
        if let Some(window) = shard.window(nonce) {
            return window.admit(nc);
        }
        if shard.windows >= self.capacity_per_shard {
            shard.evict_oldest();
        }
        shard.open(nonce, nc)
    }
}

impl fmt::Debug for MemoryReplayWindows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayWindows").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

impl Shard {
    /// Drops the buckets of seconds before `second`.
    fn forget_before(&mut self, second: u64) {
        while let Some(oldest) = self.window_by_nonce_by_second.first_entry()
            && *oldest.key() < second
        {
            self.windows -= oldest.remove().len();
        }
        self.floor = self.floor.max(second);
    }

    fn evict_oldest(&mut self) {
        if let Some((second, windows)) = self.window_by_nonce_by_second.pop_first() {
            self.windows -= windows.len();
            self.floor = self.floor.max(second.saturating_add(1));
        }
    }

    fn window(&mut self, nonce: NonceId) -> Option<&mut Window> {
        self.window_by_nonce_by_second.get_mut(&second_of(nonce))?.get_mut(&nonce)
    }

    fn open(&mut self, nonce: NonceId, nc: u32) -> Replay {
        let second = second_of(nonce);
        if second < self.floor {
            return Replay::Replayed;
        }
        self.window_by_nonce_by_second.entry(second).or_default().insert(nonce, Window { highest: nc, used: 1 });
        self.windows += 1;
        Replay::Fresh
    }
}

fn second_of(nonce: NonceId) -> u64 {
    nonce.minted_ms / 1_000
}

impl Window {
    fn admit(&mut self, nc: u32) -> Replay {
        if let Some(ahead) = nc.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = nc;
            return Replay::Fresh;
        }
        let behind = self.highest - nc;
        if behind >= WINDOW_BITS || self.used & (1 << behind) != 0 {
            return Replay::Replayed;
        }
        self.used |= 1 << behind;
        Replay::Fresh
    }
}

/// A multiplication is enough: the salt was drawn by us and only a nonce whose MAC held gets here, so nobody else chooses
/// keys that collide.
#[derive(Default)]
struct NonceHasher(u64);

impl Hasher for NonceHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // All salts of a shard agree in their low bits, and a multiplication carries upwards only.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);
    const START_S: u64 = 1_790_000_000;

    fn nonce(second: u64, salt: u64) -> NonceId {
        NonceId { minted_ms: (START_S + second) * 1_000 + 500, salt }
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_secs(START_S + second)
    }

    #[test]
    fn a_nonce_count_is_good_once_and_may_jump_forwards() {
        let windows = MemoryReplayWindows::new(100, LIFETIME);
        let id = nonce(0, 1);
        for (nc, expected) in [
            (0, Replay::Replayed),
            (1, Replay::Fresh),
            (1, Replay::Replayed),
            (1_000, Replay::Fresh),
            (999, Replay::Fresh),
            (999, Replay::Replayed),
            (937, Replay::Fresh),
            (936, Replay::Replayed),
            (u32::MAX, Replay::Fresh),
            (u32::MAX, Replay::Replayed),
            (0, Replay::Replayed),
        ] {
            assert_eq!(windows.admit(id, nc, at(1)), expected, "nc {nc}");
        }
        assert_eq!(windows.admit(nonce(0, 2), 1, at(1)), Replay::Fresh, "another nonce counts for itself");
    }

    #[test]
    fn windows_are_dropped_when_their_nonces_have_expired_and_no_earlier() {
        let windows = MemoryReplayWindows::new(1, LIFETIME);
        let id = nonce(0, 1);
        assert_eq!(windows.admit(id, 1, at(1)), Replay::Fresh);
        assert_eq!(windows.admit(id, 2, at(300)), Replay::Fresh);
        assert_eq!(windows.admit(id, 3, at(301)), Replay::Replayed);
        assert!(windows.is_empty());
    }

    #[test]
    fn a_full_store_evicts_the_oldest_and_serves_the_newest() {
        let windows = MemoryReplayWindows::new(2, LIFETIME);
        // Even salts share one of the two shards, which has room for one window.
        let (old, new) = (nonce(0, 2), nonce(5, 4));
        assert_eq!(windows.admit(old, 1, at(6)), Replay::Fresh);
        assert_eq!(windows.admit(new, 1, at(6)), Replay::Fresh);
        assert_eq!(windows.len(), 1);
        assert_eq!(windows.admit(old, 2, at(6)), Replay::Replayed, "evicted is not fresh");
        assert_eq!(windows.admit(nonce(1, 3), 1, at(6)), Replay::Fresh, "the other shard has its own floor");
    }

    #[test]
    fn two_threads_never_both_win_one_nonce_count() {
        let windows = MemoryReplayWindows::new(1_000, LIFETIME);
        let won: usize = std::thread::scope(|scope| {
            let run = || (1..=2_000).filter(|nc| windows.admit(nonce(0, 1), *nc, at(1)) == Replay::Fresh).count();
            let threads = [scope.spawn(run), scope.spawn(run)];
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(won <= 2_000, "{won}");
        assert_eq!(windows.len(), 1);
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set_of_all_that_was_used(
            counts in prop::collection::vec(prop_oneof![0..200_u32, (u32::MAX - 100)..=u32::MAX], 0..300),
        ) {
            let windows = MemoryReplayWindows::new(10, LIFETIME);
            let (mut used, mut highest) = (HashSet::new(), None::<u32>);
            for nc in counts {
                let known = highest.is_none_or(|highest| nc > highest || highest - nc < 64);
                let expected = nc > 0 && known && !used.contains(&nc);
                prop_assert_eq!(windows.admit(nonce(0, 1), nc, at(1)) == Replay::Fresh, expected, "nc {}", nc);
                if expected {
                    used.insert(nc);
                    highest = highest.max(Some(nc));
                }
            }
        }

        #[test]
        fn no_eviction_makes_a_used_nonce_fresh_again(
            capacity in 1..6_usize,
            steps in prop::collection::vec((0..40_u64, 0..30_u64, 0..4_u64, 1..4_u32), 0..300),
        ) {
            let windows = MemoryReplayWindows::new(capacity, Duration::from_secs(20));
            let (mut used, mut now) = (HashSet::new(), 40);
            for (pause, age, salt, nc) in steps {
                now += pause / 20;
                let id = nonce(now.saturating_sub(age), salt);
                let fresh = windows.admit(id, nc, at(now)) == Replay::Fresh;
                prop_assert!(!fresh || used.insert((id, nc)), "{:?} {} twice", id, nc);
                prop_assert!(windows.len() <= capacity.max(1));
            }
        }
    }
}
