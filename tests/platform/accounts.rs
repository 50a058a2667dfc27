use serde_json::{Value, json};

use super::server::{ACCOUNT, OPERATOR, Server, TOKEN, all_bytes};

const PATHS: [&str; 9] = [
    "trunks",
    "trunks/credentials",
    "trunks/ip-acl",
    "trunks/origination-uris",
    "numbers",
    "registrations",
    "calls",
    "audit",
    "concurrency",
];

fn make(server: &Server, auth_id: &str) -> String {
    let made = server.operator("POST", "accounts", Some(&json!({"auth_id": auth_id}))).is(201).json();
    made["auth_token"].as_str().unwrap().to_owned()
}

#[test]
fn the_operator_makes_lists_suspends_and_deletes_accounts() {
    let server = Server::start();
    let made = server.operator("POST", "accounts", Some(&json!({"auth_id": "MA_ONE"}))).is(201).json();
    assert_eq!((&made["realm"], &made["enabled"]), (&json!("MA_ONE.sipward.invalid"), &json!(true)));
    let token = made["auth_token"].as_str().unwrap();
    server.operator("POST", "accounts", Some(&json!({"auth_id": "MA_ONE"}))).is(409);
    for bad in ["operator", "a b", "", &"x".repeat(65)] {
        server.operator("POST", "accounts", Some(&json!({"auth_id": bad}))).is(400);
    }
    let random = server.operator("POST", "accounts", Some(&json!({}))).is(201).json();
    assert!(random["auth_id"].as_str().unwrap().starts_with("MA_"), "{random}");

    let list = server.operator("GET", "accounts?sort=auth_id", None).is(200).json();
    assert_eq!(list["meta"]["total"], 3);
    assert!(!list.to_string().contains("token"), "{list}");
    let found = server.operator("GET", "accounts?search=ma_one", None).json();
    assert_eq!(found["objects"][0]["auth_id"], "MA_ONE");
    assert_eq!(server.operator("GET", "accounts/MA_ONE", None).is(200).json().get("auth_token"), None);

    let trunks = || server.as_account("MA_ONE", token, "GET", "trunks", None);
    trunks().is(200);
    server.operator("PUT", "accounts/MA_ONE", Some(&json!({"enabled": false}))).is(200);
    trunks().is(403);
    server.operator("PUT", "accounts/MA_ONE", Some(&json!({"enabled": true}))).is(200);
    server.operator("PUT", "accounts/MA_ONE", Some(&json!({"realm": "other"}))).is(400);
    trunks().is(200);

    let rotated = server.operator("POST", "accounts/MA_ONE/token", None).is(200).json();
    trunks().is(401);
    let token = rotated["auth_token"].as_str().unwrap();
    server.as_account("MA_ONE", token, "GET", "trunks", None).is(200);

    for (path, body) in [
        ("trunks", json!({"name": "t"})),
        ("credentials", json!({"username": "u", "password": "Correct-Horse-9"})),
        ("ip-acl", json!({"ip_address": "192.0.2.1"})),
        ("origination-uris", json!({"uri": "sip:a@example.com"})),
    ] {
        server.as_account("MA_ONE", token, "POST", path, Some(&body)).is(201);
    }
    server.operator("DELETE", "accounts/MA_ONE", None).is(204);
    server.operator("DELETE", "accounts/MA_ONE", None).is(404);
    server.as_account("MA_ONE", token, "GET", "trunks", None).is(401);
    // A new account of that name starts with nothing.
    let token = make(&server, "MA_ONE");
    for path in PATHS {
        let list = server.as_account("MA_ONE", &token, "GET", path, None).is(200).json();
        let total = list.pointer("/meta/total").or(list.get("total")).cloned().unwrap_or(json!(0));
        assert!(total == 0 || path == "audit", "{path}: {list}");
    }
    server.operator("DELETE", "accounts/MA_LOCAL", None).is(409);
}

#[test]
fn nothing_of_another_account_can_be_seen_or_touched() {
    let server = Server::start();
    let token = make(&server, "MA_TWO");
    for path in PATHS {
        // A wrong token, the other one's token, no token, and the right one for another account.
        server.as_account("MA_TWO", TOKEN, "GET", path, None).is(401);
        let own = ["X-Auth-ID: MA_TWO".to_owned(), format!("X-Auth-Token: {token}")];
        server.ask("GET", &format!("{ACCOUNT}/{path}"), &[&own[0], &own[1]], None).is(403);
        server.ask("GET", &format!("{ACCOUNT}/{path}"), &[], None).is(401);
    }
    for (path, body) in [
        ("trunks", json!({"name": "t"})),
        ("credentials", json!({"username": "u", "password": "Correct-Horse-9"})),
        ("ip-acl", json!({"ip_address": "192.0.2.1"})),
        ("origination-uris", json!({"uri": "sip:a@example.com"})),
    ] {
        let made = server.account("POST", path, Some(&body)).is(201).json();
        let id = made.get("trunk_id").or(made.get("id")).and_then(Value::as_str).unwrap().to_owned();
        let other = |method: &str, body: Option<&Value>| {
            server.as_account("MA_TWO", &token, method, &format!("{path}/{id}"), body)
        };
        other("GET", None).is(404);
        other("PUT", Some(&json!({"description": "mine"}))).is(404);
        other("DELETE", None).is(404);
        server.account("GET", &format!("{path}/{id}"), None).is(200);
    }
}

#[test]
fn only_the_operator_is_the_operator() {
    let server = Server::start();
    let ask = |headers: &[&str]| server.ask("GET", "/api/v1/operator/accounts/", headers, None).status;
    let (token, account) = (format!("X-Auth-Token: {OPERATOR}"), format!("X-Auth-Token: {TOKEN}"));
    assert_eq!(ask(&["X-Auth-ID: operator", &token]), 200);
    assert_eq!(ask(&["X-Auth-ID: operator", &account]), 401);
    assert_eq!(ask(&["X-Auth-ID: MA_LOCAL", &account]), 401);
    assert_eq!(ask(&["X-Auth-ID: MA_LOCAL", &token]), 401);
    assert_eq!(ask(&[]), 401);
    let me = |headers: &[&str]| server.ask("GET", "/api/v1/auth/me", headers, None);
    assert_eq!(me(&["X-Auth-ID: MA_LOCAL", &account]).is(200).json()["auth_id"], "MA_LOCAL");
    assert_eq!(me(&[&format!("X-Operator-Token: {OPERATOR}")]).is(200).json()["role"], "operator");
    me(&["X-Auth-ID: MA_LOCAL", &token]).is(401);
}

#[test]
fn tokens_are_kept_as_hashes_only() {
    let server = Server::start();
    let token = make(&server, "MA_THREE");
    let rotated = server.operator("POST", "accounts/MA_THREE/token", None).is(200).json();
    let rotated = rotated["auth_token"].as_str().unwrap().to_owned();
    server.as_account("MA_THREE", &rotated, "GET", "trunks", None).is(200);
    let log = server.log();
    let folder = server.stop();
    let bytes = all_bytes(&folder.path().join("store"));
    for secret in [&*token, &*rotated, OPERATOR, TOKEN] {
        assert!(!log.contains(secret));
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    let server = Server::start_in(folder, &[]);
    server.as_account("MA_THREE", &rotated, "GET", "trunks", None).is(200);
    server.as_account("MA_THREE", &token, "GET", "trunks", None).is(401);
}
