//! A phone as small as a test needs it: registers with digest over UDP, calls, answers.

use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use md5::{Digest, Md5};

pub struct Phone {
    pub socket: UdpSocket,
    server: SocketAddr,
    user: String,
    password: String,
    realm: String,
    number: AtomicU32,
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Phone {
    pub fn new(server: SocketAddr, user: &str, password: &str, realm: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (user, password, realm) = (user.to_owned(), password.to_owned(), realm.to_owned());
        Self { socket, server, user, password, realm, number: AtomicU32::new(0) }
    }

    pub fn receive(&self) -> String {
        let mut buffer = [0; 65_535];
        let length = self.socket.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    pub fn send(&self, message: &str) {
        self.socket.send_to(message.as_bytes(), self.server).unwrap();
    }

    /// Sends a request twice, the second time with the answer to the challenge; gives back the answer to that.
    pub fn ask(&self, method: &str, uri: &str, to: &str, call_id: &str, extra: &str) -> String {
        let mut authorization = String::new();
        loop {
            let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
            let at = self.socket.local_addr().unwrap();
            let (user, host) = (&self.user, self.server);
            self.send(&format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{number}{call_id};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:{user}@{host}>;tag=f{call_id}\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n\
                 Contact: <sip:{user}@{at}>\r\nUser-Agent: Test Phone 1.0\r\n{authorization}{extra}Content-Length: 0\r\n\r\n"
            ));
            let answer = loop {
                let answer = self.receive();
                if !answer.starts_with("SIP/2.0 1") {
                    break answer;
                }
                if answer.starts_with("SIP/2.0 180") {
                    return answer;
                }
            };
            if !answer.starts_with("SIP/2.0 401") || !authorization.is_empty() {
                return answer;
            }
            let nonce = answer.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
            let ha1 = md5(&format!("{user}:{}:{}", self.realm, self.password));
            let response = md5(&format!("{ha1}:{nonce}:00000001:c:auth:{}", md5(&format!("{method}:{uri}"))));
            authorization = format!(
                "Authorization: Digest username=\"{user}\", realm=\"{}\", nonce=\"{nonce}\", uri=\"{uri}\", qop=auth, \
                 nc=00000001, cnonce=\"c\", response=\"{response}\", algorithm=MD5\r\n",
                self.realm
            );
        }
    }

    pub fn register(&self) -> String {
        let (user, host) = (&self.user, self.server);
        self.ask(
            "REGISTER",
            &format!("sip:{host}"),
            &format!("sip:{user}@{host}"),
            &format!("r{user}"),
            "Expires: 600\r\n",
        )
    }

    /// Answers the INVITE that is to come with `status`.
    pub fn answer(&self, status: &str) -> String {
        let invite = loop {
            let message = self.receive();
            if message.starts_with("INVITE") {
                break message;
            }
        };
        self.respond(&invite, status);
        invite
    }

    pub fn respond(&self, request: &str, status: &str) {
        let at = self.socket.local_addr().unwrap();
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for line in request.lines() {
            let kept =
                ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"].iter().any(|name| line.starts_with(name));
            if kept {
                answer += &format!("{line}\r\n");
            } else if line.starts_with("To:") {
                answer += &format!("{line};tag=callee\r\n");
            }
        }
        self.send(&format!("{answer}Contact: <sip:{}@{at}>\r\nContent-Length: 0\r\n\r\n", self.user));
    }
}
