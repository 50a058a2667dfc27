//! What waits to be written to one stream.

use crate::clock::Timestamp;
use crate::engine::BranchId;

/// Bytes in order, and the branches whose requests are among them. Holds no memory while empty.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    bytes: Vec<u8>,
    written: usize,
    branches: Vec<BranchId>,
    /// When the peer last took something, or the queue began to fill.
    waiting_since: Timestamp,
}

impl WriteQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is to be written next.
    pub(super) fn unwritten(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// Appends `bytes` of a message, unless more than `max` would wait then. Whether it did.
    #[must_use]
    pub(super) fn push(&mut self, bytes: &[u8], branch: Option<BranchId>, max: usize, now: Timestamp) -> bool {
        if self.unwritten().len().saturating_add(bytes.len()) > max {
            return false;
        }
        if self.bytes.is_empty() {
            self.waiting_since = now;
        }
        self.bytes.extend_from_slice(bytes);
        self.branches.extend(branch);
        true
    }

    /// Notes that the peer took `count` bytes more.
    pub(super) fn advance(&mut self, count: usize, now: Timestamp) {
        self.written += count;
        self.waiting_since = now;
        if self.written >= self.bytes.len() {
            *self = Self::default();
        } else if self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Since when bytes wait without progress; `None` while none wait.
    pub(super) fn stalled_since(&self) -> Option<Timestamp> {
        (!self.is_empty()).then_some(self.waiting_since)
    }

    /// The branches whose requests may not have been written whole.
    pub(super) fn into_branches(self) -> Vec<BranchId> {
        self.branches
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
        assert!(queue.is_empty() && queue.bytes.capacity() == 0);
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
}
