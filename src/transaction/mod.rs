//! Transactions (RFC 3261 §17, RFC 6026): the four state machines, their timers, and the table of those that live.
//!
//! The machines are pure; [`Transactions`] gives them memory, timers and the bytes to repeat. What a response means is
//! the proxy's business.

mod client;
pub mod client_invite;
pub mod client_non_invite;
mod key;
mod server;
pub mod server_invite;
pub mod server_non_invite;
mod timer;
mod wheel;

pub use client::{Client, Delivery};
pub use key::{KeyMaker, ServerKey};
pub use server::{Server, ServerId};
pub use timer::{Step, T1, T1_64, T2, T4, Timer};
pub use wheel::Wheel;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use slab::Slab;

use crate::clock::Timestamp;
use crate::flow::ConnectionId;
use crate::output::{BranchId, Output};

/// INVITE transactions have machines of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// INVITE
    Invite,
    /// Everything else
    NonInvite,
}

/// How much one shard may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most server and most client transactions.
    pub transactions: usize,
    /// Most bytes of messages that are kept to be repeated.
    pub bytes: usize,
}

/// Whose timer it is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Server(ServerId),
    Client(BranchId),
    /// The CANCEL of that branch.
    Cancel(BranchId),
}

#[derive(Clone, Copy, Debug)]
struct Firing {
    owner: Owner,
    timer: Timer,
}

/// What the proxy hears when a timer has fired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expired {
    /// A client transaction had no final response in time.
    TimedOut(BranchId),
    /// Timer C: an INVITE has rung for too long.
    RingsTooLong(BranchId),
    /// A request other than INVITE waits and was told nothing yet; its response context has that number.
    StillTrying(u32),
    /// A server transaction is gone; its response context had that number.
    ServerEnded(ServerId, Option<u32>),
    /// A final response to INVITE was never acknowledged; its server transaction is gone.
    NotAcknowledged(ServerId, Option<u32>),
}

/// The transactions of one shard.
///
/// A transaction takes about 250 bytes, and while it may have to repeat something, the bytes of it.
#[derive(Debug)]
pub struct Transactions {
    servers: Slab<Server>,
    by_key: HashMap<ServerKey, ServerId>,
    clients: Slab<Client>,
    /// Client transactions by the stream that they went over.
    by_stream: BTreeSet<(ConnectionId, u32)>,
    wheel: Wheel<Firing>,
    fired: Vec<Firing>,
    limits: Limits,
    /// Bytes of messages that are kept to be repeated.
    kept_bytes: usize,
    next_server: u64,
}

impl Transactions {
    /// None yet.
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            servers: Slab::new(),
            by_key: HashMap::new(),
            clients: Slab::new(),
            by_stream: BTreeSet::new(),
            wheel: Wheel::new(now),
            fired: Vec::new(),
            limits,
            kept_bytes: 0,
            next_server: 0,
        }
    }

    /// Live server and client transactions.
    pub fn counts(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }

    /// Bytes of messages that are kept to be repeated.
    pub const fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Whether another transaction would be too many.
    fn is_full(&self, present: usize) -> bool {
        present >= self.limits.transactions || self.kept_bytes >= self.limits.bytes
    }

    /// Puts `new` in the place of what a transaction keeps.
    fn keep(kept_bytes: &mut usize, slot: &mut Vec<u8>, new: Vec<u8>) {
        *kept_bytes = kept_bytes.saturating_sub(slot.len()).saturating_add(new.len());
        *slot = new;
    }

    /// How many timers run.
    pub fn timers(&self) -> usize {
        self.wheel.len()
    }

    /// When [`Transactions::expire`] is to be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.wheel.next()
    }

    fn start_timers(&mut self, owner: Owner, timers: [Option<(Timer, Duration)>; 2], now: Timestamp) {
        for (timer, after) in timers.into_iter().flatten() {
            self.wheel.start(now, after, Firing { owner, timer });
        }
    }

    /// Lets timers fire: repeats what is to be repeated and calls `tell` with what the proxy must hear.
    pub fn expire(&mut self, now: Timestamp, out: &mut Output, told: &mut Vec<Expired>) {
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.advance(now, &mut fired);
        for Firing { owner, timer } in fired.drain(..) {
            told.extend(match owner {
                Owner::Server(id) => self.server_timer(id, timer, now, out),
                Owner::Client(id) => self.client_timer(id, timer, now, out),
                Owner::Cancel(id) => {
                    self.cancel_timer(id, timer, now, out);
                    None
                }
            });
        }
        self.fired = fired;
    }
}
