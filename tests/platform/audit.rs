use serde_json::json;

use super::server::{Server, sipward};

#[test]
fn every_change_is_told_with_who_where_and_which_fields_and_no_secret() {
    let server = Server::start();
    let body = json!({"username": "alice", "password": "Correct-Horse-9"});
    let headers = [
        "X-Auth-ID: MA_LOCAL".to_owned(),
        format!("X-Auth-Token: {}", super::server::TOKEN),
        "X-Request-ID: my-id-1".to_owned(),
    ];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let path = format!("{}/credentials", super::server::ACCOUNT);
    let made = server.ask("POST", &path, &headers, Some(&body)).is(201).json();
    let id = made["id"].as_str().unwrap();
    server.account("POST", "credentials", Some(&body)).is(409);
    server
        .account("PUT", &format!("credentials/{id}"), Some(&json!({"password": "Other-Horse-10", "enabled": false})))
        .is(200);
    server.account("DELETE", &format!("credentials/{id}"), None).is(204);
    let log = server.account("GET", "audit?limit=3", None).is(200);
    for secret in ["Horse", "token_hash", "ha1"] {
        assert!(!log.body.contains(secret), "{secret}: {}", log.body);
    }
    let log = log.json();
    let [deleted, updated, created] = log["objects"].as_array().unwrap().as_slice() else { panic!("{log}") };
    assert_eq!(
        (&created["action"], &updated["action"], &deleted["action"]),
        (&json!("created"), &json!("updated"), &json!("deleted"))
    );
    assert_eq!((&created["actor"], &created["source"]), (&json!("MA_LOCAL"), &json!("127.0.0.1")));
    assert_eq!((&created["request_id"], &created["object_name"]), (&json!("my-id-1"), &json!("alice")));
    assert_eq!((&created["object_id"], &created["account_id"]), (&json!(id), &json!("MA_LOCAL")));
    assert_eq!(updated["fields"], json!(["enabled", "password"]));

    server.operator("POST", "accounts", Some(&json!({"auth_id": "MA_NEW"}))).is(201);
    let all = server.operator("GET", "audit?limit=1", None).is(200).json();
    assert_eq!((&all["objects"][0]["actor"], &all["objects"][0]["account_id"]), (&json!("operator"), &json!("MA_NEW")));
    assert_ne!(server.account("GET", "audit?limit=1", None).json()["objects"][0]["account_id"], "MA_NEW");
}

#[test]
fn the_chain_is_checked_over_the_api_and_on_a_stopped_store() {
    let server = Server::start();
    server.account("POST", "trunks", Some(&json!({"name": "one"}))).is(201);
    let verified = server.operator("GET", "audit/verify", None).is(200).json();
    assert_eq!((&verified["holds"], &verified["first"]), (&json!(true), &json!(1)));
    let head = verified["head"].as_str().unwrap().to_owned();
    let store = server.folder.path().join("store");
    let verify = |store: &std::path::Path, more: &[&str]| {
        let mut command = sipward();
        command.args(["audit", "verify", "--offline", "--store"]).arg(store).args(more);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, error) = verify(&store, &[]);
    assert!(code == Some(1) && error.contains("in use"), "{error}");
    let online = |token: &str| {
        let mut command = sipward();
        command
            .args(["audit", "verify", "--api", &format!("http://{}", server.api)])
            .env("SIPWARD_OPERATOR_TOKEN", token);
        command.output().unwrap()
    };
    let output = online(super::server::OPERATOR);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&head));
    assert_eq!(online("wrong-operator-token").status.code(), Some(4));
    let folder = server.stop();
    let store = folder.path().join("store");
    let (code, text) = verify(&store, &[]);
    assert!(code == Some(0) && text.contains("the audit log holds") && text.contains(&head), "{text}");
    assert_eq!(verify(&store, &["--head", &head]).0, Some(0));
    let (code, error) = verify(&store, &["--head", &"0".repeat(64)]);
    assert!(code == Some(1) && error.contains("made anew"), "{error}");
    assert_eq!(verify(&folder.path().join("nowhere"), &[]).0, Some(5));
}
