//! What each account has, newest first: so that a page of a list reads the rows of that page and no others.
//!
//! In memory only, made anew at each start from the rows themselves; changed by the writing thread after its fsync, like the
//! credential cache.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;

use crate::trunk::TrunkId;

use super::audit::AuditRecord;
use super::destination::{NumberRecord, OriginationUriRecord};
use super::error::ReadError;
use super::key::Kind;
use super::read::record_at;
use super::schema::{AclRecord, CredentialRecord, TrunkRecord};
use super::sequence::{Entry, Sequence};

/// Where a record stands: in the list of its account, and a scoped credential also in that of its trunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) auth_id: Box<str>,
    pub(super) trunk: Option<TrunkId>,
    pub(super) created_at: u64,
}

/// A list: a kind, an account, and for credentials perhaps a trunk.
type ListKey = (Kind, Box<str>, Option<TrunkId>);

/// All lists.
#[derive(Default, Debug)]
pub(super) struct Index(DashMap<ListKey, Sequence>);

impl Place {
    /// The place of the record `value`; `None` for a kind that has no lists.
    pub(super) fn of(key: &[u8], value: &[u8]) -> Result<Option<Self>, ReadError> {
        let place = |auth_id: String, trunk, created_at| Some(Self { auth_id: auth_id.into(), trunk, created_at });
        Ok(match Kind::of(key) {
            Some(Kind::Credential) => {
                let record: CredentialRecord = record_at(key, value)?;
                place(record.auth_id, record.trunk, record.created_at)
            }
            Some(Kind::Trunk) => {
                let record: TrunkRecord = record_at(key, value)?;
                place(record.auth_id, None, record.created_at)
            }
            Some(Kind::AclEntry) => {
                let record: AclRecord = record_at(key, value)?;
                place(record.auth_id, None, record.created_at)
            }
            Some(Kind::OriginationUri) => {
                let record: OriginationUriRecord = record_at(key, value)?;
                place(record.auth_id, None, record.created_at)
            }
            Some(Kind::Number) => {
                let record: NumberRecord = record_at(key, value)?;
                place(record.auth_id, None, record.created_at)
            }
            Some(Kind::Audit) => {
                let record: AuditRecord = record_at(key, value)?;
                place(record.entry.auth_id, None, record.sequence)
            }
            _ => None,
        })
    }

    fn lists(&self, kind: Kind) -> impl Iterator<Item = ListKey> {
        let scoped = self.trunk.map(|trunk| (kind, self.auth_id.clone(), Some(trunk)));
        std::iter::once((kind, self.auth_id.clone(), None)).chain(scoped)
    }
}

impl Index {
    /// A record has come, gone or moved.
    pub(super) fn replace(&self, kind: Kind, name: &Arc<[u8]>, old: Option<&Place>, new: Option<&Place>) {
        if old == new {
            return;
        }
        for (place, is_new) in [(old, false), (new, true)] {
            let Some(place) = place else { continue };
            let entry = Entry { created_at: place.created_at, name: Arc::clone(name) };
            for list in place.lists(kind) {
                if is_new {
                    self.0.entry(list).or_default().insert(entry.clone());
                } else if let Some(mut sequence) = self.0.get_mut(&list) {
                    sequence.remove(&entry);
                }
            }
        }
        // A list that has lost its last entry goes, so that deleted trunks and accounts leave nothing behind.
        for list in old.into_iter().flat_map(|place| place.lists(kind)) {
            self.0.remove_if(&list, |_, sequence| sequence.len() == 0);
        }
    }

    /// How many a list has, and the names of a page of it. `also` is one more entry that is to stand in it.
    pub(super) fn page(
        &self,
        kind: Kind,
        auth_id: &str,
        trunk: Option<TrunkId>,
        also: Option<Entry>,
        (offset, limit): (usize, usize),
    ) -> (usize, Vec<Arc<[u8]>>) {
        let empty = Sequence::default();
        let list = self.0.get(&(kind, auth_id.into(), trunk));
        let list = list.as_deref().unwrap_or(&empty);
        let also = also.filter(|entry| !list.contains(entry));
        let Some(also) = also else {
            return (list.len(), list.newest(offset).take(limit).map(|entry| Arc::clone(&entry.name)).collect());
        };
        let at = list.newer_than(&also);
        let from = if offset > at { offset - 1 } else { offset };
        let mut names: Vec<_> = list.newest(from).take(limit).map(|entry| Arc::clone(&entry.name)).collect();
        if offset <= at && at - offset < limit {
            names.insert((at - offset).min(names.len()), also.name);
            names.truncate(limit);
        }
        (list.len() + 1, names)
    }
}

/// Takes the rows of a start in any order.
#[derive(Default)]
pub(super) struct IndexBuilder(HashMap<ListKey, Vec<Entry>>);

impl IndexBuilder {
    pub(super) fn add(&mut self, kind: Kind, name: &Arc<[u8]>, place: &Place) {
        for list in place.lists(kind) {
            self.0.entry(list).or_default().push(Entry { created_at: place.created_at, name: Arc::clone(name) });
        }
    }

    pub(super) fn build(self) -> Index {
        Index(self.0.into_iter().map(|(list, entries)| (list, Sequence::from_unsorted(entries))).collect())
    }
}
