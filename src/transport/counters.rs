//! What the sockets of one shard have seen, in numbers.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::connection::CloseReason;

/// A number that one shard alone changes and anyone may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`. For the owning shard only: a plain load and store cost no locked bus cycle per message.
    pub(super) fn add(&self, amount: usize) {
        let amount = u64::try_from(amount).unwrap_or(u64::MAX);
        self.0.store(self.get().wrapping_add(amount), Ordering::Relaxed);
    }

    /// Adds one; for the owning shard only.
    pub(super) fn increment(&self) {
        self.add(1);
    }

    /// Takes one away; for the owning shard only.
    pub(super) fn decrement(&self) {
        self.0.store(self.get().saturating_sub(1), Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters of one shard. On cache lines of their own, so that shards do not slow each other down.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct TransportCounters {
            $($(#[doc = $doc])+ pub $name: Counter,)+
        }

        impl TransportCounters {
            /// Every number with its name and meaning, in the order of declaration; all only grow, but for
            /// `connections_open`.
            pub fn read(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), concat!($($doc),+).trim_ascii_start(), self.$name.get()),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Datagrams received, keep-alives and dropped ones included.
    datagrams_received,
    /// Bytes of these datagrams.
    datagram_bytes_received,
    /// Datagrams handed to the kernel.
    datagrams_sent,
    /// Bytes of these datagrams.
    datagram_bytes_sent,
    /// Datagrams of line ends or zeros, or shorter than any SIP message, dropped as keep-alives.
    datagram_keep_alives,
    /// Datagrams longer than the limit for a message, dropped.
    datagrams_too_long,
    /// Datagrams that the kernel did not take for want of room at the moment; they count as lost on the way.
    datagram_sends_lost,
    /// Datagrams that the kernel refused to send for another reason, such as no route.
    datagram_sends_failed,
    /// Datagrams to be sent from an address at which no socket listens.
    datagram_sends_without_socket,
    /// Messages received over streams.
    stream_messages_received,
    /// Bytes received over streams.
    stream_bytes_received,
    /// Messages given to streams.
    stream_messages_sent,
    /// Bytes given to streams.
    stream_bytes_sent,
    /// Keep-alives on streams that were answered (RFC 5626 §3.5.1).
    stream_keep_alives,
    /// Messages for a stream that is gone, or that was given up while they waited for it.
    stream_sends_failed,
    /// Responses whose stream had closed, so that they took another to the same peer (RFC 3261 §18.2.2).
    responses_on_another_stream,
    /// Streams open now.
    connections_open,
    /// Streams accepted.
    connections_accepted,
    /// Streams opened by us.
    connections_connected,
    /// Streams refused because as many as allowed are open.
    connections_refused_full,
    /// Streams refused because as many as allowed are open from their source.
    connections_refused_source,
    /// Streams to be opened for which too many others were still being opened, or that the kernel refused.
    connections_not_opened,
    /// Attempts to accept that failed, for example for want of file descriptors.
    accepts_failed,
    /// Streams closed by the peer.
    connections_closed_by_peer,
    /// Streams closed by a network error.
    connections_closed_error,
    /// Streams closed because nothing was sent or received for long.
    connections_closed_idle,
    /// Streams closed because nothing on them was accepted for long.
    connections_closed_unproven,
    /// Streams closed because nothing on them had been accepted and another needed their place.
    connections_closed_gave_way,
    /// Streams closed because a message did not become whole in time, or took memory that was needed.
    connections_closed_incomplete,
    /// Streams closed because the peer did not take what was sent.
    connections_closed_unread,
    /// Streams closed because no message could be told from the next.
    connections_closed_framing,
    /// Streams to a peer that did not answer or refused.
    connections_closed_connecting,
    /// Streams closed because the server stopped.
    connections_closed_stopping,
    /// Messages handed to another shard.
    handed_over,
    /// Messages for another shard that were dropped, its inbox being full.
    inbox_full,
    /// Messages handed over to a shard that does not exist, or twice.
    hand_overs_lost,
    /// Messages dropped because handling them failed with a panic.
    panics,
}

impl TransportCounters {
    /// Counts a stream that is open no more.
    pub(super) fn count_close(&self, reason: CloseReason) {
        self.connections_open.decrement();
        let counter = match reason {
            CloseReason::Peer => &self.connections_closed_by_peer,
            CloseReason::Error => &self.connections_closed_error,
            CloseReason::Idle => &self.connections_closed_idle,
            CloseReason::Incomplete => &self.connections_closed_incomplete,
            CloseReason::Unread => &self.connections_closed_unread,
            CloseReason::Unproven => &self.connections_closed_unproven,
            CloseReason::GaveWay => &self.connections_closed_gave_way,
            CloseReason::Framing => &self.connections_closed_framing,
            CloseReason::Connecting => &self.connections_closed_connecting,
            CloseReason::Stopping => &self.connections_closed_stopping,
        };
        counter.increment();
    }
}

/// Adds up the counters of all shards, name by name.
pub fn totals(shards: &[Arc<TransportCounters>]) -> Vec<(&'static str, &'static str, u64)> {
    let mut sums: Vec<_> = TransportCounters::default().read().collect();
    for shard in shards {
        for (sum, (_, _, value)) in sums.iter_mut().zip(shard.read()) {
            sum.2 = sum.2.saturating_add(value);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_shards_up_name_by_name() {
        let shards = [Arc::<TransportCounters>::default(), Arc::default()];
        shards[0].panics.add(2);
        shards[1].panics.increment();
        shards[1].connections_open.increment();
        shards[1].connections_open.decrement();
        let sums = totals(&shards);
        assert!(
            sums.iter().all(|(name, help, value)| *value == if *name == "panics" { 3 } else { 0 } && !help.is_empty())
        );
        assert!(sums.contains(&("panics", "Messages dropped because handling them failed with a panic.", 3)));
    }

    #[test]
    fn the_operators_are_told_of_every_counter() {
        let told = include_str!("../../docs/operations.md");
        for (name, ..) in TransportCounters::default().read() {
            assert!(told.contains(&format!("\n| `{name}` | ")), "{name} is missing in docs/operations.md");
        }
    }
}
