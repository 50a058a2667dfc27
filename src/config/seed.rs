//! Users from a CSV file: `username,password[,enabled]`, one row a line (RFC 4180 quoting).
//!
//! Rows are read as they come, so that a file of a million needs no memory for its passwords, and each line is parsed
//! by itself: a quote that is never closed spoils its own row and not the rest of the file.

use std::collections::HashSet;
use std::hash::Hash;
use std::io::{self, BufRead, Read};

use siphasher::sip128::{Hasher128, SipHasher13};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::Secret;
use super::clearing_reader::ClearingReader;

/// Longer lines are refused, so that a file that is no CSV at all cannot fill the memory.
const MAX_LINE_BYTES: usize = 4096;
const MIN_PASSWORD_CHARACTERS: usize = 8;

/// A user to load.
#[derive(Debug)]
pub struct SeedRow {
    /// The line in the file, from 1.
    pub line: u64,
    /// `[A-Za-z0-9_.+-]{1,64}`, case-sensitive.
    pub username: String,
    /// At least 8 characters, none of them a control character; exactly as in the file, blanks included.
    pub password: Secret,
    /// Whether the credential may be used; `true` where the file does not say.
    pub enabled: bool,
}

/// A row that was left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("line {line}: {why}")]
pub struct BadRow {
    /// The line in the file, from 1.
    pub line: u64,
    /// What is wrong with it. Never shows what the line says: it may be a password.
    pub why: BadRowReason,
}

/// Why a row was left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum BadRowReason {
    /// Fewer than two or more than three columns.
    #[error("found {0} column(s), expected username,password or username,password,enabled")]
    Columns(usize),
    /// A quote is not closed, or stands inside a column or before its end.
    #[error(
        "a quotation mark is out of place; a column that has one stands in quotation marks, with the mark inside written twice"
    )]
    Quoting,
    /// Not UTF-8.
    #[error("this is not UTF-8 text")]
    Encoding,
    /// Longer than any row can be.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// The name is not one that can be.
    #[error("the username must be 1 to 64 characters of A-Z a-z 0-9 _ . + -")]
    Username,
    /// The password is too short or has control characters.
    #[error("the password must have at least {MIN_PASSWORD_CHARACTERS} characters and no control characters")]
    Password,
    /// The third column says neither yes nor no.
    #[error("enabled must be true, false, 1, 0, yes or no")]
    Enabled,
    /// The name stood in the file before; that row holds.
    #[error("this username stands earlier in the file; the earlier row is used")]
    Duplicate,
}

/// What reading a row can come to.
pub type Row = Result<SeedRow, BadRow>;

/// Reads rows one after the other. A header line, blank lines and lines that begin with `#` are passed over.
///
/// An error of the reader ends the rows: it is the only outer `Err`.
pub struct SeedRows<R> {
    reader: R,
    line: u64,
    buffer: Zeroizing<Vec<u8>>,
    /// Names by hash: 16 bytes each, and two different names of one hash do not occur in practice.
    seen: HashSet<u128>,
    header_possible: bool,
    failed: bool,
}

impl<R: Read> SeedRows<ClearingReader<R>> {
    /// Reads a file, or what is like one, and leaves no password of it in freed memory.
    pub fn of_file(file: R) -> Self {
        Self::new(ClearingReader::new(file))
    }
}

impl<R: BufRead> SeedRows<R> {
    /// Starts at the first line of `reader`. What its buffer leaves behind is the caller's business.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            line: 0,
            // Never grows: growing would leave copies of passwords in freed memory.
            buffer: Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES + 1)),
            seen: HashSet::new(),
            header_possible: true,
            failed: false,
        }
    }

    /// Reads the next line into the buffer, without its end; `None` at the end of the file.
    fn next_line(&mut self) -> io::Result<Option<Result<(), BadRowReason>>> {
        self.buffer.zeroize();
        let limit = u64::try_from(MAX_LINE_BYTES + 1).unwrap_or(u64::MAX);
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.buffer.len() > MAX_LINE_BYTES && self.buffer.last() != Some(&b'\n') {
            skip_line(&mut self.reader)?;
            return Ok(Some(Err(BadRowReason::TooLong)));
        }
        while matches!(self.buffer.last(), Some(b'\n' | b'\r')) {
            self.buffer.pop();
        }
        Ok(Some(Ok(())))
    }

    /// The row in the buffer; `None` for a line without one.
    fn row(&mut self) -> Result<Option<SeedRow>, BadRowReason> {
        let text = std::str::from_utf8(&self.buffer).map_err(|_| BadRowReason::Encoding)?;
        let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if text.trim().is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let header_possible = std::mem::take(&mut self.header_possible);
        let columns = columns(text)?;
        let (name, password, enabled) = match columns.as_slice() {
            [name, password, ..] if header_possible && is_header(name, password) => return Ok(None),
            [name, password] => (name.trim(), password, true),
            [name, password, enabled] => (name.trim(), password, read_enabled(enabled.trim())?),
            other => return Err(BadRowReason::Columns(other.len())),
        };
        if !is_username(name) {
            return Err(BadRowReason::Username);
        }
        if password.chars().count() < MIN_PASSWORD_CHARACTERS || password.chars().any(char::is_control) {
            return Err(BadRowReason::Password);
        }
        if !self.seen.insert(hash(name)) {
            return Err(BadRowReason::Duplicate);
        }
        let password = Secret::new(password.as_str().to_owned());
        Ok(Some(SeedRow { line: self.line, username: name.to_owned(), password, enabled }))
    }
}

