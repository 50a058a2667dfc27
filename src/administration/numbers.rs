//! Telephone numbers: made and removed by the operator, assigned to trunks by their account.
#![allow(clippy::disallowed_methods, reason = "the shell draws the identities of what is made")]

use uuid::Uuid;

use crate::storage::{Changes, NumberRecord, WriteError};
use crate::trunk::TrunkId;

use super::error::Error;
use super::{Administration, rules};

const KIND: &str = "Number";
const MAX_TEXT: usize = 100;
const MAX_TAGS: usize = 20;

/// A number to be made.
#[derive(Clone, Debug, Default)]
pub struct NewNumber {
    /// `+` and 7 to 15 digits.
    pub e164: String,
    /// Two letters of ISO 3166-1, or empty.
    pub country: String,
    /// Free text.
    pub region: String,
    /// Who delivers its calls; free text.
    pub provider: String,
    /// Free texts.
    pub tags: Vec<String>,
}

/// The E.164 form of what a client wrote: `+` and 7 to 15 digits, the `+` supplied where it is missing.
///
/// # Errors
/// [`Error::Invalid`] for everything else.
pub fn e164(text: &str) -> Result<String, Error> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !fits || digits.starts_with('0') {
        return Err(Error::invalid(
            "e164",
            "The number must be in E.164 form: + and 7 to 15 digits, such as +912271264300",
        ));
    }
    Ok(format!("+{digits}"))
}

impl Administration {
    /// Makes a number of the account.
    ///
    /// # Errors
    /// [`Error::Conflict`] where this account or another one has it.
    pub fn create_number(&self, auth_id: &str, number: NewNumber) -> Result<NumberRecord, Error> {
        let NewNumber { e164: written, country, region, provider, tags } = number;
        let e164 = e164(&written)?;
        if !(country.is_empty() || country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic())) {
            return Err(Error::invalid("country", "country must be two letters of ISO 3166-1"));
        }
        rules::text("region", &region, MAX_TEXT)?;
        rules::text("provider", &provider, MAX_TEXT)?;
        if tags.len() > MAX_TAGS {
            return Err(Error::invalid("tags", format!("tags must be at most {MAX_TAGS}")));
        }
        tags.iter().try_for_each(|tag| rules::text("tags", tag, MAX_TEXT))?;
        let _among_others = self.among_others();
        self.account(auth_id)?;
        let now = self.micros();
        let record = NumberRecord {
            id: Uuid::now_v7(),
            e164,
            auth_id: auth_id.to_owned(),
            trunk: None,
            country: country.to_ascii_uppercase(),
            region,
            provider,
            tags,
            is_blocked: false,
            created_at: now,
            updated_at: now,
        };
        let mut changes = Changes::new();
        changes.create_number(&record)?;
        match self.store.commit(changes) {
            Err(WriteError::Exists { .. }) => Err(Error::conflict("The number exists already")),
            result => result.map(|()| record).map_err(Into::into),
        }
    }

    /// Removes a number of the account.
    pub fn delete_number(&self, auth_id: &str, e164: &str) -> Result<(), Error> {
        let _alone = self.alone();
        let record = self.number(auth_id, e164)?;
        let mut changes = Changes::new();
        changes.delete_number(&record.e164);
        Ok(self.store.commit(changes)?)
    }

    /// Lets the calls of a number go to a trunk.
    ///
    /// # Errors
    /// [`Error::NumberAssigned`] where it has one.
    pub fn assign_number(&self, auth_id: &str, e164: &str, trunk: TrunkId) -> Result<NumberRecord, Error> {
        let _alone = self.alone();
        let mut record = self.number(auth_id, e164)?;
        self.trunk(auth_id, trunk)?;
        if record.trunk.is_some() {
            return Err(Error::NumberAssigned);
        }
        record.trunk = Some(trunk);
        self.put_number(record)
    }

    /// Takes a number off its trunk.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it has none.
    pub fn unassign_number(&self, auth_id: &str, e164: &str) -> Result<NumberRecord, Error> {
        let _alone = self.alone();
        let mut record = self.number(auth_id, e164)?;
        record.trunk.take().ok_or(Error::NotFound(KIND))?;
        self.put_number(record)
    }

    /// The number of the account.
    pub fn number(&self, auth_id: &str, written: &str) -> Result<NumberRecord, Error> {
        let record = self.store.number(&e164(written)?)?.filter(|record| record.auth_id == auth_id);
        record.ok_or(Error::NotFound(KIND))
    }

    fn put_number(&self, mut record: NumberRecord) -> Result<NumberRecord, Error> {
        record.updated_at = self.later(record.updated_at);
        let mut changes = Changes::new();
        changes.update_number(&record)?;
        self.store.commit(changes)?;
        Ok(record)
    }
}
