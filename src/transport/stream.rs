//! From the bytes of a stream to messages for the engine.

use std::time::Duration;

use super::connection::CloseReason;
use super::packet_path::PacketPath;
use super::shard::Shard;
use crate::clock::Timestamp;
use crate::flow::ConnectionId;
use crate::flow::Flow;
use crate::message::Frame;
use crate::message::Framer;

/// After such a silence a CRLF is no second half of a double CRLF.
const CRLF_PAIR_WITHIN: Duration = Duration::from_secs(2);

/// How reading a piece of a stream ended.
enum End {
    /// The bytes from here on begin something; more will come.
    Rest(usize),
    /// The stream is closed.
    Closed,
}

impl<P: PacketPath> Shard<P> {
    /// Deals with bytes that a stream has delivered.
    pub(super) fn take_in(&mut self, id: ConnectionId, arrived: &mut [u8], now: Timestamp) {
        let Some(connection) = self.links.connections.get_mut(id) else { return };
        if now.since(connection.alive_at) > CRLF_PAIR_WITHIN {
            connection.framer.lapse();
        }
        connection.alive_at = now;
        let (flow, mut framer) = (connection.flow(), connection.framer);
        let mut partial = self.links.connections.take_partial(id);
        self.links.counters.stream_bytes_received.add(arrived.len());

        let end = if partial.is_empty() {
            let end = self.take_frames(flow, &mut framer, arrived, now);
            if let End::Rest(at) = end {
                partial = arrived.get(at..).unwrap_or_default().to_vec();
            }
            end
        } else {
            partial.extend_from_slice(arrived);
            let end = self.take_frames(flow, &mut framer, &mut partial, now);
            if let End::Rest(at) = end {
                partial.drain(..at);
                if partial.capacity() > 2 * partial.len() {
                    partial.shrink_to_fit();
                }
            }
            end
        };
        let (End::Rest(at), Some(connection)) = (end, self.links.connections.get_mut(id)) else { return };
        connection.framer = framer;
        connection.partial_since = match connection.partial_since {
            _ if partial.is_empty() => None,
            Some(since) if at == 0 => Some(since),
            _ => Some(now),
        };
        if !partial.is_empty() {
            self.links.connections.keep_partial(id, partial);
        }
    }

    fn take_frames(&mut self, flow: Flow, framer: &mut Framer, bytes: &mut [u8], now: Timestamp) -> End {
        let (mut at, mut wants_pong) = (0, false);
        let end = loop {
            let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) else { break End::Rest(at) };
            match framer.next(rest, self.max_message_bytes) {
                Frame::Partial => break End::Rest(at),
                Frame::KeepAlive { len, answer } => {
                    at += len;
                    wants_pong |= answer;
                }
                Frame::Message { len } => {
                    at += len;
                    let more_follow = rest.len() > len;
                    self.links.counters.stream_messages_received.increment();
                    self.note_message(flow.connection, now);
                    self.receive(rest.get_mut(..len).unwrap_or_default(), flow, now, more_follow);
                    if self.links.connections.get(flow.connection).is_none() {
                        break End::Closed;
                    }
                }
                Frame::Refused(error) => {
                    tracing::debug!(%flow, %error, "stream refused");
                    self.note_message(flow.connection, now);
                    // The engine may still answer 400 to what there is; then the stream ends.
                    self.receive(rest, flow, now, false);
                    self.links.connections.flush_one(flow.connection, now);
                    self.links.connections.close(flow.connection, CloseReason::Framing);
                    break End::Closed;
                }
            }
        };
        if wants_pong && matches!(end, End::Rest(_)) {
            // One for all that came in one piece: a peer that sends many asks whether the stream lives, not how often.
            let _ = self.links.connections.write(flow.connection, b"\r\n", None, false, now);
            self.links.counters.stream_keep_alives.increment();
        }
        end
    }

    fn note_message(&mut self, id: ConnectionId, now: Timestamp) {
        if let Some(connection) = self.links.connections.get_mut(id) {
            connection.has_spoken = true;
            connection.message_at = now;
        }
    }
}
