//! What has arrived of messages that are not whole.

use super::connection::CloseReason;
use super::connections::Connections;
use crate::flow::ConnectionId;

/// Memory of one shard for messages that are not whole, in bytes: 500 of the longest. Without a bound, a few thousand
/// streams that each stop short of the end of one could take it all.
const MAX_PARTIAL_BYTES: usize = 64 << 20;

impl Connections {
    /// Takes out what has arrived of a message.
    pub(super) fn take_partial(&mut self, id: ConnectionId) -> Vec<u8> {
        let partial = self.get_mut(id).map(|connection| std::mem::take(&mut connection.partial)).unwrap_or_default();
        self.partial_bytes = self.partial_bytes.saturating_sub(partial.capacity());
        partial
    }

    /// Keeps what has arrived of a message. Where that is too much for all streams together, those are closed that have
    /// waited longest for the rest, first of all those that have shown nothing.
    pub(super) fn keep_partial(&mut self, id: ConnectionId, partial: Vec<u8>) {
        let Some(connection) = self.get_mut(id) else { return };
        let bytes = partial.capacity();
        connection.partial = partial;
        self.partial_bytes += bytes;
        while self.partial_bytes > MAX_PARTIAL_BYTES {
            let unfinished = self.slots.iter().filter(|(_, one)| !one.partial.is_empty()).map(|(_, one)| one);
            let Some(first) = unfinished.min_by_key(|one| (one.is_proven, one.partial_since)) else { break };
            self.close(first.id, CloseReason::Incomplete);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::super::admission::Admission;
    use super::super::settings::Settings;
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn unfinished_messages_have_so_much_memory_and_the_oldest_of_the_unproven_give_it_back() {
        let settings = Settings::default();
        let admission = Admission::new(9, 9);
        let mut connections = Connections::new(0, &settings, Vec::new(), admission, Arc::default());
        let at = |second| Timestamp::from_secs(second);
        let mut keep = |port, second, is_proven, bytes: usize| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let id = connections.toward(address, address, at(second)).unwrap();
            let connection = connections.get_mut(id).unwrap();
            (connection.is_proven, connection.partial_since) = (is_proven, Some(at(second)));
            connections.keep_partial(id, vec![0; bytes]);
            let ports = connections.slots.iter().map(|(_, one)| one.peer.port());
            let mut ports: Vec<_> = ports.collect();
            ports.sort_unstable();
            (ports, connections.partial_bytes)
        };
        let third = MAX_PARTIAL_BYTES / 3;
        keep(1, 1, true, third);
        keep(2, 2, false, third);
        assert_eq!(keep(3, 3, false, third), (vec![1, 2, 3], 3 * third));
        assert_eq!(keep(4, 4, false, third), (vec![1, 3, 4], 3 * third), "2 had waited longest of those not proven");
        assert_eq!(keep(5, 5, false, 2 * third), (vec![1, 5], 3 * third));
        assert_eq!(keep(6, 6, true, MAX_PARTIAL_BYTES), (vec![6], MAX_PARTIAL_BYTES));
        let id = connections.slots.iter().map(|(_, one)| one.id).next().unwrap();
        assert_eq!(connections.take_partial(id).len(), MAX_PARTIAL_BYTES);
        assert_eq!(connections.partial_bytes, 0);
    }
}
