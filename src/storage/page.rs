//! Reading lists page by page, newest first. A page costs the same wherever in the list it is.

use uuid::Uuid;

use crate::trunk::TrunkId;

use super::Store;
use super::destination::{NumberRecord, OriginationUriRecord};
use super::error::ReadError;
use super::key::{self, Kind};
use super::record::Record;
use super::schema::{AclRecord, CredentialRecord, TrunkRecord};
use super::sequence::Entry;

/// Which part of a list: `limit` records from the one that has `offset` newer ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Newer records passed over.
    pub offset: usize,
    /// Most records.
    pub limit: usize,
}

impl Window {
    /// Everything.
    pub const ALL: Self = Self { offset: 0, limit: usize::MAX };
}

/// A part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// How many records the whole list has.
    pub total: usize,
    /// The records, newest first.
    pub records: Vec<T>,
}

impl<T> Page<T> {
    /// Those of a whole list that are wanted.
    #[must_use]
    pub fn only(mut self, wanted: impl FnMut(&T) -> bool) -> Self {
        self.records.retain(wanted);
        self.total = self.records.len();
        self
    }

    /// The part of it that `window` names, where the page is the whole list.
    #[must_use]
    pub fn cut(mut self, window: Window) -> Self {
        self.records.drain(..window.offset.min(self.records.len()));
        self.records.truncate(window.limit);
        self
    }
}

/// Each reads from memory which rows there are, and only those from sled.
impl Store {
    /// Credentials of an account. With `trunk` only those scoped to it, and the one that it is attached to, `attached`.
    pub fn page_of_credentials(
        &self,
        auth_id: &str,
        trunk: Option<TrunkId>,
        attached: Option<Uuid>,
        window: Window,
    ) -> Result<Page<CredentialRecord>, ReadError> {
        let attached = attached.map(|id| self.credential_by_id(id)).transpose()?.flatten();
        let attached = attached.filter(|record| record.auth_id == auth_id).map(|record| Entry {
            created_at: record.created_at,
            name: key::credential_name(&record.auth_id, &record.username).into(),
        });
        self.page(Kind::Credential, auth_id, trunk, attached, window)
    }

    /// Trunks of an account.
    pub fn page_of_trunks(&self, auth_id: &str, window: Window) -> Result<Page<TrunkRecord>, ReadError> {
        self.page(Kind::Trunk, auth_id, None, None, window)
    }

    /// ACL entries of an account.
    pub fn page_of_acl_entries(&self, auth_id: &str, window: Window) -> Result<Page<AclRecord>, ReadError> {
        self.page(Kind::AclEntry, auth_id, None, None, window)
    }

    /// Origination URIs of an account.
    pub fn page_of_origination_uris(
        &self,
        auth_id: &str,
        window: Window,
    ) -> Result<Page<OriginationUriRecord>, ReadError> {
        self.page(Kind::OriginationUri, auth_id, None, None, window)
    }

    /// Numbers of an account.
    pub fn page_of_numbers(&self, auth_id: &str, window: Window) -> Result<Page<NumberRecord>, ReadError> {
        self.page(Kind::Number, auth_id, None, None, window)
    }

    pub(super) fn page<T: Record>(
        &self,
        kind: Kind,
        auth_id: &str,
        trunk: Option<TrunkId>,
        also: Option<Entry>,
        window: Window,
    ) -> Result<Page<T>, ReadError> {
        let (total, names) = self.index.page(kind, auth_id, trunk, also, (window.offset, window.limit));
        let mut records = Vec::with_capacity(names.len());
        for name in names {
            // One that has gone in between is left out.
            records.extend(self.get(&key::key(kind, &name))?);
        }
        Ok(Page { total, records })
    }
}
