//! The one shape of an error: `{"error": "text", "code": 404, "message": "text"}`.
//!
//! Some clients read `error`, some `message`, some `code`; and one takes a DELETE with an empty error body for a success.

use std::borrow::Cow;
use std::fmt::Display;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer that says what is wrong.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    text: Cow<'static, str>,
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: u16,
    message: &'a str,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    /// Says when to try again, in seconds.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(super) fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// The cause is for the log alone.
    pub(super) fn internal(cause: &dyn Display) -> Self {
        tracing::error!(error = %cause, "a request to the API failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error; the log of the server says more")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body { error: &self.text, code: self.status.as_u16(), message: &self.text };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 wants one. No browser knows the scheme, so none asks for a password.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("X-Auth-Token"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
impl ApiError {
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}
