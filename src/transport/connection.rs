//! One stream: what it has read of a message, what waits to be written, and when it was last alive.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use nix::sys::socket::MsgFlags;
use nix::sys::socket::recv;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::admission::Permit;
use super::write_queue::Origin;
use super::write_queue::WriteQueue;
use crate::clock::Timestamp;
use crate::flow::ConnectionId;
use crate::flow::Flow;
use crate::message::Framer;

/// A stream that is open, or being opened. Small while idle: it owns no buffer then.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Where peers can reach us: not the port that a stream of ours left from.
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    /// `None` while it is being opened.
    pub(super) stream: Option<Rc<TcpStream>>,
    pub(super) framer: Framer,
    /// The beginning of a message whose rest has not arrived.
    pub(super) partial: Vec<u8>,
    /// When the first byte of `partial` arrived.
    pub(super) partial_since: Option<Timestamp>,
    /// Whether the engine has had a message from it, and so may know it.
    pub(super) has_spoken: bool,
    pub(super) queue: WriteQueue,
    /// When a byte last went in either direction.
    pub(super) alive_at: Timestamp,
    /// When it was opened, or last had a whole message.
    pub(super) message_at: Timestamp,
    /// Whether its peer was found welcome.
    pub(super) is_proven: bool,
    /// Wakes the task that waits on the stream, after something was queued or the connection was closed.
    pub(super) wake: Rc<Notify>,
    /// The queue is to be written when the messages at hand are dealt with.
    pub(super) is_dirty: bool,
    pub(super) permit: Permit,
}

/// Why a connection was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CloseReason {
    Peer,
    Error,
    Idle,
    Incomplete,
    Unread,
    Unproven,
    GaveWay,
    Framing,
    Connecting,
    Stopping,
}

/// What the engine must learn after the messages at hand are dealt with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aftermath {
    /// Also for other shards, whose requests may have waited here.
    SendFailed(Origin),
    Closed {
        id: ConnectionId,
        has_spoken: bool,
    },
    /// A stream, of whichever shard, is to be closed so that there is room for another.
    GiveWay(ConnectionId),
}

/// Why a message was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unwritten {
    /// The stream is not there, or broke.
    Gone,
    /// The peer does not read.
    Unread,
}

impl Connection {
    pub(super) fn new(local: SocketAddr, peer: SocketAddr, permit: Permit, now: Timestamp) -> Self {
        Self {
            id: ConnectionId::NONE,
            local,
            peer,
            stream: None,
            framer: Framer::default(),
            partial: Vec::new(),
            partial_since: None,
            has_spoken: false,
            queue: WriteQueue::default(),
            alive_at: now,
            message_at: now,
            is_proven: false,
            wake: Rc::new(Notify::new()),
            is_dirty: false,
            permit,
        }
    }

    pub(super) fn flow(&self) -> Flow {
        Flow::tcp(self.local, self.peer, self.id)
    }

    /// Writes `bytes`, now or later. `cork` puts it off until [`Connection::flush`], so that what belongs together
    /// leaves together.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        origin: Option<Origin>,
        max_waiting: usize,
        cork: bool,
        now: Timestamp,
    ) -> Result<(), CloseReason> {
        let mut rest = bytes;
        if self.queue.is_empty() && !cork {
            let count = self.try_write(rest)?;
            if count > 0 {
                self.alive_at = now;
            }
            rest = rest.get(count..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
        }
        if !self.queue.push(rest, origin, max_waiting, now) {
            return Err(CloseReason::Unread);
        }
        if !cork && !self.is_dirty {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Writes what waits, as far as the peer takes it.
    pub(super) fn flush(&mut self, now: Timestamp) -> Result<(), CloseReason> {
        while !self.queue.is_empty() {
            let count = self.try_write(self.queue.unwritten())?;
            if count == 0 {
                break;
            }
            self.queue.advance(count, now);
            self.alive_at = now;
        }
        Ok(())
    }

    /// How many bytes the kernel took: 0 when it takes none at the moment.
    fn try_write(&self, bytes: &[u8]) -> Result<usize, CloseReason> {
        let Some(stream) = &self.stream else { return Ok(0) };
        match stream.try_write(bytes) {
            Ok(count) => Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(_) => Err(CloseReason::Error),
        }
    }
}

/// Reads what has arrived, up to the length of `buffer`: `None` when nothing has, 0 at the end of the stream.
pub(super) fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let mut count = None;
    let result = stream.try_io(Interest::READABLE, || {
        let read = recv(stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?;
        count = Some(read);
        // Less than there is room for has emptied the stream: saying so saves the call that would find it empty.
        if read > 0 && read < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match result {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(count),
    }
}
