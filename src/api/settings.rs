//! What the operator decides about the HTTP API.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::access::token_hash;

/// Where the HTTP API answers, and to whom all accounts are open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The address of the API, `/healthz` and `/metrics`.
    pub listen: SocketAddr,
    /// The certificate chain, PEM. With it the API speaks TLS only.
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    pub tls_key: Option<PathBuf>,
    /// A proxy stands before the API: it has TLS, and its `X-Forwarded-For` says who asks.
    pub behind_proxy: bool,
    /// Without one, nobody is the operator.
    pub operator_token: Option<OperatorToken>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            tls_cert: None,
            tls_key: None,
            behind_proxy: false,
            operator_token: None,
        }
    }
}

/// The operator's token: only its hash is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OperatorToken(pub(super) [u8; 32]);

impl OperatorToken {
    /// Of the token in clear, which is not kept.
    pub fn of(token: &str) -> Self {
        Self(token_hash(token.as_bytes()))
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(hash not shown)")
    }
}
