//! The audit log, and who one is.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use crate::administration;
use crate::storage::{AuditChain, AuditRecord, hex};

use super::access::{Access, Caller, Operator};
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;
use super::{Api, of_account, with_slash};

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct Entry {
    /// From 1, without a gap over all accounts.
    sequence: u64,
    at: String,
    /// Who did it: an account's `auth_id`, `operator`, or `server`.
    actor: String,
    /// From where; left out for what the server does of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    request_id: String,
    account_id: String,
    /// `created`, `updated` or `deleted`.
    action: &'static str,
    /// `account`, `trunk`, `credential`, `ip_acl`, `origination_uri`, `number` or `registration`.
    object: String,
    object_id: String,
    object_name: String,
    /// The names of the fields that were changed; never a value.
    fields: Vec<String>,
    /// SHA-256 of the entry before, as stored.
    previous: String,
}

/// Whether the log is whole.
#[derive(Serialize, ToSchema)]
pub(super) struct Verified {
    holds: bool,
    /// Number of the oldest entry kept; 0 where there is none.
    first: u64,
    /// Number of the newest.
    last: u64,
    /// SHA-256 of the newest: kept elsewhere, it shows later whether the log up to here is still the same.
    head: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// The account; `operator` for the operator.
    auth_id: String,
    account_id: String,
    /// `account` or `operator`.
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
    enabled: bool,
}

pub(super) fn routes(router: Router<Arc<Api>>) -> Router<Arc<Api>> {
    let router = of_account(router, "audit", get(own));
    let router = with_slash(router, "/api/v1/operator/audit", get(all));
    let router = with_slash(router, "/api/v1/operator/audit/verify", get(verify));
    with_slash(router, "/api/v1/auth/me", get(me))
}

/// `GET …/audit`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/audit", tag = "audit",
    params(super::inputs::AccountPath, super::inputs::PageParameters), responses((status = 200, body = List<Entry>)))]
pub(super) async fn own(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<Entry>>, ApiError> {
    let page = query.page()?;
    let found = api.read(move |store| store.page_of_audit(Some(&access.account.auth_id), page.window())).await?;
    Ok(Json(page.list(found, entry)))
}

/// `GET /api/v1/operator/audit`
#[utoipa::path(get, path = "/api/v1/operator/audit", tag = "operator", params(super::inputs::PageParameters),
    responses((status = 200, body = List<Entry>)))]
pub(super) async fn all(
    State(api): State<Arc<Api>>,
    _: Operator,
    query: ListQuery,
) -> Result<Json<List<Entry>>, ApiError> {
    let page = query.page()?;
    let found = api.read(move |store| store.page_of_audit(None, page.window())).await?;
    Ok(Json(page.list(found, entry)))
}

/// `GET /api/v1/operator/audit/verify`
#[utoipa::path(get, path = "/api/v1/operator/audit/verify", tag = "operator", responses((status = 200, body = Verified)))]
pub(super) async fn verify(State(api): State<Arc<Api>>, _: Operator) -> Result<Json<Verified>, ApiError> {
    let AuditChain { first, last, head, broken } = api.read(|store| store.verify_audit()).await?;
    Ok(Json(Verified {
        holds: broken.is_none(),
        first,
        last,
        head: hex(&head),
        broken_at: broken.as_ref().map(|broken| broken.sequence),
        reason: broken.map(|broken| broken.reason),
    }))
}

/// `GET /api/v1/auth/me`
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "account", responses((status = 200, body = Me)))]
pub(super) async fn me(State(api): State<Arc<Api>>, caller: Caller) -> Json<Me> {
    Json(match caller {
        Caller::Operator => Me {
            auth_id: "operator".to_owned(),
            account_id: "operator".to_owned(),
            role: "operator",
            realm: None,
            enabled: true,
        },
        Caller::Account(account) => Me {
            realm: Some(administration::realm(&account, api.administration.domain())),
            account_id: account.auth_id.clone(),
            auth_id: account.auth_id,
            role: "account",
            enabled: account.enabled,
        },
    })
}

fn entry(record: AuditRecord) -> Entry {
    let AuditRecord { sequence, previous, entry } = record;
    Entry {
        sequence,
        at: timestamp(entry.at),
        actor: entry.actor,
        source: entry.peer.map(|peer| peer.to_string()),
        request_id: entry.request_id,
        account_id: entry.auth_id,
        action: entry.action.label(),
        object: entry.object,
        object_id: entry.id,
        object_name: entry.name,
        fields: entry.fields,
        previous: hex(&previous),
    }
}
