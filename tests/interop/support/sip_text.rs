//! SIP messages as a phone of the tests reads and writes them. It knows only what the server sends it.

use md5::Digest as _;
use md5::Md5;
use std::fmt::Write as _;

/// A received message.
#[derive(Debug)]
pub struct SipText(String);

impl SipText {
    /// Takes the bytes of one datagram.
    pub fn new(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The request line or status line.
    pub fn first_line(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        self.first_line().strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&str> {
        if self.status().is_some() { None } else { self.first_line().split(' ').next() }
    }

    /// The Request-URI of a request.
    pub fn request_uri(&self) -> Option<&str> {
        self.method().and_then(|_| self.first_line().split(' ').nth(1))
    }

    /// The values of all header fields with this name, in order.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .filter(move |(field, _)| field.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The first value of a header field; panics when there is none.
    pub fn header<'a>(&'a self, name: &'a str) -> &'a str {
        self.headers(name).next().unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    /// A response to this request, with a To tag of its own.
    pub fn response(&self, status: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in self.headers(name) {
                let tag = if name == "To" && !value.contains(";tag=") { ";tag=answered" } else { "" };
                write!(text, "{name}: {value}{tag}\r\n").unwrap();
            }
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        text
    }
}

/// The value of an Authorization header field that answers an MD5 challenge with `qop=auth` (RFC 7616 §3.4).
pub fn answer(challenge: &str, user: &str, password: &str, method: &str, uri: &str) -> String {
    let realm = parameter(challenge, "realm").expect("a challenge names its realm");
    let nonce = parameter(challenge, "nonce").expect("a challenge has a nonce");
    assert_eq!(parameter(challenge, "qop").as_deref(), Some("auth"), "the default challenge is qop=auth: {challenge}");
    let ha1 = md5_hex(&format!("{user}:{realm}:{password}"));
    let ha2 = md5_hex(&format!("{method}:{uri}"));
    let response = md5_hex(&format!("{ha1}:{nonce}:00000001:c0ffee:auth:{ha2}"));
    let opaque = parameter(challenge, "opaque").map(|value| format!(", opaque=\"{value}\"")).unwrap_or_default();
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
         algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c0ffee\"{opaque}"
    )
}

/// A parameter of a challenge, without its quotes.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let parameters = challenge.strip_prefix("Digest ")?;
    parameters
        .split(',')
        .filter_map(|p| p.trim().split_once('='))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned()))
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn the_digest_answer_is_that_of_rfc_2617() {
    let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", qop=\"auth\"";
    let value = answer(challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html");
    let ha1 = "939e7578ed9e3c518a452acee763bce9";
    let ha2 = "39aff3a2bab6126f332b942af96d3366";
    let expected = md5_hex(&format!("{ha1}:dcd98b7102dd2f0e8b11d0f600bfb0c093:00000001:c0ffee:auth:{ha2}"));
    assert!(value.contains(&format!("response=\"{expected}\"")), "{value}");
}
