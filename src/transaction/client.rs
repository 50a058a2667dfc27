//! Client transactions: requests that we have sent, one for each branch of the proxy.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::flow::{ConnectionId, Flow};
use crate::output::{BranchId, Output};

use super::client_invite::{self, ClientInvite};
use super::client_non_invite::{self, ClientNonInvite};
use super::{Expired, Kind, Owner, Timer, Transactions};

#[derive(Debug)]
enum Machine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

/// The CANCEL of a branch: a transaction of its own that shares the branch (RFC 3261 §9.1).
#[derive(Debug)]
struct Cancel {
    machine: ClientNonInvite,
    request: Vec<u8>,
}

/// A client transaction.
#[derive(Debug)]
pub struct Client {
    serial: u64,
    /// The way the request went.
    flow: Flow,
    machine: Machine,
    /// The request, to be repeated and to make ACK and CANCEL from; after a failure the ACK, to be repeated.
    request: Vec<u8>,
    cancel: Option<Box<Cancel>>,
    /// The proxy's response context.
    context: u32,
    /// When Timer C ends; later provisional responses move it.
    rings_until: Timestamp,
}

/// What a response means to the proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It is for the response context of that number.
    Deliver(u32),
    /// As before, and it must be acknowledged first.
    DeliverAndAcknowledge(u32),
    /// It was absorbed.
    Absorbed,
}

impl Transactions {
    fn client(&self, id: BranchId) -> Option<&Client> {
        self.clients.get(id.index as usize).filter(|client| client.serial == id.serial)
    }

    fn client_mut(&mut self, id: BranchId) -> Option<&mut Client> {
        self.clients.get_mut(id.index as usize).filter(|client| client.serial == id.serial)
    }

    /// Makes room for a request that is still to be composed, for its Via names the branch. `serial` is random. `None`
    /// when there are too many already.
    pub fn open_client(&mut self, kind: Kind, flow: Flow, context: u32, serial: u64) -> Option<BranchId> {
        if self.is_full(self.clients.len()) {
            return None;
        }
        let reliable = flow.transport.is_reliable();
        let machine = match kind {
            Kind::Invite => Machine::Invite(ClientInvite::start(reliable).0),
            Kind::NonInvite => Machine::NonInvite(ClientNonInvite::start(reliable).0),
        };
        let rings_until = Timestamp::default();
        let client = Client { serial, flow, machine, request: Vec::new(), cancel: None, context, rings_until };
        let index = u32::try_from(self.clients.insert(client)).ok()?;
        if flow.connection.is_some() {
            self.by_stream.insert((flow.connection, index));
        }
        Some(BranchId { index, serial })
    }

    /// Sends the request of a branch, which `write` composes, and starts its timers.
    pub fn send(&mut self, id: BranchId, now: Timestamp, out: &mut Output, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(client) = self.clients.get_mut(id.index as usize).filter(|client| client.serial == id.serial) else {
            return;
        };
        let reliable = client.flow.transport.is_reliable();
        let timers = match client.machine {
            Machine::Invite(_) => ClientInvite::start(reliable).1.start,
            Machine::NonInvite(_) => ClientNonInvite::start(reliable).1.start,
        };
        let sent = out.push(client.flow, Some(id), write);
        // ACK and CANCEL are made from an INVITE; anything else is only kept to be repeated.
        if !reliable || matches!(client.machine, Machine::Invite(_)) {
            Self::keep(&mut self.kept_bytes, &mut client.request, sent.to_vec());
        }
        self.start_timers(Owner::Client(id), timers, now);
    }

    /// Starts or moves Timer C (RFC 3261 §16.6 step 11, §16.7 step 2).
    pub fn ring_until(&mut self, id: BranchId, now: Timestamp, span: Duration) {
        let Some(client) = self.client_mut(id) else { return };
        let running = client.rings_until != Timestamp::default();
        client.rings_until = now + span;
        if !running {
            self.start_timers(Owner::Client(id), [Some((Timer::C, span)), None], now);
        }
    }

