use serde_json::{Value, json};

use crate::requests::id;
use crate::server::{Server, TOKEN};
use crate::shape::{Is, TRUNK, TRUNK_LISTED, assert_shape, listed};

const FULL: &[(&str, Is)] = &[
    ("auth_policy_register", Is::Text),
    ("auth_policy_call", Is::Text),
    ("call_challenge", Is::Whole),
    ("digest_algorithms", Is::Texts),
    ("caller_id", Is::Text),
    ("select_by_source", Is::Truth),
    ("use_account_acl", Is::Truth),
];

#[test]
fn a_trunk_is_made_of_its_name_alone_and_has_the_defaults_of_the_contract() {
    let server = Server::start();
    let made = server.post("trunks", json!({"name": "main", "inbound_uri": "x", "ip_whitelist": ["1.2.3.4"]}));
    assert_shape(&made, &[TRUNK]);
    let expected = json!({
        "name": "main", "trunk_status": "active", "secure": false, "trunk_direction": "both", "concurrent_calls_limit": 10,
        "cps_limit": 2, "description": "", "transport": "udp", "recording": false, "enable_transcription": false,
        "pii_redaction": false, "recording_webhook_enabled": false, "webhook_method": "POST",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&made[key], value, "{key}");
    }
    assert_eq!(made["trunk_domain"], json!(format!("{}.sipward.invalid", &id(&made)[..8])));
    assert_eq!(server.get(&format!("trunks/{}", id(&made))), made);
}

#[test]
fn both_vocabularies_make_the_same_trunk_and_a_change_changes_only_what_is_given() {
    let server = Server::start();
    let narrative = json!({"name": "a", "trunk_type": "OUTBOUND", "max_concurrent_calls": 7, "enabled": false});
    let openapi =
        json!({"name": "a", "trunk_direction": "outbound", "concurrent_calls_limit": 7, "trunk_status": "disabled"});
    for body in [narrative, openapi] {
        let made = server.post("trunks", body);
        assert_eq!((&made["trunk_direction"], &made["concurrent_calls_limit"]), (&json!("outbound"), &json!(7)));
        assert_eq!(made["trunk_status"], "inactive");
        let path = format!("trunks/{}", id(&made));
        let changed = server.put(&path, json!({"secure": true, "transport": "tls"}));
        assert_shape(&changed, &[TRUNK]);
        assert_eq!(
            (&changed["secure"], &changed["transport"], &changed["name"]),
            (&json!(true), &json!("tls"), &json!("a"))
        );
        assert_eq!(changed["concurrent_calls_limit"], 7);
        assert!(changed["updated_at"].as_str() > made["updated_at"].as_str());
        for on in [json!({"enabled": true}), json!({"trunk_status": "enabled"}), json!({"trunk_status": "Active"})] {
            assert_eq!(server.put(&path, on)["trunk_status"], "active");
            server.put(&path, json!({"enabled": false}));
        }
        assert_eq!(server.put(&path, json!({"max_concurrent_calls": 0}))["concurrent_calls_limit"], 0);
    }
}

