use serde_json::{Value, json};

use super::server::{ACCOUNT, OPERATOR, Server, TOKEN};

fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(pointer) => {
            document.pointer(pointer.trim_start_matches('#')).unwrap_or_else(|| panic!("{pointer} leads nowhere"))
        }
        None => schema,
    }
}

/// Everything that is wrong with `value` by `schema`, as far as our document goes: types, required and known properties.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let mut known = serde_json::Map::new();
    let mut required = Vec::new();
    gather(document, schema, &mut known, &mut required);
    let schema = resolve(document, schema);
    if let Some(types) = schema.get("type") {
        let types: Vec<&str> = types
            .as_array()
            .map_or_else(|| vec![types.as_str().unwrap()], |all| all.iter().filter_map(Value::as_str).collect());
        let fits = types.iter().any(|kind| match *kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("type {other}"),
        });
        if !fits {
            found.push(format!("{at}: {value} is not {types:?}"));
        }
    }
    match value {
        Value::Array(items) => {
            for item in items {
                faults(document, &schema["items"], item, &format!("{at}[]"), found);
            }
        }
        Value::Object(object) => {
            found.extend(
                required.iter().filter(|name| !object.contains_key(*name)).map(|name| format!("{at}: lacks {name}")),
            );
            for (name, value) in object {
                match known.get(name) {
                    Some(schema) => faults(document, schema, value, &format!("{at}.{name}"), found),
                    None if schema.get("additionalProperties").is_some() => {}
                    None => found.push(format!("{at}: {name} is not described")),
                }
            }
        }
        _ => {}
    }
}

fn gather(document: &Value, schema: &Value, known: &mut serde_json::Map<String, Value>, required: &mut Vec<String>) {
    let schema = resolve(document, schema);
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        gather(document, part, known, required);
    }
    // An optional part may be there or not.
    for part in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        gather(document, part, known, &mut Vec::new());
    }
    known.extend(schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
    let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    required.extend(names.filter_map(Value::as_str).map(str::to_owned));
}

/// Asks, and holds each answer against the description.
struct Held<'s> {
    server: &'s Server,
    document: Value,
    found: Vec<String>,
}

impl Held<'_> {
    fn check(&mut self, method: &str, path: &str, url: &str, body: Option<&Value>) -> Value {
        let headers = [
            "X-Auth-ID: MA_LOCAL".to_owned(),
            format!("X-Auth-Token: {TOKEN}"),
            format!("X-Operator-Token: {OPERATOR}"),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let operation = &self.document["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        let answer = self.server.ask(method, url, &headers, body);
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{method} {path}: {} is not described: {}", answer.status, answer.body);
        match response.pointer("/content/application~1json/schema") {
            Some(schema) => {
                faults(&self.document, schema, &answer.json(), &format!("{method} {path}"), &mut self.found);
            }
            None => assert_eq!(answer.body, "", "{method} {path}"),
        }
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// The same below an account.
    fn own(&mut self, method: &str, path: &str, url: &str, body: Option<&Value>) -> Value {
        self.check(method, &format!("/api/v1/Account/{{auth_id}}/{path}"), &format!("{ACCOUNT}/{url}"), body)
    }

    fn resource(&mut self, resource: &str, parameter: &str, key: &str, body: &Value) {
        let made = self.own("POST", resource, resource, Some(body));
        let (path, url) =
            (format!("{resource}/{{{parameter}}}"), format!("{resource}/{}", made[key].as_str().unwrap()));
        self.own("GET", &path, &url, None);
        self.own("GET", &path, &format!("{url}?view=full"), None);
        let is_short = ["trunks", "numbers"].contains(&resource);
        let listed = if is_short { resource.to_owned() } else { format!("trunks/{resource}") };
        self.own("GET", &listed, &listed, None);
        self.own("GET", &listed, &format!("{listed}?view=full"), None);
        self.own("POST", resource, resource, Some(&json!({})));
        if resource != "numbers" {
            self.own("PUT", &path, &url, Some(&json!({"description": "d"})));
        }
        self.own("DELETE", &path, &url, None);
        self.own("DELETE", &path, &url, None);
    }
}

#[test]
fn the_description_is_of_what_the_server_does() {
    let server = Server::start();
    let document = server.ask("GET", "/openapi.json", &[], None).is(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut held = Held { server: &server, document, found: Vec::new() };
    held.resource("trunks", "trunk_id", "trunk_id", &json!({"name": "t"}));
    held.resource("credentials", "credential_id", "id", &json!({"username": "u", "password": "Correct-Horse-9"}));
    held.resource("ip-acl", "acl_id", "id", &json!({"ip_address": "192.0.2.1"}));
    held.resource("origination-uris", "uri_id", "id", &json!({"uri": "sip:a@example.com"}));
    held.resource("numbers", "e164", "e164", &json!({"e164": "+912271264300", "region": "Mumbai", "tags": ["a"]}));
    for list in ["registrations", "calls", "audit", "concurrency"] {
        held.own("GET", list, list, None);
    }
    let accounts = "/api/v1/operator/accounts";
    let audit = "/api/v1/operator/audit";
    for path in ["/api/v1/auth/me", accounts, audit, &format!("{audit}/verify"), "/healthz"] {
        held.check("GET", path, path, None);
    }
    held.check("POST", accounts, accounts, Some(&json!({"auth_id": "MA_D"})));
    let (path, url) = (format!("{accounts}/{{account}}"), format!("{accounts}/MA_D"));
    held.check("GET", &path, &url, None);
    held.check("PUT", &path, &url, Some(&json!({"enabled": false})));
    held.check("POST", &format!("{path}/token"), &format!("{url}/token"), None);
    held.check("DELETE", &path, &url, None);
    held.check("GET", &path, &url, None);
    assert_eq!(held.found, [""; 0], "{}", held.found.join("\n"));
}

#[test]
fn every_reference_in_the_description_leads_somewhere_and_every_path_is_there() {
    let server = Server::start();
    let document = server.ask("GET", "/openapi.json", &[], None).is(200).json();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let mut seen = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let url = path
                .split('/')
                .map(|segment| if segment.starts_with('{') { "x" } else { segment })
                .collect::<Vec<_>>()
                .join("/");
            let answer = server.ask(&method.to_uppercase(), &url, &[], None);
            let open = operation["security"] == json!([{}]) || operation["tags"][0] == "monitoring";
            assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {path}: {answer:?}");
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(seen.insert(id.clone()), "operationId {id} stands there twice");
        }
    }
    assert!(seen.len() > 40, "{seen:?}");
}

#[test]
fn the_page_for_people_loads_nothing_and_shows_every_operation() {
    let server = Server::start();
    let page = server.ask("GET", "/docs", &[], None).is(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    for outside in ["<script", "<link", "<img", "src=", "http://", "https://", "@import", "url("] {
        assert!(!page.body.contains(outside), "{outside}");
    }
    let document = server.ask("GET", "/openapi.json", &[], None).json();
    let operations: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(page.body.matches("<details>").count(), operations);
    for part in ["trunk_domain", "Idempotency-Key", "X-Auth-ID", "auth_policy_register", "registrations/{aor}"] {
        assert!(page.body.contains(part), "{part}");
    }
}
