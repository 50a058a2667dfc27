//! Calls of the virtual network: set up, acknowledged, cancelled and hung up as RFC 3261 says, and the checks that
//! every scenario ends with.

use std::time::Duration;

use sipward::engine::Load;

use super::phone::{Phone, header, headers, method_of, status};
use super::{Sent, World};

pub const MS: fn(u64) -> Duration = Duration::from_millis;
pub const S: fn(u64) -> Duration = Duration::from_secs;

/// A call from one phone to another, with the route set of each side.
pub struct Call {
    pub caller: Phone,
    pub callee: Phone,
    /// The INVITE that was let in, as the caller sent it.
    pub invite: String,
    /// The INVITE as it reached the callee.
    pub forwarded: Sent,
    /// The 200 as it reached the caller.
    pub answer: String,
    pub caller_cseq: u32,
    pub callee_cseq: u32,
}

/// The status of everything sent; 0 for a request.
pub fn statuses(sent: &[Sent]) -> Vec<u16> {
    sent.iter().map(|sent| status(&sent.text)).collect()
}

/// What each message sent is: the method of a request, the status of a response; and the port it goes to.
pub fn shown(sent: &[Sent]) -> Vec<String> {
    let kind = |text: &str| match status(text) {
        0 => method_of(text).to_owned(),
        code => code.to_string(),
    };
    sent.iter().map(|sent| format!("{} {}", kind(&sent.text), sent.flow.peer.port())).collect()
}

/// The only message of a list.
pub fn only(sent: Vec<Sent>) -> Sent {
    let [one] = <[Sent; 1]>::try_from(sent).unwrap_or_else(|sent| panic!("one message, not {:?}", shown(&sent)));
    one
}

/// The requests among what was sent.
pub fn requests(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|sent| status(&sent.text) == 0).collect()
}

/// A header line of a message, name and line end included; empty without one.
fn line(text: &str, name: &str) -> String {
    header(text, name).map(|value| format!("{name}: {value}\r\n")).unwrap_or_default()
}

/// The Request-URI.
pub fn uri_of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default()
}

/// The body.
pub fn body_of(text: &str) -> &str {
    text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn hop_request(invite: &str, method: &str, to: &str) -> String {
    let cseq = header(invite, "CSeq").unwrap().replace("INVITE", method);
    let routes: String = headers(invite, "Route").iter().map(|route| format!("Route: {route}\r\n")).collect();
    format!(
        "{method} {} SIP/2.0\r\n{}{routes}Max-Forwards: 70\r\n{}To: {to}\r\n{}CSeq: {cseq}\r\nContent-Length: 0\r\n\r\n",
        uri_of(invite),
        line(invite, "Via"),
        line(invite, "From"),
        line(invite, "Call-ID"),
    )
}

/// The CANCEL of an INVITE.
pub fn cancel_of(invite: &str) -> String {
    hop_request(invite, "CANCEL", header(invite, "To").unwrap())
}

/// The ACK for a final response other than 2xx.
pub fn ack_of(invite: &str, response: &str) -> String {
    hop_request(invite, "ACK", header(response, "To").unwrap())
}

/// The branch of the topmost Via.
pub fn branch_of(text: &str) -> &str {
    let via = header(text, "Via").unwrap();
    via.split("branch=").nth(1).unwrap().split([';', ',']).next().unwrap()
}

/// The user and address in angle brackets.
fn bracketed(value: &str) -> &str {
    value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(uri, _)| uri)
}

impl World {
    /// Lets time pass and tells of everything that was sent when it was sent, in milliseconds from now.
    pub fn pass_timed(&mut self, span: Duration) -> Vec<(u64, Sent)> {
        let (start, until) = (self.now, self.now + span);
        let mut timed = Vec::new();
        while let Some(next) = self.engine.next_timeout().filter(|next| *next <= until) {
            let sent = self.pass(next.since(self.now));
            let at = self.now.since(start).as_millis() as u64;
            timed.extend(sent.into_iter().map(|sent| (at, sent)));
        }
        let rest = until.since(self.now);
        timed.extend(self.pass(rest).into_iter().map(|sent| (span.as_millis() as u64, sent)));
        timed
    }

    /// The milliseconds from now at which requests of that method, or responses of that status, are sent.
    pub fn times_of(&mut self, what: &str, span: Duration) -> Vec<u64> {
        let is = |sent: &Sent| match status(&sent.text) {
            0 => method_of(&sent.text) == what,
            code => code.to_string() == what,
        };
        self.pass_timed(span).into_iter().filter(|(_, sent)| is(sent)).map(|(at, _)| at).collect()
    }

    /// Whatever went on, five minutes later nothing is left of it.
    pub fn assert_all_over(&mut self) {
        self.pass(S(300));
        assert_eq!(self.engine.load(), Load::default(), "something is left");
        assert!(self.shared.dialogs.is_empty(), "{:?}", self.shared.dialogs);
    }
}

/// Sends an INVITE through the challenge. Returns it as it was let in, and what was sent because of it: a 100 and the
/// INVITEs to the callee's phones.
pub fn invite(world: &mut World, caller: &mut Phone, callee: &str) -> (String, Vec<Sent>) {
    let request = caller.invite_with(callee, "");
    let (invite, sent) = caller.authenticate(world, &request);
    assert_eq!(statuses(&sent[..1]), [100], "{}", sent[0].text);
    (invite, requests(sent))
}

