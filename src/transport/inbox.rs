//! What shards send each other.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use super::write_queue::Origin;
use crate::engine::BranchId;
use crate::flow::ConnectionId;
use crate::flow::Flow;

/// A message from another shard.
#[derive(Debug)]
pub(super) enum Letter {
    /// A SIP message that arrived there and belongs here.
    HandedOver {
        /// The message.
        bytes: Vec<u8>,
        /// How it arrived.
        flow: Flow,
    },
    /// A SIP message to be sent on a stream that is owned here.
    ForConnection {
        /// The message.
        bytes: Vec<u8>,
        /// The stream.
        flow: Flow,
        /// Who is to hear when it cannot be sent.
        origin: Option<Origin>,
        /// Where to open a stream to when that of `flow` has closed.
        fallback: Option<SocketAddr>,
    },
    /// An answer to [`Letter::ForConnection`]: it could not be sent.
    SendFailed(BranchId),
    /// A stream from which messages may have been handed over has closed.
    Closed(ConnectionId),
    /// A stream that is owned here is to be closed so that there is room for another.
    GiveWay(ConnectionId),
}

/// Letters that may wait in a shard; what comes beyond is dropped and counted, as on a network.
const CAPACITY: usize = 4_096;

/// The inboxes of all shards, as seen by one of them.
#[derive(Clone, Debug)]
pub(super) struct Inboxes(Vec<mpsc::Sender<Letter>>);

/// Why a letter was not delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Undelivered {
    Full,
    NoSuchShard,
}

impl Inboxes {
    /// Inboxes for `count` shards, and the ends to read them from.
    pub(super) fn new(count: usize) -> (Self, Vec<mpsc::Receiver<Letter>>) {
        let (senders, receivers) = (0..count).map(|_| mpsc::channel(CAPACITY)).unzip();
        (Self(senders), receivers)
    }

    /// Puts a letter into the inbox of `shard`. The letter is made only when there is room for it.
    pub(super) fn post(&self, shard: u8, letter: impl FnOnce() -> Letter) -> Result<(), Undelivered> {
        let sender = self.0.get(usize::from(shard)).ok_or(Undelivered::NoSuchShard)?;
        let permit = sender.try_reserve().map_err(|_| Undelivered::Full)?;
        permit.send(letter());
        Ok(())
    }

    /// The shards other than `own`.
    pub(super) fn others(&self, own: u8) -> impl Iterator<Item = u8> + use<> {
        (0..=u8::MAX).take(self.0.len()).filter(move |shard| *shard != own)
    }

    /// The inbox of `shard`, to wait for room in it.
    pub(super) fn of(&self, shard: u8) -> Option<mpsc::Sender<Letter>> {
        self.0.get(usize::from(shard)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_takes_so_many_letters_and_no_more() {
        let (inboxes, mut readers) = Inboxes::new(1);
        let letter = || Letter::SendFailed(BranchId { index: 1, serial: 2 });
        for _ in 0..CAPACITY {
            inboxes.post(0, letter).unwrap();
        }
        assert_eq!(inboxes.post(0, letter), Err(Undelivered::Full));
        assert!(readers[0].try_recv().is_ok());
        assert_eq!(inboxes.post(0, letter), Ok(()));
        assert_eq!(inboxes.post(1, letter), Err(Undelivered::NoSuchShard));
    }
}
