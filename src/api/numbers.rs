//! Numbers: listed and assigned by their account, made and removed by the operator.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::administration::NewNumber;
use crate::storage::{NumberRecord, Window};
use crate::trunk::TrunkId;

use super::access::{Access, OperatorAccess};
use super::arrangement::{Field, Sorted};
use super::body::Fields;
use super::envelope::{Items, ListQuery, timestamp};
use super::error::ApiError;
use super::path::Name;
use super::{Api, Routes};

const FIELDS: &[Field<NumberRecord>] = &[
    Field { name: "e164", of: |it| Sorted::Text(it.e164.as_str().into()), is_searched: true },
    Field { name: "region", of: |it| Sorted::Text(it.region.as_str().into()), is_searched: false },
    Field { name: "country", of: |it| Sorted::Text(it.country.as_str().into()), is_searched: false },
    Field { name: "created_at", of: |it| Sorted::Number(it.created_at), is_searched: false },
    Field { name: "updated_at", of: |it| Sorted::Number(it.updated_at), is_searched: false },
];

/// A number: exactly the 22 keys of the contract, and the trunk where it has one.
#[derive(Serialize, ToSchema)]
pub(super) struct Number {
    id: Uuid,
    account_id: String,
    e164: String,
    country: String,
    region: String,
    capabilities: Capabilities,
    status: &'static str,
    provider: String,
    setup_fee: u32,
    monthly_fee: u32,
    currency: &'static str,
    voice_enabled: bool,
    tags: Vec<String>,
    purchased_at: String,
    is_blocked: bool,
    created_at: String,
    updated_at: String,
    is_trial_number: bool,
    minimum_commitment_months: u32,
    aadhaar_verification_required: bool,
    aadhaar_verified: bool,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    trunk_group_id: Option<TrunkId>,
}

#[derive(Serialize, ToSchema)]
struct Capabilities {
    voice: bool,
    sms: bool,
    mms: bool,
    fax: bool,
}

pub(super) fn routes() -> Routes {
    Routes { create: post(create), list: get(list), one: get(retrieve).delete(delete) }
}

pub(super) fn assignment() -> axum::routing::MethodRouter<Arc<Api>> {
    post(assign).delete(unassign)
}

/// `GET …/numbers`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/numbers", tag = "numbers", params(super::inputs::AccountPath, super::inputs::ItemParameters), responses((status = 200, body = Items<Number>)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    access: Access,
    query: ListQuery,
) -> Result<Json<Items<Number>>, ApiError> {
    let (page, trunk) = (query.page_of_items()?, query.trunk()?);
    // There are no sub-accounts; the value is looked at all the same, so that a wrong one is told.
    query.boolean("include_subaccounts")?;
    let arrangement = query.arrangement(FIELDS)?;
    let auth_id = access.account.auth_id;
    let found = api.read(move |store| {
        arrangement.read(page.window(), |window| match trunk {
            None => store.page_of_numbers(&auth_id, window),
            Some(trunk) => {
                let all = store.page_of_numbers(&auth_id, Window::ALL)?;
                Ok(all.only(|number| number.trunk == Some(trunk)).cut(window))
            }
        })
    });
    Ok(Json(page.items(found.await?, shown)))
}

/// `POST …/numbers`, by the operator.
#[utoipa::path(post, path = "/api/v1/Account/{auth_id}/numbers", tag = "numbers", params(super::inputs::AccountPath), request_body = super::inputs::NumberBody, responses((status = 201, body = Number)), security(("operator" = [])))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    access: OperatorAccess,
    body: Fields,
) -> Result<(StatusCode, Json<Number>), ApiError> {
    let e164 = body.text(&["e164", "number", "phone_number"])?;
    let number = NewNumber {
        e164: e164.ok_or_else(|| ApiError::bad_request("e164 is required"))?,
        country: body.text(&["country"])?.unwrap_or_default(),
        region: body.text(&["region"])?.unwrap_or_default(),
        provider: body.text(&["provider"])?.unwrap_or_default(),
        tags: body.texts(&["tags"])?.unwrap_or_default(),
    };
    let auth_id = access.account.auth_id;
    let record = api.work(move |administration| administration.create_number(&auth_id, number)).await?;
    Ok((StatusCode::CREATED, Json(shown(record))))
}

