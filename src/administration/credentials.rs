//! Credentials: made, changed, deleted. Only hashes are kept; a password is wiped once they are made.
#![allow(clippy::disallowed_methods, reason = "the shell draws the identities of what is made")]

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::auth::Ha1Set;
use crate::storage::{AccountRecord, Changes, CredentialRecord, WriteError};
use crate::trunk::TrunkId;

use super::error::Error;
use super::{Administration, rules, snapshot};

const MAX_PASSWORD: usize = 128;
const KIND: &str = "Credential";

/// What makes the HA1s of a credential.
pub enum NewSecret {
    /// A password; hashed with every algorithm, then wiped.
    Password(Zeroizing<String>),
    /// HA1s that the client computed over the credential's realm.
    Ha1(Ha1Set),
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewSecret(<redacted>)")
    }
}

/// Values for a credential; `None` leaves a value as it is.
#[derive(Debug, Default)]
pub struct CredentialFields {
    /// Required to make one; afterwards it can only be repeated.
    pub username: Option<String>,
    /// Required to make one.
    pub secret: Option<NewSecret>,
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// Free text.
    pub description: Option<String>,
    /// The one trunk that it is for; `Some(None)` makes it one of the whole account.
    pub trunk: Option<Option<TrunkId>>,
}

impl Administration {
    /// Makes a credential.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the account has one of that name.
    pub fn create_credential(&self, auth_id: &str, fields: CredentialFields) -> Result<CredentialRecord, Error> {
        let CredentialFields { username, secret, enabled, description, trunk } = fields;
        let username = username.ok_or_else(|| Error::invalid("username", "username is required"))?;
        rules::username("username", &username)?;
        let secret = secret.ok_or_else(|| Error::invalid("password", "password is required"))?;
        let description = description.unwrap_or_default();
        rules::description(&description)?;
        let _among_others = self.among_others();
        let account = self.account(auth_id)?;
        // Before the hashing: clients repeat a refused creation at once. The store has the last word.
        if self.store.credentials().contains(auth_id, &username) {
            return Err(taken());
        }
        let trunk = trunk.flatten();
        self.check_scope(auth_id, trunk)?;
        let ha1 = self.hash(&account, &username, secret)?;
        let now = self.micros();
        let record = CredentialRecord {
            id: Uuid::now_v7(),
            auth_id: auth_id.to_owned(),
            username,
            description,
            enabled: enabled.unwrap_or(true),
            trunk,
            ha1_md5: ha1.md5.map(|ha1| ha1.0),
            ha1_sha256: ha1.sha256.map(|ha1| ha1.0),
            ha1_sha512_256: ha1.sha512_256.map(|ha1| ha1.0),
            created_at: now,
            updated_at: now,
        };
        let mut changes = Changes::new();
        changes.create_credential(&record)?;
        match self.store.commit(changes) {
            Err(WriteError::Exists { .. }) => Err(taken()),
            result => result.map(|()| record).map_err(Into::into),
        }
    }

    /// Changes a credential. One that may no longer be used where it was loses its bindings there.
    pub fn update_credential(
        &self,
        auth_id: &str,
        id: Uuid,
        fields: CredentialFields,
    ) -> Result<CredentialRecord, Error> {
        let _alone = self.alone();
        let mut record = self.credential(auth_id, id)?;
        let CredentialFields { username, secret, enabled, description, trunk } = fields;
        if username.is_some_and(|username| username != record.username) {
            return Err(Error::invalid("username", "username cannot be changed"));
        }
        if let Some(description) = description {
            rules::description(&description)?;
            record.description = description;
        }
        if let Some(trunk) = trunk {
            self.check_scope(auth_id, trunk)?;
            record.trunk = trunk;
        }
        if let Some(secret) = secret {
            let ha1 = self.hash(&self.account(auth_id)?, &record.username, secret)?;
            record.ha1_md5 = ha1.md5.map(|ha1| ha1.0);
            record.ha1_sha256 = ha1.sha256.map(|ha1| ha1.0);
            record.ha1_sha512_256 = ha1.sha512_256.map(|ha1| ha1.0);
        }
        record.enabled = enabled.unwrap_or(record.enabled);
        record.updated_at = self.later(record.updated_at);
        let mut changes = Changes::new();
        changes.update_credential(&record)?;
        self.store.commit(changes)?;
        self.revoke_credential(auth_id, &record.username);
        Ok(record)
    }

    /// Deletes a credential and drops its bindings. A trunk that has it as its `credential_uuid` keeps that, and so lets nobody else in.
    pub fn delete_credential(&self, auth_id: &str, id: Uuid) -> Result<(), Error> {
        let _alone = self.alone();
        let record = self.credential(auth_id, id)?;
        let mut changes = Changes::new();
        changes.delete_credential(auth_id, &record.username)?;
        self.store.commit(changes)?;
        self.revoke_credential(auth_id, &record.username);
        Ok(())
    }

    /// The credential `id` of the account.
    pub fn credential(&self, auth_id: &str, id: Uuid) -> Result<CredentialRecord, Error> {
        let record = self.store.credential_by_id(id)?.filter(|record| record.auth_id == auth_id);
        record.ok_or(Error::NotFound(KIND))
    }

    pub(super) fn account(&self, auth_id: &str) -> Result<AccountRecord, Error> {
        self.store.account(auth_id)?.ok_or(Error::NotFound("Account"))
    }

    pub(super) fn check_scope(&self, auth_id: &str, trunk: Option<TrunkId>) -> Result<(), Error> {
        let Some(id) = trunk else { return Ok(()) };
        match self.store.trunk(id)? {
            Some(trunk) if trunk.auth_id == auth_id => Ok(()),
            _ => Err(Error::invalid("trunk_id", "trunk_id is no trunk of this account")),
        }
    }

    fn hash(&self, account: &AccountRecord, username: &str, secret: NewSecret) -> Result<Ha1Set, Error> {
        match secret {
            NewSecret::Ha1(set) => Ok(set),
            NewSecret::Password(password) => {
                self.check_password(username, &password)?;
                let realm = snapshot::realm(account, &self.domain);
                Ok(Ha1Set::from_password(username.as_bytes(), realm.as_bytes(), password.as_bytes()))
            }
        }
    }

    /// No answer shows the password.
    fn check_password(&self, username: &str, password: &str) -> Result<(), Error> {
        let refused = |reason: String| Err(Error::invalid("password", reason));
        let (least, length) = (self.settings.password_min as usize, password.chars().count());
        if length < least {
            return refused(format!("password must have at least {least} characters"));
        }
        if length > MAX_PASSWORD {
            return refused(format!("password must have at most {MAX_PASSWORD} characters"));
        }
        if password.chars().any(char::is_control) {
            return refused("password must not hold control characters".to_owned());
        }
        if !self.settings.password_mixed {
            return Ok(());
        }
        let has = |kind: fn(&char) -> bool| password.chars().any(|char| kind(&char));
        if !(has(|char| char.is_lowercase()) && has(|char| char.is_uppercase()) && has(|char| char.is_numeric())) {
            return refused("password must have a lower-case letter, an upper-case letter and a digit".to_owned());
        }
        let (lower, name) = (Zeroizing::new(password.to_lowercase()), username.to_lowercase());
        if lower.contains(&name) {
            return refused("password must not hold the username".to_owned());
        }
        Ok(())
    }
}

fn taken() -> Error {
    Error::conflict("Username already exists")
}
