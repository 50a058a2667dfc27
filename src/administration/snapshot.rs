//! The packet path's view of the stored configuration: records in, an immutable [`Directory`] out. Credentials are not part of it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::acl::{Acl, Entry, Rule, parse_net};
use crate::storage::{AccountRecord, AclRecord, Store, TrunkRecord};
use crate::trunk::{Account, Directory, Trunk};

use super::error::Error;

/// The snapshot of what the store holds. `auth_id` is the account whose first trunk is the default one.
///
/// # Errors
/// When a record cannot be read or means nothing, or trunks contradict each other.
pub fn directory(store: &Store, auth_id: &str, domain: &str) -> Result<Directory, Error> {
    let mut entries: HashMap<String, Vec<AclRecord>> = HashMap::new();
    for entry in store.acl_entries()? {
        entries.entry(entry.auth_id.clone()).or_default().push(entry);
    }
    let mut records: HashMap<String, Vec<TrunkRecord>> = HashMap::new();
    for record in store.trunks()? {
        records.entry(record.auth_id.clone()).or_default().push(record);
    }
    // The oldest trunk of the account is the default one: it was made with it.
    let oldest = records.get(auth_id).into_iter().flatten().min_by_key(|record| (record.created_at, record.id));
    let default = oldest.map(|record| record.id);
    let mut trunks = Vec::new();
    for account in store.accounts()? {
        let records = records.remove(&account.auth_id).unwrap_or_default();
        let entries = entries.remove(&account.auth_id).unwrap_or_default();
        trunks.extend(trunks_of(store, &account, &records, &entries, domain)?);
    }
    if let Some((auth_id, _)) = records.into_iter().next() {
        return Err(Error::Inconsistent(format!("trunks belong to account {auth_id:?}, which is not in the store")));
    }
    let Some(default) = trunks.iter().find(|trunk| Some(trunk.id) == default) else {
        let text = format!("account {auth_id:?} has no trunk, and so the server has no default trunk");
        return Err(Error::Inconsistent(text));
    };
    Directory::new(default.clone(), trunks.clone()).map_err(|error| Error::Inconsistent(error.to_string()))
}

/// The digest realm of an account.
pub fn realm(record: &AccountRecord, domain: &str) -> String {
    record.realm_override.clone().unwrap_or_else(|| format!("{}.{domain}", record.auth_id))
}

/// `before` with the trunks of one account replaced.
pub(super) fn replaced(before: &Directory, auth_id: &str, made: Vec<Arc<Trunk>>) -> Result<Directory, Error> {
    let others = before.trunks().filter(|trunk| &*trunk.account.auth_id != auth_id).cloned();
    let trunks: Vec<Arc<Trunk>> = others.chain(made).collect();
    let default = before.default_trunk().id;
    let default = trunks.iter().find(|trunk| trunk.id == default).cloned();
    let default =
        default.ok_or_else(|| Error::conflict("The server's default trunk cannot be deleted; disable it instead"))?;
    Ok(Directory::new(default, trunks)?)
}

/// The trunks of one account.
pub(super) fn trunks_of(
    store: &Store,
    record: &AccountRecord,
    trunks: &[TrunkRecord],
    entries: &[AclRecord],
    domain: &str,
) -> Result<Vec<Arc<Trunk>>, Error> {
    let account = Arc::new(Account {
        auth_id: record.auth_id.as_str().into(),
        realm: realm(record, domain).into(),
        enabled: record.enabled,
        unscoped_credentials: store.credentials().unscoped_counter(&record.auth_id),
    });
    trunks.iter().map(|record| trunk(store, record, &account, entries, domain).map(Arc::new)).collect()
}

/// The SIP domain of a trunk.
pub(super) fn domain_of(record: &TrunkRecord, domain: &str) -> String {
    record.domain_override.clone().unwrap_or_else(|| format!("{:08x}.{domain}", record.id.short()))
}

fn trunk(
    store: &Store,
    record: &TrunkRecord,
    account: &Arc<Account>,
    entries: &[AclRecord],
    domain: &str,
) -> Result<Trunk, Error> {
    let belonging = entries.iter().filter(|entry| entry.enabled && belongs(entry, record));
    let acl = belonging.map(acl_entry).collect::<Result<Vec<_>, Error>>()?;
    Ok(Trunk {
        id: record.id,
        name: record.name.as_str().into(),
        account: account.clone(),
        domain: domain_of(record, domain).to_ascii_lowercase().into(),
        enabled: record.enabled,
        policy_register: record.policy_register,
        policy_call: record.policy_call,
        acl: Acl::new(acl),
        algorithms: record.algorithms.clone().into(),
        call_challenge: record.call_challenge,
        caller_id_any: record.caller_id_any,
        select_by_source: record.select_by_source,
        credential: record.credential_uuid,
        scoped_credentials: store.credentials().scoped_counter(record.id),
    })
}

/// Product §1, "a trunk's ACL": its own entries, the attached one, and the account's unscoped ones where the trunk wants
/// them; unscoped deny entries apply everywhere.
fn belongs(entry: &AclRecord, trunk: &TrunkRecord) -> bool {
    entry.auth_id == trunk.auth_id
        && match entry.trunk {
            Some(scope) => scope == trunk.id,
            None => trunk.ipacl_uuid == Some(entry.id) || trunk.use_account_acl || entry.deny,
        }
}

fn acl_entry(record: &AclRecord) -> Result<Entry, Error> {
    let net = parse_net(&record.ip_address)
        .map_err(|error| Error::Inconsistent(format!("ACL entry {}: {error}", record.id)))?;
    let rule = if record.deny { Rule::Deny } else { Rule::Allow };
    let may_register = record.may_register.iter().map(|name| name.as_str().into()).collect();
    Ok(Entry { id: record.id, net, rule, may_register })
}
