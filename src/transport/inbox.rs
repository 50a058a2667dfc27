//! What shards send each other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

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

/// Bytes of messages that may wait in a shard: a letter can be as long as a message, and all of them so would be 256 MiB.
const CAPACITY_BYTES: usize = 16 << 20;

/// The inboxes of all shards, as seen by one of them.
#[derive(Clone, Debug)]
pub(super) struct Inboxes(Vec<Slot>);

#[derive(Clone, Debug)]
struct Slot {
    sender: mpsc::Sender<Letter>,
    /// Bytes of messages that wait in it.
    waiting: Arc<AtomicUsize>,
}

/// The end from which a shard reads its letters.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: mpsc::Receiver<Letter>,
    waiting: Arc<AtomicUsize>,
}

impl Inbox {
    /// Waits for letters and appends up to `limit` of them; 0 when there will be no more.
    pub(super) async fn read(&mut self, letters: &mut Vec<Letter>, limit: usize) -> usize {
        let before = letters.len();
        let count = self.receiver.recv_many(letters, limit).await;
        let bytes = letters.iter().skip(before).map(Letter::message_bytes).sum();
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        count
    }
}

impl Letter {
    fn message_bytes(&self) -> usize {
        match self {
            Self::HandedOver { bytes, .. } | Self::ForConnection { bytes, .. } => bytes.len(),
            Self::SendFailed(_) | Self::Closed(_) | Self::GiveWay(_) => 0,
        }
    }
}

/// Why a letter was not delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Undelivered {
    Full,
    NoSuchShard,
}

impl Inboxes {
    /// Inboxes for `count` shards, and the ends to read them from.
    pub(super) fn new(count: usize) -> (Self, Vec<Inbox>) {
        let make = |_| {
            let (sender, receiver) = mpsc::channel(CAPACITY);
            let waiting = Arc::<AtomicUsize>::default();
            (Slot { sender, waiting: Arc::clone(&waiting) }, Inbox { receiver, waiting })
        };
        let (slots, inboxes) = (0..count).map(make).unzip();
        (Self(slots), inboxes)
    }

    /// Puts a letter into the inbox of `shard`. The letter is made only when there is room for it.
    pub(super) fn post(&self, shard: u8, letter: impl FnOnce() -> Letter) -> Result<(), Undelivered> {
        let Slot { sender, waiting } = self.0.get(usize::from(shard)).ok_or(Undelivered::NoSuchShard)?;
        let permit = sender.try_reserve().map_err(|_| Undelivered::Full)?;
        let letter = letter();
        let bytes = letter.message_bytes();
        if bytes > 0 && waiting.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > CAPACITY_BYTES {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Undelivered::Full);
        }
        permit.send(letter);
        Ok(())
    }

    /// The shards other than `own`.
    pub(super) fn others(&self, own: u8) -> impl Iterator<Item = u8> + use<> {
        (0..=u8::MAX).take(self.0.len()).filter(move |shard| *shard != own)
    }

    /// The inbox of `shard`, to wait for room in it with a letter that has no message.
    pub(super) fn of(&self, shard: u8) -> Option<mpsc::Sender<Letter>> {
        self.0.get(usize::from(shard)).map(|slot| slot.sender.clone())
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
        assert!(readers[0].receiver.try_recv().is_ok());
        assert_eq!(inboxes.post(0, letter), Ok(()));
        assert_eq!(inboxes.post(1, letter), Err(Undelivered::NoSuchShard));
    }

    #[test]
    fn an_inbox_takes_so_many_bytes_and_letters_without_a_message_beyond() {
        let (inboxes, mut readers) = Inboxes::new(1);
        let flow = Flow::udp(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        let long = || Letter::HandedOver { bytes: vec![0; CAPACITY_BYTES / 4], flow };
        for _ in 0..4 {
            inboxes.post(0, long).unwrap();
        }
        assert_eq!(inboxes.post(0, long), Err(Undelivered::Full));
        assert_eq!(inboxes.post(0, || Letter::Closed(ConnectionId::new(0, 1))), Ok(()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut letters = Vec::new();
        assert_eq!(runtime.block_on(readers[0].read(&mut letters, 1)), 1);
        assert_eq!(inboxes.post(0, long), Ok(()));
        assert_eq!(inboxes.post(0, long), Err(Undelivered::Full));
    }
}