    /// Ends Timer C after `span` at the latest.
    pub fn ring_no_longer_than(&mut self, id: BranchId, now: Timestamp, span: Duration) {
        let Some(client) = self.client_mut(id) else { return };
        client.rings_until = now + span;
        // The running timer may be later than that; the one that comes first decides.
        self.start_timers(Owner::Client(id), [Some((Timer::C, span)), None], now);
    }

    /// The request of a branch as it was sent.
    pub fn sent_request(&self, id: BranchId) -> Option<(&[u8], Flow)> {
        self.client(id).map(|client| (client.request.as_slice(), client.flow))
    }

    /// A response to the branch's request has come; `None` when there is no such branch.
    pub fn client_response(&mut self, id: BranchId, status: u16, now: Timestamp, out: &mut Output) -> Option<Delivery> {
        let client = self.clients.get_mut(id.index as usize).filter(|client| client.serial == id.serial)?;
        let context = client.context;
        let (delivery, timers) = match &mut client.machine {
            Machine::Invite(machine) => {
                let step = machine.response(status);
                let delivery = match step.act {
                    client_invite::Act::Deliver => Delivery::Deliver(context),
                    client_invite::Act::DeliverAndAcknowledge => Delivery::DeliverAndAcknowledge(context),
                    client_invite::Act::AcknowledgeAgain => {
                        client.repeat(out, None);
                        Delivery::Absorbed
                    }
                    _ => Delivery::Absorbed,
                };
                if machine_is_accepted(&client.machine) {
                    // Nothing is repeated any more; the branch lives on for further 2xx only.
                    Self::keep(&mut self.kept_bytes, &mut client.request, Vec::new());
                }
                (delivery, step.start)
            }
            Machine::NonInvite(machine) => {
                let step = machine.response(status);
                let delivered = step.act == client_non_invite::Act::Deliver;
                if machine.state() == client_non_invite::State::Completed {
                    Self::keep(&mut self.kept_bytes, &mut client.request, Vec::new());
                }
                (if delivered { Delivery::Deliver(context) } else { Delivery::Absorbed }, step.start)
            }
        };
        self.start_timers(Owner::Client(id), timers, now);
        Some(delivery)
    }

    /// Sends the ACK for a failure, which `write` composes from the INVITE, and keeps it in the INVITE's place.
    pub fn acknowledge(&mut self, id: BranchId, out: &mut Output, write: impl FnOnce(&[u8], &mut Vec<u8>)) {
        let Some(client) = self.clients.get_mut(id.index as usize).filter(|client| client.serial == id.serial) else {
            return;
        };
        let mut ack = Vec::with_capacity(client.request.len());
        write(&client.request, &mut ack);
        Self::keep(&mut self.kept_bytes, &mut client.request, ack);
        client.repeat(out, None);
    }

    /// Sends the CANCEL of a branch, which `write` composes from the INVITE. Once only, and only while a final response
    /// is outstanding and a provisional one has come (RFC 3261 §9.1); otherwise false.
    pub fn cancel(
        &mut self,
        id: BranchId,
        now: Timestamp,
        out: &mut Output,
        write: impl FnOnce(&[u8], &mut Vec<u8>),
    ) -> bool {
        let Some(client) = self.client_mut(id) else { return false };
        let Machine::Invite(invite) = &client.machine else { return false };
        if client.cancel.is_some() || invite.state() != client_invite::State::Proceeding {
            return false;
        }
        let (machine, step) = ClientNonInvite::start(client.flow.transport.is_reliable());
        let mut request = Vec::with_capacity(client.request.len());
        write(&client.request, &mut request);
        out.push(client.flow, None, |bytes| bytes.extend_from_slice(&request));
        client.cancel = Some(Box::new(Cancel { machine, request }));
        self.start_timers(Owner::Cancel(id), step.start, now);
        true
    }

    /// A response to the branch's CANCEL has come.
    pub fn cancel_response(&mut self, id: BranchId, status: u16, now: Timestamp) {
        let Some(cancel) = self.client_mut(id).and_then(|client| client.cancel.as_mut()) else { return };
        let step = cancel.machine.response(status);
        if cancel.machine.state() == client_non_invite::State::Completed {
            cancel.request = Vec::new();
        }
        self.start_timers(Owner::Cancel(id), step.start, now);
    }

