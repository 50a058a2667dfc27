//! Credentials: exactly the 8 keys of the contract. The password is not known and the hashes are never shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::administration::{self, CredentialFields, NewSecret};
use crate::auth::{Algorithm, Ha1, Ha1Set};
use crate::storage::{AccountRecord, CredentialRecord, UsageRecord};
use crate::trunk::TrunkId;

use super::access::Access;
use super::arrangement::{Field, Sorted};
use super::body::Fields;
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;
use super::path::Name;
use super::{Api, Routes};

const KIND: &str = "Credential";

const FIELDS: &[Field<CredentialRecord>] = &[
    Field { name: "username", of: |it| Sorted::Text(it.username.as_str().into()), is_searched: true },
    Field { name: "description", of: |it| Sorted::Text(it.description.as_str().into()), is_searched: true },
    Field { name: "enabled", of: |it| Sorted::Number(it.enabled.into()), is_searched: false },
    Field { name: "created_at", of: |it| Sorted::Number(it.created_at), is_searched: false },
    Field { name: "updated_at", of: |it| Sorted::Number(it.updated_at), is_searched: false },
];

/// A credential.
#[derive(Serialize, ToSchema)]
pub(super) struct Credential {
    id: Uuid,
    account_id: String,
    username: String,
    password: &'static str,
    realm: String,
    enabled: bool,
    created_at: String,
    updated_at: String,
    #[serde(flatten)]
    full: Option<Full>,
}

/// What only `?view=full` shows.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialFull)]
struct Full {
    #[schema(required = false)]
    description: String,
    /// For which algorithms there is a hash.
    #[schema(required = false, value_type = Vec<String>)]
    digest_algorithms: Vec<Algorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<Uuid>)]
    trunk_id: Option<TrunkId>,
    #[schema(required = false)]
    usage: CredentialUsage,
}

/// How a credential is used. Times and places are left out where there was none.
#[derive(Serialize, ToSchema, Default)]
struct CredentialUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_user_agent: Option<String>,
    /// Registrations accepted, refreshes included.
    registrations: u64,
    /// Calls that went on to their targets.
    calls: u64,
    /// Requests that named it and were not let in.
    failures: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure_source: Option<String>,
}

impl From<UsageRecord> for CredentialUsage {
    fn from(record: UsageRecord) -> Self {
        let time = |micros: u64| (micros > 0).then(|| timestamp(micros));
        Self {
            last_used_at: time(record.last_used_at),
            last_source: record.last_source.map(|source| source.to_string()),
            last_user_agent: Some(record.last_user_agent).filter(|name| !name.is_empty()),
            registrations: record.registrations,
            calls: record.calls,
            failures: record.failures,
            last_failure_at: time(record.last_failure_at),
            last_failure_source: record.last_failure_source.map(|source| source.to_string()),
        }
    }
}

pub(super) fn routes() -> Routes {
    Routes { create: post(create), list: get(list), one: get(retrieve).put(update).delete(delete) }
}

/// `GET …/trunks/credentials`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/trunks/credentials", tag = "credentials", params(super::inputs::AccountPath, super::inputs::ListParameters, super::inputs::ViewParameter, super::inputs::TrunkParameter), responses((status = 200, body = List<Credential>)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<Credential>>, ApiError> {
    let (page, trunk, full) = (query.page()?, query.trunk()?, query.is_full());
    let arrangement = query.arrangement(FIELDS)?;
    let account = access.account;
    let auth_id = account.auth_id.clone();
    let found = api.work(move |administration| {
        let attached = trunk.map(|id| administration.trunk(&auth_id, id)).transpose()?;
        let attached = attached.and_then(|trunk| trunk.credential_uuid);
        arrangement.read(page.window(), |window| {
            Ok(administration.store().page_of_credentials(&auth_id, trunk, attached, window)?)
        })
    });
    let shown = Shown::new(&account, &api, full);
    Ok(Json(page.list(found.await?, |record| shown.of(record))))
}

/// `POST …/credentials`
#[utoipa::path(post, path = "/api/v1/Account/{auth_id}/credentials", tag = "credentials", params(super::inputs::AccountPath, super::inputs::ViewParameter), request_body = super::inputs::CredentialBody, responses((status = 201, body = Credential)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    body: Fields,
) -> Result<(StatusCode, Json<Credential>), ApiError> {
    let fields = fields(body)?;
    let account = access.account;
    let auth_id = account.auth_id.clone();
    let record = api.work(move |administration| administration.create_credential(&auth_id, fields)).await?;
    Ok((StatusCode::CREATED, Json(Shown::new(&account, &api, query.is_full()).of(record))))
}

/// `GET …/credentials/{id}`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/credentials/{credential_id}", tag = "credentials", params(super::inputs::AccountPath, ("credential_id" = Uuid, Path, description = "Its id"), super::inputs::ViewParameter), responses((status = 200, body = Credential)))]
pub(super) async fn retrieve(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
) -> Result<Json<Credential>, ApiError> {
    let (account, id) = (access.account, name.id(KIND)?);
    let auth_id = account.auth_id.clone();
    let record = api.work(move |administration| administration.credential(&auth_id, id)).await?;
    Ok(Json(Shown::new(&account, &api, query.is_full()).of(record)))
}

