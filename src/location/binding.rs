//! A binding, the record of an address of record, and the form in which both are stored.

use std::net::SocketAddr;
use std::sync::Arc;

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
}

/// Mark of a REGISTER that was answered, so that its retransmission gets the same answer and not a new challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answered {
    /// Keyed hash over peer, branch, Call-ID, CSeq and digest response.
    pub mark: u64,
    /// When it was answered.
    pub at: Timestamp,
}

/// All that is known of one address of record.
#[derive(Clone, Debug, Default)]
pub struct AorRecord {
    /// Its bindings, in the order in which they were first made.
    pub bindings: SmallVec<[Binding; 1]>,
    /// The last REGISTERs that were answered with 200.
    pub answered: [Answered; 2],
    /// Whether the store has been told of a change that it has not yet written.
    pub dirty: bool,
    /// The second for which the sweep has this record on its list; 0 for none.
    pub(super) scheduled_s: u64,
}

impl AorRecord {
    /// When a REGISTER was last answered.
    pub fn answered_at(&self) -> Option<Timestamp> {
        self.answered.iter().map(|answered| answered.at).max().filter(|at| *at != Timestamp::default())
    }

    /// Notes an answered REGISTER in place of the oldest noted one.
    pub fn note_answered(&mut self, mark: u64, at: Timestamp) {
        let [newest, oldest] = &mut self.answered;
        *oldest = std::mem::replace(newest, Answered { mark, at });
    }

    /// The second in which something about this record changes next: a binding ends, or an empty record has lingered.
    pub(super) fn next_change_s(&self) -> u64 {
        let ends = self.bindings.iter().map(|binding| binding.expires_at.secs()).min();
        ends.unwrap_or_else(|| self.answered_at().unwrap_or_default().secs() + 32)
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
        }
    }
}
