//! The clock that the core is told the time from.
#![allow(clippy::disallowed_methods, reason = "the shell reads the clock so that the core need not")]

use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::clock::Timestamp;

/// The wall clock at start, advanced by the monotonic clock: a wall clock that is set moves no timer.
///
/// Copies agree with each other; make one for the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started_at: Timestamp,
    anchor: Instant,
}

impl Clock {
    /// Anchors a clock to the wall clock of now. A wall clock before 1970 counts as 1970.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { started_at: Timestamp::default() + since_epoch, anchor: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.started_at + self.anchor.elapsed()
    }

    /// When `time` is on the monotonic clock; at most a year ahead of the start, which is as good as never.
    pub(super) fn instant(&self, time: Timestamp) -> Instant {
        self.anchor + time.since(self.started_at).min(YEAR)
    }
}

/// Far enough for any timer, near enough never to overflow an [`Instant`].
const YEAR: Duration = Duration::from_secs(365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_near_the_wall_clock_and_maps_to_the_monotonic_clock() {
        let clock = Clock::start();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!((Timestamp::default() + wall).since(clock.now()) < Duration::from_secs(1));
        let ahead = clock.instant(clock.now() + Duration::from_secs(5)).duration_since(Instant::now());
        assert!(ahead > Duration::from_secs(4) && ahead <= Duration::from_secs(5), "{ahead:?}");
        clock.instant(Timestamp::from_micros(u64::MAX));
    }
}
