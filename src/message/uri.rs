//! SIP and SIPS URIs (RFC 3261 §19.1) on the bytes as received.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::lex::{self, Params};

/// The scheme of a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// Any other; such a URI is kept as it is and not taken apart.
    Other,
}

/// A URI, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// Its scheme.
    pub scheme: Scheme,
    /// The user part with its parameters, escapes kept; `None` without one.
    pub user: Option<&'a [u8]>,
    /// Host name or address; an IPv6 address stands in brackets.
    pub host: &'a [u8],
    /// The port, if one is given.
    pub port: Option<u16>,
    /// URI parameters, from the first `;` on.
    pub params: Params<'a>,
    /// URI headers, behind the `?`.
    pub headers: Option<&'a [u8]>,
}

impl<'a> Uri<'a> {
    /// Reads a URI. `None` when it is not one, or a `sip:` URI that breaks RFC 3261 §25.1.
    pub fn parse(raw: &'a [u8]) -> Option<Self> {
        #[cfg(test)]
        tests::PARSED.with(|count| count.set(count.get() + 1));
        let (scheme, rest) = raw.split_at_checked(memchr::memchr(b':', raw)?)?;
        let rest = rest.get(1..)?;
        let scheme = match scheme {
            sip if sip.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
            sips if sips.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
            other if is_scheme(other) && !rest.is_empty() && is_visible(rest) => {
                let host = b"";
                return Some(Self {
                    raw,
                    scheme: Scheme::Other,
                    user: None,
                    host,
                    port: None,
                    params: Params(b""),
                    headers: None,
                });
            }
            _ => return None,
        };
        let (user, rest) = match memchr::memchr(b'@', rest) {
            Some(at) => (Some(user_part(rest.get(..at)?)?), rest.get(at + 1..)?),
            None => (None, rest),
        };
        let end = rest.iter().position(|byte| matches!(byte, b';' | b'?')).unwrap_or(rest.len());
        let (host_port, tail) = rest.split_at_checked(end)?;
        let (host, port) = host_and_port(host_port)?;
        let (params, headers) = match memchr::memchr(b'?', tail) {
            Some(at) => (tail.get(..at)?, Some(tail.get(at + 1..)?)),
            None => (tail, None),
        };
        if !params.iter().chain(headers.unwrap_or_default()).all(|&byte| is_uri_byte(byte)) {
            return None;
        }
        Some(Self { raw, scheme, user, host, port, params: Params(params), headers })
    }

    /// Whether the scheme is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        self.scheme != Scheme::Other
    }

    /// The host as an address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// Host and port as an address, with the port's default of 5060; `None` for a host name.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.ip().map(|ip| SocketAddr::new(ip, self.port.unwrap_or(DEFAULT_PORT)))
    }

    /// The user without password, percent-decoded; `None` without one or where an escape is broken.
    pub fn user_name(&self) -> Option<std::borrow::Cow<'a, [u8]>> {
        let user = self.user?;
        let end = memchr::memchr(b':', user).unwrap_or(user.len());
        lex::percent_decode(user.get(..end)?)
    }

    /// RFC 3261 §19.1.4: whether two URIs name the same resource.
    pub fn equals(&self, other: &Self) -> bool {
        #[cfg(test)]
        tests::COMPARED.with(|count| count.set(count.get() + 1));
        if self.raw == other.raw {
            return true;
        }
        if self.scheme == Scheme::Other || self.scheme != other.scheme {
            return false;
        }
        let same_user = match (self.user, other.user) {
            (Some(one), Some(two)) => {
                matches!((lex::percent_decode(one), lex::percent_decode(two)), (Some(a), Some(b)) if a == b)
            }
            (None, None) => true,
            _ => false,
        };
        let same_host = match (self.ip(), other.ip()) {
            (Some(one), Some(two)) => one == two,
            _ => self.host.eq_ignore_ascii_case(other.host),
        };
        same_user
            && same_host
            && self.port == other.port
            && params_match(self.params, other.params)
            && params_match(other.params, self.params)
            && self.headers.unwrap_or_default() == other.headers.unwrap_or_default()
    }
}

/// RFC 3261 §18.1.1 and §19.1.2: where no port is given.
pub const DEFAULT_PORT: u16 = 5060;

