//! Responses from the branches (RFC 3261 §16.7): what goes upstream at once, what waits for better, what ends here.

use crate::event::{Event, Outcome, Subject};
use crate::flow::Flow;
use crate::message::{Address, Method, Name, Response, copy_fields, lex};
use crate::output::BranchId;
use crate::transaction::{Delivery, Kind};

use super::context::{Best, Context};
use super::{Proxy, Turn, branch, hop};

impl Proxy {
    /// The shard and branch that a response belongs to; `None` for a stray one.
    pub fn owner(response: &Response<'_>) -> Option<(u8, BranchId)> {
        branch::read_branch(response.via.branch()?)
    }

    /// Takes a response to a branch of this shard, which came on `flow`.
    pub fn response(&mut self, response: &Response<'_>, id: BranchId, flow: &Flow, turn: &mut Turn<'_>) {
        let outcome = self.take(response, id, flow, turn);
        let subject = Subject { method: response.cseq_method, name: b"", call_id: response.call_id };
        turn.observer.observe(&Event::Decided { outcome, flow, subject });
    }

    fn take(&mut self, response: &Response<'_>, id: BranchId, flow: &Flow, turn: &mut Turn<'_>) -> Outcome {
        if response.cseq_method == b"CANCEL" {
            turn.transactions.cancel_response(id, response.status, turn.now);
            return Outcome::ResponseAbsorbed;
        }
        // §17.1.3: the branch alone does not make it a response to this request.
        let context = turn.transactions.branch_context(id).and_then(|number| self.contexts.get(number as usize));
        if context.is_some_and(|context| context.method != Method::recognise(response.cseq_method)) {
            return Outcome::StrayResponse;
        }
        let number = match turn.transactions.client_response(id, response.status, turn.now, turn.out) {
            None => return Outcome::StrayResponse,
            Some(Delivery::Absorbed) => return Outcome::ResponseAbsorbed,
            Some(Delivery::Deliver(number)) => number,
            Some(Delivery::DeliverAndAcknowledge(number)) => {
                let to = response.head.get(Name::To).unwrap_or_default();
                turn.transactions.acknowledge(id, turn.out, |invite, out| hop::write_ack(out, invite, to));
                number
            }
        };
        let Some(context) = self.contexts.get_mut(number as usize) else { return Outcome::StrayResponse };
        let is_invite = context.method == Method::Invite;
        let Some(branch) = context.branch_mut(id) else { return Outcome::StrayResponse };
        match response.status {
            // RFC 4320 §4.1: to anything but an INVITE, no provisional response is passed on.
            101..200 if !is_invite => Outcome::ResponseAbsorbed,
            100 => {
                branch.rings = true;
                self.after_provisional(number, id, 100, turn);
                Outcome::ResponseAbsorbed
            }
            101..200 => {
                branch.rings = true;
                let forwarded = self.provisional(number, response, flow, turn);
                self.after_provisional(number, id, response.status, turn);
                forwarded
            }
            200..300 => {
                branch.done = true;
                self.success(number, response, flow, turn)
            }
            _ => {
                branch.done = true;
                self.failure(number, response, turn)
            }
        }
    }

    /// A CANCEL that had to wait goes out; otherwise Timer C starts anew, but for 100 (§16.7 step 2) and for a branch that
    /// rings on after its CANCEL.
    fn after_provisional(&mut self, number: u32, id: BranchId, status: u16, turn: &mut Turn<'_>) {
        let Some(context) = self.contexts.get_mut(number as usize) else { return };
        if context.cancelled || context.answered || context.declined {
            self.cancel_branches(number, turn);
        } else if status > 100 && context.branch_mut(id).is_some_and(|branch| !branch.cancelled) {
            turn.transactions.ring_until(id, turn.now, self.timer_c());
        }
    }

    fn provisional(&mut self, number: u32, response: &Response<'_>, flow: &Flow, turn: &mut Turn<'_>) -> Outcome {
        let Some(context) = self.contexts.get(number as usize) else { return Outcome::StrayResponse };
        if context.answered {
            return Outcome::ResponseAbsorbed;
        }
        self.learn_contact(context, response, flow);
        let server = context.server;
        turn.transactions.respond(server, response.status, turn.now, turn.out, |out| write_upstream(out, response));
        Outcome::ResponseForwarded
    }

    /// A 2xx goes upstream at once, also after another one: the caller sorts them out (§16.7 step 5). The other branches
    /// have lost.
    fn success(&mut self, number: u32, response: &Response<'_>, flow: &Flow, turn: &mut Turn<'_>) -> Outcome {
        let Some(context) = self.contexts.get_mut(number as usize) else { return Outcome::StrayResponse };
        let first = !std::mem::replace(&mut context.answered, true);
        let (server, method, dialog) = (context.server, context.method, context.dialog);
        if first {
            context.request = Box::default();
            context.best = None;
        }
        if let Some(context) = self.contexts.get(number as usize) {
            self.learn_contact(context, response, flow);
        }
        let sent =
            turn.transactions.respond(server, response.status, turn.now, turn.out, |out| write_upstream(out, response));
        match method {
            Method::Invite => {
                if self.shared.dialogs.answered(dialog, turn.now) {
                    turn.observer.observe(&Event::CallAnswered { call_id: response.call_id });
                }
                self.cancel_branches(number, turn);
            }
            Method::Bye => self.hung_up(number, response.call_id, turn),
            _ => {}
        }
        if sent { Outcome::ResponseForwarded } else { Outcome::ResponseAbsorbed }
    }

