//! The streams of one shard.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::admission::Admission;
use super::admission::Admitted;
use super::ages::Ages;
use super::connection::Aftermath;
use super::connection::CloseReason;
use super::connection::Connection;
use super::connection::Unwritten;
use super::counters::TransportCounters;
use super::proof::is_welcome;
use super::settings::Settings;
use super::write_queue::Origin;
use crate::clock::Timestamp;
use crate::flow::ConnectionId;

/// Every stream that the shard owns, and what the engine is still to be told of them.
pub(super) struct Connections {
    shard: u8,
    pub(super) slots: Slab<Connection>,
    /// Counts up with every stream, so that the identity of a closed one never returns.
    opened: u64,
    /// Which stream to use toward a peer; the latest, if there are several.
    by_peer: HashMap<SocketAddr, ConnectionId>,
    /// Where streams are accepted.
    listening: Vec<SocketAddr>,
    admission: Arc<Admission>,
    write_queue_bytes: usize,
    ages: Ages,
    counters: Arc<TransportCounters>,
    connecting: usize,
    /// Bytes of memory for messages that are not whole.
    pub(super) partial_bytes: usize,
    dirty: Vec<ConnectionId>,
    pub(super) aftermath: VecDeque<Aftermath>,
    /// Streams that a task is to open.
    pub(super) to_connect: VecDeque<ConnectionId>,
    pub(super) connect_requested: Rc<Notify>,
    /// Told when a stream was opened or the last one is gone.
    pub(super) count_changed: Rc<Notify>,
}

/// Streams that may be being opened at once: each holds a descriptor for [`super::tcp::CONNECT_TIMEOUT`] when the peer
/// is silent, and the addresses come from registered contacts.
const MAX_CONNECTING: usize = 256;

/// A slot and a number of the opening make up a serial.
const SLOT_BITS: u32 = 24;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

impl Connections {
    pub(super) fn new(
        shard: u8,
        settings: &Settings,
        listening: Vec<SocketAddr>,
        admission: Arc<Admission>,
        counters: Arc<TransportCounters>,
    ) -> Self {
        Self {
            shard,
            slots: Slab::new(),
            opened: 0,
            by_peer: HashMap::new(),
            listening,
            admission,
            write_queue_bytes: settings.tcp_write_queue_bytes,
            ages: Ages::new(settings),
            counters,
            connecting: 0,
            partial_bytes: 0,
            dirty: Vec::new(),
            aftermath: VecDeque::new(),
            to_connect: VecDeque::new(),
            connect_requested: Rc::default(),
            count_changed: Rc::default(),
        }
    }

    /// Takes in a stream that a peer opened. Its identity and what wakes the task that is to wait on it.
    pub(super) fn accepted(
        &mut self,
        stream: Rc<TcpStream>,
        peer: SocketAddr,
        admitted: Admitted,
        now: Timestamp,
    ) -> Option<(ConnectionId, Rc<Notify>)> {
        self.make_way(admitted.gives_way);
        let mut connection = Connection::new(stream.local_addr().ok()?, peer, admitted.permit, now);
        connection.stream = Some(stream);
        self.counters.connections_accepted.increment();
        let wake = Rc::clone(&connection.wake);
        let id = self.insert(connection)?;
        self.get(id)?.permit.is_for(id);
        Some((id, wake))
    }

    /// The stream to `peer` that is open or being opened; else one is begun. `None` when that is not possible.
    pub(super) fn toward(&mut self, local: SocketAddr, peer: SocketAddr, now: Timestamp) -> Option<ConnectionId> {
        if let Some(id) = self.by_peer.get(&peer) {
            return Some(*id);
        }
        let permit = (self.connecting < MAX_CONNECTING).then(|| self.admission.connect().ok()).flatten();
        let Some(Admitted { permit, gives_way }) = permit else {
            self.counters.connections_not_opened.increment();
            return None;
        };
        self.make_way(gives_way);
        let id = self.insert(Connection::new(local, peer, permit, now))?;
        self.connecting += 1;
        self.to_connect.push_back(id);
        self.connect_requested.notify_one();
        Some(id)
    }

    /// Notes that the stream `id` is open. Gives back what wakes its task; `None` when it was closed meanwhile.
    pub(super) fn connected(&mut self, id: ConnectionId, stream: &Rc<TcpStream>, now: Timestamp) -> Option<Rc<Notify>> {
        self.connecting = self.connecting.saturating_sub(1);
        let asked = self.get(id)?.local;
        let local = stream.local_addr().map_or(asked, |opened| self.reachable_at(opened, asked));
        let connection = self.get_mut(id)?;
        connection.local = local;
        connection.stream = Some(Rc::clone(stream));
        connection.alive_at = now;
        connection.message_at = now;
        let wake = Rc::clone(&connection.wake);
        self.counters.connections_connected.increment();
        self.flush_one(id, now);
        Some(wake)
    }

    /// Where peers can open streams to the address that a stream of ours left from: its own port is closed to them, and
    /// must not get into Via, Record-Route or a binding.
    fn reachable_at(&self, opened: SocketAddr, asked: SocketAddr) -> SocketAddr {
        let fits = |listener: &&SocketAddr| {
            let (own, ip) = (listener.ip(), opened.ip());
            own == ip || (own.is_unspecified() && own.is_ipv4() == ip.is_ipv4())
        };
        let fitting = || self.listening.iter().filter(fits).map(SocketAddr::port);
        let port = fitting().find(|port| *port == asked.port()).or_else(|| fitting().next());
        let mut local = opened;
        // Without a listener there is only what the engine took for ours.
        local.set_port(port.or((asked.port() != 0).then_some(asked.port())).unwrap_or(opened.port()));
        local
    }

