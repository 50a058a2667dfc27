//! SIP digest (RFC 3261 §22, RFC 7616, RFC 8760): challenges, stateless nonces, answers, and protection against replay.
//!
//! Everything works on the bytes as received: an answer is hashed over exactly what the client sent.

mod challenge;
mod credentials;
mod digest;
mod nonce;
mod replay;
mod settings;
mod verify;

pub use challenge::{ChallengeStatus, write_challenge};
pub use credentials::{DigestAnswer, Malformed, NonceCount, Quoted};
pub use digest::{Algorithm, Ha1, Ha1Set, HexDigest, QopInput, ResponseInput, response};
pub use nonce::{NONCE_LENGTH, Nonce, NonceId, NonceKeys, NonceState};
pub use replay::{MemoryReplayWindows, Replay, ReplayWindows};
pub use settings::Settings;
pub use verify::{AuthFailure, Verdict, Verifier};

use uuid::Uuid;

use crate::trunk_id::TrunkId;

/// What the packet path needs of a stored credential: small, copied out of the cache, no lock held.
#[derive(Clone, Copy, Debug)]
pub struct Credential {
    /// The credential's identity.
    pub id: Uuid,
    /// A disabled credential is refused like an unknown one.
    pub enabled: bool,
    /// The one trunk it is for; `None` for a credential of the whole account.
    pub trunk: Option<TrunkId>,
    /// One HA1 per algorithm (RFC 7616 §3.4.2), over the account's realm.
    pub ha1: Ha1Set,
}

/// Where credentials are looked up. Called in the packet path: it must answer from memory and never wait for the disk.
pub trait CredentialSource: Send + Sync {
    /// The credential `username` (case-sensitive) of the account `auth_id`.
    fn credential(&self, auth_id: &str, username: &[u8]) -> Option<Credential>;
}

/// Whom the gate has let in. Only `engine::pipeline` makes one; registrar and proxy take nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admitted {
    /// By a right digest answer of this credential.
    ByCredential(Uuid),
    /// By its address alone: the trunk itself is its identity.
    ByAddress,
}

impl Admitted {
    /// The credential, if it was one.
    pub const fn credential(self) -> Option<Uuid> {
        match self {
            Self::ByCredential(id) => Some(id),
            Self::ByAddress => None,
        }
    }
}
