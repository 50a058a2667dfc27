//! The registrar against RFC 3261 §10.3, step by step.

use std::time::Duration;

use sipward::acl::Rule;
use sipward::event::Outcome;
use sipward::registrar;
use sipward::trunk::AuthPolicy;

use crate::support::phone::{Phone, header, headers, status};
use crate::support::{Setup, TRUNK, World, address};

/// Alice, a world that knows her, and how many answers she has given.
struct Desk {
    world: World,
    alice: Phone,
    answers: u32,
}

impl Desk {
    fn new(settings: registrar::Settings) -> Self {
        let world = World::new(&Setup { registrar: settings, ..Setup::default() });
        Self { world, alice: Phone::new("alice", "127.0.0.1:6001"), answers: 0 }
    }

    fn ordinary() -> Self {
        Self::new(registrar::Settings::default())
    }

    /// Sends a REGISTER with these header lines and a right answer; `rewrite` has its way with it before.
    fn send(&mut self, extra: &str, rewrite: impl FnOnce(String) -> String) -> String {
        self.answers += 1;
        let plain = rewrite(self.alice.register_with(extra));
        let nonce = self.world.nonce(u64::from(self.answers));
        let answer = self.alice.answer_with("Authorization", &plain, &nonce, "MD5", 1);
        let text = plain.replacen("Content-Length:", &format!("{answer}Content-Length:"), 1);
        let mut sent = self.alice.send(&mut self.world, &text);
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0).text
    }

    fn register(&mut self, extra: &str) -> String {
        self.send(extra, |text| text)
    }

    /// As [`Desk::register`], from another Call-ID.
    fn register_in(&mut self, call_id: &str, cseq: u32, extra: &str) -> String {
        let own = format!("CSeq: {} ", self.alice.cseq + 1);
        self.send(extra, |text| {
            let text = text.replace("Call-ID: reg-alice-127.0.0.1:6001", &format!("Call-ID: {call_id}"));
            text.replace(&own, &format!("CSeq: {cseq} "))
        })
    }

    fn bound(&self) -> Vec<(String, u64)> {
        self.world.bindings("alice")
    }

    fn contacts(&self) -> Vec<String> {
        self.bound().into_iter().map(|(contact, _)| contact).collect()
    }
}

fn contact(host: u8) -> String {
    format!("sip:alice@127.0.0.{host}:6001")
}

#[test]
fn an_address_of_record_has_several_bindings_and_the_200_shows_them_all() {
    let mut desk = Desk::ordinary();
    desk.register(&format!("Contact: <{}>;expires=600;q=0.5\r\n", contact(1)));
    desk.world.pass(Duration::from_secs(100));
    let answer = desk.register(&format!(
        "Contact: \"A, B\" <{}>;q=1, <{}>;expires=90;q=0.05\r\nExpires: 300\r\n",
        contact(2),
        contact(3)
    ));
    assert_eq!(status(&answer), 200);
    let expected = [
        format!("<{}>;expires=500;q=0.500", contact(1)),
        format!("<{}>;expires=300", contact(2)),
        format!("<{}>;expires=90;q=0.050", contact(3)),
    ];
    assert_eq!(headers(&answer, "Contact"), expected);
    assert_eq!(desk.world.heard.log, ["registered alice"; 3]);
}

#[test]
fn a_register_without_contact_asks_and_changes_nothing() {
    let mut desk = Desk::ordinary();
    let nothing = desk.register("");
    assert_eq!((status(&nothing), headers(&nothing, "Contact").len()), (200, 0));
    desk.register(&format!("Contact: <{}>;expires=600\r\n", contact(1)));
    let before = desk.bound();
    for extra in ["", "Expires: 0\r\n", "Expires: 5\r\n"] {
        let fetched = desk.register(extra);
        assert_eq!(headers(&fetched, "Contact"), [format!("<{}>;expires=600", contact(1))], "{extra:?}");
        assert_eq!(desk.bound(), before);
    }
}

