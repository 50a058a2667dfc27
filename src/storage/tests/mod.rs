//! Tests of the store as a whole; those that need a process of their own are in `tests/storage.rs`.

mod audit;
mod backup;
mod bindings;
mod changes;
mod import;
mod keys;
mod opening;
mod pages;

use std::path::Path;

use tempfile::TempDir;
use uuid::Uuid;

use super::*;

use crate::auth::{Algorithm, ChallengeStatus};
use crate::trunk::{AuthPolicy, TrunkId};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn try_open(folder: &Path) -> Result<Store, OpenError> {
    Store::open(&Settings { path: folder.join("store") })
}

fn open(folder: &TempDir) -> Store {
    try_open(folder.path()).unwrap()
}

fn account() -> AccountRecord {
    AccountRecord {
        auth_id: "MA_1".to_owned(),
        token_hash: [0xEE; 32],
        realm_override: None,
        enabled: true,
        created_at: 1,
        updated_at: 2,
    }
}

fn credential(username: &str) -> CredentialRecord {
    let id = username.bytes().fold(7, |id: u128, byte| id.wrapping_mul(257).wrapping_add(u128::from(byte)));
    CredentialRecord {
        id: Uuid::from_u128(id),
        auth_id: "MA_1".to_owned(),
        username: username.to_owned(),
        description: String::new(),
        enabled: true,
        trunk: None,
        ha1_md5: Some([0xA1; 16]),
        ha1_sha256: Some([0xA2; 32]),
        ha1_sha512_256: Some([0xA3; 32]),
        created_at: 1,
        updated_at: 2,
    }
}

fn acl_entry(id: u128) -> AclRecord {
    AclRecord {
        id: Uuid::from_u128(id),
        auth_id: "MA_1".to_owned(),
        ip_address: "192.0.2.0/24".to_owned(),
        deny: false,
        description: "office".to_owned(),
        enabled: true,
        trunk: None,
        may_register: vec!["pbx".to_owned()],
        created_at: 1,
        updated_at: 2,
    }
}

fn trunk(id: u128) -> TrunkRecord {
    TrunkRecord {
        id: TrunkId(Uuid::from_u128(id)),
        auth_id: "MA_1".to_owned(),
        name: "main".to_owned(),
        domain_override: None,
        enabled: true,
        secure: false,
        direction: Direction::Both,
        concurrent_calls_limit: 10,
        cps_limit: 2,
        description: String::new(),
        transport: TrunkTransport::Udp,
        recording: false,
        enable_transcription: false,
        pii_redaction: false,
        recording_webhook_enabled: false,
        webhook_method: WebhookMethod::Post,
        created_at: 1,
        updated_at: 2,
        credential_uuid: None,
        ipacl_uuid: Some(Uuid::from_u128(5)),
        primary_uri_uuid: None,
        fallback_uri_uuid: None,
        inbound_destination: None,
        pii_entity_types: None,
        webhook_url: Some("https://example.invalid/".to_owned()),
        policy_register: AuthPolicy::All,
        policy_call: AuthPolicy::IpOnly,
        call_challenge: ChallengeStatus::ProxyAuthenticationRequired,
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        caller_id_any: false,
        select_by_source: true,
        use_account_acl: true,
    }
}

fn commit(store: &Store, fill: impl FnOnce(&mut Changes) -> Result<(), WriteError>) -> Result<(), WriteError> {
    let mut changes = Changes::new();
    fill(&mut changes)?;
    store.commit(changes)
}

/// An account, a trunk, an ACL entry and three credentials.
fn filled(store: &Store) {
    commit(store, |changes| {
        changes.create_account(&account())?;
        changes.create_trunk(&trunk(1))?;
        changes.create_acl_entry(&acl_entry(5))?;
        ["alice", "bob", "carol"].iter().try_for_each(|name| changes.create_credential(&credential(name)))
    })
    .unwrap();
}
