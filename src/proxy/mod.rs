//! The proxy: transaction-stateful forwarding (RFC 3261 §16), one response context per forwarded request.
//!
//! It decides nothing about who may call: the engine hands it requests that have passed the gate, or that carry a valid
//! route token, with the targets they may reach.

mod branch;
mod cancel;
mod context;
mod dialog;
mod forward;
mod hop;
mod response;
mod route;
mod settings;
pub mod target;
mod token;

pub use branch::is_loop;
pub use route::Routes;
pub use settings::Settings;
pub use target::{Target, Targets};
pub use token::{RouteKeys, Token, Voucher};

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rand::Rng;
use rand::rngs::StdRng;
use slab::Slab;
use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::dialog::{DialogKey, Dialogs};
use crate::event::Observer;
use crate::flow::Flow;
use crate::message::second_reader::SecondReading;
use crate::message::{Reply, Request, reason_phrase};
use crate::output::{BranchId, Output, ReplyWay};
use crate::transaction::{Expired, Kind, ServerId, ServerKey, Transactions};
use crate::trunk::{Interfaces, TrunkId};

use context::{Branch, Context};
use forward::Edits;

/// What the proxies of all shards share.
#[derive(Debug)]
pub struct Shared {
    /// Settings.
    pub settings: Settings,
    /// Our addresses and names.
    pub interfaces: Arc<Interfaces>,
    /// Dialogs that were set up through us.
    pub dialogs: Arc<Dialogs>,
    /// Keys of the route token.
    pub route_keys: Arc<ArcSwap<RouteKeys>>,
    /// Key of the loop mark.
    pub loop_secret: [u8; 16],
}

/// What one call into the proxy works with.
pub struct Turn<'e> {
    /// The time.
    pub now: Timestamp,
    /// What is to be sent.
    pub out: &'e mut Output,
    /// Who hears of it.
    pub observer: &'e mut dyn Observer,
    /// The shard's transactions.
    pub transactions: &'e mut Transactions,
    /// The shard's randomness.
    pub rng: &'e mut StdRng,
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("now", &self.now).finish_non_exhaustive()
    }
}

/// A request to be forwarded.
#[derive(Debug)]
pub struct Job<'r, 'a> {
    /// The request.
    pub request: &'r Request<'a>,
    /// The way it came.
    pub came: &'r Flow,
    /// The way responses go.
    pub reply: ReplyWay,
    /// Its transaction.
    pub key: ServerKey,
    /// The trunk that let it in.
    pub trunk: TrunkId,
    /// Digest answers for this realm are removed.
    pub realm: &'r str,
    /// How many Route values are ours.
    pub own_routes: usize,
    /// The dialog it is in or forms.
    pub dialog: DialogKey,
    /// The route token that vouches for a request inside a dialog.
    pub token: Option<Token>,
    /// Whether it forms the dialog, rather than being in it.
    pub initial: bool,
    /// What rsip read of an INVITE that starts a call, where it read the same as we did.
    pub second: Option<SecondReading>,
    /// Where it goes; all of them at once.
    pub targets: Targets,
}

/// The proxy of one shard.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    shard: u8,
    contexts: Slab<Context>,
}

impl Proxy {
    /// A proxy without any request.
    pub const fn new(shared: Arc<Shared>, shard: u8) -> Self {
        Self { shared, shard, contexts: Slab::new() }
    }

    /// How many requests await their end.
    pub fn contexts(&self) -> usize {
        self.contexts.len()
    }

    /// Forwards a request to all its targets. False when there is no room for another transaction; nothing was sent then.
    pub fn start(&mut self, job: &Job<'_, '_>, turn: &mut Turn<'_>) -> bool {
        let kind = response::kind_of(job.request.method);
        if !self.note_dialog(job, turn) {
            return false;
        }
        let Some(server) = turn.transactions.open_server(job.key, kind, job.reply) else {
            self.shared.dialogs.fail(job.dialog);
            return false;
        };
        let index = self.contexts.insert(Context {
            server,
            method: job.request.method,
            request: job.request.head.without_body().into(),
            peer: job.came.peer,
            branches: SmallVec::new(),
            best: None,
            cancelled: false,
            declined: false,
            answered: false,
            dialog: job.dialog,
            initial: job.initial,
        });
        let Ok(number) = u32::try_from(index) else { return false };
        turn.transactions.set_context(server, number);
        match kind {
            Kind::Invite => self.reply(number, 100, turn),
            Kind::NonInvite => turn.transactions.remind_of_trying(server, turn.now),
        }
        self.send_to_targets(number, kind, job, turn);
        if self.contexts.get(index).is_some_and(|context| context.branches.is_empty()) {
            self.finish_branch_less(number, 503, turn);
        }
        true
    }

