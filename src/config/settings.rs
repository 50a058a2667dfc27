//! Settings that belong to no module below: what is made on an empty store, and the log.

use std::path::PathBuf;

use ipnet::IpNet;

use super::Secret;
use crate::trunk::AuthPolicy;

/// The account that this server makes on an empty store.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// Its name in the API's paths and in the digest realm: `[A-Za-z0-9_]{1,64}`.
    pub auth_id: String,
    /// A CSV file of users to load at start, as [`super::seed`] reads it.
    pub seed: Option<PathBuf>,
    /// Its API token, from the environment only; without one, a random token is made.
    pub auth_token: Option<Secret>,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self { auth_id: "MA_LOCAL".to_owned(), seed: None, auth_token: None }
    }
}

/// How the default trunk is made. Once it exists, the store decides.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DefaultTrunkSettings {
    /// Networks whose senders pass the ACL.
    pub acl_allow: Vec<IpNet>,
    /// Networks whose senders are refused under every policy.
    pub acl_deny: Vec<IpNet>,
    /// What a REGISTER must show.
    pub auth_policy_register: AuthPolicy,
    /// What every other request must show.
    pub auth_policy_call: AuthPolicy,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What is logged and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// A level, or a filter such as `info,sipward::transport=debug`; checked to be one that `EnvFilter` reads.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: "info".to_owned() }
    }
}
