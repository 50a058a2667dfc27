//! What the core wants sent, in one reused buffer.

use std::net::SocketAddr;
use std::ops::Range;

use crate::flow::Flow;

/// Identifies a client transaction, so that a failure to send can be reported back to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BranchId {
    /// Slot of the client transaction.
    pub index: u32,
    /// Random; tells the slot's present owner from earlier ones, and cannot be guessed from outside.
    pub serial: u64,
}

/// The way a response goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyWay {
    /// Over which flow.
    pub flow: Flow,
    /// Where to open a stream to when that of `flow` has closed.
    pub fallback: Option<SocketAddr>,
}

/// One message to be sent.
#[derive(Clone, Debug)]
pub struct Send {
    /// The way it goes. A stream without connection is to be opened to `flow.peer`.
    pub flow: Flow,
    /// The branch to fail when it cannot be sent; `None` for responses and for ACK.
    pub branch: Option<BranchId>,
    /// Where a stream is to be opened to when that of `flow` has closed: for responses, the source address with the
    /// port of the sent-by (RFC 3261 §18.2.2).
    pub fallback: Option<SocketAddr>,
    range: Range<usize>,
}

/// Messages to be sent, in order. Cleared and used again for every call, so that steady state allocates nothing.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    sends: Vec<Send>,
}

impl Output {
    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sends.clear();
    }

    /// The messages and their bytes.
    pub fn sends(&self) -> impl Iterator<Item = (&Send, &[u8])> {
        self.sends.iter().map(|send| (send, self.bytes.get(send.range.clone()).unwrap_or_default()))
    }

    /// Whether nothing is to be sent.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Appends a message that `write` composes, and gives back its bytes.
    pub fn push(&mut self, flow: Flow, branch: Option<BranchId>, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        self.append(flow, branch, None, write)
    }

    /// Appends a response that `write` composes, and gives back its bytes.
    pub fn push_reply(&mut self, way: ReplyWay, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        self.append(way.flow, None, way.fallback, write)
    }

    fn append(
        &mut self,
        flow: Flow,
        branch: Option<BranchId>,
        fallback: Option<SocketAddr>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> &[u8] {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let range = start..self.bytes.len();
        self.sends.push(Send { flow, branch, fallback, range: range.clone() });
        self.bytes.get(range).unwrap_or_default()
    }
}
