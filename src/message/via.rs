//! Via values (RFC 3261 §18.2.1, §20.42; RFC 3581).

use std::net::{IpAddr, SocketAddr};

use super::lex::{self, Params};
use super::uri::{self, DEFAULT_PORT};

/// RFC 3261 §8.1.1.7: a branch that starts so is unique in space and time.
pub const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// One Via value.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// The value as received.
    pub raw: &'a [u8],
    /// `UDP`, `TCP` or another transport.
    pub transport: &'a [u8],
    /// Host of the sent-by.
    pub host: &'a [u8],
    /// Port of the sent-by.
    pub port: Option<u16>,
    /// Its parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value, not a list.
    pub fn parse(raw: &'a [u8]) -> Option<Self> {
        let end = memchr::memchr(b';', raw).unwrap_or(raw.len());
        let (head, params) = raw.split_at_checked(end)?;
        let mut parts = head.splitn(3, |&byte| byte == b'/');
        let (name, version) = (lex::trim(parts.next()?), lex::trim(parts.next()?));
        if !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return None;
        }
        let rest = lex::trim(parts.next()?);
        let blank = rest.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
        let (transport, sent_by) = rest.split_at_checked(blank)?;
        let (host, port) = sent_by_parts(lex::trim(sent_by))?;
        (lex::is_token(transport) && params.iter().filter(|&&byte| byte == b'"').count() % 2 == 0).then_some(Self {
            raw,
            transport,
            host,
            port,
            params: Params(params),
        })
    }

    /// The branch; an empty one is none.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.get(b"branch").filter(|branch| !branch.is_empty())
    }

    /// Whether the client asked for RFC 3581 symmetric response routing.
    pub fn wants_rport(&self) -> bool {
        self.params.get(b"rport").is_some()
    }

    /// Whether `received` must be added for a request that came from `peer` (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn needs_received(&self, peer: IpAddr) -> bool {
        self.wants_rport() || uri::host_ip(self.host).is_none_or(|host| host.to_canonical() != peer.to_canonical())
    }

    /// Where a response goes over an unreliable transport (RFC 3261 §18.2.2, RFC 3581 §4): always back to the address the
    /// request came from, and to the port of the sent-by unless `rport` asks for the source port.
    pub fn reply_to(&self, peer: SocketAddr) -> SocketAddr {
        if self.wants_rport() { peer } else { SocketAddr::new(peer.ip(), self.port.unwrap_or(DEFAULT_PORT)) }
    }

    /// Writes the value with what `peer` shows: `received` and `rport` of ours in place of any that came with it.
    pub fn write_seen_from(&self, out: &mut Vec<u8>, peer: SocketAddr) {
        let claimed = self.params.get(b"received").is_some() || self.params.get(b"rport").is_some();
        if !claimed {
            out.extend_from_slice(self.raw);
        } else {
            let head = self.raw.len() - self.params.0.len();
            out.extend_from_slice(self.raw.get(..head).unwrap_or_default());
            for (name, value) in self.params.iter() {
                if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
                    continue;
                }
                out.push(b';');
                out.extend_from_slice(name);
                if !value.is_empty() {
                    out.push(b'=');
                    out.extend_from_slice(value);
                }
            }
        }
        if self.needs_received(peer.ip()) {
            out.extend_from_slice(b";received=");
            push_ip(out, peer.ip());
        }
        if self.wants_rport() {
            out.extend_from_slice(b";rport=");
            lex::push_decimal(out, u64::from(peer.port()));
        }
    }
}

/// The host and port of a sent-by, blanks around the colon allowed.
fn sent_by_parts(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    if let Some(parts) = uri::host_and_port(text) {
        return Some(parts);
    }
    let colon = memchr::memrchr(b':', text)?;
    let (host, port) = text.split_at_checked(colon)?;
    let (host, none) = uri::host_and_port(lex::trim(host))?;
    let port = u16::try_from(lex::decimal(lex::trim(port.get(1..)?))?).ok().filter(|&port| port > 0)?;
    none.is_none().then_some((host, Some(port)))
}

/// Appends an address without brackets, an IPv4-mapped one as IPv4.
pub fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            for (at, octet) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                lex::push_decimal(out, u64::from(octet));
            }
        }
        IpAddr::V6(v6) => out.extend_from_slice(v6.to_string().as_bytes()),
    }
}

/// Appends an address as a host part: IPv6 in brackets.
pub fn push_host_ip(out: &mut Vec<u8>, ip: IpAddr) {
    if ip.to_canonical().is_ipv6() {
        out.push(b'[');
        push_ip(out, ip);
        out.push(b']');
    } else {
        push_ip(out, ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(value: &str, peer: &str) -> String {
        let mut out = Vec::new();
        Via::parse(value.as_bytes()).unwrap().write_seen_from(&mut out, peer.parse().unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn blanks_are_allowed_where_rfc_4475_has_them() {
        let via = Via::parse(b"SIP  / 2.0\t/ UDP  192.0.2.2 : 4000 ;branch=390skdjuw").unwrap();
        assert_eq!((via.host, via.port, via.transport), (b"192.0.2.2".as_slice(), Some(4000), b"UDP".as_slice()));
        assert_eq!(via.branch(), Some(b"390skdjuw".as_slice()));
        assert!(Via::parse(b"SIP/2.0/TCP [2001:db8::9:1]:5061;branch=x").is_some());
        for bad in [
            b"SIP/2.0/UDP".as_slice(),
            b"SIP/2.0 UDP h",
            b"SIP/3.0/UDP h",
            b"",
            b"SIP/2.0/UDP h:0",
            b"SIP/2.0/UDP h:x",
            b"SIP/2.0/UDP [::1",
        ] {
            assert!(Via::parse(bad).is_none());
        }
    }

    #[test]
    fn received_and_rport_are_ours_whatever_was_claimed() {
        assert_eq!(seen("SIP/2.0/UDP 127.0.0.1:5;branch=b", "127.0.0.1:9"), "SIP/2.0/UDP 127.0.0.1:5;branch=b");
        assert_eq!(seen("SIP/2.0/UDP h;branch=b", "127.0.0.1:9"), "SIP/2.0/UDP h;branch=b;received=127.0.0.1");
        assert_eq!(
            seen("SIP/2.0/UDP h;rport;received=192.0.2.1;branch=b;x", "127.0.0.1:9"),
            "SIP/2.0/UDP h;branch=b;x;received=127.0.0.1;rport=9"
        );
        assert_eq!(
            seen("SIP/2.0/UDP [::1];rport=1;branch=b", "[::1]:9"),
            "SIP/2.0/UDP [::1];branch=b;received=::1;rport=9"
        );
    }

    #[test]
    fn responses_go_to_the_address_the_request_came_from() {
        let peer: SocketAddr = "127.0.0.1:9".parse().unwrap();
        assert_eq!(
            Via::parse(b"SIP/2.0/UDP 192.0.2.9:7;branch=b").unwrap().reply_to(peer),
            "127.0.0.1:7".parse().unwrap()
        );
        assert_eq!(Via::parse(b"SIP/2.0/UDP 192.0.2.9:7;rport;branch=b").unwrap().reply_to(peer), peer);
    }
}
