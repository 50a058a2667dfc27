//! Entries of IP ACLs.
#![allow(clippy::disallowed_methods, reason = "the shell draws the identities of what is made")]

use uuid::Uuid;

use crate::acl::parse_net;
use crate::storage::AclRecord;
use crate::trunk::TrunkId;

use super::error::Error;
use super::{Administration, Draft, rules};

const KIND: &str = "IP ACL";
/// Names in one entry's `may_register`; a PBX registers one or two.
const MAX_NAMES: usize = 50;

/// Values for an ACL entry; `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub struct AclFields {
    /// Address or network; required to make one.
    pub ip_address: Option<String>,
    /// Whether it denies.
    pub deny: Option<bool>,
    /// Free text.
    pub description: Option<String>,
    /// Whether it counts.
    pub enabled: Option<bool>,
    /// The one trunk that it is for; `Some(None)` makes it one of the whole account.
    pub trunk: Option<Option<TrunkId>>,
    /// Names that a peer admitted by it may register.
    pub may_register: Option<Vec<String>>,
}

impl Administration {
    /// Makes an ACL entry. A deny entry drops the bindings that it contains.
    ///
    /// # Errors
    /// [`Error::Conflict`] where an address would select two trunks.
    pub fn create_acl_entry(&self, auth_id: &str, fields: AclFields) -> Result<AclRecord, Error> {
        if fields.ip_address.is_none() {
            return Err(Error::invalid("ip_address", "ip_address is required"));
        }
        self.configure(auth_id, |draft| {
            let now = self.micros();
            let mut record = AclRecord {
                id: Uuid::now_v7(),
                auth_id: auth_id.to_owned(),
                ip_address: String::new(),
                deny: false,
                description: String::new(),
                enabled: true,
                trunk: None,
                may_register: Vec::new(),
                created_at: now,
                updated_at: now,
            };
            fill(&mut record, fields, draft)?;
            draft.changes.create_acl_entry(&record)?;
            draft.entries.push(record.clone());
            Ok(record)
        })
    }

    /// Changes an ACL entry. Bindings that it no longer lets in are dropped.
    pub fn update_acl_entry(&self, auth_id: &str, id: Uuid, fields: AclFields) -> Result<AclRecord, Error> {
        self.configure(auth_id, |draft| {
            let mut record = draft.entry(id)?.clone();
            fill(&mut record, fields, draft)?;
            record.updated_at = self.later(record.updated_at);
            draft.changes.update_acl_entry(&record)?;
            draft.entry(id)?.clone_from(&record);
            Ok(record)
        })
    }

    /// Deletes an ACL entry, and takes it off the trunks that have it as their `ipacl_uuid`.
    pub fn delete_acl_entry(&self, auth_id: &str, id: Uuid) -> Result<(), Error> {
        self.configure(auth_id, |draft| {
            draft.entry(id)?;
            draft.changes.delete_acl_entry(id);
            draft.entries.retain(|entry| entry.id != id);
            for trunk in draft.trunks.iter_mut().filter(|trunk| trunk.ipacl_uuid == Some(id)) {
                trunk.ipacl_uuid = None;
                trunk.updated_at = self.later(trunk.updated_at);
                draft.changes.update_trunk(trunk)?;
            }
            Ok(())
        })
    }

    /// The ACL entry `id` of the account.
    pub fn acl_entry(&self, auth_id: &str, id: Uuid) -> Result<AclRecord, Error> {
        let record = self.store.acl_entry(id)?.filter(|record| record.auth_id == auth_id);
        record.ok_or(Error::NotFound(KIND))
    }
}

impl Draft {
    fn entry(&mut self, id: Uuid) -> Result<&mut AclRecord, Error> {
        self.entries.iter_mut().find(|entry| entry.id == id).ok_or(Error::NotFound(KIND))
    }

    pub(super) fn check_scope(&self, trunk: Option<TrunkId>) -> Result<(), Error> {
        match trunk {
            Some(id) if !self.trunks.iter().any(|trunk| trunk.id == id) => {
                Err(Error::invalid("trunk_id", "trunk_id is no trunk of this account"))
            }
            _ => Ok(()),
        }
    }
}

fn fill(record: &mut AclRecord, fields: AclFields, draft: &Draft) -> Result<(), Error> {
    let AclFields { ip_address, deny, description, enabled, trunk, may_register } = fields;
    if let Some(address) = ip_address {
        // The client's tests look for this very text; what is wrong with it follows.
        parse_net(&address)
            .map_err(|error| Error::invalid("ip_address", format!("Invalid IP address format: {error}")))?;
        record.ip_address = address.trim().to_owned();
    }
    if let Some(description) = description {
        rules::description(&description)?;
        record.description = description;
    }
    if let Some(trunk) = trunk {
        draft.check_scope(trunk)?;
        record.trunk = trunk;
    }
    if let Some(names) = may_register {
        if names.len() > MAX_NAMES {
            return Err(Error::invalid("may_register", format!("may_register must have at most {MAX_NAMES} names")));
        }
        names.iter().try_for_each(|name| rules::username("may_register", name))?;
        record.may_register = names;
    }
    record.deny = deny.unwrap_or(record.deny);
    record.enabled = enabled.unwrap_or(record.enabled);
    Ok(())
}