    fn failure(&mut self, number: u32, response: &Response<'_>, turn: &mut Turn<'_>) -> Outcome {
        let Some(context) = self.contexts.get_mut(number as usize) else { return Outcome::StrayResponse };
        if context.answered {
            return Outcome::ResponseAbsorbed;
        }
        if matches!(response.status, 401 | 407) {
            context.add_challenges(&response.head);
        }
        context.offer(response.status, || {
            let mut bytes = Vec::with_capacity(response.head.bytes().len());
            write_upstream(&mut bytes, response);
            bytes
        });
        if response.status >= 600 {
            context.declined = true;
            self.cancel_branches(number, turn);
        }
        if self.finish_if_all_done(number, turn) { Outcome::ResponseForwarded } else { Outcome::ResponseAbsorbed }
    }

    /// A branch has failed without a response: it counts as `status`.
    pub(super) fn branch_failed(&mut self, id: BranchId, status: u16, turn: &mut Turn<'_>) {
        let number = turn.transactions.branch_context(id);
        turn.transactions.forget_client(id);
        let Some(number) = number else { return };
        let Some(context) = self.contexts.get_mut(number as usize) else { return };
        let cancelled = context.cancelled;
        let Some(branch) = context.branch_mut(id) else { return };
        branch.done = true;
        context.offer(if cancelled { 487 } else { status }, Vec::new);
        self.finish_if_all_done(number, turn);
    }

    /// Sends the best response once every branch has ended. True if one was sent.
    pub(super) fn finish_if_all_done(&mut self, number: u32, turn: &mut Turn<'_>) -> bool {
        let Some(context) = self.contexts.get_mut(number as usize) else { return false };
        if context.answered || !context.all_done() {
            return false;
        }
        let Some(best) = context.best.take() else { return false };
        context.answered = true;
        let (server, dialog, initial, method) = (context.server, context.dialog, context.initial, context.method);
        // §16.7 step 6: that a target is overloaded does not mean that this server is.
        let best = if best.status == 503 { Best { status: 500, bytes: Vec::new() } } else { best };
        self.tell_failure(number, best.status, turn);
        if initial && method.makes_dialog() {
            self.shared.dialogs.fail(dialog);
        }
        match best.status {
            // RFC 4320 §4.2: a 408 to a non-INVITE comes too late for anybody.
            408 if method != Method::Invite => {
                turn.transactions.forget_server(server);
                self.contexts.try_remove(number as usize);
                return false;
            }
            status if best.bytes.is_empty() => self.reply(number, status, turn),
            status => {
                turn.transactions.respond(server, status, turn.now, turn.out, |out| out.extend_from_slice(&best.bytes));
            }
        }
        if let Some(context) = self.contexts.get_mut(number as usize) {
            context.request = Box::default();
        }
        true
    }

    fn tell_failure(&mut self, number: u32, status: u16, turn: &mut Turn<'_>) {
        let Some(context) = self.contexts.get(number as usize) else { return };
        let Ok(head) = crate::message::Head::read(&context.request) else { return };
        let call_id = head.get(Name::CallId).unwrap_or_default();
        match context.method {
            Method::Invite if context.initial => turn.observer.observe(&Event::CallEnded { call_id, status }),
            // Whatever a BYE is answered with, the call is over (RFC 3261 §15.1.1).
            Method::Bye if self.shared.dialogs.end(context.dialog) => {
                turn.observer.observe(&Event::CallEnded { call_id, status: 200 });
            }
            _ => {}
        }
    }

    fn hung_up(&mut self, number: u32, call_id: &[u8], turn: &mut Turn<'_>) {
        let Some(context) = self.contexts.get(number as usize) else { return };
        if self.shared.dialogs.end(context.dialog) {
            turn.observer.observe(&Event::CallEnded { call_id, status: 200 });
        }
    }

    /// A response names the contact that the dialog reaches from now on (RFC 3261 §12.1.2, §12.2.1.2).
    fn learn_contact(&self, context: &Context, response: &Response<'_>, flow: &Flow) {
        if !context.method.refreshes_target() || response.to.tag().is_none() {
            return;
        }
        let contact = response.head.items(Name::Contact).next().and_then(Address::parse);
        if let Some(contact) = contact {
            let dialogs = &self.shared.dialogs;
            dialogs.learn(context.dialog, dialogs.contact(&contact.uri), *flow);
        }
    }
}

/// The response without its topmost Via value, which was ours (§16.7 steps 3 and 9).
fn write_upstream(out: &mut Vec<u8>, response: &Response<'_>) {
    let head = &response.head;
    out.extend_from_slice(head.start_line());
    out.extend_from_slice(b"\r\n");
    let mut ours = true;
    let mut length = None;
    copy_fields(head, out, |field, out| match field.name {
        Name::Via if std::mem::take(&mut ours) => {
            let mut items = lex::list(head.value(field));
            items.next();
            let rest = lex::trim(items.rest());
            if !rest.is_empty() {
                out.extend_from_slice(b"Via: ");
                out.extend_from_slice(rest);
                out.extend_from_slice(b"\r\n");
            }
            true
        }
        Name::ContentLength => length.replace(lex::decimal(head.value(field))).is_some(),
        _ => false,
    });
    let rest = head.rest();
    let announced = length.flatten().and_then(|length| usize::try_from(length).ok());
    if length.is_none() {
        out.extend_from_slice(b"Content-Length: ");
        lex::push_decimal(out, rest.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(announced.and_then(|length| rest.get(..length)).unwrap_or(rest));
}

/// The kind of transaction of a method.
pub(super) fn kind_of(method: Method) -> Kind {
    if method == Method::Invite { Kind::Invite } else { Kind::NonInvite }
}
