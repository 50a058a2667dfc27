use serde_json::json;

use crate::requests::id;
use crate::server::{Server, TOKEN};
use crate::shape::{CREDENTIAL, Is, assert_shape, listed};

const FULL: &[(&str, Is)] = &[("description", Is::Text), ("digest_algorithms", Is::Texts), ("usage", Is::Object)];

#[test]
fn a_credential_is_made_read_listed_changed_and_deleted() {
    let server = Server::start();
    let body = json!({"username": "dave", "password": "correct horse", "description": "desk", "unknown": [1]});
    let made = server.post("credentials", body);
    assert_shape(&made, &[CREDENTIAL]);
    assert_eq!((&made["username"], &made["enabled"]), (&json!("dave"), &json!(true)));
    let path = format!("credentials/{}", id(&made));
    assert_eq!(server.get(&path), made);
    let (meta, objects) = listed(&server.get("trunks/credentials"));
    // The two phones of the first start are there too.
    assert_eq!(meta, json!({"limit": 20, "offset": 0, "total": 3}));
    objects.iter().for_each(|object| assert_shape(object, &[CREDENTIAL]));
    assert_eq!(objects[0], made);

    let changed = server.put(&path, json!({"enabled": false}));
    assert_shape(&changed, &[CREDENTIAL]);
    assert_eq!(changed["enabled"], false);
    assert!(changed["updated_at"].as_str() > made["updated_at"].as_str());
    let again = server.put(&path, json!({"password": "another horse", "username": "dave"}));
    assert_eq!(again["enabled"], false, "a part that was not given stays");
    let full = server.get(&format!("{path}?view=full"));
    assert_shape(&full, &[CREDENTIAL, FULL]);
    assert_eq!(full["description"], "desk");
    assert_eq!(full["digest_algorithms"], json!(["MD5", "SHA-256", "SHA-512-256"]));
    server.delete(&path);
    assert_eq!(server.refused(404, "GET", &path, None), "Credential not found");
    assert_eq!(server.refused(404, "DELETE", &path, None), "Credential not found");
    assert_eq!(server.refused(404, "PUT", &path, Some(json!({}))), "Credential not found");
    server.refused(404, "GET", "credentials/no-uuid", None);
}

