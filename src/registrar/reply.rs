//! The 200 to a REGISTER: all current bindings (RFC 3261 §10.3 step 8).

use crate::clock::Timestamp;
use crate::location::AorRecord;
use crate::message::{Reply, lex};

use super::Registration;

/// Appends the 200.
pub(super) fn write(registration: &Registration<'_, '_>, record: &AorRecord, now: Timestamp, out: &mut Vec<u8>) {
    let tag = lex::hex(registration.mark);
    let reply = Reply {
        head: &registration.request.head,
        peer: registration.flow.peer,
        status: 200,
        reason: "OK",
        to_tag: Some(&tag),
    };
    reply.write(out, |out| {
        for binding in record.bindings.iter().filter(|binding| binding.expires_at > now) {
            out.extend_from_slice(b"Contact: <");
            out.extend_from_slice(&binding.contact);
            out.extend_from_slice(b">;expires=");
            lex::push_decimal(out, binding.expires_at.since(now).as_micros().div_ceil(1_000_000) as u64);
            if binding.q != 1000 {
                out.extend_from_slice(b";q=0.");
                let digits = [binding.q / 100 % 10, binding.q / 10 % 10, binding.q % 10];
                out.extend(digits.iter().map(|&digit| b'0' + digit as u8));
            }
            out.extend_from_slice(b"\r\n");
        }
    });
}
