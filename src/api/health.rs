//! For monitors: whether SIP is served, and the numbers. Open to whoever reaches the address of the API.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it uses threads that may wait")]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;

use crate::metrics;

use super::Api;
use super::error::ApiError;

/// How the server is.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /healthz`
#[utoipa::path(get, path = "/healthz", tag = "monitoring", responses((status = 200, body = Health), (status = 503, description = "SIP is not served", body = super::error::ErrorBody)), security(()))]
pub(super) async fn healthz(State(api): State<Arc<Api>>) -> Result<Json<Health>, ApiError> {
    if api.is_ready() {
        Ok(Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") }))
    } else {
        Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "SIP is not served: the server is starting or stopping"))
    }
}

/// `GET /metrics`
#[utoipa::path(get, path = "/metrics", tag = "monitoring", responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text")), security(()))]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<impl IntoResponse, ApiError> {
    let text = tokio::task::spawn_blocking(move || api.metrics.text()).await;
    text.map(|text| ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text)).map_err(|error| ApiError::internal(&error))
}
