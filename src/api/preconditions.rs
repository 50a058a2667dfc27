//! `ETag` on single objects, `If-None-Match` on reading and `If-Match` on changing them (RFC 9110 §13).
//!
//! The tag is a hash of the object's id and of when it was last changed, so it is the same in every view of the object. A
//! change that depends on one runs alone: no other change comes between the look and the change.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Api;
use super::error::ApiError;

/// Longest body that is looked at; a single object is much shorter.
const LONGEST: usize = 128 * 1024;

/// What of an object says which one and of when it is.
#[derive(Deserialize)]
struct Identity {
    trunk_id: Option<String>,
    id: Option<String>,
    e164: Option<String>,
    auth_id: Option<String>,
    updated_at: Option<String>,
}

/// Around every request: holds it against its preconditions, and tags its answer.
pub(super) async fn hold(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    if method.is_safe() {
        let wanted = request.headers().get(IF_NONE_MATCH).cloned();
        let response = tag(next.run(request).await).await;
        return match (wanted, response.headers().get(ETAG)) {
            (Some(wanted), Some(tag)) if names(&wanted, tag) => not_modified(tag.clone()),
            _ => response,
        };
    }
    if !request.headers().contains_key(IF_MATCH) || !matches!(method, Method::PUT | Method::DELETE | Method::PATCH) {
        let _beside_others = api.changes.read().await;
        return tag(next.run(request).await).await;
    }
    let _alone = api.changes.write().await;
    let (current, request) = current(request, &next).await;
    if current.status() != StatusCode::OK {
        return current;
    }
    let wanted = request.headers().get_all(IF_MATCH);
    let holds = current.headers().get(ETAG).is_some_and(|tag| wanted.iter().any(|wanted| names(wanted, tag)));
    if !holds {
        let text = "If-Match names another version: the object has been changed since it was read";
        return ApiError::new(StatusCode::PRECONDITION_FAILED, text).into_response();
    }
    tag(next.run(request).await).await
}

/// What a GET of the same object by the same client is answered.
async fn current(request: Request, next: &Next) -> (Response, Request) {
    let (parts, body) = request.into_parts();
    let mut look = parts.clone();
    look.method = Method::GET;
    if let Some(uri) = of_the_whole(&look.uri) {
        look.uri = uri;
    }
    for name in [CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING] {
        look.headers.remove(name);
    }
    let response = next.clone().run(Request::from_parts(look, Body::empty())).await;
    (tag(response).await, Request::from_parts(parts, body))
}

/// An assignment is a part of its number, which is what can be read and has a tag.
fn of_the_whole(uri: &Uri) -> Option<Uri> {
    uri.path().trim_end_matches('/').strip_suffix("/assign")?.parse().ok()
}

fn not_modified(tag: HeaderValue) -> Response {
    (StatusCode::NOT_MODIFIED, HeaderMap::from_iter([(ETAG, tag)])).into_response()
}

/// Whether the list of tags in a header has `tag`.
fn names(list: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(list), Ok(tag)) = (list.to_str(), tag.to_str()) else { return false };
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// Adds the tag to an answer that is a single object.
async fn tag(response: Response) -> Response {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/json");
    if !response.status().is_success() || !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return ApiError::internal(&"the body of an answer could not be read").into_response();
    };
    if let Some(tag) = tag_of(&bytes) {
        parts.headers.insert(ETAG, tag);
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn tag_of(body: &Bytes) -> Option<HeaderValue> {
    if body.len() > LONGEST {
        return None;
    }
    let identity: Identity = serde_json::from_slice(body).ok()?;
    let id = identity.trunk_id.or(identity.id).or(identity.e164).or(identity.auth_id)?;
    let hash = Sha256::digest(format!("{id}\n{}", identity.updated_at?));
    let text = hash.iter().take(12).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    HeaderValue::from_str(&format!("\"{text}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_changes_with_the_object_and_not_with_the_view() {
        let tag = |body: &'static str| tag_of(&Bytes::from_static(body.as_bytes()));
        let plain = tag(r#"{"id":"a","account_id":"MA_1","updated_at":"1"}"#);
        assert!(plain.is_some());
        assert_eq!(plain, tag(r#"{"usage":{"calls":3},"updated_at":"1","id":"a"}"#));
        assert_ne!(plain, tag(r#"{"id":"a","updated_at":"2"}"#));
        assert_ne!(plain, tag(r#"{"id":"b","updated_at":"1"}"#));
        for other in [r#"{"meta":{},"objects":[]}"#, r#"{"status":"ok"}"#, "[]", "nonsense"] {
            assert_eq!(tag(other), None, "{other}");
        }
    }

    #[test]
    fn an_assignment_is_tagged_as_its_number() {
        let number = |path: &'static str| of_the_whole(&Uri::from_static(path)).map(|uri| uri.to_string());
        assert_eq!(number("/x/numbers/%2B4930/assign/").as_deref(), Some("/x/numbers/%2B4930"));
        assert_eq!(number("/x/numbers/%2B4930"), None);
    }

    #[test]
    fn a_list_of_tags_names_each_of_them() {
        let value = HeaderValue::from_static;
        for list in ["\"a\"", "\"b\", \"a\"", "W/\"a\"", "*"] {
            assert!(names(&value(list), &value("\"a\"")), "{list}");
        }
        for list in ["a", "\"b\"", "", "\"aa\""] {
            assert!(!names(&value(list), &value("\"a\"")), "{list}");
        }
    }
}
