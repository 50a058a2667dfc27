//! The response context of one forwarded request (RFC 3261 §16.7): its branches, and the best answer so far.

use std::net::SocketAddr;

use smallvec::SmallVec;

use crate::dialog::DialogKey;
use crate::message::{Head, Method};
use crate::output::BranchId;
use crate::transaction::ServerId;

/// One branch of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    pub id: BranchId,
    /// A final response has come, or it has failed.
    pub done: bool,
    /// A provisional response has come, so that it may be cancelled (§9.1).
    pub rings: bool,
    /// A CANCEL has gone out.
    pub cancelled: bool,
}

/// The best final response so far.
#[derive(Debug)]
pub(super) struct Best {
    pub status: u16,
    /// As it goes upstream; empty for one that this server makes itself.
    pub bytes: Vec<u8>,
}

/// A response context.
#[derive(Debug)]
pub(super) struct Context {
    pub server: ServerId,
    pub method: Method,
    /// The request as received, to make replies from.
    pub request: Box<[u8]>,
    pub peer: SocketAddr,
    pub branches: SmallVec<[Branch; 1]>,
    pub best: Option<Best>,
    /// The caller has given up.
    pub cancelled: bool,
    /// A 6xx has come: nobody else need answer (§16.7 step 5).
    pub declined: bool,
    /// A final response went upstream.
    pub answered: bool,
    pub dialog: DialogKey,
    /// Whether this request forms the dialog, rather than being in it.
    pub initial: bool,
}

impl Context {
    pub(super) fn branch_mut(&mut self, id: BranchId) -> Option<&mut Branch> {
        self.branches.iter_mut().find(|branch| branch.id == id)
    }

    pub(super) fn all_done(&self) -> bool {
        self.branches.iter().all(|branch| branch.done)
    }

    /// Keeps a final response other than 2xx if it is better than what is there (§16.7 step 6): any 6xx, else the lowest
    /// class; within a class the first, but those that the caller can act on before others.
    pub(super) fn offer(&mut self, status: u16, bytes: impl FnOnce() -> Vec<u8>) {
        if self.best.as_ref().is_none_or(|best| rank(status) < rank(best.status)) {
            self.best = Some(Best { status, bytes: bytes() });
        }
    }

    /// Puts the challenges of a further 401 or 407 into the one that will go upstream, so that the caller can answer all
    /// of them at once (§16.7 step 7).
    pub(super) fn add_challenges(&mut self, head: &Head<'_>) {
        let Some(best) = self.best.as_mut().filter(|best| matches!(best.status, 401 | 407)) else { return };
        let Some(end) = memchr::memmem::find(&best.bytes, b"\r\n\r\n") else { return };
        let is_challenge = |name: &[u8]| {
            name.eq_ignore_ascii_case(b"WWW-Authenticate") || name.eq_ignore_ascii_case(b"Proxy-Authenticate")
        };
        let challenges = head.fields().iter().filter(|field| is_challenge(head.written_name(field)));
        let lines: Vec<u8> = challenges.flat_map(|field| head.slice(field.start, field.end)).copied().collect();
        best.bytes.splice(end + 2..end + 2, lines);
    }
}

/// Lower is better.
fn rank(status: u16) -> u16 {
    let class = match status {
        600.. => 0,
        other => other / 100 * 10,
    };
    let within = match status {
        401 | 407 | 415 | 420 | 484 => 0,
        // Nobody learns anything from a branch that did not answer while another did.
        408 | 503 => 2,
        _ => 1,
    };
    class + within
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn the_best_response_is_that_of_rfc_3261_16_7_step_6() {
        for (better, worse) in
            [(603, 302), (302, 404), (404, 500), (401, 404), (407, 486), (486, 408), (404, 503), (600, 200)]
        {
            assert!(rank(better) < rank(worse), "{better} {worse}");
        }
    }
}
