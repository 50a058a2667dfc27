//! What the core wants sent, in one reused buffer.

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

/// One message to be sent.
#[derive(Clone, Debug)]
pub struct Send {
    /// The way it goes. A stream without connection is to be opened to `flow.peer`.
    pub flow: Flow,
    /// The branch to fail when it cannot be sent; `None` for responses and for ACK.
    pub branch: Option<BranchId>,
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
        let start = self.bytes.len();
        write(&mut self.bytes);
        let range = start..self.bytes.len();
        self.sends.push(Send { flow, branch, range: range.clone() });
        self.bytes.get(range).unwrap_or_default()
    }
}
