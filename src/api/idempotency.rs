//! `Idempotency-Key` on POST: a create that is sent twice is made once.
//!
//! What was answered is kept in memory for a day, up to bounds, and does not outlast the process. Only success is kept: what was
//! refused has changed nothing and may be tried again. Neither bodies of requests nor secrets in answers are kept: of a body only a
//! keyed hash, and of an answer that shows a token only that it was given.

#![allow(clippy::disallowed_methods, reason = "the API is shell: it reads the clock and draws a key")]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::error::ApiError;
use super::{Api, MAX_BODY};

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Answers kept at once. The oldest give way.
const MAX_ANSWERS: usize = 10_000;
/// Bytes of answers kept at once.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Longest key.
const MAX_KEY: usize = 255;

type Fingerprint = [u8; 32];

/// The answers.
pub(super) struct Idempotency {
    secret: [u8; 32],
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    kept: HashMap<Fingerprint, Kept>,
    order: VecDeque<(Instant, Fingerprint)>,
    bytes: usize,
}

struct Kept {
    body: Fingerprint,
    /// None while the first request is being worked on.
    answer: Option<Answer>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    content_type: Option<HeaderValue>,
    /// None where it showed a secret.
    body: Option<Bytes>,
}

/// What a key that comes is.
enum Met {
    New,
    Running,
    OtherBody,
    Known(Answer),
}

impl Idempotency {
    pub(super) fn new() -> Self {
        let mut secret = [0; 32];
        if let Err(error) = getrandom::fill(&mut secret) {
            // Hashes of bodies stay inside this process; a guessable key makes them no more readable from outside.
            tracing::warn!(%error, "no randomness for Idempotency-Key");
        }
        Self { secret, table: Mutex::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fingerprint(&self, parts: &[&[u8]]) -> Fingerprint {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return [0; 32] };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn meet(&self, key: Fingerprint, body: Fingerprint, now: Instant) -> Met {
        let mut table = self.table();
        table.forget(now);
        match table.kept.get(&key) {
            None => {
                table.kept.insert(key, Kept { body, answer: None });
                table.order.push_back((now, key));
                Met::New
            }
            Some(kept) if kept.body != body => Met::OtherBody,
            Some(Kept { answer: None, .. }) => Met::Running,
            Some(Kept { answer: Some(answer), .. }) => Met::Known(answer.clone()),
        }
    }

    fn keep(&self, key: Fingerprint, answer: Answer) {
        let mut table = self.table();
        let bytes = answer.body.as_ref().map_or(0, Bytes::len);
        if let Some(kept) = table.kept.get_mut(&key) {
            kept.answer = Some(answer);
            table.bytes += bytes;
        }
    }

    fn drop_key(&self, key: Fingerprint) {
        self.table().remove(&key);
    }
}

impl Table {
    /// Makes room: what is too old goes, and then the oldest.
    fn forget(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front().copied() {
            let full = self.kept.len() >= MAX_ANSWERS || self.bytes >= MAX_BYTES;
            if !full && now.saturating_duration_since(at) < KEPT {
                break;
            }
            self.order.pop_front();
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Fingerprint) {
        let kept = self.kept.remove(key).and_then(|kept| kept.answer?.body);
        self.bytes -= kept.map_or(0, |body| body.len());
    }
}

/// Gives the key back if the request ends without an answer, for example because the client has gone.
struct Running<'a> {
    idempotency: &'a Idempotency,
    key: Option<Fingerprint>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.idempotency.drop_key(key);
        }
    }
}

/// Around every request: answers a repeated one as the first.
pub(super) async fn once(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get(KEY).filter(|_| request.method() == Method::POST).cloned() else {
        return next.run(request).await;
    };
    let good = (1..=MAX_KEY).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
    if !good {
        return ApiError::bad_request("Idempotency-Key must be 1 to 255 visible ASCII characters").into_response();
    }
    // A stored answer is for whoever may have it now, not for whoever had the right token then.
    let (parts, body) = request.into_parts();
    let allowed = next.clone().run(who_asks(&parts)).await;
    if !allowed.status().is_success() {
        return allowed;
    }
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large").into_response();
    };
    let scope = parts.headers.get("x-auth-id").map_or(&b""[..], |name| name.as_bytes());
    let operator = [u8::from(parts.headers.contains_key("x-operator-token"))];
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let fingerprint = api.idempotency.fingerprint(&[scope, &operator, path.as_bytes(), key.as_bytes()]);
    let content = api.idempotency.fingerprint(&[&body]);
    match api.idempotency.meet(fingerprint, content, Instant::now()) {
        Met::New => first(&api.idempotency, fingerprint, Request::from_parts(parts, Body::from(body)), next).await,
        Met::Known(answer) => again(answer),
        Met::Running => {
            let text = "A request with this Idempotency-Key is being worked on";
            ApiError::new(StatusCode::CONFLICT, text).retry_after(1).into_response()
        }
        Met::OtherBody => {
            let text = "This Idempotency-Key came before with another body";
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, text).into_response()
        }
    }
}

