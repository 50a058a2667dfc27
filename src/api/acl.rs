//! Entries of IP ACLs: exactly the 7 keys of the contract. What a request calls `name` is shown as `description`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::administration::AclFields;
use crate::storage::{AclRecord, Window};
use crate::trunk::TrunkId;

use super::access::Access;
use super::arrangement::{Field, Sorted};
use super::body::Fields;
use super::envelope::{List, ListQuery, timestamp};
use super::error::ApiError;
use super::path::Name;
use super::{Api, Routes};

const KIND: &str = "IP ACL";

const FIELDS: &[Field<AclRecord>] = &[
    Field { name: "ip_address", of: |it| Sorted::Text(it.ip_address.as_str().into()), is_searched: true },
    Field { name: "description", of: |it| Sorted::Text(it.description.as_str().into()), is_searched: true },
    Field { name: "enabled", of: |it| Sorted::Number(it.enabled.into()), is_searched: false },
    Field { name: "created_at", of: |it| Sorted::Number(it.created_at), is_searched: false },
    Field { name: "updated_at", of: |it| Sorted::Number(it.updated_at), is_searched: false },
];

/// An entry of an IP ACL.
#[derive(Serialize, ToSchema)]
pub(super) struct AclEntry {
    id: Uuid,
    account_id: String,
    ip_address: String,
    description: String,
    enabled: bool,
    created_at: String,
    updated_at: String,
    #[serde(flatten)]
    full: Option<Full>,
}

/// What only `?view=full` shows.
#[derive(Serialize, ToSchema)]
#[schema(as = AclEntryFull)]
struct Full {
    #[schema(required = false)]
    deny: bool,
    #[schema(required = false)]
    may_register: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<Uuid>)]
    trunk_id: Option<TrunkId>,
}

pub(super) fn routes() -> Routes {
    Routes { create: post(create), list: get(list), one: get(retrieve).put(update).delete(delete) }
}

/// `GET …/trunks/ip-acl`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/trunks/ip-acl", tag = "ip-acl", params(super::inputs::AccountPath, super::inputs::ListParameters, super::inputs::ViewParameter, super::inputs::TrunkParameter), responses((status = 200, body = List<AclEntry>)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<List<AclEntry>>, ApiError> {
    let (page, trunk, full) = (query.page()?, query.trunk()?, query.is_full());
    let arrangement = query.arrangement(FIELDS)?;
    let auth_id = access.account.auth_id;
    let found = api.work(move |administration| {
        let store = administration.store();
        let Some(id) = trunk else {
            return arrangement.read(page.window(), |window| Ok(store.page_of_acl_entries(&auth_id, window)?));
        };
        let attached = administration.trunk(&auth_id, id)?.ipacl_uuid;
        arrangement.read(page.window(), |window| {
            let all = store.page_of_acl_entries(&auth_id, Window::ALL)?;
            Ok(all.only(|entry| entry.trunk == Some(id) || attached == Some(entry.id)).cut(window))
        })
    });
    Ok(Json(page.list(found.await?, |record| shown(record, full))))
}

/// `POST …/ip-acl`
#[utoipa::path(post, path = "/api/v1/Account/{auth_id}/ip-acl", tag = "ip-acl", params(super::inputs::AccountPath, super::inputs::ViewParameter), request_body = super::inputs::AclBody, responses((status = 201, body = AclEntry)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    body: Fields,
) -> Result<(StatusCode, Json<AclEntry>), ApiError> {
    let (auth_id, fields) = (access.account.auth_id, fields(&body)?);
    let record = api.work(move |administration| administration.create_acl_entry(&auth_id, fields)).await?;
    Ok((StatusCode::CREATED, Json(shown(record, query.is_full()))))
}

/// `GET …/ip-acl/{id}`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/ip-acl/{acl_id}", tag = "ip-acl", params(super::inputs::AccountPath, ("acl_id" = Uuid, Path, description = "Its id"), super::inputs::ViewParameter), responses((status = 200, body = AclEntry)))]
pub(super) async fn retrieve(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
) -> Result<Json<AclEntry>, ApiError> {
    let (auth_id, id) = (access.account.auth_id, name.id(KIND)?);
    let record = api.work(move |administration| administration.acl_entry(&auth_id, id)).await?;
    Ok(Json(shown(record, query.is_full())))
}

/// `PUT …/ip-acl/{id}`
#[utoipa::path(put, path = "/api/v1/Account/{auth_id}/ip-acl/{acl_id}", tag = "ip-acl", params(super::inputs::AccountPath, ("acl_id" = Uuid, Path, description = "Its id"), super::inputs::ViewParameter), request_body = super::inputs::AclChange, responses((status = 200, body = AclEntry)))]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
    name: Name,
    body: Fields,
) -> Result<Json<AclEntry>, ApiError> {
    let (auth_id, id, fields) = (access.account.auth_id, name.id(KIND)?, fields(&body)?);
    let record = api.work(move |administration| administration.update_acl_entry(&auth_id, id, fields)).await?;
    Ok(Json(shown(record, query.is_full())))
}

/// `DELETE …/ip-acl/{id}`
#[utoipa::path(delete, path = "/api/v1/Account/{auth_id}/ip-acl/{acl_id}", tag = "ip-acl", params(super::inputs::AccountPath, ("acl_id" = Uuid, Path, description = "Its id")), responses((status = 204, description = "Gone")))]
pub(super) async fn delete(State(api): State<Arc<Api>>, access: Access, name: Name) -> Result<StatusCode, ApiError> {
    let (auth_id, id) = (access.account.auth_id, name.id(KIND)?);
    api.work(move |administration| administration.delete_acl_entry(&auth_id, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn fields(body: &Fields) -> Result<AclFields, ApiError> {
    Ok(AclFields {
        ip_address: body.text(&["ip_address"])?,
        deny: body.boolean(&["deny"])?,
        description: body.text(&["description", "name"])?,
        enabled: body.boolean(&["enabled"])?,
        trunk: body.uuid_or_none(&["trunk_id"])?.map(|id| id.map(TrunkId)),
        may_register: body.texts(&["may_register"])?,
    })
}

fn shown(record: AclRecord, full: bool) -> AclEntry {
    let all = Full { deny: record.deny, may_register: record.may_register, trunk_id: record.trunk };
    AclEntry {
        id: record.id,
        account_id: record.auth_id,
        ip_address: record.ip_address,
        description: record.description,
        enabled: record.enabled,
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.updated_at),
        full: full.then_some(all),
    }
}
