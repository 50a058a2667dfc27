//! Why a change was refused.

use std::borrow::Cow;

use crate::storage::{ReadError, StoreError, WriteError};
use crate::trunk::DirectoryError;

/// Why a change was refused or failed. Nothing of it was made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A value that cannot be.
    #[error("{reason}")]
    Invalid {
        /// Its name in the API.
        field: &'static str,
        /// A sentence that names the field where that is not plain.
        reason: Cow<'static, str>,
    },
    /// There is no such thing in this account.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    /// The number has a trunk already.
    #[error("This number is already assigned to a trunk.")]
    NumberAssigned,
    /// No change is taken at the moment, and a later try can succeed.
    #[error("{0}")]
    Unavailable(String),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// What is stored contradicts itself.
    #[error("{0}")]
    Inconsistent(String),
}

impl Error {
    /// A value that cannot be.
    pub fn invalid(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }

    pub(super) fn conflict(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict(reason.into())
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Store(error.into())
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge { bytes, max, .. } => {
                Self::invalid("body", format!("The object takes {bytes} bytes, more than the {max} that one may have"))
            }
            full @ WriteError::DiskFull { .. } => Self::Unavailable(full.to_string()),
            other => Self::Store(other.into()),
        }
    }
}

/// The other trunk may be another account's, so it is not named.
impl From<DirectoryError> for Error {
    fn from(error: DirectoryError) -> Self {
        Self::conflict(match error {
            DirectoryError::SameDomain(..) => "trunk_domain is taken",
            DirectoryError::SourceOverlap(..) => {
                "select_by_source: an address that this trunk allows selects another trunk already"
            }
        })
    }
}