#[test]
fn optional_fields_are_shown_in_lists_where_set_and_on_demand_elsewhere() {
    let server = Server::start();
    let credential = server.post("credentials", json!({"username": "dave", "password": "correct horse"}));
    let acl = server.post("ip-acl", json!({"ip_address": "203.0.113.1"}));
    let uri = server.post("origination-uris", json!({"uri": "sip:pbx.example.com"}));
    let body = json!({
        "name": "full", "credential_uuid": id(&credential), "ipacl_uuid": id(&acl), "primary_uri_uuid": id(&uri),
        "fallback_uri_uuid": id(&uri), "inbound_destination": "pbx", "pii_entity_types": "name,card", "webhook_method": "GET",
        "webhook_url": "https://example.com/hook", "auth_policy_register": "digest_only", "auth_policy_call": "any",
        "call_challenge": 407, "digest_algorithms": ["SHA-256", "md5"], "caller_id": "any", "select_by_source": false,
        "use_account_acl": false, "trunk_domain": "sip.customer.example",
    });
    let made = server.post("trunks", body);
    assert_shape(&made, &[TRUNK]);
    assert_eq!((&made["trunk_domain"], &made["webhook_method"]), (&json!("sip.customer.example"), &json!("GET")));
    let (_, objects) = listed(&server.get("trunks"));
    assert_shape(&objects[0], &[TRUNK, TRUNK_LISTED]);
    assert_shape(&objects[1], &[TRUNK]);
    let path = format!("trunks/{}", id(&made));
    let full = server.get(&format!("{path}?view=full"));
    assert_shape(&full, &[TRUNK, TRUNK_LISTED, FULL, &[("ipacl_uuid", Is::Uuid), ("fallback_uri_uuid", Is::Uuid)]]);
    assert_eq!((&full["auth_policy_register"], &full["auth_policy_call"]), (&json!("digest_only"), &json!("any")));
    assert_eq!((&full["call_challenge"], &full["caller_id"]), (&json!(407), &json!("any")));
    assert_eq!(full["digest_algorithms"], json!(["SHA-256", "MD5"]));
    let bare = json!({
        "credential_uuid": null, "ipacl_uuid": "", "primary_uri_uuid": null, "fallback_uri_uuid": null,
        "inbound_destination": "", "pii_entity_types": null, "webhook_url": "", "trunk_domain": null,
    });
    server.put(&path, bare);
    assert_shape(&server.get(&format!("{path}?view=full")), &[TRUNK, FULL]);
    server.post("trunks", json!({"name": "taken", "trunk_domain": "sip.other.example"}));
    assert_eq!(
        server.refused(409, "PUT", &path, Some(json!({"trunk_domain": "SIP.other.example"}))),
        "trunk_domain is taken"
    );
}

#[test]
fn what_no_trunk_can_be_is_refused_by_name() {
    let server = Server::start();
    let credential = server.post("credentials", json!({"username": "dave", "password": "correct horse"}));
    let unknown = "00000000-0000-4000-8000-000000000001";
    for (key, value) in [
        ("name", json!(5)),
        ("name", json!(" ")),
        ("name", json!("x".repeat(256))),
        ("description", json!("x".repeat(501))),
        ("enabled", json!("true")),
        ("trunk_status", json!("maybe")),
        ("trunk_direction", json!("up")),
        ("concurrent_calls_limit", json!(-1)),
        ("max_concurrent_calls", json!("7")),
        ("cps_limit", json!(1.5)),
        ("cps_limit", json!(1_000_001)),
        ("transport", json!("sctp")),
        ("webhook_method", json!("PUT")),
        ("credential_uuid", json!("x")),
        ("credential_uuid", json!(unknown)),
        ("ipacl_uuid", json!(unknown)),
        ("ipacl_uuid", json!(id(&credential))),
        ("primary_uri_uuid", json!(unknown)),
        ("fallback_uri_uuid", json!(unknown)),
        ("trunk_domain", json!("12345678.sipward.invalid")),
        ("trunk_domain", json!("sipward.invalid")),
        ("trunk_domain", json!("192.0.2.1")),
        ("trunk_domain", json!("a b")),
        ("auth_policy_call", json!("none")),
        ("call_challenge", json!(403)),
        ("digest_algorithms", json!([])),
        ("digest_algorithms", json!(["MD5", "MD5"])),
        ("digest_algorithms", json!("MD5")),
        ("caller_id", json!("+911")),
    ] {
        let mut body = json!({"name": "x"});
        body[key] = value;
        let text = server.refused(400, "POST", "trunks", Some(body.clone()));
        assert!(text.starts_with(key), "{body}: {text}");
    }
    assert_eq!(server.refused(400, "POST", "trunks", Some(json!({}))), "name is required");
    for url in ["http://127.0.0.1/", "http://10.0.0.1/", "http://[::1]/", "ftp://example.com", "x"] {
        let body = json!({"name": "x", "webhook_url": url});
        assert_eq!(server.refused(400, "POST", "trunks", Some(body)), "invalid webhook_url");
    }
    for (method, body) in [("GET", None), ("PUT", Some(json!({}))), ("DELETE", None)] {
        assert_eq!(server.refused(404, method, &format!("trunks/{unknown}"), body), "Trunk not found");
    }
    let scoped = id(&server.post("trunks", json!({"name": "t"})));
    let other = json!({"username": "eve", "password": "correct horse", "trunk_id": scoped});
    let other = server.post("credentials", other);
    let body = json!({"name": "x", "credential_uuid": id(&other)});
    assert!(server.refused(400, "POST", "trunks", Some(body)).starts_with("credential_uuid"));
    let lenient = Server::start_with(&[("SIPWARD_API_WEBHOOK_PRIVATE", "true")]);
    lenient.post("trunks", json!({"name": "x", "webhook_url": "http://127.0.0.1:9/"}));
}

