//! The registrar: REGISTER in, bindings changed, 200 out (RFC 3261 §10.3). Verbs only; the bindings live in `location`.
//!
//! It accepts an [`Admitted`] sender only: who has not passed the gate cannot be handed in here.

mod draft;
mod reply;
mod settings;
mod wanted;

pub use settings::Settings;
pub use wanted::{Wanted, WantedContacts};

use std::sync::Arc;

use crate::auth::Admitted;
use crate::clock::Timestamp;
use crate::event::{Event, Gone, Observer};
use crate::flow::Flow;
use crate::location::{AddressOfRecord, Answered, AorRecord, Binding, Location};
use crate::message::{Name, Request, second_reader};
use crate::trunk::TrunkId;

use draft::{Draft, Terms};

/// Why a REGISTER is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// 400, 403 or 423.
    pub status: u16,
    /// Reason phrase: what is wrong.
    pub reason: &'static str,
    /// For 423 (RFC 3261 §20.23), in seconds.
    pub min_expires_s: Option<u32>,
}

impl Rejection {
    const TOO_MANY: Self = Self { status: 403, reason: "Too Many Contacts", min_expires_s: None };

    const fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason, min_expires_s: None }
    }
}

/// What the location service already knows about a REGISTER.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Look {
    /// It was answered with 200 less than 32 s ago: this is a retransmission.
    pub answered: bool,
    /// It repeats a binding as it is, over the same flow: only the expiry moves.
    pub unchanged: bool,
}

/// A REGISTER whose sender has been admitted.
#[derive(Debug)]
pub struct Registration<'r, 'a> {
    /// The request.
    pub request: &'r Request<'a>,
    /// The way it came.
    pub flow: &'r Flow,
    /// Trunk of the address of record.
    pub trunk: TrunkId,
    /// User of the address of record.
    pub user: &'r str,
    /// Who asks.
    pub admitted: Admitted,
    /// Keyed hash over peer, branch, Call-ID, CSeq and digest response: what makes a retransmission one.
    pub mark: u64,
    /// The contacts it names.
    pub contacts: WantedContacts<'a>,
}

impl Registration<'_, '_> {
    /// What is known of this REGISTER already. Changes nothing.
    pub fn look(&self, location: &Location, now: Timestamp) -> Look {
        let look = |record: &AorRecord| Look {
            answered: record.has_answered(self.mark, now),
            unchanged: self.unchanged_in(record, now).is_some(),
        };
        location.read(self.trunk, self.user, look).unwrap_or_default()
    }

    /// The place of the one binding that this REGISTER repeats.
    fn unchanged_in(&self, record: &AorRecord, now: Timestamp) -> Option<usize> {
        let WantedContacts::Some(contacts) = &self.contacts else { return None };
        let [wanted] = contacts.as_slice() else { return None };
        if wanted.expires_s.or_else(|| self.header_expires()) == Some(0) {
            return None;
        }
        record.bindings.iter().position(|binding| {
            *binding.contact == *wanted.uri.raw
                && binding.flow == *self.flow
                && *binding.call_id == *self.request.call_id
                && binding.cseq < self.request.cseq
                && binding.expires_at > now
                && binding.credential == self.admitted.credential()
        })
    }

    /// Answers a retransmission: the bindings as they are now.
    pub fn answer_again(&self, location: &Location, now: Timestamp, out: &mut Vec<u8>) {
        let written = location.read(self.trunk, self.user, |record| reply::write(self, record, now, out));
        if written.is_none() {
            reply::write(self, &AorRecord::default(), now, out);
        }
    }

    /// Changes the bindings and writes the 200 to `out`; all of it or nothing (RFC 3261 §10.3 step 8).
    ///
    /// # Errors
    /// A [`Rejection`], with `out` untouched.
    pub fn apply(
        &self,
        look: Look,
        location: &Location,
        settings: &Settings,
        now: Timestamp,
        observer: &mut dyn Observer,
        out: &mut Vec<u8>,
    ) -> Result<(), Rejection> {
        let second = if look.unchanged { None } else { self.second_reading(observer) };
        let header_expires = second.as_ref().and_then(|second| second.expires).or_else(|| self.header_expires());
        let user_agent = second.as_ref().and_then(|second| second.user_agent.as_deref());
        location.update(self.trunk, self.user, |record| {
            let result = self.change(record, header_expires, user_agent, settings, now, observer);
            let changed = match &result {
                Ok(changed) => {
                    record.note_answered(self.mark, now);
                    reply::write(self, record, now, out);
                    *changed
                }
                Err(_) => false,
            };
            (result.map(|_| ()), changed)
        })
    }

