use serde_json::json;

use crate::requests::id;
use crate::server::Server;
use crate::shape::{Is, URI, assert_shape, listed};

#[test]
fn an_origination_uri_is_made_read_listed_changed_and_deleted() {
    let server = Server::start();
    let made = server
        .post("origination-uris", json!({"name": "PBX", "sip_uri": "sip:user@pbx.example.com:5070", "priority": 1}));
    assert_shape(&made, &[URI]);
    assert_eq!((&made["uri"], &made["description"]), (&json!("sip:user@pbx.example.com:5070"), &json!("PBX")));
    assert_eq!((&made["weight"], &made["transport"], &made["enabled"]), (&json!(10), &json!("udp"), &json!(true)));
    let other = json!({"uri": "sip:pbx.example.com;transport=tcp", "priority": 2, "weight": 20, "enabled": false, "description": "b"});
    let other = server.post("origination-uris", other);
    assert_eq!((&other["transport"], &other["weight"], &other["enabled"]), (&json!("tcp"), &json!(20), &json!(false)));
    let loud = server.post("origination-uris", json!({"uri": "sip:192.0.2.1", "transport": "TLS"}));
    assert_eq!((&loud["transport"], &loud["priority"]), (&json!("tls"), &json!(0)));
    let path = format!("origination-uris/{}", id(&made));
    assert_eq!(server.get(&path), made);
    let (meta, objects) = listed(&server.get("trunks/origination-uris?offset=1"));
    assert_eq!(meta, json!({"limit": 20, "offset": 1, "total": 3}));
    assert_eq!(objects, [other.clone(), made.clone()]);
    let changed = server.put(&path, json!({"name": "renamed", "priority": 9}));
    assert_shape(&changed, &[URI]);
    assert_eq!(
        (&changed["uri"], &changed["priority"], &changed["description"]),
        (&made["uri"], &json!(9), &json!("renamed"))
    );
    server.delete(&path);
    for (method, body) in [("GET", None), ("PUT", Some(json!({}))), ("DELETE", None)] {
        assert_eq!(server.refused(404, method, &path, body), "Origination URI not found");
    }
}

#[test]
fn what_is_no_sip_uri_is_refused() {
    let server = Server::start();
    for uri in ["", "pbx.example.com", "http://pbx.example.com", "sip:", "sip:host:port"] {
        let text = server.refused(400, "POST", "origination-uris", Some(json!({"uri": uri})));
        assert_eq!(text, "Invalid SIP URI format. Expected: sip:user@host:port", "{uri}");
    }
    assert_eq!(server.refused(400, "POST", "origination-uris", Some(json!({"name": "x"}))), "uri is required");
    for (key, value) in
        [("priority", json!("1")), ("weight", json!(-1)), ("weight", json!(65_536)), ("transport", json!("sctp"))]
    {
        let mut body = json!({"uri": "sip:h"});
        body[key] = value;
        assert!(server.refused(400, "POST", "origination-uris", Some(body)).starts_with(key));
    }
}

#[test]
fn uris_are_listed_by_trunk() {
    let server = Server::start();
    let trunk = id(&server.post("trunks", json!({"name": "t"})));
    let make = |extra: serde_json::Value| {
        let mut body = json!({"uri": "sip:pbx.example.com"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        server.post("origination-uris", body)
    };
    let (scoped, primary, fallback) = (make(json!({"trunk_id": trunk})), make(json!({})), make(json!({})));
    make(json!({}));
    let named = json!({"primary_uri_uuid": id(&primary), "fallback_uri_uuid": id(&fallback)});
    server.put(&format!("trunks/{trunk}"), named);
    let (_, objects) = listed(&server.get(&format!("trunks/origination-uris?trunk_id={trunk}")));
    assert_eq!(objects, [fallback, primary.clone(), scoped.clone()]);
    let full = server.get(&format!("origination-uris/{}?view=full", id(&scoped)));
    assert_shape(&full, &[URI, &[("trunk_id", Is::Uuid)]]);
    server.delete(&format!("origination-uris/{}", id(&primary)));
    let trunk = server.get(&format!("trunks/{trunk}?view=full"));
    assert!(trunk.get("primary_uri_uuid").is_none() && trunk.get("fallback_uri_uuid").is_some(), "{trunk}");
}
