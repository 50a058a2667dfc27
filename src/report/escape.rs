//! Text from the network, made fit for one field of a log line.

use std::fmt::Write;

use memchr::{memchr, memrchr};

/// Longest text shown, in characters of the original; what is cut ends in `...`.
const LONGEST: usize = 128;

/// `bytes` with everything that could end the field or the line, or hide in it, as `\xHH`, byte by byte: control and other unprintable
/// characters, quotation marks, backslashes, and what is not UTF-8. Cut at 128 characters.
pub fn escape(bytes: &[u8]) -> String {
    // A character takes at most four bytes, so what lies beyond cannot be shown; it may be a whole message.
    let kept = bytes.get(..4 * LONGEST).unwrap_or(bytes);
    let mut text = String::with_capacity(kept.len().min(LONGEST) + 8);
    let (mut shown, mut taken) = (0, 0);
    for chunk in kept.utf8_chunks() {
        for character in chunk.valid().chars() {
            if shown == LONGEST {
                break;
            }
            push(&mut text, character);
            shown += 1;
            taken += character.len_utf8();
        }
        for byte in chunk.invalid() {
            if shown == LONGEST {
                break;
            }
            push_byte(&mut text, *byte);
            shown += 1;
            taken += 1;
        }
    }
    if taken < bytes.len() {
        text.push_str("...");
    }
    text
}

/// [`escape`] for a URI, without the password that RFC 3261 §19.1.1 lets stand in it.
pub fn escape_uri(uri: &[u8]) -> String {
    match password(uri) {
        Some((before, after)) => escape(&[before, b":***", after].concat()),
        None => escape(uri),
    }
}

/// What stands before and after `:password` in `sip:user:password@host`.
fn password(uri: &[u8]) -> Option<(&[u8], &[u8])> {
    let (userinfo, rest) = uri.split_at_checked(memrchr(b'@', uri)?)?;
    let scheme = memchr(b':', userinfo)? + 1;
    let colon = scheme + memchr(b':', userinfo.get(scheme..)?)?;
    Some((userinfo.get(..colon)?, rest))
}

fn push(text: &mut String, character: char) {
    if is_plain(character) {
        text.push(character);
    } else {
        let mut encoded = [0; 4];
        for byte in character.encode_utf8(&mut encoded).bytes() {
            push_byte(text, byte);
        }
    }
}

fn push_byte(text: &mut String, byte: u8) {
    let _ = write!(text, "\\x{byte:02x}");
}

/// `escape_debug` also knows what is unprintable beyond ASCII: line separators, and marks that turn the direction of text.
fn is_plain(character: char) -> bool {
    match character {
        '"' | '\\' => false,
        ' '..='~' => true,
        _ => character.escape_debug().len() == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(escape(b""), "");
        assert_eq!(escape(b"sip:alice+1@192.0.2.1;x='y'"), "sip:alice+1@192.0.2.1;x='y'");
        assert_eq!(escape("Jürgen 李".as_bytes()), "Jürgen 李");
    }

    #[test]
    fn what_could_end_a_field_or_a_line_is_shown_in_hexadecimal() {
        assert_eq!(escape(b"a\r\nb\tc\0d\x1b[31m\x7f"), r"a\x0d\x0ab\x09c\x00d\x1b[31m\x7f");
        assert_eq!(escape(br#"a" peer=1.2.3.4 user="b"#), r"a\x22 peer=1.2.3.4 user=\x22b");
        assert_eq!(escape(br"a\x0d"), r"a\x5cx0d", "an escape that came from outside cannot be mistaken for ours");
    }

    #[test]
    fn what_hides_beyond_ascii_is_shown_too() {
        for hidden in ["\u{85}", "\u{2028}", "\u{2029}", "\u{202e}", "\u{200b}", "\u{feff}"] {
            let escaped = escape(hidden.as_bytes());
            assert!(escaped.starts_with("\\x") && escaped.is_ascii(), "{escaped}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_shown_byte_by_byte() {
        assert_eq!(escape(b"a\xff\xc3b\xe2\x82"), r"a\xff\xc3b\xe2\x82");
    }

    #[test]
    fn every_byte_gives_printable_text_on_one_line() {
        for first in 0..=u8::MAX {
            for second in [b'a', b'\n', 0x80, 0xbf, 0xff] {
                let escaped = escape(&[first, second]);
                assert!(escaped.chars().all(|c| !c.is_control() && c != '"'), "{first} {second} {escaped}");
            }
        }
    }

    #[test]
    fn long_text_is_cut_at_128_characters_and_says_so() {
        assert_eq!(escape(&[b'a'; 128]), "a".repeat(128));
        assert_eq!(escape(&[b'a'; 129]), format!("{}...", "a".repeat(128)));
        assert_eq!(escape(&[0; 60_000]), format!("{}...", r"\x00".repeat(128)));
        assert_eq!(escape("ü".repeat(129).as_bytes()), format!("{}...", "ü".repeat(128)));
        assert_eq!(escape("𝕏".repeat(128).as_bytes()), "𝕏".repeat(128));
        assert_eq!(escape("𝕏".repeat(129).as_bytes()), format!("{}...", "𝕏".repeat(128)));
        assert_eq!(escape(&[0xff; 129]), format!("{}...", r"\xff".repeat(128)));
    }

    #[test]
    fn a_password_in_a_uri_is_not_shown() {
        assert_eq!(escape_uri(b"sip:alice:s3cret@host:5060"), "sip:alice:***@host:5060");
        assert_eq!(escape_uri(b"sip:alice:s3c@ret@host"), "sip:alice:***@host");
        assert_eq!(escape_uri(b"sip:alice@host:5060"), "sip:alice@host:5060");
        assert_eq!(escape_uri(b"sip:host:5060"), "sip:host:5060");
        assert_eq!(escape_uri(b"@"), "@");
    }
}
