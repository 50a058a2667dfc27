//! RFC 3581 and RFC 3261 §18.2: where a response goes, and what the topmost Via is made to say.

use crate::support::call::{only, shown};
use crate::support::phone::{Phone, header, headers};
use crate::support::{World, address};

/// An OPTIONS to the server itself, whose reply shows all there is to see.
fn ping(via: &str) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: p\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn s4_replies_show_and_follow_the_source() {
    for (via, seen, port) in [
        ("SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bK1", "SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bK1", 6001),
        ("SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1", "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1", 5060),
        (
            "SIP/2.0/UDP 127.0.0.1:6001;rport;branch=z9hG4bK1",
            "SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bK1;received=127.0.0.1;rport=7777",
            7777,
        ),
        (
            "SIP/2.0/UDP 192.0.2.1:6001;branch=z9hG4bK1",
            "SIP/2.0/UDP 192.0.2.1:6001;branch=z9hG4bK1;received=127.0.0.1",
            6001,
        ),
        (
            "SIP/2.0/UDP phone.invalid:6001;branch=z9hG4bK1;rport=1;received=192.0.2.9",
            "SIP/2.0/UDP phone.invalid:6001;branch=z9hG4bK1;received=127.0.0.1;rport=7777",
            7777,
        ),
    ] {
        let mut world = World::ordinary();
        let reply = only(world.datagram(address("127.0.0.1:7777"), &ping(via)));
        assert_eq!(header(&reply.text, "Via"), Some(seen));
        assert_eq!(reply.flow.peer, address(&format!("127.0.0.1:{port}")), "{via}");
    }
}

#[test]
fn s18_2_2_over_a_stream_the_reply_goes_back_on_it_whatever_via_says() {
    let mut world = World::ordinary();
    let via = "SIP/2.0/TCP 192.0.2.1:6001;branch=z9hG4bK1";
    let reply = only(world.stream(address("127.0.0.1:7777"), 3, &ping(via)));
    assert_eq!(header(&reply.text, "Via"), Some("SIP/2.0/TCP 192.0.2.1:6001;branch=z9hG4bK1;received=127.0.0.1"));
    assert_eq!((reply.flow.peer, reply.flow.connection.is_some()), (address("127.0.0.1:7777"), true));
}

#[test]
fn s18_2_1_the_forwarded_request_shows_it_too_and_the_answer_finds_its_way() {
    let mut world = World::ordinary();
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    // Alice sits behind a NAT: her Via and Contact say 10.0.0.1.
    let inner = |text: &str| {
        text.replace("UDP 127.0.0.1:6001", "UDP 10.0.0.1:5060").replace("@127.0.0.1:6001", "@10.0.0.1:5060")
    };
    let request = inner(&alice.invite_with("bob", ""));
    let (_, sent) = alice.authenticate(&mut world, &request);
    let vias = headers(&sent[1].text, "Via");
    assert_eq!(vias[1], "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKalice-2-INVITE;received=127.0.0.1;rport=6001");
    let contact = format!("Contact: <{}>\r\n", bob.contact());
    let answered = only(bob.send(&mut world, &bob.respond(&sent[1].text, 200, "b", &contact)));
    assert_eq!(answered.flow.peer, alice.address);
    assert_eq!(headers(&answered.text, "Via"), vias[1..]);
    // A request of bob's for the contact that nobody else can reach finds alice through the way she came.
    let bye = format!(
        "BYE sip:alice@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKx;rport\r\nRoute: {}\r\nMax-Forwards: 70\r\nFrom: {};tag=b\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n",
        bob.address,
        header(&sent[1].text, "Record-Route").unwrap(),
        header(&sent[1].text, "To").unwrap(),
        header(&sent[1].text, "From").unwrap(),
        header(&sent[1].text, "Call-ID").unwrap(),
    );
    let byed = bob.send(&mut world, &bye);
    assert_eq!(shown(&byed), ["BYE 6001"]);
    assert!(byed[0].text.starts_with("BYE sip:alice@10.0.0.1:5060 SIP/2.0\r\n"));
    alice.send(&mut world, &alice.respond(&byed[0].text, 200, "", ""));
    world.assert_all_over();
}

#[test]
fn s4_over_ipv6_addresses_stand_without_brackets() {
    let mut world = World::ordinary();
    let reply = only(world.datagram(address("[::1]:7777"), &ping("SIP/2.0/UDP [::2]:6001;branch=z9hG4bK1;rport")));
    assert_eq!(header(&reply.text, "Via"), Some("SIP/2.0/UDP [::2]:6001;branch=z9hG4bK1;received=::1;rport=7777"));
}
