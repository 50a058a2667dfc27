//! Accounts, for the operator: made, listed, suspended, deleted, and given new tokens. A token is shown once, when it is made.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it draws tokens")]

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::administration;
use crate::storage::{self, AccountRecord};

use super::access::{OPERATOR, Operator, token_hash};
use super::arrangement::{Field, Sorted};
use super::body::Fields;
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;
use super::idempotency::ShowsSecret;
use super::{Api, with_slash};

/// Longest `auth_id`, in characters.
const LONGEST: usize = 64;

const FIELDS: &[Field<AccountRecord>] = &[
    Field { name: "auth_id", of: |it| Sorted::Text(it.auth_id.as_str().into()), is_searched: true },
    Field {
        name: "realm",
        of: |it| Sorted::Text(it.realm_override.as_deref().unwrap_or("").into()),
        is_searched: true,
    },
    Field { name: "enabled", of: |it| Sorted::Number(it.enabled.into()), is_searched: false },
    Field { name: "created_at", of: |it| Sorted::Number(it.created_at), is_searched: false },
    Field { name: "updated_at", of: |it| Sorted::Number(it.updated_at), is_searched: false },
];

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct Account {
    /// Its name in paths and in `X-Auth-ID`.
    auth_id: String,
    /// The realm of its credentials.
    realm: String,
    /// A suspended account's requests are refused, over HTTP and over SIP.
    enabled: bool,
    created_at: String,
    updated_at: String,
}

/// An account with its token, which is not shown again.
#[derive(Serialize, ToSchema)]
pub(super) struct NewAccount {
    #[serde(flatten)]
    account: Account,
    auth_token: String,
}

/// The `auth_id` at the end of an operator's path.
pub(super) struct AccountName(String);

impl<S: Send + Sync> FromRequestParts<S> for AccountName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| no_such_account())?;
        let name = path.iter().find(|(key, _)| *key == "account").map(|(_, value)| value.to_owned());
        name.map(Self).ok_or_else(no_such_account)
    }
}

pub(super) fn routes(router: Router<Arc<Api>>) -> Router<Arc<Api>> {
    let router = with_slash(router, "/api/v1/operator/accounts", get(list).post(create));
    let router = with_slash(router, "/api/v1/operator/accounts/{account}", get(retrieve).put(update).delete(delete));
    with_slash(router, "/api/v1/operator/accounts/{account}/token", post(rotate))
}

/// `GET /api/v1/operator/accounts`
#[utoipa::path(get, path = "/api/v1/operator/accounts", tag = "operator", params(super::inputs::ListParameters),
    responses((status = 200, body = List<Account>)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    _: Operator,
    query: ListQuery,
) -> Result<Json<List<Account>>, ApiError> {
    let (page, arrangement) = (query.page()?, query.arrangement(FIELDS)?);
    let found = api.work(move |administration| {
        arrangement.read(page.window(), |window| {
            let mut records = administration.store().accounts()?;
            records.sort_by_key(|record| std::cmp::Reverse(record.created_at));
            Ok(storage::Page { total: records.len(), records }.cut(window))
        })
    });
    Ok(Json(page.list(found.await?, |record| shown(&record, api.administration.domain()))))
}

/// `POST /api/v1/operator/accounts`
#[utoipa::path(post, path = "/api/v1/operator/accounts", tag = "operator", request_body = super::inputs::AccountBody,
    responses((status = 201, body = NewAccount)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    _: Operator,
    body: Fields,
) -> Result<(StatusCode, Extension<ShowsSecret>, Json<NewAccount>), ApiError> {
    let auth_id = match body.text(&["auth_id"])? {
        Some(auth_id) => check_auth_id(auth_id)?,
        None => random_auth_id()?,
    };
    let realm = body.text(&["realm"])?.map(check_realm).transpose()?;
    let enabled = body.boolean(&["enabled"])?.unwrap_or(true);
    let auth_token = random_token()?;
    let token_hash = token_hash(auth_token.as_bytes());
    let record = api.work(move |administration| {
        let now = administration.now().micros();
        // Kept from now on: were it to follow `[sip] domain`, a change of that would void every password.
        let realm = realm.unwrap_or_else(|| format!("{auth_id}.{}", administration.domain()));
        let record = AccountRecord {
            auth_id,
            token_hash,
            realm_override: Some(realm),
            enabled,
            created_at: now,
            updated_at: now,
        };
        administration.create_account(&record).map(|()| record)
    });
    let account = shown(&record.await?, api.administration.domain());
    Ok((StatusCode::CREATED, Extension(ShowsSecret), Json(NewAccount { account, auth_token })))
}

