//! One shard: an engine, the sockets that feed it, and the order in which they are served.
//!
//! All tasks of the shard's thread share it in an `Rc<RefCell<…>>`. A task borrows it, calls the engine, sends what the
//! engine wants sent and lets go before it waits again; nothing else ever runs meanwhile.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::rc::Rc;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::connection::Aftermath;
use super::connection::CloseReason;
use super::connection::read;
use super::inbox::Letter;
use super::links::Links;
use super::links::Outgoing;
use super::packet_path::PacketPath;
use super::steady::Clock;
use super::udp::DatagramRoom;
use super::udp::is_keep_alive;
use super::write_queue::Origin;
use crate::clock::Timestamp;
use crate::engine::Disposition;
use crate::engine::Observer;
use crate::engine::Output;
use crate::flow::ConnectionId;
use crate::flow::Flow;

/// How the tasks of a thread hold their shard.
pub(super) type Shared<P> = Rc<RefCell<Shard<P>>>;

pub(super) struct Shard<P> {
    path: P,
    observer: Box<dyn Observer>,
    output: Output,
    pub(super) links: Links,
    pub(super) clock: Clock,
    pub(super) max_message_bytes: usize,
    datagrams: DatagramRoom,
    /// What any stream reads into.
    stream_bytes: Vec<u8>,
    /// When the timer task will wake.
    armed: Option<Timestamp>,
    pub(super) timer_changed: Rc<Notify>,
    pub(super) is_stopping: bool,
}

const STREAM_READ_BYTES: usize = 65_536;

impl<P: PacketPath> Shard<P> {
    pub(super) fn new(
        path: P,
        observer: Box<dyn Observer>,
        links: Links,
        clock: Clock,
        max_message_bytes: usize,
    ) -> Self {
        Self {
            path,
            observer,
            output: Output::default(),
            links,
            clock,
            max_message_bytes,
            datagrams: DatagramRoom::new(),
            stream_bytes: vec![0; STREAM_READ_BYTES],
            armed: None,
            timer_changed: Rc::default(),
            is_stopping: false,
        }
    }

    /// Deals with the datagrams that wait at socket `index`, up to one batch. Whether more may be waiting.
    pub(super) fn receive_datagrams(&mut self, index: usize) -> bool {
        let mut room = std::mem::take(&mut self.datagrams);
        self.links.udp.receive(index, &mut room);
        let (now, count) = (self.clock.now(), room.len());
        let counters = std::sync::Arc::clone(&self.links.counters);
        counters.datagrams_received.add(count);
        for (bytes, arrival) in room.datagrams() {
            counters.datagram_bytes_received.add(bytes.len());
            if is_keep_alive(bytes) {
                counters.datagram_keep_alives.increment();
            } else if bytes.len() > self.max_message_bytes {
                counters.datagrams_too_long.increment();
            } else if let Some(local) = self.links.udp.local(index, &arrival) {
                self.receive(bytes, Flow::udp(local, arrival.peer), now, count > 1);
            }
        }
        self.datagrams = room;
        self.settle(now);
        count == super::datagram::BATCH
    }

    /// Serves a stream whose task was woken. What to wait for next; `None` when the stream is closed.
    pub(super) fn serve_stream(&mut self, id: ConnectionId, stream: &TcpStream, can_read: bool) -> Option<Interest> {
        let now = self.clock.now();
        if can_read && !self.is_stopping {
            self.read_stream(id, stream, now);
        }
        self.links.connections.flush_one(id, now);
        if self.is_stopping && self.links.connections.get(id).is_some_and(|one| one.queue.is_empty()) {
            self.links.connections.close(id, CloseReason::Stopping);
        }
        self.settle(now);
        let connection = self.links.connections.get(id)?;
        Some(match (self.is_stopping, connection.queue.is_empty()) {
            (true, _) => Interest::WRITABLE,
            (false, true) => Interest::READABLE,
            (false, false) => Interest::READABLE | Interest::WRITABLE,
        })
    }

    /// Deals with one letter from another shard; [`Shard::settle`] is to follow the last one.
    pub(super) fn open_letter(&mut self, letter: Letter, now: Timestamp) {
        match letter {
            Letter::HandedOver { mut bytes, flow } => self.receive_handed_over(&mut bytes, flow, now),
            Letter::ForConnection { bytes, flow, origin, fallback } => {
                self.links.stream(Outgoing { flow, bytes: &bytes, origin, fallback }, true, now);
            }
            Letter::SendFailed(branch) => {
                let origin = Origin { shard: self.links.shard, branch };
                self.links.connections.aftermath.push_back(Aftermath::SendFailed(origin));
            }
            Letter::GiveWay(id) => self.links.connections.give_way(id),
            Letter::Closed(id) => {
                self.output.clear();
                self.path.connection_closed(id, now, &mut *self.observer, &mut self.output);
                self.dispatch(true, now);
            }
        }
    }