#[test]
fn a_refresh_moves_the_expiry_and_tells_nobody_of_a_new_binding() {
    let mut desk = Desk::ordinary();
    let line = format!("Contact: <{}>;expires=600\r\n", contact(1));
    desk.register(&line);
    desk.world.pass(Duration::from_secs(500));
    assert_eq!(desk.bound(), [(contact(1), 100)]);
    desk.register(&line);
    assert_eq!(desk.bound(), [(contact(1), 600)]);
    let answer = desk.register(&format!("Contact: <{}>;expires=700;q=0.3\r\n", contact(1)));
    assert_eq!(headers(&answer, "Contact"), [format!("<{}>;expires=700;q=0.300", contact(1))]);
    assert_eq!(desk.world.heard.log, ["registered alice"]);
}

#[test]
fn a_binding_is_removed_by_its_own_zero_or_that_of_the_header_field() {
    let mut desk = Desk::ordinary();
    desk.register(&format!("Contact: <{}>, <{}>, <{}>\r\n", contact(1), contact(2), contact(3)));
    desk.register(&format!("Contact: <{}>;expires=0\r\n", contact(2)));
    assert_eq!(desk.contacts(), [contact(1), contact(3)]);
    let answer = desk.register(&format!("Contact: <{}>\r\nExpires: 0\r\n", contact(1)));
    assert_eq!(headers(&answer, "Contact").len(), 1);
    assert_eq!(desk.contacts(), [contact(3)]);
    assert_eq!(desk.world.heard.log.last().unwrap(), "unregistered alice removed");
    // A contact that nobody has bound may be removed as well; the contact's own wish goes before the header field's.
    assert_eq!(status(&desk.register(&format!("Contact: <{}>;expires=0\r\nExpires: 600\r\n", contact(9)))), 200);
    assert_eq!(desk.contacts(), [contact(3)]);
    desk.register(&format!("Contact: <{}>;expires=90\r\nExpires: 0\r\n", contact(3)));
    assert_eq!(desk.bound(), [(contact(3), 90)]);
    assert_eq!(desk.world.heard.log.iter().filter(|line| *line == "unregistered alice removed").count(), 2);
}

/// §10.3 step 6.
#[test]
fn a_star_removes_all_and_only_alone_and_with_expires_zero() {
    let mut desk = Desk::ordinary();
    desk.register(&format!("Contact: <{}>, <{}>\r\n", contact(1), contact(2)));
    for bad in [
        "Contact: *\r\n",
        "Contact: *\r\nExpires: 60\r\n",
        "Contact: *\r\nExpires: nothing\r\n",
        "Contact: *;expires=0\r\n",
        "Contact: *, <sip:alice@127.0.0.1:6001>\r\nExpires: 0\r\n",
        "Contact: <sip:alice@127.0.0.1:6001>\r\nContact: *\r\nExpires: 0\r\n",
        "Contact: \r\nExpires: 0\r\n",
    ] {
        assert_eq!(status(&desk.register(bad)), 400, "{bad}");
        assert_eq!(desk.contacts(), [contact(1), contact(2)], "{bad}");
        assert_eq!(desk.world.outcome(), Outcome::RegisterRefused);
    }
    let answer = desk.register("Contact: *\r\nExpires: 0\r\n");
    assert_eq!((status(&answer), headers(&answer, "Contact").len()), (200, 0));
    assert!(desk.contacts().is_empty());
    assert_eq!(status(&desk.register("Contact: *\r\nExpires: 0\r\n")), 200, "with nothing left to remove");
}

#[test]
fn a_star_from_another_call_removes_what_this_call_has_bound() {
    let mut desk = Desk::ordinary();
    desk.register_in("one", 50, &format!("Contact: <{}>\r\n", contact(1)));
    desk.register_in("two", 1, &format!("Contact: <{}>\r\n", contact(2)));
    let late = desk.register_in("one", 50, "Contact: *\r\nExpires: 0\r\n");
    assert_eq!((status(&late), desk.contacts().len()), (400, 2), "not later than what it would remove: nothing goes");
    let other = desk.register_in("three", 1, "Contact: *\r\nExpires: 0\r\n");
    assert_eq!((status(&other), desk.contacts().len()), (200, 0));
}

