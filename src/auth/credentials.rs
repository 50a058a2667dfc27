//! Answers to challenges: one Authorization or Proxy-Authorization value (RFC 3261 §25.1 `credentials`, RFC 7616 §3.4).
//!
//! Everything is borrowed from the message and kept as it was sent, since that is what the client hashed. What real
//! clients get wrong is taken (blanks, quotes where a token belongs and the reverse, empty list elements); what makes the
//! meaning doubtful (a parameter twice, an open quote) is not.

use std::iter;

use memchr::memchr2;
use thiserror::Error;

/// The text of a quoted string, or of the token a client sent instead, with its escapes still in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quoted<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Quoted<'a> {
    /// As sent, without the quotes around it.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether it means `plain`, escapes taken away.
    pub fn means(&self, plain: &[u8]) -> bool {
        if self.escaped { self.unescaped().eq(plain.iter().copied()) } else { self.raw == plain }
    }

    /// The text without escapes: as sent where there are none, else written to `buffer`. `None` if it does not fit there.
    pub fn unescape<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        if !self.escaped {
            return Some(self.raw);
        }
        let mut length = 0;
        for byte in self.unescaped() {
            *buffer.get_mut(length)? = byte;
            length += 1;
        }
        buffer.get(..length)
    }

    fn unescaped(&self) -> impl Iterator<Item = u8> + 'a {
        let mut bytes = self.raw.iter().copied();
        iter::from_fn(move || match bytes.next()? {
            b'\\' => bytes.next(),
            plain => Some(plain),
        })
    }
}

/// A nonce-count: eight hexadecimal digits and what they mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NonceCount<'a> {
    /// The digits as sent: this is hashed.
    pub raw: &'a [u8],
    /// Their value.
    pub value: u32,
}

/// The parameters of one `Digest` answer. Unknown ones are passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DigestAnswer<'a> {
    /// Whose answer it claims to be.
    pub username: Quoted<'a>,
    /// The protection domain it is for.
    pub realm: Quoted<'a>,
    /// The nonce answered to.
    pub nonce: &'a [u8],
    /// What the client took for the Request-URI. Hashed as it stands.
    pub uri: &'a [u8],
    /// The response, of any length and digits.
    pub response: &'a [u8],
    /// Absent means MD5 (RFC 7616 §3.4).
    pub algorithm: Option<&'a [u8]>,
    /// Absent means an answer of RFC 2069.
    pub qop: Option<&'a [u8]>,
    /// How often the nonce was used.
    pub nc: Option<NonceCount<'a>>,
    /// The client's own nonce.
    pub cnonce: Option<&'a [u8]>,
    /// Sent back as it was in the challenge; ours has none.
    pub opaque: Option<&'a [u8]>,
}

/// Why a `Digest` answer cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// No scheme, or none followed by a blank.
    #[error("expected an authentication scheme and a blank")]
    Scheme,
    /// Something else than `name=` where a parameter begins.
    #[error("expected a parameter `name=value`")]
    Name,
    /// No value, a control character in it, or no comma after it.
    #[error("expected a token or a quoted string, and a comma after it")]
    Value,
    /// A quoted string without end.
    #[error("a quoted string does not end")]
    OpenQuote,
    /// A known parameter occurs twice: two readers could take different ones.
    #[error("the parameter {0} occurs twice")]
    Repeated(&'static str),
    /// A parameter that every answer has is absent.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// `nc` is not eight hexadecimal digits.
    #[error("nc is not eight hexadecimal digits")]
    NonceCount,
}

const NAMES: [&str; 10] =
    ["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce", "opaque"];

impl<'a> DigestAnswer<'a> {
    /// Reads one header field value, folded lines already joined by blanks.
    ///
    /// # Errors
    /// `Ok(None)` is another scheme than Digest; [`Malformed`] is a Digest answer, or no scheme at all, that cannot be read.
    pub fn parse(value: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let value = value.trim_ascii();
        let (scheme, rest) = split_token(value);
        if scheme.is_empty() {
            return Err(Malformed::Scheme);
        }
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Ok(None);
        }
        if !rest.is_empty() && !starts_with_blank(rest) {
            return Err(Malformed::Scheme);
        }
        let found = parameters(rest)?;
        let [username, realm, nonce, uri, response, algorithm, qop, nc, cnonce, opaque] = found;
        let raw = |value: Option<Quoted<'a>>| value.map(|value| value.raw);
        Ok(Some(Self {
            username: username.ok_or(Malformed::Missing("username"))?,
            realm: realm.ok_or(Malformed::Missing("realm"))?,
            nonce: raw(nonce).ok_or(Malformed::Missing("nonce"))?,
            uri: raw(uri).ok_or(Malformed::Missing("uri"))?,
            response: raw(response).ok_or(Malformed::Missing("response"))?,
            algorithm: raw(algorithm),
            qop: raw(qop),
            nc: raw(nc).map(nonce_count).transpose()?,
            cnonce: raw(cnonce),
            opaque: raw(opaque),
        }))
    }
}

