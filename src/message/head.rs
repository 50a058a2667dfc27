//! One pass over the bytes: the start line and where each header field stands (RFC 3261 §7).
//!
//! Nothing is copied and nothing is interpreted beyond what framing needs. Lines end in CR LF; a bare CR, a bare LF or a
//! NUL in the header section is refused, because the next element might take it for a line end and see other fields than
//! we do.

use smallvec::SmallVec;

use super::lex;
use super::name::Name;

/// More header fields than this are refused: RFC 4475's longest request has 70.
pub const MAX_FIELDS: usize = 256;

/// Offsets of one header field in the message.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Which field it is.
    pub name: Name,
    /// Where its line starts.
    pub start: u32,
    /// Where the line after it starts.
    pub end: u32,
    value: u32,
    value_end: u32,
}

/// Why the bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// A line is continued on the next: unfold and read again.
    Folded,
    /// No empty line ends the header section.
    Truncated,
    /// A bare CR, a bare LF or a NUL stands in the header section.
    LineEnd,
    /// A line has no colon, or its name is no token.
    FieldName,
    /// More than [`MAX_FIELDS`] fields.
    TooManyFields,
}

/// The start line and the header fields of a message.
#[derive(Debug)]
pub struct Head<'a> {
    bytes: &'a [u8],
    start_line: &'a [u8],
    fields: SmallVec<[Field; 32]>,
    body_at: usize,
    first: [u16; Name::COUNT],
    /// The first thing wrong with the header section, where the rest could be read all the same.
    pub broken: Option<Broken>,
}

impl<'a> Head<'a> {
    /// Reads the head of `bytes`. Fields that can be read are kept even when others are [`Broken`], so that a refusal can
    /// still be addressed; only [`Broken::Folded`] stops at once.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut at = skip_leading_line_ends(bytes);
        let mut head = Self {
            bytes,
            start_line: b"",
            fields: SmallVec::new(),
            body_at: bytes.len(),
            first: [u16::MAX; Name::COUNT],
            broken: None,
        };
        let mut in_start_line = true;
        loop {
            let Some((end, next)) = head.line_end(at) else {
                head.note(Broken::Truncated);
                return Ok(head);
            };
            let line = bytes.get(at..end).unwrap_or_default();
            if in_start_line {
                head.start_line = line;
                in_start_line = false;
            } else if line.is_empty() {
                head.body_at = next;
                return Ok(head);
            } else if matches!(line.first(), Some(b' ' | b'\t')) {
                return Err(Broken::Folded);
            } else {
                head.take_field(line, at, next);
            }
            at = next;
        }
    }

    /// The end of the line that starts at `at`, and the start of the next. A line end that is not CR LF is noted and
    /// taken as part of the line.
    fn line_end(&mut self, at: usize) -> Option<(usize, usize)> {
        let mut from = at;
        loop {
            let hit = from + memchr::memchr3(b'\r', b'\n', 0, self.bytes.get(from..)?)?;
            if self.bytes.get(hit..hit + 2) == Some(b"\r\n") {
                return Some((hit, hit + 2));
            }
            self.note(Broken::LineEnd);
            from = hit + 1;
        }
    }

    fn take_field(&mut self, line: &[u8], at: usize, next: usize) {
        let Some((name, _)) = memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) else {
            return self.note(Broken::FieldName);
        };
        let value_at = name.len() + 1;
        let name = lex::trim(name);
        if !lex::is_token(name) {
            return self.note(Broken::FieldName);
        }
        let Ok(number) = u16::try_from(self.fields.len()) else { return };
        if self.fields.len() >= MAX_FIELDS {
            return self.note(Broken::TooManyFields);
        }
        let value = line.get(value_at..).unwrap_or_default();
        let trimmed = lex::trim(value);
        let lead = value.len() - lex::trim_start(value).len();
        let value_start = at + value_at + lead;
        let name = Name::recognise(name);
        self.fields.push(Field {
            name,
            start: at as u32,
            end: next as u32,
            value: value_start as u32,
            value_end: (value_start + trimmed.len()) as u32,
        });
        if let Some(first) = self.first.get_mut(name as usize) {
            *first = (*first).min(number);
        }
    }

    fn note(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// The whole message.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The message up to the end of its header section.
    pub fn without_body(&self) -> &'a [u8] {
        self.bytes.get(..self.body_at).unwrap_or_default()
    }

    /// The first line, without its line end.
    pub fn start_line(&self) -> &'a [u8] {
        self.start_line
    }

    /// All that follows the header section. Content-Length has the last word on how much of it is the body.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.body_at..).unwrap_or_default()
    }

    /// The fields in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The value of a field, without the white space around it.
    pub fn value(&self, field: &Field) -> &'a [u8] {
        self.bytes.get(field.value as usize..field.value_end as usize).unwrap_or_default()
    }

    /// The name of a field as it was written.
    pub fn written_name(&self, field: &Field) -> &'a [u8] {
        let line = self.slice(field.start, field.value);
        lex::trim(memchr::memchr(b':', line).and_then(|at| line.get(..at)).unwrap_or_default())
    }

    /// Bytes of the message by offsets of its fields.
    pub fn slice(&self, start: u32, end: u32) -> &'a [u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The first field of that name.
    pub fn first(&self, name: Name) -> Option<&Field> {
        self.first.get(name as usize).and_then(|&number| self.fields.get(usize::from(number)))
    }

    /// The value of the first field of that name.
    pub fn get(&self, name: Name) -> Option<&'a [u8]> {
        self.first(name).map(|field| self.value(field))
    }

    /// The values of all fields of that name, in order.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + '_ {
        let skip = self.first.get(name as usize).map_or(usize::MAX, |&number| usize::from(number));
        self.fields.iter().skip(skip).filter(move |field| field.name == name).map(|field| self.value(field))
    }

    /// The items of all fields of that name, taken as one comma-separated list (RFC 3261 §7.3.1).
    pub fn items(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.all(name).flat_map(lex::list)
    }

    /// The first value of a field that the core has no [`Name`] for.
    pub fn other(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.fields
            .iter()
            .find(|field| field.name == Name::Other && self.written_name(field).eq_ignore_ascii_case(name))
            .map(|field| self.value(field))
    }
}

