//! The branch that this server writes into its Via (RFC 3261 §8.1.1.7, §16.6 step 8).
//!
//! ```text
//! z9hG4bKsw  2 hex shard  8 hex slot  16 hex random  .  16 hex loop mark
//! ```
//! The first part leads a response back to its transaction without a lookup; the random one keeps anybody from guessing it.
//! The loop mark is a keyed hash of what must change for the request to be another one (RFC 5393 §4).

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::message::{Name, Request, lex};
use crate::output::BranchId;

const PREFIX: &[u8] = b"z9hG4bKsw";

/// Appends a branch.
pub(super) fn write_branch(out: &mut Vec<u8>, shard: u8, id: BranchId, loop_mark: u64) {
    out.extend_from_slice(PREFIX);
    let place = lex::hex((u64::from(shard) << 32) | u64::from(id.index));
    out.extend_from_slice(place.get(6..).unwrap_or_default());
    out.extend_from_slice(&lex::hex(id.serial));
    out.push(b'.');
    out.extend_from_slice(&lex::hex(loop_mark));
}

/// The shard and the client transaction that a branch of ours names. One that was changed in length is none of ours
/// (RFC 3261 §17.1.3).
pub(super) fn read_branch(branch: &[u8]) -> Option<(u8, BranchId)> {
    loop_mark_of(branch)?;
    let text = branch.strip_prefix(PREFIX)?;
    let (first, rest) = text.split_at_checked(10)?;
    let place = from_hex(first)?;
    let serial = from_hex(rest.get(..16)?)?;
    Some(((place >> 32) as u8, BranchId { index: place as u32, serial }))
}

fn loop_mark_of(branch: &[u8]) -> Option<u64> {
    let text = branch.strip_prefix(PREFIX)?;
    from_hex(text.get(27..)?).filter(|_| text.len() == 43 && text.get(26) == Some(&b'.'))
}

fn from_hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |sum, &byte| {
        let digit = (byte as char).to_digit(16)?;
        Some((sum << 4) | u64::from(digit))
    })
}

/// The loop mark of a request as received.
pub(super) fn loop_mark(secret: &[u8; 16], request: &Request<'_>) -> u64 {
    let mut hasher = SipHasher24::new_with_key(secret);
    let parts = [
        request.uri.raw,
        request.from.tag().unwrap_or_default(),
        request.to.tag().unwrap_or_default(),
        request.call_id,
        request.method_token,
        &request.cseq.to_be_bytes(),
    ];
    for part in parts {
        hasher.write(part);
        hasher.write_u8(0xff);
    }
    for route in request.head.all(Name::Route) {
        hasher.write(route);
    }
    hasher.finish()
}

/// Whether the request has passed here before and nothing has changed since (RFC 3261 §16.3 step 4).
pub fn is_loop(secret: &[u8; 16], request: &Request<'_>) -> bool {
    let mut mark = None;
    request.head.all(Name::Via).filter(|value| memchr::memmem::find(value, PREFIX).is_some()).any(|value| {
        lex::list(value)
            .filter_map(crate::message::Via::parse)
            .filter_map(|via| via.branch().and_then(loop_mark_of))
            .any(|seen| {
                let own = *mark.get_or_insert_with(|| loop_mark(secret, request));
                seen == own
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_leads_back_to_its_transaction() {
        let id = BranchId { index: 0xdead_beef, serial: 0x0123_4567_89ab_cdef };
        let mut out = Vec::new();
        write_branch(&mut out, 200, id, 42);
        assert_eq!(read_branch(&out), Some((200, id)));
        assert_eq!(loop_mark_of(&out), Some(42));
        for cut in 0..out.len() {
            assert_eq!(read_branch(&out[..cut]), None);
        }
        out.push(b'0');
        assert_eq!(read_branch(&out), None);
        assert_eq!(read_branch(b"z9hG4bKother"), None);
    }
}
