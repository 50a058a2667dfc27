//! What the operator decides about the names of this server.

use std::fmt;

/// A further name of this server, beside the addresses of its listeners.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alias {
    /// A lower-case name or an address as it stands in a SIP URI: IPv6 in brackets, in the form of RFC 5952.
    pub host: String,
    /// The port that must follow the name in a URI; without it, the name stands for this server with each listener's
    /// port and with none.
    pub port: Option<u16>,
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The names of this server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The domain, lower case, under which each trunk has its own and which completes the digest realm.
    pub domain: String,
    /// Hosts in a Request-URI that mean this server.
    pub aliases: Vec<Alias>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { domain: "sipward.invalid".to_owned(), aliases: Vec::new() }
    }
}