#[test]
fn what_is_too_brief_gets_423_with_the_minimum() {
    let mut desk = Desk::ordinary();
    for brief in [
        format!("Contact: <{}>;expires=59\r\n", contact(1)),
        format!("Contact: <{}>;expires=1\r\n", contact(1)),
        format!("Contact: <{}>\r\nExpires: 1\r\n", contact(1)),
        format!("Contact: <{}>;expires=600, <{}>;expires=30\r\n", contact(1), contact(2)),
    ] {
        let answer = desk.register(&brief);
        assert_eq!((status(&answer), header(&answer, "Min-Expires")), (423, Some("60")), "{brief}");
        assert!(desk.contacts().is_empty(), "{brief}");
    }
    desk.register(&format!("Contact: <{}>;expires=60\r\n", contact(1)));
    assert_eq!(desk.bound(), [(contact(1), 60)]);
    // A refresh that is too brief leaves the binding as it was.
    assert_eq!(status(&desk.register(&format!("Contact: <{}>;expires=59\r\n", contact(1)))), 423);
    assert_eq!(desk.bound(), [(contact(1), 60)]);
}

#[test]
fn lifetimes_are_cut_to_the_longest_and_filled_in_where_none_is_asked_for() {
    let granted = |extra: &str| {
        let mut desk = Desk::ordinary();
        let answer = desk.register(&format!("Contact: <{}>{extra}", contact(1)));
        assert_eq!(status(&answer), 200, "{extra}");
        let shown = header(&answer, "Contact").unwrap().split("expires=").nth(1).unwrap().parse::<u64>().unwrap();
        assert_eq!(desk.bound(), [(contact(1), shown)]);
        shown
    };
    assert_eq!(granted("\r\n"), 3600);
    assert_eq!(granted(";expires=7200\r\n"), 7200);
    for long in [
        "7201",
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        assert_eq!(granted(&format!(";expires={long}\r\n")), 7200, "{long}");
        assert_eq!(granted(&format!("\r\nExpires: {long}\r\n")), 7200, "{long}");
    }
    // RFC 3261 §10.2.1.1, §20.19: what is no number is as good as absent.
    for nonsense in ["soon", "-1", "+120", "0x78", "12e2", "\"600\"", "600 s", "1.5"] {
        assert_eq!(granted(&format!("\r\nExpires: {nonsense}\r\n")), 3600, "{nonsense}");
    }
    for nonsense in ["soon", "-1", "+120", "\"600\"", ""] {
        assert_eq!(granted(&format!(";expires={nonsense}\r\n")), 3600, "{nonsense}");
    }
    assert_eq!(granted(";expires=soon\r\nExpires: 300\r\n"), 300);
}

#[test]
fn a_configured_range_is_obeyed() {
    let settings =
        registrar::Settings { min_expires_s: 300, default_expires_s: 400, max_expires_s: 500, max_contacts: 10 };
    let mut desk = Desk::new(settings);
    assert_eq!(
        header(&desk.register(&format!("Contact: <{}>;expires=299\r\n", contact(1))), "Min-Expires"),
        Some("300")
    );
    desk.register(&format!("Contact: <{}>\r\n", contact(1)));
    desk.register(&format!("Contact: <{}>;expires=501\r\n", contact(2)));
    assert_eq!(desk.bound(), [(contact(1), 400), (contact(2), 500)]);
}

/// §10.3 step 7: within a call the CSeq must rise; another call starts anew.
#[test]
fn the_order_of_a_call_is_that_of_its_cseq() {
    let mut desk = Desk::ordinary();
    let with = |seconds: u32| format!("Contact: <{}>;expires={seconds}\r\n", contact(1));
    assert_eq!(status(&desk.register_in("one", 10, &with(600))), 200);
    for (cseq, seconds) in [(10, 700), (9, 700), (9, 0), (10, 0), (0, 700)] {
        assert_eq!(status(&desk.register_in("one", cseq, &with(seconds))), 400, "{cseq}");
        assert_eq!(desk.bound(), [(contact(1), 600)], "{cseq}");
    }
    assert_eq!(status(&desk.register_in("one", 11, &with(700))), 200);
    assert_eq!(status(&desk.register_in("two", 1, &with(800))), 200, "another call may");
    assert_eq!(desk.bound(), [(contact(1), 800)]);
    assert_eq!(status(&desk.register_in("one", 2, &with(900))), 200, "the binding is the second call's now");
    assert_eq!(status(&desk.register_in("three", 1, &with(0))), 200);
    assert!(desk.contacts().is_empty());
    assert_eq!(status(&desk.register_in("one", 1, &with(600))), 200, "what is gone has no order");
}