#[test]
fn a_trunk_goes_with_what_is_scoped_to_it_and_leaves_what_it_shares() {
    let server = Server::start();
    let trunk = id(&server.post("trunks", json!({"name": "t"})));
    let shared = server.post("credentials", json!({"username": "shared", "password": "correct horse"}));
    let scoped =
        server.post("credentials", json!({"username": "scoped", "password": "correct horse", "trunk_id": trunk}));
    let acl = [json!(trunk), Value::Null]
        .map(|scope| server.post("ip-acl", json!({"ip_address": "203.0.113.1", "trunk_id": scope})));
    let uris = [json!(trunk), Value::Null]
        .map(|scope| server.post("origination-uris", json!({"uri": "sip:h", "trunk_id": scope})));
    server.put(&format!("trunks/{trunk}"), json!({"credential_uuid": id(&shared), "primary_uri_uuid": id(&uris[1])}));
    server.operate("POST", "numbers", Some(&json!({"e164": "+912271264300"}))).is(201);
    server.account("POST", "numbers/+912271264300/assign", Some(&json!({"trunk_group_id": trunk}))).is(204);
    server.delete(&format!("trunks/{trunk}"));
    server.refused(404, "GET", &format!("trunks/{trunk}"), None);
    for (path, object, there) in [
        ("credentials", &shared, true),
        ("credentials", &scoped, false),
        ("ip-acl", &acl[0], false),
        ("ip-acl", &acl[1], true),
        ("origination-uris", &uris[0], false),
        ("origination-uris", &uris[1], true),
    ] {
        let answer = server.account("GET", &format!("{path}/{}", id(object)), None);
        assert_eq!(answer.status, if there { 200 } else { 404 }, "{path} {object}");
    }
    assert!(server.get("numbers")["items"][0].get("trunk_group_id").is_none());
    let (_, objects) = listed(&server.get("trunks"));
    let default = format!("trunks/{}", id(&objects[0]));
    assert!(server.refused(409, "DELETE", &default, None).contains("default trunk"));
}

#[test]
fn paths_are_taken_in_either_case_with_or_without_a_slash() {
    let server = Server::start();
    let trunk = id(&server.post("trunks", json!({"name": "t"})));
    let headers =
        ["X-Auth-ID: MA_LOCAL".to_owned(), format!("X-Auth-Token: {TOKEN}"), "Authorization: Bearer x".to_owned()];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    for area in ["account", "Account"] {
        for slash in ["", "/"] {
            let at = |path: &str| format!("/api/v1/{area}/MA_LOCAL/{path}{slash}");
            for path in ["trunks", "trunks/credentials", "trunks/ip-acl", "trunks/origination-uris", "numbers"] {
                server.ask("GET", &at(path), &headers, None).is(200);
            }
            server.ask("GET", &at(&format!("trunks/{trunk}")), &headers, None).is(200);
            server.ask("PUT", &at(&format!("trunks/{trunk}")), &headers, Some(&json!({"description": area}))).is(200);
            let made =
                server.ask("POST", &at("ip-acl"), &headers, Some(&json!({"ip_address": "203.0.113.1"}))).is(201).json();
            server.ask("DELETE", &at(&format!("ip-acl/{}", id(&made))), &headers, None).is(204);
        }
    }
    let (meta, objects) = listed(&server.get("trunks?page=2&size=1&foo=bar"));
    assert_eq!((meta, objects.len()), (json!({"limit": 1, "offset": 1, "total": 2}), 1));
    server.ask("GET", "/api/v1/Account/MA_LOCAL/trunks", &[], None).is(401);
    server.ask("GET", "/api/v1/Account/MA_OTHER/trunks", &headers, None).is(403);
}