    /// Notes that the stream `id` could not be opened.
    pub(super) fn not_connected(&mut self, id: ConnectionId) {
        self.connecting = self.connecting.saturating_sub(1);
        self.close(id, CloseReason::Connecting);
    }

    /// Writes a message to a stream, now or, with `cork`, at the next [`Connections::flush`]. Failure closes the stream.
    pub(super) fn write(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        origin: Option<Origin>,
        cork: bool,
        now: Timestamp,
    ) -> Result<(), Unwritten> {
        let max_waiting = self.write_queue_bytes;
        let Some(connection) = self.get_mut(id) else { return Err(Unwritten::Gone) };
        // Before the peer can know: from then on its stream gives way to none.
        if !connection.is_proven && is_welcome(bytes) {
            connection.is_proven = true;
            connection.permit.prove();
        }
        if let Err(reason) = connection.write(bytes, origin, max_waiting, cork, now) {
            self.close(id, reason);
            return Err(if reason == CloseReason::Unread { Unwritten::Unread } else { Unwritten::Gone });
        }
        if cork && !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(id);
        }
        Ok(())
    }

    /// Writes what was corked; the tasks of the streams are woken to wait for what is left.
    pub(super) fn flush(&mut self, now: Timestamp) {
        while let Some(id) = self.dirty.pop() {
            self.flush_one(id, now);
            if let Some(connection) = self.get(id).filter(|connection| !connection.queue.is_empty()) {
                connection.wake.notify_one();
            }
        }
    }

    /// Writes what waits for one stream, on behalf of its own task, which waits for what is left.
    pub(super) fn flush_one(&mut self, id: ConnectionId, now: Timestamp) {
        let Some(connection) = self.get_mut(id) else { return };
        connection.is_dirty = false;
        if let Err(reason) = connection.flush(now) {
            self.close(id, reason);
        }
    }

    /// Closes a stream. The engine learns of it, and of the requests that were not written, from `aftermath`.
    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if self.get(id).is_none() {
            return;
        }
        let Some(connection) = self.slots.try_remove(slot(id)) else { return };
        if self.by_peer.get(&connection.peer) == Some(&id) {
            self.by_peer.remove(&connection.peer);
        }
        tracing::debug!(peer = %connection.peer, ?reason, "connection closed");
        connection.wake.notify_one();
        self.partial_bytes = self.partial_bytes.saturating_sub(connection.partial.capacity());
        let has_spoken = connection.has_spoken;
        // Whoever sees by the counters that a place is free finds it so.
        drop(connection.permit);
        self.counters.count_close(reason);
        for origin in connection.queue.into_unsent() {
            self.counters.stream_sends_failed.increment();
            self.aftermath.extend(origin.map(Aftermath::SendFailed));
        }
        self.aftermath.push_back(Aftermath::Closed { id, has_spoken });
        if self.slots.is_empty() {
            self.slots.shrink_to_fit();
            self.count_changed.notify_one();
        }
    }

    /// Closes a stream that has shown nothing, unless it has by now.
    pub(super) fn give_way(&mut self, id: ConnectionId) {
        if self.get(id).is_some_and(|connection| !connection.is_proven) {
            self.close(id, CloseReason::GaveWay);
        }
    }

    fn make_way(&mut self, gives_way: Option<ConnectionId>) {
        self.aftermath.extend(gives_way.map(Aftermath::GiveWay));
    }

    /// Closes what has been silent, unfinished or unread for too long.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        let ages = self.ages;
        let due: Vec<_> = self.slots.iter().filter_map(|(_, one)| Some((one.id, ages.overdue(one, now)?))).collect();
        for (id, reason) in due {
            self.close(id, reason);
        }
    }

    /// Closes every stream that has nothing left to write; with `force`, the others as well.
    pub(super) fn close_all(&mut self, force: bool) {
        let ready: Vec<_> =
            self.slots.iter().filter(|(_, one)| force || one.queue.is_empty()).map(|(_, one)| one.id).collect();
        for id in ready {
            self.close(id, CloseReason::Stopping);
        }
    }

    /// How often to sweep.
    pub(super) fn sweep_interval(&self) -> Duration {
        self.ages.sweep_interval()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.slots.get(slot(id)).filter(|connection| connection.id == id)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slots.get_mut(slot(id)).filter(|connection| connection.id == id)
    }

    fn insert(&mut self, mut connection: Connection) -> Option<ConnectionId> {
        let entry = self.slots.vacant_entry();
        let slot = u64::try_from(entry.key()).ok().filter(|slot| *slot <= SLOT_MASK)?;
        self.opened += 1;
        let id = ConnectionId::new(self.shard, self.opened << SLOT_BITS | slot);
        connection.id = id;
        self.by_peer.insert(connection.peer, id);
        entry.insert(connection);
        self.counters.connections_open.increment();
        self.count_changed.notify_one();
        Some(id)
    }
}

fn slot(id: ConnectionId) -> usize {
    usize::try_from(id.serial() & SLOT_MASK).unwrap_or(usize::MAX)
}
