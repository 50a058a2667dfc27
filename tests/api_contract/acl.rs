use serde_json::json;

use crate::requests::id;
use crate::server::Server;
use crate::shape::{ACL, Is, assert_shape, listed};

const FULL: &[(&str, Is)] = &[("deny", Is::Truth), ("may_register", Is::Texts)];

#[test]
fn an_acl_entry_is_made_read_listed_changed_and_deleted() {
    let server = Server::start();
    let made = server.post("ip-acl", json!({"name": "office", "ip_address": "198.51.100.42"}));
    assert_shape(&made, &[ACL]);
    assert_eq!((&made["description"], &made["ip_address"]), (&json!("office"), &json!("198.51.100.42")));
    let plain = server.post("ip-acl", json!({"ip_address": "198.51.100.0/24", "enabled": false}));
    assert_eq!((&plain["description"], &plain["enabled"]), (&json!(""), &json!(false)));
    let path = format!("ip-acl/{}", id(&made));
    assert_eq!(server.get(&path), made);
    let (meta, objects) = listed(&server.get("trunks/ip-acl?limit=1"));
    assert_eq!(meta, json!({"limit": 1, "offset": 0, "total": 2}));
    assert_eq!(objects, [plain]);
    let changed = server.put(&path, json!({"ip_address": "2001:db8::/32", "name": "v6"}));
    assert_shape(&changed, &[ACL]);
    assert_eq!((&changed["ip_address"], &changed["description"]), (&json!("2001:db8::/32"), &json!("v6")));
    let changed = server.put(&path, json!({"enabled": false}));
    assert_eq!((&changed["enabled"], &changed["description"]), (&json!(false), &json!("v6")));
    server.delete(&path);
    assert_eq!(server.refused(404, "GET", &path, None), "IP ACL not found");
    assert_eq!(server.refused(404, "PUT", &path, Some(json!({}))), "IP ACL not found");
    assert_eq!(server.refused(404, "DELETE", &path, None), "IP ACL not found");
}

#[test]
fn our_own_fields_are_taken_and_shown_on_demand() {
    let server = Server::start();
    let trunk = id(&server.post("trunks", json!({"name": "t"})));
    let body =
        json!({"ip_address": "203.0.113.0/24", "deny": true, "trunk_id": trunk, "may_register": ["pbx", "door"]});
    let made = server.post("ip-acl", body);
    assert_shape(&made, &[ACL]);
    let full = server.get(&format!("ip-acl/{}?view=full", id(&made)));
    assert_shape(&full, &[ACL, FULL, &[("trunk_id", Is::Uuid)]]);
    assert_eq!((&full["deny"], &full["may_register"]), (&json!(true), &json!(["pbx", "door"])));
    let attached = server.post("ip-acl", json!({"ip_address": "203.0.113.9"}));
    server.post("ip-acl", json!({"ip_address": "203.0.113.8"}));
    server.put(&format!("trunks/{trunk}"), json!({"ipacl_uuid": id(&attached)}));
    let (meta, objects) = listed(&server.get(&format!("trunks/ip-acl?trunk_id={trunk}")));
    assert_eq!((meta["total"].clone(), objects), (json!(2), vec![attached.clone(), made]));
    server.delete(&format!("ip-acl/{}", id(&attached)));
    assert!(server.get(&format!("trunks/{trunk}?view=full")).get("ipacl_uuid").is_none());
}

#[test]
fn what_is_no_address_is_refused() {
    let server = Server::start();
    for address in ["", "300.1.1.1", "10.0.0.0/33", "10.0.0.1/8", "example.com", "::1/129"] {
        let text = server.refused(400, "POST", "ip-acl", Some(json!({"name": "x", "ip_address": address})));
        assert!(text.starts_with("Invalid IP address format"), "{address}: {text}");
    }
    assert_eq!(server.refused(400, "POST", "ip-acl", Some(json!({"name": "x"}))), "ip_address is required");
    let body = json!({"ip_address": "203.0.113.1", "may_register": ["a b"]});
    assert!(server.refused(400, "POST", "ip-acl", Some(body)).starts_with("may_register"));
    let body = json!({"ip_address": "203.0.113.1", "deny": 1});
    assert_eq!(server.refused(400, "POST", "ip-acl", Some(body)), "deny must be true or false");
}

#[test]
fn an_address_selects_one_trunk_only() {
    let server = Server::start();
    let select = |name: &str| {
        id(&server.post("trunks", json!({"name": name, "select_by_source": true, "use_account_acl": false})))
    };
    let (one, two) = (select("one"), select("two"));
    server.post("ip-acl", json!({"ip_address": "203.0.113.0/24", "trunk_id": one}));
    let overlapping = json!({"ip_address": "203.0.113.7", "trunk_id": two});
    assert!(server.refused(409, "POST", "ip-acl", Some(overlapping.clone())).contains("select_by_source"));
    assert_eq!(listed(&server.get("trunks/ip-acl")).0["total"], 1, "nothing of it was made");
    server.put(&format!("trunks/{two}"), json!({"select_by_source": false}));
    server.post("ip-acl", overlapping);
    server.refused(409, "PUT", &format!("trunks/{two}"), Some(json!({"select_by_source": true})));
}
