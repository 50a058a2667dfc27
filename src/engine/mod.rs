//! The engine of one shard: bytes and time in, bytes to send out.
//!
//! [`Engine`] owns the transactions and the proxy of its shard, and decides on each message in the order that
//! `pipeline` shows. What all shards need is in [`Shared`].

mod gate;
mod overtaken;
mod pipeline;
mod settings;
mod shared;
mod turn;
mod usage;

pub use crate::event::{Event, Observer};
pub use crate::output::{BranchId, Output, Send};
pub use settings::{Alias, Settings};
pub use shared::{Secrets, Shared};

use std::collections::HashSet;
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::clock::Timestamp;
use crate::event::{Outcome, Subject};
use crate::flow::{ConnectionId, Flow, Transport};
use crate::message::{Head, Request, Response, StartLine, unfold};
use crate::proxy::Proxy;
use crate::transaction::Transactions;

use gate::Answers;
use turn::Scene;

/// Whether a message was dealt with here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Disposition {
    /// It was.
    Done,
    /// It is a response to a request that this shard sent; the shell passes the bytes and the flow there.
    HandOver(u8),
}

/// The packet path of one shard. One thread owns it.
pub struct Engine {
    shared: Arc<Shared>,
    shard: u8,
    transactions: Transactions,
    proxy: Proxy,
    rng: StdRng,
    told: Vec<crate::transaction::Expired>,
    /// Own streams that the others have been told of.
    noted_streams: HashSet<ConnectionId>,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("shard", &self.shard)
            .field("transactions", &self.transactions.counts())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// The engine of shard number `shard`. `seed` must be random: branches and tags are drawn from it.
    pub fn new(shared: Arc<Shared>, shard: u8, seed: [u8; 32], now: Timestamp) -> Self {
        let transactions = Transactions::new(shared.transactions, now);
        let proxy = Proxy::new(shared.proxy.clone(), shard);
        let rng = StdRng::from_seed(seed);
        Self {
            shared,
            shard,
            transactions,
            proxy,
            rng,
            told: Vec::new(),
            noted_streams: HashSet::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes one whole message: a datagram, or one framed message of a stream. Line folding is undone in place.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        flow: Flow,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) -> Disposition {
        // A response handed over by another shard came on a stream that is that shard's to watch.
        let own = flow.connection.is_some() && flow.connection.shard() == self.shard;
        if own && self.noted_streams.insert(flow.connection) {
            self.shared.streams.note(flow.connection);
        }
        if Head::read(bytes).is_err() {
            unfold(bytes);
        }
        let mut scene = Scene { now, out, observer };
        let Ok(head) = Head::read(bytes) else {
            return tell(Outcome::Unreadable, &flow, Subject::default(), &mut scene);
        };
        match StartLine::parse(head.start_line()) {
            Some(StartLine::Response { .. }) => self.take_response(head, flow, &mut scene),
            // A response however broken is answered by nobody: two servers could go on about it for ever.
            None if starts_with_version(head.start_line()) => {
                tell(Outcome::Unreadable, &flow, Subject::default(), &mut scene)
            }
            Some(StartLine::Request { .. }) | None => self.take_request(head, &flow, &mut scene),
        }
    }

    fn take_request(&mut self, head: Head<'_>, flow: &Flow, scene: &mut Scene<'_>) -> Disposition {
        match Request::parse(head, flow.transport == Transport::Tcp) {
            Err((malformed, head)) => {
                let outcome = self.refuse_malformed(&head, malformed, flow, scene);
                tell(outcome, flow, Subject::default(), scene)
            }
            Ok(request) => {
                let answers = Answers::read(&request.head);
                let outcome = self.decide(&request, &answers, flow, scene);
                let name = answers.username().or(request.from.uri.user).unwrap_or_default();
                let subject = Subject { method: request.method_token, name, call_id: request.call_id };
                tell(outcome, flow, subject, scene)
            }
        }
    }

    fn take_response(&mut self, head: Head<'_>, flow: Flow, scene: &mut Scene<'_>) -> Disposition {
        let Some(response) = Response::parse(head) else {
            return tell(Outcome::Unreadable, &flow, Subject::default(), scene);
        };
        let subject = Subject { method: response.cseq_method, name: b"", call_id: response.call_id };
        match Proxy::owner(&response) {
            None => tell(Outcome::StrayResponse, &flow, subject, scene),
            Some((shard, _)) if shard != self.shard => {
                let _ = tell(Outcome::HandedOver, &flow, subject, scene);
                Disposition::HandOver(shard)
            }
            Some((_, branch)) => {
                let (proxy, mut turn) = self.proxy_turn(scene);
                proxy.response(&response, branch, &flow, &mut turn);
                Disposition::Done
            }
        }
    }

    /// Does what has become due. Called at or after [`Engine::next_timeout`].
    pub fn expire(&mut self, now: Timestamp, observer: &mut dyn Observer, out: &mut Output) {
        let mut told = std::mem::take(&mut self.told);
        self.transactions.expire(now, out, &mut told);
        let mut scene = Scene { now, out, observer };
        for expired in told.drain(..) {
            let (proxy, mut turn) = self.proxy_turn(&mut scene);
            proxy.expired(expired, &mut turn);
        }
        self.told = told;
    }

    /// When [`Engine::expire`] is to be called next, to within the timer wheel's 10 ms; `None` while no timer runs.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.transactions.next_timeout()
    }

    /// A message could not be sent: its branch fails as with a transport error (RFC 3261 §17.1.4).
    pub fn send_failed(&mut self, branch: BranchId, now: Timestamp, observer: &mut dyn Observer, out: &mut Output) {
        let mut scene = Scene { now, out, observer };
        let (proxy, mut turn) = self.proxy_turn(&mut scene);
        proxy.send_failed(branch, &mut turn);
    }

    /// A stream has closed, of this shard or of another. What waits for an answer on it has failed (RFC 3261 §17.1.4);
    /// bindings and dialogs that were seen on it are reached otherwise from now on.
    pub fn connection_closed(
        &mut self,
        connection: ConnectionId,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Output,
    ) {
        if self.noted_streams.remove(&connection) {
            self.shared.streams.closed(connection);
        }
        for branch in self.transactions.waiting_on(connection) {
            self.send_failed(branch, now, observer, out);
        }
    }

    /// Live server transactions, client transactions, response contexts and timers: all zero when nothing is going on.
    pub fn load(&self) -> Load {
        let (server_transactions, client_transactions) = self.transactions.counts();
        Load {
            server_transactions,
            client_transactions,
            contexts: self.proxy.contexts(),
            timers: self.transactions.timers(),
        }
    }
}

/// What an engine holds at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Server transactions.
    pub server_transactions: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Response contexts of the proxy.
    pub contexts: usize,
    /// Timers that have not fired yet, those included that will find nothing to do.
    pub timers: usize,
}

/// Whether the line begins as a status line does. No method can: it has a slash.
fn starts_with_version(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

fn tell(outcome: Outcome, flow: &Flow, subject: Subject<'_>, scene: &mut Scene<'_>) -> Disposition {
    scene.observer.observe(&Event::Decided { outcome, flow, subject });
    Disposition::Done
}
