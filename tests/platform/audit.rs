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
    let verify = || sipward().args(["audit", "verify"]).env("SIPWARD_STORAGE_PATH", &store).output().unwrap();
    let running = verify();
    let error = String::from_utf8_lossy(&running.stderr).into_owned();
    assert!(running.status.code() == Some(1) && error.contains("/api/v1/operator/audit/verify"), "{error}");
    let api = sipward()
        .args(["audit", "verify", "--api", &format!("http://{}", server.api)])
        .env("SIPWARD_OPERATOR_TOKEN", super::server::OPERATOR)
        .output()
        .unwrap();
    assert_eq!(api.status.code(), Some(0), "{}", String::from_utf8_lossy(&api.stderr));
    let _folder = server.stop();
    let output =
        sipward().args(["audit", "verify"]).env("SIPWARD_STORAGE_PATH", _folder.path().join("store")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("the audit log holds") && text.contains(&head), "{text}");
}
