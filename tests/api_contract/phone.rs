//! A phone on UDP.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::sip_text::{SipText, answer};

const PATIENCE: Duration = Duration::from_secs(10);

pub struct Phone {
    socket: UdpSocket,
    server: SocketAddr,
    user: String,
    password: String,
    cseq: u32,
    call: u32,
}

impl Phone {
    pub fn new(server: SocketAddr, user: &str, password: &str) -> Self {
        Self::at("127.0.0.1", server, user, password)
    }

    /// A phone with an address of its own.
    pub fn at(host: &str, server: SocketAddr, user: &str, password: &str) -> Self {
        let socket = UdpSocket::bind((host, 0)).unwrap();
        Self { socket, server, user: user.to_owned(), password: password.to_owned(), cseq: 0, call: 0 }
    }

    /// The status that a REGISTER comes to once its challenge was answered.
    pub fn register(&mut self) -> u16 {
        self.ask("REGISTER", &format!("sip:{}", self.server), &self.user.clone()).status().unwrap()
    }

    /// The final status of a call to `callee`.
    pub fn call(&mut self, callee: &str) -> u16 {
        self.ask("INVITE", &format!("sip:{callee}@{}", self.server), callee).status().unwrap()
    }

    /// Sends an INVITE, answers its challenge, and leaves it ringing.
    pub fn ring(&mut self, callee: &str) {
        let uri = format!("sip:{callee}@{}", self.server);
        let challenge = self.transact("INVITE", &uri, callee, None, 200);
        self.acknowledge(&challenge, &uri);
        let value = answer(challenge.header("WWW-Authenticate"), &self.user, &self.password, "INVITE", &uri);
        self.transact("INVITE", &uri, callee, Some(&value), 100);
    }

    /// Waits for a request and answers it.
    pub fn answer_next(&self, method: &str, status: &str) {
        let deadline = Instant::now() + PATIENCE;
        let request = self.next(deadline, |message| message.method() == Some(method)).unwrap();
        self.socket.send_to(request.response(status).as_bytes(), self.server).unwrap();
    }

    fn ask(&mut self, method: &str, uri: &str, to: &str) -> SipText {
        self.call += 1;
        let challenge = self.transact(method, uri, to, None, 200);
        if challenge.status() != Some(401) {
            return challenge;
        }
        if method == "INVITE" {
            self.acknowledge(&challenge, uri);
        }
        let value = answer(challenge.header("WWW-Authenticate"), &self.user, &self.password, method, uri);
        let last = self.transact(method, uri, to, Some(&value), 200);
        if method == "INVITE" {
            self.acknowledge(&last, uri);
        }
        last
    }

    fn acknowledge(&self, response: &SipText, uri: &str) {
        let text = format!(
            "ACK {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\n\
             Content-Length: 0\r\n\r\n",
            response.header("Via"),
            response.header("From"),
            response.header("To"),
            response.header("Call-ID"),
            self.cseq
        );
        self.socket.send_to(text.as_bytes(), self.server).unwrap();
    }

    /// Sends a request until a response of at least `least` comes.
    fn transact(&mut self, method: &str, uri: &str, to: &str, authorization: Option<&str>, least: u16) -> SipText {
        self.cseq += 1;
        let (local, user, server, cseq) = (self.socket.local_addr().unwrap(), &self.user, self.server, self.cseq);
        let call_id = format!("{}-{}", local.port(), self.call);
        let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{call_id}x{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{server}>;tag=t{}\r\nTo: <sip:{to}@{server}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@{local}>\r\nExpires: 600\r\n{authorization}Content-Length: 0\r\n\r\n",
            local.port()
        );
        let wanted = format!("{cseq} {method}");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.socket.send_to(text.as_bytes(), server).unwrap();
            let answered = self.next(Instant::now() + Duration::from_millis(500), |message| {
                message.status().is_some_and(|status| status >= least)
                    && message.header("CSeq") == wanted
                    && message.header("Call-ID") == call_id
            });
            if let Some(response) = answered {
                return response;
            }
        }
        panic!("no answer to\n{text}");
    }

    fn next(&self, deadline: Instant, wanted: impl Fn(&SipText) -> bool) -> Option<SipText> {
        let mut buffer = [0; 65_535];
        loop {
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.socket.set_read_timeout(Some(left)).unwrap();
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                let message = SipText::new(&buffer[..length]);
                if wanted(&message) {
                    return Some(message);
                }
            }
        }
    }
}
