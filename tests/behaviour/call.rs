//! One phone calls another.

use crate::support::World;
use crate::support::phone::{Phone, header, headers, status};

#[test]
fn a_call_is_set_up_and_hung_up() {
    let mut world = World::ordinary();
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let mut bob = Phone::new("bob", "127.0.0.1:6002");
    bob.register(&mut world);
    let invite = alice.invite_with("bob", "");
    let (sent_invite, sent) = alice.authenticate(&mut world, &invite);
    assert_eq!(sent.iter().map(|sent| status(&sent.text)).collect::<Vec<_>>(), [100, 0]);
    let forwarded = &sent[1];
    assert_eq!(forwarded.flow.peer, bob.address);
    assert!(forwarded.text.starts_with("INVITE sip:bob@127.0.0.1:6002 SIP/2.0\r\n"), "{}", forwarded.text);
    assert!(header(&forwarded.text, "Authorization").is_none());
    let contact = format!("Contact: <{}>\r\n", bob.contact());
    let ringing = bob.send(&mut world, &bob.respond(&forwarded.text, 180, "bt", &contact));
    assert_eq!((ringing.len(), status(&ringing[0].text)), (1, 180));
    let answered = bob.send(&mut world, &bob.respond(&forwarded.text, 200, "bt", &contact));
    assert_eq!((answered.len(), status(&answered[0].text)), (1, 200));
    assert_eq!(headers(&answered[0].text, "Via").len(), 1);
    let route = header(&answered[0].text, "Record-Route").unwrap().to_owned();
    let to = header(&answered[0].text, "To").unwrap().to_owned();
    let call_id = header(&sent_invite, "Call-ID").unwrap().to_owned();
    let ack = alice.request("ACK", &bob.contact(), &to, &call_id, &format!("Route: {route}\r\n"), "");
    let acked = alice.send(&mut world, &ack);
    assert_eq!((acked.len(), acked[0].flow.peer), (1, bob.address));
    assert!(header(&acked[0].text, "Route").is_none());
    let bye = alice.request("BYE", &bob.contact(), &to, &call_id, &format!("Route: {route}\r\n"), "");
    let byed = alice.send(&mut world, &bye);
    assert_eq!((byed.len(), byed[0].flow.peer), (1, bob.address));
    let over = bob.send(&mut world, &bob.respond(&byed[0].text, 200, "bt", ""));
    assert_eq!((over.len(), status(&over[0].text)), (1, 200));
    assert_eq!(world.heard.log, ["registered bob", "call started", "call answered", "call ended 200"]);
    world.pass(std::time::Duration::from_secs(300));
    assert_eq!(world.engine.load(), sipward::engine::Load::default());
    assert!(world.shared.dialogs.is_empty());
}
