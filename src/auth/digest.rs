//! The digest computation: HA1, HA2 and response for MD5, SHA-256 and SHA-512-256 (RFC 7616 §3.4, RFC 8760 §2.3).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A digest algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Algorithm {
    /// RFC 2617 and RFC 3261 clients know only this one.
    #[serde(rename = "MD5")]
    Md5,
    /// RFC 8760.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// SHA-512/256 of FIPS 180-4, not a shortened SHA-512 (RFC 7616 erratum 4897).
    #[serde(rename = "SHA-512-256")]
    Sha512_256,
}

/// One HA1: the binary hash of `username:realm:password`. As good as the password within its realm: never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Debug for Ha1<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(<redacted>)")
    }
}

/// The HA1s of one credential, one per algorithm; `None` where a client-computed set left one out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ha1Set {
    /// For [`Algorithm::Md5`].
    pub md5: Option<Ha1<16>>,
    /// For [`Algorithm::Sha256`].
    pub sha256: Option<Ha1<32>>,
    /// For [`Algorithm::Sha512_256`].
    pub sha512_256: Option<Ha1<32>>,
}
