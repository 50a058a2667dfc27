//! What shows that whoever holds a stream may be here.

use crate::message::Head;
use crate::message::Name;
use crate::message::StartLine;
use crate::message::parse_cseq;

/// Whether sending `message` over a stream shows that its peer is welcome: a request for it, or a response to one of its
/// own that was accepted. Refusals and the answer to OPTIONS are for anyone.
pub(super) fn is_welcome(message: &[u8]) -> bool {
    if !message.starts_with(b"SIP/") {
        return message.first().is_some_and(u8::is_ascii_alphabetic);
    }
    let Ok(head) = Head::read(message) else { return false };
    let is_accepted = matches!(StartLine::parse(head.start_line()), Some(StartLine::Response { status: 100..=299 }));
    is_accepted && head.get(Name::CSeq).and_then(parse_cseq).is_some_and(|(_, method)| method != b"OPTIONS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: &str, method: &str) -> Vec<u8> {
        format!("SIP/2.0 {status}\r\nVia: SIP/2.0/TCP h\r\nCSeq: 1 {method}\r\n\r\n").into_bytes()
    }

    #[test]
    fn requests_and_accepted_ones_are_welcome_and_what_anyone_gets_is_not() {
        for (status, method) in [("100 Trying", "INVITE"), ("180 Ringing", "INVITE"), ("200 OK", "REGISTER")] {
            assert!(is_welcome(&response(status, method)), "{status} {method}");
        }
        assert!(is_welcome(b"INVITE sip:bob@h SIP/2.0\r\n\r\n"));
        for (status, method) in [
            ("401 Unauthorized", "REGISTER"),
            ("302 Moved", "INVITE"),
            ("503 Full", "INVITE"),
            ("200 OK", "OPTIONS"),
            ("20 OK", "REGISTER"),
        ] {
            assert!(!is_welcome(&response(status, method)), "{status} {method}");
        }
        assert!(!is_welcome(b"\r\n") && !is_welcome(b"") && !is_welcome(b"SIP/2.0 200 OK\r\n\r\n"));
    }
}