/// `GET …/numbers/{e164}`
#[utoipa::path(get, path = "/api/v1/Account/{auth_id}/numbers/{e164}", tag = "numbers", params(super::inputs::AccountPath, ("e164" = String, Path, description = "The number: +, or %2B, and 7 to 15 digits")), responses((status = 200, body = Number)))]
pub(super) async fn retrieve(
    State(api): State<Arc<Api>>,
    access: Access,
    name: Name,
) -> Result<Json<Number>, ApiError> {
    let (auth_id, e164) = (access.account.auth_id, name.number()?);
    Ok(Json(shown(api.work(move |administration| administration.number(&auth_id, &e164)).await?)))
}

/// `DELETE …/numbers/{e164}`, by the operator.
#[utoipa::path(delete, path = "/api/v1/Account/{auth_id}/numbers/{e164}", tag = "numbers", params(super::inputs::AccountPath, ("e164" = String, Path, description = "The number: +, or %2B, and 7 to 15 digits")), responses((status = 204, description = "Gone")), security(("operator" = [])))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    access: OperatorAccess,
    name: Name,
) -> Result<StatusCode, ApiError> {
    let (auth_id, e164) = (access.account.auth_id, name.number()?);
    api.work(move |administration| administration.delete_number(&auth_id, &e164)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/numbers/{e164}/assign`
#[utoipa::path(post, path = "/api/v1/Account/{auth_id}/numbers/{e164}/assign", tag = "numbers", params(super::inputs::AccountPath, ("e164" = String, Path, description = "The number: +, or %2B, and 7 to 15 digits")), request_body = super::inputs::AssignBody, responses((status = 204, description = "Done")))]
pub(super) async fn assign(
    State(api): State<Arc<Api>>,
    access: Access,
    name: Name,
    body: Fields,
) -> Result<StatusCode, ApiError> {
    let (auth_id, e164) = (access.account.auth_id, name.number()?);
    let trunk = body.uuid_or_none(&["trunk_group_id", "trunk_id"])?.flatten();
    let trunk = TrunkId(trunk.ok_or_else(|| ApiError::bad_request("trunk_group_id is required"))?);
    api.work(move |administration| administration.assign_number(&auth_id, &e164, trunk)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE …/numbers/{e164}/assign`
#[utoipa::path(delete, path = "/api/v1/Account/{auth_id}/numbers/{e164}/assign", tag = "numbers", params(super::inputs::AccountPath, ("e164" = String, Path, description = "The number: +, or %2B, and 7 to 15 digits")), responses((status = 204, description = "Done")))]
pub(super) async fn unassign(State(api): State<Arc<Api>>, access: Access, name: Name) -> Result<StatusCode, ApiError> {
    let (auth_id, e164) = (access.account.auth_id, name.number()?);
    api.work(move |administration| administration.unassign_number(&auth_id, &e164)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is sold with a number at Vobiz has no meaning here and is shown as none.
fn shown(record: NumberRecord) -> Number {
    let purchased_at = timestamp(record.created_at);
    Number {
        id: record.id,
        account_id: record.auth_id,
        e164: record.e164,
        country: record.country,
        region: record.region,
        capabilities: Capabilities { voice: true, sms: false, mms: false, fax: false },
        status: "active",
        provider: record.provider,
        setup_fee: 0,
        monthly_fee: 0,
        currency: "USD",
        voice_enabled: true,
        tags: record.tags,
        created_at: purchased_at.clone(),
        purchased_at,
        is_blocked: record.is_blocked,
        updated_at: timestamp(record.updated_at),
        is_trial_number: false,
        minimum_commitment_months: 0,
        aadhaar_verification_required: false,
        aadhaar_verified: false,
        source: "operator",
        trunk_group_id: record.trunk,
    }
}
