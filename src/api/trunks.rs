//! Trunks: exactly the 18 keys of the contract, and in lists those of five more that are set.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::administration::{Administration, TrunkFields};
use crate::auth::Algorithm;
use crate::storage::TrunkRecord;
use crate::trunk::TrunkId;

use super::access::Access;
use super::arrangement::{Field, Sorted};
use super::body::Fields;
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;
use super::path::Name;
use super::words::{CALLER_IDS, CHALLENGES, DIRECTIONS, POLICIES, STATUSES, TRANSPORTS, WEBHOOK_METHODS, word_of};
use super::{Api, Routes};

const KIND: &str = "Trunk";

const FIELDS: &[Field<TrunkRecord>] = &[
    Field { name: "name", of: |it| Sorted::Text(it.name.as_str().into()), is_searched: true },
    Field { name: "description", of: |it| Sorted::Text(it.description.as_str().into()), is_searched: true },
    Field { name: "trunk_id", of: |it| Sorted::Text(it.id.0.to_string().into()), is_searched: true },
    Field { name: "enabled", of: |it| Sorted::Number(it.enabled.into()), is_searched: false },
    Field { name: "created_at", of: |it| Sorted::Number(it.created_at), is_searched: false },
    Field { name: "updated_at", of: |it| Sorted::Number(it.updated_at), is_searched: false },
];

/// A trunk. A key without a value is left out; null would break strict clients.
#[derive(Serialize, ToSchema)]
pub(super) struct Trunk {
    trunk_id: Uuid,
    account_id: String,
    name: String,
    trunk_domain: String,
    trunk_status: &'static str,
    secure: bool,
    trunk_direction: &'static str,
    concurrent_calls_limit: u32,
    cps_limit: u32,
    description: String,
    transport: &'static str,
    recording: bool,
    enable_transcription: bool,
    pii_redaction: bool,
    recording_webhook_enabled: bool,
    webhook_method: &'static str,
    created_at: String,
    updated_at: String,
    #[serde(flatten)]
    listed: Option<Listed>,
    #[serde(flatten)]
    full: Option<Full>,
}

/// What lists show as well.
#[derive(Serialize, ToSchema)]
#[schema(as = TrunkListed)]
struct Listed {
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_uuid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_uri_uuid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound_destination: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pii_entity_types: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
}

/// What only `?view=full` shows, beside what lists show.
#[derive(Serialize, ToSchema)]
#[schema(as = TrunkFull)]
struct Full {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    ipacl_uuid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    fallback_uri_uuid: Option<Uuid>,
    #[schema(required = false)]
    auth_policy_register: &'static str,
    #[schema(required = false)]
    auth_policy_call: &'static str,
    #[schema(required = false)]
    call_challenge: u16,
    #[schema(required = false, value_type = Vec<String>)]
    digest_algorithms: Vec<Algorithm>,
    #[schema(required = false)]
    caller_id: &'static str,
    #[schema(required = false)]
    select_by_source: bool,
    #[schema(required = false)]
    use_account_acl: bool,
}

/// How much of a trunk is shown.
#[derive(Clone, Copy)]
struct View {
    listed: bool,
    full: bool,
}

pub(super) fn routes() -> Routes {
    Routes { create: post(create), list: get(list), one: get(retrieve).put(update).delete(delete) }
}

/// `GET …/trunks`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/trunks", tag = "trunks", params(super::inputs::AccountPath, super::inputs::ListParameters, super::inputs::ViewParameter, super::inputs::NumberedParameters), responses((status = 200, body = List<Trunk>)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<Trunk>>, ApiError> {
    let (page, arrangement, full) = (query.page_or_numbered()?, query.arrangement(FIELDS)?, query.is_full());
    let auth_id = access.account.auth_id;
    let found =
        api.read(move |store| arrangement.read(page.window(), |window| store.page_of_trunks(&auth_id, window))).await?;
    let view = View { listed: true, full };
    Ok(Json(page.list(found, |record| shown(record, &api.administration, view))))
}

/// `POST …/trunks`
#[utoipa::path(post, path = "/api/v1/Account/{auth_id}/trunks", tag = "trunks", params(super::inputs::AccountPath, super::inputs::ViewParameter), request_body = super::inputs::TrunkBody, responses((status = 201, body = Trunk)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    body: Fields,
) -> Result<(StatusCode, Json<Trunk>), ApiError> {
    let (auth_id, fields) = (access.account.auth_id, fields(&body)?);
    let record = api.work(move |administration| administration.create_trunk(&auth_id, fields)).await?;
    Ok((StatusCode::CREATED, one(record, &api, &query)))
}

/// `GET …/trunks/{trunk_id}`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/trunks/{trunk_id}", tag = "trunks", params(super::inputs::AccountPath, ("trunk_id" = Uuid, Path, description = "Its id"), super::inputs::ViewParameter), responses((status = 200, body = Trunk)))]
pub(super) async fn retrieve(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
) -> Result<Json<Trunk>, ApiError> {
    let (auth_id, id) = (access.account.auth_id, TrunkId(name.id(KIND)?));
    let record = api.work(move |administration| administration.trunk(&auth_id, id)).await?;
    Ok(one(record, &api, &query))
}

/// `PUT …/trunks/{trunk_id}`
#[utoipa::path(put, path = "/api/v1/Account/{auth_id}/trunks/{trunk_id}", tag = "trunks", params(super::inputs::AccountPath, ("trunk_id" = Uuid, Path, description = "Its id"), super::inputs::ViewParameter), request_body = super::inputs::TrunkChange, responses((status = 200, body = Trunk)))]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
    body: Fields,
) -> Result<Json<Trunk>, ApiError> {
    let (auth_id, id, fields) = (access.account.auth_id, TrunkId(name.id(KIND)?), fields(&body)?);
    let record = api.work(move |administration| administration.update_trunk(&auth_id, id, fields)).await?;
    Ok(one(record, &api, &query))
}

