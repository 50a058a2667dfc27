//! A binding, the record of an address of record, and the form in which both are stored.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::flow::{ConnectionId, Flow, Transport};

/// One registered contact (RFC 3261 §10.3).
#[derive(Clone, Debug)]
pub struct Binding {
    /// The contact URI, byte for byte as registered, without angle brackets.
    pub contact: Box<[u8]>,
    /// The flow it was registered over.
    pub flow: Flow,
    /// Call-ID of the REGISTER that last touched it.
    pub call_id: Box<[u8]>,
    /// CSeq number of that REGISTER.
    pub cseq: u32,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Preference in thousandths, 0 to 1000 (RFC 3261 §20.10).
    pub q: u16,
    /// The credential that registered it, so that revoking the credential drops it; `None` when admitted by address.
    pub credential: Option<Uuid>,
    /// User-Agent of the client, shortened; shared between bindings of the same product.
    pub user_agent: Arc<str>,
    /// The REGISTER that last touched it.
    pub answered: Answered,
}

/// Mark of a REGISTER that was answered, so that its retransmission gets the same answer and not a new challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answered {
    /// Keyed hash over peer, branch, Call-ID, CSeq and digest response.
    pub mark: u64,
    /// When it was answered.
    pub at: Timestamp,
}

impl Answered {
    /// How long a REGISTER is remembered: Timer J of RFC 3261 §17.2.2.
    const REMEMBERED: Duration = Duration::from_secs(32);
    /// How many REGISTERs that no binding remembers are remembered for one address of record.
    const MOST: usize = 16;

    pub(super) fn is_remembered(&self, now: Timestamp) -> bool {
        now.since(self.at) < Self::REMEMBERED
    }
}

/// All that is known of one address of record.
#[derive(Clone, Debug, Default)]
pub struct AorRecord {
    /// Its bindings, in the order in which they were first made.
    pub bindings: SmallVec<[Binding; 1]>,
    /// The last REGISTERs that were answered with 200 and that no binding remembers: removals and fetches.
    without_binding: SmallVec<[Answered; 2]>,
    /// When a REGISTER was last answered.
    pub(super) answered_at: Option<Timestamp>,
    /// Whether the store has been told of a change that it has not yet written.
    pub dirty: bool,
    /// The second for which the sweep has this record on its list; 0 for none.
    pub(super) scheduled_s: u64,
}

impl Binding {
    /// No fewer bytes than it takes in the store.
    pub fn stored_bytes(&self) -> usize {
        /// Addresses, numbers and lengths.
        const REST: usize = 96;
        self.contact.len() + self.call_id.len() + self.user_agent.len() + REST
    }
}

impl AorRecord {
    /// Most bytes of all bindings together; what is larger could not be stored.
    pub const MOST_STORED_BYTES: usize = 32 * 1024 - 16;

    /// Whether the REGISTER of that mark was answered less than 32 s ago.
    pub fn has_answered(&self, mark: u64, now: Timestamp) -> bool {
        let by_bindings = self.bindings.iter().map(|binding| &binding.answered);
        by_bindings.chain(&self.without_binding).any(|seen| seen.mark == mark && seen.is_remembered(now))
    }

    /// Notes a REGISTER that is answered now. It need not be noted a second time where a binding remembers it for long
    /// enough, so that however many phones one user has, each finds its own answer again.
    pub fn note_answered(&mut self, mark: u64, at: Timestamp) {
        self.answered_at = Some(at);
        let remembers =
            |binding: &Binding| binding.answered.mark == mark && !binding.answered.is_remembered(binding.expires_at);
        if self.bindings.iter().any(remembers) {
            return;
        }
        self.without_binding.retain(|seen| seen.is_remembered(at));
        if self.without_binding.len() >= Answered::MOST {
            self.without_binding.remove(0);
        }
        self.without_binding.push(Answered { mark, at });
    }

    /// Gives back the room that REGISTERs of the past have taken.
    pub(super) fn forget_answered(&mut self, now: Timestamp) {
        self.without_binding.retain(|seen| seen.is_remembered(now));
        self.without_binding.shrink_to_fit();
    }

    /// The second in which something about this record changes next: a binding ends, or an empty record has lingered.
    pub(super) fn next_change_s(&self) -> u64 {
        let ends = self.bindings.iter().map(|binding| binding.expires_at.secs()).min();
        ends.unwrap_or_else(|| self.answered_at.unwrap_or_default().secs() + 32)
    }
}

/// A binding as stored: [`Binding`] without what only a running process knows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredBinding {
    /// As [`Binding::contact`].
    pub contact: Vec<u8>,
    /// Whether the flow is a stream.
    pub tcp: bool,
    /// As [`Flow::local`].
    pub local: SocketAddr,
    /// As [`Flow::peer`].
    pub peer: SocketAddr,
    /// As [`Binding::call_id`].
    pub call_id: Vec<u8>,
    /// As [`Binding::cseq`].
    pub cseq: u32,
    /// As [`Binding::expires_at`], in seconds since the Unix epoch.
    pub expires_at_s: u64,
    /// As [`Binding::q`].
    pub q: u16,
    /// As [`Binding::credential`].
    pub credential: Option<Uuid>,
    /// As [`Binding::user_agent`].
    pub user_agent: String,
}

/// The stored bindings of one address of record.
pub type StoredRecord = Vec<StoredBinding>;

impl From<&Binding> for StoredBinding {
    fn from(binding: &Binding) -> Self {
        Self {
            contact: binding.contact.to_vec(),
            tcp: binding.flow.transport == Transport::Tcp,
            local: binding.flow.local,
            peer: binding.flow.peer,
            call_id: binding.call_id.to_vec(),
            cseq: binding.cseq,
            expires_at_s: binding.expires_at.secs(),
            q: binding.q,
            credential: binding.credential,
            user_agent: binding.user_agent.to_string(),
        }
    }
}

impl From<StoredBinding> for Binding {
    fn from(stored: StoredBinding) -> Self {
        Self {
            contact: stored.contact.into(),
            flow: Flow {
                transport: if stored.tcp { Transport::Tcp } else { Transport::Udp },
                local: stored.local,
                peer: stored.peer,
                connection: ConnectionId::NONE,
            },
            call_id: stored.call_id.into(),
            cseq: stored.cseq,
            expires_at: Timestamp::from_secs(stored.expires_at_s),
            q: stored.q,
            credential: stored.credential,
            user_agent: stored.user_agent.into(),
            answered: Answered::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    #[test]
    fn what_no_binding_remembers_is_remembered_in_little_room_and_for_32_seconds() {
        let mut record = AorRecord::default();
        for mark in 0..100 {
            record.note_answered(mark, NOW);
        }
        assert_eq!(
            (0..100).filter(|&mark| record.has_answered(mark, NOW)).collect::<Vec<_>>(),
            Vec::from_iter(84..100)
        );
        let later = NOW + Duration::from_secs(32);
        assert!(record.has_answered(99, NOW + Duration::from_millis(31_999)) && !record.has_answered(99, later));
        record.forget_answered(later);
        assert!(!record.without_binding.spilled());
    }
}
