use serde_json::{Value, json};

use super::server::{ACCOUNT, OPERATOR, Server, TOKEN};

fn ask(server: &Server, method: &str, path: &str, header: &str, body: Option<&Value>) -> super::server::Answer {
    let headers = ["X-Auth-ID: MA_LOCAL".to_owned(), format!("X-Auth-Token: {TOKEN}"), header.to_owned()];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    server.ask(method, &format!("{ACCOUNT}/{path}"), &headers, body)
}

#[test]
fn a_change_can_be_bound_to_the_version_that_was_read() {
    let server = Server::start();
    let made = server.account("POST", "trunks", Some(&json!({"name": "one"}))).is(201);
    let path = format!("trunks/{}", made.json()["trunk_id"].as_str().unwrap());
    let tag = made.header("etag").expect("a tag").to_owned();
    for view in ["", "?view=full"] {
        assert_eq!(server.account("GET", &format!("{path}{view}"), None).is(200).header("etag"), Some(&*tag));
    }
    let unchanged = ask(&server, "GET", &path, &format!("If-None-Match: {tag}"), None);
    assert_eq!((unchanged.status, &*unchanged.body), (304, ""));
    let put = |tag: &str| ask(&server, "PUT", &path, &format!("If-Match: {tag}"), Some(&json!({"name": "two"})));
    let next = put(&tag).is(200).header("etag").unwrap().to_owned();
    assert_ne!(next, tag);
    put(&tag).is(412);
    ask(&server, "DELETE", &path, &format!("If-Match: {tag}"), None).is(412);
    assert_eq!(ask(&server, "GET", &path, &format!("If-None-Match: {tag}"), None).status, 200);
    put("*").is(200);
    ask(&server, "PUT", &path, "If-Match: nonsense", Some(&json!({"name": "three"}))).is(412);
    let tag = server.account("GET", &path, None).header("etag").unwrap().to_owned();
    assert_eq!(server.account("GET", &path, None).json()["name"], "two");
    ask(&server, "DELETE", &path, &format!("If-Match: \"other\", {tag}"), None).is(204);
    ask(&server, "DELETE", &path, "If-Match: *", None).is(404);
    assert_eq!(server.account("GET", "trunks", None).header("etag"), None);
}

#[test]
fn of_many_who_change_the_same_version_one_wins() {
    let server = Server::start();
    let made = server.account("POST", "trunks", Some(&json!({"name": "one"}))).is(201);
    let path = format!("trunks/{}", made.json()["trunk_id"].as_str().unwrap());
    let tag = made.header("etag").unwrap();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let change = |number: usize| {
            let body = json!({"description": number.to_string()});
            ask(&server, "PUT", &path, &format!("If-Match: {tag}"), Some(&body)).status
        };
        let changes: Vec<_> = (0..8).map(|number| scope.spawn(move || change(number))).collect();
        changes.into_iter().map(|change| change.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
}

#[test]
fn a_create_with_a_key_is_made_once() {
    let server = Server::start();
    let create = |key: &str, name: &str| {
        ask(
            &server,
            "POST",
            "credentials",
            &format!("Idempotency-Key: {key}"),
            Some(&json!({"username": name, "password": "Correct-Horse-9"})),
        )
    };
    let first = create("k-1", "alice").is(201);
    let again = create("k-1", "alice").is(201);
    assert_eq!((first.json(), again.header("idempotency-replayed")), (again.json(), Some("true")));
    assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
    assert_eq!(first.header("etag"), again.header("etag"));
    create("k-1", "bob").is(422);
    create("k-2", "alice").is(409);
    create("k-2", "bob").is(201);
    let total = server.account("GET", "trunks/credentials?search=alice", None).json()["meta"]["total"].clone();
    assert_eq!(total, 1);
    create(&"x".repeat(256), "carol").is(400);
    // A stored answer is for whoever has the right token now.
    let headers = ["X-Auth-ID: MA_LOCAL", "X-Auth-Token: wrong", "Idempotency-Key: k-1"];
    let body = json!({"username": "alice", "password": "Correct-Horse-9"});
    server.ask("POST", &format!("{ACCOUNT}/credentials"), &headers, Some(&body)).is(401);
}

#[test]
fn of_many_creates_with_one_key_at_once_one_is_made() {
    let server = Server::start();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let create = || ask(&server, "POST", "trunks", "Idempotency-Key: same", Some(&json!({"name": "t"}))).status;
        let creates: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
        creates.into_iter().map(|create| create.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(
        server.account("GET", "trunks?search=t", None).json()["objects"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|trunk| trunk["name"] == "t")
            .count(),
        1
    );
}

#[test]
fn a_token_is_not_shown_twice_by_repeating_its_request() {
    let server = Server::start();
    let headers = [&*format!("X-Operator-Token: {OPERATOR}"), "Idempotency-Key: once"];
    let body = json!({"auth_id": "MA_KEY"});
    let create = || server.ask("POST", "/api/v1/operator/accounts", &headers, Some(&body));
    assert!(create().is(201).json()["auth_token"].is_string());
    assert!(!create().is(409).body.contains("auth_token"));
}

#[test]
fn the_lists_of_the_contract_are_sorted_and_searched() {
    let server = Server::start();
    for (name, description) in [("beta", "x"), ("alpha", "y"), ("gamma", "the Alpha of the end")] {
        let body = json!({"username": name, "password": "Correct-Horse-9", "description": description});
        server.account("POST", "credentials", Some(&body)).is(201);
        server.account("POST", "trunks", Some(&json!({"name": name, "description": description}))).is(201);
    }
    for (list, key) in [("trunks/credentials", "username"), ("trunks", "name")] {
        let names = |query: &str| {
            let list = server.account("GET", &format!("{list}?{query}"), None).is(200).json();
            let names = list["objects"].as_array().unwrap().iter().map(|it| it[key].as_str().unwrap().to_owned());
            (list["meta"]["total"].as_u64().unwrap(), names.collect::<Vec<_>>())
        };
        assert_eq!(
            names(&format!("search=ALPHA&sort=-{key}")),
            (2, vec!["gamma".to_owned(), "alpha".to_owned()]),
            "{list}"
        );
        assert_eq!(names(&format!("search=a&sort={key}&limit=1&offset=1")).1[0], "beta", "{list}");
        assert_eq!(names("limit=1").1[0], "gamma", "newest first");
        let refused = server.account("GET", &format!("{list}?sort=nothing"), None).is(400).json();
        assert!(refused["error"].as_str().unwrap().contains("created_at"), "{refused}");
    }
}
