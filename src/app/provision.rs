//! What a store must hold before the server serves: the account, its default trunk, the first phones, and seeds.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use uuid::Uuid;

use crate::administration;
use crate::api::token_hash;
use crate::auth::{Algorithm, ChallengeStatus, Ha1Set};
use crate::clock::Timestamp;
use crate::config::seed::SeedRows;
use crate::config::{Config, Secret};
use crate::first_run::{self, FirstRun, HandedOver};
use crate::storage::{
    AccountRecord, AclRecord, Changes, CredentialRecord, Direction, Imported, Store, TrunkRecord, TrunkTransport,
    WebhookMethod,
};
use crate::transport::ListenAddress;
use crate::trunk::TrunkId;

use super::random_bytes;

/// Where the server can be reached, for the texts of the first start.
pub(super) struct Reachable<'a> {
    pub listen: &'a [ListenAddress],
    pub api: std::net::SocketAddr,
    pub local: Option<std::net::IpAddr>,
}

/// Makes the account, its default trunk and, on an empty store, two phones. Gives back where the secrets went, if any were
/// made.
pub(super) fn account(
    store: &Store,
    config: &Config,
    reachable: &Reachable<'_>,
    now: Timestamp,
) -> anyhow::Result<Option<HandedOver>> {
    let auth_id = &config.account.auth_id;
    if let Some(record) = store.account(auth_id)? {
        adopt_token(store, record, config.account.auth_token.as_ref(), now)?;
        return Ok(None);
    }
    let realm = format!("{auth_id}.{}", config.engine.domain);
    let made_token =
        config.account.auth_token.is_none().then(|| random_bytes().map(|bytes| first_run::random_token(&bytes)));
    let made_token = made_token.transpose()?;
    let mut changes = Changes::new();
    let token = config.account.auth_token.as_ref().or(made_token.as_ref()).map(Secret::reveal).unwrap_or_default();
    // The realm is kept from now on: were it to follow `[sip] domain`, a change of that would void every password.
    changes.create_account(&AccountRecord {
        auth_id: auth_id.clone(),
        token_hash: token_hash(token.as_bytes()),
        realm_override: Some(realm.clone()),
        enabled: true,
        created_at: now.micros(),
        updated_at: now.micros(),
    })?;
    let trunk = default_trunk(config, now);
    for (deny, nets) in [(false, &config.default_trunk.acl_allow), (true, &config.default_trunk.acl_deny)] {
        for net in nets {
            changes.create_acl_entry(&acl_entry(auth_id, trunk.id, net, deny, now))?;
        }
    }
    changes.create_trunk(&trunk)?;
    let mut phones = Vec::new();
    if store.credentials().is_empty() {
        for name in first_run::PHONES {
            let password = first_run::random_password(&random_bytes()?);
            changes.create_credential(&credential(auth_id, name, password.reveal(), &realm, true, now))?;
            phones.push(((*name).to_owned(), password));
        }
    }
    let text = FirstRun {
        auth_id: auth_id.clone(),
        auth_token: made_token,
        realm,
        phones,
        listen: reachable.listen.to_vec(),
        api: reachable.api,
        local: reachable.local,
    }
    .text();
    // Handed over first: a crash between the two leaves a text about nothing, not a password that nobody has seen.
    let handed_over =
        first_run::hand_over(&text, &config.storage.path).context("cannot hand over the first passwords")?;
    store.commit(changes)?;
    Ok(Some(handed_over))
}

/// The token in the environment is the one that counts, also when it has changed.
fn adopt_token(store: &Store, mut record: AccountRecord, token: Option<&Secret>, now: Timestamp) -> anyhow::Result<()> {
    let Some(hash) = token.map(|token| token_hash(token.reveal().as_bytes())).filter(|hash| *hash != record.token_hash)
    else {
        return Ok(());
    };
    record.token_hash = hash;
    record.updated_at = now.micros();
    let mut changes = Changes::new();
    changes.update_account(&record)?;
    store.commit(changes)?;
    tracing::info!(account = record.auth_id, "API token taken from the environment");
    Ok(())
}