    fn send_to_targets(&mut self, number: u32, kind: Kind, job: &Job<'_, '_>, turn: &mut Turn<'_>) {
        let shared = self.shared.clone();
        let edits = Edits {
            request: job.request,
            came: job.came,
            interfaces: &shared.interfaces,
            realm: job.realm.as_bytes(),
            own_routes: job.own_routes,
            token: self.token(job, turn.now),
            shard: self.shard,
            loop_mark: branch::loop_mark(&shared.loop_secret, job.request),
        };
        for target in &job.targets {
            let serial = turn.rng.next_u64();
            let Some(id) = turn.transactions.open_client(kind, target.flow, number, serial) else { continue };
            let branch = Branch { id, done: false, rings: false, cancelled: false };
            if let Some(context) = self.contexts.get_mut(number as usize) {
                context.branches.push(branch);
            }
            turn.transactions.send(id, turn.now, turn.out, |out| edits.write(out, &target.uri, &target.flow, id));
            if kind == Kind::Invite {
                turn.transactions.ring_until(id, turn.now, self.timer_c());
            }
        }
    }

    fn timer_c(&self) -> Duration {
        Duration::from_secs(u64::from(self.shared.settings.invite_timeout_s))
    }

    /// RFC 3261 §16.6 step 4: what can form a dialog gets a Record-Route. Inside a dialog it changes nothing, but is there
    /// for the sake of a peer that has lost its route set; the token stays the one that let the request in.
    fn token(&self, job: &Job<'_, '_>, now: Timestamp) -> Option<Token> {
        if !job.request.method.makes_dialog() {
            return None;
        }
        if !job.initial {
            return job.token;
        }
        let deadline = now + Duration::from_secs(u64::from(self.shared.settings.max_call_s));
        let tag = job.request.from.tag().unwrap_or_default();
        self.shared.route_keys.load().mint(job.request.call_id, tag, job.trunk, now, deadline)
    }

    /// Forwards an ACK for a 2xx, without state (RFC 3261 §16.11 fits: nothing ever answers it).
    pub fn forward_ack(&mut self, job: &Job<'_, '_>, target: &Target, turn: &mut Turn<'_>) {
        let shared = self.shared.clone();
        let edits = Edits {
            request: job.request,
            came: job.came,
            interfaces: &shared.interfaces,
            realm: job.realm.as_bytes(),
            own_routes: job.own_routes,
            token: None,
            shard: self.shard,
            loop_mark: 0,
        };
        let id = BranchId { index: u32::MAX, serial: turn.rng.next_u64() };
        turn.out.push(target.flow, None, |out| edits.write(out, &target.uri, &target.flow, id));
    }

    /// Sends a response of our own making to the request of a context.
    fn reply(&mut self, number: u32, status: u16, turn: &mut Turn<'_>) {
        let Some(context) = self.contexts.get(number as usize) else { return };
        let Ok(head) = crate::message::Head::read(&context.request) else { return };
        let tag = crate::message::lex::hex(turn.rng.next_u64());
        let to_tag = (status > 100).then_some(tag.as_slice());
        let reply = Reply { head: &head, peer: context.peer, status, reason: reason_phrase(status), to_tag };
        turn.transactions.respond(context.server, status, turn.now, turn.out, |out| reply.write(out, |_| ()));
    }

    /// A context that has no branch to wait for ends with a response of our own.
    fn finish_branch_less(&mut self, number: u32, status: u16, turn: &mut Turn<'_>) {
        if let Some(context) = self.contexts.get_mut(number as usize) {
            context.offer(status, Vec::new);
        }
        self.finish_if_all_done(number, turn);
    }

    /// A timer of a transaction has fired.
    pub fn expired(&mut self, expired: Expired, turn: &mut Turn<'_>) {
        match expired {
            Expired::TimedOut(id) => self.branch_failed(id, 408, turn),
            Expired::RingsTooLong(id) => self.rings_too_long(id, turn),
            Expired::StillTrying(number) => self.reply(number, 100, turn),
            Expired::ServerEnded(id, Some(number)) | Expired::NotAcknowledged(id, Some(number)) => {
                self.server_ended(id, number)
            }
            Expired::ServerEnded(_, None) | Expired::NotAcknowledged(_, None) => {}
        }
    }

    /// A branch's request could not be sent (RFC 3261 §16.9: as if a 503 had come).
    pub fn send_failed(&mut self, id: BranchId, turn: &mut Turn<'_>) {
        self.branch_failed(id, 503, turn);
    }

    /// The server transaction of a context is gone, and the context with it. Branches that still run end by themselves.
    fn server_ended(&mut self, server: ServerId, number: u32) {
        if self.contexts.get(number as usize).is_some_and(|context| context.server == server) {
            self.contexts.remove(number as usize);
        }
    }
}
