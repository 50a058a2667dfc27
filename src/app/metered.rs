//! An engine whose load is shown in the metrics.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::engine::{BranchId, Disposition, Engine, Observer, Output};
use crate::flow::{ConnectionId, Flow};
use crate::metrics::ShardLoad;
use crate::transport::PacketPath;

/// The engine of one shard. Its load is shown whenever a timer fires: often while anything goes on, and once more when the
/// last timer has.
pub(super) struct Metered {
    engine: Engine,
    load: Arc<ShardLoad>,
}

impl Metered {
    pub(super) const fn new(engine: Engine, load: Arc<ShardLoad>) -> Self {
        Self { engine, load }
    }
}

impl PacketPath for Metered {
    fn receive(
        &mut self,
        bytes: &mut [u8],
        flow: Flow,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) -> Disposition {
        self.engine.receive(bytes, flow, now, observer, out)
    }

    fn expire(&mut self, now: Timestamp, observer: &mut dyn Observer, out: &mut Output) {
        self.engine.expire(now, observer, out);
        self.load.set(self.engine.load());
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.engine.next_timeout()
    }

    fn send_failed(&mut self, branch: BranchId, now: Timestamp, observer: &mut dyn Observer, out: &mut Output) {
        self.engine.send_failed(branch, now, observer, out);
    }

    fn connection_closed(
        &mut self,
        connection: ConnectionId,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) {
        self.engine.connection_closed(connection, now, observer, out);
    }
}
