//! The description of the API as a page for people: made here, with no script and nothing loaded from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}\
h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid #d5dbe3}code{font:14px ui-monospace,monospace}\
details{border:1px solid #d5dbe3;border-radius:6px;margin:.5rem 0;padding:.5rem .8rem}summary{cursor:pointer}\
table{border-collapse:collapse;width:100%;margin:.4rem 0 1rem}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #eceff3}\
.m{display:inline-block;width:4.5rem;font-weight:700}.get{color:#0b6e4f}.post{color:#1456c0}.put{color:#9a5b00}.delete{color:#b3261e}\
@media(prefers-color-scheme:dark){body{background:#12161c;color:#dde3ea}details,h2,td,th{border-color:#2c343f}}";

/// The whole page.
pub(super) fn page(document: &Value) -> String {
    let text = |pointer: &str| escaped(document.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0} API</title><style>{STYLE}</style></head><body><h1>{0} API</h1><p>Version {1}. \
         <a href=\"/openapi.json\">openapi.json</a></p><p>{2}</p>",
        text("/info/title"),
        text("/info/version"),
        text("/info/description"),
    );
    let groups = operations(document);
    for tag in document.get("tags").and_then(Value::as_array).into_iter().flatten() {
        let name = tag.get("name").and_then(Value::as_str).unwrap_or_default();
        let about = tag.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = write!(page, "<h2 id=\"{0}\">{0}</h2><p>{1}</p>", escaped(name), escaped(about));
        for (path, method, operation) in groups.get(name).into_iter().flatten() {
            write_operation(&mut page, document, path, method, operation);
        }
    }
    page.push_str("</body></html>\n");
    page
}

/// Path, method, and what is said of it.
type Operation<'d> = (&'d str, &'d str, &'d Value);

/// By tag.
fn operations(document: &Value) -> BTreeMap<&str, Vec<Operation<'_>>> {
    let mut groups: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default();
            groups.entry(tag).or_default().push((path.as_str(), method.as_str(), operation));
        }
    }
    groups
}

fn write_operation(page: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        page,
        "<details><summary><span class=\"m {method}\">{}</span><code>{}</code></summary>",
        method.to_ascii_uppercase(),
        escaped(path)
    );
    for about in ["summary", "description"] {
        if let Some(about) = operation.get(about).and_then(Value::as_str) {
            let _ = write!(page, "<p>{}</p>", escaped(about));
        }
    }
    let parameters: Vec<&Value> = operation.get("parameters").and_then(Value::as_array).into_iter().flatten().collect();
    if !parameters.is_empty() {
        page.push_str("<h4>Parameters</h4><table>");
        for parameter in parameters {
            let text = |name: &str| escaped(parameter.get(name).and_then(Value::as_str).unwrap_or_default());
            write_row(page, &text("name"), &text("in"), &text("description"));
        }
        page.push_str("</table>");
    }
    if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
        page.push_str("<h4>Body</h4>");
        write_schema(page, document, schema);
    }
    page.push_str("<h4>Answers</h4><table>");
    let responses = operation.get("responses").and_then(Value::as_object);
    for (status, response) in responses.into_iter().flatten() {
        let about = response.get("description").and_then(Value::as_str).unwrap_or_default();
        write_row(page, &escaped(status), "", &escaped(about));
    }
    page.push_str("</table>");
    let success = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    for schema in success.filter_map(|(_, response)| response.pointer("/content/application~1json/schema")) {
        write_schema(page, document, schema);
    }
    page.push_str("</details>");
}

fn write_schema(page: &mut String, document: &Value, schema: &Value) {
    let mut properties = Map::new();
    collect(document, schema, &mut properties, 0);
    page.push_str("<table>");
    for (name, property) in &properties {
        let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
        write_row(page, &escaped(name), &escaped(&kind(property)), &escaped(about));
    }
    page.push_str("</table>");
}

/// The properties of a schema and of those it is made from.
fn collect(document: &Value, schema: &Value, properties: &mut Map<String, Value>, depth: usize) {
    // The document is our own and has no circles; this keeps a mistake in it from hanging the server.
    if depth > 8 {
        return;
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        if let Some(meant) = name.strip_prefix('#').and_then(|pointer| document.pointer(pointer)) {
            collect(document, meant, properties, depth + 1);
        }
        return;
    }
    for parts in ["allOf", "oneOf", "anyOf"] {
        for part in schema.get(parts).and_then(Value::as_array).into_iter().flatten() {
            collect(document, part, properties, depth + 1);
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        match property.get("items") {
            Some(items) if name == "objects" || name == "items" => collect(document, items, properties, depth + 1),
            _ => {
                properties.insert(name.clone(), property.clone());
            }
        }
    }
}

fn kind(property: &Value) -> String {
    match property.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "object".to_owned(),
    }
}

fn write_row(page: &mut String, name: &str, kind: &str, about: &str) {
    let _ = write!(page, "<tr><td><code>{name}</code></td><td>{kind}</td><td>{about}</td></tr>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
