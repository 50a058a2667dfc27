//! What counts as one source: an IPv4 address or an IPv6 /64, since one host has all of a /64 to send from.

use std::net::IpAddr;

use ipnet::IpNet;

/// The bytes to hash for a source. An IPv4 address is not one of IPv6, whatever its bytes.
pub fn source_bytes(source: IpAddr) -> [u8; 8] {
    match source.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            // `::/32` has no hosts.
            [0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(ip) => ip.octets().first_chunk().copied().unwrap_or_default(),
    }
}

/// Whether `source` is in one of the networks.
pub(super) fn is_exempt(exempt: &[IpNet], source: IpAddr) -> bool {
    let source = source.to_canonical();
    exempt.iter().any(|net| net.contains(&source))
}
