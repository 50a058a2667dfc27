//! Everything that a shard can send on: its sockets, its streams, and the other shards.

use std::sync::Arc;

use super::connections::Aftermath;
use super::connections::Connections;
use super::counters::TransportCounters;
use super::inbox::Inboxes;
use super::inbox::Letter;
use super::inbox::Undelivered;
use super::udp::UdpSockets;
use crate::clock::Timestamp;
use crate::engine::BranchId;
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
}

impl Links {
    /// Sends one message. Streams write it at once or, with `cork`, when the messages at hand are dealt with.
    pub(super) fn send(&mut self, send: &Send, bytes: &[u8], cork: bool, now: Timestamp) {
        let Send { flow, branch, .. } = send;
        match flow.transport {
            Transport::Udp => {
                if !self.udp.send(flow.local, flow.peer, bytes) {
                    self.failed(*branch);
                }
            }
            Transport::Tcp if !flow.connection.is_some() => {
                let stream = self.connections.toward(flow.local, flow.peer, now);
                self.write(stream.unwrap_or_default(), bytes, *branch, cork, now);
            }
            Transport::Tcp if flow.connection.shard() == self.shard => {
                self.write(flow.connection, bytes, *branch, cork, now);
            }
            Transport::Tcp => self.forward(*flow, *branch, bytes),
        }
    }

    /// Sends on a stream of this shard on behalf of shard `from`.
    pub(super) fn send_for(&mut self, from: u8, flow: Flow, branch: Option<BranchId>, bytes: &[u8], now: Timestamp) {
        // Its branch belongs to the other shard, so it must not be noted in the stream's queue.
        if self.connections.write(flow.connection, bytes, None, true, now) {
            self.count_sent(bytes);
            return;
        }
        self.counters.stream_sends_failed.increment();
        if let Some(branch) = branch {
            let posted = self.inboxes.post(from, || Letter::SendFailed(branch));
            self.count_post(posted);
        }
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

    fn write(&mut self, id: ConnectionId, bytes: &[u8], branch: Option<BranchId>, cork: bool, now: Timestamp) {
        if self.connections.write(id, bytes, branch, cork, now) {
            self.count_sent(bytes);
        } else {
            self.counters.stream_sends_failed.increment();
            self.failed(branch);
        }
    }

    fn forward(&mut self, flow: Flow, branch: Option<BranchId>, bytes: &[u8]) {
        let from = self.shard;
        let letter = || Letter::ForConnection { bytes: bytes.to_vec(), flow, branch, from };
        let posted = self.inboxes.post(flow.connection.shard(), letter);
        self.count_post(posted);
        if posted.is_err() {
            self.failed(branch);
        }
    }

    fn failed(&mut self, branch: Option<BranchId>) {
        self.connections.aftermath.extend(branch.map(Aftermath::SendFailed));
    }

    fn count_sent(&self, bytes: &[u8]) {
        self.counters.stream_messages_sent.increment();
        self.counters.stream_bytes_sent.add(bytes.len());
    }

    fn count_post(&self, posted: Result<(), Undelivered>) {
        match posted {
            Ok(()) => {}
            Err(Undelivered::Full) => self.counters.inbox_full.increment(),
            Err(Undelivered::NoSuchShard) => self.counters.hand_overs_lost.increment(),
        }
    }
}
