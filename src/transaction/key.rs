//! Which transaction a message belongs to (RFC 3261 §17.2.3).

use std::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::flow::Flow;
use crate::message::{MAGIC_COOKIE, Method, Request};

/// A key of a server transaction: a keyed 128-bit hash, so that nobody outside can make two collide and no key needs
/// memory of its own.
///
/// The peer's address and port are part of it. RFC 3261 asks for branch, sent-by and method only; with the peer in it, a
/// request captured and sent again from elsewhere matches nothing and has to pass the gate by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ServerKey(u128);

/// Makes keys. One per process.
#[derive(Clone, Copy)]
pub struct KeyMaker {
    secret: [u8; 16],
}

impl std::fmt::Debug for KeyMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyMaker(<redacted>)")
    }
}

impl KeyMaker {
    /// Makes keys under `secret`.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// The key under which `request` is known, where `method` is that of the transaction: INVITE for the ACK and the
    /// CANCEL that belong to one.
    pub fn server(&self, request: &Request<'_>, method: Method, flow: &Flow) -> ServerKey {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        flow.peer.hash(&mut hasher);
        flow.transport.hash(&mut hasher);
        let mut part = |bytes: &[u8]| {
            hasher.write(bytes);
            hasher.write_u8(0xff);
        };
        match request.via.branch().filter(|branch| branch.starts_with(MAGIC_COOKIE)) {
            Some(branch) => {
                part(branch);
                part(request.via.host);
            }
            // RFC 3261 §17.2.3, for RFC 2543 clients. The To tag is left out, for the ACK has one and the INVITE none.
            None => {
                part(request.uri.raw);
                part(request.from.tag().unwrap_or_default());
                part(request.call_id);
                part(&request.cseq.to_be_bytes());
                part(request.via.raw);
            }
        }
        part(match method {
            Method::Other => request.method_token,
            Method::Invite => b"INVITE",
            Method::Ack => b"ACK",
            Method::Bye => b"BYE",
            Method::Cancel => b"CANCEL",
            Method::Register => b"REGISTER",
            Method::Options => b"OPTIONS",
            Method::Subscribe => b"SUBSCRIBE",
            Method::Refer => b"REFER",
            Method::Update => b"UPDATE",
        });
        hasher.write_u16(request.via.port.unwrap_or(0));
        ServerKey(hasher.finish128().as_u128())
    }
}
