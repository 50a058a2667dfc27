//! The API described by itself: OpenAPI 3.1 at `/openapi.json`, made from the handlers and the types of their answers.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::error::ErrorBody;
use super::{
    Api, accounts, acl, backup, credentials, health, live, log, numbers, openapi_page, origination_uris, trunks,
};

const ABOUT: &str = "The management API of sipward, which clients of the Vobiz trunking API use unchanged. \
Every path also works with `account` for `Account` and with a slash at its end. Strict clients get exactly the fields of the \
contract; `?view=full` shows the rest, and every field can be sent. A change acts before its answer is sent, and is on disk then.";

#[derive(OpenApi)]
#[openapi(
    paths(
        trunks::list, trunks::create, trunks::retrieve, trunks::update, trunks::delete,
        credentials::list, credentials::create, credentials::retrieve, credentials::update, credentials::delete,
        acl::list, acl::create, acl::retrieve, acl::update, acl::delete,
        origination_uris::list, origination_uris::create, origination_uris::retrieve, origination_uris::update,
        origination_uris::delete,
        numbers::list, numbers::create, numbers::retrieve, numbers::delete, numbers::assign, numbers::unassign,
        live::registrations, live::registrations_of, live::unregister, live::calls, live::concurrency,
        log::own, log::all, log::verify, log::me,
        accounts::list, accounts::create, accounts::retrieve, accounts::update, accounts::delete, accounts::rotate,
        backup::download,
        health::healthz, health::metrics,
    ),
    components(schemas(ErrorBody)),
    tags(
        (name = "trunks", description = "Trunks"),
        (name = "credentials", description = "Users and their passwords"),
        (name = "ip-acl", description = "Addresses that may or may not"),
        (name = "origination-uris", description = "Where calls go"),
        (name = "numbers", description = "Telephone numbers"),
        (name = "live", description = "What is going on at the moment"),
        (name = "audit", description = "Who changed what"),
        (name = "account", description = "Who one is"),
        (name = "operator", description = "For the operator of the server"),
        (name = "monitoring", description = "For monitors; needs no token"),
    )
)]
struct Description;

/// The whole document. Made once: it depends on nothing but the program.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

pub(super) fn routes(router: Router<Arc<Api>>) -> Router<Arc<Api>> {
    router.route("/openapi.json", get(json_page)).route("/docs", get(html_page)).route("/docs/", get(html_page))
}

async fn json_page() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], DOCUMENT.to_string())
}

async fn html_page() -> impl IntoResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| openapi_page::page(&DOCUMENT));
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ];
    (headers, PAGE.as_str())
}

fn document() -> Value {
    let mut document = serde_json::to_value(Description::openapi()).unwrap_or_default();
    let Some(root) = document.as_object_mut() else { return document };
    root.insert(
        "info".to_owned(),
        json!({"title": "sipward", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT, "license": {"name": "MIT OR Apache-2.0"}}),
    );
    if let Some(components) = root.entry("components").or_insert_with(|| json!({})).as_object_mut() {
        let key =
            |name: &str, about: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": about});
        components.insert(
            "securitySchemes".to_owned(),
            json!({
                "auth_id": key("X-Auth-ID", "The account"),
                "auth_token": key("X-Auth-Token", "Its token"),
                "operator": key("X-Operator-Token", "The operator's token"),
            }),
        );
    }
    for item in root.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete(method, operation);
        }
    }
    document
}

/// What holds for every operation of a kind, and is not repeated at each handler.
fn complete(method: &str, operation: &mut Value) {
    let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default().to_owned();
    let has_body = operation.get("requestBody").is_some();
    let has_path = operation.get("parameters").and_then(Value::as_array).is_some_and(|parameters| {
        parameters.iter().any(|parameter| parameter.get("in").and_then(Value::as_str) == Some("path"))
    });
    let Some(operation) = operation.as_object_mut() else { return };
    if let Some(id) = operation.get_mut("operationId") {
        let name = id.as_str().unwrap_or_default();
        *id = Value::String(format!("{}_{name}", tag.replace('-', "_")));
    }
    if tag == "monitoring" {
        return;
    }
    let operator = tag == "operator";
    let security = if operator { json!([{"operator": []}]) } else { json!([{"auth_id": [], "auth_token": []}]) };
    operation.entry("security").or_insert(security);
    let mut errors = vec![(400, "Something in the request is wrong"), (401, "A token is missing or wrong")];
    errors.push((403, "The account is suspended, or is not the one in the path"));
    errors.push((429, "Too many wrong tokens from this address; Retry-After says how long to wait"));
    errors.push((503, "No change is taken at the moment; Retry-After says how long to wait"));
    if has_path {
        errors.push((404, "There is no such thing in this account"));
    }
    let mut headers = Vec::new();
    if matches!(method, "put" | "delete" | "post") {
        errors.push((409, "Something is in the way: the name is taken, or calls are up"));
    }
    if matches!(method, "put" | "delete") {
        errors.push((412, "If-Match names another version"));
        headers.push(("If-Match", "Only if the object is still the one with this ETag"));
    }
    if method == "post" {
        errors.push((422, "The Idempotency-Key came before with another body"));
        headers.push(("Idempotency-Key", "A repeated request with this key is answered as the first and does nothing"));
    }
    if has_body {
        errors.push((413, "The body is too large"));
    }
    if let Some(responses) = operation.entry("responses").or_insert_with(|| json!({})).as_object_mut() {
        for (status, about) in errors {
            let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}});
            let response = json!({"description": about, "content": content});
            responses.entry(status.to_string()).or_insert(response);
        }
    }
    if let Some(parameters) = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut() {
        for (name, about) in headers {
            let schema = json!({"type": "string"});
            parameters
                .push(json!({"name": name, "in": "header", "required": false, "description": about, "schema": schema}));
        }
    }
}
