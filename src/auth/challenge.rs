//! Challenges: one WWW-Authenticate or Proxy-Authenticate line per offered algorithm (RFC 7616 §3.3, RFC 8760 §2.4).

use serde::{Deserialize, Serialize};

use super::digest::Algorithm;
use super::nonce::Nonce;

/// Which status challenges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ChallengeStatus {
    /// 401 with WWW-Authenticate.
    #[default]
    Unauthorized,
    /// 407 with Proxy-Authenticate (RFC 3261 §22.3).
    ProxyAuthenticationRequired,
}

impl ChallengeStatus {
    /// 401 or 407.
    pub const fn code(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::ProxyAuthenticationRequired => 407,
        }
    }

    /// The reason phrase of RFC 3261 §21.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::ProxyAuthenticationRequired => "Proxy Authentication Required",
        }
    }

    /// The header field that carries the challenge. The answer is accepted in either of the two that answer one.
    pub const fn challenge_header(self) -> &'static str {
        match self {
            Self::Unauthorized => "WWW-Authenticate",
            Self::ProxyAuthenticationRequired => "Proxy-Authenticate",
        }
    }
}

/// Appends one challenge as a whole header line, CRLF included.
///
/// `stale` says that the answer was right and only its nonce was not: the client answers again without asking its user.
pub fn write_challenge(
    out: &mut Vec<u8>,
    status: ChallengeStatus,
    realm: &[u8],
    nonce: &Nonce,
    algorithm: Algorithm,
    stale: bool,
) {
    out.extend_from_slice(status.challenge_header().as_bytes());
    out.extend_from_slice(b": Digest realm=\"");
    write_quoted(out, realm);
    out.extend_from_slice(b"\", nonce=\"");
    out.extend_from_slice(nonce.as_bytes());
    out.extend_from_slice(b"\", algorithm=");
    out.extend_from_slice(algorithm.token().as_bytes());
    if stale {
        out.extend_from_slice(b", stale=true");
    }
    out.extend_from_slice(b", qop=\"auth\"\r\n");
}

/// A control character in a configured realm would end the line early, so none is written.
fn write_quoted(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text.iter().copied().filter(|byte| !byte.is_ascii_control()) {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::clock::Timestamp;

    use super::super::nonce::NonceKeys;
    use super::*;

    fn line(status: ChallengeStatus, realm: &[u8], algorithm: Algorithm, stale: bool) -> String {
        let keys = NonceKeys::new([1; 32], Duration::from_secs(300), Timestamp::from_secs(1));
        let nonce = keys.mint(realm, 7, Timestamp::from_secs(2));
        let mut out = Vec::new();
        write_challenge(&mut out, status, realm, &nonce, algorithm, stale);
        String::from_utf8(out).unwrap().replace(std::str::from_utf8(nonce.as_bytes()).unwrap(), "N")
    }

    #[test]
    fn a_challenge_is_one_line_with_qop_auth() {
        assert_eq!(
            line(ChallengeStatus::Unauthorized, b"example.invalid", Algorithm::Md5, false),
            "WWW-Authenticate: Digest realm=\"example.invalid\", nonce=\"N\", algorithm=MD5, qop=\"auth\"\r\n"
        );
        assert_eq!(
            line(ChallengeStatus::ProxyAuthenticationRequired, b"r", Algorithm::Sha512_256, true),
            "Proxy-Authenticate: Digest realm=\"r\", nonce=\"N\", algorithm=SHA-512-256, stale=true, qop=\"auth\"\r\n"
        );
    }

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes_or_its_line() {
        let line = line(ChallengeStatus::Unauthorized, b"a\"b\\c\r\nX: y", Algorithm::Md5, false);
        assert!(line.starts_with("WWW-Authenticate: Digest realm=\"a\\\"b\\\\cX: y\", nonce="), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn each_status_has_its_code_and_header_field() {
        let proxy = ChallengeStatus::ProxyAuthenticationRequired;
        assert_eq!((proxy.code(), proxy.reason()), (407, "Proxy Authentication Required"));
        assert_eq!(proxy.challenge_header(), "Proxy-Authenticate");
        let plain = ChallengeStatus::default();
        assert_eq!((plain.code(), plain.reason()), (401, "Unauthorized"));
        assert_eq!(plain.challenge_header(), "WWW-Authenticate");
    }
}
