//! rsip 0.4 as the second reader of every REGISTER that changes a binding and every INVITE that starts a dialog.
//!
//! From it come the fields that it is known to get right: Call-ID, the CSeq number, Expires, User-Agent (measured in
//! `docs/decisions/0002-rsip.md`). It refuses IPv6 request lines, unknown methods and compact names among others: what it
//! refuses is served all the same from our own reader and counted. Nothing of security or routing depends on it.

use rsip::headers::UntypedHeader;
use rsip::message::HeadersExt;

/// What rsip read of a request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SecondReading {
    /// Call-ID.
    pub call_id: Option<String>,
    /// The number in CSeq.
    pub cseq: Option<u32>,
    /// Expires, in seconds.
    pub expires: Option<u32>,
    /// User-Agent.
    pub user_agent: Option<String>,
}

/// rsip does not take the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

impl SecondReading {
    /// The first field that rsip read and read otherwise than we did.
    pub fn difference(&self, call_id: &[u8], cseq: u32) -> Option<&'static str> {
        if self.call_id.as_deref().is_some_and(|id| id.as_bytes() != call_id) {
            Some("Call-ID")
        } else if self.cseq.is_some_and(|number| number != cseq) {
            Some("CSeq")
        } else {
            None
        }
    }
}

/// Reads a request with rsip.
///
/// # Errors
/// [`Refused`] when rsip does not take it, which says nothing about the message.
pub fn read(message: &[u8]) -> Result<SecondReading, Refused> {
    let request = rsip::Request::try_from(message).map_err(|_| Refused)?;
    Ok(SecondReading {
        call_id: request.call_id_header().ok().map(|id| id.value().trim().to_owned()),
        cseq: request.cseq_header().ok().and_then(|cseq| cseq.seq().ok()),
        expires: request.expires_header().filter(is_number).and_then(|expires| expires.seconds().ok()),
        user_agent: request.user_agent_header().map(|agent| agent.value().trim().to_owned()),
    })
}

/// rsip takes a sign too, which RFC 3261 §20.19 does not have.
fn is_number(expires: &&rsip::headers::Expires) -> bool {
    expires.value().trim().bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_it_gets_right_are_read() {
        let message = b"REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: c@d\r\nCSeq: 7 REGISTER\r\nExpires: 60\r\nUser-Agent: x y\r\nContent-Length: 0\r\n\r\n";
        let reading = read(message).unwrap();
        assert_eq!(reading.call_id.as_deref(), Some("c@d"));
        assert_eq!((reading.cseq, reading.expires), (Some(7), Some(60)));
        assert_eq!(reading.user_agent.as_deref(), Some("x y"));
    }

    #[test]
    fn an_ipv6_request_line_is_refused_by_rsip_alone() {
        assert_eq!(read(b"REGISTER sip:[::1] SIP/2.0\r\nCSeq: 1 REGISTER\r\n\r\n"), Err(Refused));
    }
}
