//! Origination URIs: exactly the 10 keys of the contract. What a request calls `sip_uri` and `name` is shown as `uri` and `description`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::administration::OriginationUriFields;
use crate::storage::{OriginationUriRecord, Window};
use crate::trunk::TrunkId;

use super::access::Access;
use super::arrangement::{Field, Sorted};
use super::body::Fields;
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;
use super::path::Name;
use super::words::{TRANSPORTS, word_of};
use super::{Api, Routes};

const KIND: &str = "Origination URI";

const FIELDS: &[Field<OriginationUriRecord>] = &[
    Field { name: "uri", of: |it| Sorted::Text(it.uri.as_str().into()), is_searched: true },
    Field { name: "description", of: |it| Sorted::Text(it.description.as_str().into()), is_searched: true },
    Field { name: "priority", of: |it| Sorted::Number(it.priority.into()), is_searched: false },
    Field { name: "weight", of: |it| Sorted::Number(it.weight.into()), is_searched: false },
    Field { name: "enabled", of: |it| Sorted::Number(it.enabled.into()), is_searched: false },
    Field { name: "created_at", of: |it| Sorted::Number(it.created_at), is_searched: false },
    Field { name: "updated_at", of: |it| Sorted::Number(it.updated_at), is_searched: false },
];

/// A place that calls go to.
#[derive(Serialize, ToSchema)]
pub(super) struct OriginationUri {
    id: Uuid,
    account_id: String,
    uri: String,
    priority: u32,
    weight: u32,
    enabled: bool,
    transport: &'static str,
    description: String,
    created_at: String,
    updated_at: String,
    #[serde(flatten)]
    full: Option<Full>,
}

/// What only `?view=full` shows.
#[derive(Serialize, ToSchema)]
#[schema(as = OriginationUriFull)]
struct Full {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<Uuid>)]
    trunk_id: Option<TrunkId>,
}

pub(super) fn routes() -> Routes {
    Routes { create: post(create), list: get(list), one: get(retrieve).put(update).delete(delete) }
}

/// `GET …/trunks/origination-uris`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/trunks/origination-uris", tag = "origination-uris", params(super::inputs::AccountPath, super::inputs::ListParameters, super::inputs::ViewParameter, super::inputs::TrunkParameter), responses((status = 200, body = List<OriginationUri>)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<OriginationUri>>, ApiError> {
    let (page, trunk, full) = (query.page()?, query.trunk()?, query.is_full());
    let arrangement = query.arrangement(FIELDS)?;
    let auth_id = access.account.auth_id;
    let found = api.work(move |administration| {
        let store = administration.store();
        let Some(id) = trunk else {
            return arrangement.read(page.window(), |window| Ok(store.page_of_origination_uris(&auth_id, window)?));
        };
        let trunk = administration.trunk(&auth_id, id)?;
        let named = [trunk.primary_uri_uuid, trunk.fallback_uri_uuid];
        arrangement.read(page.window(), |window| {
            let all = store.page_of_origination_uris(&auth_id, Window::ALL)?;
            Ok(all.only(|uri| uri.trunk == Some(id) || named.contains(&Some(uri.id))).cut(window))
        })
    });
    Ok(Json(page.list(found.await?, |record| shown(record, full))))
}

/// `POST …/origination-uris`
#[utoipa::path(post, path = "/api/v1/Account/{auth_id}/origination-uris", tag = "origination-uris", params(super::inputs::AccountPath, super::inputs::ViewParameter), request_body = super::inputs::UriBody, responses((status = 201, body = OriginationUri)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    body: Fields,
) -> Result<(StatusCode, Json<OriginationUri>), ApiError> {
    let (auth_id, fields) = (access.account.auth_id, fields(&body)?);
    let record = api.work(move |administration| administration.create_origination_uri(&auth_id, fields)).await?;
    Ok((StatusCode::CREATED, Json(shown(record, query.is_full()))))
}

/// `GET …/origination-uris/{id}`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/origination-uris/{uri_id}", tag = "origination-uris", params(super::inputs::AccountPath, ("uri_id" = Uuid, Path, description = "Its id"), super::inputs::ViewParameter), responses((status = 200, body = OriginationUri)))]
pub(super) async fn retrieve(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
) -> Result<Json<OriginationUri>, ApiError> {
    let (auth_id, id) = (access.account.auth_id, name.id(KIND)?);
    let record = api.work(move |administration| administration.origination_uri(&auth_id, id)).await?;
    Ok(Json(shown(record, query.is_full())))
}

/// `PUT …/origination-uris/{id}`
#[utoipa::path(put, path = "/api/v1/Account/{auth_id}/origination-uris/{uri_id}", tag = "origination-uris", params(super::inputs::AccountPath, ("uri_id" = Uuid, Path, description = "Its id"), super::inputs::ViewParameter), request_body = super::inputs::UriChange, responses((status = 200, body = OriginationUri)))]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
    body: Fields,
) -> Result<Json<OriginationUri>, ApiError> {
    let (auth_id, id, fields) = (access.account.auth_id, name.id(KIND)?, fields(&body)?);
    let changed = move |administration: &crate::administration::Administration| {
        administration.update_origination_uri(&auth_id, id, fields)
    };
    Ok(Json(shown(api.work(changed).await?, query.is_full())))
}

/// `DELETE …/origination-uris/{id}`
#[utoipa::path(delete, path = "/api/v1/Account/{auth_id}/origination-uris/{uri_id}", tag = "origination-uris", params(super::inputs::AccountPath, ("uri_id" = Uuid, Path, description = "Its id")), responses((status = 204, description = "Gone")))]
pub(super) async fn delete(State(api): State<Arc<Api>>, access: Access, name: Name) -> Result<StatusCode, ApiError> {
    let (auth_id, id) = (access.account.auth_id, name.id(KIND)?);
    api.work(move |administration| administration.delete_origination_uri(&auth_id, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn fields(body: &Fields) -> Result<OriginationUriFields, ApiError> {
    Ok(OriginationUriFields {
        uri: body.text(&["uri", "sip_uri"])?,
        priority: body.number(&["priority"])?,
        weight: body.number(&["weight"])?,
        enabled: body.boolean(&["enabled"])?,
        transport: body.word(&["transport"], &TRANSPORTS)?,
        description: body.text(&["description", "name"])?,
        trunk: body.uuid_or_none(&["trunk_id"])?.map(|id| id.map(TrunkId)),
    })
}

fn shown(record: OriginationUriRecord, full: bool) -> OriginationUri {
    OriginationUri {
        id: record.id,
        account_id: record.auth_id,
        uri: record.uri,
        priority: record.priority,
        weight: record.weight,
        enabled: record.enabled,
        transport: word_of(&TRANSPORTS, record.transport),
        description: record.description,
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.updated_at),
        full: full.then_some(Full { trunk_id: record.trunk }),
    }
}
