//! What the operator decides about the store.

use std::path::PathBuf;

/// Where the store is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The folder; made if it does not exist.
    pub path: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: PathBuf::from("./sipward-data") }
    }
}
