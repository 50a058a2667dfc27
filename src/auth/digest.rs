//! The digest computation: HA1, HA2 and response for MD5, SHA-256 and SHA-512-256 (RFC 7616 §3.4, RFC 8760 §2.3).
//!
//! Hashes are fed piece by piece from the message as received; nothing is joined in a buffer and nothing is allocated.

use std::fmt;

use md5::Digest;
use md5::Md5;
use md5::digest::Output;
use serde::{Deserialize, Serialize};
use sha2::{Sha256, Sha512_256};
use zeroize::Zeroize;

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

impl Algorithm {
    /// Every algorithm, in the order of their strength.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512_256];

    /// The token of the `algorithm` parameter.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// The algorithm that `token` names in any case. The `-sess` variants are never offered and thus not known here.
    pub fn from_token(token: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| token.eq_ignore_ascii_case(algorithm.token().as_bytes()))
    }

    /// How many hexadecimal digits a response has: 32 or 64.
    pub const fn hex_length(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512_256 => 64,
        }
    }
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

impl Ha1Set {
    /// The HA1s for all three algorithms (RFC 7616 §3.4.2). The password may contain colons; the realm is taken unquoted.
    pub fn from_password(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        let parts: &[&[u8]] = &[username, realm, password];
        Self {
            md5: Some(Ha1(wiped_copy::<Md5, 16>(joined_by_colons::<Md5>(parts)))),
            sha256: Some(Ha1(wiped_copy::<Sha256, 32>(joined_by_colons::<Sha256>(parts)))),
            sha512_256: Some(Ha1(wiped_copy::<Sha512_256, 32>(joined_by_colons::<Sha512_256>(parts)))),
        }
    }

    /// The binary HA1 for `algorithm`, if there is one.
    pub fn get(&self, algorithm: Algorithm) -> Option<&[u8]> {
        match algorithm {
            Algorithm::Md5 => self.md5.as_ref().map(|ha1| ha1.0.as_slice()),
            Algorithm::Sha256 => self.sha256.as_ref().map(|ha1| ha1.0.as_slice()),
            Algorithm::Sha512_256 => self.sha512_256.as_ref().map(|ha1| ha1.0.as_slice()),
        }
    }
}

/// A hash in lower-case hexadecimal digits. It may be an HA1, so it is never shown by `Debug`.
#[derive(Clone, Copy)]
pub struct HexDigest {
    digits: [u8; 64],
    length: usize,
}

impl HexDigest {
    /// The digits of `hash`; of more than 32 bytes the first 32 count.
    fn of(hash: &[u8]) -> Self {
        let mut digits = [0; 64];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        let mut length = 0;
        for (pair, byte) in pairs.iter_mut().zip(hash) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 0x0f)];
            length += 2;
        }
        Self { digits, length }
    }

    /// The digits: 32 or 64 of them.
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }

    /// The digits, followed by NULs up to 64 bytes: for a comparison whose time does not depend on the length.
    pub(super) fn padded(&self) -> &[u8; 64] {
        &self.digits
    }
}

impl fmt::Debug for HexDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HexDigest(<redacted>)")
    }
}

/// Arithmetic instead of a table: which cache line is read would depend on the HA1.
const fn hex_digit(nibble: u8) -> u8 {
    let letter = (9_u8.wrapping_sub(nibble)) >> 7;
    b'0' + nibble + letter * (b'a' - b'0' - 10)
}

/// What a response is computed over, every value exactly as the client sent it, without its quotes.
#[derive(Clone, Copy, Debug)]
pub struct ResponseInput<'a> {
    /// The request's method.
    pub method: &'a [u8],
    /// The `uri` parameter, not the Request-URI.
    pub uri: &'a [u8],
    /// The `nonce` parameter.
    pub nonce: &'a [u8],
    /// The `cnonce` parameter; empty when absent. Used with qop and by the `-sess` variants.
    pub cnonce: &'a [u8],
    /// `None` for the response of RFC 2069.
    pub qop: Option<QopInput<'a>>,
    /// The message body, hashed only for `auth-int`.
    pub body: &'a [u8],
}

/// The part of [`ResponseInput`] that exists only with a `qop` parameter.
#[derive(Clone, Copy, Debug)]
pub struct QopInput<'a> {
    /// The `qop` parameter: `auth` or `auth-int`, in the case it was sent.
    pub qop: &'a [u8],
    /// The eight digits of `nc`.
    pub nc: &'a [u8],
}

/// The response that a client who knows `ha1` (binary) sends (RFC 7616 §3.4.1). `sess` asks for the `-sess` variant (§3.4.2).
pub fn response(algorithm: Algorithm, ha1: &[u8], sess: bool, input: &ResponseInput<'_>) -> HexDigest {
    match algorithm {
        Algorithm::Md5 => response_by::<Md5>(ha1, sess, input),
        Algorithm::Sha256 => response_by::<Sha256>(ha1, sess, input),
        Algorithm::Sha512_256 => response_by::<Sha512_256>(ha1, sess, input),
    }
}

fn response_by<D: Digest>(ha1: &[u8], sess: bool, input: &ResponseInput<'_>) -> HexDigest {
    let mut ha1 = HexDigest::of(ha1);
    if sess {
        ha1 = hex_of::<D>(&[ha1.as_bytes(), input.nonce, input.cnonce]);
    }
    let Some(QopInput { qop, nc }) = input.qop else {
        let ha2 = hex_of::<D>(&[input.method, input.uri]);
        return hex_of::<D>(&[ha1.as_bytes(), input.nonce, ha2.as_bytes()]);
    };
    let ha2 = if qop.eq_ignore_ascii_case(b"auth-int") {
        let body = hex_of::<D>(&[input.body]);
        hex_of::<D>(&[input.method, input.uri, body.as_bytes()])
    } else {
        hex_of::<D>(&[input.method, input.uri])
    };
    hex_of::<D>(&[ha1.as_bytes(), input.nonce, nc, input.cnonce, qop, ha2.as_bytes()])
}

