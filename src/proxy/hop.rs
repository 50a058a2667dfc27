//! Requests that this proxy makes of its own from an INVITE it has sent: ACK for a failure (RFC 3261 §17.1.1.3) and
//! CANCEL (§9.1). Both go to the next hop only.

use crate::message::{Field, Head, Name, StartLine, end_without_body, parse_cseq};

/// Appends the ACK for a failure; `to` is the To value of the response.
pub(super) fn write_ack(out: &mut Vec<u8>, invite: &[u8], to: &[u8]) {
    write(out, invite, b"ACK", Some(to));
}

/// Appends the CANCEL.
pub(super) fn write_cancel(out: &mut Vec<u8>, invite: &[u8]) {
    write(out, invite, b"CANCEL", None);
}

fn write(out: &mut Vec<u8>, invite: &[u8], method: &[u8], to: Option<&[u8]>) {
    let Ok(head) = Head::read(invite) else { return };
    let Some(StartLine::Request { uri, .. }) = StartLine::parse(head.start_line()) else { return };
    for part in [method, b" ", uri, b" SIP/2.0\r\n"] {
        out.extend_from_slice(part);
    }
    let copy = |out: &mut Vec<u8>, field: &Field| out.extend_from_slice(head.slice(field.start, field.end));
    if let Some(via) = head.first(Name::Via) {
        copy(out, via);
    }
    head.fields().iter().filter(|field| field.name == Name::Route).for_each(|field| copy(out, field));
    out.extend_from_slice(b"Max-Forwards: 70\r\n");
    if let Some(from) = head.first(Name::From) {
        copy(out, from);
    }
    match (to, head.first(Name::To)) {
        (Some(to), _) => [b"To: ", to, b"\r\n"].into_iter().for_each(|part| out.extend_from_slice(part)),
        (None, Some(field)) => copy(out, field),
        (None, None) => {}
    }
    if let Some(call_id) = head.first(Name::CallId) {
        copy(out, call_id);
    }
    if let Some((number, _)) = head.get(Name::CSeq).and_then(parse_cseq) {
        out.extend_from_slice(b"CSeq: ");
        crate::message::lex::push_decimal(out, u64::from(number));
        for part in [b" ", method, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    end_without_body(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP me;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP you;branch=z9hG4bK0\r\nRoute: <sip:x;lr>\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nContact: <sip:a@q>\r\nContent-Length: 2\r\n\r\nxx";

    #[test]
    fn an_ack_for_a_failure_has_one_via_and_the_tag_of_the_response() {
        let mut out = Vec::new();
        write_ack(&mut out, INVITE, b"<sip:b@h>;tag=9");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "ACK sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP me;branch=z9hG4bK1\r\nRoute: <sip:x;lr>\r\nMax-Forwards: 70\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=9\r\nCall-ID: c\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_cancel_is_the_invite_without_its_body() {
        let mut out = Vec::new();
        write_cancel(&mut out, INVITE);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("CANCEL sip:b@h SIP/2.0\r\n")
                && text.contains("CSeq: 7 CANCEL\r\n")
                && text.contains("To: <sip:b@h>\r\n")
        );
        assert!(!text.contains("Contact") && text.ends_with("Content-Length: 0\r\n\r\n"));
    }
}
