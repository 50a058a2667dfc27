//! Settings of the store.

use std::path::PathBuf;

/// Where the store lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The store's folder. Made at first start with mode 0700; belongs to one process at a time.
    pub path: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: PathBuf::from("./sipward-data") }
    }
}