fn who_asks(parts: &Parts) -> Request {
    let mut look = parts.clone();
    look.method = Method::GET;
    look.uri = Uri::from_static("/api/v1/auth/me");
    look.headers.remove("content-length");
    look.headers.remove("transfer-encoding");
    Request::from_parts(look, Body::empty())
}

async fn first(idempotency: &Idempotency, key: Fingerprint, request: Request, next: Next) -> Response {
    let mut running = Running { idempotency, key: Some(key) };
    let response = next.run(request).await;
    if !response.status().is_success() {
        return response;
    }
    let secret = response.extensions().get::<ShowsSecret>().is_some();
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return ApiError::internal(&"the body of an answer could not be read").into_response();
    };
    let content_type = parts.headers.get(CONTENT_TYPE).cloned();
    idempotency.keep(key, Answer { status: parts.status, content_type, body: (!secret).then(|| bytes.clone()) });
    running.key = None;
    Response::from_parts(parts, Body::from(bytes))
}

fn again(answer: Answer) -> Response {
    let Some(body) = answer.body else {
        let text = "This was done before with this Idempotency-Key; its answer held a secret that is shown once";
        return ApiError::new(StatusCode::CONFLICT, text).into_response();
    };
    let mut response = (answer.status, body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if let Some(kind) = answer.content_type {
        headers.insert(CONTENT_TYPE, kind);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// On an answer that must not be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShowsSecret;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize) -> Answer {
        Answer { status: StatusCode::CREATED, content_type: None, body: Some(vec![0; bytes].into()) }
    }

    #[test]
    fn a_key_is_new_then_running_then_known_and_for_one_body_only() {
        let (idempotency, now) = (Idempotency::new(), Instant::now());
        let meet = |body: u8| idempotency.meet([1; 32], [body; 32], now);
        assert!(matches!(meet(1), Met::New));
        assert!(matches!(meet(1), Met::Running));
        assert!(matches!(meet(2), Met::OtherBody));
        idempotency.keep([1; 32], answer(5));
        assert!(matches!(meet(1), Met::Known(_)));
        assert!(matches!(meet(2), Met::OtherBody));
        assert!(matches!(idempotency.meet([1; 32], [1; 32], now + KEPT), Met::New));
    }

    #[test]
    fn memory_is_bounded_in_number_and_in_bytes() {
        let (idempotency, now) = (Idempotency::new(), Instant::now());
        for number in 0..(MAX_ANSWERS as u64 + 50) {
            let key = idempotency.fingerprint(&[&number.to_be_bytes()]);
            assert!(matches!(idempotency.meet(key, [0; 32], now), Met::New));
            idempotency.keep(key, answer(10));
        }
        assert!(idempotency.table().kept.len() <= MAX_ANSWERS);
        let idempotency = Idempotency::new();
        for number in 0..40_u64 {
            let key = idempotency.fingerprint(&[&number.to_be_bytes()]);
            idempotency.meet(key, [0; 32], now);
            idempotency.keep(key, answer(MAX_BYTES / 10));
        }
        assert!(idempotency.table().kept.len() <= 12);
        assert_eq!(idempotency.table().bytes, idempotency.table().kept.len() * (MAX_BYTES / 10));
    }

    #[test]
    fn a_request_without_an_answer_gives_its_key_back() {
        let (idempotency, now) = (Idempotency::new(), Instant::now());
        idempotency.meet([1; 32], [1; 32], now);
        drop(Running { idempotency: &idempotency, key: Some([1; 32]) });
        assert!(matches!(idempotency.meet([1; 32], [1; 32], now), Met::New));
    }
}
