use std::process::Command;

use super::server::{ACCOUNT, OPERATOR, Server, TOKEN, sipward};

fn check(environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command: Command = sipward();
    let output = command.arg("check").envs(environment.iter().copied()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_api_that_others_can_reach_needs_tls_or_a_proxy() {
    let (code, error) = check(&[("SIPWARD_API_LISTEN", "0.0.0.0:8080")]);
    assert_eq!(code, Some(1));
    for part in ["[api] listen = 0.0.0.0:8080 (environment variable", "tls_cert", "behind_proxy = true", "127.0.0.1"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let serve = sipward().arg("serve").env("SIPWARD_API_LISTEN", "[::]:8080").output().unwrap();
    assert_eq!(serve.status.code(), Some(1));
    assert_eq!(check(&[("SIPWARD_API_LISTEN", "0.0.0.0:8080"), ("SIPWARD_API_BEHIND_PROXY", "true")]).0, Some(0));
    for loopback in ["127.0.0.2:8080", "[::1]:8080"] {
        assert_eq!(check(&[("SIPWARD_API_LISTEN", loopback)]).0, Some(0), "{loopback}");
    }
    let (_, error) = check(&[("SIPWARD_API_TLS_CERT", "/nowhere.pem")]);
    assert!(error.contains("[api] tls_cert is set and tls_key is not"), "{error}");
    let (code, error) = check(&[("SIPWARD_API_TLS_CERT", "/nowhere.pem"), ("SIPWARD_API_TLS_KEY", "/nowhere.key")]);
    assert!(code == Some(1) && error.contains("[api] tls_cert = \"/nowhere.pem\" cannot be read"), "{error}");
}

#[test]
fn the_operator_token_is_refused_in_the_file_and_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sipward.toml");
    std::fs::write(&path, "[api]\noperator_token = \"tell-nobody-tell-nobody\"\n").unwrap();
    let output = sipward().args(["check", "--config"]).arg(&path).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("SIPWARD_API_OPERATOR_TOKEN") && !error.contains("tell-nobody"), "{error}");
    let (code, error) = check(&[("SIPWARD_API_OPERATOR_TOKEN", "short")]);
    assert!(code == Some(1) && !error.contains("short"), "{error}");
    let output = sipward().arg("check").env("SIPWARD_API_OPERATOR_TOKEN", OPERATOR).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("operator_token = (set, not shown)") && !shown.contains(OPERATOR), "{shown}");
}

#[test]
fn guessing_tokens_is_slowed_down_for_the_guesser_alone() {
    let server = Server::start();
    server.account("GET", "trunks", None).is(200);
    let guess = |number: usize| server.as_account("MA_LOCAL", &format!("guess-{number}"), "GET", "trunks", None);
    let limited = (0..60).map(guess).find(|answer| answer.status != 401).expect("a limit");
    let limited = limited.is(429);
    assert!(limited.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    let operator = |token: &str| {
        server.ask("GET", "/api/v1/operator/accounts", &[&format!("X-Operator-Token: {token}")], None).status
    };
    assert_eq!(operator("wrong-operator-token"), 429);
    // Whoever has been right from there goes on.
    server.account("GET", "trunks", None).is(200);
    let refusal = "API authentication refused peer=127.0.0.1 reason=wrong_token";
    let log = server.log_with(refusal);
    assert!(log.contains(refusal), "{log}");
    assert!(!log.contains("guess-") && !log.contains(TOKEN), "{log}");
}

#[test]
fn requests_that_are_refused_for_other_reasons_are_not_guesses() {
    let server = Server::start();
    for _ in 0..60 {
        server.account("GET", "nothing", None).is(404);
        server.account("GET", "trunks?limit=x", None).is(400);
        server.ask("GET", &format!("{ACCOUNT}/trunks"), &[], None).is(401);
    }
    server.as_account("MA_LOCAL", "wrong", "GET", "trunks", None).is(401);
}

#[test]
fn every_answer_and_log_line_has_the_id_of_its_request() {
    let server = Server::start();
    let ask = |path: &str, id: &str| server.ask("POST", path, &[&format!("X-Request-ID: {id}")], None);
    let answer = ask("/nothing", "client-chose-this.1").is(404);
    assert_eq!(answer.header("x-request-id"), Some("client-chose-this.1"));
    let made = ask("/healthz", "\"quoted\" and long");
    assert_eq!(made.header("x-request-id").unwrap().len(), 36, "{made:?}");
    let log = server.log_with("client-chose-this.1");
    let line = log.lines().find(|line| line.contains("client-chose-this.1")).expect("a line");
    assert!(
        line.contains("path=\"/nothing\"") && line.contains("status=404") && line.contains("peer=127.0.0.1"),
        "{line}"
    );
    assert!(!log.contains("quoted"), "{log}");
}
