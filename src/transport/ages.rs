//! How long a stream may be silent, unfinished, unread or of no use.

use std::time::Duration;

use super::connection::CloseReason;
use super::connection::Connection;
use super::settings::Settings;
use crate::clock::Timestamp;

#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    idle: Duration,
    /// Without a message, for a stream that has shown nothing.
    unproven: Duration,
    message: Duration,
}

impl Ages {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            idle: Duration::from_secs(settings.tcp_idle_s),
            unproven: Duration::from_secs(settings.tcp_unproven_idle_s),
            message: Duration::from_secs(settings.tcp_message_timeout_s),
        }
    }

    /// Why a stream is to be closed now, if it is.
    pub(super) fn overdue(self, connection: &Connection, now: Timestamp) -> Option<CloseReason> {
        let passed = |since: Timestamp, limit: Duration| now.since(since) >= limit;
        // One that is being opened has a shorter limit of its own.
        connection.stream.as_ref()?;
        if connection.partial_since.is_some_and(|since| passed(since, self.message)) {
            Some(CloseReason::Incomplete)
        } else if connection.queue.stalled_since().is_some_and(|since| passed(since, self.message)) {
            Some(CloseReason::Unread)
        } else if passed(connection.alive_at, self.idle) {
            Some(CloseReason::Idle)
        } else if !connection.is_proven && passed(connection.message_at, self.unproven) {
            Some(CloseReason::Unproven)
        } else {
            None
        }
    }

    /// How often to look so that no limit is passed by more than a quarter, or by 5 s.
    pub(super) fn sweep_interval(self) -> Duration {
        let shortest = self.idle.min(self.unproven).min(self.message);
        (shortest / 4).clamp(Duration::from_millis(100), Duration::from_secs(5))
    }
}