/// §10.3 step 7, last paragraph: all of it or nothing.
#[test]
fn of_several_contacts_all_are_bound_or_none() {
    let mut desk = Desk::ordinary();
    desk.register_in("one", 10, &format!("Contact: <{}>;expires=600\r\n", contact(1)));
    let before = desk.bound();
    let (good, old) = (contact(2), contact(1));
    let long = format!("sip:alice@127.0.0.1;x={}", "y".repeat(600));
    for (bad, code) in [
        ("<sip:alice@127.0.0.3>;expires=10", 423),
        ("<sip:alice@>", 400),
        ("<sip:alice@127.0.0.3", 400),
        ("<tel:+123>", 400),
        ("<http://127.0.0.1/>", 400),
        ("\"open <sip:alice@127.0.0.3>", 400),
        ("<sip:alice@127.0.0.3:99999>", 400),
        ("<sip:al ice@127.0.0.3>", 400),
        (&format!("<{long}>"), 400),
    ] {
        for extra in [
            format!("Contact: <{good}>, <{old}>;expires=0\r\nContact: {bad}\r\n"),
            format!("Contact: {bad}\r\nContact: <{good}>, <{old}>;expires=0\r\n"),
        ] {
            assert_eq!(status(&desk.register_in("one", 20, &extra)), code, "{extra}");
            assert_eq!(desk.bound(), before, "{extra}");
        }
    }
    let late = format!("Contact: <{good}>, <{old}>;expires=700\r\n");
    assert_eq!(status(&desk.register_in("one", 10, &late)), 400);
    assert_eq!(desk.bound(), before);
    assert_eq!(desk.world.heard.log, ["registered alice"]);
}

#[test]
fn an_address_of_record_has_no_more_than_max_contacts() {
    let mut desk = Desk::new(registrar::Settings { max_contacts: 3, ..registrar::Settings::default() });
    desk.register(&format!("Contact: <{}>;expires=60, <{}>\r\n", contact(1), contact(2)));
    let full = desk.register(&format!("Contact: <{}>, <{}>\r\n", contact(3), contact(4)));
    assert_eq!((status(&full), desk.contacts().len()), (403, 2), "none of the two");
    assert_eq!(status(&desk.register(&format!("Contact: <{}>\r\n", contact(3)))), 200);
    assert_eq!(status(&desk.register(&format!("Contact: <{}>\r\n", contact(4)))), 403);
    assert_eq!(status(&desk.register(&format!("Contact: <{}>\r\n", contact(3)))), 200, "a refresh needs no room");
    let exchange = desk.register(&format!("Contact: <{}>, <{}>;expires=0\r\n", contact(4), contact(3)));
    assert_eq!((status(&exchange), desk.contacts().contains(&contact(4))), (200, true));
    desk.world.pass(Duration::from_secs(61));
    assert_eq!(status(&desk.register(&format!("Contact: <{}>\r\n", contact(5)))), 200, "an expired one has made room");
}

