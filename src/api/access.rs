//! Who may ask: `X-Auth-ID` and `X-Auth-Token` of the account in the path.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::storage::AccountRecord;

use super::Api;
use super::error::ApiError;

const AUTH_ID: &str = "x-auth-id";
const AUTH_TOKEN: &str = "x-auth-token";

/// What is stored of an API token, as [`AccountRecord::token_hash`].
pub fn token_hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A request that may go on, and for which account. `Authorization` is not looked at: the clients of the contract send it as well,
/// with other things in it.
pub(super) struct Access {
    pub(super) account: AccountRecord,
}

impl FromRequestParts<Arc<Api>> for Access {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let path = RawPathParams::from_request_parts(parts, api)
            .await
            .map_err(|_| ApiError::new(StatusCode::NOT_FOUND, "There is nothing at this path"))?;
        let segment = |name| path.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
        if !segment("area").eq_ignore_ascii_case("account") {
            return Err(ApiError::new(StatusCode::NOT_FOUND, "There is nothing at this path"));
        }
        let account = authenticate(&parts.headers, api).await?;
        // Said alike whether or not there is such an account.
        if segment("auth_id") != account.auth_id {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "The account in the path is not that of X-Auth-ID"));
        }
        if !account.enabled {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "The account is suspended"));
        }
        Ok(Self { account })
    }
}

async fn authenticate(headers: &HeaderMap, api: &Api) -> Result<AccountRecord, ApiError> {
    let header = |name| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let auth_id = String::from_utf8_lossy(header(AUTH_ID)).into_owned();
    let account = api.read(move |store| store.account(&auth_id)).await?;
    let given = token_hash(header(AUTH_TOKEN));
    // An unknown account costs the same work, and no token has a hash of zeros.
    let stored = account.as_ref().map_or([0; 32], |account| account.token_hash);
    let right: bool = given.ct_eq(&stored).into();
    account
        .filter(|_| right)
        .ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "X-Auth-ID or X-Auth-Token is missing or wrong"))
}
