//! Header field names that the core reads, in their long and compact forms (RFC 3261 §7.3.3, §20).

/// A header field name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Name {
    /// `Via`, `v`
    Via,
    /// `From`, `f`
    From,
    /// `To`, `t`
    To,
    /// `Call-ID`, `i`
    CallId,
    /// `CSeq`
    CSeq,
    /// `Max-Forwards`
    MaxForwards,
    /// `Contact`, `m`
    Contact,
    /// `Route`
    Route,
    /// `Record-Route`
    RecordRoute,
    /// `Content-Length`, `l`
    ContentLength,
    /// `Authorization`
    Authorization,
    /// `Proxy-Authorization`
    ProxyAuthorization,
    /// `Expires`
    Expires,
    /// `Require`
    Require,
    /// `Proxy-Require`
    ProxyRequire,
    /// `User-Agent`
    UserAgent,
    /// `P-Asserted-Identity` (RFC 3325)
    PAssertedIdentity,
    /// `P-Preferred-Identity` (RFC 3325)
    PPreferredIdentity,
    /// Any other
    Other,
}

impl Name {
    /// How many names there are.
    pub const COUNT: usize = Self::Other as usize + 1;

    /// Recognises a name; case does not count.
    pub fn recognise(name: &[u8]) -> Self {
        let is = |long: &[u8]| name.eq_ignore_ascii_case(long);
        match (name.len(), name.first().map(u8::to_ascii_lowercase)) {
            (1, Some(compact)) => match compact {
                b'v' => Self::Via,
                b'f' => Self::From,
                b't' => Self::To,
                b'i' => Self::CallId,
                b'm' => Self::Contact,
                b'l' => Self::ContentLength,
                _ => Self::Other,
            },
            (2, Some(b't')) if is(b"to") => Self::To,
            (3, Some(b'v')) if is(b"via") => Self::Via,
            (4, Some(b'f')) if is(b"from") => Self::From,
            (4, Some(b'c')) if is(b"cseq") => Self::CSeq,
            (5, Some(b'r')) if is(b"route") => Self::Route,
            (7, Some(b'c')) if is(b"call-id") => Self::CallId,
            (7, Some(b'c')) if is(b"contact") => Self::Contact,
            (7, Some(b'e')) if is(b"expires") => Self::Expires,
            (7, Some(b'r')) if is(b"require") => Self::Require,
            (10, Some(b'u')) if is(b"user-agent") => Self::UserAgent,
            (12, Some(b'm')) if is(b"max-forwards") => Self::MaxForwards,
            (12, Some(b'r')) if is(b"record-route") => Self::RecordRoute,
            (13, Some(b'a')) if is(b"authorization") => Self::Authorization,
            (13, Some(b'p')) if is(b"proxy-require") => Self::ProxyRequire,
            (14, Some(b'c')) if is(b"content-length") => Self::ContentLength,
            (19, Some(b'p')) if is(b"proxy-authorization") => Self::ProxyAuthorization,
            (19, Some(b'p')) if is(b"p-asserted-identity") => Self::PAssertedIdentity,
            (20, Some(b'p')) if is(b"p-preferred-identity") => Self::PPreferredIdentity,
            _ => Self::Other,
        }
    }

    /// Whether RFC 3261 §7.3.1 allows one such field only.
    pub const fn is_single(self) -> bool {
        matches!(self, Self::From | Self::To | Self::CallId | Self::CSeq | Self::MaxForwards | Self::Expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_compact_and_odd_case_names_are_the_same() {
        assert_eq!(Name::recognise(b"VIA"), Name::Via);
        assert_eq!(Name::recognise(b"v"), Name::Via);
        assert_eq!(Name::recognise(b"p-asserted-IDENTITY"), Name::PAssertedIdentity);
        assert_eq!(Name::recognise(b"Proxy-Authorization"), Name::ProxyAuthorization);
        assert_eq!(Name::recognise(b"Vi"), Name::Other);
        assert_eq!(Name::recognise(b""), Name::Other);
    }
}
