//! Why a command failed, in words that say what to do, and the exit code that scripts see.

use std::fmt;
use std::io;

/// Exit codes, as `--help` tells them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Code {
    /// The server failed, or something on this side.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// No server answers.
    Unreachable = 3,
    /// The server does not let this caller do it: 401 or 403.
    Refused = 4,
    /// There is no such thing: 404.
    NotFound = 5,
    /// Something is in the way: 409 or 412.
    Conflict = 6,
    /// What was asked for cannot be: 400 or 422; rows of an import were refused.
    Invalid = 7,
}

/// A failure as it is told.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    text: String,
}

impl Failure {
    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::new(Code::Usage, text)
    }

    /// An answer that is none of success. `said` is what the server says of it.
    pub(super) fn of_status(status: u16, said: &str, as_operator: bool) -> Self {
        let said = said.trim_end_matches('.');
        let (code, advice) = match status {
            401 if as_operator => (
                Code::Refused,
                "set SIPWARD_OPERATOR_TOKEN to the token that the server was given in SIPWARD_API_OPERATOR_TOKEN",
            ),
            401 => (
                Code::Refused,
                "set SIPWARD_AUTH_ID and SIPWARD_AUTH_TOKEN to an account and its token (the first start of the server showed them)",
            ),
            403 => (Code::Refused, "this account may not do that"),
            404 => (Code::NotFound, "the list command of this resource shows what there is"),
            409 => (Code::Conflict, "nothing was changed"),
            412 => (Code::Conflict, "it was changed meanwhile: look at it again, then repeat with its new ETag"),
            400 | 413 | 415 | 422 => (Code::Invalid, "nothing was changed"),
            429 => (Code::Failed, "wait a little, then repeat"),
            500..=599 => (Code::Failed, "the log of the server says more"),
            _ => (Code::Failed, "is this the API of sipward?"),
        };
        Self::new(code, format!("{said} ({status}); {advice}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Code::Failed, error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Code::Failed, format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_code_and_says_what_to_do() {
        for (status, code, advice) in [
            (400, Code::Invalid, "nothing was changed"),
            (401, Code::Refused, "SIPWARD_AUTH_TOKEN"),
            (404, Code::NotFound, "list"),
            (409, Code::Conflict, "nothing was changed"),
            (412, Code::Conflict, "ETag"),
            (500, Code::Failed, "log of the server"),
        ] {
            let failure = Failure::of_status(status, "It is so.", false);
            assert_eq!(failure.code, code);
            let text = failure.to_string();
            assert!(text.starts_with(&format!("It is so ({status}); ")) && text.contains(advice), "{text}");
        }
        assert!(Failure::of_status(401, "no", true).to_string().contains("SIPWARD_OPERATOR_TOKEN"));
    }
}