/// How little work that is, is counted beside the code.
#[test]
fn more_contacts_in_one_request_than_may_be_bound_are_refused() {
    let mut desk = Desk::new(registrar::Settings { max_contacts: 3, ..registrar::Settings::default() });
    let list = |count: u8, expires: u32| {
        let contacts: Vec<String> = (1..=count).map(|host| format!("<{}>;expires={expires}", contact(host))).collect();
        contacts.join(",")
    };
    for (too_many, code) in [
        (list(4, 600), 403),
        (list(7, 0), 403),
        (format!("{},{}", list(3, 600), list(4, 0)), 403),
        (list(6, 0), 200),
        (format!("{},{}", list(3, 0), list(3, 600)), 200),
    ] {
        let answer = desk.register(&format!("Contact: {too_many}\r\n"));
        let bound = if code == 200 && too_many.contains("expires=600") { 3 } else { 0 };
        assert_eq!((status(&answer), desk.contacts().len()), (code, bound), "{too_many}");
    }
    let answer = desk.register(&format!("Contact: {}\r\nExpires: 0\r\n", contact(1)));
    assert_eq!((status(&answer), desk.contacts().len()), (200, 2));
}

/// What is kept of one address of record is bounded in bytes as well: it has to fit into its row of the store.
#[test]
fn no_register_makes_an_address_of_record_too_large_to_be_stored() {
    let mut desk = Desk::new(registrar::Settings { max_contacts: 1_000, ..registrar::Settings::default() });
    let line = format!("Contact: <{}>\r\n", contact(1));
    for (length, code) in [(257, 400), (256, 200), (60_000, 400)] {
        assert_eq!(status(&desk.register_in(&"c".repeat(length), 1, &line)), code, "{length}");
    }
    let agent = "é".repeat(64);
    let mut answers = Vec::new();
    for number in 10..50 {
        let long = format!("sip:alice@127.0.0.1;x={number}{}", "y".repeat(480));
        let extra = format!("User-Agent: {agent}\r\nContact: <{long}>\r\n");
        answers.push(status(&desk.register_in(&format!("{number}{}", "c".repeat(254)), 1, &extra)));
    }
    let accepted = answers.iter().filter(|code| **code == 200).count();
    assert!(answers.starts_with(&[200; 20]) && answers.ends_with(&[403; 5]), "{answers:?}");
    assert_eq!(desk.contacts().len(), accepted + 1);
}

#[test]
fn odd_preferences_are_taken_for_none_and_all_come_back() {
    let mut desk = Desk::ordinary();
    for (wish, shown) in [
        ("1.0", ""),
        ("0.7", ";q=0.700"),
        ("0", ";q=0.000"),
        ("0.001", ";q=0.001"),
        ("2", ""),
        ("-1", ""),
        ("x", ""),
        ("0.1234", ""),
    ] {
        let answer = desk.register(&format!("Contact: <{}>;q={wish}\r\n", contact(1)));
        assert_eq!(headers(&answer, "Contact"), [format!("<{}>;expires=3600{shown}", contact(1))], "{wish}");
    }
}

/// §10.3 step 7 compares contacts as URIs (§19.1.4).
#[test]
fn contacts_that_mean_the_same_are_one_binding() {
    let mut desk = Desk::ordinary();
    for same in [
        "sip:alice@phone.invalid;transport=UDP",
        "sip:%61lice@PHONE.invalid;transport=udp",
        "SIP:alice@phone.invalid;Transport=udp;x=1",
    ] {
        assert_eq!(status(&desk.register(&format!("Contact: <{same}>\r\n"))), 200);
        assert_eq!(desk.contacts(), [same], "the last spelling stays");
    }
    for other in [
        "sip:Alice@phone.invalid;transport=udp",
        "sip:alice@phone.invalid",
        "sip:alice@phone.invalid:5060;transport=udp",
        "sips:alice@phone.invalid;transport=udp",
    ] {
        let before = desk.contacts().len();
        desk.register(&format!("Contact: <{other}>\r\n"));
        assert_eq!(desk.contacts().len(), before + 1, "{other}");
    }
    desk.register("Contact: <sip:alic%65@Phone.invalid;transport=UDP>;expires=0\r\n");
    assert_eq!(desk.contacts().len(), 4);
    assert_eq!(desk.world.heard.log.iter().filter(|line| line.starts_with("unregistered")).count(), 1);
}

