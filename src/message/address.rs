//! Addresses in header fields: From, To, Contact, Route and the like (RFC 3261 §20.10, §25.1).

use super::lex::{self, Params};
use super::uri::Uri;

/// A `name-addr` or `addr-spec` with the header parameters behind it.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The display name, quotes kept; empty without one.
    pub display: &'a [u8],
    /// The URI, taken apart.
    pub uri: Uri<'a>,
    /// Header parameters, such as `tag`, `expires` and `q`.
    pub params: Params<'a>,
}

impl<'a> Address<'a> {
    /// Reads one address. `None` when it is malformed; an open quote or bracket is.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let value = lex::trim(value);
        let open = match value {
            [b'"', ..] => {
                let end = lex::quoted_end(value)?;
                let blanks = value.get(end..)?.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                (value.get(end + blanks) == Some(&b'<')).then_some(end + blanks)
            }
            _ => memchr::memchr(b'<', value),
        };
        let Some(open) = open else { return Self::without_brackets(value) };
        let display = lex::trim(value.get(..open)?);
        if !display.starts_with(b"\"") && !display.iter().all(|&byte| is_plain(byte)) {
            return None;
        }
        let inner = value.get(open + 1..)?;
        let close = memchr::memchr(b'>', inner)?;
        let params = lex::trim(inner.get(close + 1..)?);
        if !params.is_empty() && !params.starts_with(b";") {
            return None;
        }
        if params.iter().filter(|&&byte| byte == b'"').count() % 2 == 1 {
            return None;
        }
        Some(Self { display, uri: Uri::parse(inner.get(..close)?)?, params: Params(params) })
    }

    /// RFC 3261 §20.10: without brackets, what follows the first `;` belongs to the header, not to the URI.
    fn without_brackets(value: &'a [u8]) -> Option<Self> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (uri, params) = value.split_at_checked(end)?;
        let uri = lex::trim(uri);
        if memchr::memchr3(b'?', b',', b'"', uri).is_some()
            || params.iter().filter(|&&byte| byte == b'"').count() % 2 == 1
        {
            return None;
        }
        Some(Self { display: b"", uri: Uri::parse(uri)?, params: Params(params) })
    }

    /// The `tag` parameter; an empty one is none.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.get(b"tag").filter(|tag| !tag.is_empty())
    }
}

/// Whether a byte may stand in a display name without quotes. RFC 3261 §25.1 has tokens only, but phones send what their
/// user typed; what stays out is what another reader could take for the end of the name.
const fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'"' | b',' | b'<' | b'>' | b'\\' | 0x7f) && (byte >= b' ' || byte == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_quotes_and_escapes_are_read() {
        let address = Address::parse(br#" "A \"<B>\" C" <sip:a@b;x=1>  ; tag=77 ;q=0.5"#).unwrap();
        assert_eq!(address.display, br#""A \"<B>\" C""#);
        assert_eq!(address.uri.raw, b"sip:a@b;x=1");
        assert_eq!(address.tag(), Some(b"77".as_slice()));
        assert_eq!(address.params.get(b"q"), Some(b"0.5".as_slice()));
    }

    #[test]
    fn without_brackets_parameters_belong_to_the_header() {
        let address = Address::parse(b"sip:a@b;tag=1").unwrap();
        assert_eq!(address.uri.raw, b"sip:a@b");
        assert_eq!(address.tag(), Some(b"1".as_slice()));
    }

    #[test]
    fn display_names_are_taken_as_phones_send_them() {
        for name in ["Jörg Müller", "Bob (desk)", "A&B", "O'Brien: sales; 2nd", "a@b", "+49 30 123", "名前"] {
            let text = format!("{name} <sip:a@b>;tag=1");
            let address = Address::parse(text.as_bytes()).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((address.display, address.uri.raw), (name.as_bytes(), b"sip:a@b".as_slice()));
            assert_eq!(address.tag(), Some(b"1".as_slice()));
        }
        for bad in [r"Bell\ A <sip:a@b>", "a\x01b <sip:a@b>", "a\x7f <sip:a@b>", "a> <sip:a@b>", "a\r\nb <sip:a@b>"] {
            assert!(Address::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn open_quotes_and_brackets_are_refused() {
        for bad in [
            br#""a <sip:a@b>"#.as_slice(),
            b"<sip:a@b",
            b"sip:a@b>",
            br#"<sip:a@b>;tag="x"#,
            br#"sip:a@b;tag="x"#,
            b"",
            b"<>",
            b"a@b",
            b"<sip:a@b> x",
            b"Bell, Alexander <sip:a@b>",
            br#"a "b" <sip:a@b>"#,
        ] {
            assert!(Address::parse(bad).is_none(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
