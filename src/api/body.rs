//! Request bodies: one JSON object, read key by key, so that an error names its key and unknown keys are ignored.
//!
//! Clients differ in what they call a thing; each reader takes the names under which a value may stand. `null` means "not given",
//! except where a value can be taken away.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Api;
use super::error::ApiError;

/// The object that a client sent.
pub(super) struct Fields(Map<String, Value>);

impl FromRequest<Arc<Api>> for Fields {
    type Rejection = ApiError;

    /// Whatever the content type says: some clients send none.
    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, api).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            _ => ApiError::bad_request("The body cannot be read"),
        })?;
        // serde_json's own message may quote the body, and with it a password.
        match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(ApiError::bad_request("The body must be a JSON object")),
            Err(error) => Err(ApiError::bad_request(format!(
                "The body is not valid JSON (line {}, column {})",
                error.line(),
                error.column()
            ))),
        }
    }
}

impl Fields {
    /// The first of `names` that is there and not null.
    fn given(&self, names: &[&'static str]) -> Option<(&'static str, &Value)> {
        names.iter().find_map(|name| self.0.get(*name).filter(|value| !value.is_null()).map(|value| (*name, value)))
    }

    fn read<'v, T>(
        &'v self,
        names: &[&'static str],
        what: &str,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some((name, value)) = self.given(names) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| ApiError::bad_request(format!("{name} must be {what}")))
    }

    pub(super) fn boolean(&self, names: &[&'static str]) -> Result<Option<bool>, ApiError> {
        self.read(names, "true or false", Value::as_bool)
    }

    pub(super) fn number(&self, names: &[&'static str]) -> Result<Option<u32>, ApiError> {
        let read = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        self.read(names, "a whole number from 0 to 4294967295", read)
    }

    pub(super) fn text(&self, names: &[&'static str]) -> Result<Option<String>, ApiError> {
        self.read(names, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A list of strings.
    pub(super) fn texts(&self, names: &[&'static str]) -> Result<Option<Vec<String>>, ApiError> {
        let texts = |value: &Value| {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        self.read(names, "a list of strings", texts)
    }

    /// One of a few words, in any case.
    pub(super) fn word<T: Copy>(
        &self,
        names: &[&'static str],
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, ApiError> {
        let what = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let read = |value: &Value| {
            let text = value.as_str()?;
            words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, meant)| *meant)
        };
        self.read(names, &format!("one of {what}"), read)
    }

    /// As [`Fields::word`], where the words are numbers that may also come as such.
    pub(super) fn number_word<T: Copy>(
        &self,
        names: &[&'static str],
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, ApiError> {
        let what = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let read = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant)
        };
        self.read(names, &format!("one of {what}"), read)
    }

    /// As [`Fields::text`], and null or an empty text takes the value away.
    pub(super) fn text_or_none(&self, names: &[&'static str]) -> Result<Option<Option<String>>, ApiError> {
        if self.is_taken_away(names) {
            return Ok(Some(None));
        }
        Ok(self.text(names)?.map(Some))
    }

    /// A UUID; null or an empty text takes the value away.
    pub(super) fn uuid_or_none(&self, names: &[&'static str]) -> Result<Option<Option<Uuid>>, ApiError> {
        if self.is_taken_away(names) {
            return Ok(Some(None));
        }
        let read = |value: &Value| value.as_str().and_then(|text| Uuid::try_parse(text).ok());
        Ok(self.read(names, "a UUID", read)?.map(Some))
    }

    fn is_taken_away(&self, names: &[&str]) -> bool {
        let first = names.iter().find_map(|name| self.0.get(*name));
        first.is_some_and(|value| value.is_null() || value.as_str() == Some(""))
    }

    /// Takes a secret out; what is left of the body does not hold it.
    pub(super) fn secret(&mut self, name: &'static str) -> Result<Option<Zeroizing<String>>, ApiError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(secret)) => Ok(Some(Zeroizing::new(secret))),
            Some(_) => Err(ApiError::bad_request(format!("{name} must be a string"))),
        }
    }

    /// Takes an object out.
    pub(super) fn object(&mut self, name: &'static str) -> Result<Option<Self>, ApiError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self(fields))),
            Some(_) => Err(ApiError::bad_request(format!("{name} must be an object"))),
        }
    }

    /// The names of all keys.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Takes a secret out under a name that is not known beforehand.
    pub(super) fn take_text(&mut self, name: &str) -> Option<Zeroizing<String>> {
        match self.0.remove(name)? {
            Value::String(secret) => Some(Zeroizing::new(secret)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_by_the_name_that_it_has_there() {
        let body = fields(r#"{"a": 1, "b": "x", "c": -1, "d": 1.5, "e": true, "f": ["x", 1], "g": "no-uuid"}"#);
        for (error, name) in [
            (body.text(&["z", "a"]).unwrap_err(), "a"),
            (body.boolean(&["b"]).unwrap_err(), "b"),
            (body.number(&["c"]).unwrap_err(), "c"),
            (body.number(&["d"]).unwrap_err(), "d"),
            (body.text_or_none(&["e"]).unwrap_err(), "e"),
            (body.texts(&["f"]).unwrap_err(), "f"),
            (body.uuid_or_none(&["g"]).unwrap_err(), "g"),
            (body.word(&["b"], &[("y", 1)]).unwrap_err(), "b"),
        ] {
            assert!(error.text().starts_with(&format!("{name} must be ")), "{}", error.text());
        }
    }

    #[test]
    fn null_is_not_given_or_takes_away() {
        let body = fields(r#"{"a": null, "b": "", "c": "x"}"#);
        assert_eq!(body.text(&["a", "c"]).unwrap().as_deref(), Some("x"));
        assert_eq!(body.boolean(&["a"]).unwrap(), None);
        assert_eq!(body.text_or_none(&["a"]).unwrap(), Some(None));
        assert_eq!(body.uuid_or_none(&["b"]).unwrap(), Some(None));
        assert_eq!(body.text_or_none(&["z"]).unwrap(), None);
        assert_eq!(body.text_or_none(&["c"]).unwrap(), Some(Some("x".to_owned())));
    }

    #[test]
    fn a_secret_leaves_the_body() {
        let mut body = fields(r#"{"password": "correct horse"}"#);
        assert_eq!(body.secret("password").unwrap().unwrap().as_str(), "correct horse");
        assert_eq!(body.names().count(), 0);
        assert!(fields(r#"{"password": 12345678}"#).secret("password").is_err());
    }
}