#[test]
fn a_contact_named_twice_in_one_request_is_bound_once_and_the_last_wish_counts() {
    let mut desk = Desk::ordinary();
    let answer = desk.register(&format!("Contact: <{0}>;expires=600, <{0}>;expires=700\r\n", contact(1)));
    assert_eq!((status(&answer), desk.bound()), (200, vec![(contact(1), 700)]));
    let answer = desk.register(&format!("Contact: <{0}>;expires=600, <{0}>;expires=0\r\n", contact(1)));
    assert_eq!((status(&answer), desk.bound()), (200, vec![]));
}

#[test]
fn a_contact_comes_back_byte_for_byte() {
    let mut desk = Desk::ordinary();
    let odd = "sip:al%69ce;isub=1:pw@[::1]:6001;transport=UDP;x=%20;ob?Subject=a%20b";
    let answer = desk.register(&format!("Contact: <{odd}>;+sip.instance=\"<urn:uuid:0-1>\";expires=600\r\n"));
    assert_eq!(headers(&answer, "Contact"), [format!("<{odd}>;expires=600")]);
    // Without brackets what follows the semicolon is of the header field.
    let answer = desk.register("Contact: *\r\nExpires: 0\r\n");
    assert_eq!(status(&answer), 200);
    let answer = desk.register("m: sip:alice@127.0.0.1:6001;transport=tcp;expires=700\r\n");
    assert_eq!(headers(&answer, "Contact"), ["<sip:alice@127.0.0.1:6001>;expires=700"]);
}

#[test]
fn bindings_end_when_their_time_has_come() {
    let mut desk = Desk::ordinary();
    desk.register(&format!("Contact: <{}>;expires=60, <{}>;expires=120\r\n", contact(1), contact(2)));
    desk.world.pass(Duration::from_millis(59_999));
    assert_eq!(desk.contacts().len(), 2);
    desk.world.pass(Duration::from_millis(1));
    assert_eq!(desk.contacts(), [contact(2)]);
    let fetched = desk.register("");
    assert_eq!(headers(&fetched, "Contact"), [format!("<{}>;expires=60", contact(2))]);
    desk.world.pass(Duration::from_secs(3600));
    assert!(desk.world.shared.location.is_empty(), "nothing is left of it");
}

/// A binding whose time has come is gone, even where the sweep has not been there yet: what comes then is a new one.
#[test]
fn a_refresh_after_the_end_is_a_new_binding() {
    let mut desk = Desk::ordinary();
    let line = format!("Contact: <{}>;expires=60\r\n", contact(1));
    desk.register(&line);
    desk.world.now = desk.world.now + Duration::from_secs(60);
    desk.register(&line);
    assert_eq!(desk.bound(), [(contact(1), 60)]);
    assert_eq!(desk.world.heard.log, ["registered alice", "registered alice"]);
}

#[test]
fn a_binding_follows_its_phone_to_another_flow() {
    let mut desk = Desk::ordinary();
    let line = "Contact: <sip:alice@phone.invalid>;expires=600\r\n";
    desk.register(line);
    desk.alice.address = address("127.0.0.2:6001");
    let answer = desk.send(line, |text| text.replace("reg-alice-127.0.0.2:6001", "reg-alice-127.0.0.1:6001"));
    assert_eq!(status(&answer), 200);
    let flow =
        |world: &World| world.shared.location.read(TRUNK, "alice", |record| record.bindings[0].flow.peer).unwrap();
    assert_eq!(flow(&desk.world), address("127.0.0.2:6001"));
    assert_eq!(desk.world.heard.log, ["registered alice", "registered alice"]);
}

/// Revoking a credential drops its bindings, so a binding must know whose it is, also when only the proof has changed.
#[test]
fn a_binding_belongs_to_who_made_it_last() {
    let setup = Setup {
        policy: AuthPolicy::Any,
        acl: vec![("127.0.0.0/24", Rule::Allow)],
        may_register: vec!["alice"],
        ..Setup::default()
    };
    let mut desk = Desk { world: World::new(&setup), alice: Phone::new("alice", "127.0.0.1:6001"), answers: 0 };
    let line = format!("Contact: <{}>\r\n", contact(1));
    let owner =
        |world: &World| world.shared.location.read(TRUNK, "alice", |record| record.bindings[0].credential).unwrap();
    let plain = desk.alice.register_with(&line);
    assert_eq!(status(&desk.alice.send(&mut desk.world, &plain)[0].text), 200);
    assert_eq!(owner(&desk.world), None);
    desk.register(&line);
    assert!(owner(&desk.world).is_some());
    let plain = desk.alice.register_with(&line);
    assert_eq!(status(&desk.alice.send(&mut desk.world, &plain)[0].text), 200);
    assert_eq!(owner(&desk.world), None);
}

