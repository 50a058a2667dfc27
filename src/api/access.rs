//! Who may ask: `X-Auth-ID` and `X-Auth-Token` of the account in the path, or the operator's token.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it reads the clock")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::report::escape;
use crate::storage::AccountRecord;

use super::Api;
use super::error::ApiError;
use super::origin::Origin;

const AUTH_ID: &str = "x-auth-id";
const AUTH_TOKEN: &str = "x-auth-token";
const OPERATOR_TOKEN: &str = "x-operator-token";

/// The `X-Auth-ID` under which the operator may come, too. No account has it.
pub(super) const OPERATOR: &str = "operator";

/// Most bytes of a wrong `X-Auth-ID` that go into the log.
const LOGGED: usize = 64;

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
        let path = account_path(parts, api).await?;
        let origin = origin(parts, api).await;
        let account = authenticate(&parts.headers, &origin, api).await?;
        origin.is_of(&account.auth_id);
        // Said alike whether or not there is such an account.
        if path != account.auth_id {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "The account in the path is not that of X-Auth-ID"));
        }
        if !account.enabled {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "The account is suspended"));
        }
        Ok(Self { account })
    }
}

/// The operator: whoever shows the operator's token, in `X-Operator-Token` or as `X-Auth-Token` with `X-Auth-ID: operator`.
pub(super) struct Operator;

impl FromRequestParts<Arc<Api>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let origin = origin(parts, api).await;
        let token = operator_token(&parts.headers);
        let wrong = || ApiError::new(StatusCode::UNAUTHORIZED, "This needs the operator's token in X-Operator-Token");
        let Some(token) = token else { return Err(wrong()) };
        let check = Check { api, origin: &origin, name: OPERATOR.as_bytes(), given: token_hash(token) };
        check.admitted()?;
        // Without a configured token there is none that is right, and this one has the same work done.
        let right = check.settle(api.operator.map(|operator| operator.0));
        if !right {
            return Err(wrong());
        }
        origin.is_of(OPERATOR);
        Ok(Self)
    }
}

/// Whoever asks, without an account in the path.
pub(super) enum Caller {
    Operator,
    Account(AccountRecord),
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        if operator_token(&parts.headers).is_some() {
            return Operator::from_request_parts(parts, api).await.map(|Operator| Self::Operator);
        }
        let origin = origin(parts, api).await;
        let account = authenticate(&parts.headers, &origin, api).await?;
        origin.is_of(&account.auth_id);
        if !account.enabled {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "The account is suspended"));
        }
        Ok(Self::Account(account))
    }
}

/// The operator, and the account in the path that a request is about.
pub(super) struct OperatorAccess {
    pub(super) account: AccountRecord,
}

impl FromRequestParts<Arc<Api>> for OperatorAccess {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let auth_id = account_path(parts, api).await?;
        Operator::from_request_parts(parts, api).await?;
        let account = api.read(move |store| store.account(&auth_id)).await?;
        let account = account.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "There is no such account"))?;
        Ok(Self { account })
    }
}

/// The account that a path is about.
async fn account_path(parts: &mut Parts, api: &Arc<Api>) -> Result<String, ApiError> {
    let nothing = || ApiError::new(StatusCode::NOT_FOUND, "There is nothing at this path");
    let path = RawPathParams::from_request_parts(parts, api).await.map_err(|_| nothing())?;
    let segment = |name| path.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    if segment("area").eq_ignore_ascii_case("account") { Ok(segment("auth_id").to_owned()) } else { Err(nothing()) }
}

async fn origin(parts: &mut Parts, api: &Arc<Api>) -> Origin {
    let Ok(origin) = Origin::from_request_parts(parts, api).await;
    origin
}

fn operator_token(headers: &HeaderMap) -> Option<&[u8]> {
    let of_an_account = || headers.get(AUTH_ID).is_some_and(|name| name.as_bytes() == OPERATOR.as_bytes());
    let token = headers.get(OPERATOR_TOKEN).or_else(|| headers.get(AUTH_TOKEN).filter(|_| of_an_account()))?;
    Some(token.as_bytes())
}

async fn authenticate(headers: &HeaderMap, origin: &Origin, api: &Api) -> Result<AccountRecord, ApiError> {
    let wrong = || ApiError::new(StatusCode::UNAUTHORIZED, "X-Auth-ID or X-Auth-Token is missing or wrong");
    let header = |name| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let (name, token) = (header(AUTH_ID), header(AUTH_TOKEN));
    // Nobody guesses without a token: that is a client that was not set up, and needs no lock-out.
    if token.is_empty() {
        return Err(wrong());
    }
    let check = Check { api, origin, name, given: token_hash(token) };
    check.admitted()?;
    let auth_id = String::from_utf8_lossy(name).into_owned();
    let account = api.read(move |store| store.account(&auth_id)).await?;
    let right = check.settle(account.as_ref().map(|account| account.token_hash));
    account.filter(|_| right).ok_or_else(wrong)
}

/// A token that was shown.
struct Check<'a> {
    api: &'a Api,
    origin: &'a Origin,
    name: &'a [u8],
    given: [u8; 32],
}

impl Check<'_> {
    /// Whether it is looked at at all.
    fn admitted(&self) -> Result<(), ApiError> {
        let wait = match self.api.failures.admit(self.origin.peer, &self.given, Instant::now()) {
            Ok(()) => return Ok(()),
            Err(wait) => wait.max(Duration::from_secs(1)),
        };
        tracing::debug!(peer = %self.origin.peer, "API token not looked at: too many wrong ones from there");
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let text = "Too many wrong tokens came from your address; try again later";
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(seconds))
    }

    /// Whether it is the one that is `stored`. An unknown name costs the same work, and no token has a hash of zeros.
    fn settle(&self, stored: Option<[u8; 32]>) -> bool {
        let right: bool = self.given.ct_eq(&stored.unwrap_or_default()).into();
        if right && stored.is_some() {
            self.api.failures.right(self.origin.peer, self.given);
            return true;
        }
        self.api.failures.wrong(self.origin.peer, Instant::now());
        let name = escape(self.name.get(..LOGGED).unwrap_or(self.name));
        let reason = if stored.is_some() { "wrong_token" } else { "unknown_account" };
        tracing::warn!(peer = %self.origin.peer, reason = %reason, auth_id = name, "API authentication refused");
        false
    }
}
