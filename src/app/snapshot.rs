//! The packet path's view of the stored configuration: records in, an immutable [`Directory`] out.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::acl::{Acl, Entry, Rule, parse_net};
use crate::storage::{AccountRecord, AclRecord, Store, TrunkRecord};
use crate::trunk::{Account, Directory, Trunk};

/// The snapshot of what the store holds. `auth_id` is the account whose first trunk is the default one.
///
/// # Errors
/// When a record cannot be read or means nothing, or trunks contradict each other.
pub(super) fn directory(store: &Store, auth_id: &str, domain: &str) -> anyhow::Result<Directory> {
    let accounts: HashMap<String, Arc<Account>> = store
        .accounts()?
        .into_iter()
        .map(|record| (record.auth_id.clone(), Arc::new(account(store, &record, domain))))
        .collect();
    let entries = store.acl_entries()?;
    let mut records = store.trunks()?;
    records.sort_by_key(|record| record.created_at);
    let mut trunks = Vec::with_capacity(records.len());
    for record in &records {
        let Some(account) = accounts.get(&record.auth_id) else {
            bail!("trunk {} belongs to account {:?}, which is not in the store", record.id.0, record.auth_id);
        };
        let trunk = trunk(store, record, account, &entries, domain);
        trunks.push(Arc::new(trunk.with_context(|| format!("trunk {:?}", record.name))?));
    }
    // The oldest trunk of the account is the default one: it was made with it.
    let Some(default) = trunks.iter().find(|trunk| &*trunk.account.auth_id == auth_id) else {
        bail!("account {auth_id:?} has no trunk, and so the server has no default trunk");
    };
    Ok(Directory::new(default.clone(), trunks.clone())?)
}

/// The digest realm of an account.
pub(super) fn realm(record: &AccountRecord, domain: &str) -> String {
    record.realm_override.clone().unwrap_or_else(|| format!("{}.{domain}", record.auth_id))
}

fn account(store: &Store, record: &AccountRecord, domain: &str) -> Account {
    Account {
        auth_id: record.auth_id.as_str().into(),
        realm: realm(record, domain).into(),
        enabled: record.enabled,
        unscoped_credentials: store.credentials().unscoped_counter(&record.auth_id),
    }
}

fn trunk(
    store: &Store,
    record: &TrunkRecord,
    account: &Arc<Account>,
    entries: &[AclRecord],
    domain: &str,
) -> anyhow::Result<Trunk> {
    let belonging = entries.iter().filter(|entry| entry.enabled && belongs(entry, record));
    let acl = belonging.map(acl_entry).collect::<anyhow::Result<Vec<_>>>()?;
    let own_domain = || format!("{:08x}.{domain}", record.id.short());
    Ok(Trunk {
        id: record.id,
        name: record.name.as_str().into(),
        account: account.clone(),
        domain: record.domain_override.clone().unwrap_or_else(own_domain).to_ascii_lowercase().into(),
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

fn acl_entry(record: &AclRecord) -> anyhow::Result<Entry> {
    let net = parse_net(&record.ip_address).with_context(|| format!("ACL entry {}", record.id))?;
    let rule = if record.deny { Rule::Deny } else { Rule::Allow };
    let may_register = record.may_register.iter().map(|name| name.as_str().into()).collect();
    Ok(Entry { id: record.id, net, rule, may_register })
}
