//! The location service (RFC 3261 §10): which contacts an address of record has. Nouns only; the verbs are in `registrar`.

mod binding;
mod table;

pub use binding::{Answered, AorRecord, Binding, StoredBinding, StoredRecord};
pub use table::Location;

use std::sync::Arc;

use crate::trunk::TrunkId;

/// An address of record: a user of a trunk. Alias, trunk domain, port and parameters do not count (product rule).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
// Hash must stay that of `trunk` then `user`: the table looks records up by a borrowed pair.
pub struct AddressOfRecord {
    /// The trunk.
    pub trunk: TrunkId,
    /// The user part, percent-decoded; case-sensitive (RFC 3261 §19.1.4).
    pub user: Arc<str>,
}

/// Durable storage of bindings, behind the packet path.
pub trait BindingStore: Send + Sync {
    /// Notes that the bindings of `aor` have changed. The store reads the current record from [`Location`] within a
    /// second and writes it; many changes of one address of record become one write. Must not block.
    fn changed(&self, aor: &AddressOfRecord);

    /// Reads one record while the start-up restore has not reached it yet; `None` when nothing is stored or the restore
    /// is over. The only call of the packet path that may touch the disk.
    fn recall(&self, aor: &AddressOfRecord) -> Option<StoredRecord>;
}

/// Keeps nothing: bindings die with the process. For tests and benches.
#[derive(Debug, Default)]
pub struct NoBindingStore;

impl BindingStore for NoBindingStore {
    fn changed(&self, _aor: &AddressOfRecord) {}

    fn recall(&self, _aor: &AddressOfRecord) -> Option<StoredRecord> {
        None
    }
}
