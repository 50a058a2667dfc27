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

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /healthz`
pub(super) async fn healthz(State(api): State<Arc<Api>>) -> Result<Json<Health>, ApiError> {
    if api.is_ready() {
        Ok(Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") }))
    } else {
        Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "SIP is not served: the server is starting or stopping"))
    }
}

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<impl IntoResponse, ApiError> {
    let text = tokio::task::spawn_blocking(move || api.metrics.text()).await;
    text.map(|text| ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text)).map_err(|error| ApiError::internal(&error))
}
