//! A phone of the virtual network: it composes requests, answers challenges, and reads replies.

use std::net::SocketAddr;

use sipward::auth::{Algorithm, Ha1Set, QopInput, ResponseInput, response};

use super::{REALM, Sent, World};

/// A phone at an address.
#[derive(Clone, Debug)]
pub struct Phone {
    pub user: &'static str,
    pub password: &'static str,
    pub address: SocketAddr,
    /// A stream to the server, where it has one.
    pub connection: Option<u64>,
    pub cseq: u32,
    pub calls: u32,
}

/// The value of the first header field of that name.
pub fn header<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    headers(text, name).into_iter().next()
}

/// The values of all header fields of that name.
pub fn headers<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

/// The status of a response; 0 for a request.
pub fn status(text: &str) -> u16 {
    text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// The value of a quoted parameter.
pub fn quoted<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let start = text.find(&format!("{name}=\""))? + name.len() + 2;
    text[start..].split('"').next()
}

impl Phone {
    pub fn new(user: &'static str, address: &str) -> Self {
        let password = match user {
            "alice" => "alice-secret",
            "bob" => "bob-secret",
            "carol" => "carol-secret",
            "disabled" => "disabled-secret",
            _ => "no-such-user",
        };
        Self { user, password, address: super::address(address), connection: None, cseq: 0, calls: 0 }
    }

    /// The same phone over a stream.
    pub fn over_tcp(mut self, connection: u64) -> Self {
        self.connection = Some(connection);
        self
    }

    pub fn send(&self, world: &mut World, text: &str) -> Vec<Sent> {
        match self.connection {
            Some(connection) => world.stream(self.address, connection, text),
            None => world.datagram(self.address, text),
        }
    }

