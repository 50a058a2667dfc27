//! IP access lists: of the entries that contain an address the longest prefix decides, at equal length deny wins.
//!
//! One lookup walks a multi-bit trie, five bits a step: at most 7 steps for IPv4 and 26 for IPv6, whatever the number of
//! entries; building is linear in the entries. Nothing is allocated by a lookup. IPv4 and IPv6 are separate: `::/0` says
//! nothing about an IPv4 peer, also where a dual-stack socket shows it as `::ffff:192.0.2.1`.

mod rule;

pub use rule::{AclError, Entry, Rule, parse_net};

use std::net::IpAddr;

use ipnet::IpNet;
use ipnet::Ipv4Net;
use ipnet::Ipv6Net;
use prefix_trie::PrefixMap;

use rule::canonical;

/// A compiled list, immutable: a change makes a new one.
#[derive(Debug, Default)]
pub struct Acl {
    v4: PrefixMap<Ipv4Net, Entry>,
    v6: PrefixMap<Ipv6Net, Entry>,
    has_allow: bool,
}

/// What the list says about an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<'a> {
    /// A deny entry decided.
    Denied(&'a Entry),
    /// An allow entry decided.
    Allowed(&'a Entry),
    /// There are allow entries, and none contains the address.
    Unlisted,
    /// There is no allow entry at all. The address passes, but that never counts as authentication.
    NoAllowList,
}

impl Acl {
    /// Compiles the enabled entries. Of several about one network a deny stays, else the first, which then also has the
    /// names of the others to register.
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut acl = Self::default();
        for mut entry in entries {
            entry.net = canonical(entry.net);
            acl.has_allow |= entry.rule == Rule::Allow;
            match entry.net {
                IpNet::V4(net) => add(&mut acl.v4, net, entry),
                IpNet::V6(net) => add(&mut acl.v6, net, entry),
            }
        }
        acl
    }

    /// What the list says about `ip`.
    pub fn decide(&self, ip: IpAddr) -> Verdict<'_> {
        let decisive = match ip.to_canonical() {
            IpAddr::V4(ip) => self.v4.get_lpm(&Ipv4Net::from(ip)).map(|(_, entry)| entry),
            IpAddr::V6(ip) => self.v6.get_lpm(&Ipv6Net::from(ip)).map(|(_, entry)| entry),
        };
        match decisive {
            Some(entry) if entry.rule == Rule::Allow => Verdict::Allowed(entry),
            Some(entry) => Verdict::Denied(entry),
            None if self.has_allow => Verdict::Unlisted,
            None => Verdict::NoAllowList,
        }
    }

    /// Whether any entry allows, also one that a deny entry for the same network outweighs.
    pub const fn has_allow(&self) -> bool {
        self.has_allow
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The entries that can decide, by network.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.v4.values().chain(self.v6.values())
    }
}

