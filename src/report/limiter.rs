//! How many log lines others may cause.

#![allow(
    clippy::disallowed_methods,
    reason = "the reporter is shell: the limit of log lines runs on the monotonic clock"
)]

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::limits::source_bytes;

/// Lines about refused authentication in a second, for the whole server: a flood from many sources writes no more.
pub const LINES_PER_SECOND: u32 = 100;

/// The same for one source (IPv6: one /64). Enough to ban it by; and one loud source leaves room for the lines of others.
pub const LINES_PER_SOURCE_PER_SECOND: u32 = 2;

/// A power of two: a hash is cut to an index by a mask. Two sources that share a cell (32 KiB of them) share its lines.
const CELLS: usize = 1 << 12;

/// Limits the lines about refused authentication, for all shards together.
#[derive(Debug)]
pub struct LogLimiter {
    started: Instant,
    per_second: u64,
    per_source: u64,
    whole: Window,
    by_source: Sources,
    left_out: AtomicU64,
}

/// The windows of sources, by a hash with a key of this process.
struct Sources {
    windows: Box<[Window]>,
    hasher: RandomState,
}

impl Sources {
    fn window(&self, source: IpAddr) -> Option<&Window> {
        let hash = self.hasher.hash_one(source_bytes(source));
        self.windows.get(usize::try_from(hash % CELLS as u64).ok()?)
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources(..)")
    }
}

/// One word holds a second and what was written in it, so that shards that write at the same time agree without a lock:
/// `| second since the start: 40 bits | lines: 24 bits |`.
#[derive(Debug, Default)]
struct Window(AtomicU64);

impl Window {
    fn admit(&self, second: u64, most: u64) -> bool {
        let next = |window: u64| {
            // A shard that read the clock earlier and comes later must not open an old window again.
            let (current, lines) = (window >> LINE_BITS, window & LINES);
            match (second > current, lines < most) {
                (true, _) if most > 0 => Some((second << LINE_BITS) | 1),
                (false, true) => Some(window + 1),
                _ => None,
            }
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

const LINE_BITS: u32 = 24;
const LINES: u64 = (1 << LINE_BITS) - 1;

/// Whether a line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    Write,
    LeaveOut,
}

impl Default for LogLimiter {
    fn default() -> Self {
        Self::new(LINES_PER_SECOND, LINES_PER_SOURCE_PER_SECOND)
    }
}

impl LogLimiter {
    /// Lets `per_second` lines through in each second, and `per_source` of each source.
    pub fn new(per_second: u32, per_source: u32) -> Self {
        let windows = (0..CELLS).map(|_| Window::default()).collect();
        Self {
            started: Instant::now(),
            per_second: u64::from(per_second).min(LINES),
            per_source: u64::from(per_source).min(LINES),
            whole: Window::default(),
            by_source: Sources { windows, hasher: RandomState::new() },
            left_out: AtomicU64::new(0),
        }
    }

    /// Logs how many lines were left out since this was last told. To be called now and then, so that the end of a flood is told
    /// when no further attempt comes; an attempt that is let through tells it, too.
    pub fn tell_left_out(&self) {
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(left_out, "refused authentications were left out of the log; the metrics count them all");
        }
    }

    /// Asks for one line about `source`.
    pub(super) fn admit(&self, source: IpAddr) -> Admission {
        let admission = self.admit_at(source, self.started.elapsed().as_secs());
        if admission == Admission::Write && self.left_out.load(Ordering::Relaxed) > 0 {
            self.tell_left_out();
        }
        admission
    }

    fn admit_at(&self, source: IpAddr, second: u64) -> Admission {
        let own = self.by_source.window(source).is_none_or(|window| window.admit(second, self.per_source));
        if own && self.whole.admit(second, self.per_second) {
            return Admission::Write;
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        Admission::LeaveOut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_of(limiter: &LogLimiter, source: [u8; 4], second: u64, attempts: usize) -> usize {
        (0..attempts).filter(|_| limiter.admit_at(source.into(), second) == Admission::Write).count()
    }

    fn written(limiter: &LogLimiter, second: u64, attempts: usize) -> usize {
        written_of(limiter, [192, 0, 2, 1], second, attempts)
    }

    #[test]
    fn one_loud_source_leaves_the_lines_of_the_others() {
        let limiter = LogLimiter::new(1_000, 2);
        let others = |second: u64| -> usize {
            // Some of these hundred share a cell; which ones is drawn at the start.
            (0..100).map(|number| written_of(&limiter, [198, 51, 100, number], second, 1)).sum()
        };
        for second in 0..3 {
            assert_eq!(written(&limiter, second, 100_000), 2);
            assert!(others(second) >= 90, "second {second}");
        }
    }

    #[test]
    fn all_sources_together_have_their_limit() {
        let limiter = LogLimiter::new(20, 2);
        let total: usize = (0..=255).map(|number| written_of(&limiter, [198, 51, 100, number], 1, 2)).sum();
        assert_eq!(total, 20);
    }

    #[test]
    fn each_second_lets_its_lines_through_and_counts_the_rest() {
        let limiter = LogLimiter::new(20, 20);
        assert_eq!(written(&limiter, 0, 1_000), 20);
        assert_eq!(limiter.left_out.load(Ordering::Relaxed), 980);
        assert_eq!(written(&limiter, 1, 5), 5);
        assert_eq!(written(&limiter, 1, 1_000), 15);
        assert_eq!(written(&limiter, 9_000_000, 30), 20);
    }

    #[test]
    fn a_late_shard_does_not_open_a_past_second_again() {
        let limiter = LogLimiter::new(2, 2);
        assert_eq!(written(&limiter, 5, 2), 2);
        assert_eq!(written(&limiter, 4, 10), 0);
        assert_eq!(written(&limiter, 5, 10), 0);
        assert_eq!(written(&limiter, 6, 10), 2);
    }

    #[test]
    fn no_lines_are_no_lines() {
        let limiter = LogLimiter::new(0, 0);
        assert_eq!(written(&limiter, 0, 10) + written(&limiter, 1, 10), 0);
    }

    #[test]
    fn shards_share_one_limit() {
        let limiter = LogLimiter::new(1_000, 1_000);
        let total: usize = std::thread::scope(|scope| {
            let shards: Vec<_> = (0..4).map(|_| scope.spawn(|| written(&limiter, 3, 1_000))).collect();
            shards.into_iter().map(|shard| shard.join().unwrap()).sum()
        });
        assert_eq!(total, 1_000);
        assert_eq!(limiter.left_out.load(Ordering::Relaxed), 3_000);
    }
}
