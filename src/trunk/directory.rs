//! The snapshot of all trunks, and which of them a request belongs to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::acl::{Acl, Rule, Verdict};

use super::{Trunk, TrunkId};

/// Why a set of trunks cannot be served.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Two trunks have one SIP domain.
    #[error("trunks {0:?} and {1:?} have the same SIP domain {2}: give one of them another `trunk_domain`")]
    SameDomain(String, String, String),
    /// Two trunks with `select_by_source` allow one address.
    #[error("trunks {0:?} and {1:?} both use `select_by_source` and allow {2}: an address must select one trunk")]
    SourceOverlap(String, String, IpNet),
}

/// All trunks of a server at one moment.
#[derive(Debug)]
pub struct Directory {
    default: Arc<Trunk>,
    by_domain: HashMap<Box<[u8]>, Arc<Trunk>>,
    by_short_id: HashMap<u32, Arc<Trunk>>,
    by_source: Vec<Arc<Trunk>>,
}

impl Directory {
    /// The snapshot of `trunks`, which must include `default`.
    ///
    /// # Errors
    /// When a domain or a source address would select two trunks.
    pub fn new(default: Arc<Trunk>, trunks: Vec<Arc<Trunk>>) -> Result<Self, DirectoryError> {
        let mut by_domain = HashMap::<Box<[u8]>, Arc<Trunk>>::new();
        let mut by_short_id = HashMap::new();
        let mut by_source = Vec::<Arc<Trunk>>::new();
        for trunk in trunks {
            let domain = trunk.domain.to_ascii_lowercase();
            if let Some(other) = by_domain.insert(domain.as_bytes().into(), trunk.clone()) {
                return Err(DirectoryError::SameDomain(other.name.to_string(), trunk.name.to_string(), domain));
            }
            by_short_id.insert(trunk.id.short(), trunk.clone());
            if trunk.select_by_source {
                for other in &by_source {
                    if let Some(net) = overlap(&trunk.acl, &other.acl) {
                        return Err(DirectoryError::SourceOverlap(other.name.to_string(), trunk.name.to_string(), net));
                    }
                }
                by_source.push(trunk);
            }
        }
        Ok(Self { default, by_domain, by_short_id, by_source })
    }

    /// The trunk whose SIP domain `host` is.
    pub fn by_domain(&self, host: &[u8]) -> Option<&Arc<Trunk>> {
        let host = host.strip_suffix(b".").unwrap_or(host);
        if let Some(trunk) = self.by_domain.get(host) {
            return Some(trunk);
        }
        if !host.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        self.by_domain.get(host.to_ascii_lowercase().as_slice())
    }

    /// The trunk of a request whose Request-URI names this server: the one that selects by source and allows the peer,
    /// else the default trunk.
    pub fn by_source(&self, peer: IpAddr) -> &Arc<Trunk> {
        self.by_source
            .iter()
            .find(|trunk| matches!(trunk.acl.decide(peer), Verdict::Allowed(_)))
            .unwrap_or(&self.default)
    }

    /// The trunk whose identity begins with these 32 bits.
    pub fn by_short_id(&self, short: u32) -> Option<&Arc<Trunk>> {
        self.by_short_id.get(&short)
    }

    /// The default trunk.
    pub const fn default_trunk(&self) -> &Arc<Trunk> {
        &self.default
    }

    /// All trunks, in no order.
    pub fn trunks(&self) -> impl Iterator<Item = &Arc<Trunk>> {
        self.by_domain.values()
    }

    /// The trunk of that identity.
    pub fn get(&self, id: TrunkId) -> Option<&Arc<Trunk>> {
        self.by_short_id.get(&id.short()).filter(|trunk| trunk.id == id)
    }
}

fn overlap(one: &Acl, two: &Acl) -> Option<IpNet> {
    let allowed =
        |acl: &Acl| acl.entries().filter(|entry| entry.rule == Rule::Allow).map(|entry| entry.net).collect::<Vec<_>>();
    let other = allowed(two);
    allowed(one).into_iter().find(|net| other.iter().any(|there| net.contains(there) || there.contains(net)))
}
