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
    clippy::print_stderr,
    reason = "these tests are a shell: they wait for programs and read the clock"
)]

mod server;

use std::process::Command;

use server::{AUTH_ID, AUTH_TOKEN, OPERATOR_TOKEN, Place};

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

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
    // What is there is found by its id, so that not every answer is a 404.
    let trunk = server.account("POST", "trunks", r#"{"name": "for-schemathesis"}"#);
    assert_eq!(trunk.status, 201, "{trunk:?}");
    // Without it every path would name another account, and every answer would be the same 403.
    let settings = format!("[parameters]\n\"path.auth_id\" = \"{AUTH_ID}\"\n\"path.area\" = \"Account\"\n");
    let settings = place.file("schemathesis.toml", &settings);
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
    for (method, path) in DONE {
        let done = log.lines().filter(|line| {
            line.contains(&format!("method={method} path=\"/api/v1/{path}")) && line.contains(" status=20")
        });
        eprintln!("{method} {path} {}", done.count());
    }
    assert_eq!(server.request("GET", "/healthz", &[], "").map(|answer| answer.status), Some(200));
    server.stop();
}