/// RFC 3261 §7.5: empty lines before the start line are ignored.
fn skip_leading_line_ends(bytes: &[u8]) -> usize {
    let mut at = 0;
    while bytes.get(at..at + 2) == Some(b"\r\n") {
        at += 2;
    }
    at
}

/// Joins continued lines in place: the CR LF before a blank becomes two blanks, so that no offset changes
/// (RFC 3261 §7.3.1). The body is left alone.
pub fn unfold(bytes: &mut [u8]) {
    let mut at = skip_leading_line_ends(bytes);
    while let Some(hit) = memchr::memchr(b'\r', bytes.get(at..).unwrap_or_default()) {
        at += hit;
        match bytes.get_mut(at..) {
            Some([b'\r', b'\n', b'\r', b'\n', ..]) | None => return,
            Some([cr @ b'\r', lf @ b'\n', b' ' | b'\t', ..]) => {
                *cr = b' ';
                *lf = b' ';
            }
            Some(_) => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] =
        b"\r\nINVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo :  <sip:a@b> \r\nX-Y:\r\nVia: two\r\n\r\nbody\n";

    #[test]
    fn fields_are_found_by_any_form_of_their_name() {
        let head = Head::read(MESSAGE).unwrap();
        assert_eq!(head.start_line(), b"INVITE sip:a@b SIP/2.0");
        assert_eq!(head.get(Name::To), Some(b"<sip:a@b>".as_slice()));
        assert_eq!(head.all(Name::Via).count(), 2);
        assert_eq!(head.other(b"x-y"), Some(b"".as_slice()));
        assert_eq!(head.rest(), b"body\n");
        assert_eq!(head.broken, None);
    }

    #[test]
    fn unfolding_changes_no_length_and_spares_the_body() {
        let mut bytes = b"X a\r\nSubject: one\r\n\t two\r\nTo:\r\n <sip:a@b>\r\n\r\nbody\r\n folded".to_vec();
        let length = bytes.len();
        assert_eq!(Head::read(&bytes).unwrap_err(), Broken::Folded);
        unfold(&mut bytes);
        assert_eq!(bytes.len(), length);
        let head = Head::read(&bytes).unwrap();
        assert_eq!(head.other(b"subject"), Some(b"one  \t two".as_slice()));
        assert_eq!(head.get(Name::To), Some(b"<sip:a@b>".as_slice()));
        assert_eq!(head.rest(), b"body\r\n folded");
    }

    #[test]
    fn bare_line_ends_and_nul_are_noted() {
        for bad in [b"X a\r\nA: b\nC: d\r\n\r\n".as_slice(), b"X a\r\nA: b\rC: d\r\n\r\n", b"X a\r\nA: b\0\r\n\r\n"] {
            assert_eq!(Head::read(bad).unwrap().broken, Some(Broken::LineEnd));
        }
    }

    #[test]
    fn what_can_be_read_is_kept_beside_what_is_broken() {
        let head = Head::read(b"X a\r\nnonsense\r\nTo: x\r\n").unwrap();
        assert_eq!(head.broken, Some(Broken::FieldName));
        assert_eq!(head.get(Name::To), Some(b"x".as_slice()));
        let many = [b"X a\r\n".as_slice(), &b"A: b\r\n".repeat(300), b"\r\n"].concat();
        assert_eq!(Head::read(&many).unwrap().broken, Some(Broken::TooManyFields));
    }
}