impl<R: BufRead> Iterator for SeedRows<R> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let row = match self.next_line() {
                Ok(None) => return None,
                Ok(Some(Ok(()))) => self.row(),
                Ok(Some(Err(why))) => Err(why),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            };
            match row {
                Ok(Some(row)) => return Some(Ok(Ok(row))),
                Ok(None) => {}
                Err(why) => return Some(Ok(Err(BadRow { line: self.line, why }))),
            }
        }
        None
    }
}

/// Passes over what is left of a line.
fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(());
        }
        match memchr::memchr(b'\n', chunk) {
            Some(at) => {
                reader.consume(at + 1);
                return Ok(());
            }
            None => {
                let all = chunk.len();
                reader.consume(all);
            }
        }
    }
}

/// The columns of one line (RFC 4180 §2, rules 4 to 7).
fn columns(line: &str) -> Result<Vec<Zeroizing<String>>, BadRowReason> {
    let mut columns = Vec::with_capacity(3);
    let mut rest = line;
    loop {
        let (column, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_column(quoted)?,
            None => plain_column(rest)?,
        };
        columns.push(column);
        match after {
            Some(after) => rest = after,
            None => return Ok(columns),
        }
    }
}

/// A column and what follows its comma, if there is one.
type Column<'a> = (Zeroizing<String>, Option<&'a str>);

fn plain_column(text: &str) -> Result<Column<'_>, BadRowReason> {
    let (column, after) = match text.split_once(',') {
        Some((column, after)) => (column, Some(after)),
        None => (text, None),
    };
    if column.contains('"') {
        return Err(BadRowReason::Quoting);
    }
    Ok((Zeroizing::new(column.to_owned()), after))
}

/// Starts behind the opening quotation mark.
fn quoted_column(text: &str) -> Result<Column<'_>, BadRowReason> {
    let mut column = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or(BadRowReason::Quoting)?;
        column.push_str(part);
        if let Some(more) = after.strip_prefix('"') {
            column.push('"');
            rest = more;
        } else if after.trim_end().is_empty() {
            return Ok((column, None));
        } else {
            return after.strip_prefix(',').map(|after| (column, Some(after))).ok_or(BadRowReason::Quoting);
        }
    }
}

fn is_header(name: &str, password: &str) -> bool {
    name.trim().eq_ignore_ascii_case("username") && password.trim().eq_ignore_ascii_case("password")
}

fn is_username(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-'))
}

fn read_enabled(word: &str) -> Result<bool, BadRowReason> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(BadRowReason::Enabled),
    }
}

