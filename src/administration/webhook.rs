//! Where a webhook may lead: not into networks that only the server can see.

use std::net::IpAddr;

use super::error::Error;

const MAX: usize = 500;

/// Whether `url` may be called. A name is looked at again when it is resolved, before each call.
pub(super) fn check(url: &str, private: bool) -> Result<(), Error> {
    let invalid = || Error::invalid("webhook_url", "invalid webhook_url");
    // A backslash is a slash to browsers and to some libraries.
    let is_plain = |char: char| char.is_ascii_graphic() && char != '\\';
    if url.len() > MAX || !url.chars().all(is_plain) {
        return Err(invalid());
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(invalid());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Userinfo has no use here and hides the host from readers.
    if authority.contains('@') {
        return Err(invalid());
    }
    let host = host_of(authority).ok_or_else(invalid)?;
    if private {
        return Ok(());
    }
    match host.parse::<IpAddr>() {
        Ok(ip) if is_private(ip) => Err(invalid()),
        Ok(_) => Ok(()),
        Err(_) if is_public_name(host) => Ok(()),
        Err(_) => Err(invalid()),
    }
}

/// The host without brackets; `None` for an authority that cannot be.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!host.is_empty() && port_fits).then_some(host)
}

/// Names that mean this machine, and numbers in forms that libraries read as IPv4 addresses (`127.1`, `2130706433`, `0x7f.1`).
fn is_public_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = |label: &str| label.starts_with("0x") || label.bytes().all(|byte| byte.is_ascii_digit());
    let fits = host.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    });
    fits && !is_number(last) && last != "localhost" && host.len() <= 253
}

/// Addresses that mean something else on every network, or this machine.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            first == 0
                || v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // The well-known NAT64 prefix leads to IPv4 addresses (RFC 6052).
            let nat64 = (first, second) == (0x64, 0xff9b);
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
                || nat64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_and_names_pass() {
        for url in [
            "https://example.com/hook?x=1",
            "HTTP://203.0.113.5:8080",
            "http://[2001:db8::1]:81/a@b",
            "https://a-b_c.example.com.",
            "https://1password.com/#frag",
        ] {
            assert_eq!(check(url, false), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_leads_inside_or_is_no_url_is_refused() {
        for url in [
            "",
            "example.com",
            "ftp://example.com/",
            "http://",
            "http://:80/",
            "http://127.0.0.1/",
            "http://localhost:9/",
            "http://a.localhost./",
            "http://0.0.0.0",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest",
            "http://[::1]/",
            "http://[fc00::1]/",
            "http://[fd12::1]/",
            "http://[fe80::1]/",
            "http://[ff02::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0x7f000001/",
            "http://user@example.com/",
            "http://example.com\\@127.0.0.1/",
            "http://example.com:99999/",
            "http://exa mple.com/",
            "http://[::1",
        ] {
            assert_eq!(check(url, false), Err(Error::invalid("webhook_url", "invalid webhook_url")), "{url}");
        }
        assert!(check(&format!("https://example.com/{}", "x".repeat(500)), false).is_err());
        assert_eq!(check("http://127.0.0.1:9/", true), Ok(()));
        assert!(check("ftp://127.0.0.1:9/", true).is_err());
    }
}