/// The values of [`NAMES`], in that order.
fn parameters(mut rest: &[u8]) -> Result<[Option<Quoted<'_>>; NAMES.len()], Malformed> {
    let mut found = [None; NAMES.len()];
    loop {
        // An empty list element (RFC 9110 §5.6.1): a comma too many at either end or in the middle.
        while let Some(after) = skip_blanks(rest).strip_prefix(b",") {
            rest = after;
        }
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return Ok(found);
        }
        let (name, after) = split_token(rest);
        let after = skip_blanks(after).strip_prefix(b"=").ok_or(Malformed::Name)?;
        if name.is_empty() {
            return Err(Malformed::Name);
        }
        let (value, after) = split_value(skip_blanks(after))?;
        let known = NAMES.iter().zip(&mut found).find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some((known, slot)) = known
            && slot.replace(value).is_some()
        {
            return Err(Malformed::Repeated(known));
        }
        rest = skip_blanks(after);
        if !rest.is_empty() && !rest.starts_with(b",") {
            return Err(Malformed::Value);
        }
    }
}

/// A value at the start of `text`, and what follows it.
fn split_value(text: &[u8]) -> Result<(Quoted<'_>, &[u8]), Malformed> {
    let Some(inner) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| matches!(byte, b',' | b' ' | b'\t' | b'"')).unwrap_or(text.len());
        let (raw, after) = text.split_at_checked(end).ok_or(Malformed::Value)?;
        let sound = !raw.is_empty() && !raw.iter().any(u8::is_ascii_control);
        return if sound { Ok((Quoted { raw, escaped: false }, after)) } else { Err(Malformed::Value) };
    };
    let (mut end, mut escaped) = (0, false);
    loop {
        let unread = inner.get(end..).ok_or(Malformed::OpenQuote)?;
        end += memchr2(b'"', b'\\', unread).ok_or(Malformed::OpenQuote)?;
        if inner.get(end) == Some(&b'"') {
            break;
        }
        escaped = true;
        end += 2;
    }
    let (raw, after) = inner.split_at_checked(end).ok_or(Malformed::OpenQuote)?;
    if raw.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(Malformed::Value);
    }
    Ok((Quoted { raw, escaped }, after.strip_prefix(b"\"").ok_or(Malformed::OpenQuote)?))
}

fn nonce_count(raw: &[u8]) -> Result<NonceCount<'_>, Malformed> {
    if raw.len() != 8 {
        return Err(Malformed::NonceCount);
    }
    let mut value = 0_u32;
    for digit in raw {
        let digit = char::from(*digit).to_digit(16).ok_or(Malformed::NonceCount)?;
        value = (value << 4) | digit;
    }
    Ok(NonceCount { raw, value })
}