/// `GET /api/v1/operator/accounts/{auth_id}`
#[utoipa::path(get, path = "/api/v1/operator/accounts/{account}", tag = "operator",
    params(("account" = String, Path, description = "The account's auth_id")), responses((status = 200, body = Account)))]
pub(super) async fn retrieve(
    State(api): State<Arc<Api>>,
    _: Operator,
    AccountName(auth_id): AccountName,
) -> Result<Json<Account>, ApiError> {
    let record = api.read(move |store| store.account(&auth_id)).await?.ok_or_else(no_such_account)?;
    Ok(Json(shown(&record, api.administration.domain())))
}

/// `PUT /api/v1/operator/accounts/{auth_id}`
#[utoipa::path(put, path = "/api/v1/operator/accounts/{account}", tag = "operator",
    params(("account" = String, Path, description = "The account's auth_id")),
    request_body = super::inputs::AccountChange, responses((status = 200, body = Account)))]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    _: Operator,
    AccountName(auth_id): AccountName,
    body: Fields,
) -> Result<Json<Account>, ApiError> {
    if body.text(&["auth_id"])?.is_some_and(|given| given != auth_id) || body.text(&["realm"])?.is_some() {
        return Err(ApiError::bad_request("auth_id and realm are settled when the account is made"));
    }
    let enabled = body.boolean(&["enabled"])?;
    let record = api.work(move |administration| {
        administration.update_account(&auth_id, |record| record.enabled = enabled.unwrap_or(record.enabled))
    });
    Ok(Json(shown(&record.await?, api.administration.domain())))
}

/// `DELETE /api/v1/operator/accounts/{auth_id}`
#[utoipa::path(delete, path = "/api/v1/operator/accounts/{account}", tag = "operator",
    params(("account" = String, Path, description = "The account's auth_id")), responses((status = 204)))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    _: Operator,
    AccountName(auth_id): AccountName,
) -> Result<StatusCode, ApiError> {
    api.work(move |administration| administration.delete_account(&auth_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/operator/accounts/{auth_id}/token`
#[utoipa::path(post, path = "/api/v1/operator/accounts/{account}/token", tag = "operator",
    params(("account" = String, Path, description = "The account's auth_id")), responses((status = 200, body = NewAccount)))]
pub(super) async fn rotate(
    State(api): State<Arc<Api>>,
    _: Operator,
    AccountName(auth_id): AccountName,
) -> Result<(Extension<ShowsSecret>, Json<NewAccount>), ApiError> {
    let auth_token = random_token()?;
    let token_hash = token_hash(auth_token.as_bytes());
    let record = api
        .work(move |administration| administration.update_account(&auth_id, |record| record.token_hash = token_hash));
    let account = shown(&record.await?, api.administration.domain());
    Ok((Extension(ShowsSecret), Json(NewAccount { account, auth_token })))
}

fn no_such_account() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "Account not found")
}

fn shown(record: &AccountRecord, domain: &str) -> Account {
    Account {
        auth_id: record.auth_id.clone(),
        realm: administration::realm(record, domain),
        enabled: record.enabled,
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.updated_at),
    }
}

fn check_auth_id(text: String) -> Result<String, ApiError> {
    let good =
        (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match good && !text.eq_ignore_ascii_case(OPERATOR) {
        true => Ok(text),
        false => {
            Err(ApiError::bad_request("auth_id must be 1 to 64 letters, digits and underscores, and not operator"))
        }
    }
}

/// It stands in quotation marks in every challenge.
fn check_realm(text: String) -> Result<String, ApiError> {
    let good =
        (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    if good {
        Ok(text)
    } else {
        Err(ApiError::bad_request(
            "realm must be 1 to 255 printable ASCII characters without blanks, quotation marks and backslashes",
        ))
    }
}

fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ApiError::internal(&error))?;
    Ok(bytes)
}

/// 256 bits, so that its plain hash cannot be tried out.
fn random_token() -> Result<String, ApiError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

fn random_auth_id() -> Result<String, ApiError> {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let letters = random::<16>()?.into_iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)).copied());
    Ok(std::iter::once("MA_".to_owned()).chain(letters.map(|letter| char::from(letter).to_string())).collect())
}
