//! Credentials: exactly the 8 keys of the contract. The password is not known and the hashes are never shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use crate::storage::CredentialRecord;

use super::Api;
use super::access::Access;
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;

#[derive(Serialize)]
pub(super) struct Credential {
    id: Uuid,
    account_id: String,
    username: String,
    password: &'static str,
    realm: String,
    enabled: bool,
    created_at: String,
    updated_at: String,
}

/// `GET …/trunks/credentials`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<Credential>>, ApiError> {
    let page = query.page()?;
    let account = access.account;
    let auth_id = account.auth_id.clone();
    let credentials = api.read(move |store| store.credentials_of(&auth_id)).await?;
    let realm = account.realm_override.unwrap_or_else(|| format!("{}.{}", account.auth_id, api.domain));
    Ok(Json(page.of(credentials, |record| (record.created_at, record.id), |record| credential(record, &realm))))
}

fn credential(record: CredentialRecord, realm: &str) -> Credential {
    Credential {
        id: record.id,
        account_id: record.auth_id,
        username: record.username,
        password: "<redacted>",
        realm: realm.to_owned(),
        enabled: record.enabled,
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.updated_at),
    }
}