fn hash(name: &str) -> u128 {
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(csv: impl AsRef<[u8]>) -> (Vec<SeedRow>, Vec<BadRow>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for row in SeedRows::new(csv.as_ref()) {
            match row.expect("a slice can be read") {
                Ok(row) => good.push(row),
                Err(row) => bad.push(row),
            }
        }
        (good, bad)
    }

    fn one(csv: &str) -> SeedRow {
        let (mut good, bad) = read(csv);
        assert_eq!((good.len(), bad.as_slice()), (1, [].as_slice()), "{csv:?}");
        good.remove(0)
    }

    fn refusal(csv: impl AsRef<[u8]>) -> BadRowReason {
        let (good, bad) = read(csv);
        assert_eq!((good.len(), bad.len()), (0, 1));
        bad[0].why
    }

    #[test]
    fn two_columns_are_an_enabled_user() {
        let row = one("alice,secret123\n");
        assert_eq!(
            (row.line, row.username.as_str(), row.password.reveal(), row.enabled),
            (1, "alice", "secret123", true)
        );
    }

    #[test]
    fn the_third_column_enables_and_disables() {
        for (word, enabled) in
            [("true", true), ("1", true), ("YES", true), ("false", false), ("0", false), (" no ", false)]
        {
            assert_eq!(one(&format!("alice,secret123,{word}")).enabled, enabled, "{word}");
        }
        assert_eq!(refusal("alice,secret123,maybe"), BadRowReason::Enabled);
        assert_eq!(refusal("alice,secret123,"), BadRowReason::Enabled);
    }

    #[test]
    fn header_comments_blank_lines_byte_order_mark_and_crlf_do_not_shift_the_line_numbers() {
        let csv = "\u{feff}Username,Password,Enabled\r\n# people\r\n\r\n   \r\nalice,secret123\r\nbob,short\r\n";
        let (good, bad) = read(csv);
        assert_eq!(good.iter().map(|row| (row.line, row.username.as_str())).collect::<Vec<_>>(), [(5, "alice")]);
        assert_eq!(bad, [BadRow { line: 6, why: BadRowReason::Password }]);
    }

    #[test]
    fn only_the_first_row_can_be_a_header() {
        let (good, _) = read("alice,secret123\nusername,password\n");
        assert_eq!(good.len(), 2);
        assert_eq!(read("username,password\n").0.len(), 0);
    }

    #[test]
    fn quoted_columns_hold_commas_quotes_and_blanks() {
        assert_eq!(one(r#""alice","se,cret ""1"" ","no""#).password.reveal(), r#"se,cret "1" "#);
        assert_eq!(one("alice, secret 12 ").password.reveal(), " secret 12 ");
    }

    #[test]
    fn a_quote_that_is_never_closed_spoils_only_its_own_row() {
        let (good, bad) = read("alice,\"secret123\nbob,secret456\n");
        assert_eq!(good.len(), 1);
        assert_eq!(bad, [BadRow { line: 1, why: BadRowReason::Quoting }]);
        assert_eq!(refusal(r#"alice,sec"ret123"#), BadRowReason::Quoting);
        assert_eq!(refusal(r#"alice,"secret"123"#), BadRowReason::Quoting);
    }

    #[test]
    fn each_kind_of_bad_row_is_told_apart() {
        assert_eq!(refusal("alice"), BadRowReason::Columns(1));
        assert_eq!(refusal("alice,secret123,yes,more"), BadRowReason::Columns(4));
        assert_eq!(refusal("al ice,secret123"), BadRowReason::Username);
        assert_eq!(refusal(",secret123"), BadRowReason::Username);
        assert_eq!(refusal(format!("{},secret123", "a".repeat(65))), BadRowReason::Username);
        assert_eq!(refusal("alice,1234567"), BadRowReason::Password);
        assert_eq!(refusal("alice,secret\t123"), BadRowReason::Password);
        assert_eq!(refusal(b"alice,secret\xff123".as_slice()), BadRowReason::Encoding);
    }

    #[test]
    fn of_two_rows_with_one_name_the_later_is_refused_and_case_counts() {
        let (good, bad) = read("alice,secret123\nalice,secret456\nAlice,secret789\n");
        assert_eq!(good.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(bad, [BadRow { line: 2, why: BadRowReason::Duplicate }]);
    }

    #[test]
    fn a_refused_row_does_not_take_its_name() {
        let (good, bad) = read("alice,short\nalice,secret456\n");
        assert_eq!((good.len(), bad.len()), (1, 1));
    }

    #[test]
    fn an_endless_line_is_one_bad_row() {
        let (good, bad) = read(format!("alice,{}\nbob,secret123\n", "x".repeat(100_000)));
        assert_eq!(good.iter().map(|row| row.line).collect::<Vec<_>>(), [2]);
        assert_eq!(bad, [BadRow { line: 1, why: BadRowReason::TooLong }]);
        let longest = format!("alice,{}\n", "x".repeat(MAX_LINE_BYTES - 6));
        assert_eq!(read(longest).0.len(), 1);
    }

    #[test]
    fn neither_a_row_nor_its_refusal_shows_the_password() {
        let shown = format!("{:?}", one("alice,secret123"));
        assert!(!shown.contains("secret123"), "{shown}");
        let (_, bad) = read("alice,secret123,maybe");
        assert_eq!(bad[0].to_string(), "line 1: enabled must be true, false, 1, 0, yes or no");
    }

    #[test]
    fn a_failing_reader_ends_the_rows() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let mut rows = SeedRows::of_file(Failing);
        assert!(rows.next().is_some_and(|row| row.is_err()));
        assert!(rows.next().is_none());
    }

    #[test]
    fn a_large_file_passes_row_by_row() {
        struct Endless(u32, Vec<u8>);
        impl Read for Endless {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                if self.1.is_empty() && self.0 < 100_000 {
                    self.1 = format!("user{},password{}\n", self.0, self.0).into_bytes();
                    self.0 += 1;
                }
                let count = self.1.len().min(out.len());
                out[..count].copy_from_slice(&self.1[..count]);
                self.1.drain(..count);
                Ok(count)
            }
        }
        let rows = SeedRows::of_file(Endless(0, Vec::new()));
        assert_eq!(rows.filter(|row| matches!(row, Ok(Ok(_)))).count(), 100_000);
    }
}