    fn header_expires(&self) -> Option<u32> {
        self.request.head.get(Name::Expires).and_then(wanted::expires)
    }

    /// The fields as rsip reads them, held against ours.
    fn second_reading(&self, observer: &mut dyn Observer) -> Option<second_reader::SecondReading> {
        let Ok(mut second) = second_reader::read(self.request.head.bytes()) else {
            observer.observe(&Event::SecondReaderRefused);
            return None;
        };
        let mut difference = second.difference(self.request.call_id, self.request.cseq);
        if second.expires.is_some() && second.expires != self.header_expires() {
            difference = difference.or(Some("Expires"));
            second.expires = None;
        }
        observer.observe(&match difference {
            Some(field) => Event::SecondReaderDiffered { field },
            None => Event::SecondReaderAgreed,
        });
        Some(second)
    }

    /// RFC 3261 §10.3 steps 6 to 8 on a copy that replaces the record's bindings only when all of it went well.
    fn change(
        &self,
        record: &mut AorRecord,
        header_expires: Option<u32>,
        user_agent: Option<&str>,
        settings: &Settings,
        now: Timestamp,
        observer: &mut dyn Observer,
    ) -> Result<bool, Rejection> {
        let contacts = match &self.contacts {
            WantedContacts::None => return Ok(false),
            WantedContacts::All => return self.remove_all(record, header_expires, now, observer),
            WantedContacts::Some(contacts) => contacts,
        };
        if let (Some(at), [wanted]) = (self.unchanged_in(record, now), contacts.as_slice()) {
            let lifetime_s = settings.lifetime_s(wanted.expires_s.or(header_expires))?;
            if let Some(binding) = record.bindings.get_mut(at) {
                binding.cseq = self.request.cseq;
                binding.answered = Answered { mark: self.mark, at: now };
                binding.q = wanted.q;
                binding.expires_at = now + std::time::Duration::from_secs(u64::from(lifetime_s));
            }
            return Ok(true);
        }
        let mut draft = Draft::of(record);
        let terms = Terms { header_expires, user_agent: self.user_agent(user_agent), settings, now };
        for wanted in contacts {
            draft.bind(self, wanted, &terms)?;
        }
        let changed = draft.finish(settings, now)?;
        let before = std::mem::replace(&mut record.bindings, changed.bindings);
        self.tell_gone(changed.gone.iter().filter_map(|&at| before.get(at)), now, observer);
        let aor = AddressOfRecord { trunk: self.trunk, user: self.user.into() };
        for binding in changed.moved.iter().filter_map(|&at| record.bindings.get(at)) {
            observer.observe(&Event::Registered { aor: &aor, binding });
        }
        Ok(true)
    }

    fn user_agent(&self, second: Option<&str>) -> Arc<str> {
        const LONGEST: usize = 64;
        let own = || self.request.head.get(Name::UserAgent).map(String::from_utf8_lossy).unwrap_or_default();
        let text = second.map_or_else(own, Into::into);
        text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect::<String>().into()
    }

    /// Step 6: `Contact: *` removes every binding, unless one was made by a later request of the same call.
    fn remove_all(
        &self,
        record: &mut AorRecord,
        header_expires: Option<u32>,
        now: Timestamp,
        observer: &mut dyn Observer,
    ) -> Result<bool, Rejection> {
        if header_expires != Some(0) {
            return Err(Rejection::bad("Contact * Without Expires 0"));
        }
        let late = |binding: &Binding| *binding.call_id == *self.request.call_id && binding.cseq >= self.request.cseq;
        if record.bindings.iter().any(late) {
            return Err(Rejection::bad("CSeq Not Higher Than Before"));
        }
        let before = std::mem::take(&mut record.bindings);
        self.tell_gone(before.iter(), now, observer);
        Ok(!before.is_empty())
    }

    /// Reports bindings that are no more.
    fn tell_gone<'b>(&self, bindings: impl Iterator<Item = &'b Binding>, now: Timestamp, observer: &mut dyn Observer) {
        let aor = AddressOfRecord { trunk: self.trunk, user: self.user.into() };
        for binding in bindings {
            let gone = if binding.expires_at > now { Gone::Removed } else { Gone::Expired };
            observer.observe(&Event::Unregistered { aor: &aor, binding, gone });
        }
    }
}

#[cfg(test)]
mod tests;
