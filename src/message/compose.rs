//! Writing messages from the bytes of others: replies to a request (RFC 3261 §8.2.6) and edited copies.

use std::net::SocketAddr;

use super::head::{Field, Head};
use super::lex;
use super::name::Name;
use super::via::Via;

/// Appends the status line.
pub fn write_status_line(out: &mut Vec<u8>, status: u16, reason: &str) {
    out.extend_from_slice(b"SIP/2.0 ");
    lex::push_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends `Content-Length: 0` and the empty line.
pub fn end_without_body(out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// A reply of this server to a request.
///
/// It works on a bare [`Head`], so that a malformed request can be refused as well, as long as [`Reply::can_address`] it.
#[derive(Debug)]
pub struct Reply<'r, 'a> {
    /// The request.
    pub head: &'r Head<'a>,
    /// The socket's peer, for `received` and `rport`.
    pub peer: SocketAddr,
    /// The status.
    pub status: u16,
    /// The reason phrase.
    pub reason: &'r str,
    /// The To tag, if the request has none yet (RFC 3261 §8.2.6.2); `None` for 100.
    pub to_tag: Option<&'r [u8]>,
}

impl Reply<'_, '_> {
    /// Whether the fields that a reply copies are there, and the topmost Via says where it goes. A field with half a line
    /// end in it is copied by nobody: what reads the reply might see another line there.
    pub fn can_address<'a>(head: &Head<'a>) -> Option<Via<'a>> {
        let copied = [Name::From, Name::To, Name::CallId, Name::CSeq];
        if copied.iter().any(|&name| head.get(name).is_none_or(<[u8]>::is_empty)) {
            return None;
        }
        let splits = |value: &[u8]| memchr::memchr3(b'\r', b'\n', 0, value).is_some();
        if head.broken.is_some()
            && (copied.iter().filter_map(|&name| head.get(name)).any(splits) || head.all(Name::Via).any(splits))
        {
            return None;
        }
        head.items(Name::Via).next().and_then(Via::parse)
    }

    /// Appends the reply; `extra` writes whole header lines before Content-Length.
    pub fn write(&self, out: &mut Vec<u8>, extra: impl FnOnce(&mut Vec<u8>)) {
        write_status_line(out, self.status, self.reason);
        let mut topmost = true;
        for field in self.head.fields().iter().filter(|field| field.name == Name::Via) {
            if std::mem::take(&mut topmost) {
                write_topmost_via(out, self.head.value(field), self.peer);
            } else {
                out.extend_from_slice(self.head.slice(field.start, field.end));
            }
        }
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            let Some(field) = self.head.first(name) else { continue };
            let tag = if name == Name::To { self.to_tag.filter(|_| !has_tag(self.head.value(field))) } else { None };
            match tag {
                Some(tag) => {
                    out.extend_from_slice(b"To: ");
                    out.extend_from_slice(self.head.value(field));
                    out.extend_from_slice(b";tag=");
                    out.extend_from_slice(tag);
                    out.extend_from_slice(b"\r\n");
                }
                None => out.extend_from_slice(self.head.slice(field.start, field.end)),
            }
        }
        extra(out);
        end_without_body(out);
    }
}

/// Whether a To value has a tag. One that cannot be read is taken to have one, so that it is copied untouched.
fn has_tag(value: &[u8]) -> bool {
    super::Address::parse(value).is_none_or(|address| address.params.get(b"tag").is_some())
}

/// Appends a Via line whose first value shows where the request came from.
pub fn write_topmost_via(out: &mut Vec<u8>, value: &[u8], peer: SocketAddr) {
    out.extend_from_slice(b"Via: ");
    let mut items = lex::list(value);
    match items.next().and_then(Via::parse) {
        Some(via) => via.write_seen_from(out, peer),
        None => return out.truncate(out.len() - b"Via: ".len()),
    }
    for item in items {
        out.extend_from_slice(b", ");
        out.extend_from_slice(item);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the header fields of a message, each as it stands unless `replace` has dealt with it: `replace` returns true
/// when it wrote what takes the field's place, or nothing at all.
pub fn copy_fields(head: &Head<'_>, out: &mut Vec<u8>, mut replace: impl FnMut(&Field, &mut Vec<u8>) -> bool) {
    for field in head.fields() {
        if !replace(field, out) {
            out.extend_from_slice(head.slice(field.start, field.end));
        }
    }
}

/// The reason phrase of RFC 3261 §21 for a status that this server makes itself.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        487 => "Request Terminated",
        500 => "Server Internal Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        _ => "Refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"OPTIONS sip:b@h SIP/2.0\r\nv: SIP/2.0/UDP h;branch=1, SIP/2.0/UDP i\r\nVia: SIP/2.0/TCP j\r\nTo: sip:b@h\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:evil@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nX: y\r\n\r\n";

    #[test]
    fn a_reply_copies_each_field_once_and_every_via() {
        let head = Head::read(REQUEST).unwrap();
        assert!(Reply::can_address(&head).is_some());
        let mut out = Vec::new();
        let reply = Reply {
            head: &head,
            peer: "127.0.0.1:9".parse().unwrap(),
            status: 404,
            reason: "Not Found",
            to_tag: Some(b"t"),
        };
        reply.write(&mut out, |out| out.extend_from_slice(b"Server: x\r\n"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP h;branch=1;received=127.0.0.1, SIP/2.0/UDP i\r\nVia: SIP/2.0/TCP j\r\n\
             From: <sip:a@h>;tag=1\r\nTo: sip:b@h;tag=t\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nServer: x\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_tag_that_is_there_stays() {
        let text = String::from_utf8(REQUEST.to_vec()).unwrap().replace("To: sip:b@h\r\n", "To: <sip:b@h>;tag=old\r\n");
        let head = Head::read(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        let reply = Reply {
            head: &head,
            peer: "127.0.0.1:9".parse().unwrap(),
            status: 404,
            reason: "Not Found",
            to_tag: Some(b"t"),
        };
        reply.write(&mut out, |_| ());
        assert!(String::from_utf8(out).unwrap().contains("To: <sip:b@h>;tag=old\r\n"));
    }
}
