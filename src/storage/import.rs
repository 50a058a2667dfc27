//! Many credentials at once: imports and seeds.

use super::Store;
use super::changes::Changes;
use super::error::StoreError;
use super::schema::CredentialRecord;

/// Rows a commit. Each commit is durable before its rows can authenticate anybody: the hundred fsyncs that a million rows
/// take are about a second of the import, and a failure loses no more than is reported.
const ROWS: usize = 10_000;

/// What became of the rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Imported {
    /// Made.
    pub made: usize,
    /// Left alone, because the name exists or came before in the same rows.
    pub present: usize,
    /// Left out of a seed, because the name was deleted.
    pub deleted: usize,
}

impl Store {
    /// Makes the credentials of `rows` that do not exist; a name that was deleted is made again. Rows made before an error stay.
    pub fn import(&self, rows: impl IntoIterator<Item = CredentialRecord>) -> Result<Imported, StoreError> {
        self.import_where(rows, |_| Ok(false))
    }

    /// As [`Store::import`], but a name that was deleted stays deleted until it is made by hand.
    pub fn seed_missing(&self, rows: impl IntoIterator<Item = CredentialRecord>) -> Result<Imported, StoreError> {
        self.import_where(rows, |row| Ok(self.was_deleted(&row.auth_id, &row.username)?))
    }

    fn import_where(
        &self,
        rows: impl IntoIterator<Item = CredentialRecord>,
        is_deleted: impl Fn(&CredentialRecord) -> Result<bool, StoreError>,
    ) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        let mut changes = Changes::new();
        let mut offered = 0;
        for row in rows {
            // A start with a seed that is in the store already should not write at all.
            if self.credentials.contains(&row.auth_id, &row.username) {
                imported.present += 1;
            } else if is_deleted(&row)? {
                imported.deleted += 1;
            } else if changes.offer_credential(&row)? {
                offered += 1;
            } else {
                imported.present += 1;
            }
            if offered == ROWS {
                self.commit_import(&mut changes, &mut offered, &mut imported)?;
            }
        }
        self.commit_import(&mut changes, &mut offered, &mut imported)?;
        Ok(imported)
    }

    fn commit_import(
        &self,
        changes: &mut Changes,
        offered: &mut usize,
        imported: &mut Imported,
    ) -> Result<(), StoreError> {
        let left_out = self.writer.commit(std::mem::take(changes))?;
        imported.made += *offered - left_out;
        imported.present += left_out;
        *offered = 0;
        Ok(())
    }
}