    /// Has the engine do what is due.
    pub(super) fn expire(&mut self) {
        let now = self.clock.now();
        if self.path.next_timeout().is_some_and(|due| due <= now) {
            self.output.clear();
            self.path.expire(now, &mut *self.observer, &mut self.output);
            self.dispatch(true, now);
        }
        self.settle(now);
    }

    /// Closes the streams that passed a limit.
    pub(super) fn sweep(&mut self) {
        let now = self.clock.now();
        self.links.connections.sweep(now);
        self.settle(now);
    }

    /// When the timer task is to wake; it alone asks, and sleeps until then or until it is told of a change.
    pub(super) fn arm(&mut self) -> Option<Timestamp> {
        self.armed = self.path.next_timeout();
        self.armed
    }

    /// Finishes a round of messages: writes what was corked, tells the engine what failed, and re-arms the timer.
    pub(super) fn settle(&mut self, now: Timestamp) {
        loop {
            self.links.connections.flush(now);
            let Some(aftermath) = self.links.connections.aftermath.pop_front() else { break };
            self.output.clear();
            match aftermath {
                Aftermath::SendFailed(origin) if origin.shard != self.links.shard => self.links.tell_failed(origin),
                Aftermath::SendFailed(Origin { branch, .. }) => {
                    self.path.send_failed(branch, now, &mut *self.observer, &mut self.output);
                }
                Aftermath::GiveWay(id) => self.links.give_way(id),
                Aftermath::Closed { id, has_spoken } => {
                    self.path.connection_closed(id, now, &mut *self.observer, &mut self.output);
                    // When the server stops, every shard closes what it has, and none is left to do anything about it.
                    if has_spoken && !self.is_stopping {
                        self.links.tell_closed(id);
                    }
                }
            }
            self.dispatch(true, now);
        }
        let next = self.path.next_timeout();
        if next.is_some_and(|next| self.armed.is_none_or(|armed| next < armed)) {
            self.armed = next;
            self.timer_changed.notify_one();
        }
    }

    pub(super) fn receive(&mut self, bytes: &mut [u8], flow: Flow, now: Timestamp, cork: bool) {
        if let Some(shard) = self.run_engine(bytes, flow, now, cork) {
            self.links.hand_over(shard, bytes, flow);
        }
    }

    /// A message comes home once; one that is sent on again would go round for ever.
    fn receive_handed_over(&mut self, bytes: &mut [u8], flow: Flow, now: Timestamp) {
        if self.run_engine(bytes, flow, now, true).is_some() {
            self.links.counters.hand_overs_lost.increment();
        }
    }

    /// Gives the engine one message and sends what it wants sent. The shard to hand the message to, if any.
    ///
    /// A panic is contained here, and only here: a message comes from anyone, and must not end the calls of all others.
    fn run_engine(&mut self, bytes: &mut [u8], flow: Flow, now: Timestamp, cork: bool) -> Option<u8> {
        let Self { path, observer, output, .. } = self;
        output.clear();
        let received = catch_unwind(AssertUnwindSafe(|| path.receive(bytes, flow, now, &mut **observer, output)));
        let Ok(disposition) = received else {
            self.links.counters.panics.increment();
            tracing::error!(%flow, "handling a message panicked; it was dropped");
            return None;
        };
        self.dispatch(cork, now);
        match disposition {
            Disposition::Done => None,
            Disposition::HandOver(shard) => Some(shard),
        }
    }

    fn dispatch(&mut self, cork: bool, now: Timestamp) {
        for (send, bytes) in self.output.sends() {
            self.links.send(send, bytes, cork, now);
        }
    }

    fn read_stream(&mut self, id: ConnectionId, stream: &TcpStream, now: Timestamp) {
        let mut room = std::mem::take(&mut self.stream_bytes);
        match read(stream, &mut room) {
            Ok(None) => {}
            Ok(Some(0)) => self.links.connections.close(id, CloseReason::Peer),
            Ok(Some(count)) => self.take_in(id, room.get_mut(..count).unwrap_or_default(), now),
            Err(_) => self.links.connections.close(id, CloseReason::Error),
        }
        self.stream_bytes = room;
    }
}
