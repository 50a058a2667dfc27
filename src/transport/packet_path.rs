//! What the shell needs of an engine, so that it can be tested with a simpler one.

use crate::clock::Timestamp;
use crate::engine::BranchId;
use crate::engine::Disposition;
use crate::engine::Engine;
use crate::engine::Observer;
use crate::engine::Output;
use crate::flow::ConnectionId;
use crate::flow::Flow;

/// The packet path of one shard; see [`Engine`], which is the one that serves.
pub trait PacketPath: 'static {
    /// See [`Engine::receive`].
    fn receive(
        &mut self,
        bytes: &mut [u8],
        flow: Flow,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) -> Disposition;

    /// See [`Engine::expire`].
    fn expire(&mut self, now: Timestamp, observer: &mut dyn Observer, out: &mut Output);

    /// See [`Engine::next_timeout`].
    fn next_timeout(&self) -> Option<Timestamp>;

    /// See [`Engine::send_failed`].
    fn send_failed(&mut self, branch: BranchId, now: Timestamp, observer: &mut dyn Observer, out: &mut Output);

    /// See [`Engine::connection_closed`].
    fn connection_closed(
        &mut self,
        connection: ConnectionId,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    );
}

impl PacketPath for Engine {
    fn receive(
        &mut self,
        bytes: &mut [u8],
        flow: Flow,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) -> Disposition {
        self.receive(bytes, flow, now, observer, out)
    }

    fn expire(&mut self, now: Timestamp, observer: &mut dyn Observer, out: &mut Output) {
        self.expire(now, observer, out);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_timeout()
    }

    fn send_failed(&mut self, branch: BranchId, now: Timestamp, observer: &mut dyn Observer, out: &mut Output) {
        self.send_failed(branch, now, observer, out);
    }

    fn connection_closed(
        &mut self,
        connection: ConnectionId,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) {
        self.connection_closed(connection, now, observer, out);
    }
}
