//! How many log lines others may cause.

#![allow(
    clippy::disallowed_methods,
    reason = "the reporter is shell: the limit of log lines runs on the monotonic clock"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lines about refused authentication in a second, for the whole server. Enough to ban by; a flood writes no more.
pub const LINES_PER_SECOND: u32 = 20;

/// Limits the lines about refused authentication, for all shards together.
///
/// One word holds the second and what was written in it, so that shards that write at the same time agree without a lock.
#[derive(Debug)]
pub struct LogLimiter {
    started: Instant,
    per_second: u64,
    /// Second since the start, and lines in it: `| second: 40 bits | lines: 24 bits |`.
    window: AtomicU64,
    left_out: AtomicU64,
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
        Self::new(LINES_PER_SECOND)
    }
}

impl LogLimiter {
    /// Lets `per_second` lines through in each second.
    pub fn new(per_second: u32) -> Self {
        Self {
            started: Instant::now(),
            per_second: u64::from(per_second).min(LINES),
            window: AtomicU64::new(0),
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

    /// Asks for one line.
    pub(super) fn admit(&self) -> Admission {
        let admission = self.admit_at(self.started.elapsed().as_secs());
        if admission == Admission::Write && self.left_out.load(Ordering::Relaxed) > 0 {
            self.tell_left_out();
        }
        admission
    }

    fn admit_at(&self, second: u64) -> Admission {
        let next = |window: u64| {
            // A shard that read the clock earlier and comes later must not open an old window again.
            let (current, lines) = (window >> LINE_BITS, window & LINES);
            match (second > current, lines < self.per_second) {
                (true, _) if self.per_second > 0 => Some((second << LINE_BITS) | 1),
                (false, true) => Some(window + 1),
                _ => None,
            }
        };
        match self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Admission::Write,
            Err(_) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                Admission::LeaveOut
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limiter: &LogLimiter, second: u64, attempts: usize) -> usize {
        (0..attempts).filter(|_| limiter.admit_at(second) == Admission::Write).count()
    }

    #[test]
    fn each_second_lets_its_lines_through_and_counts_the_rest() {
        let limiter = LogLimiter::new(20);
        assert_eq!(written(&limiter, 0, 1_000), 20);
        assert_eq!(limiter.left_out.load(Ordering::Relaxed), 980);
        assert_eq!(written(&limiter, 1, 5), 5);
        assert_eq!(written(&limiter, 1, 1_000), 15);
        assert_eq!(written(&limiter, 9_000_000, 30), 20);
    }

    #[test]
    fn a_late_shard_does_not_open_a_past_second_again() {
        let limiter = LogLimiter::new(2);
        assert_eq!(written(&limiter, 5, 2), 2);
        assert_eq!(written(&limiter, 4, 10), 0);
        assert_eq!(written(&limiter, 5, 10), 0);
        assert_eq!(written(&limiter, 6, 10), 2);
    }

    #[test]
    fn no_lines_are_no_lines() {
        let limiter = LogLimiter::new(0);
        assert_eq!(written(&limiter, 0, 10) + written(&limiter, 1, 10), 0);
    }

    #[test]
    fn shards_share_one_limit() {
        let limiter = LogLimiter::new(1_000);
        let total: usize = std::thread::scope(|scope| {
            let shards: Vec<_> = (0..4).map(|_| scope.spawn(|| written(&limiter, 3, 1_000))).collect();
            shards.into_iter().map(|shard| shard.join().unwrap()).sum()
        });
        assert_eq!(total, 1_000);
        assert_eq!(limiter.left_out.load(Ordering::Relaxed), 3_000);
    }
}