#[test]
fn a_closed_stream_leaves_its_binding_reachable_at_the_contact() {
    let mut world = World::ordinary();
    let mut bob = Phone::new("bob", "127.0.0.1:6002").over_tcp(7);
    bob.register(&mut world);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let call = |world: &mut World, alice: &mut Phone| {
        let invite = alice.invite_with("bob", "");
        let (_, sent) = alice.authenticate(world, &invite);
        assert_eq!(sent.iter().map(|sent| status(&sent.text)).collect::<Vec<_>>(), [100, 0], "{sent:?}");
        sent[1].flow
    };
    let open = call(&mut world, &mut alice);
    assert_eq!((open.peer, open.connection), (bob.address, sipward::flow::ConnectionId::new(0, 7)));
    world.close(7);
    let anew = call(&mut world, &mut alice);
    assert_eq!((anew.transport, anew.peer), (sipward::flow::Transport::Tcp, bob.address));
    assert!(!anew.connection.is_some(), "a stream of its own is opened");
}

#[test]
fn require_of_what_is_not_there_is_refused_and_named() {
    let mut desk = Desk::ordinary();
    let answer = desk.register(&format!("Contact: <{}>\r\nRequire: gruu, x\r\n", contact(1)));
    assert_eq!((status(&answer), header(&answer, "Unsupported")), (420, Some("gruu, x")));
    assert!(desk.contacts().is_empty());
}

#[test]
fn the_user_agent_of_a_binding_is_kept_short_and_clean() {
    let mut desk = Desk::ordinary();
    let long = "é".repeat(100);
    desk.register(&format!("User-Agent: {long}\r\nContact: <{}>\r\n", contact(1)));
    let agent =
        desk.world.shared.location.read(TRUNK, "alice", |record| record.bindings[0].user_agent.clone()).unwrap();
    assert_eq!(&*agent, "é".repeat(64));
}

/// Their messages are taken apart in `hostile`.
pub(crate) const SCENARIOS: &[fn()] = &[
    an_address_of_record_has_several_bindings_and_the_200_shows_them_all,
    a_register_without_contact_asks_and_changes_nothing,
    a_refresh_moves_the_expiry_and_tells_nobody_of_a_new_binding,
    a_binding_is_removed_by_its_own_zero_or_that_of_the_header_field,
    a_star_removes_all_and_only_alone_and_with_expires_zero,
    a_star_from_another_call_removes_what_this_call_has_bound,
    what_is_too_brief_gets_423_with_the_minimum,
    lifetimes_are_cut_to_the_longest_and_filled_in_where_none_is_asked_for,
    a_configured_range_is_obeyed,
    the_order_of_a_call_is_that_of_its_cseq,
    of_several_contacts_all_are_bound_or_none,
    an_address_of_record_has_no_more_than_max_contacts,
    no_register_makes_an_address_of_record_too_large_to_be_stored,
    odd_preferences_are_taken_for_none_and_all_come_back,
    contacts_that_mean_the_same_are_one_binding,
    a_contact_named_twice_in_one_request_is_bound_once_and_the_last_wish_counts,
    a_contact_comes_back_byte_for_byte,
    bindings_end_when_their_time_has_come,
    a_refresh_after_the_end_is_a_new_binding,
    a_binding_follows_its_phone_to_another_flow,
    a_binding_belongs_to_who_made_it_last,
    a_closed_stream_leaves_its_binding_reachable_at_the_contact,
    require_of_what_is_not_there_is_refused_and_named,
    the_user_agent_of_a_binding_is_kept_short_and_clean,
];