fn hex_of<D: Digest>(parts: &[&[u8]]) -> HexDigest {
    HexDigest::of(&joined_by_colons::<D>(parts))
}

fn joined_by_colons<D: Digest>(parts: &[&[u8]]) -> Output<D> {
    #[cfg(test)]
    tests::count(parts);
    let mut hash = D::new();
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
}

fn wiped_copy<D: Digest, const N: usize>(mut hash: Output<D>) -> [u8; N] {
    let mut copy = [0; N];
    for (to, from) in copy.iter_mut().zip(hash.iter()) {
        *to = *from;
    }
    hash.as_mut_slice().zeroize();
    copy
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many hashes this thread has computed, and over how many bytes.
        pub(in crate::auth) static HASHED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    pub(super) fn count(parts: &[&[u8]]) {
        let (hashes, bytes) = HASHED.get();
        HASHED.set((hashes + 1, bytes + parts.concat().len()));
    }

    const SMITH_NONCE: &[u8] = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";

    fn smith_invite<'a>(qop: Option<&'a [u8]>, body: &'a [u8]) -> ResponseInput<'a> {
        ResponseInput {
            method: b"INVITE",
            uri: b"sip:bob@biloxi.com",
            nonce: SMITH_NONCE,
            cnonce: b"0a4f113b",
            qop: qop.map(|qop| QopInput { qop, nc: b"00000001" }),
            body,
        }
    }

    fn smith_response(sess: bool, input: &ResponseInput<'_>) -> String {
        let set = Ha1Set::from_password(b"bob", b"biloxi.com", b"zanzibar");
        let ha1 = set.get(Algorithm::Md5).unwrap();
        String::from_utf8(response(Algorithm::Md5, ha1, sess, input).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_sip_examples_of_draft_smith_come_out() {
        let sdp = b"v=0\r\no=bob 2890844526 2890844526 IN IP4 media.biloxi.com\r\ns=-\r\nc=IN IP4 media.biloxi.com\r\n\
            t=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\n\
            a=rtpmap:31 H261/90000\r\nm=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n";
        assert_eq!(smith_response(false, &smith_invite(None, b"")), "bf57e4e0d0bffc0fbaedce64d59add5e");
        assert_eq!(smith_response(false, &smith_invite(Some(b"auth"), b"")), "89eb0059246c02b2f6ee02c7961d5ea3");
        assert_eq!(smith_response(true, &smith_invite(Some(b"auth"), b"")), "e4e4ea61d186d07a92c9e1f6919902e9");
        assert_eq!(smith_response(false, &smith_invite(Some(b"auth-int"), sdp)), "bdbeebb2da6adb6bca02599c2239e192");
        assert_eq!(smith_response(true, &smith_invite(Some(b"auth-int"), sdp)), "91984da2d8663716e91554859c22ca70");
    }

    #[test]
    fn rfc_7616_3_9_1_comes_out_with_sha_256() {
        let set = Ha1Set::from_password(b"Mufasa", b"http-auth@example.org", b"Circle of Life");
        let input = ResponseInput {
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            qop: Some(QopInput { qop: b"auth", nc: b"00000001" }),
            body: b"",
        };
        assert_eq!(
            response(Algorithm::Sha256, set.get(Algorithm::Sha256).unwrap(), false, &input).as_bytes(),
            b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn sha_512_256_is_that_of_fips_180_and_not_a_shortened_sha_512() {
        let set = Ha1Set::from_password("Jäsøn Doe".as_bytes(), b"api@example.org", b"Secret, or not?");
        let input = ResponseInput {
            method: b"GET",
            uri: b"/doe.json",
            nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            cnonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            qop: Some(QopInput { qop: b"auth", nc: b"00000001" }),
            body: b"",
        };
        let answer = response(Algorithm::Sha512_256, set.get(Algorithm::Sha512_256).unwrap(), false, &input);
        assert_eq!(answer.as_bytes(), b"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
        // RFC 7616 §3.9.2 as printed, before erratum 4897.
        assert_ne!(answer.as_bytes(), b"ae66e67d6b427bd3f120414a82e4acff38e8ecd9101d6c861229025f607a79dd");
    }

    #[test]
    fn hexadecimal_digits_are_those_of_the_standard_library() {
        for byte in 0..=u8::MAX {
            assert_eq!(HexDigest::of(&[byte]).as_bytes(), format!("{byte:02x}").as_bytes());
        }
    }

    #[test]
    fn tokens_are_known_in_any_case_and_sess_is_not() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_token(algorithm.token().to_lowercase().as_bytes()), Some(algorithm));
            let ha1s = Ha1Set::from_password(b"u", b"r", b"p");
            assert_eq!(ha1s.get(algorithm).unwrap().len() * 2, algorithm.hex_length());
        }
        assert_eq!(Algorithm::from_token(b"MD5-sess"), None);
        assert_eq!(Algorithm::from_token(b""), None);
    }

    #[test]
    fn no_debug_output_holds_a_hash() {
        let set = Ha1Set::from_password(b"bob", b"biloxi.com", b"zanzibar");
        assert_eq!(
            format!("{set:?}"),
            "Ha1Set { md5: Some(Ha1(<redacted>)), sha256: Some(Ha1(<redacted>)), sha512_256: Some(Ha1(<redacted>)) }"
        );
        assert_eq!(format!("{:?}", HexDigest::of(b"x")), "HexDigest(<redacted>)");
    }
}
