//! Where one message of a stream ends and the next begins (RFC 3261 §18.3), and the keep-alives between them
//! (RFC 5626 §3.5.1).
//!
//! Only CRLF ends a line, as in the parser: two readers that disagree on line ends can be made to disagree on where a
//! message ends. Nothing is allocated, whatever length a message announces.

use memchr::memchr;
use memchr::memmem;

/// What stands at the front of the bytes that a stream has delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// The beginning of something; more bytes decide.
    Partial,
    /// An empty line between messages.
    KeepAlive {
        /// How many bytes it takes.
        len: usize,
        /// Whether it completes a double CRLF, which asks for a single one back (RFC 5626 §3.5.1).
        answer: bool,
    },
    /// One whole message.
    Message {
        /// How many bytes it takes, header section and body.
        len: usize,
    },
    /// Something after which no message can be found any more: the stream is to be closed.
    Refused(FramingError),
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FramingError {
    /// The header section did not end within the limit.
    #[error("header section longer than the limit for a message")]
    HeaderTooLong,
    /// Header section and announced body together pass the limit.
    #[error("message longer than the limit")]
    MessageTooLong,
    /// Content-Length is not a decimal number.
    #[error("Content-Length is not a number")]
    BadContentLength,
    /// Two Content-Length header fields differ.
    #[error("Content-Length given twice with different values")]
    ConflictingContentLength,
}

/// The reading position in the first message of a stream, so that bytes which arrive one at a time are looked at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Framer {
    /// Bytes at the front that hold no end of a header section.
    scanned: usize,
    /// Length of the first message, once its header section is whole.
    whole: Option<usize>,
    /// The last thing read was a CRLF between messages.
    after_crlf: bool,
}

impl Framer {
    /// Reads the front of `buffer`, whose messages may take `max` bytes each.
    ///
    /// `buffer` begins where the last frame ended, and holds at least the bytes of the call before if that was
    /// [`Frame::Partial`].
    pub fn next(&mut self, buffer: &[u8], max: usize) -> Frame {
        if self.scanned == 0 && self.whole.is_none() {
            match buffer {
                [] | [b'\r'] => return Frame::Partial,
                // Taken at once, even where the second CRLF of a pair is still to come: a quiet stream then holds no byte.
                [b'\r', b'\n', ..] => {
                    let answer = self.after_crlf;
                    self.after_crlf = !answer;
                    return Frame::KeepAlive { len: 2, answer };
                }
                _ => self.after_crlf = false,
            }
        }
        let frame = match self.whole {
            Some(len) => complete(len, buffer),
            None => self.header_section(buffer, max),
        };
        if matches!(frame, Frame::Message { .. }) {
            *self = Self::default();
        }
        frame
    }

    /// Forgets half a double CRLF: what comes after a silence does not belong to it.
    pub fn lapse(&mut self) {
        self.after_crlf = false;
    }

    fn header_section(&mut self, buffer: &[u8], max: usize) -> Frame {
        let from = self.scanned.saturating_sub(END_OF_HEADERS.len() - 1);
        let found = memmem::find(buffer.get(from..).unwrap_or_default(), END_OF_HEADERS);
        let Some(header_len) = found.map(|at| from + at + END_OF_HEADERS.len()) else {
            self.scanned = buffer.len();
            return if buffer.len() > max { Frame::Refused(FramingError::HeaderTooLong) } else { Frame::Partial };
        };
        if header_len > max {
            return Frame::Refused(FramingError::HeaderTooLong);
        }
        match content_length(buffer.get(..header_len).unwrap_or_default()) {
            Err(error) => Frame::Refused(error),
            Ok(body_len) if body_len > max - header_len => Frame::Refused(FramingError::MessageTooLong),
            Ok(body_len) => {
                let len = header_len + body_len;
                self.whole = Some(len);
                complete(len, buffer)
            }
        }
    }
}

const END_OF_HEADERS: &[u8] = b"\r\n\r\n";

fn complete(len: usize, buffer: &[u8]) -> Frame {
    if buffer.len() < len { Frame::Partial } else { Frame::Message { len } }
}

