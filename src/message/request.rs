//! A request whose mandatory fields have been read, and why some requests are refused (RFC 3261 §8.1.1, §16.3).

use super::address::Address;
use super::head::{Broken, Head};
use super::lex;
use super::name::Name;
use super::uri::Uri;
use super::via::Via;

/// A method. Tokens are case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// INVITE
    Invite,
    /// ACK
    Ack,
    /// BYE
    Bye,
    /// CANCEL
    Cancel,
    /// REGISTER
    Register,
    /// OPTIONS
    Options,
    /// SUBSCRIBE
    Subscribe,
    /// REFER
    Refer,
    /// UPDATE
    Update,
    /// Any other, known to somebody else or to nobody
    Other,
}

impl Method {
    /// Recognises a method token; case counts.
    pub fn recognise(token: &[u8]) -> Self {
        match token {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"SUBSCRIBE" => Self::Subscribe,
            b"REFER" => Self::Refer,
            b"UPDATE" => Self::Update,
            _ => Self::Other,
        }
    }

    /// Whether a request of this method can make a dialog, so that the proxy must stay on its path.
    pub const fn makes_dialog(self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Refer)
    }

    /// Whether its Contact replaces the remote target of a dialog (RFC 3261 §12.2, RFC 3311).
    pub const fn refreshes_target(self) -> bool {
        matches!(self, Self::Invite | Self::Update | Self::Subscribe | Self::Refer)
    }
}

/// Why a message cannot be served: the status and reason phrase that its sender is told, where it can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// 400, 416, 505 …
    pub status: u16,
    /// What is wrong, as a reason phrase.
    pub reason: &'static str,
}

impl Malformed {
    const fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }
}

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its header fields.
    pub head: Head<'a>,
    /// The method.
    pub method: Method,
    /// The method as written.
    pub method_token: &'a [u8],
    /// The Request-URI.
    pub uri: Uri<'a>,
    /// The topmost Via.
    pub via: Via<'a>,
    /// From.
    pub from: Address<'a>,
    /// To.
    pub to: Address<'a>,
    /// Call-ID.
    pub call_id: &'a [u8],
    /// The number in CSeq.
    pub cseq: u32,
    /// Max-Forwards, if given.
    pub max_forwards: Option<u8>,
    /// The body, cut to Content-Length.
    pub body: &'a [u8],
}

/// The first line of a message, taken apart.
#[derive(Clone, Copy, Debug)]
pub enum StartLine<'a> {
    /// Of a request.
    Request {
        /// As written.
        method: &'a [u8],
        /// The Request-URI.
        uri: &'a [u8],
        /// `SIP/2.0`, normally.
        version: &'a [u8],
    },
    /// Of a response.
    Response {
        /// 100 to 699.
        status: u16,
    },
}

impl<'a> StartLine<'a> {
    /// Reads a start line: exactly one blank between its parts (RFC 3261 §7.1, §7.2).
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (first, rest) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
        let rest = rest.get(1..)?;
        if first.eq_ignore_ascii_case(b"SIP/2.0") {
            let digits = rest.get(..3)?;
            let status = u16::try_from(lex::decimal(digits)?).ok().filter(|code| (100..700).contains(code))?;
            return matches!(rest.get(3), None | Some(b' ')).then_some(Self::Response { status });
        }
        let (uri, version) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
        let version = version.get(1..)?;
        let legal = lex::is_token(first) && !uri.is_empty() && !version.contains(&b' ');
        legal.then_some(Self::Request { method: first, uri, version })
    }
}

impl<'a> Request<'a> {
    /// Reads the mandatory fields of a request. What stands against it is reported in the order of RFC 3261 §16.3:
    /// syntax (400), version (505), then the scheme of the Request-URI (416). `is_stream` says that framing has cut the
    /// message, so that a missing Content-Length means no body.
    ///
    /// # Errors
    /// The [`Malformed`] together with the head, from which a refusal can be composed where Via, From, To, Call-ID and
    /// CSeq allow it.
    #[expect(
        clippy::result_large_err,
        reason = "the head is moved either way; a box would allocate for every malformed datagram"
    )]
    pub fn parse(head: Head<'a>, is_stream: bool) -> Result<Self, (Malformed, Head<'a>)> {
        match Self::fields(&head, is_stream) {
            Ok(parts) => Ok(parts.with(head)),
            Err(malformed) => Err((malformed, head)),
        }
    }

    fn fields(head: &Head<'a>, is_stream: bool) -> Result<Parts<'a>, Malformed> {
        let Some(StartLine::Request { method, uri, version }) = StartLine::parse(head.start_line()) else {
            return Err(Malformed::bad("Bad Request Line"));
        };
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(match version.get(..4) {
                Some(name) if name.eq_ignore_ascii_case(b"SIP/") => {
                    Malformed { status: 505, reason: "Version Not Supported" }
                }
                _ => Malformed::bad("Bad Request Line"),
            });
        }
        check_shape(head)?;
        let via = head.items(Name::Via).next().and_then(Via::parse).ok_or(Malformed::bad("Bad Via"))?;
        let from = head.get(Name::From).and_then(Address::parse).ok_or(Malformed::bad("Bad From"))?;
        let to = head.get(Name::To).and_then(Address::parse).ok_or(Malformed::bad("Bad To"))?;
        let call_id = head.get(Name::CallId).filter(|id| is_call_id(id)).ok_or(Malformed::bad("Bad Call-ID"))?;
        let (cseq, cseq_method) = head.get(Name::CSeq).and_then(parse_cseq).ok_or(Malformed::bad("Bad CSeq"))?;
        if cseq_method != method {
            return Err(Malformed::bad("CSeq Method Differs"));
        }
        let max_forwards = match head.get(Name::MaxForwards) {
            Some(value) => Some(
                lex::decimal(value)
                    .and_then(|hops| u8::try_from(hops).ok())
                    .ok_or(Malformed::bad("Bad Max-Forwards"))?,
            ),
            None => None,
        };
        let body = cut_body(head, is_stream)?;
        let uri = Uri::parse(uri).ok_or(Malformed::bad("Bad Request-URI"))?;
        if !uri.is_sip() {
            return Err(Malformed { status: 416, reason: "Unsupported URI Scheme" });
        }
        Ok(Parts { method, uri, via, from, to, call_id, cseq, max_forwards, body })
    }
}