fn default_trunk(config: &Config, now: Timestamp) -> TrunkRecord {
    TrunkRecord {
        id: TrunkId(Uuid::new_v4()),
        auth_id: config.account.auth_id.clone(),
        name: "default".to_owned(),
        domain_override: None,
        enabled: true,
        secure: false,
        direction: Direction::Both,
        concurrent_calls_limit: 0,
        cps_limit: 0,
        description: "Made at the first start; serves whatever names the server itself".to_owned(),
        transport: TrunkTransport::Udp,
        recording: false,
        enable_transcription: false,
        pii_redaction: false,
        recording_webhook_enabled: false,
        webhook_method: WebhookMethod::Post,
        created_at: now.micros(),
        updated_at: now.micros(),
        credential_uuid: None,
        ipacl_uuid: None,
        primary_uri_uuid: None,
        fallback_uri_uuid: None,
        inbound_destination: None,
        pii_entity_types: None,
        webhook_url: None,
        policy_register: config.default_trunk.auth_policy_register,
        policy_call: config.default_trunk.auth_policy_call,
        call_challenge: ChallengeStatus::Unauthorized,
        algorithms: vec![Algorithm::Md5],
        caller_id_any: false,
        select_by_source: false,
        use_account_acl: false,
    }
}

fn acl_entry(auth_id: &str, trunk: TrunkId, net: &ipnet::IpNet, deny: bool, now: Timestamp) -> AclRecord {
    AclRecord {
        id: Uuid::now_v7(),
        auth_id: auth_id.to_owned(),
        ip_address: net.to_string(),
        deny,
        description: "From [default_trunk] of the configuration".to_owned(),
        enabled: true,
        trunk: Some(trunk),
        may_register: Vec::new(),
        created_at: now.micros(),
        updated_at: now.micros(),
    }
}

fn credential(
    auth_id: &str,
    username: &str,
    password: &str,
    realm: &str,
    enabled: bool,
    now: Timestamp,
) -> CredentialRecord {
    let ha1 = Ha1Set::from_password(username.as_bytes(), realm.as_bytes(), password.as_bytes());
    CredentialRecord {
        id: Uuid::now_v7(),
        auth_id: auth_id.to_owned(),
        username: username.to_owned(),
        description: String::new(),
        enabled,
        trunk: None,
        ha1_md5: ha1.md5.map(|ha1| ha1.0),
        ha1_sha256: ha1.sha256.map(|ha1| ha1.0),
        ha1_sha512_256: ha1.sha512_256.map(|ha1| ha1.0),
        created_at: now.micros(),
        updated_at: now.micros(),
    }
}

/// Loads the rows of a seed that are not there yet. A bad row is told by its line and stops nothing else.
pub(super) fn seed(store: &Store, config: &Config, file: &Path, now: Timestamp) -> anyhow::Result<()> {
    let auth_id = &config.account.auth_id;
    let account = store.account(auth_id)?.with_context(|| format!("account {auth_id:?} is not in the store"))?;
    let realm = administration::realm(&account, &config.engine.domain);
    let reader = File::open(file).with_context(|| format!("cannot open the seed {}", file.display()))?;
    let mut bad = 0_u64;
    let mut broken = None;
    let rows = SeedRows::new(BufReader::new(reader)).filter_map(|row| match row {
        Ok(Ok(row)) => Some(credential(auth_id, &row.username, row.password.reveal(), &realm, row.enabled, now)),
        Ok(Err(row)) => {
            bad += 1;
            tracing::warn!(file = %file.display(), line = row.line, reason = %row.why, "seed row left out");
            None
        }
        Err(error) => {
            broken.get_or_insert(error);
            None
        }
    });
    let Imported { made, present, deleted } = store.seed_missing(rows)?;
    if let Some(error) = broken {
        return Err(error).with_context(|| format!("cannot read the seed {} to its end", file.display()));
    }
    tracing::info!(file = %file.display(), made, present, deleted, bad, "seed loaded");
    Ok(())
}
