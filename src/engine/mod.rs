//! The engine of one shard: bytes and time in, bytes to send out.

mod event;
mod output;
mod settings;

pub use event::{Event, Observer};
pub use output::{BranchId, Output, Send};
pub use settings::{Alias, Settings};

use crate::clock::Timestamp;
use crate::flow::{ConnectionId, Flow};

/// Whether a message was dealt with here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Disposition {
    /// It was.
    Done,
    /// It is a response to a request that this shard sent; the shell passes the bytes and the flow there.
    HandOver(u8),
}

/// The packet path of one shard. One thread owns it.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// Takes one whole message: a datagram, or one framed message of a stream. Line folding is undone in place.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        flow: Flow,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) -> Disposition {
        let _ = (bytes, flow, now, observer, out);
        Disposition::Done
    }

    /// Does what has become due. Called at or after [`Engine::next_timeout`].
    pub fn expire(&mut self, now: Timestamp, observer: &mut dyn Observer, out: &mut Output) {
        let _ = (now, observer, out);
    }

    /// When [`Engine::expire`] is to be called next, to within the timer wheel's 10 ms; `None` while no timer runs.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        None
    }

    /// A message could not be sent: its branch fails as with a transport error (RFC 3261 §17.1.4).
    pub fn send_failed(&mut self, branch: BranchId, now: Timestamp, observer: &mut dyn Observer, out: &mut Output) {
        let _ = (branch, now, observer, out);
    }

    /// A stream has closed: what is sent on it from now on goes elsewhere.
    pub fn connection_closed(
        &mut self,
        connection: ConnectionId,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) {
        let _ = (connection, now, observer, out);
    }
}
