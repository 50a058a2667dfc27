//! How a value that is written as text is read, key by key, and how it is written again.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use super::nearest::nearest;
use super::{LogFormat, Secret};
use crate::api::OperatorToken;
use crate::engine::Alias;
use crate::flow::Transport;
use crate::transport::{AdvertisedAddress, ListenAddress};
use crate::trunk::AuthPolicy;

/// A text that its key does not take, with what may have been meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) Option<String>);

impl Refusal {
    pub(super) fn hint(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }
}

/// A transport, a colon, and the rest.
fn after_transport(text: &str) -> Result<(Transport, &str), Refusal> {
    let Some((token, rest)) = text.split_once(':') else {
        return Err(Refusal::hint("a transport must come first: udp: or tcp:"));
    };
    if let Some(transport) = Transport::from_token(token.as_bytes()) {
        return Ok((transport, rest));
    }
    Err(if text.parse::<SocketAddr>().is_ok() {
        Refusal::hint(format!("a transport must come first: udp:{text} or tcp:{text}"))
    } else if ["tls", "ws", "wss", "sctp"].iter().any(|known| token.eq_ignore_ascii_case(known)) {
        Refusal::hint(format!("{} is not supported, only udp and tcp", token.to_ascii_lowercase()))
    } else {
        Refusal::hint("the transport must be udp or tcp")
    })
}

/// `udp:0.0.0.0:5060`. Port 0, which lets the system choose, is for tests.
pub(super) fn listen_address(text: &str) -> Result<ListenAddress, Refusal> {
    let (transport, address) = after_transport(text)?;
    Ok(ListenAddress { transport, address: socket_address(address)? })
}

/// `127.0.0.1:8080` or `[::1]:8080`.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Refusal> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let unbracketed = text.trim_start_matches('[').trim_end_matches(']');
    if unbracketed.parse::<IpAddr>().is_ok() {
        return Err(Refusal::hint("the port is missing, or an IPv6 address is not in brackets"));
    }
    Err(match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && host.parse::<Ipv6Addr>().is_ok() => {
            Refusal::hint(format!("an IPv6 address goes in brackets: [{host}]:{port}"))
        }
        Some((host, port)) if port.parse::<u16>().is_ok() && host_name(host).is_some() => {
            Refusal::hint(format!("{host} is a name, and listening needs an address such as 127.0.0.1 or [::1]"))
        }
        Some((host, port)) if host.parse::<IpAddr>().is_ok() => {
            Refusal::hint(format!("{port:?} is not a port from 0 to 65535"))
        }
        Some(_) | None => Refusal::default(),
    })
}

/// `udp:203.0.113.5:5060`, `tcp:sip.example.org:5060` or `udp:[2001:db8::5]:5060`.
pub(super) fn advertised_address(text: &str) -> Result<AdvertisedAddress, Refusal> {
    let (transport, rest) = after_transport(text)?;
    let (host, port) = host_and_port(rest)?;
    let Some(port) = port.filter(|port| *port != 0) else {
        return Err(Refusal::hint(format!("a port must follow: {transport}:{host}:5060")));
    };
    if host == "0.0.0.0" || host == "[::]" {
        return Err(Refusal::hint("nobody can send to the unspecified address: give the one that peers reach"));
    }
    Ok(AdvertisedAddress { transport, host, port })
}

/// `sip.example.org`, `sip.example.org:5060`, `192.0.2.1` or `[2001:db8::1]:5060`.
pub(super) fn alias(text: &str) -> Result<Alias, Refusal> {
    let (host, port) = host_and_port(text)?;
    if port == Some(0) {
        return Err(Refusal::hint("port 0 is not a port"));
    }
    Ok(Alias { host, port })
}

/// The host in the form in which it stands in a URI and is compared: lower case, IPv6 in brackets and as in RFC 5952.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), Refusal> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(Refusal::hint(format!("an IPv6 address goes in brackets: [{text}]")));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    let port = match port.map(str::parse::<u16>) {
        Some(Err(_)) => return Err(Refusal::hint("what follows the last colon is not a port")),
        Some(Ok(port)) => Some(port),
        None => None,
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bracketed.map(str::parse::<Ipv6Addr>) {
        Some(Ok(address)) => Some(format!("[{address}]")),
        Some(Err(_)) => None,
        None if host.parse::<IpAddr>().is_ok() => Some(host.to_owned()),
        None => host_name(host),
    };
    host.map(|host| (host, port)).ok_or_else(|| {
        let scheme = ["sip:", "sips:", "http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
        if scheme { Refusal::hint("only the host, without a scheme") } else { Refusal::default() }
    })
}