/// `PUT …/credentials/{id}`
#[utoipa::path(put, path = "/api/v1/Account/{auth_id}/credentials/{credential_id}", tag = "credentials", params(super::inputs::AccountPath, ("credential_id" = Uuid, Path, description = "Its id"), super::inputs::ViewParameter), request_body = super::inputs::CredentialChange, responses((status = 200, body = Credential)))]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
    body: Fields,
) -> Result<Json<Credential>, ApiError> {
    let (account, id, fields) = (access.account, name.id(KIND)?, fields(body)?);
    let auth_id = account.auth_id.clone();
    let record = api.work(move |administration| administration.update_credential(&auth_id, id, fields)).await?;
    Ok(Json(Shown::new(&account, &api, query.is_full()).of(record)))
}

/// `DELETE …/credentials/{id}`
#[utoipa::path(delete, path = "/api/v1/Account/{auth_id}/credentials/{credential_id}", tag = "credentials", params(super::inputs::AccountPath, ("credential_id" = Uuid, Path, description = "Its id")), responses((status = 204, description = "Gone")))]
pub(super) async fn delete(State(api): State<Arc<Api>>, access: Access, name: Name) -> Result<StatusCode, ApiError> {
    let (auth_id, id) = (access.account.auth_id, name.id(KIND)?);
    api.work(move |administration| administration.delete_credential(&auth_id, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn fields(mut body: Fields) -> Result<CredentialFields, ApiError> {
    Ok(CredentialFields {
        username: body.text(&["username"])?,
        secret: secret(&mut body)?,
        enabled: body.boolean(&["enabled"])?,
        description: body.text(&["description"])?,
        trunk: body.uuid_or_none(&["trunk_id"])?.map(|id| id.map(TrunkId)),
    })
}

fn secret(body: &mut Fields) -> Result<Option<NewSecret>, ApiError> {
    let (password, ha1) = (body.secret("password")?, body.object("ha1")?);
    match (password, ha1) {
        (Some(_), Some(_)) => Err(ApiError::bad_request("Either password or ha1 can be given, not both")),
        (Some(password), None) => Ok(Some(NewSecret::Password(password))),
        (None, Some(ha1)) => client_computed(ha1).map(|set| Some(NewSecret::Ha1(set))),
        (None, None) => Ok(None),
    }
}

/// `{"MD5": "hex", "SHA-256": "hex", "SHA-512-256": "hex"}`, at least one of them.
fn client_computed(mut ha1: Fields) -> Result<Ha1Set, ApiError> {
    let names: Vec<String> = ha1.names().map(str::to_owned).collect();
    let mut set = Ha1Set { md5: None, sha256: None, sha512_256: None };
    for name in &names {
        let wrong = |digits: usize| ApiError::bad_request(format!("ha1 {name} must be {digits} hexadecimal digits"));
        let Some(algorithm) = Algorithm::from_token(name.as_bytes()) else {
            return Err(ApiError::bad_request("ha1 must be an object of MD5, SHA-256 and SHA-512-256"));
        };
        let wrong = || wrong(algorithm.hex_length());
        let text = ha1.take_text(name).ok_or_else(wrong)?;
        match algorithm {
            Algorithm::Md5 => set.md5 = Some(Ha1(from_hex(&text).ok_or_else(wrong)?)),
            Algorithm::Sha256 => set.sha256 = Some(Ha1(from_hex(&text).ok_or_else(wrong)?)),
            Algorithm::Sha512_256 => set.sha512_256 = Some(Ha1(from_hex(&text).ok_or_else(wrong)?)),
        }
    }
    if names.is_empty() {
        return Err(ApiError::bad_request("ha1 must have at least one of MD5, SHA-256 and SHA-512-256"));
    }
    Ok(set)
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// How the credentials of an account are shown.
struct Shown {
    realm: String,
    full: bool,
    usage: Option<Arc<crate::usage::Usage>>,
}

impl Shown {
    fn new(account: &AccountRecord, api: &Api, full: bool) -> Self {
        Self { realm: administration::realm(account, api.administration.domain()), full, usage: api.usage.clone() }
    }

    fn of(&self, record: CredentialRecord) -> Credential {
        let ha1 = record.credential().ha1;
        let algorithms = Algorithm::ALL.into_iter().filter(|algorithm| ha1.get(*algorithm).is_some());
        let usage = self.usage.as_ref().filter(|_| self.full).and_then(|usage| usage.of(record.id));
        let full = Full {
            description: record.description,
            digest_algorithms: algorithms.collect(),
            trunk_id: record.trunk,
            usage: usage.map(CredentialUsage::from).unwrap_or_default(),
        };
        Credential {
            id: record.id,
            account_id: record.auth_id,
            username: record.username,
            password: "<redacted>",
            realm: self.realm.clone(),
            enabled: record.enabled,
            created_at: timestamp(record.created_at),
            updated_at: timestamp(record.updated_at),
            full: self.full.then_some(full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_make_bytes_and_nothing_else_does() {
        assert_eq!(from_hex::<2>("0aF9"), Some([0x0a, 0xf9]));
        for text in ["", "0a", "0af", "0af9f", "0ag9", "+af9", "é9f"] {
            assert_eq!(from_hex::<2>(text), None, "{text}");
        }
    }
}