    fn transport(&self) -> &'static str {
        if self.connection.is_some() { "TCP" } else { "UDP" }
    }

    pub fn contact(&self) -> String {
        let tail = if self.connection.is_some() { ";transport=tcp" } else { "" };
        format!("sip:{}@{}{tail}", self.user, self.address)
    }

    /// A request to `uri` with its own transaction; `extra` is whole header lines.
    pub fn request(&mut self, method: &str, uri: &str, to: &str, call_id: &str, extra: &str, body: &str) -> String {
        self.cseq += 1;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{} {};branch=z9hG4bK{}-{}-{};rport\r\nMax-Forwards: 70\r\nFrom: <sip:{}@127.0.0.1>;tag=from-{}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {} {method}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            self.transport(),
            self.address,
            self.user,
            self.cseq,
            method,
            self.user,
            self.user,
            self.cseq,
            body.len()
        )
    }

    /// A REGISTER for its own address of record; `extra` is whole header lines, Contact among them.
    pub fn register_with(&mut self, extra: &str) -> String {
        let (uri, to) = ("sip:127.0.0.1".to_owned(), format!("<sip:{}@127.0.0.1>", self.user));
        let call_id = format!("reg-{}-{}", self.user, self.address);
        self.request("REGISTER", &uri, &to, &call_id, extra, "")
    }

    pub fn invite_with(&mut self, callee: &str, extra: &str) -> String {
        self.calls += 1;
        let uri = format!("sip:{callee}@127.0.0.1");
        let call_id = format!("call-{}-{}", self.user, self.calls);
        let extra = format!("Contact: <{}>\r\n{extra}", self.contact());
        self.request("INVITE", &uri, &format!("<{uri}>"), &call_id, &extra, "v=0\r\n")
    }

    /// The Authorization line that answers the challenge in `reply` for a repetition of `request`.
    pub fn answer(&self, request: &str, reply: &str, nc: u32) -> String {
        let (field, value) = match header(reply, "WWW-Authenticate") {
            Some(value) => ("Authorization", value),
            None => ("Proxy-Authorization", header(reply, "Proxy-Authenticate").expect("a challenge")),
        };
        let nonce = quoted(value, "nonce").expect("a nonce");
        let algorithm = value.split("algorithm=").nth(1).and_then(|rest| rest.split(',').next()).expect("an algorithm");
        self.answer_with(field, request, nonce, algorithm, nc)
    }

    /// An answer line made from its parts.
    pub fn answer_with(&self, field: &str, request: &str, nonce: &str, algorithm: &str, nc: u32) -> String {
        let mut line = request.split(' ');
        let (method, uri) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
        self.answer_for(field, method, uri, nonce, algorithm, nc)
    }

    /// An answer line for a method and a digest uri, whatever the request says.
    pub fn answer_for(&self, field: &str, method: &str, uri: &str, nonce: &str, algorithm: &str, nc: u32) -> String {
        let which = Algorithm::from_token(algorithm.as_bytes()).expect("a known algorithm");
        let ha1 = Ha1Set::from_password(self.user.as_bytes(), REALM.as_bytes(), self.password.as_bytes());
        let nc_text = format!("{nc:08x}");
        let input = ResponseInput {
            method: method.as_bytes(),
            uri: uri.as_bytes(),
            nonce: nonce.as_bytes(),
            cnonce: b"cn",
            qop: Some(QopInput { qop: b"auth", nc: nc_text.as_bytes() }),
            body: b"",
        };
        let digest = response(which, ha1.get(which).expect("all algorithms"), false, &input);
        format!(
            "{field}: Digest username=\"{}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{}\", algorithm={algorithm}, qop=auth, nc={nc_text}, cnonce=\"cn\"\r\n",
            self.user,
            String::from_utf8_lossy(digest.as_bytes())
        )
    }

    /// The same request once more, as a new transaction with an answer in it.
    pub fn with_answer(&mut self, request: &str, answer: &str) -> String {
        let method = request.split(' ').next().unwrap_or_default();
        let old = self.cseq;
        self.cseq += 1;
        request
            .replace(&format!("CSeq: {old} {method}"), &format!("CSeq: {} {method}", self.cseq))
            .replace(&format!("-{old}-{method};rport"), &format!("-{}-{method};rport", self.cseq))
            .replacen("Content-Length:", &format!("{answer}Content-Length:"), 1)
    }

    /// Sends a request, answers the challenge, and returns what the answered request brought.
    pub fn authenticate(&mut self, world: &mut World, request: &str) -> (String, Vec<Sent>) {
        let reply = self.send(world, request);
        assert_eq!(reply.len(), 1, "one challenge: {reply:?}");
        assert!(matches!(status(&reply[0].text), 401 | 407), "a challenge: {}", reply[0].text);
        if method_of(request) == "INVITE" {
            // The ACK to a stateless refusal ends there.
            let ack = request.replacen("INVITE", "ACK", 1).replace(" INVITE\r\n", " ACK\r\n");
            assert!(self.send(world, &ack).is_empty());
        }
        let answer = self.answer(request, &reply[0].text, 1);
        let again = self.with_answer(request, &answer);
        let sent = self.send(world, &again);
        (again, sent)
    }

    /// Registers its own contact for an hour; panics when that fails.
    pub fn register(&mut self, world: &mut World) {
        let contact = format!("Contact: <{}>;expires=3600\r\n", self.contact());
        let request = self.register_with(&contact);
        let (_, sent) = self.authenticate(world, &request);
        assert_eq!(status(&sent[0].text), 200, "{}", sent[0].text);
    }

    /// A response to a request that reached this phone. `to_tag` is added where the request has none.
    pub fn respond(&self, request: &str, code: u16, to_tag: &str, extra: &str) -> String {
        let mut text = format!("SIP/2.0 {code} Whatever\r\n");
        for line in request.split("\r\n\r\n").next().unwrap_or_default().split("\r\n").skip(1) {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            match name.as_str() {
                "via" | "record-route" | "from" | "call-id" | "cseq" => text += &format!("{line}\r\n"),
                "to" if line.contains("tag=") => text += &format!("{line}\r\n"),
                "to" => text += &format!("{line};tag={to_tag}\r\n"),
                _ => {}
            }
        }
        text + extra + "Content-Length: 0\r\n\r\n"
    }
}

pub fn method_of(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}
