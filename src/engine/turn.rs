//! One turn of the engine: what it works with, and the replies it makes without state.

use std::net::SocketAddr;

use crate::auth::write_challenge;
use crate::clock::Timestamp;
use crate::dialog::DialogKey;
use crate::event::{Event, Observer, Outcome};
use crate::flow::{Flow, Transport};
use crate::message::second_reader::SecondReading;
use crate::message::{
    DEFAULT_PORT, Head, Malformed, Method, Name, Reply, Request, Via, lex, reason_phrase, second_reader,
};
use crate::output::{Output, ReplyWay};
use crate::proxy::{Job, Proxy, Routes, Targets, Turn};
use crate::transaction::ServerKey;
use crate::trunk::Trunk;

use super::Engine;

/// The time, where bytes go, and who hears of it.
pub(super) struct Scene<'e> {
    pub now: Timestamp,
    pub out: &'e mut Output,
    pub observer: &'e mut dyn Observer,
}

/// A reply of ours.
pub(super) fn reply_to<'r, 'a>(
    head: &'r Head<'a>,
    flow: &Flow,
    status: u16,
    reason: &'r str,
    tag: &'r [u8; 16],
) -> Reply<'r, 'a> {
    Reply { head, peer: flow.peer, status, reason, to_tag: (status > 100).then_some(tag) }
}

impl Engine {
    /// The proxy, and what it works with.
    pub(super) fn proxy_turn<'e>(&'e mut self, scene: &'e mut Scene<'_>) -> (&'e mut Proxy, Turn<'e>) {
        let turn = Turn {
            now: scene.now,
            out: scene.out,
            observer: scene.observer,
            transactions: &mut self.transactions,
            rng: &mut self.rng,
        };
        (&mut self.proxy, turn)
    }

    /// The way a response goes (RFC 3261 §18.2.2, RFC 3581 §4).
    #[expect(clippy::unused_self, reason = "reads as one of the engine's questions")]
    pub(super) fn reply_way(&self, via: &Via<'_>, flow: &Flow) -> ReplyWay {
        match flow.transport {
            Transport::Udp => ReplyWay { flow: Flow { peer: via.reply_to(flow.peer), ..*flow }, fallback: None },
            Transport::Tcp => {
                let port = via.port.unwrap_or(DEFAULT_PORT);
                ReplyWay { flow: *flow, fallback: Some(SocketAddr::new(flow.peer.ip(), port)) }
            }
        }
    }

    /// The tag of a stateless answer.
    pub(super) fn tag(&self, head: &Head<'_>) -> [u8; 16] {
        lex::hex(self.shared.stateless_tag(head))
    }

    /// Answers without state, where the topmost Via says where to.
    pub(super) fn reply(
        &self,
        head: &Head<'_>,
        flow: &Flow,
        status: u16,
        reason: &str,
        scene: &mut Scene<'_>,
        extra: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(via) = Reply::can_address(head) else { return };
        let tag = self.tag(head);
        let reply = reply_to(head, flow, status, reason, &tag);
        // Whoever has not been let in is not called back: no stream is opened for a refusal.
        let way = ReplyWay { fallback: None, ..self.reply_way(&via, flow) };
        scene.out.push_reply(way, |out| reply.write(out, extra));
    }

    /// Refuses without state.
    pub(super) fn refuse(
        &self,
        request: &Request<'_>,
        flow: &Flow,
        status: u16,
        outcome: Outcome,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        self.reply(&request.head, flow, status, reason_phrase(status), scene, |_| ());
        outcome
    }

    /// 420 with what is not supported: nothing is (RFC 3261 §8.2.2.3).
    pub(super) fn refuse_extensions(
        &self,
        request: &Request<'_>,
        flow: &Flow,
        demands: Name,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        self.reply(&request.head, flow, 420, "Bad Extension", scene, |out| {
            for value in request.head.all(demands) {
                out.extend_from_slice(b"Unsupported: ");
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
        });
        Outcome::BadExtension
    }

    /// Refuses what could not be read, if its sender can be told.
    pub(super) fn refuse_malformed(
        &self,
        head: &Head<'_>,
        Malformed { status, reason }: Malformed,
        flow: &Flow,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        let line = lex::trim_start(head.start_line());
        // Neither an ACK nor a response is ever answered (RFC 3261 §17.1.1.3, §18.1.2).
        let is_ack = line.strip_prefix(b"ACK").is_some_and(|rest| matches!(rest, [b' ' | b'\t', ..] | []));
        let is_response = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
        if is_ack || is_response || Reply::can_address(head).is_none() {
            return Outcome::Unreadable;
        }
        self.reply(head, flow, status, reason, scene, |_| ());
        match status {
            416 => Outcome::UnsupportedScheme,
            505 => Outcome::VersionNotSupported,
            _ => Outcome::Malformed,
        }
    }

    /// Challenges. Whatever the outcome, the bytes are the same, the nonce apart.
    pub(super) fn challenge(
        &mut self,
        request: &Request<'_>,
        flow: &Flow,
        trunk: &Trunk,
        outcome: Outcome,
        stale: bool,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        use rand::Rng;
        let status = if request.method == Method::Register {
            crate::auth::ChallengeStatus::Unauthorized
        } else {
            trunk.call_challenge
        };
        let realm = trunk.account.realm.as_bytes();
        let nonce = self.shared.nonces.mint(realm, self.rng.next_u64(), scene.now);
        self.reply(&request.head, flow, status.code(), status.reason(), scene, |out| {
            for &algorithm in &trunk.algorithms {
                write_challenge(out, status, realm, &nonce, algorithm, stale);
            }
        });
        outcome
    }

    /// Has an INVITE that starts a dialog read by rsip as well, and tells whether it read the same. What it read is of use
    /// only if it did.
    #[expect(clippy::unused_self, reason = "a step of the pipeline")]
    pub(super) fn second_reading(&self, request: &Request<'_>, scene: &mut Scene<'_>) -> Option<SecondReading> {
        let (event, reading) = match second_reader::read(request.head.bytes()) {
            Err(second_reader::Refused) => (Event::SecondReaderRefused, None),
            Ok(second) => match second.difference(request.call_id, request.cseq) {
                Some(field) => (Event::SecondReaderDiffered { field }, None),
                None => (Event::SecondReaderAgreed, Some(second)),
            },
        };
        scene.observer.observe(&event);
        reading
    }

    #[expect(clippy::too_many_arguments, reason = "what the decision has found out so far")]
    pub(super) fn job<'r, 'a>(
        &self,
        request: &'r Request<'a>,
        came: &'r Flow,
        key: ServerKey,
        routes: &Routes<'_>,
        trunk: &'r Trunk,
        dialog: DialogKey,
        initial: bool,
        targets: Targets,
    ) -> Job<'r, 'a> {
        let reply = self.reply_way(&request.via, came);
        let (trunk, realm) = (trunk.id, &*trunk.account.realm);
        Job {
            request,
            came,
            reply,
            key,
            trunk,
            realm,
            own_routes: routes.ours,
            dialog,
            token: None,
            initial,
            second: None,
            targets,
        }
    }
}
