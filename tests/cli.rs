//! The command line as a user meets it: the built program, its output and its exit code.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its files must stop")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn sipward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
    let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("SIPWARD_"));
    for name in ours {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sipward.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn check_without_a_file_shows_the_defaults() {
    let output = sipward(&["check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("configuration is valid (defaults, no file)\n"), "{}", out(&output));
    assert!(out(&output).contains("listen = [\"udp:0.0.0.0:5060\", \"tcp:0.0.0.0:5060\"]  # default\n"));
}

#[test]
fn check_shows_where_each_value_comes_from_and_no_secret() {
    let (_folder, path) = file("[sip]\nworkers = 3\n");
    let output = sipward(&["check", "--config", path.to_str().unwrap()])
        .env("SIPWARD_REGISTRAR_MAX_CONTACTS", "4")
        .env("SIPWARD_ACCOUNT_AUTH_TOKEN", "tell-nobody-1234")
        .env("SIPWARD_DIGEST_NONCE_KEY", "5e".repeat(32))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains(&format!("workers = 3  # {}:2\n", path.display())));
    assert!(out(&output).contains("max_contacts = 4  # environment variable SIPWARD_REGISTRAR_MAX_CONTACTS\n"));
    assert!(out(&output).contains("auth_token = (set, not shown)"));
    assert!(!out(&output).contains("tell-nobody") && !out(&output).contains("5e5e"));
}

#[test]
fn check_tells_everything_that_is_wrong_at_once() {
    let (_folder, path) = file("[sip]\nlistn = []\nworkers = \"two\"\n");
    let output = sipward(&["check", "--config", path.to_str().unwrap()])
        .env("SIPWARD_API_LISTEN", "8080")
        .env("SIPWARD_SIP_DOMAN", "example.org")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "");
    let path = path.display();
    let expected = format!(
        "sipward: the configuration has 4 problems\n  \
         {path}:2: unknown key [sip] listn; did you mean listen?\n  \
         {path}:3: [sip] workers: found the text \"two\", expected a whole number from 0 to 255\n  \
         environment variable SIPWARD_API_LISTEN: [api] listen: found \"8080\", expected an address and a port such as \
         \"127.0.0.1:8080\" or \"[::1]:8080\"\n  \
         environment variable SIPWARD_SIP_DOMAN is not one that sipward knows; did you mean SIPWARD_SIP_DOMAIN?\n"
    );
    assert_eq!(err(&output), expected);
}

#[test]
fn serve_stops_on_what_check_refuses() {
    let output = sipward(&["serve"]).env("SIPWARD_SIP_WORKERS", "-1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("SIPWARD_SIP_WORKERS: [sip] workers: found the text \"-1\""), "{}", err(&output));
}

#[test]
fn the_variables_of_the_other_commands_are_no_mistake() {
    let output = sipward(&["check"])
        .env("SIPWARD_API", "http://127.0.0.1:8080")
        .env("SIPWARD_AUTH_ID", "MA_LOCAL")
        .env("SIPWARD_AUTH_TOKEN", "x")
        .env("SIPWARD_OPERATOR_TOKEN", "x")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

#[test]
fn help_shows_the_commands_and_how_to_use_them() {
    let output = sipward(&["--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    for part in ["serve", "check", "Examples:", "sipward serve --config sipward.toml", "SIPWARD_SECTION_NAME"] {
        assert!(out(&output).contains(part), "{part}");
    }
    let serve = sipward(&["serve", "--help"]).output().unwrap();
    assert!(out(&serve).contains("--seed <FILE.csv>") && out(&serve).contains("username,password[,enabled]"));
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = sipward(&["--version"]).output().unwrap();
    assert_eq!(out(&output), format!("sipward {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_ends_with_2_and_goes_to_standard_error() {
    for arguments in [&[] as &[&str], &["sevre"], &["check", "--seed", "users.csv"], &["serve", "--nothing"]] {
        let output = sipward(arguments).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(err(&output).contains("Usage:"), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = sipward(&["check"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut complaint).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaint.as_str()), (Some(0), ""));
}
