//! Accounts, whole: what belongs to one goes with it.

use crate::storage::{AccountRecord, Changes, Window, WriteError};

use super::error::Error;
use super::{Administration, snapshot};

impl Administration {
    /// Makes an account. It has no trunk yet.
    ///
    /// # Errors
    /// [`Error::Conflict`] where one of that name exists.
    pub fn create_account(&self, record: &AccountRecord) -> Result<(), Error> {
        let _alone = self.alone();
        let mut changes = Changes::new();
        changes.create_account(record)?;
        match self.store.commit(changes) {
            Err(WriteError::Exists { .. }) => Err(Error::conflict("The account exists already")),
            result => Ok(result?),
        }
    }

    /// Changes an account. `edit` sees the stored record; one that is suspended by it loses all its bindings.
    pub fn update_account(&self, auth_id: &str, edit: impl FnOnce(&mut AccountRecord)) -> Result<AccountRecord, Error> {
        self.configure(auth_id, |draft| {
            let later = self.later(draft.account.updated_at);
            edit(&mut draft.account);
            // Neither is anybody's to change.
            auth_id.clone_into(&mut draft.account.auth_id);
            draft.account.updated_at = later;
            draft.changes.update_account(&draft.account)?;
            Ok(draft.account.clone())
        })
    }

    /// Deletes an account with all that it has.
    ///
    /// # Errors
    /// [`Error::Conflict`] while it has calls, and for the account of the default trunk.
    pub fn delete_account(&self, auth_id: &str) -> Result<(), Error> {
        let _alone = self.alone();
        self.account(auth_id)?;
        let before = self.directory.load_full();
        if *before.default_trunk().account.auth_id == *auth_id {
            return Err(Error::conflict(
                "The account of the server's default trunk cannot be deleted; suspend it instead",
            ));
        }
        let trunks = self.store.page_of_trunks(auth_id, Window::ALL)?.records;
        for trunk in &trunks {
            self.refuse_while_calls_are_up(trunk.id)?;
        }
        let mut changes = Changes::new();
        changes.delete_account(auth_id);
        trunks.iter().for_each(|trunk| changes.delete_trunk(trunk.id));
        for credential in self.store.page_of_credentials(auth_id, None, None, Window::ALL)?.records {
            changes.remove_credential(auth_id, &credential.username);
        }
        for username in self.store.deleted_usernames(auth_id)? {
            changes.forget_deleted_credential(auth_id, &username);
        }
        for entry in self.store.page_of_acl_entries(auth_id, Window::ALL)?.records {
            changes.delete_acl_entry(entry.id);
        }
        for uri in self.store.page_of_origination_uris(auth_id, Window::ALL)?.records {
            changes.delete_origination_uri(uri.id);
        }
        for number in self.store.page_of_numbers(auth_id, Window::ALL)?.records {
            changes.delete_number(&number.e164);
        }
        let after = snapshot::replaced(&before, auth_id, Vec::new())?;
        self.show(&before, after, changes)
    }
}
