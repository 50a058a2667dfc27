//! What can be wrong with a configuration, and how it is told.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Where a value was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a configuration file.
    File {
        /// The file, as it was named.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// In an environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One thing that is wrong. Values of secret keys are described, never shown.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Problem {
    /// The file could not be read.
    #[error("{}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{}:{line}:{column}: this is not TOML: {message}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What the reader expected.
        message: String,
    },
    /// There is no such section.
    #[error("{place}: unknown section [{section}]{}", suggest(.hint))]
    UnknownSection {
        /// Where it was found.
        place: Place,
        /// Its name.
        section: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// There is no such key.
    #[error("{place}: unknown key {key}{}", suggest(.hint))]
    UnknownKey {
        /// Where it was found.
        place: Place,
        /// Section and name.
        key: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// There is no such variable.
    #[error("environment variable {name} is not one that sipward knows{}", suggest(.hint))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A value is not what its key takes.
    #[error("{place}: {key}: found {found}, expected {expected}{}", suggest(.hint))]
    BadValue {
        /// Where it was found.
        place: Place,
        /// Section and name.
        key: String,
        /// What was found.
        found: String,
        /// What the key takes.
        expected: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A secret stands in the file.
    #[error(
        "{place}: {key} is not taken from the file, where others may read it: remove it and set the environment variable {variable}"
    )]
    EnvironmentOnly {
        /// Where it was found.
        place: Place,
        /// Section and name.
        key: String,
        /// The variable that is read.
        variable: String,
    },
    /// Two values do not go together.
    #[error("{smaller} is greater than {greater}; expected min_expires <= default_expires <= max_expires")]
    ExpiresOrder {
        /// Key, value and origin of the value that must not be the greater one.
        smaller: String,
        /// Key, value and origin of the other.
        greater: String,
    },
    /// A certificate without its key, or the other way round.
    #[error("[api] {given} is set and {missing} is not; TLS needs both")]
    HalfACertificate {
        /// The key that is set.
        given: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// The API could be reached from elsewhere without encryption.
    #[error(
        "[api] listen = {listen} ({origin}) is not a loopback address, and tokens and password hashes would cross the network in \
         clear: set [api] tls_cert and tls_key, or [api] behind_proxy = true where a proxy with TLS stands before it, or \
         listen on 127.0.0.1"
    )]
    ExposedApi {
        /// The address.
        listen: SocketAddr,
        /// Where it was written.
        origin: String,
    },
}

fn suggest(hint: &Option<String>) -> String {
    hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors(pub(super) Vec<Problem>);

impl ConfigErrors {
    /// The problems: those of the file in its order, then those of the environment, then contradictions.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} problem{}", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}
