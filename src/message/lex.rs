//! The lexical ground of RFC 3261 §25.1 on byte slices: white space, tokens, quoted strings, lists and parameters.
//!
//! Folded lines have been unfolded before (see [`super::unfold`]), so linear white space is blanks and tabs only.

/// Cuts blanks and tabs from the start.
pub fn trim_start(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Cuts blanks and tabs from both ends.
pub fn trim(text: &[u8]) -> &[u8] {
    let mut text = trim_start(text);
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Whether the byte may stand in a `token`.
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Whether the text is a `token`.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// A decimal number that fits; `None` for anything else, a sign and white space included.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// Appends a number in decimal.
pub fn push_decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let mut rest = number;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - used..).unwrap_or_default());
}

/// A number as sixteen lower-case hexadecimal digits.
pub fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        let nibble = (number >> (place * 4)) as u8 & 0x0f;
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    }
    digits
}

/// Where the quoted string that starts `text` ends: the index after its closing quote.
pub fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The items of a comma-separated list; commas in quoted strings and in angle brackets do not separate. Empty items are
/// left out.
pub fn list(value: &[u8]) -> List<'_> {
    List { rest: value }
}

/// See [`list`].
#[derive(Clone, Debug)]
pub struct List<'a> {
    rest: &'a [u8],
}

impl<'a> List<'a> {
    /// What has not been handed out yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = find_unquoted(self.rest, b',').unwrap_or(self.rest.len());
            let (item, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or_default();
            let item = trim(item);
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    }
}

/// Where `wanted` first stands outside quoted strings and angle brackets.
pub fn find_unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let hit = memchr::memchr3(b'"', b'<', wanted, rest)?;
        let found = rest.get(hit..)?;
        at += hit;
        match found.first()? {
            b'"' => at += quoted_end(found)?,
            b'<' => at += memchr::memchr(b'>', found)? + 1,
            _ => return Some(at),
        }
    }
}

/// The parameters of a header value or URI: `;name=value;name`, blanks around `;` and `=` allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a>(pub &'a [u8]);

impl<'a> Params<'a> {
    /// The value of the first parameter of that name: `Some(b"")` when it has none.
    pub fn get(self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All parameters; quoted values keep their quotes.
    pub fn iter(self) -> ParamsIter<'a> {
        ParamsIter { rest: self.0 }
    }
}

/// See [`Params::iter`].
#[derive(Clone, Debug)]
pub struct ParamsIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ParamsIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = find_unquoted(self.rest, b';').unwrap_or(self.rest.len());
            let (item, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or_default();
            let item = trim(item);
            if item.is_empty() {
                continue;
            }
            return Some(match memchr::memchr(b'=', item).and_then(|at| item.split_at_checked(at)) {
                Some((name, value)) => (trim(name), trim(value.get(1..).unwrap_or_default())),
                None => (item, b""),
            });
        }
        None
    }
}

/// Undoes `%HH` (RFC 3261 §19.1.2). Gives the input back where nothing is escaped; `None` for a broken escape.
pub fn percent_decode(text: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    if memchr::memchr(b'%', text).is_none() {
        return Some(text.into());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            let high = (*bytes.next()? as char).to_digit(16)?;
            let low = (*bytes.next()? as char).to_digit(16)?;
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_do_not_split_in_quotes_or_brackets() {
        let items: Vec<_> = list(br#" "a, b" <sip:x@y?h=1,2>;p="q,\"r" ,, <sip:z> "#).collect();
        assert_eq!(items, [br#""a, b" <sip:x@y?h=1,2>;p="q,\"r""#.as_slice(), b"<sip:z>"]);
    }

    #[test]
    fn parameters_are_found_by_name_in_any_case() {
        let params = Params(br#";a ; Tag = x ;q="a;b""#);
        assert_eq!(params.get(b"tag"), Some(b"x".as_slice()));
        assert_eq!(params.get(b"A"), Some(b"".as_slice()));
        assert_eq!(params.get(b"q"), Some(br#""a;b""#.as_slice()));
        assert_eq!(params.get(b"b"), None);
    }

    #[test]
    fn decimal_refuses_signs_blanks_and_overflow() {
        assert_eq!(decimal(b"0042"), Some(42));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in [b"".as_slice(), b"+1", b"-1", b" 1", b"1 ", b"18446744073709551616", b"100000000000000000000"] {
            assert_eq!(decimal(bad), None);
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [0, 7, 10, 65_535, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(decimal(&out), Some(number));
        }
        assert_eq!(&hex(0x0123_4567_89ab_cdef), b"0123456789abcdef");
    }

    #[test]
    fn broken_escapes_are_refused() {
        assert_eq!(percent_decode(b"a%2Bb").as_deref(), Some(b"a+b".as_slice()));
        for bad in [b"a%".as_slice(), b"a%2", b"%zz"] {
            assert_eq!(percent_decode(bad), None);
        }
    }
}