/// The announced length of the body; 0 without the header field, saturated where the number is too large to hold.
fn content_length(header_section: &[u8]) -> Result<usize, FramingError> {
    let mut found = None;
    let (_, mut rest) = split_line(header_section);
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if let Some(value_start) = names_content_length(line) {
            let folded = continuation(after);
            let value_end = line.len() + folded;
            let length = number(rest.get(value_start..value_end).unwrap_or_default())?;
            if found.is_some_and(|earlier| earlier != length) {
                return Err(FramingError::ConflictingContentLength);
            }
            found = Some(length);
        }
        rest = after;
    }
    Ok(found.unwrap_or(0))
}

/// The first line with its CRLF, and what follows.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    while let Some(at) = memchr(b'\n', bytes.get(from..).unwrap_or_default()) {
        let end = from + at + 1;
        if bytes.get(..end).is_some_and(|line| line.ends_with(b"\r\n")) {
            return bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        }
        from = end;
    }
    (bytes, &[])
}

/// Where the value starts, when the line is a Content-Length header field, in full or compact (RFC 3261 §20.14).
fn names_content_length(line: &[u8]) -> Option<usize> {
    if !matches!(line.first()?, b'c' | b'C' | b'l' | b'L') {
        return None;
    }
    let colon = memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    (name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l")).then_some(colon + 1)
}

/// How many bytes of the lines at the front continue the line before them (RFC 3261 §7.3.1).
fn continuation(lines: &[u8]) -> usize {
    let mut rest = lines;
    while matches!(rest.first(), Some(b' ' | b'\t')) {
        rest = split_line(rest).1;
    }
    lines.len() - rest.len()
}

fn number(value: &[u8]) -> Result<usize, FramingError> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(FramingError::BadContentLength);
    }
    Ok(digits
        .iter()
        .fold(0_usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit.saturating_sub(b'0')))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 65_535;

    fn message(content_length: &str, body: &str) -> Vec<u8> {
        format!("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n{content_length}Call-ID: 1\r\n\r\n{body}").into_bytes()
    }

    /// What a stream cut into `pieces` gives: the messages, the number of pongs, and how it ended.
    fn read(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, usize, Option<FramingError>) {
        let (mut framer, mut buffer) = (Framer::default(), Vec::new());
        let (mut messages, mut pongs) = (Vec::new(), 0);
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match framer.next(&buffer, MAX) {
                    Frame::Partial => break,
                    Frame::KeepAlive { len, answer } => {
                        buffer.drain(..len);
                        pongs += usize::from(answer);
                    }
                    Frame::Message { len } => messages.push(buffer.drain(..len).collect()),
                    Frame::Refused(error) => return (messages, pongs, Some(error)),
                }
            }
        }
        (messages, pongs, None)
    }

    fn only_frame(bytes: &[u8]) -> Frame {
        Framer::default().next(bytes, MAX)
    }

    #[test]
    fn the_same_messages_come_out_however_the_stream_is_cut() {
        let first = message("Content-Length: 5\r\n", "hello");
        let second = message("l :\r\n 003\r\n", "abc");
        let third = message("", "");
        let stream = [&first[..], b"\r\n", &second, b"\r\n\r\n\r\n", &third].concat();
        let expected = (vec![first, second, third], 1, None);

        assert_eq!(read(&[&stream]), expected, "in one piece");
        assert_eq!(read(&stream.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
        for at in 0..stream.len() {
            assert_eq!(read(&[&stream[..at], &stream[at..]]), expected, "cut at {at}");
        }
    }

    #[test]
    fn a_double_crlf_asks_for_an_answer_also_when_it_comes_in_parts_and_a_lone_one_does_not() {
        assert_eq!(read(&[b"\r\n"]).1, 0);
        assert_eq!(read(&[b"\r\n\r\n"]).1, 1);
        assert_eq!(read(&[b"\r", b"\n", b"\r", b"\n"]).1, 1);
        assert_eq!(read(&[b"\r\n\r\n\r\n\r\n"]).1, 2);
    }

    #[test]
    fn a_silence_or_a_message_parts_the_two_halves_of_a_double_crlf() {
        let mut framer = Framer::default();
        assert_eq!(framer.next(b"\r\n", MAX), Frame::KeepAlive { len: 2, answer: false });
        framer.lapse();
        assert_eq!(framer.next(b"\r\n", MAX), Frame::KeepAlive { len: 2, answer: false });
        assert_eq!(read(&[b"\r\n", &message("", ""), b"\r\n"]).1, 0);
    }

    #[test]
    fn a_stream_without_content_length_has_no_bodies() {
        let lonely = message("", "");
        assert_eq!(only_frame(&[&lonely[..], b"body"].concat()), Frame::Message { len: lonely.len() });
    }

    #[test]
    fn lengths_that_are_no_plain_numbers_are_refused() {
        for bad in ["", " ", "-1", "+1", "1.0", "0x10", "1 2", "1,1", "1\r\n 2", "five", "\u{661}"] {
            let refused = only_frame(&message(&format!("Content-Length: {bad}\r\n"), "12345"));
            assert_eq!(refused, Frame::Refused(FramingError::BadContentLength), "{bad:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_body_arrives() {
        for huge in ["65535", "2147483609", "4294967296", "99999999999999999999", "184467440737095516160"] {
            let refused = only_frame(&message(&format!("l: {huge}\r\n"), ""));
            assert_eq!(refused, Frame::Refused(FramingError::MessageTooLong), "{huge}");
        }
        let header_section = message("Content-Length: 65000\r\n", "").len();
        let mut framer = Framer::default();
        let bytes = message("Content-Length: 65000\r\n", &"x".repeat(65_000));
        assert_eq!(framer.next(&bytes, header_section + 65_000), Frame::Message { len: bytes.len() });
    }

    #[test]
    fn a_header_section_without_end_is_refused_at_the_limit() {
        let endless = vec![b'a'; MAX + 1];
        assert_eq!(only_frame(&endless[..MAX]), Frame::Partial);
        assert_eq!(only_frame(&endless), Frame::Refused(FramingError::HeaderTooLong));
        let late = [&endless[..MAX], b"\r\n\r\n"].concat();
        assert_eq!(only_frame(&late), Frame::Refused(FramingError::HeaderTooLong));
    }

    #[test]
    fn equal_lengths_may_be_repeated_and_different_ones_are_refused() {
        let twice = message("Content-Length: 2\r\nL:\t02\r\n", "ab");
        assert_eq!(only_frame(&twice), Frame::Message { len: twice.len() });
        let differing = message("Content-Length: 2\r\nl: 3\r\n", "abc");
        assert_eq!(only_frame(&differing), Frame::Refused(FramingError::ConflictingContentLength));
    }

    #[test]
    fn bare_line_feeds_and_look_alike_names_set_no_length() {
        for innocent in
            ["X: a\nContent-Length: 5\r\n", "Subject: x\r\n l: 5\r\n", "Content-Lengthy: 5\r\n", "la: 5\r\n"]
        {
            let bytes = message(innocent, "");
            assert_eq!(
                only_frame(&[&bytes[..], b"12345"].concat()),
                Frame::Message { len: bytes.len() },
                "{innocent:?}"
            );
        }
        assert_eq!(only_frame(b"OPTIONS sip:a SIP/2.0\n\nrest"), Frame::Partial);
    }

    #[test]
    fn the_start_line_is_no_header_field() {
        assert_eq!(only_frame(b"l: 9\r\n\r\n"), Frame::Message { len: 8 });
    }

    proptest! {
        #[test]
        fn random_streams_frame_alike_whole_and_cut(
            parts in prop::collection::vec(prop_oneof![
                Just(message("", "")),
                "[a-z]{0,40}".prop_map(|body| message(&format!("Content-Length: {}\r\n", body.len()), &body)),
                Just(b"\r\n".to_vec()),
                Just(b"\r\n\r\n".to_vec()),
            ], 0..8),
            cuts in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let stream = parts.concat();
            let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            prop_assert_eq!(read(&[&stream]), read(&pieces));
        }

        #[test]
        fn arbitrary_bytes_frame_alike_whole_and_cut_and_never_past_their_end(
            stream in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b'l'), Just(b'3'), any::<u8>()], 0..200),
        ) {
            if let Frame::Message { len } | Frame::KeepAlive { len, .. } = only_frame(&stream) {
                prop_assert!(len > 0 && len <= stream.len());
            }
            prop_assert_eq!(read(&[&stream]), read(&stream.chunks(1).collect::<Vec<_>>()));
        }
    }
}