struct Parts<'a> {
    method: &'a [u8],
    uri: Uri<'a>,
    via: Via<'a>,
    from: Address<'a>,
    to: Address<'a>,
    call_id: &'a [u8],
    cseq: u32,
    max_forwards: Option<u8>,
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn with(self, head: Head<'a>) -> Request<'a> {
        let Self { method, uri, via, from, to, call_id, cseq, max_forwards, body } = self;
        let method_token = method;
        let method = Method::recognise(method);
        Request { head, method, method_token, uri, via, from, to, call_id, cseq, max_forwards, body }
    }
}

fn check_shape(head: &Head<'_>) -> Result<(), Malformed> {
    match head.broken {
        Some(Broken::Truncated) => return Err(Malformed::bad("No End of Header Fields")),
        Some(Broken::LineEnd) => return Err(Malformed::bad("Bad Line End")),
        Some(Broken::FieldName | Broken::Folded) => return Err(Malformed::bad("Bad Header Field Name")),
        Some(Broken::TooManyFields) => return Err(Malformed::bad("Too Many Header Fields")),
        None => {}
    }
    let mut seen = [false; Name::COUNT];
    for field in head.fields().iter().filter(|field| field.name.is_single()) {
        if let Some(seen) = seen.get_mut(field.name as usize)
            && std::mem::replace(seen, true)
        {
            return Err(Malformed::bad("Header Field Repeated"));
        }
    }
    Ok(())
}

/// RFC 3261 §25.1: `word [ "@" word ]`. Only what could break a line or a log is refused.
fn is_call_id(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|&byte| byte > b' ' && byte != 0x7f)
}

/// CSeq: a number below 2^31 and a method (RFC 3261 §8.1.1.5).
pub fn parse_cseq(value: &[u8]) -> Option<(u32, &[u8])> {
    let blank = value.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
    let (number, method) = value.split_at_checked(blank)?;
    let number = lex::decimal(number).filter(|&number| number < 1 << 31)?;
    let method = lex::trim(method);
    lex::is_token(method).then_some((number as u32, method))
}

/// RFC 3261 §18.3: over datagrams the body ends with the packet or with Content-Length, and a body that is shorter than
/// announced is an error.
fn cut_body<'a>(head: &Head<'a>, is_stream: bool) -> Result<&'a [u8], Malformed> {
    let rest = head.rest();
    let mut announced = None;
    for value in head.all(Name::ContentLength) {
        let length = lex::decimal(value).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(Malformed::bad("Bad Content-Length"))?;
        if announced.is_some_and(|other| other != length) {
            return Err(Malformed::bad("Two Values of Content-Length"));
        }
        announced = Some(length);
    }
    match announced {
        Some(length) => rest.get(..length).ok_or(Malformed::bad("Body Shorter Than Content-Length")),
        None if is_stream => Ok(b""),
        None => Ok(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request<'_>, Malformed> {
        Request::parse(Head::read(text.as_bytes()).unwrap(), false).map_err(|(malformed, _)| malformed)
    }

    const BASE: &str = "OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

    #[test]
    fn the_mandatory_fields_are_read() {
        let text = format!("{BASE}Max-Forwards: 70\r\nl: 2\r\n\r\nbodies");
        let request = parse(&text).unwrap();
        assert_eq!(request.method, Method::Options);
        assert_eq!(request.body, b"bo");
        assert_eq!((request.cseq, request.max_forwards), (1, Some(70)));
    }

    #[test]
    fn each_fault_has_its_own_answer() {
        let status = |text: String| parse(&text).map(|_| ()).unwrap_err().status;
        let reason = |text: String| parse(&text).map(|_| ()).unwrap_err().reason;
        assert_eq!(status(format!("{}\r\n", BASE.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"))), 505);
        assert_eq!(status(format!("{}\r\n", BASE.replace("sip:b@h SIP", "nobody:b SIP"))), 416);
        assert_eq!(reason(BASE.to_owned()), "No End of Header Fields");
        assert_eq!(reason(format!("{}\r\n", BASE.replace("sip:b@h SIP", "sip:b@h  SIP"))), "Bad Request Line");
        assert_eq!(reason(format!("{BASE}To: <sip:x@y>\r\n\r\n")), "Header Field Repeated");
        assert_eq!(reason(format!("{}\r\n", BASE.replace("1 OPTIONS", "1 INVITE"))), "CSeq Method Differs");
        assert_eq!(reason(format!("{}\r\n", BASE.replace("1 OPTIONS", "2147483648 OPTIONS"))), "Bad CSeq");
        assert_eq!(reason(format!("{BASE}Max-Forwards: 256\r\n\r\n")), "Bad Max-Forwards");
        for length in ["-1", "99", "18446744073709551616", "1\r\nContent-Length: 2", ""] {
            let text = format!("{BASE}Content-Length: {length}\r\n\r\nab");
            assert_eq!(parse(&text).map(|_| ()).unwrap_err().status, 400, "{length}");
        }
    }
}
