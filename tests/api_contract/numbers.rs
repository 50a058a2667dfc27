use serde_json::{Value, json};

use crate::requests::id;
use crate::server::Server;
use crate::shape::{Is, NUMBER, assert_shape};

fn items(list: &Value) -> Vec<Value> {
    assert_eq!(list.as_object().unwrap().len(), 4, "{list}");
    assert!(["page", "per_page", "total"].iter().all(|key| list[*key].is_u64()), "{list}");
    list["items"].as_array().unwrap().clone()
}

#[test]
fn a_number_is_made_by_the_operator_assigned_listed_unassigned_and_removed() {
    let server = Server::start();
    let body =
        json!({"e164": "+912271264300", "country": "in", "region": "Mumbai", "provider": "carrier", "tags": ["a"]});
    server.refused(401, "POST", "numbers", Some(body.clone()));
    let made = server.operate("POST", "numbers", Some(&body)).is(201).json();
    assert_shape(&made, &[NUMBER]);
    assert_eq!((&made["e164"], &made["country"]), (&json!("+912271264300"), &json!("IN")));
    server.operate("POST", "numbers", Some(&body)).is(409);
    assert_eq!(items(&server.get("numbers")), std::slice::from_ref(&made));
    let trunk = id(&server.post("trunks", json!({"name": "t"})));
    let assign = json!({"trunk_group_id": trunk});
    for segment in ["+912271264300", "%2B912271264300", "%252B912271264300", "%2b912271264300"] {
        let path = format!("numbers/{segment}/assign");
        let answer = server.account("POST", &path, Some(&assign)).is(204);
        assert!(answer.body.is_empty());
        let listed = items(&server.get("numbers"));
        assert_shape(&listed[0], &[NUMBER, &[("trunk_group_id", Is::Uuid)]]);
        assert_eq!(listed[0]["trunk_group_id"], json!(trunk));
        let again = server.account("POST", &path, Some(&assign)).is(400).json();
        assert_eq!(
            (&again["error"], &again["message"]),
            (&json!("invalid request"), &json!("This number is already assigned to a trunk."))
        );
        server.delete(&format!("{path}/"));
        assert_eq!(server.refused(404, "DELETE", &path, None), "Number not found");
        assert_shape(&items(&server.get("numbers"))[0], &[NUMBER]);
    }
    assert_eq!(server.refused(404, "POST", "numbers/+912271264301/assign", Some(assign.clone())), "Number not found");
    let unknown = json!({"trunk_group_id": "00000000-0000-4000-8000-000000000001"});
    assert_eq!(server.refused(404, "POST", "numbers/+912271264300/assign", Some(unknown)), "Trunk not found");
    for (number, body) in
        [("abc", assign), ("+912271264300", json!({})), ("+912271264300", json!({"trunk_group_id": 5}))]
    {
        server.refused(400, "POST", &format!("numbers/{number}/assign"), Some(body));
    }
    server.refused(401, "DELETE", "numbers/+912271264300", None);
    server.operate("DELETE", "numbers/+912271264300", None).is(204);
    assert_eq!(items(&server.get("numbers")), [] as [Value; 0]);
}

#[test]
fn numbers_come_in_pages_and_are_searched() {
    let server = Server::start();
    for last in 0..5 {
        server.operate("POST", "numbers", Some(&json!({"e164": format!("+91227126430{last}")}))).is(201);
    }
    server.operate("POST", "numbers", Some(&json!({"e164": "+4930123456"}))).is(201);
    let list = server.get("numbers?page=2&per_page=2&include_subaccounts=True");
    assert_eq!((&list["page"], &list["per_page"], &list["total"]), (&json!(2), &json!(2), &json!(6)));
    let e164 =
        |list: &Value| items(list).iter().map(|item| item["e164"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(e164(&list), ["+912271264303", "+912271264302"]);
    assert_eq!(e164(&server.get("numbers?search=%2B4930")), ["+4930123456"]);
    assert_eq!(e164(&server.get("numbers?search=4304&page=9")), [] as [&str; 0]);
    server.refused(400, "GET", "numbers?include_subaccounts=maybe", None);
    server.refused(400, "GET", "numbers?page=0", None);
    for bad in ["", "12345", "+0123456789", "+1234567890123456", "x"] {
        server.operate("POST", "numbers", Some(&json!({"e164": bad}))).is(400);
    }
}
