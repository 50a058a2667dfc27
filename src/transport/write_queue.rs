//! What waits to be written to one stream.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::engine::BranchId;

/// Who is to hear that a request was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    /// The shard whose request it is.
    pub(super) shard: u8,
    /// The branch that fails there.
    pub(super) branch: BranchId,
}

/// Bytes in order, and where the messages among them end. Holds no memory while empty.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    bytes: Vec<u8>,
    /// How many of `bytes` have been written.
    written: usize,
    messages: VecDeque<Waiting>,
    /// When the peer last took something, or the queue began to fill.
    waiting_since: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Where in `bytes` it ends.
    end: usize,
    origin: Option<Origin>,
}

impl WriteQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is to be written next.
    pub(super) fn unwritten(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// Appends a message, or what is left of it, unless more than `max` bytes would wait then. Whether it did.
    #[must_use]
    pub(super) fn push(&mut self, bytes: &[u8], origin: Option<Origin>, max: usize, now: Timestamp) -> bool {
        if self.unwritten().len().saturating_add(bytes.len()) > max {
            return false;
        }
        if self.bytes.is_empty() {
            self.waiting_since = now;
        }
        self.bytes.extend_from_slice(bytes);
        self.messages.push_back(Waiting { end: self.bytes.len(), origin });
        true
    }

    /// Notes that the peer took `count` bytes more.
    pub(super) fn advance(&mut self, count: usize, now: Timestamp) {
        self.written += count;
        self.waiting_since = now;
        if self.written >= self.bytes.len() {
            *self = Self::default();
            return;
        }
        while self.messages.front().is_some_and(|message| message.end <= self.written) {
            self.messages.pop_front();
        }
        if self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.messages.iter_mut().for_each(|message| message.end -= self.written);
            self.written = 0;
        }
    }

    /// Since when bytes wait without progress; `None` while none wait.
    pub(super) fn stalled_since(&self) -> Option<Timestamp> {
        (!self.is_empty()).then_some(self.waiting_since)
    }

    /// For each message that was not written whole, who is to hear of it.
    pub(super) fn into_unsent(self) -> impl Iterator<Item = Option<Origin>> {
        self.messages.into_iter().map(|message| message.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1);

    #[test]
    fn bytes_leave_in_order_within_the_bound_and_an_empty_queue_holds_no_memory() {
        let mut queue = WriteQueue::default();
        assert!(queue.push(b"abcdef", None, 8, NOW));
        assert!(!queue.push(b"ghi", None, 8, NOW), "nine bytes would wait");
        queue.advance(4, NOW);
        assert!(queue.push(b"ghi", None, 8, NOW));
        assert_eq!(queue.unwritten(), b"efghi");
        queue.advance(5, NOW);
        assert!(queue.is_empty() && queue.bytes.capacity() == 0 && queue.messages.capacity() == 0);
    }

    #[test]
    fn a_queue_is_stalled_since_its_last_progress() {
        let mut queue = WriteQueue::default();
        assert_eq!(queue.stalled_since(), None);
        assert!(queue.push(b"ab", None, 8, NOW));
        assert!(queue.push(b"c", None, 8, Timestamp::from_secs(2)));
        assert_eq!(queue.stalled_since(), Some(NOW));
        queue.advance(1, Timestamp::from_secs(3));
        assert_eq!(queue.stalled_since(), Some(Timestamp::from_secs(3)));
    }

    #[test]
    fn only_messages_that_were_not_written_whole_are_unsent_also_when_the_queue_never_ran_empty() {
        let origin = |index| Some(Origin { shard: 3, branch: BranchId { index, serial: 1 } });
        let mut queue = WriteQueue::default();
        for index in 0..1_000 {
            assert!(queue.push(b"abcd", origin(index), 8, NOW));
            // Two bytes of the message just pushed always wait.
            queue.advance(if index == 0 { 2 } else { 4 }, NOW);
            assert!(!queue.is_empty() && queue.messages.len() == 1, "{queue:?}");
        }
        assert!(queue.push(b"efgh", None, 8, NOW));
        assert_eq!(queue.into_unsent().collect::<Vec<_>>(), [origin(999), None]);
    }
}