/// A world with alice calling bob over UDP: the INVITE as alice sent it and as bob has it.
pub fn ringing() -> (World, Phone, Phone, String, Sent) {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let (sent_invite, forwarded) = invite(&mut world, &mut alice, "bob");
    (world, alice, bob, sent_invite, only(forwarded))
}

impl Call {
    /// Registers the callee, calls it, answers and acknowledges.
    pub fn set_up(world: &mut World, caller: Phone, callee: Phone) -> Self {
        let mut call = Self::answered(world, caller, callee);
        let ack = call.ack();
        let acked = only(call.caller.send(world, &ack));
        assert_eq!((method_of(&acked.text), acked.flow.peer), ("ACK", call.callee.address));
        call
    }

    /// As before, with the ACK still to be sent.
    pub fn answered(world: &mut World, mut caller: Phone, mut callee: Phone) -> Self {
        callee.register(world);
        let (sent_invite, forwarded) = invite(world, &mut caller, callee.user);
        let forwarded = only(forwarded);
        let contact = format!("Contact: <{}>\r\n", callee.contact());
        let rang = callee.send(world, &callee.respond(&forwarded.text, 180, "callee", &contact));
        assert_eq!(statuses(&rang), [180]);
        let answered = only(callee.send(world, &callee.respond(&forwarded.text, 200, "callee", &contact)));
        assert_eq!((status(&answered.text), answered.flow.peer), (200, caller.address));
        let caller_cseq = header(&sent_invite, "CSeq").unwrap().split(' ').next().unwrap().parse().unwrap();
        Self { caller, callee, invite: sent_invite, forwarded, answer: answered.text, caller_cseq, callee_cseq: 100 }
    }

    /// The caller's route set: Record-Route of the answer, backwards (RFC 3261 §12.1.2).
    pub fn caller_routes(&self) -> Vec<String> {
        headers(&self.answer, "Record-Route").into_iter().rev().map(str::to_owned).collect()
    }

    /// The callee's route set: Record-Route of the INVITE (RFC 3261 §12.1.1).
    pub fn callee_routes(&self) -> Vec<String> {
        headers(&self.forwarded.text, "Record-Route").into_iter().map(str::to_owned).collect()
    }

    pub fn call_id(&self) -> &str {
        header(&self.invite, "Call-ID").unwrap()
    }

    /// The ACK for the 200.
    pub fn ack(&self) -> String {
        self.compose(true, "ACK", self.caller_cseq, "", "")
    }

    /// The next request of the caller in the dialog; `extra` is whole header lines.
    pub fn caller_request(&mut self, method: &str, extra: &str, body: &str) -> String {
        self.caller_cseq += 1;
        self.compose(true, method, self.caller_cseq, extra, body)
    }

    /// The next request of the callee in the dialog.
    pub fn callee_request(&mut self, method: &str, extra: &str, body: &str) -> String {
        self.callee_cseq += 1;
        self.compose(false, method, self.callee_cseq, extra, body)
    }

    fn compose(&self, by_caller: bool, method: &str, cseq: u32, extra: &str, body: &str) -> String {
        let (from, to) = (header(&self.answer, "From").unwrap(), header(&self.answer, "To").unwrap());
        let (phone, from, to, uri, routes) = if by_caller {
            (&self.caller, from, to, header(&self.answer, "Contact"), self.caller_routes())
        } else {
            (&self.callee, to, from, header(&self.forwarded.text, "Contact"), self.callee_routes())
        };
        let transport = if phone.connection.is_some() { "TCP" } else { "UDP" };
        let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let call_id = self.call_id();
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/{transport} {};branch=z9hG4bK{}-{call_id}-{cseq}-{method};rport\r\n{routes}Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <{}>\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            bracketed(uri.unwrap()),
            phone.address,
            phone.user,
            phone.contact(),
            body.len(),
        )
    }

    /// A request of one side reaches the other, and its 200 comes back. Returns the request as it was forwarded.
    pub fn exchange(&mut self, world: &mut World, by_caller: bool, method: &str, extra: &str, body: &str) -> Sent {
        let request =
            if by_caller { self.caller_request(method, extra, body) } else { self.callee_request(method, extra, body) };
        let (here, there) = if by_caller { (&self.caller, &self.callee) } else { (&self.callee, &self.caller) };
        let sent = requests(here.send(world, &request));
        let forwarded = only(sent);
        assert_eq!(forwarded.flow.peer, there.address, "{}", forwarded.text);
        assert_eq!(uri_of(&forwarded.text), there.contact());
        assert!(header(&forwarded.text, "Route").is_none());
        let contact = format!("Contact: <{}>\r\n", there.contact());
        let back = only(there.send(world, &there.respond(&forwarded.text, 200, "unused", &contact)));
        assert_eq!((status(&back.text), back.flow.peer), (200, here.address));
        assert_eq!(headers(&back.text, "Via").len(), 1);
        if method == "INVITE" {
            let cseq = if by_caller { self.caller_cseq } else { self.callee_cseq };
            let ack = self.compose(by_caller, "ACK", cseq, "", "");
            let acked = only(here.send(world, &ack));
            assert_eq!((method_of(&acked.text), acked.flow.peer), ("ACK", there.address));
        }
        forwarded
    }

    /// The caller hangs up; the callee agrees.
    pub fn hang_up(&mut self, world: &mut World) {
        self.exchange(world, true, "BYE", "", "");
    }
}
