//! Everything that a shard can send on: its sockets, its streams, and the other shards.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::connection::Aftermath;
use super::connection::Unwritten;
use super::connections::Connections;
use super::counters::TransportCounters;
use super::inbox::Inboxes;
use super::inbox::Letter;
use super::inbox::Undelivered;
use super::udp::UdpSockets;
use super::write_queue::Origin;
use crate::clock::Timestamp;
use crate::engine::Send;
use crate::flow::ConnectionId;
use crate::flow::Flow;
use crate::flow::Transport;

pub(super) struct Links {
    pub(super) shard: u8,
    pub(super) udp: UdpSockets,
    pub(super) connections: Connections,
    pub(super) inboxes: Inboxes,
    pub(super) counters: Arc<TransportCounters>,
    /// Shards in whose inbox there was no room for the news that a stream has closed.
    pub(super) untold: VecDeque<(u8, ConnectionId)>,
    /// Told when something was added to `untold`.
    pub(super) untold_grew: Rc<Notify>,
}

/// A message for a stream.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) flow: Flow,
    pub(super) bytes: &'a [u8],
    /// Who is to hear when it cannot be sent.
    pub(super) origin: Option<Origin>,
    /// Where to open a stream to when that of `flow` has closed (RFC 3261 §18.2.2).
    pub(super) fallback: Option<SocketAddr>,
}

/// News of closed streams that may wait for room. Each is for a stream that had been open, so that many mean that a shard
/// has stood still for long; what is beyond is dropped and counted, and that shard's requests on it time out.
const MAX_UNTOLD: usize = 65_536;

impl Links {
    /// Sends one message. Streams write it at once or, with `cork`, when the messages at hand are dealt with.
    pub(super) fn send(&mut self, send: &Send, bytes: &[u8], cork: bool, now: Timestamp) {
        let Send { flow, branch, fallback, .. } = send;
        let origin = branch.map(|branch| Origin { shard: self.shard, branch });
        match flow.transport {
            Transport::Udp => {
                if !self.udp.send(flow.local, flow.peer, bytes) {
                    self.failed(origin);
                }
            }
            Transport::Tcp => self.stream(Outgoing { flow: *flow, bytes, origin, fallback: *fallback }, cork, now),
        }
    }

    /// Sends one message over a stream, on behalf of any shard.
    pub(super) fn stream(&mut self, message: Outgoing<'_>, cork: bool, now: Timestamp) {
        let Outgoing { flow, bytes, origin, fallback } = message;
        let written = if !flow.connection.is_some() {
            self.write_toward(flow.peer, &message, cork, now)
        } else if flow.connection.shard() == self.shard {
            match (self.connections.write(flow.connection, bytes, origin, cork, now), fallback) {
                (Err(Unwritten::Gone), Some(fallback)) => {
                    self.counters.responses_on_another_stream.increment();
                    self.write_toward(fallback, &message, cork, now)
                }
                (written, _) => written,
            }
        } else {
            return self.forward(message);
        };
        if written.is_ok() {
            self.counters.stream_messages_sent.increment();
            self.counters.stream_bytes_sent.add(bytes.len());
        } else {
            self.counters.stream_sends_failed.increment();
            self.failed(origin);
        }
    }

    fn write_toward(
        &mut self,
        peer: SocketAddr,
        message: &Outgoing<'_>,
        cork: bool,
        now: Timestamp,
    ) -> Result<(), Unwritten> {
        let id = self.connections.toward(message.flow.local, peer, now).ok_or(Unwritten::Gone)?;
        self.connections.write(id, message.bytes, message.origin, cork, now)
    }

    /// Passes a message on to the shard that it belongs to.
    pub(super) fn hand_over(&self, shard: u8, bytes: &[u8], flow: Flow) {
        if shard == self.shard {
            self.counters.hand_overs_lost.increment();
            return;
        }
        let posted = self.inboxes.post(shard, || Letter::HandedOver { bytes: bytes.to_vec(), flow });
        self.count_post(posted);
        if posted.is_ok() {
            self.counters.handed_over.increment();
        }
    }

    /// Tells another shard that a request of its own was not sent.
    pub(super) fn tell_failed(&self, origin: Origin) {
        let posted = self.inboxes.post(origin.shard, || Letter::SendFailed(origin.branch));
        self.count_post(posted);
    }

    /// Tells all other shards that a stream of this one has closed. Behind every message that came on it, for the inbox
    /// keeps their order.
    pub(super) fn tell_closed(&mut self, id: ConnectionId) {
        for shard in self.inboxes.others(self.shard) {
            let posted = self.inboxes.post(shard, || Letter::Closed(id));
            if posted.is_ok() {
                continue;
            }
            // A shard that never hears of it would believe in the stream for ever, so this news is not simply dropped.
            if self.untold.len() < MAX_UNTOLD {
                self.untold.push_back((shard, id));
                self.untold_grew.notify_one();
            } else {
                self.count_post(posted);
            }
        }
    }

    /// Closes a stream of whichever shard so that there is room for another.
    pub(super) fn give_way(&mut self, id: ConnectionId) {
        if id.shard() == self.shard {
            self.connections.give_way(id);
        } else {
            let posted = self.inboxes.post(id.shard(), || Letter::GiveWay(id));
            self.count_post(posted);
        }
    }

    /// Leaves a message to the shard that owns its stream. That shard also opens the other stream, if that one is gone: so
    /// all responses that were to go over one stream go over one again, from whichever shards they come.
    fn forward(&mut self, Outgoing { flow, bytes, origin, fallback }: Outgoing<'_>) {
        let letter = || Letter::ForConnection { bytes: bytes.to_vec(), flow, origin, fallback };
        let posted = self.inboxes.post(flow.connection.shard(), letter);
        self.count_post(posted);
        if posted.is_err() {
            self.failed(origin);
        }
    }

    fn failed(&mut self, origin: Option<Origin>) {
        self.connections.aftermath.extend(origin.map(Aftermath::SendFailed));
    }

    fn count_post(&self, posted: Result<(), Undelivered>) {
        match posted {
            Ok(()) => {}
            Err(Undelivered::Full) => self.counters.inbox_full.increment(),
            Err(Undelivered::NoSuchShard) => self.counters.hand_overs_lost.increment(),
        }
    }
}
