//! New bindings of one address of record, put together contact by contact and taken over only as a whole (RFC 3261 §10.3
//! step 7).

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::location::{AorRecord, Binding};
use crate::message::Uri;

use super::{Registration, Rejection, Settings, Wanted};

/// What holds for every contact of one REGISTER.
pub(super) struct Terms<'t> {
    /// Of the Expires header field, in seconds.
    pub header_expires: Option<u32>,
    /// Of the client.
    pub user_agent: Arc<str>,
    /// Limits.
    pub settings: &'t Settings,
    /// The time.
    pub now: Timestamp,
}

/// A contact that a REGISTER made or renewed.
pub(super) struct Touched {
    /// As in its binding.
    pub contact: Box<[u8]>,
    /// It is new, or comes over another flow than before.
    pub moved: bool,
}

/// What a draft has changed.
pub(super) struct Changed {
    /// The bindings as they were.
    pub before: SmallVec<[Binding; 1]>,
    /// What was made or renewed.
    pub contacts: SmallVec<[Touched; 2]>,
}

/// The draft.
pub(super) struct Draft {
    bindings: SmallVec<[Binding; 1]>,
    touched: SmallVec<[Touched; 2]>,
}

impl Draft {
    /// Begins with the live bindings of `record`.
    pub(super) fn of(record: &AorRecord, now: Timestamp) -> Self {
        let live = record.bindings.iter().filter(|binding| binding.expires_at > now);
        Self { bindings: live.cloned().collect(), touched: SmallVec::new() }
    }

    /// Adds, renews or removes the binding of one contact.
    pub(super) fn bind(
        &mut self,
        by: &Registration<'_, '_>,
        wanted: &Wanted<'_>,
        terms: &Terms<'_>,
    ) -> Result<(), Rejection> {
        let lifetime_s = terms.settings.lifetime_s(wanted.expires_s.or(terms.header_expires))?;
        let present = self.position(wanted);
        if let Some(binding) = present.and_then(|at| self.bindings.get(at))
            && *binding.call_id == *by.request.call_id
            && binding.cseq >= by.request.cseq
            && !self.touched.iter().any(|touched| touched.contact == binding.contact)
        {
            return Err(Rejection::bad("CSeq Not Higher Than Before"));
        }
        if lifetime_s == 0 {
            if let Some(at) = present {
                let gone = self.bindings.remove(at);
                self.touched.retain(|touched| touched.contact != gone.contact);
            }
            return Ok(());
        }
        let binding = Binding {
            contact: wanted.uri.raw.into(),
            flow: *by.flow,
            call_id: by.request.call_id.into(),
            cseq: by.request.cseq,
            expires_at: terms.now + Duration::from_secs(u64::from(lifetime_s)),
            q: wanted.q,
            credential: by.admitted.credential(),
            user_agent: terms.user_agent.clone(),
        };
        let moved = present.and_then(|at| self.bindings.get(at)).is_none_or(|old| old.flow != binding.flow);
        self.touched.push(Touched { contact: binding.contact.clone(), moved });
        match present.and_then(|at| self.bindings.get_mut(at)) {
            Some(old) => *old = binding,
            None => self.bindings.push(binding),
        }
        Ok(())
    }

    fn position(&self, wanted: &Wanted<'_>) -> Option<usize> {
        self.bindings.iter().position(|binding| {
            *binding.contact == *wanted.uri.raw
                || Uri::parse(&binding.contact).is_some_and(|uri| uri.equals(&wanted.uri))
        })
    }

    /// Puts the draft in the place of the bindings of `record`.
    pub(super) fn replace(self, record: &mut AorRecord, settings: &Settings) -> Result<Changed, Rejection> {
        if self.bindings.len() > settings.max_contacts {
            return Err(Rejection { status: 403, reason: "Too Many Contacts", min_expires_s: None });
        }
        let before = std::mem::replace(&mut record.bindings, self.bindings);
        Ok(Changed { before, contacts: self.touched })
    }
}

/// Whether two contact URIs are equal by RFC 3261 §19.1.4.
pub(super) fn same_resource(one: &[u8], two: &[u8]) -> bool {
    matches!((Uri::parse(one), Uri::parse(two)), (Some(one), Some(two)) if one.equals(&two))
}
