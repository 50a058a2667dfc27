//! Entries of an IP ACL and the text of their networks.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use ipnet::IpNet;
use ipnet::Ipv4Net;
use thiserror::Error;
use uuid::Uuid;

/// What an entry says about the addresses in its network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// They may.
    Allow,
    /// They may not, under every policy.
    Deny,
}

/// One enabled entry of an IP ACL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The entry's identity.
    pub id: Uuid,
    /// Which addresses it is about.
    pub net: IpNet,
    /// What it says about them.
    pub rule: Rule,
    /// Names that whoever is admitted by this address alone may register.
    pub may_register: Box<[Box<str>]>,
}

/// A network that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AclError {
    /// Neither an address nor a network.
    #[error("found {found:?}, expected an address or a network such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32")]
    NotANetwork {
        /// The text.
        found: String,
    },
    /// The part behind the slash is no prefix length of that address family.
    #[error("found {found:?}, expected a prefix length from 0 to {longest} behind the slash")]
    PrefixLength {
        /// The text.
        found: String,
        /// 32 or 128.
        longest: u8,
    },
    /// An address and a prefix that cuts it: either a typing error or another network than it seems.
    #[error("found {found:?}, expected {network} for the network or {address} for the one address")]
    HostBits {
        /// The text.
        found: String,
        /// The network around the address.
        network: IpNet,
        /// The address alone.
        address: IpAddr,
    },
}

/// Reads an address or a network in CIDR notation, blanks around it allowed. IPv4-mapped IPv6 becomes IPv4.
///
/// # Errors
/// [`AclError`] says what was found and what is expected. Bits set behind the prefix are refused, not cut off.
pub fn parse_net(text: &str) -> Result<IpNet, AclError> {
    let found = || text.trim().to_owned();
    let (address, prefix) = match text.trim().split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text.trim(), None),
    };
    let address: IpAddr = address.parse().map_err(|_| AclError::NotANetwork { found: found() })?;
    let Some(prefix) = prefix else { return Ok(canonical(IpNet::from(address))) };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    // `u8::from_str` takes a sign, a prefix length has none.
    let length = prefix.parse().ok().filter(|_| prefix.bytes().all(|byte| byte.is_ascii_digit()));
    let net = length
        .and_then(|length| IpNet::new(address, length).ok())
        .ok_or_else(|| AclError::PrefixLength { found: found(), longest })?;
    if net.network() != address {
        return Err(AclError::HostBits { found: found(), network: net.trunc(), address });
    }
    Ok(canonical(net))
}

/// IPv4-mapped IPv6 (RFC 4291 §2.5.5.2) as the IPv4 that it means: a dual-stack socket shows IPv4 peers so.
pub(super) fn canonical(net: IpNet) -> IpNet {
    const MAPPED_PREFIX: u8 = 96;
    let IpNet::V6(v6) = net else { return net.trunc() };
    let length = v6.prefix_len().checked_sub(MAPPED_PREFIX);
    let address: Option<Ipv4Addr> = v6.network().to_ipv4_mapped();
    match (length, address) {
        (Some(length), Some(address)) => Ipv4Net::new(address, length).map_or(net, IpNet::V4),
        _ => net.trunc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        parse_net(text).unwrap().to_string()
    }

    fn message(text: &str) -> String {
        parse_net(text).unwrap_err().to_string()
    }

    #[test]
    fn addresses_and_networks_are_read() {
        assert_eq!(read("10.0.0.0/8"), "10.0.0.0/8");
        assert_eq!(read(" 192.0.2.1 "), "192.0.2.1/32");
        assert_eq!(read("2001:db8::/32"), "2001:db8::/32");
        assert_eq!(read("::1"), "::1/128");
        assert_eq!(read("0.0.0.0/0"), "0.0.0.0/0");
    }

    #[test]
    fn ipv4_in_ipv6_clothes_is_ipv4() {
        assert_eq!(read("::ffff:192.0.2.1"), "192.0.2.1/32");
        assert_eq!(read("::ffff:10.0.0.0/104"), "10.0.0.0/8");
        assert_eq!(read("::ffff:0:0/96"), "0.0.0.0/0");
        assert_eq!(read("::/0"), "::/0");
        assert_eq!(read("::10.0.0.0/104"), "::a00:0/104");
    }

    #[test]
    fn an_error_says_what_was_found_and_what_is_expected() {
        assert_eq!(
            message("10.1.2.3/8"),
            "found \"10.1.2.3/8\", expected 10.0.0.0/8 for the network or 10.1.2.3 for the one address"
        );
        assert_eq!(
            message("2001:db8::1/32"),
            "found \"2001:db8::1/32\", expected 2001:db8::/32 for the network or 2001:db8::1 for the one address"
        );
        assert_eq!(
            message("10.0.0.0/33"),
            "found \"10.0.0.0/33\", expected a prefix length from 0 to 32 behind the slash"
        );
        for wrong in ["::/129", "::/", "::/+8", "::/ 8", "::/8/8", "::/256"] {
            assert!(message(wrong).ends_with("from 0 to 128 behind the slash"), "{wrong}: {}", message(wrong));
        }
        for wrong in ["", "/8", "localhost", "10.0.0", "10.0.0.0.0", "010.0.0.1", "[::1]", "10.0.0.1:5060", "10.0.0.*"]
        {
            assert!(message(wrong).contains("expected an address or a network"), "{wrong}: {}", message(wrong));
        }
    }
}
