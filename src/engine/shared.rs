//! What the engines of all shards share, and what it is made from.

use std::hash::Hasher;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use siphasher::sip::SipHasher24;

use crate::auth::{CredentialSource, NonceKeys, ReplayWindows};
use crate::dialog::Dialogs;
use crate::flow::{Flow, OpenStreams};
use crate::limits::Rates;
use crate::location::Location;
use crate::message::{Head, Name, Request};
use crate::proxy;
use crate::registrar;
use crate::transaction::KeyMaker;
use crate::trunk::{Directory, Interfaces, Trunk};

/// Shared by all shards. Everything in it is read in the packet path and answers from memory.
pub struct Shared {
    /// Trunks and accounts; replaced whole when the configuration changes.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// Nonces.
    pub nonces: NonceKeys,
    /// Which answers have been used.
    pub replay: Arc<dyn ReplayWindows>,
    /// Rates per source.
    pub rates: Arc<dyn Rates>,
    /// Bindings.
    pub location: Arc<Location>,
    /// Our addresses and names.
    pub interfaces: Arc<Interfaces>,
    /// Streams that are open.
    pub streams: OpenStreams,
    /// Dialogs.
    pub dialogs: Arc<Dialogs>,
    /// Limits on bindings.
    pub registrar: registrar::Settings,
    /// Of the proxies.
    pub proxy: Arc<proxy::Shared>,
    /// Most server and client transactions of one shard.
    pub max_transactions: usize,
    /// Secrets of this process.
    pub secrets: Secrets,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Keys that live as long as the process.
#[derive(Clone, Copy)]
pub struct Secrets {
    /// Keys server transactions.
    pub transactions: [u8; 16],
    /// Keys To tags and the marks of answered REGISTERs.
    pub tags: [u8; 16],
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(<redacted>)")
    }
}

impl Shared {
    /// Makes the keys of transactions.
    pub(super) const fn key_maker(&self) -> KeyMaker {
        KeyMaker::new(self.secrets.transactions)
    }

    /// The trunk that a Request-URI or To host selects (product §1): a trunk's domain, or a name of this server.
    pub(super) fn select(
        &self,
        directory: &Directory,
        host: &[u8],
        port: Option<u16>,
        flow: &Flow,
    ) -> Option<Arc<Trunk>> {
        if self.interfaces.is_this_server(host, port, flow.local) {
            return Some(directory.by_source(flow.peer_ip()).clone());
        }
        directory.by_domain(host).cloned()
    }

    /// Whether a host names this server or a trunk of it.
    pub(super) fn is_ours(&self, directory: &Directory, host: &[u8], port: Option<u16>, local: SocketAddr) -> bool {
        self.interfaces.is_this_server(host, port, local) || directory.by_domain(host).is_some()
    }

    /// The To tag of a stateless answer: a MAC over what makes the request itself, so that its retransmission gets the
    /// same one (RFC 3261 §8.2.7).
    pub(super) fn stateless_tag(&self, head: &Head<'_>) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.secrets.tags);
        for name in [Name::From, Name::CallId, Name::CSeq, Name::Via] {
            hasher.write(head.get(name).unwrap_or_default());
            hasher.write_u8(0);
        }
        hasher.finish()
    }

    /// What makes a retransmission of a REGISTER one: its peer, its identifiers and its digest response.
    pub(super) fn register_mark(&self, request: &Request<'_>, flow: &Flow, response: &[u8]) -> u64 {
        use std::hash::Hash;
        let mut hasher = SipHasher24::new_with_key(&self.secrets.tags);
        flow.peer.hash(&mut hasher);
        for part in [request.via.branch().unwrap_or_default(), request.call_id, &request.cseq.to_be_bytes(), response] {
            hasher.write(part);
            hasher.write_u8(0);
        }
        hasher.finish()
    }
}
