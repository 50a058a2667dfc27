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
use utoipa::ToSchema;

use crate::administration;

/// An answer that says what is wrong.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    /// What stands in `error` where it is not the text.
    kind: Option<&'static str>,
    text: Cow<'static, str>,
    retry_after: Option<u64>,
}

/// What is wrong. All three say it, for clients read different ones.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: String,
    /// The HTTP status.
    code: u16,
    message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: u16,
    message: &'a str,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, kind: None, text: text.into(), retry_after: None }
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

impl From<administration::Error> for ApiError {
    fn from(error: administration::Error) -> Self {
        use administration::Error;
        let status = match &error {
            Error::Invalid { .. } => StatusCode::BAD_REQUEST,
            Error::NumberAssigned => {
                let refused = Self::bad_request(error.to_string());
                return Self { kind: Some("invalid request"), ..refused };
            }
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Unavailable(cause) => {
                tracing::error!(error = cause, "a change over the API was refused");
                let text = "No change is taken at the moment; the log of the server says why";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(30);
            }
            Error::Store(_) | Error::Inconsistent(_) => return Self::internal(&error),
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body { error: self.kind.unwrap_or(&self.text), code: self.status.as_u16(), message: &self.text };
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
