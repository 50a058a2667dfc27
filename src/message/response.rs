//! A response as a proxy sees it: enough to find its transaction; the rest passes by unread (RFC 3261 §16.7).

use super::address::Address;
use super::head::Head;
use super::name::Name;
use super::request::{StartLine, parse_cseq};
use super::via::Via;

/// A response.
#[derive(Debug)]
pub struct Response<'a> {
    /// Its header fields.
    pub head: Head<'a>,
    /// 100 to 699.
    pub status: u16,
    /// The topmost Via, ours if the response is.
    pub via: Via<'a>,
    /// The method in CSeq.
    pub cseq_method: &'a [u8],
    /// Call-ID.
    pub call_id: &'a [u8],
    /// To.
    pub to: Address<'a>,
    /// From.
    pub from: Address<'a>,
}

impl<'a> Response<'a> {
    /// Reads a response; `None` when it is malformed, for then there is nobody to tell.
    pub fn parse(head: Head<'a>) -> Option<Self> {
        let StartLine::Response { status } = StartLine::parse(head.start_line())? else { return None };
        if head.broken.is_some() {
            return None;
        }
        let via = head.items(Name::Via).next().and_then(Via::parse)?;
        let (_, cseq_method) = head.get(Name::CSeq).and_then(parse_cseq)?;
        let call_id = head.get(Name::CallId)?;
        let to = head.get(Name::To).and_then(Address::parse)?;
        let from = head.get(Name::From).and_then(Address::parse)?;
        Some(Self { head, status, via, cseq_method, call_id, to, from })
    }
}
