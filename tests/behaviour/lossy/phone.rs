//! A phone that repeats what it sends as RFC 3261 §17 and §13 say, and does with a call what its plan says.

use std::collections::HashMap;

use crate::support::call::{ack_of, branch_of, cancel_of};
use crate::support::phone::{Phone, header, method_of, status};

const T1: u64 = 500;
const T2: u64 = 4_000;
const GIVE_UP: u64 = 32_000;

/// SplitMix64: the same on every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plan {
    Register,
    CallerHangsUp,
    CalleeHangsUp,
    Busy,
    CallerCancels,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Idle,
    Trying,
    Up,
    Over(u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Todo {
    Start,
    Answer,
    Cancel,
    HangUp,
}

/// A request of the phone's own.
pub(super) struct Client {
    text: String,
    born: u64,
    interval: u64,
    next: Option<u64>,
}

/// The INVITE that reached the phone, and what it has answered.
pub(super) struct Incoming {
    text: String,
    last: String,
    born: u64,
    interval: u64,
    next: Option<u64>,
}

/// One phone's side of one call, or of its registration.
pub(super) struct Side {
    pub(super) phone: Phone,
    callee: &'static str,
    pub(super) plan: Plan,
    pub(super) state: State,
    todo: Option<(u64, Todo)>,
    clients: Vec<Client>,
    incoming: Option<Incoming>,
    /// Responses to BYE and CANCEL, by branch and method.
    answered: HashMap<String, String>,
    /// From, To, target and route of requests in the dialog.
    dialog: Option<[String; 4]>,
    pub(super) timed_out: u32,
}

impl Side {
    pub(super) fn new(phone: Phone, callee: &'static str, plan: Plan, start: Option<u64>) -> Self {
        Self {
            phone,
            callee,
            plan,
            state: State::Idle,
            todo: start.map(|at| (at, Todo::Start)),
            clients: Vec::new(),
            incoming: None,
            answered: HashMap::new(),
            dialog: None,
            timed_out: 0,
        }
    }

    pub(super) fn wake_at(&self) -> Option<u64> {
        let clients = self.clients.iter().filter_map(|client| client.next);
        let incoming = self.incoming.as_ref().and_then(|incoming| incoming.next);
        clients.chain(incoming).chain(self.todo.map(|(at, _)| at)).min()
    }

    fn send(&mut self, text: String, now: u64) -> String {
        self.clients.push(Client { text: text.clone(), born: now, interval: T1, next: Some(now + T1) });
        text
    }

    fn start(&mut self, now: u64) -> String {
        self.state = State::Trying;
        let contact = format!("Contact: <{}>;expires=3600\r\n", self.phone.contact());
        let text = match self.plan {
            Plan::Register => self.phone.register_with(&contact),
            _ => self.phone.invite_with(self.callee, ""),
        };
        self.send(text, now)
    }

    pub(super) fn wake(&mut self, now: u64) -> Vec<String> {
        let mut out = Vec::new();
        if let Some((at, todo)) = self.todo
            && at <= now
        {
            self.todo = None;
            out.extend(self.act(todo, now));
        }
        let mut timed_out = false;
        for client in &mut self.clients {
            if client.next.is_some_and(|at| at <= now) {
                let is_invite = method_of(&client.text) == "INVITE";
                client.interval = if is_invite { client.interval * 2 } else { (client.interval * 2).min(T2) };
                client.next = (now - client.born < GIVE_UP).then_some(now + client.interval);
                match client.next {
                    Some(_) => out.push(client.text.clone()),
                    None => timed_out |= method_of(&client.text) != "CANCEL",
                }
            }
        }
        if timed_out {
            self.timed_out += 1;
            match self.state {
                // Not even the challenge came back: people try again.
                State::Trying if !self.clients.iter().any(|client| header(&client.text, "Authorization").is_some()) => {
                    self.todo = Some((now + 1_000, Todo::Start));
                }
                _ => self.state = State::Over(408),
            }
        }
        if let Some(incoming) = self.incoming.as_mut().filter(|incoming| incoming.next.is_some_and(|at| at <= now)) {
            incoming.interval = (incoming.interval * 2).min(T2);
            incoming.next = (now - incoming.born < GIVE_UP).then_some(now + incoming.interval);
            match incoming.next {
                Some(_) => out.push(incoming.last.clone()),
                // RFC 3261 §13.3.1.4: an answer that nobody acknowledges ends the call.
                None => out.extend(self.act(Todo::HangUp, now)),
            }
        }
        out
    }

    fn act(&mut self, todo: Todo, now: u64) -> Option<String> {
        match todo {
            Todo::Start => Some(self.start(now)),
            Todo::Answer => {
                let incoming = self.incoming.as_mut()?;
                if status(&incoming.last) >= 200 {
                    return None;
                }
                let contact = format!("Contact: <{}>\r\n", self.phone.contact());
                let code = if self.plan == Plan::Busy { 486 } else { 200 };
                self.state = if code == 200 { State::Up } else { State::Over(code) };
                incoming.last = self.phone.respond(&incoming.text, code, "callee", &contact);
                (incoming.born, incoming.interval, incoming.next) = (now, T1, Some(now + T1));
                let request = &incoming.text;
                let from = format!("{};tag=callee", header(request, "To")?);
                let target = header(request, "Contact")?.trim_matches(['<', '>']).to_owned();
                self.dialog =
                    Some([from, header(request, "From")?.into(), target, header(request, "Record-Route")?.into()]);
                Some(incoming.last.clone())
            }
            Todo::Cancel => {
                let invite = self.clients.iter().rev().find(|client| method_of(&client.text) == "INVITE")?;
                (self.state == State::Trying).then(|| cancel_of(&invite.text)).map(|cancel| self.send(cancel, now))
            }
            Todo::HangUp => {
                let bye = (self.state == State::Up).then(|| self.in_dialog("BYE"))??;
                Some(self.send(bye, now))
            }
        }
    }

    fn in_dialog(&mut self, method: &str) -> Option<String> {
        let [from, to, target, route] = self.dialog.clone()?;
        let call_id = header(
            &self
                .clients
                .last()
                .map_or_else(|| self.incoming.as_ref().unwrap().text.clone(), |client| client.text.clone()),
            "Call-ID",
        )?
        .to_owned();
        let request = self.phone.request(method, &target, &to, &call_id, &format!("Route: {route}\r\n"), "");
        Some(request.replace(header(&request, "From")?, &from))
    }

    pub(super) fn take(&mut self, text: &str, now: u64, dice: &mut Dice) -> Vec<String> {
        match (status(text), method_of(text)) {
            (0, "INVITE") => self.take_invite(text, now, dice),
            (0, "ACK") => {
                if let Some(incoming) = &mut self.incoming {
                    incoming.next = None;
                }
                if self.state == State::Up
                    && self.plan == Plan::CalleeHangsUp
                    && self.todo.is_none()
                    && self.clients.is_empty()
                {
                    self.todo = Some((now + 500 + dice.roll(20_000), Todo::HangUp));
                }
                Vec::new()
            }
            (0, method) => self.take_other(text, method, now),
            (code, _) => self.take_response(text, code, now, dice),
        }
    }

    fn take_invite(&mut self, text: &str, now: u64, dice: &mut Dice) -> Vec<String> {
        if let Some(incoming) = &self.incoming
            && branch_of(&incoming.text) == branch_of(text)
        {
            return vec![incoming.last.clone()];
        }
        assert!(self.incoming.is_none(), "a call comes in one branch");
        let last = self.phone.respond(text, 180, "callee", &format!("Contact: <{}>\r\n", self.phone.contact()));
        self.state = State::Trying;
        if self.plan != Plan::CallerCancels || dice.roll(4) == 0 {
            self.todo = Some((now + dice.roll(5_000), Todo::Answer));
        }
        self.incoming = Some(Incoming { text: text.into(), last: last.clone(), born: now, interval: T1, next: None });
        vec![last]
    }

    /// BYE and CANCEL.
    fn take_other(&mut self, text: &str, method: &str, now: u64) -> Vec<String> {
        let key = format!("{method} {}", branch_of(text));
        if let Some(again) = self.answered.get(&key) {
            return vec![again.clone()];
        }
        let mut out = Vec::new();
        let answer = self.phone.respond(text, 200, "callee", "");
        if method == "BYE" {
            self.state = State::Over(200);
            self.todo = None;
            self.incoming.iter_mut().for_each(|incoming| incoming.next = None);
            // A BYE of its own that crosses this one is answered as well.
        } else if let Some(incoming) = self.incoming.as_mut().filter(|incoming| status(&incoming.last) < 200) {
            incoming.last = self.phone.respond(&incoming.text, 487, "callee", "");
            (incoming.born, incoming.interval, incoming.next) = (now, T1, Some(now + T1));
            out.push(incoming.last.clone());
            self.state = State::Over(487);
            self.todo = None;
        }
        self.answered.insert(key, answer.clone());
        out.push(answer);
        out
    }

    fn take_response(&mut self, text: &str, code: u16, now: u64, dice: &mut Dice) -> Vec<String> {
        let cseq = header(text, "CSeq").unwrap();
        let method = cseq.split(' ').nth(1).unwrap();
        let is_it =
            |client: &&mut Client| branch_of(&client.text) == branch_of(text) && method_of(&client.text) == method;
        let Some(client) = self.clients.iter_mut().find(is_it) else { return Vec::new() };
        let first = client.next.is_some();
        let request = client.text.clone();
        if method == "INVITE" || code >= 200 {
            client.next = None;
        }
        match (method, code) {
            (_, 100..200) => {
                if self.plan == Plan::CallerCancels && code > 100 && self.state == State::Trying && self.todo.is_none()
                {
                    self.todo = Some((now + dice.roll(4_000), Todo::Cancel));
                }
                Vec::new()
            }
            ("REGISTER" | "INVITE", 401) => {
                let mut out = Vec::new();
                if method == "INVITE" {
                    out.push(ack_of(&request, text));
                }
                if first && self.state == State::Trying {
                    let answer = self.phone.answer(&request, text, 1);
                    let again = self.phone.with_answer(&request, &answer);
                    out.push(self.send(again, now));
                }
                out
            }
            ("REGISTER", _) => {
                self.state = State::Over(code);
                Vec::new()
            }
            ("INVITE", 200) => {
                let target = header(text, "Contact").unwrap().trim_matches(['<', '>']).to_owned();
                let parts = ["From", "To", "Record-Route"].map(|name| header(text, name).unwrap().to_owned());
                let [from, to, route] = parts;
                self.dialog = Some([from, to, target, route]);
                if self.state == State::Trying {
                    self.state = State::Up;
                    self.todo = match self.plan {
                        Plan::CallerCancels => Some((now + 1, Todo::HangUp)),
                        Plan::CallerHangsUp => Some((now + 500 + dice.roll(20_000), Todo::HangUp)),
                        _ => None,
                    };
                }
                vec![self.in_dialog("ACK").unwrap()]
            }
            ("INVITE", _) => {
                self.state = State::Over(code);
                self.todo = None;
                vec![ack_of(&request, text)]
            }
            ("BYE", _) => {
                self.state = State::Over(200);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}