/// `user`, `ttl`, `method` and `maddr` (and `transport`) must match when they are in either URI, others only when in both.
fn params_match(one: Params<'_>, two: Params<'_>) -> bool {
    one.iter().all(|(name, value)| match two.get(name) {
        Some(there) => value.eq_ignore_ascii_case(there),
        None => ![b"user".as_slice(), b"ttl", b"method", b"maddr", b"transport"]
            .iter()
            .any(|strict| name.eq_ignore_ascii_case(strict)),
    })
}

fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn is_visible(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte > b' ' && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"'))
}

const fn is_uri_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'@')
}

fn user_part(user: &[u8]) -> Option<&[u8]> {
    let legal =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%:#[]\\^`|{}".contains(&byte) || byte >= 0x80;
    (!user.is_empty() && user.iter().all(|&byte| legal(byte)) && lex::percent_decode(user).is_some()).then_some(user)
}

/// Splits `host[:port]`; the port must be in 1 to 65535.
pub fn host_and_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_end = match text {
        [b'[', ..] => memchr::memchr(b']', text)? + 1,
        _ => memchr::memchr(b':', text).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_end)?;
    let port = match rest {
        [] => None,
        [b':', digits @ ..] => Some(u16::try_from(lex::decimal(digits)?).ok().filter(|&port| port > 0)?),
        _ => return None,
    };
    is_host(host).then_some((host, port))
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [b'[', .., b']'] => host_ip(host).is_some(),
        [] => false,
        _ => host.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    }
}

/// The address that a host part is, if it is one.
pub fn host_ip(host: &[u8]) -> Option<IpAddr> {
    match host {
        [b'[', inner @ .., b']'] => std::str::from_utf8(inner).ok()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        [first, ..] if first.is_ascii_digit() => {
            std::str::from_utf8(host).ok()?.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many URIs this thread has taken apart.
        pub(crate) static PARSED: Cell<usize> = const { Cell::new(0) };
        /// How many pairs of them it has compared.
        pub(crate) static COMPARED: Cell<usize> = const { Cell::new(0) };
    }

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a URI"))
    }

    #[test]
    fn every_part_of_a_uri_is_found() {
        let found = uri("sip:john.doe;x=1:pw@[2001:db8::1]:5070;transport=TCP;lr?a=b&c=d");
        assert_eq!(found.user, Some(b"john.doe;x=1:pw".as_slice()));
        assert_eq!(found.user_name().as_deref(), Some(b"john.doe;x=1".as_slice()));
        assert_eq!(found.socket_addr(), Some("[2001:db8::1]:5070".parse().unwrap()));
        assert_eq!(found.params.get(b"transport"), Some(b"TCP".as_slice()));
        assert_eq!(found.params.get(b"lr"), Some(b"".as_slice()));
        assert_eq!(found.headers, Some(b"a=b&c=d".as_slice()));
        assert_eq!(uri("SIP:127.0.0.1").socket_addr(), Some("127.0.0.1:5060".parse().unwrap()));
        assert_eq!(uri("tel:+123").scheme, Scheme::Other);
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for bad in [
            "",
            ":",
            "sip:",
            "sip:@host",
            "sip:a@",
            "sip:a@h:0",
            "sip:a@h:65536",
            "sip:a@h:4294967297",
            "sip:a@[::1",
            "sip:a@::1",
            "sip:a%@h",
            "sip:a%2@h",
            "sip:a@b@c",
            "<sip:a@b>",
            "sip:a b@c",
            "sip:a@h;p=<x>",
            "1:a",
            "sip:a@h\0",
        ] {
            assert!(Uri::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }

    /// The examples of RFC 3261 §19.1.4.
    #[test]
    fn equality_is_that_of_rfc_3261_19_1_4() {
        for (one, two) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            ("sip:alice@atlanta.com?subject=project", "sip:alice@atlanta.com?subject=project"),
        ] {
            assert!(uri(one).equals(&uri(two)), "{one} {two}");
        }
        for (one, two) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtlanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:carol@chicago.com?Subject=next%20meeting", "sip:carol@chicago.com"),
        ] {
            assert!(!uri(one).equals(&uri(two)), "{one} {two}");
        }
    }
}
