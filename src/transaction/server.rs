//! Server transactions: requests that came to us.

use crate::clock::Timestamp;
use crate::output::{Output, ReplyWay};

use super::server_invite::{self, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::timer::E_IS_T2;
use super::{Expired, Kind, Owner, ServerKey, Timer, Transactions};

/// Identifies a server transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ServerId {
    index: u32,
    serial: u64,
}

#[derive(Debug)]
enum Machine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

/// A server transaction.
#[derive(Debug)]
pub struct Server {
    serial: u64,
    key: ServerKey,
    /// The way responses go.
    way: ReplyWay,
    machine: Machine,
    /// What a retransmitted request gets again; empty while there is nothing to repeat.
    last_response: Vec<u8>,
    /// The proxy's response context, if the request was forwarded.
    context: Option<u32>,
}

impl Transactions {
    /// The transaction that a request belongs to.
    pub fn find(&self, key: ServerKey) -> Option<ServerId> {
        self.by_key.get(&key).copied()
    }

    fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(id.index as usize).filter(|server| server.serial == id.serial)
    }

    fn server_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        self.servers.get_mut(id.index as usize).filter(|server| server.serial == id.serial)
    }

    /// Opens a transaction for a request whose responses go `way`; `None` when there are too many already.
    pub fn open_server(&mut self, key: ServerKey, kind: Kind, way: ReplyWay) -> Option<ServerId> {
        if self.is_full(self.servers.len()) {
            return None;
        }
        self.next_server += 1;
        let serial = self.next_server;
        let reliable = way.flow.transport.is_reliable();
        let machine = match kind {
            Kind::Invite => Machine::Invite(ServerInvite::start(reliable)),
            Kind::NonInvite => Machine::NonInvite(ServerNonInvite::start(reliable)),
        };
        let index = self.servers.insert(Server { serial, key, way, machine, last_response: Vec::new(), context: None });
        let id = ServerId { index: u32::try_from(index).ok()?, serial };
        self.by_key.insert(key, id);
        Some(id)
    }

    /// Notes the response context of a transaction.
    pub fn set_context(&mut self, id: ServerId, context: u32) {
        if let Some(server) = self.server_mut(id) {
            server.context = Some(context);
        }
    }

    /// Has the proxy told when a request other than INVITE has waited so long that its sender is owed a 100
    /// (RFC 4320 §4.1).
    pub fn remind_of_trying(&mut self, id: ServerId, now: Timestamp) {
        self.start_timers(Owner::Server(id), [Some((Timer::Trying, E_IS_T2)), None], now);
    }

    /// The response context of a transaction.
    pub fn context(&self, id: ServerId) -> Option<u32> {
        self.server(id)?.context
    }

    /// Sends a response that `write` composes, if the transaction's state allows one of that status.
    pub fn respond(
        &mut self,
        id: ServerId,
        status: u16,
        now: Timestamp,
        out: &mut Output,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let Some(server) = self.servers.get_mut(id.index as usize).filter(|server| server.serial == id.serial) else {
            return false;
        };
        let (timers, repeats) = match &mut server.machine {
            Machine::Invite(machine) => (machine.respond(status), !(200..300).contains(&status)),
            Machine::NonInvite(machine) => (machine.respond(status), true),
        };
        let Some(timers) = timers else { return false };
        let sent = out.push_reply(server.way, write);
        let repeats = repeats && !server.way.flow.transport.is_reliable();
        let kept = if repeats { sent.to_vec() } else { Vec::new() };
        Self::keep(&mut self.kept_bytes, &mut server.last_response, kept);
        self.start_timers(Owner::Server(id), timers, now);
        true
    }

    /// The request has come again: repeats the last response where the state says so.
    pub fn retransmission(&mut self, id: ServerId, out: &mut Output) {
        let Some(server) = self.server(id) else { return };
        let again = match &server.machine {
            Machine::Invite(machine) => machine.retransmission() == server_invite::Act::Retransmit,
            Machine::NonInvite(machine) => machine.retransmission() == server_non_invite::Act::Retransmit,
        };
        if again {
            server.repeat(out);
        }
    }

    /// An ACK with the branch of this INVITE has come. True if it ends here, being for a final response other than 2xx.
    pub fn acknowledged(&mut self, id: ServerId, now: Timestamp) -> bool {
        let Some(Server { machine: Machine::Invite(machine), .. }) = self.server_mut(id) else { return false };
        let step = machine.acknowledged();
        let absorbed = machine.state() == server_invite::State::Confirmed;
        self.start_timers(Owner::Server(id), step.start, now);
        absorbed
    }

    /// Forgets a transaction without a word (RFC 4320 §4.2: a non-INVITE that nobody answered).
    pub fn forget_server(&mut self, id: ServerId) {
        if self.server(id).is_some() {
            let mut server = self.servers.remove(id.index as usize);
            Self::keep(&mut self.kept_bytes, &mut server.last_response, Vec::new());
            self.by_key.remove(&server.key);
        }
    }

    pub(super) fn server_timer(
        &mut self,
        id: ServerId,
        timer: Timer,
        now: Timestamp,
        out: &mut Output,
    ) -> Option<Expired> {
        let server = self.server_mut(id)?;
        let context = server.context;
        let ended = match &mut server.machine {
            Machine::Invite(machine) => {
                let step = machine.timer(timer);
                match step.act {
                    server_invite::Act::Nothing => None,
                    server_invite::Act::Retransmit => {
                        server.repeat(out);
                        self.start_timers(Owner::Server(id), step.start, now);
                        None
                    }
                    server_invite::Act::NotAcknowledged => Some(Expired::NotAcknowledged(id, context)),
                    server_invite::Act::Ended => Some(Expired::ServerEnded(id, context)),
                }
            }
            Machine::NonInvite(machine) => match machine.timer(timer).act {
                server_non_invite::Act::Ended => Some(Expired::ServerEnded(id, context)),
                server_non_invite::Act::StillTrying => return context.map(Expired::StillTrying),
                server_non_invite::Act::Nothing | server_non_invite::Act::Retransmit => None,
            },
        };
        if ended.is_some() {
            self.forget_server(id);
        }
        ended
    }
}

impl Server {
    fn repeat(&self, out: &mut Output) {
        if !self.last_response.is_empty() {
            out.push_reply(self.way, |bytes| bytes.extend_from_slice(&self.last_response));
        }
    }
}