/// `DELETE …/trunks/{trunk_id}`
#[utoipa::path(delete, path = "/api/v1/Account/{auth_id}/trunks/{trunk_id}", tag = "trunks", params(super::inputs::AccountPath, ("trunk_id" = Uuid, Path, description = "Its id")), responses((status = 204, description = "Gone")))]
pub(super) async fn delete(State(api): State<Arc<Api>>, access: Access, name: Name) -> Result<StatusCode, ApiError> {
    let (auth_id, id) = (access.account.auth_id, TrunkId(name.id(KIND)?));
    api.work(move |administration| administration.delete_trunk(&auth_id, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn one(record: TrunkRecord, api: &Api, query: &ListQuery) -> Json<Trunk> {
    let full = query.is_full();
    Json(shown(record, &api.administration, View { listed: full, full }))
}

/// Both vocabularies of the contract, and our own fields.
fn fields(body: &Fields) -> Result<TrunkFields, ApiError> {
    Ok(TrunkFields {
        name: body.text(&["name"])?,
        trunk_domain: body.text_or_none(&["trunk_domain"])?,
        enabled: match body.boolean(&["enabled"])? {
            Some(enabled) => Some(enabled),
            None => body.word(&["trunk_status"], &STATUSES)?,
        },
        secure: body.boolean(&["secure"])?,
        direction: body.word(&["trunk_direction", "trunk_type"], &DIRECTIONS)?,
        concurrent_calls_limit: body.number(&["concurrent_calls_limit", "max_concurrent_calls"])?,
        cps_limit: body.number(&["cps_limit"])?,
        description: body.text(&["description"])?,
        transport: body.word(&["transport"], &TRANSPORTS)?,
        recording: body.boolean(&["recording"])?,
        enable_transcription: body.boolean(&["enable_transcription"])?,
        pii_redaction: body.boolean(&["pii_redaction"])?,
        recording_webhook_enabled: body.boolean(&["recording_webhook_enabled"])?,
        webhook_method: body.word(&["webhook_method"], &WEBHOOK_METHODS)?,
        credential_uuid: body.uuid_or_none(&["credential_uuid"])?,
        ipacl_uuid: body.uuid_or_none(&["ipacl_uuid"])?,
        primary_uri_uuid: body.uuid_or_none(&["primary_uri_uuid"])?,
        fallback_uri_uuid: body.uuid_or_none(&["fallback_uri_uuid"])?,
        inbound_destination: body.text_or_none(&["inbound_destination"])?,
        pii_entity_types: body.text_or_none(&["pii_entity_types"])?,
        webhook_url: body.text_or_none(&["webhook_url"])?,
        policy_register: body.word(&["auth_policy_register"], &POLICIES)?,
        policy_call: body.word(&["auth_policy_call"], &POLICIES)?,
        call_challenge: body.number_word(&["call_challenge"], &CHALLENGES)?,
        algorithms: algorithms(body)?,
        caller_id_any: body.word(&["caller_id"], &CALLER_IDS)?,
        select_by_source: body.boolean(&["select_by_source"])?,
        use_account_acl: body.boolean(&["use_account_acl"])?,
    })
}

fn algorithms(body: &Fields) -> Result<Option<Vec<Algorithm>>, ApiError> {
    let Some(names) = body.texts(&["digest_algorithms"])? else { return Ok(None) };
    let mut algorithms = Vec::new();
    for name in names {
        match Algorithm::from_token(name.as_bytes()) {
            Some(algorithm) if !algorithms.contains(&algorithm) => algorithms.push(algorithm),
            _ => {
                let text = "digest_algorithms must be a list of MD5, SHA-256 and SHA-512-256, each once at most";
                return Err(ApiError::bad_request(text));
            }
        }
    }
    Ok(Some(algorithms))
}

fn shown(record: TrunkRecord, administration: &Administration, view: View) -> Trunk {
    let trunk_domain = administration.domain_of(&record);
    let full = Full {
        ipacl_uuid: record.ipacl_uuid,
        fallback_uri_uuid: record.fallback_uri_uuid,
        auth_policy_register: word_of(&POLICIES, record.policy_register),
        auth_policy_call: word_of(&POLICIES, record.policy_call),
        call_challenge: record.call_challenge.code(),
        digest_algorithms: record.algorithms,
        caller_id: word_of(&CALLER_IDS, record.caller_id_any),
        select_by_source: record.select_by_source,
        use_account_acl: record.use_account_acl,
    };
    let listed = Listed {
        credential_uuid: record.credential_uuid,
        primary_uri_uuid: record.primary_uri_uuid,
        inbound_destination: record.inbound_destination,
        pii_entity_types: record.pii_entity_types,
        webhook_url: record.webhook_url,
    };
    Trunk {
        trunk_id: record.id.0,
        account_id: record.auth_id,
        name: record.name,
        trunk_domain,
        trunk_status: word_of(&STATUSES, record.enabled),
        secure: record.secure,
        trunk_direction: word_of(&DIRECTIONS, record.direction),
        concurrent_calls_limit: record.concurrent_calls_limit,
        cps_limit: record.cps_limit,
        description: record.description,
        transport: word_of(&TRANSPORTS, record.transport),
        recording: record.recording,
        enable_transcription: record.enable_transcription,
        pii_redaction: record.pii_redaction,
        recording_webhook_enabled: record.recording_webhook_enabled,
        webhook_method: word_of(&WEBHOOK_METHODS, record.webhook_method),
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.updated_at),
        listed: view.listed.then_some(listed),
        full: view.full.then_some(full),
    }
}
