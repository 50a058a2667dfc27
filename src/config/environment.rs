//! The environment: `SIPWARD_SECTION_NAME` overrides `[section] name`.

use std::ffi::OsString;

use super::draft::Draft;
use super::keys::KEYS;
use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::value::Key;

/// Read by the commands that talk to a running server, so that they may be set beside the server's own.
const OF_THE_COMMANDS: [&str; 5] =
    ["SIPWARD_API", "SIPWARD_AUTH_ID", "SIPWARD_AUTH_TOKEN", "SIPWARD_OPERATOR_TOKEN", "SIPWARD_CA_FILE"];

/// Takes every `SIPWARD_` variable into `draft`.
pub(super) fn read(variables: impl Iterator<Item = (OsString, OsString)>, draft: &mut Draft) {
    let mut ours: Vec<(String, OsString)> = variables
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| name.starts_with("SIPWARD_") && !OF_THE_COMMANDS.contains(&name.as_str()))
        .collect();
    ours.sort_unstable();
    for (name, value) in ours {
        match KEYS.iter().find(|key| key.variable() == name) {
            Some(key) => read_variable(key, name, value, draft),
            None => {
                let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
                let hint = nearest(&name, known.iter().map(String::as_str));
                let hint = hint.map(|meant| format!("did you mean {meant}?"));
                draft.problems.push(Problem::UnknownVariable { name, hint });
            }
        }
    }
}

fn read_variable(key: &'static Key, name: String, value: OsString, draft: &mut Draft) {
    let place = Place::Variable(name);
    match value.into_string() {
        Ok(text) => draft.set(key, place, &key.given_in_variable(&text)),
        Err(_) => draft.problems.push(Problem::BadValue {
            place,
            key: key.title(),
            found: "bytes that are not UTF-8 text".to_owned(),
            expected: key.expectation(),
            hint: None,
        }),
    }
}
