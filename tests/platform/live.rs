use serde_json::json;

use super::phone::Phone;
use super::server::Server;

const PASSWORD: &str = "Correct-Horse-9";

/// A phone with a credential of its own at the server's account.
fn phone(server: &Server, user: &str) -> Phone {
    let body = json!({"username": user, "password": PASSWORD});
    let credential = server.account("POST", "credentials", Some(&body)).is(201).json();
    Phone::new(server.sip, user, PASSWORD, credential["realm"].as_str().unwrap())
}

#[test]
fn live_registrations_are_listed_searched_and_dropped() {
    let server = Server::start();
    let phones: Vec<Phone> = ["alice", "bob", "carol"].iter().map(|user| phone(&server, user)).collect();
    for phone in &phones {
        let answer = phone.register();
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }
    let list = server.account("GET", "registrations", None).is(200).json();
    assert_eq!(list["meta"], json!({"limit": 20, "offset": 0, "total": 3}));
    let alice = &list["objects"][0];
    let address = phones[0].socket.local_addr().unwrap();
    assert!(alice["aor"].as_str().unwrap().starts_with("alice@"), "{alice}");
    assert_eq!(alice["contact"], format!("sip:alice@{address}"));
    assert_eq!((&alice["source"], &alice["transport"]), (&json!(address.to_string()), &json!("udp")));
    assert_eq!(alice["user_agent"], "Test Phone 1.0");
    assert!((1..=600).contains(&alice["expires_in"].as_u64().unwrap()), "{alice}");
    let page = server.account("GET", "registrations?sort=-aor&limit=1&offset=1", None).json();
    assert!(page["objects"][0]["aor"].as_str().unwrap().starts_with("bob@"));
    let found = server.account("GET", &format!("registrations?search={}", address.port()), None).json();
    assert_eq!(found["meta"]["total"], 1);
    server.account("GET", "registrations?sort=password", None).is(400);

    let aor = alice["aor"].as_str().unwrap();
    assert_eq!(server.account("GET", &format!("registrations/sip:{aor}"), None).is(200).json()["meta"]["total"], 1);
    let dropped = server.account("DELETE", &format!("registrations/{}", aor.replace('@', "%40")), None).is(204);
    assert_eq!(dropped.body, "");
    server.account("DELETE", &format!("registrations/{aor}"), None).is(404);
    server.account("DELETE", "registrations/bob@example.com", None).is(404);
    server.account("DELETE", "registrations/bob", None).is(204);
    assert_eq!(server.account("GET", "registrations", None).json()["meta"]["total"], 1);
    let log = server.account("GET", "audit?limit=2", None).json();
    let told: Vec<_> =
        log["objects"].as_array().unwrap().iter().map(|it| (&it["object"], &it["object_name"])).collect();
    assert_eq!(told, [(&json!("registration"), &json!("bob")), (&json!("registration"), &json!(aor))]);
    // Nothing keeps the phone from coming back.
    assert!(phones[0].register().starts_with("SIP/2.0 200"));
}

#[test]
fn another_account_sees_none_of_it() {
    let server = Server::start();
    let alice = phone(&server, "alice");
    alice.register();
    let other = server.operator("POST", "accounts", Some(&json!({"auth_id": "MA_OTHER"}))).is(201).json();
    let token = other["auth_token"].as_str().unwrap();
    let ask = |method: &str, path: &str| server.as_account("MA_OTHER", token, method, path, None);
    for list in ["registrations", "calls"] {
        assert_eq!(ask("GET", list).is(200).json()["meta"]["total"], 0, "{list}");
    }
    ask("DELETE", "registrations/alice").is(404);
    ask("GET", "registrations/alice").is(404);
    assert_eq!(server.account("GET", "registrations", None).json()["meta"]["total"], 1);
    let told = ask("GET", "audit").is(200).json();
    assert_eq!((&told["meta"]["total"], &told["objects"][0]["object"]), (&json!(1), &json!("account")));
}

#[test]
fn live_calls_are_shown_while_they_last_and_keep_what_they_use() {
    let server = Server::start();
    let (alice, bob) = (phone(&server, "alice"), phone(&server, "bob"));
    alice.register();
    bob.register();
    let calls = || server.account("GET", "calls", None).is(200).json();
    assert_eq!(calls()["meta"]["total"], 0);
    let uri = format!("sip:bob@{}", server.sip);
    std::thread::scope(|scope| {
        let invite = scope.spawn(|| bob.answer("180 Ringing"));
        let ringing = alice.ask("INVITE", &uri, &uri, "call-1", "");
        assert!(ringing.starts_with("SIP/2.0 180"), "{ringing}");
        let call = calls()["objects"][0].clone();
        assert_eq!((&call["call_id"], &call["answered"]), (&json!("call-1"), &json!(false)));
        assert_eq!((&call["to"], &call.get("answered_at")), (&json!(uri), &None));
        assert_eq!(call["from"], format!("sip:alice@{}", server.sip));
        bob.respond(&invite.join().unwrap(), "200 OK");
        let answer = alice.receive();
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        let call = calls()["objects"][0].clone();
        assert!(call["answered"] == true && call["answered_at"].as_str().unwrap() >= call["since"].as_str().unwrap());
        let counted = server.account("GET", "concurrency", None).is(200);
        assert_eq!(counted.json()["concurrent_calls"], 1);
        assert_eq!(counted.json()["request_id"], counted.header("x-request-id").unwrap());
        let trunk = call["trunk_id"].as_str().unwrap();
        server.account("DELETE", &format!("trunks/{trunk}"), None).is(409);
    });
}

#[test]
fn the_use_of_a_credential_is_counted_shown_in_full_and_outlasts_a_restart() {
    let server = Server::start();
    let (alice, bob) = (phone(&server, "alice"), phone(&server, "bob"));
    let usage = |server: &Server, user: &str| {
        let list = server.account("GET", &format!("trunks/credentials?view=full&search={user}"), None).is(200).json();
        assert_eq!(list["meta"]["total"], 1);
        list["objects"][0]["usage"].clone()
    };
    assert_eq!(usage(&server, "alice"), json!({"registrations": 0, "calls": 0, "failures": 0}));
    alice.register();
    alice.register();
    bob.register();
    let uri = format!("sip:bob@{}", server.sip);
    std::thread::scope(|scope| {
        let callee = scope.spawn(|| bob.answer("486 Busy Here"));
        assert!(alice.ask("INVITE", &uri, &uri, "call-1", "").starts_with("SIP/2.0 486"));
        callee.join().unwrap();
    });
    let guesser = Phone::new(server.sip, "alice", "wrong-password", "MA_LOCAL.sipward.invalid");
    assert!(guesser.register().starts_with("SIP/2.0 401"));
    let used = usage(&server, "alice");
    assert_eq!(
        (&used["registrations"], &used["calls"], &used["failures"]),
        (&json!(2), &json!(1), &json!(1)),
        "{used}"
    );
    assert_eq!((&used["last_source"], &used["last_user_agent"]), (&json!("127.0.0.1"), &json!("Test Phone 1.0")));
    assert!(used["last_failure_at"].as_str().unwrap() > used["last_used_at"].as_str().unwrap(), "{used}");
    let plain = server.account("GET", "trunks/credentials", None).json();
    assert_eq!(plain["objects"][0].get("usage"), None);
    let server = Server::start_in(server.stop(), &[]);
    assert_eq!(usage(&server, "alice"), used);
}
