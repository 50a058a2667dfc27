//! A phone on UDP whose every packet the test sees. It outlives the server, as a desk phone does.

use crate::support::seed::password;
use crate::support::sip_text::SipText;
use crate::support::sip_text::answer;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;
use std::time::Instant;

/// How long a request is sent again and again for (RFC 3261 §17.1 waits 32 s; the server is on this machine).
const PATIENCE: Duration = Duration::from_secs(6);
/// Timer T1.
const T1: Duration = Duration::from_millis(500);

/// A phone with a fixed contact.
pub struct Phone {
    socket: UdpSocket,
    server: SocketAddr,
    user: String,
    cseq: u32,
}

/// A request before it is written out.
struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    to_user: &'a str,
    call_id: &'a str,
    authorization: Option<&'a str>,
}

impl Phone {
    /// A phone of `user`, with the password of [`password`].
    pub fn new(server: SocketAddr, user: &str) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).expect("a phone finds a free port");
        Self { socket, server, user: user.to_owned(), cseq: 0 }
    }

    /// The URI that the phone registers.
    pub fn contact(&self) -> String {
        format!("sip:{}@{}", self.user, self.socket.local_addr().unwrap())
    }

    /// Registers for ten minutes; panics unless that takes one challenge and one 200 that shows the contact.
    pub fn register(&mut self) {
        let (uri, user) = (format!("sip:{}", self.server), self.user.clone());
        let call_id = format!("register-{}", self.socket.local_addr().unwrap());
        let response = self.authorized("REGISTER", &uri, &user, &call_id);
        assert_eq!(response.status(), Some(200), "{response:?}");
        let contact = self.contact();
        assert!(response.headers("Contact").any(|value| value.contains(&contact)), "{contact} not in {response:?}");
    }

    /// Sends an INVITE for `callee`, answers the challenge, and leaves the call with the callee's phone.
    /// Gives back the Call-ID.
    pub fn invite(&mut self, callee: &str) -> String {
        let uri = format!("sip:{callee}@{}", self.server);
        let call_id = format!("call-{callee}-{}", self.socket.local_addr().unwrap());
        let first = self.authorized("INVITE", &uri, callee, &call_id);
        assert_eq!(first.status(), Some(100), "{first:?}");
        call_id
    }

    /// The next request with this method; other messages are passed over. Panics when none comes.
    pub fn expect_request(&self, method: &str) -> SipText {
        self.expect(method, |message| message.method() == Some(method))
    }

    /// The final response to the INVITE with this Call-ID. Panics when none comes.
    pub fn expect_final(&self, call_id: &str) -> SipText {
        self.expect("final response", |message| {
            message.status().is_some_and(|status| status >= 200) && message.header("Call-ID") == call_id
        })
    }

    /// Answers a request.
    pub fn respond(&self, request: &SipText, status: &str) {
        self.socket.send_to(request.response(status).as_bytes(), self.server).expect("a response can be sent");
    }

    /// Sends a request, meets the challenge with an answer, and gives back the first response to that.
    fn authorized(&mut self, method: &str, uri: &str, to_user: &str, call_id: &str) -> SipText {
        let plain = Request { method, uri, to_user, call_id, authorization: None };
        let challenge = self.transact(&plain, false);
        assert_eq!(challenge.status(), Some(401), "{challenge:?}");
        if method == "INVITE" {
            self.acknowledge(&plain, challenge.header("To"));
        }
        let password = password(&self.user);
        let value = answer(challenge.header("WWW-Authenticate"), &self.user, &password, method, uri);
        self.transact(&Request { authorization: Some(&value), ..plain }, method == "INVITE")
    }

    /// Sends a request until it is answered; provisional responses count only when `provisional`.
    fn transact(&mut self, request: &Request<'_>, provisional: bool) -> SipText {
        self.cseq += 1;
        let text = self.write(request, self.cseq, &format!("<sip:{}@{}>", request.to_user, self.server));
        let cseq = format!("{} {}", self.cseq, request.method);
        let (deadline, mut interval) = (Instant::now() + PATIENCE, T1);
        while Instant::now() < deadline {
            self.socket.send_to(text.as_bytes(), self.server).expect("a request can be sent");
            let answered = self.next(Instant::now() + interval, |message| {
                message.status().is_some_and(|status| provisional || status >= 200)
                    && message.header("CSeq") == cseq
                    && message.header("Call-ID") == request.call_id
            });
            if let Some(response) = answered {
                return response;
            }
            interval *= 2;
        }
        panic!("no answer in {PATIENCE:?} to\n{text}");
    }

    fn acknowledge(&self, invite: &Request<'_>, to: &str) {
        let ack = self.write(&Request { method: "ACK", ..*invite }, self.cseq, to);
        self.socket.send_to(ack.as_bytes(), self.server).expect("an ACK can be sent");
    }

    fn write(&self, request: &Request<'_>, cseq: u32, to: &str) -> String {
        let Request { method, uri, call_id, authorization, .. } = request;
        let (user, server) = (&self.user, self.server);
        let local = self.socket.local_addr().unwrap();
        // An ACK to a refusal has the branch of its INVITE, and so the same CSeq number.
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{call_id}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{server}>;tag={user}-{}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n",
            local.port()
        );
        if *method != "ACK" {
            text += &format!("Contact: <{}>\r\n", self.contact());
        }
        if *method == "REGISTER" {
            text += "Expires: 600\r\n";
        }
        if let Some(value) = authorization {
            text += &format!("Authorization: {value}\r\n");
        }
        text + "Content-Length: 0\r\n\r\n"
    }

    fn expect(&self, what: &str, wanted: impl Fn(&SipText) -> bool) -> SipText {
        let message = self.next(Instant::now() + PATIENCE, wanted);
        message.unwrap_or_else(|| panic!("{} got no {what} in {PATIENCE:?}", self.user))
    }

    /// The next wanted message that arrives before `deadline`.
    fn next(&self, deadline: Instant, wanted: impl Fn(&SipText) -> bool) -> Option<SipText> {
        let mut buffer = [0; 65_535];
        loop {
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.socket.set_read_timeout(Some(left)).expect("a timeout can be set");
            // While the server is away its port answers with ICMP, which shows as an error here.
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                let message = SipText::new(&buffer[..length]);
                if wanted(&message) {
                    return Some(message);
                }
            }
        }
    }
}