fn add<P: prefix_trie::Prefix>(map: &mut PrefixMap<P, Entry>, net: P, entry: Entry) {
    let Some(present) = map.get_mut(&net) else {
        map.insert(net, entry);
        return;
    };
    match (present.rule, entry.rule) {
        (Rule::Deny, _) => {}
        (Rule::Allow, Rule::Deny) => *present = entry,
        (Rule::Allow, Rule::Allow) => {
            present.may_register = present.may_register.iter().chain(&entry.may_register).cloned().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::net::Ipv6Addr;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn entry(rule: Rule, net: &str, number: u128) -> Entry {
        Entry { id: Uuid::from_u128(number), net: parse_net(net).unwrap(), rule, may_register: Box::default() }
    }

    fn acl(rules: &[(Rule, &str)]) -> Acl {
        Acl::new(rules.iter().zip(0..).map(|((rule, net), number)| entry(*rule, net, number)).collect())
    }

    fn word(acl: &Acl, ip: &str) -> &'static str {
        match acl.decide(ip.parse().unwrap()) {
            Verdict::Denied(_) => "denied",
            Verdict::Allowed(_) => "allowed",
            Verdict::Unlisted => "unlisted",
            Verdict::NoAllowList => "no allow list",
        }
    }

    #[test]
    fn the_longest_prefix_decides_in_either_direction() {
        let acl = acl(&[(Rule::Deny, "10.0.0.0/8"), (Rule::Allow, "10.1.0.0/16"), (Rule::Deny, "10.1.2.3")]);
        assert_eq!(word(&acl, "10.2.0.1"), "denied");
        assert_eq!(word(&acl, "10.1.0.1"), "allowed");
        assert_eq!(word(&acl, "10.1.2.3"), "denied");
        assert_eq!(word(&acl, "192.0.2.1"), "unlisted");
    }

    #[test]
    fn at_equal_length_deny_wins_in_either_order() {
        for rules in [[Rule::Allow, Rule::Deny], [Rule::Deny, Rule::Allow]] {
            let acl = acl(&rules.map(|rule| (rule, "10.0.0.0/8")));
            assert_eq!(word(&acl, "10.0.0.1"), "denied");
            assert_eq!(word(&acl, "192.0.2.1"), "unlisted", "the allow entry still makes it an allow list");
        }
    }

    #[test]
    fn without_an_allow_entry_strangers_pass_unauthenticated() {
        assert_eq!(word(&acl(&[(Rule::Deny, "10.0.0.0/8")]), "192.0.2.1"), "no allow list");
        let empty = Acl::default();
        assert_eq!(word(&empty, "::1"), "no allow list");
        assert!(empty.is_empty() && !empty.has_allow());
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let acl = acl(&[(Rule::Allow, "::/0"), (Rule::Deny, "::ffff:10.0.0.0/104")]);
        assert_eq!(word(&acl, "10.0.0.1"), "denied");
        assert_eq!(word(&acl, "::ffff:10.0.0.1"), "denied");
        assert_eq!(word(&acl, "::ffff:192.0.2.1"), "unlisted");
        assert_eq!(word(&acl, "192.0.2.1"), "unlisted");
        assert_eq!(word(&acl, "2001:db8::1"), "allowed");
    }

    #[test]
    fn two_allow_entries_of_one_network_share_their_names() {
        let named = |number, name: &str| Entry {
            may_register: Box::new([Box::from(name)]),
            ..entry(Rule::Allow, "192.0.2.1", number)
        };
        let acl = Acl::new(vec![named(1, "pbx"), named(2, "door")]);
        let Verdict::Allowed(entry) = acl.decide("192.0.2.1".parse().unwrap()) else { panic!("not allowed") };
        assert_eq!(entry.id, Uuid::from_u128(1));
        assert_eq!(*entry.may_register, [Box::from("pbx"), Box::from("door")]);
        assert_eq!(acl.entries().count(), 1);
    }

    /// The rule of product and documentation, word by word, over a plain list.
    fn oracle(entries: &[Entry], ip: IpAddr) -> (&'static str, Option<u8>) {
        let containing = || entries.iter().filter(|entry| entry.net.contains(&ip));
        let Some(longest) = containing().map(|entry| entry.net.prefix_len()).max() else {
            let any_allow = entries.iter().any(|entry| entry.rule == Rule::Allow);
            return (if any_allow { "unlisted" } else { "no allow list" }, None);
        };
        let denied = containing().any(|entry| entry.net.prefix_len() == longest && entry.rule == Rule::Deny);
        (if denied { "denied" } else { "allowed" }, Some(longest))
    }

    /// Addresses that differ in few bits, so that networks nest and contain them often.
    fn any_ip() -> impl Strategy<Value = IpAddr> {
        let few_bits =
            || prop::collection::vec(0..32_u32, 0..3).prop_map(|bits| bits.iter().fold(0, |a, b| a | 1 << b));
        prop_oneof![
            few_bits().prop_map(|bits: u32| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 ^ bits))),
            few_bits().prop_map(|bits: u32| IpAddr::V6(Ipv6Addr::from((0x2001_0db8 ^ u128::from(bits)) << 96))),
            few_bits().prop_map(|bits: u32| IpAddr::V6(Ipv6Addr::from(u128::from(bits)))),
        ]
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        (any_ip(), 0..=128_u8, any::<bool>(), any::<u128>()).prop_map(|(ip, length, allow, id)| Entry {
            id: Uuid::from_u128(id),
            net: IpNet::new(ip, if ip.is_ipv4() { length % 33 } else { length }).unwrap().trunc(),
            rule: if allow { Rule::Allow } else { Rule::Deny },
            may_register: Box::default(),
        })
    }

    proptest! {
        #[test]
        fn the_trie_agrees_with_a_plain_list(
            entries in prop::collection::vec(any_entry(), 0..30),
            ips in prop::collection::vec(any_ip(), 1..20),
        ) {
            let acl = Acl::new(entries.clone());
            for ip in ips {
                let (expected, length) = oracle(&entries, ip);
                prop_assert_eq!(word(&acl, &ip.to_string()), expected, "{}", ip);
                let decisive = match acl.decide(ip) {
                    Verdict::Allowed(entry) | Verdict::Denied(entry) => Some(entry),
                    Verdict::Unlisted | Verdict::NoAllowList => None,
                };
                prop_assert_eq!(decisive.map(|entry| entry.net.prefix_len()), length);
                prop_assert!(decisive.is_none_or(|entry| entry.net.contains(&ip)));
            }
        }
    }
}