/// The token of RFC 3261 §25.1 at the start of `text`, and what follows it.
fn split_token(text: &[u8]) -> (&[u8], &[u8]) {
    let is_token = |byte: &u8| {
        matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
    };
    let end = text.iter().position(|byte| !is_token(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

fn starts_with_blank(text: &[u8]) -> bool {
    matches!(text.first(), Some(b' ' | b'\t'))
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: &str = "Digest username=\"alice\", realm=\"example.invalid\", nonce=\"n-1\", \
        uri=\"sip:127.0.0.1:5060;transport=udp\", response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5, \
        qop=auth, nc=0000000A, cnonce=\"c,0=ffee\", opaque=\"\"";

    fn parse(value: &str) -> DigestAnswer<'_> {
        DigestAnswer::parse(value.as_bytes()).unwrap().unwrap()
    }

    fn refused(value: &str) -> Malformed {
        DigestAnswer::parse(value.as_bytes()).unwrap_err()
    }

    #[test]
    fn every_parameter_is_read_as_it_was_sent() {
        let answer = parse(FULL);
        assert_eq!(answer.username.raw(), b"alice");
        assert_eq!(answer.realm.raw(), b"example.invalid");
        assert_eq!(answer.nonce, b"n-1");
        assert_eq!(answer.uri, b"sip:127.0.0.1:5060;transport=udp");
        assert_eq!(answer.response, b"0123456789abcdef0123456789abcdef");
        assert_eq!(answer.algorithm, Some(&b"MD5"[..]));
        assert_eq!(answer.qop, Some(&b"auth"[..]));
        assert_eq!(answer.nc, Some(NonceCount { raw: b"0000000A", value: 10 }));
        assert_eq!(answer.cnonce, Some(&b"c,0=ffee"[..]));
        assert_eq!(answer.opaque, Some(&b""[..]));
    }

    #[test]
    fn blanks_quotes_commas_order_and_case_may_vary() {
        let odd = " \tdIGEST  ,\tOPAQUE = \"\" ,, cnonce=\"c,0=ffee\",nc=\"0000000A\" ,QOP=\"auth\",algorithm=\"MD5\"\t, \
            response=0123456789abcdef0123456789abcdef,URI=\"sip:127.0.0.1:5060;transport=udp\", x=y, z=\"a,\\\"b\", \
            nonce=n-1,realm=\"example.invalid\",username=alice , ,";
        assert_eq!(parse(odd), parse(FULL));
    }

    #[test]
    fn another_scheme_is_no_answer_of_ours() {
        assert_eq!(DigestAnswer::parse(b"Basic QWxhZGRpbg=="), Ok(None));
        assert_eq!(DigestAnswer::parse(b"Digested username=\"x"), Ok(None));
        assert_eq!(refused(""), Malformed::Scheme);
        assert_eq!(refused("Digest=\"x\""), Malformed::Scheme);
    }

    #[test]
    fn a_known_parameter_twice_is_refused_and_an_unknown_one_is_not() {
        for name in NAMES {
            assert_eq!(refused(&format!("{FULL}, {}=00000001", name.to_uppercase())), Malformed::Repeated(name));
        }
        parse(&format!("{FULL}, x=1, x=2"));
    }

    #[test]
    fn what_every_answer_has_must_be_there() {
        assert_eq!(refused("Digest"), Malformed::Missing("username"));
        for name in ["username", "realm", "nonce", "uri", "response"] {
            let without = FULL.replacen(&format!("{name}="), "other=", 1);
            assert_eq!(refused(&without), Malformed::Missing(name));
        }
    }

    #[test]
    fn doubtful_syntax_is_refused() {
        assert_eq!(refused("Digest username"), Malformed::Name);
        assert_eq!(refused("Digest =x"), Malformed::Name);
        assert_eq!(refused("Digest username=\"a\" realm=\"b\""), Malformed::Value);
        assert_eq!(refused("Digest username=, realm=\"b\""), Malformed::Value);
        assert_eq!(refused("Digest username=a\"b\""), Malformed::Value);
        assert_eq!(refused("Digest username=\"a\nb\""), Malformed::Value);
        assert_eq!(refused("Digest username=\"a"), Malformed::OpenQuote);
        assert_eq!(refused("Digest username=\"a\\"), Malformed::OpenQuote);
        assert_eq!(refused("Digest username=\"a\\\""), Malformed::OpenQuote);
        assert_eq!(refused("Digest username=\"a\", Digest realm=\"b\""), Malformed::Name);
    }

    #[test]
    fn a_nonce_count_is_eight_hexadecimal_digits() {
        for wrong in ["1", "0000001", "000000001", "0000000g", "+0000001", "\"\""] {
            assert_eq!(refused(&FULL.replace("0000000A", wrong)), Malformed::NonceCount, "{wrong}");
        }
        assert_eq!(parse(&FULL.replace("0000000A", "fFffFFff")).nc.unwrap().value, u32::MAX);
    }

    #[test]
    fn escapes_are_kept_and_understood() {
        let text = FULL.replace("alice", "al\\\"i\\\\ce");
        let answer = parse(&text);
        assert_eq!(answer.username.raw(), b"al\\\"i\\\\ce");
        assert!(answer.username.means(b"al\"i\\ce"));
        assert!(!answer.username.means(b"al\\\"i\\\\ce"));
        assert_eq!(answer.username.unescape(&mut [0; 16]), Some(&b"al\"i\\ce"[..]));
        assert_eq!(answer.username.unescape(&mut [0; 6]), None);
        assert_eq!(answer.realm.unescape(&mut []), Some(&b"example.invalid"[..]));
        assert!(answer.realm.means(b"example.invalid") && !answer.realm.means(b"Example.invalid"));
    }

    #[test]
    fn an_answer_cut_anywhere_is_read_or_refused() {
        for end in 0..FULL.len() {
            let _ = DigestAnswer::parse(&FULL.as_bytes()[..end]);
        }
        assert_eq!(refused(FULL.strip_suffix('"').unwrap()), Malformed::OpenQuote);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = DigestAnswer::parse(&bytes);
            let _ = DigestAnswer::parse(&[b"Digest ".as_slice(), &bytes].concat());
        }

        #[test]
        fn what_was_quoted_is_read_back(name in "[ -~]{0,20}", uri in "[!#-\\[\\]-~]{1,30}") {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("Digest username=\"{quoted}\", realm=r, nonce=n, uri=\"{uri}\", response=x");
            let answer = DigestAnswer::parse(text.as_bytes()).unwrap().unwrap();
            prop_assert!(answer.username.means(name.as_bytes()));
            let mut buffer = [0; 20];
            prop_assert_eq!(answer.username.unescape(&mut buffer), Some(name.as_bytes()));
            prop_assert_eq!(answer.uri, uri.as_bytes());
        }
    }
}
