//! The exact key sets of the contract, and what kind of value each has.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Is {
    Uuid,
    Text,
    Time,
    Truth,
    Whole,
    Texts,
    /// Exactly this text.
    Word(&'static str),
    /// An object of ours, held to its description by another test.
    Object,
    /// An object of booleans with these keys.
    Truths(&'static [&'static str]),
}

pub type Shape = &'static [(&'static str, Is)];

pub const CREDENTIAL: Shape = &[
    ("id", Is::Uuid),
    ("account_id", Is::Word("MA_LOCAL")),
    ("username", Is::Text),
    ("password", Is::Word("<redacted>")),
    ("realm", Is::Word("MA_LOCAL.sipward.invalid")),
    ("enabled", Is::Truth),
    ("created_at", Is::Time),
    ("updated_at", Is::Time),
];

pub const ACL: Shape = &[
    ("id", Is::Uuid),
    ("account_id", Is::Word("MA_LOCAL")),
    ("ip_address", Is::Text),
    ("description", Is::Text),
    ("enabled", Is::Truth),
    ("created_at", Is::Time),
    ("updated_at", Is::Time),
];

pub const URI: Shape = &[
    ("id", Is::Uuid),
    ("account_id", Is::Word("MA_LOCAL")),
    ("uri", Is::Text),
    ("priority", Is::Whole),
    ("weight", Is::Whole),
    ("enabled", Is::Truth),
    ("transport", Is::Text),
    ("description", Is::Text),
    ("created_at", Is::Time),
    ("updated_at", Is::Time),
];

pub const TRUNK: Shape = &[
    ("trunk_id", Is::Uuid),
    ("account_id", Is::Word("MA_LOCAL")),
    ("name", Is::Text),
    ("trunk_domain", Is::Text),
    ("trunk_status", Is::Text),
    ("secure", Is::Truth),
    ("trunk_direction", Is::Text),
    ("concurrent_calls_limit", Is::Whole),
    ("cps_limit", Is::Whole),
    ("description", Is::Text),
    ("transport", Is::Text),
    ("recording", Is::Truth),
    ("enable_transcription", Is::Truth),
    ("pii_redaction", Is::Truth),
    ("recording_webhook_enabled", Is::Truth),
    ("webhook_method", Is::Text),
    ("created_at", Is::Time),
    ("updated_at", Is::Time),
];

/// Shown in lists where they are set.
pub const TRUNK_LISTED: Shape = &[
    ("credential_uuid", Is::Uuid),
    ("primary_uri_uuid", Is::Uuid),
    ("inbound_destination", Is::Text),
    ("pii_entity_types", Is::Text),
    ("webhook_url", Is::Text),
];

pub const NUMBER: Shape = &[
    ("id", Is::Uuid),
    ("account_id", Is::Word("MA_LOCAL")),
    ("e164", Is::Text),
    ("country", Is::Text),
    ("region", Is::Text),
    ("capabilities", Is::Truths(&["voice", "sms", "mms", "fax"])),
    ("status", Is::Text),
    ("provider", Is::Text),
    ("setup_fee", Is::Whole),
    ("monthly_fee", Is::Whole),
    ("currency", Is::Text),
    ("voice_enabled", Is::Truth),
    ("tags", Is::Texts),
    ("purchased_at", Is::Time),
    ("is_blocked", Is::Truth),
    ("created_at", Is::Time),
    ("updated_at", Is::Time),
    ("is_trial_number", Is::Truth),
    ("minimum_commitment_months", Is::Whole),
    ("aadhaar_verification_required", Is::Truth),
    ("aadhaar_verified", Is::Truth),
    ("source", Is::Text),
];

/// Exactly the keys of `shapes`, each with its kind of value.
#[track_caller]
pub fn assert_shape(value: &Value, shapes: &[Shape]) {
    let wanted: BTreeMap<&str, Is> = shapes.iter().copied().flatten().copied().collect();
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut found = keys.clone();
    found.sort_unstable();
    assert_eq!(found, wanted.keys().copied().collect::<Vec<_>>());
    for (key, is) in wanted {
        assert!(fits(&object[key], is), "{key}: {} is not {is:?}", object[key]);
    }
}

fn fits(value: &Value, is: Is) -> bool {
    match is {
        Is::Uuid => value.as_str().is_some_and(|text| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()),
        Is::Text => value.is_string(),
        Is::Time => {
            value.as_str().is_some_and(|text| text.len() == 27 && text.ends_with('Z') && text.as_bytes()[10] == b'T')
        }
        Is::Truth => value.is_boolean(),
        Is::Whole => value.is_u64(),
        Is::Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        Is::Word(word) => value == word,
        Is::Object => value.is_object(),
        Is::Truths(keys) => value.as_object().is_some_and(|object| {
            object.len() == keys.len() && keys.iter().all(|key| object.get(*key).is_some_and(Value::is_boolean))
        }),
    }
}

/// `{"meta": {"limit", "offset", "total"}, "objects": […]}`, and what is in it.
#[track_caller]
pub fn listed(value: &Value) -> (Value, Vec<Value>) {
    assert_shape(&value["meta"], &[&[("limit", Is::Whole), ("offset", Is::Whole), ("total", Is::Whole)]]);
    assert_eq!(value.as_object().unwrap().len(), 2, "{value}");
    (value["meta"].clone(), value["objects"].as_array().unwrap().clone())
}