    /// Forgets a branch.
    pub fn forget_client(&mut self, id: BranchId) {
        if self.client(id).is_some() {
            let mut client = self.clients.remove(id.index as usize);
            Self::keep(&mut self.kept_bytes, &mut client.request, Vec::new());
            if client.flow.connection.is_some() {
                self.by_stream.remove(&(client.flow.connection, id.index));
            }
        }
    }

    /// The branches that wait for a final response on a stream.
    pub fn waiting_on(&self, connection: ConnectionId) -> Vec<BranchId> {
        let of_stream = self.by_stream.range((connection, 0)..=(connection, u32::MAX));
        let waiting = of_stream.filter_map(|(_, index)| {
            let client = self.clients.get(*index as usize).filter(|client| client.awaits_final_response())?;
            Some(BranchId { index: *index, serial: client.serial })
        });
        waiting.collect()
    }

    /// The response context of a branch.
    pub fn branch_context(&self, id: BranchId) -> Option<u32> {
        self.client(id).map(|client| client.context)
    }

    pub(super) fn client_timer(
        &mut self,
        id: BranchId,
        timer: Timer,
        now: Timestamp,
        out: &mut Output,
    ) -> Option<Expired> {
        let client = self.client_mut(id)?;
        if timer == Timer::C {
            return self.timer_c(id, now);
        }
        let (again, timed_out, ended, start) = match &mut client.machine {
            Machine::Invite(machine) => {
                let step = machine.timer(timer);
                let act = step.act;
                (
                    act == client_invite::Act::Retransmit,
                    act == client_invite::Act::TimedOut,
                    act == client_invite::Act::Ended,
                    step.start,
                )
            }
            Machine::NonInvite(machine) => {
                let step = machine.timer(timer);
                let act = step.act;
                (
                    act == client_non_invite::Act::Retransmit,
                    act == client_non_invite::Act::TimedOut,
                    act == client_non_invite::Act::Ended,
                    step.start,
                )
            }
        };
        if again {
            client.repeat(out, Some(id));
        }
        if ended {
            self.forget_client(id);
        }
        self.start_timers(Owner::Client(id), start, now);
        timed_out.then_some(Expired::TimedOut(id))
    }

    fn timer_c(&mut self, id: BranchId, now: Timestamp) -> Option<Expired> {
        let client = self.client_mut(id)?;
        let Machine::Invite(machine) = &client.machine else { return None };
        if !matches!(machine.state(), client_invite::State::Calling | client_invite::State::Proceeding) {
            return None;
        }
        if client.rings_until > now {
            let rest = client.rings_until.since(now);
            self.start_timers(Owner::Client(id), [Some((Timer::C, rest)), None], now);
            return None;
        }
        Some(Expired::RingsTooLong(id))
    }

    pub(super) fn cancel_timer(&mut self, id: BranchId, timer: Timer, now: Timestamp, out: &mut Output) {
        let Some(client) = self.client_mut(id) else { return };
        let flow = client.flow;
        let Some(cancel) = client.cancel.as_mut() else { return };
        let step = cancel.machine.timer(timer);
        if step.act == client_non_invite::Act::Retransmit {
            out.push(flow, None, |bytes| bytes.extend_from_slice(&cancel.request));
        }
        self.start_timers(Owner::Cancel(id), step.start, now);
    }
}

fn machine_is_accepted(machine: &Machine) -> bool {
    matches!(machine, Machine::Invite(machine) if machine.state() == client_invite::State::Accepted)
}

impl Client {
    const fn awaits_final_response(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => {
                matches!(machine.state(), client_invite::State::Calling | client_invite::State::Proceeding)
            }
            Machine::NonInvite(machine) => {
                matches!(machine.state(), client_non_invite::State::Trying | client_non_invite::State::Proceeding)
            }
        }
    }

    fn repeat(&self, out: &mut Output, branch: Option<BranchId>) {
        if !self.request.is_empty() {
            out.push(self.flow, branch, |bytes| bytes.extend_from_slice(&self.request));
        }
    }
}