/// A host name (RFC 3261 §25.1 `hostname`, without the dot at its end), lower case; a last label of digits alone would
/// be read as an address by half the world.
pub(super) fn host_name(text: &str) -> Option<String> {
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_good = text.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    // A trunk's domain puts nine characters before it.
    let good = text.len() <= 244 && text.split('.').all(label_is_good) && last_is_good;
    good.then(|| text.to_ascii_lowercase())
}

pub(super) fn domain(text: &str) -> Result<String, Refusal> {
    host_name(text).ok_or_else(|| {
        if text.parse::<IpAddr>().is_ok() {
            Refusal::hint("an address is not a domain, and to be called by an address nothing needs to be set")
        } else if text.ends_with('.') {
            Refusal::hint("without the dot at its end")
        } else {
            Refusal::default()
        }
    })
}

/// `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32`. Bits beyond the prefix are refused: who writes `10.1.2.3/8` means
/// something else than what would be allowed.
pub(super) fn network(text: &str) -> Result<IpNet, Refusal> {
    let net: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| Refusal::default())?,
    };
    if net.trunc() != net {
        let (wide, one) = (net.trunc(), net.addr());
        return Err(Refusal::hint(format!(
            "the network of /{} is {wide}, the single address is {one}",
            net.prefix_len()
        )));
    }
    if let IpAddr::V6(address) = net.addr()
        && let Some(v4) = address.to_ipv4_mapped()
    {
        return Err(Refusal::hint(format!("IPv4 senders are known by their IPv4 address: write it as {v4}")));
    }
    Ok(net)
}

pub(super) fn auth_id(text: &str) -> Result<String, Refusal> {
    let good = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good { Ok(text.to_owned()) } else { Err(Refusal::default()) }
}

/// It is sent in an HTTP header; shorter than a password it would be guessed.
pub(super) fn auth_token(text: &str) -> Result<Option<Secret>, Refusal> {
    let good = (8..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(Some(Secret::new(text.to_owned()))) } else { Err(Refusal::default()) }
}

/// Longer than an account's: it opens all of them.
pub(super) fn operator_token(text: &str) -> Result<Option<OperatorToken>, Refusal> {
    let good = (16..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(Some(OperatorToken::of(text))) } else { Err(Refusal::default()) }
}

pub(super) fn auth_policy(text: &str) -> Result<AuthPolicy, Refusal> {
    let policies = [AuthPolicy::All, AuthPolicy::Any, AuthPolicy::IpOnly, AuthPolicy::DigestOnly];
    policies.into_iter().find(|policy| policy_word(*policy) == text).ok_or_else(|| {
        let words = policies.into_iter().map(policy_word);
        nearest(text, words).map(|word| Refusal::hint(format!("did you mean {word:?}?"))).unwrap_or_default()
    })
}

pub(super) const fn policy_word(policy: AuthPolicy) -> &'static str {
    match policy {
        AuthPolicy::All => "all",
        AuthPolicy::Any => "any",
        AuthPolicy::IpOnly => "ip_only",
        AuthPolicy::DigestOnly => "digest_only",
    }
}

/// 64 hexadecimal digits, or nothing.
pub(super) fn nonce_key(text: &str) -> Result<Option<[u8; 32]>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut key = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::hint("`openssl rand -hex 32` makes one"));
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = pair.iter().fold(0, |value, digit| value << 4 | hex_value(*digit));
    }
    Ok(Some(key))
}

fn hex_value(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or_default()
}

pub(super) fn folder(text: &str) -> Result<PathBuf, Refusal> {
    if text.is_empty() { Err(Refusal::default()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn optional_file(text: &str) -> Result<Option<PathBuf>, Refusal> {
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Refusal> {
    match text {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err(Refusal::default()),
    }
}

/// A bare word that is no level would silently become the name of a module that does not exist.
pub(super) fn log_level(text: &str) -> Result<String, Refusal> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let bare_words = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
    for word in bare_words {
        if !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word)) {
            let hint = nearest(word, LEVELS.into_iter()).map(|level| format!("did you mean {level:?}?"));
            return Err(Refusal(hint));
        }
    }
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Refusal::hint(error.to_string())),
    }
}
