//! Who is let in: the four auth policies against passwords and addresses (product §2 step 4).
//!
//! The tables are written from the specification: a row is an address, its letters are what a right, a wrong and no
//! password bring there. `P` lets in, `C` challenges, `F` is 403.

use sipward::acl::Rule;
use sipward::event::Outcome;
use sipward::flow::Flow;
use sipward::trunk::AuthPolicy;

use crate::support::phone::{Phone, header, status};
use crate::support::{SERVER, Setup, World, address};

const ACL: [(&str, Rule); 2] = [("127.0.0.0/24", Rule::Allow), ("127.0.0.3/32", Rule::Deny)];
const INSIDE: &str = "127.0.0.1:6001";
const OUTSIDE: &str = "127.0.1.9:6001";
const DENIED: &str = "127.0.0.3:6001";

/// Rows: inside, outside and denied by the ACL, and a trunk without ACL entries. Columns: right, wrong, no password.
type Table = [(AuthPolicy, [&'static str; 4]); 4];

/// Calls, and REGISTER of a name that no ACL entry may register: an address by itself lets call, not register.
const CALL: Table = [
    (AuthPolicy::All, ["PCC", "CCC", "CCC", "PCC"]),
    (AuthPolicy::Any, ["PPP", "PCC", "CCC", "PCC"]),
    (AuthPolicy::IpOnly, ["PPP", "FFF", "FFF", "FFF"]),
    (AuthPolicy::DigestOnly, ["PCC", "PCC", "CCC", "PCC"]),
];
const REGISTER: Table = [
    (AuthPolicy::All, ["PCC", "CCC", "CCC", "PCC"]),
    (AuthPolicy::Any, ["PCC", "PCC", "CCC", "PCC"]),
    (AuthPolicy::IpOnly, ["FFF", "FFF", "FFF", "FFF"]),
    (AuthPolicy::DigestOnly, ["PCC", "PCC", "CCC", "PCC"]),
];
/// REGISTER where the ACL entry may register the name.
const REGISTER_LISTED: Table = [
    (AuthPolicy::All, ["PCC", "CCC", "CCC", "PCC"]),
    (AuthPolicy::Any, ["PPP", "PCC", "CCC", "PCC"]),
    (AuthPolicy::IpOnly, ["PPP", "FFF", "FFF", "FFF"]),
    (AuthPolicy::DigestOnly, ["PCC", "PCC", "CCC", "PCC"]),
];
/// A trunk that has no credential: no password is right, and `all` asks only for the ACL. Without ACL entries as well,
/// nobody gets in.
const CALL_NO_CREDENTIALS: Table = [
    (AuthPolicy::All, ["PPP", "CCC", "CCC", "CCC"]),
    (AuthPolicy::Any, ["PPP", "CCC", "CCC", "CCC"]),
    (AuthPolicy::IpOnly, ["PPP", "FFF", "FFF", "FFF"]),
    (AuthPolicy::DigestOnly, ["CCC", "CCC", "CCC", "CCC"]),
];
const REGISTER_NO_CREDENTIALS: Table = [
    (AuthPolicy::All, ["CCC", "CCC", "CCC", "CCC"]),
    (AuthPolicy::Any, ["CCC", "CCC", "CCC", "CCC"]),
    (AuthPolicy::IpOnly, ["FFF", "FFF", "FFF", "FFF"]),
    (AuthPolicy::DigestOnly, ["CCC", "CCC", "CCC", "CCC"]),
];
const REGISTER_LISTED_NO_CREDENTIALS: Table = [
    (AuthPolicy::All, ["PPP", "CCC", "CCC", "CCC"]),
    (AuthPolicy::Any, ["PPP", "CCC", "CCC", "CCC"]),
    (AuthPolicy::IpOnly, ["PPP", "FFF", "FFF", "FFF"]),
    (AuthPolicy::DigestOnly, ["CCC", "CCC", "CCC", "CCC"]),
];
/// A disabled trunk lets nobody in, and says so no more than a wrong password does.
const DISABLED: Table = [
    (AuthPolicy::All, ["CCC", "CCC", "CCC", "CCC"]),
    (AuthPolicy::Any, ["CCC", "CCC", "CCC", "CCC"]),
    (AuthPolicy::IpOnly, ["FFF", "FFF", "FFF", "FFF"]),
    (AuthPolicy::DigestOnly, ["CCC", "CCC", "CCC", "CCC"]),
];

#[derive(Clone, Copy, Debug)]
enum Password {
    Right,
    Wrong,
    None,
}

/// One request of alice, answered as `password` says. Returns what became of her in one letter.
fn attempt(setup: &Setup, method: &str, peer: &str, tcp: bool, password: Password) -> char {
    let mut world = World::new(setup);
    world.bind("bob", "sip:bob@127.0.0.1:6002", Flow::udp(address(SERVER), address("127.0.0.1:6002")));
    let mut alice = Phone::new("alice", peer);
    if tcp {
        alice = alice.over_tcp(1);
    }
    if matches!(password, Password::Wrong) {
        alice.password = "wrong";
    }
    let contact = format!("Contact: <{}>\r\n", alice.contact());
    let plain = if method == "REGISTER" { alice.register_with(&contact) } else { alice.invite_with("bob", "") };
    let text = match password {
        Password::None => plain,
        Password::Right | Password::Wrong => {
            let answer = alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1);
            alice.with_answer(&plain, &answer)
        }
    };
    let sent = alice.send(&mut world, &text);
    let bound = world.bindings("alice").len();
    let statuses: Vec<u16> = sent.iter().map(|sent| status(&sent.text)).collect();
    match (method, statuses.as_slice()) {
        ("REGISTER", [200]) if bound == 1 => 'P',
        ("INVITE", [100, 0]) if sent[1].flow.peer == address("127.0.0.1:6002") => 'P',
        (_, [401 | 403]) => {
            assert!(bound == 0 && world.is_idle(), "a refusal leaves nothing behind");
            let challenge = header(&sent[0].text, "WWW-Authenticate");
            assert!(challenge.is_none_or(|challenge| !challenge.contains("stale")), "{}", sent[0].text);
            assert_eq!(challenge.is_some(), statuses == [401], "{}", sent[0].text);
            if statuses == [401] { 'C' } else { 'F' }
        }
        _ => panic!("neither in nor refused: {sent:?}"),
    }
}

/// Tries every case of a table over UDP and TCP and reports all that differ.
fn check(method: &str, table: Table, setup: &Setup) {
    check_beside(None, method, table, setup);
}

/// The same; `other` is the policy for the other methods, if not that of the row.
fn check_beside(other: Option<AuthPolicy>, method: &str, table: Table, setup: &Setup) {
    let mut wrong = Vec::new();
    for (policy, rows) in table {
        for (at, row) in rows.into_iter().enumerate() {
            let (place, peer) = [("inside", INSIDE), ("outside", OUTSIDE), ("denied", DENIED), ("no ACL", INSIDE)][at];
            let acl = if place == "no ACL" { Vec::new() } else { ACL.to_vec() };
            let other = other.unwrap_or(policy);
            let (register, call) = if method == "REGISTER" { (policy, other) } else { (other, policy) };
            let setup = Setup { policy: register, policy_call: Some(call), acl, ..setup.clone() };
            for (password, expected) in [Password::Right, Password::Wrong, Password::None].into_iter().zip(row.chars())
            {
                for tcp in [false, true] {
                    let found = attempt(&setup, method, peer, tcp, password);
                    if found != expected {
                        let way = if tcp { "TCP" } else { "UDP" };
                        wrong.push(format!(
                            "{method} over {way}, policy {policy:?}, {place}, {password:?} password: expected {expected}, found {found}"
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_policy_lets_call_whom_it_should() {
    check("INVITE", CALL, &Setup::default());
}

#[test]
fn each_policy_lets_register_whom_it_should() {
    check("REGISTER", REGISTER, &Setup::default());
}

/// A trunk may let phones register with their passwords and a carrier call by its address.
#[test]
fn each_policy_holds_for_its_own_methods_whatever_the_other_says() {
    for other in [AuthPolicy::All, AuthPolicy::Any, AuthPolicy::IpOnly, AuthPolicy::DigestOnly] {
        let listed = Setup { may_register: vec!["alice"], ..Setup::default() };
        check_beside(Some(other), "INVITE", CALL, &listed);
        check_beside(Some(other), "REGISTER", REGISTER_LISTED, &listed);
    }
}

#[test]
fn an_address_registers_the_names_of_its_entry() {
    check("REGISTER", REGISTER_LISTED, &Setup { may_register: vec!["zoe", "alice"], ..Setup::default() });
}

#[test]
fn an_address_registers_no_name_that_only_looks_like_one_of_its_entry() {
    check("REGISTER", REGISTER, &Setup { may_register: vec!["alic", "alicE", "alice2"], ..Setup::default() });
}

#[test]
fn a_trunk_without_credentials_goes_by_its_acl_and_without_one_lets_nobody_in() {
    let empty = Setup { users: Vec::new(), ..Setup::default() };
    check("INVITE", CALL_NO_CREDENTIALS, &empty);
    check("REGISTER", REGISTER_NO_CREDENTIALS, &empty);
    check("REGISTER", REGISTER_LISTED_NO_CREDENTIALS, &Setup { may_register: vec!["alice"], ..empty });
}

#[test]
fn a_disabled_trunk_lets_nobody_in() {
    let disabled = Setup { enabled: false, may_register: vec!["alice"], ..Setup::default() };
    check("INVITE", DISABLED, &disabled);
    check("REGISTER", DISABLED, &disabled);
}

/// Disabling the last credential must not open the trunk to everybody on its ACL.
#[test]
fn a_trunk_whose_only_credential_is_disabled_still_wants_digest() {
    let setup = Setup {
        acl: ACL.to_vec(),
        may_register: vec!["alice"],
        users: vec![("alice", "alice-secret", false)],
        ..Setup::default()
    };
    for password in [Password::Right, Password::Wrong, Password::None] {
        for method in ["REGISTER", "INVITE"] {
            assert_eq!(attempt(&setup, method, INSIDE, false, password), 'C', "{method} {password:?}");
        }
    }
}

#[test]
fn a_longer_prefix_decides_and_a_deny_at_equal_length_wins() {
    let with = |acl: &[(&'static str, Rule)]| Setup { policy: AuthPolicy::Any, acl: acl.to_vec(), ..Setup::default() };
    let (allow, deny) = (Rule::Allow, Rule::Deny);
    let narrow_allow = with(&[("127.0.0.0/8", deny), ("127.0.0.1/32", allow)]);
    assert_eq!(attempt(&narrow_allow, "INVITE", INSIDE, false, Password::None), 'P');
    assert_eq!(attempt(&narrow_allow, "INVITE", OUTSIDE, false, Password::Right), 'C');
    let both = with(&[("127.0.0.1/32", allow), ("127.0.0.1/32", deny)]);
    assert_eq!(attempt(&both, "INVITE", INSIDE, false, Password::Right), 'C');
    // Deny entries alone make no allow list: who is not denied passes with digest, and only with it.
    for policy in [AuthPolicy::All, AuthPolicy::Any, AuthPolicy::DigestOnly] {
        let only_deny = Setup { policy, ..with(&[("127.0.0.3/32", deny)]) };
        assert_eq!(attempt(&only_deny, "INVITE", INSIDE, false, Password::Right), 'P', "{policy:?}");
        assert_eq!(attempt(&only_deny, "INVITE", INSIDE, false, Password::None), 'C', "{policy:?}");
        assert_eq!(attempt(&only_deny, "INVITE", DENIED, false, Password::Right), 'C', "{policy:?}");
    }
}

#[test]
fn an_ipv4_peer_of_a_dual_stack_socket_is_held_against_ipv4_entries() {
    let setup = Setup { policy: AuthPolicy::IpOnly, acl: ACL.to_vec(), ..Setup::default() };
    assert_eq!(attempt(&setup, "INVITE", "[::ffff:127.0.0.1]:6001", false, Password::None), 'P');
    assert_eq!(attempt(&setup, "INVITE", "[::ffff:127.0.0.3]:6001", false, Password::None), 'F');
    assert_eq!(attempt(&setup, "INVITE", "[::1]:6001", false, Password::None), 'F');
}

/// The address is the socket's peer. What Via, received, Contact or From claim is nothing to the ACL.
#[test]
fn no_header_field_stands_in_for_the_address() {
    let setup = Setup { policy: AuthPolicy::IpOnly, acl: ACL.to_vec(), ..Setup::default() };
    let mut world = World::new(&setup);
    world.bind("bob", "sip:bob@127.0.0.1:6002", Flow::udp(address(SERVER), address("127.0.0.1:6002")));
    let mut alice = Phone::new("alice", INSIDE);
    let text =
        alice.invite_with("bob", "X-Forwarded-For: 127.0.0.1\r\n").replace(";rport", ";received=127.0.0.1;rport");
    let sent = world.datagram(address(OUTSIDE), &text);
    assert_eq!((sent.len(), status(&sent[0].text), world.outcome()), (1, 403, Outcome::AddressNotAllowed));
}

#[test]
fn every_refusal_says_why_in_its_outcome() {
    let outcome = |setup: &Setup, peer: &str, password: &'static str| {
        let mut world = World::new(setup);
        let mut alice = Phone::new("alice", peer);
        alice.password = password;
        let plain = alice.register_with(&format!("Contact: <{}>\r\n", alice.contact()));
        let answer = alice.answer_with("Authorization", &plain, &world.nonce(1), "MD5", 1);
        let text = alice.with_answer(&plain, &answer);
        alice.send(&mut world, &text);
        world.outcome()
    };
    let acl = |policy| Setup { policy, acl: ACL.to_vec(), ..Setup::default() };
    let right = "alice-secret";
    assert_eq!(outcome(&acl(AuthPolicy::All), OUTSIDE, right), Outcome::OutsideAcl);
    assert_eq!(outcome(&acl(AuthPolicy::All), OUTSIDE, "wrong"), Outcome::WrongPassword);
    assert_eq!(outcome(&acl(AuthPolicy::All), DENIED, right), Outcome::AddressDenied);
    assert_eq!(outcome(&acl(AuthPolicy::IpOnly), DENIED, right), Outcome::AddressDenied);
    assert_eq!(outcome(&acl(AuthPolicy::IpOnly), OUTSIDE, right), Outcome::AddressNotAllowed);
    assert_eq!(outcome(&acl(AuthPolicy::IpOnly), INSIDE, right), Outcome::NotYourAor);
    let off = |policy| Setup { enabled: false, ..acl(policy) };
    assert_eq!(outcome(&off(AuthPolicy::All), INSIDE, right), Outcome::TrunkDisabled);
    assert_eq!(outcome(&off(AuthPolicy::IpOnly), INSIDE, right), Outcome::TrunkDisabled);
    let bare = Setup { users: Vec::new(), ..Setup::default() };
    assert_eq!(outcome(&bare, INSIDE, right), Outcome::TrunkWithoutAuth);
}
