//! How the store knows at start that nothing is missing.
//!
//! sled recovers what it can read and stays silent about the rest: a log cut short opens as an older store, and a damaged
//! message in it as one without that change. So every change also rewrites one row, [`State`], in the same atomic batch: the number of
//! the change, and the exclusive-or of a hash of every row. At start both are computed anew. A log that lost its end
//! matches its own (older) state; against that, the file `acknowledged` holds the number of the last
//! change that reached the disk. It is written after the fsync of that change, so it can lag after a power cut but never lead.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::record::Record;

/// The one row of [`super::key::Kind::State`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// How many changes the store has taken.
    pub(super) changes: u64,
    /// Exclusive-or of [`row_hash`] over all other rows of the tree.
    pub(super) contents: u64,
}

impl Record for State {
    const VERSION: u8 = 1;
}

/// Hash of one row. Against accidents, not against forgers: whoever can write the folder can write anything.
pub(super) fn row_hash(key: &[u8], value: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write_u64(key.len() as u64);
    hasher.write(key);
    hasher.write(value);
    hasher.finish()
}
