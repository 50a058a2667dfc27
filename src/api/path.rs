//! What stands in a path behind the account.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::administration::{self, e164};

use super::error::ApiError;

/// The last named segment of a path, percent-decoded once.
pub(super) struct Name(String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let nothing = || ApiError::new(StatusCode::NOT_FOUND, "There is nothing at this path");
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| nothing())?;
        let name = path.iter().find(|(key, _)| *key == "name").map(|(_, value)| value.to_owned());
        name.map(Self).ok_or_else(nothing)
    }
}

impl Name {
    /// As it stands there.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of a `kind`. What is no id names nothing.
    pub(super) fn id(&self, kind: &'static str) -> Result<Uuid, ApiError> {
        Uuid::try_parse(&self.0).map_err(|_| administration::Error::NotFound(kind).into())
    }

    /// A number as clients write it: `+91…`, `%2B91…` and, encoded twice, `%252B91…`.
    pub(super) fn number(&self) -> Result<String, ApiError> {
        let plus = match self.0.get(..3) {
            Some(start) if start.eq_ignore_ascii_case("%2b") => self.0.get(3..).map(|digits| format!("+{digits}")),
            _ => None,
        };
        Ok(e164(plus.as_deref().unwrap_or(&self.0))?)
    }
}
