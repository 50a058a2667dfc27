//! New bindings of one address of record, put together contact by contact and taken over only as a whole (RFC 3261 §10.3
//! step 7).
//!
//! This runs while the record is locked. Each stored contact is taken apart once, and [`WantedContacts`] has bounded how
//! many contacts one request may name, so the work is bounded by the square of `max_contacts` comparisons.
//!
//! [`WantedContacts`]: super::WantedContacts

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::location::{Answered, AorRecord, Binding};
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

/// What a draft has changed.
pub(super) struct Changed {
    /// The bindings as they are to be.
    pub bindings: SmallVec<[Binding; 1]>,
    /// Places in `bindings` of those that are new, or come over another flow than before.
    pub moved: SmallVec<[usize; 2]>,
    /// Places in the record, as it was, of those that are gone.
    pub gone: SmallVec<[usize; 2]>,
}

/// A binding of the draft.
struct Entry<'d> {
    /// Its contact; `None` for one that cannot be read, which only its own bytes equal.
    uri: Option<Uri<'d>>,
    /// Borrowed while it is as it was.
    binding: Cow<'d, Binding>,
    /// The place in the record of the binding that it stands for.
    origin: Option<usize>,
    moved: bool,
}

/// The draft.
pub(super) struct Draft<'d> {
    entries: SmallVec<[Entry<'d>; 2]>,
    gone: SmallVec<[usize; 2]>,
}

impl<'d> Draft<'d> {
    /// Begins with the bindings of `record`.
    pub(super) fn of(record: &'d AorRecord) -> Self {
        let entry = |(at, binding): (usize, &'d Binding)| Entry {
            uri: Uri::parse(&binding.contact),
            binding: Cow::Borrowed(binding),
            origin: Some(at),
            moved: false,
        };
        Self { entries: record.bindings.iter().enumerate().map(entry).collect(), gone: SmallVec::new() }
    }

    /// Adds, renews or removes the binding of one contact.
    pub(super) fn bind(
        &mut self,
        by: &Registration<'_, '_>,
        wanted: &Wanted<'d>,
        terms: &Terms<'_>,
    ) -> Result<(), Rejection> {
        let lifetime_s = terms.settings.lifetime_s(wanted.expires_s.or(terms.header_expires))?;
        let at = self.position(wanted);
        let present = at.and_then(|at| self.entries.get_mut(at));
        let live = present.as_ref().map(|entry| &*entry.binding).filter(|binding| binding.expires_at > terms.now);
        let untouched = present.as_ref().is_some_and(|entry| matches!(entry.binding, Cow::Borrowed(_)));
        if let Some(binding) = live
            && untouched
            && *binding.call_id == *by.request.call_id
            && binding.cseq >= by.request.cseq
        {
            return Err(Rejection::bad("CSeq Not Higher Than Before"));
        }
        if lifetime_s == 0 {
            if let Some(at) = at {
                self.gone.extend(self.entries.remove(at).origin);
            }
            return Ok(());
        }
        let moved = live.is_none_or(|old| old.flow != *by.flow);
        let binding = Cow::Owned(Binding {
            contact: wanted.uri.raw.into(),
            flow: *by.flow,
            call_id: by.request.call_id.into(),
            cseq: by.request.cseq,
            expires_at: terms.now + Duration::from_secs(u64::from(lifetime_s)),
            q: wanted.q,
            credential: by.admitted.credential(),
            user_agent: terms.user_agent.clone(),
            answered: Answered { mark: by.mark, at: terms.now },
        });
        match present {
            Some(entry) => {
                *entry = Entry { uri: Some(wanted.uri), binding, origin: entry.origin, moved: moved || entry.moved };
            }
            None => self.entries.push(Entry { uri: Some(wanted.uri), binding, origin: None, moved }),
        }
        Ok(())
    }

    fn position(&self, wanted: &Wanted<'_>) -> Option<usize> {
        self.entries.iter().position(|entry| {
            *entry.binding.contact == *wanted.uri.raw || entry.uri.is_some_and(|uri| uri.equals(&wanted.uri))
        })
    }

    /// What has come of it, without the bindings whose time has come.
    pub(super) fn finish(self, settings: &Settings, now: Timestamp) -> Result<Changed, Rejection> {
        let mut changed = Changed { bindings: SmallVec::new(), moved: SmallVec::new(), gone: self.gone };
        for entry in self.entries {
            if entry.binding.expires_at <= now {
                changed.gone.extend(entry.origin);
                continue;
            }
            if entry.moved {
                changed.moved.push(changed.bindings.len());
            }
            changed.bindings.push(entry.binding.into_owned());
        }
        let bytes: usize = changed.bindings.iter().map(Binding::stored_bytes).sum();
        if changed.bindings.len() > settings.max_contacts || bytes > AorRecord::MOST_STORED_BYTES {
            return Err(Rejection::TOO_MANY);
        }
        Ok(changed)
    }
}
