//! The published Python client of Vobiz, `vobiz-python` 0.1.1, unmodified and pointed at sipward, through every method of
//! the resources that sipward has. The scripts are in `tests/vobiz`; `.ci/test` installs the client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its support code too"
)]
#![allow(clippy::disallowed_methods, reason = "these tests are a shell: they wait for programs and read the clock")]

mod server;

use std::path::Path;
use std::process::Command;

use server::{AUTH_ID, AUTH_TOKEN, OPERATOR_TOKEN, Place};

fn check(script: &str) {
    let place = Place::new();
    let server = place.start();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vobiz").join(script);
    let output = server::run(
        Command::new(server::python())
            .arg("-B")
            .arg(path)
            .env("SIPWARD_URL", format!("http://{}", server.api))
            .env("SIPWARD_OPERATOR_TOKEN", OPERATOR_TOKEN)
            .env("VOBIZ_AUTH_ID", AUTH_ID)
            .env("VOBIZ_AUTH_TOKEN", AUTH_TOKEN)
            .env("NO_PROXY", "*"),
        "",
    );
    let (said, complained) = (server::out(&output), server::err(&output));
    assert!(output.status.success(), "{script}:\n{said}{complained}\nserver:\n{}", server.printed());
    // The script's last line: it got to its end and has checked something.
    assert!(said.trim_end().ends_with("passed") && !said.contains("\n0 passed"), "{script}:\n{said}");
    server.stop();
}

#[test]
fn credentials_are_made_read_listed_changed_and_removed() {
    check("check_credentials.py");
}

#[test]
fn ip_acl_entries_are_made_read_listed_changed_and_removed() {
    check("check_ip_acl.py");
}

#[test]
fn origination_uris_are_made_read_listed_changed_and_removed() {
    check("check_origination_uris.py");
}

#[test]
fn trunks_are_made_read_listed_changed_and_removed() {
    check("check_trunks.py");
}

#[test]
fn numbers_are_listed_assigned_and_unassigned() {
    check("check_numbers.py");
}

#[test]
fn who_does_not_show_the_right_token_gets_nothing() {
    check("check_access.py");
}
