//! What the server sends against what `/openapi.json` says it sends: schemathesis makes up requests from the document, right ones and
//! wrong ones, for at most a minute, and must find no answer that the document does not tell of and no 5xx.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its support code too"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "these tests are a shell: they wait for programs and read the clock"
)]

mod server;

use std::process::Command;

use server::{AUTH_ID, AUTH_TOKEN, OPERATOR_TOKEN, Place};

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

/// Paths that name another account than the caller's would all be answered with the same 403, and unknown accounts with the same 404.
const SETTINGS: &str = r#"
[parameters]
"path.auth_id" = "MA_TEST"
"path.account" = "MA_KEPT"

[[operations]]
include-name = "DELETE /api/v1/operator/accounts/{account}"
parameters = { "path.account" = "MA_GONE" }
"#;

/// What is to be answered with success at least once.
const DONE: [(&str, &str); 26] = [
    ("GET", "Account/MA_TEST/trunks\""),
    ("POST", "Account/MA_TEST/trunks"),
    ("GET", "Account/MA_TEST/trunks/"),
    ("PUT", "Account/MA_TEST/trunks/"),
    ("DELETE", "Account/MA_TEST/trunks/"),
    ("POST", "Account/MA_TEST/credentials"),
    ("GET", "Account/MA_TEST/credentials/"),
    ("PUT", "Account/MA_TEST/credentials/"),
    ("DELETE", "Account/MA_TEST/credentials/"),
    ("POST", "Account/MA_TEST/ip-acl"),
    ("GET", "Account/MA_TEST/ip-acl/"),
    ("PUT", "Account/MA_TEST/ip-acl/"),
    ("DELETE", "Account/MA_TEST/ip-acl/"),
    ("POST", "Account/MA_TEST/origination-uris"),
    ("GET", "Account/MA_TEST/origination-uris/"),
    ("PUT", "Account/MA_TEST/origination-uris/"),
    ("DELETE", "Account/MA_TEST/origination-uris/"),
    ("POST", "Account/MA_TEST/numbers"),
    ("GET", "Account/MA_TEST/numbers"),
    ("DELETE", "Account/MA_TEST/numbers"),
    ("POST", "operator/accounts\""),
    ("GET", "operator/accounts\""),
    ("PUT", "operator/accounts/"),
    ("DELETE", "operator/accounts/"),
    ("POST", "operator/accounts/"),
    ("GET", "operator/backup"),
];

#[test]
fn every_answer_is_as_the_openapi_document_says() {
    let place = Place::new();
    let server = place.start();
    for name in ["MA_KEPT", "MA_GONE"] {
        let operator = [("X-Operator-Token", OPERATOR_TOKEN)];
        let body = format!(r#"{{"auth_id": "{name}"}}"#);
        let made = server.request("POST", "/api/v1/operator/accounts", &operator, &body).unwrap();
        assert_eq!(made.status, 201, "{made:?}");
    }
    let settings = place.file("schemathesis.toml", SETTINGS);
    let program = server::python().with_file_name("st");
    let output = server::run(
        Command::new(program)
            .arg("--config-file")
            .arg(settings)
            .args(["run", &format!("http://{}/openapi.json", server.api), "--checks", CHECKS])
            .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-time", "60", "--seed", "3", "--no-color"])
            .args(["--continue-on-failure", "--request-timeout", "10", "--suppress-health-check", "all"])
            .args(["-H", &format!("X-Auth-ID: {AUTH_ID}"), "-H", &format!("X-Auth-Token: {AUTH_TOKEN}")])
            .args(["-H", &format!("X-Operator-Token: {OPERATOR_TOKEN}")])
            .current_dir(place.folder.path())
            .env("NO_PROXY", "*"),
        "",
    );
    let said = server::out(&output);
    assert!(output.status.success(), "{said}{}", server::err(&output));
    // Not all of it was refused: what schemathesis made up has made, read, changed and removed things.
    let log = server.printed();
    let mut missed = Vec::new();
    for (method, path) in DONE {
        let shown = format!("method={method} path=\"/api/v1/{path}");
        let done = log.lines().filter(|line| line.contains(&shown) && line.contains(" status=20")).count();
        println!("{done:5} {method} {path}");
        missed.extend((done == 0).then_some((method, path)));
    }
    // A slow machine gets less far in a minute.
    assert!(missed.len() <= 3, "never done: {missed:?}\n{said}");
    assert_eq!(server.request("GET", "/healthz", &[], "").map(|answer| answer.status), Some(200));
    server.stop();
}
