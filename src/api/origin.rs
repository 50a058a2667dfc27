//! Who sent a request and under which id it goes: in every answer, every log line and every audit entry.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it waits")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use uuid::Uuid;

use crate::report::escape;
use crate::storage::Author;

use super::error::ApiError;
use super::serve::PeerAddress;
use super::{Api, MAX_BODY};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Longest time that a request may take once its head is there.
const LONGEST: Duration = Duration::from_secs(10);

/// Longest id that is taken over from a client, in bytes.
const LONGEST_ID: usize = 64;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The client's, or made here.
    pub(super) request_id: Arc<str>,
    /// The client's address; behind a proxy what that says.
    pub(super) peer: IpAddr,
    /// Who it turned out to be.
    actor: Arc<OnceLock<Arc<str>>>,
}

tokio::task_local! {
    static CURRENT: Origin;
}

impl Origin {
    fn new(request_id: Arc<str>, peer: IpAddr) -> Self {
        Self { request_id, peer, actor: Arc::default() }
    }

    /// The request was shown to be this one's. The first word counts.
    pub(super) fn is_of(&self, actor: &str) {
        let _ = self.actor.set(actor.into());
    }

    /// Who is behind the request that is being worked on, for the audit log.
    pub(super) fn author() -> Author {
        let author = CURRENT.try_with(|origin| Author {
            actor: origin.actor.get().cloned().unwrap_or_else(|| "nobody".into()),
            peer: Some(origin.peer),
            request_id: Arc::clone(&origin.request_id),
        });
        author.unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Self::new(made_id(), Ipv4Addr::UNSPECIFIED.into())))
    }
}

/// Around every request: gives it its id, tells of it in the log, gives up on what takes too long, and keeps the answer out of caches.
pub(super) async fn frame(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let socket = request.extensions().get::<ConnectInfo<PeerAddress>>().map(|info| info.0.0);
    let request_id = given_id(request.headers()).unwrap_or_else(made_id);
    let origin = Origin::new(request_id, peer(socket, request.headers(), api.behind_proxy));
    let line = Line { method: request.method().clone(), path: request.uri().path().to_owned(), peer: origin.peer };
    let span = tracing::info_span!("api", request_id = &*origin.request_id);
    let id = HeaderValue::from_str(&origin.request_id).ok();
    request.extensions_mut().insert(origin.clone());
    let answered = async {
        let answer = tokio::time::timeout(LONGEST, async { next.run(received(request).await).await }).await;
        let late = |_| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "The request took too long").into_response();
        let response = answer.unwrap_or_else(late);
        line.write(response.status());
        response
    };
    let mut response = CURRENT.scope(origin, answered).instrument(span).await;
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(id) = id {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

/// The request with its body read, where that is of a usual length. Were a request refused with its body unread, the
/// connection would be closed behind the answer, and a client that sends its next request over it would find nobody.
async fn received(request: Request) -> Request {
    let length = request.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
    if length.is_none_or(|length| length == 0 || length > MAX_BODY) {
        return request;
    }
    let (parts, body) = request.into_parts();
    // What cannot be read is not there, and the reader of the body says so.
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    Request::from_parts(parts, Body::from(body))
}

/// What the log says of a request. Queries are left out: they may hold what somebody searched for.
struct Line {
    method: Method,
    path: String,
    peer: IpAddr,
}

impl Line {
    fn write(&self, status: StatusCode) {
        let (path, status, peer) = (escape(self.path.as_bytes()), status.as_u16(), self.peer);
        if self.method.is_safe() {
            tracing::debug!(method = %self.method, path, status, %peer, "API request");
        } else {
            tracing::info!(method = %self.method, path, status, %peer, "API request");
        }
    }
}

/// An id that a client gave and that cannot confuse a log.
fn given_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let sane = (1..=LONGEST_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    sane.then(|| text.into())
}

fn made_id() -> Arc<str> {
    Uuid::now_v7().to_string().into()
}

/// The proxy appends to `X-Forwarded-For`; what stands before its own entry, anybody may have written.
fn peer(socket: Option<SocketAddr>, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
    let last = headers.get_all(X_FORWARDED_FOR).iter().next_back().filter(|_| behind_proxy);
    let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    let socket = || socket.map(|address| address.ip());
    last.or_else(socket).unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_id_is_taken_over_only_if_it_cannot_confuse_a_log() {
        assert_eq!(given_id(&headers("x-request-id", &["a-1_B.2"])).as_deref(), Some("a-1_B.2"));
        for bad in ["", "a b", "a\"b", "é", &"a".repeat(65)] {
            assert_eq!(given_id(&headers("x-request-id", &[bad])), None, "{bad:?}");
        }
    }

    #[test]
    fn behind_a_proxy_the_last_forwarded_address_counts_and_otherwise_none() {
        let socket = Some("127.0.0.1:5".parse().unwrap());
        let forwarded = headers(X_FORWARDED_FOR, &["203.0.113.9", "203.0.113.1, 192.0.2.7"]);
        assert_eq!(peer(socket, &forwarded, true), IpAddr::from([192, 0, 2, 7]));
        assert_eq!(peer(socket, &forwarded, false), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(peer(socket, &headers(X_FORWARDED_FOR, &["nobody"]), true), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(peer(socket, &HeaderMap::new(), true), IpAddr::from([127, 0, 0, 1]));
    }
}
