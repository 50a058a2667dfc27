//! The configuration: defaults, then a file, then the environment, checked as a whole before anything starts.
//!
//! Each module below declares its own `Settings`; this one fills them and is imported by none of them. All keys are in
//! one table (`keys.rs`), which drives the file, the environment, the suggestions for misspelt names and the summary.

mod draft;
mod environment;
mod field;
mod file;
mod keys;
mod nearest;
mod problem;
mod secret;
pub mod seed;
mod settings;
mod syntax;
mod value;

pub use problem::{ConfigErrors, Place, Problem};
pub use secret::Secret;
pub use settings::{AccountSettings, DefaultTrunkSettings, LogFormat, LogSettings};

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use draft::Draft;
use keys::KEYS;
use value::Exposure;

use crate::administration;
use crate::api;
use crate::auth;
use crate::engine;
use crate::limits;
use crate::proxy;
use crate::registrar;
use crate::storage;
use crate::transport;

/// Everything that an operator decides before the start.
#[derive(Debug, Default)]
pub struct Config {
    /// Sockets: `[sip] listen`, `advertise`, `workers`, `max_message_bytes` and `[tcp]`.
    pub transport: transport::Settings,
    /// Names of this server: `[sip] domain`, `aliases`.
    pub engine: engine::Settings,
    /// `[api]`.
    pub api: api::Settings,
    /// Rules for what accounts may set: `[api] password_min`, `password_mixed`, `webhook_private`.
    pub administration: administration::Settings,
    /// `[storage]`.
    pub storage: storage::Settings,
    /// `[account]`.
    pub account: AccountSettings,
    /// `[default_trunk]`.
    pub default_trunk: DefaultTrunkSettings,
    /// `[registrar]`.
    pub registrar: registrar::Settings,
    /// `[digest]`.
    pub auth: auth::Settings,
    /// `[limits]`.
    pub limits: limits::Settings,
    /// `[proxy]`.
    pub proxy: proxy::Settings,
    /// `[log]`.
    pub log: LogSettings,
    /// Where each value that is not a default was written.
    origins: BTreeMap<(&'static str, &'static str), Place>,
}

/// A key and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The section in the file.
    pub section: &'static str,
    /// The name in the section.
    pub name: &'static str,
    /// The environment variable that overrides it.
    pub variable: String,
    /// Whether the key may stand in the file.
    pub in_file: bool,
    /// The value as it would stand in the file; of a secret only whether it is set.
    pub value: String,
    /// Where the value was written; `None` for a default.
    pub origin: Option<Place>,
}

impl Config {
    /// Reads `file`, if there is one, and then the `SIPWARD_` variables of `environment`, which win.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first: unknown sections, keys and variables, values that their key does
    /// not take, values that contradict each other.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigErrors> {
        let mut draft = Draft::default();
        if let Some(file) = file {
            file::read(file, &mut draft);
        }
        environment::read(environment.into_iter(), &mut draft);
        draft.finish()
    }

    /// Every key with its value, in the order of the shipped file.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        KEYS.iter().map(|key| Entry {
            section: key.section,
            name: key.name,
            variable: key.variable(),
            in_file: key.exposure != Exposure::EnvironmentOnly,
            value: key.show(self),
            origin: self.origins.get(&(key.section, key.name)).cloned(),
        })
    }

    /// All values in the form of the file, each with where it comes from. Secrets are not shown.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for entry in self.entries() {
            if entry.section != section {
                section = entry.section;
                let gap = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}[{section}]");
            }
            let origin = entry.origin.map_or_else(|| "default".to_owned(), |place| place.to_string());
            let _ = writeln!(text, "{} = {}  # {origin}", entry.name, entry.value);
        }
        text
    }
}

#[cfg(test)]
mod tests;