#[test]
fn what_no_credential_can_be_is_refused_by_name() {
    let server = Server::start();
    let refused = |body| server.refused(400, "POST", "credentials", Some(body));
    for name in ["", "a b", "a@b", "é", &"x".repeat(65)] {
        assert!(
            refused(json!({"username": name, "password": "correct horse"})).starts_with("username must be"),
            "{name}"
        );
    }
    server.post("credentials", json!({"username": "A-z_0.9+", "password": "12345678"}));
    assert_eq!(refused(json!({"password": "correct horse"})), "username is required");
    assert_eq!(refused(json!({"username": "eve"})), "password is required");
    assert_eq!(refused(json!({"username": "eve", "password": "1234567"})), "password must have at least 8 characters");
    assert_eq!(refused(json!({"username": "eve", "password": 12345678})), "password must be a string");
    assert_eq!(refused(json!({"username": 5, "password": "correct horse"})), "username must be a string");
    assert_eq!(
        refused(json!({"username": "eve", "password": "correct horse", "enabled": "yes"})),
        "enabled must be true or false"
    );
    assert!(refused(json!({"username": "eve", "password": "correct horse", "trunk_id": "x"})).starts_with("trunk_id"));
    let unknown = "00000000-0000-4000-8000-000000000001";
    assert!(
        refused(json!({"username": "eve", "password": "correct horse", "trunk_id": unknown})).starts_with("trunk_id")
    );
    for body in
        ["", "{", "null", "[]", "\"x\"", "{\"username\": \"eve\", \"password\": \"s3cret-in-a-bad-body\"", "\u{1}"]
    {
        let headers = [
            "X-Auth-ID: MA_LOCAL".to_owned(),
            format!("X-Auth-Token: {TOKEN}"),
            format!("Content-Length: {}", body.len()),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let request = crate::server::request("POST", "/api/v1/account/MA_LOCAL/credentials", &headers, None) + body;
        let mut stream = std::net::TcpStream::connect(server.api).unwrap();
        let answer = crate::server::exchange(&mut stream, &request).is(400);
        assert!(!answer.body.contains("s3cret"), "{answer:?}");
    }
    let made = server.post("credentials", json!({"username": "frank", "password": "correct horse"}));
    let path = format!("credentials/{}", id(&made));
    assert_eq!(server.refused(400, "PUT", &path, Some(json!({"username": "other"}))), "username cannot be changed");
    let duplicate = json!({"username": "frank", "password": "short but taken"});
    for _ in 0..3 {
        assert_eq!(server.refused(409, "POST", "credentials", Some(duplicate.clone())), "Username already exists");
    }
    assert!(!server.log().contains("correct horse"));
}

#[test]
fn hashes_that_the_client_computed_are_taken_and_never_shown() {
    let server = Server::start();
    let (md5, sha256) = ("0123456789abcdef0123456789ABCDEF", "ab".repeat(32));
    let body = json!({"username": "hal", "ha1": {"MD5": md5, "SHA-256": sha256}});
    let made = server.post("credentials?view=full", body);
    assert_eq!(made["digest_algorithms"], json!(["MD5", "SHA-256"]));
    let text = made.to_string().to_ascii_lowercase();
    assert!(!text.contains("0123456789abcdef") && !text.contains("abababab"));
    for ha1 in [json!({}), json!({"MD5": "00"}), json!({"MD5": 5}), json!({"SHA-1": md5}), json!(md5)] {
        let body = json!({"username": "eve", "ha1": ha1});
        assert!(server.refused(400, "POST", "credentials", Some(body)).starts_with("ha1"));
    }
    let both = json!({"username": "eve", "password": "correct horse", "ha1": {"MD5": md5}});
    server.refused(400, "POST", "credentials", Some(both));
}

#[test]
fn credentials_are_listed_by_trunk_with_the_attached_one() {
    let server = Server::start();
    let trunk = id(&server.post("trunks", json!({"name": "t"})));
    let make = |name: &str, extra: serde_json::Value| {
        let mut body = json!({"username": name, "password": "correct horse"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        server.post("credentials?view=full", body)
    };
    let attached = make("attached", json!({}));
    make("other", json!({}));
    let scoped: Vec<_> = (0..3).map(|n| make(&format!("scoped{n}"), json!({"trunk_id": trunk}))).collect();
    assert_eq!(scoped[0]["trunk_id"], json!(trunk));
    server.put(&format!("trunks/{trunk}"), json!({"credential_uuid": id(&attached)}));
    let (meta, objects) = listed(&server.get(&format!("trunks/credentials?trunk_id={trunk}&limit=3&offset=1")));
    assert_eq!(meta, json!({"limit": 3, "offset": 1, "total": 4}));
    let names: Vec<_> = objects.iter().map(|object| object["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["scoped1", "scoped0", "attached"]);
    let unscoped = server.put(&format!("credentials/{}?view=full", id(&scoped[0])), json!({"trunk_id": null}));
    assert!(unscoped.get("trunk_id").is_none());
    server.refused(400, "GET", "trunks/credentials?trunk_id=x", None);
    server.refused(404, "GET", "trunks/credentials?trunk_id=00000000-0000-4000-8000-000000000001", None);
    server.refused(400, "GET", "trunks/credentials?limit=0", None);
    assert_eq!(
        listed(&server.get("trunks/credentials?limit=1000&offset=99")),
        (json!({"limit": 100, "offset": 99, "total": 7}), vec![])
    );
}

#[test]
fn passwords_can_be_wanted_mixed() {
    let server = Server::start_with(&[("SIPWARD_API_PASSWORD_MIN", "10"), ("SIPWARD_API_PASSWORD_MIXED", "true")]);
    for (password, why) in [
        ("Abcdefg12", "at least 10"),
        ("abcdefghi12", "upper-case"),
        ("ABCDEFGHI12", "lower-case"),
        ("Abcdefghijk", "digit"),
        ("1Grace-is-it", "username"),
    ] {
        let text = server.refused(400, "POST", "credentials", Some(json!({"username": "grace", "password": password})));
        assert!(text.contains(why), "{password}: {text}");
    }
    server.post("credentials", json!({"username": "grace", "password": "Abcdefghi12"}));
}
