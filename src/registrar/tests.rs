use std::net::SocketAddr;

use uuid::Uuid;

use super::*;
use crate::event::Silent;
use crate::location::NoBindingStore;
use crate::message::{COMPARED, Head, PARSED};

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const TRUNK: TrunkId = TrunkId(Uuid::from_u128(7));

fn message(call_id: &str, contacts: &str) -> Vec<u8> {
    format!(
        "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bK1\r\n\
         From: <sip:alice@127.0.0.1>;tag=f\r\nTo: <sip:alice@127.0.0.1>\r\nCall-ID: {call_id}\r\nCSeq: 1 REGISTER\r\n\
         Contact: {contacts}\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// The contacts of the wishes, from host number `first` on, each with `tail` behind its URI.
fn list(first: usize, count: usize, tail: &str) -> String {
    let contact = |host: usize| format!("<sip:alice@h{host}>{tail}");
    (first..first + count).map(contact).collect::<Vec<_>>().join(",")
}

/// What a REGISTER comes to, and how many URIs were taken apart and compared for it, those of the reading of From, To and
/// Request-URI left out.
fn register(location: &Location, settings: &Settings, bytes: &[u8]) -> (Result<(), Rejection>, usize, usize) {
    let request = Request::parse(Head::read(bytes).unwrap(), false).unwrap();
    let (here, peer): (SocketAddr, SocketAddr) = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.1:6001".parse().unwrap());
    let flow = Flow::udp(here, peer);
    PARSED.set(0);
    COMPARED.set(0);
    let result = WantedContacts::parse(&request, settings).and_then(|contacts| {
        let admitted = Admitted::ByAddress;
        let registration =
            Registration { request: &request, flow: &flow, trunk: TRUNK, user: "alice", admitted, mark: 1, contacts };
        let look = registration.look(location, NOW);
        registration.apply(look, location, settings, NOW, &mut Silent, &mut Vec::new())
    });
    (result, PARSED.get(), COMPARED.get())
}

fn bound(location: &Location) -> usize {
    location.read(TRUNK, "alice", |record| record.bindings.len()).unwrap_or_default()
}

/// One REGISTER of 64 kB must not keep a shard, and all who wait for the record's lock, busy.
#[test]
fn thousands_of_contacts_in_one_request_cost_no_more_than_those_that_may_be_bound() {
    let settings = Settings::default();
    let most = settings.max_contacts;
    for (tail, read) in [("", most + 1), (";expires=0", 2 * most + 1), (";expires=1", most + 1)] {
        let location = Location::new(Arc::new(NoBindingStore));
        register(&location, &settings, &message("first", &list(0, most, ""))).0.unwrap();
        let bytes = message("second", &list(1_000, 2_300, tail));
        assert!(bytes.len() > 35_000 && bytes.len() < 65_000, "{}", bytes.len());
        let (result, parsed, compared) = register(&location, &settings, &bytes);
        assert_eq!((result, bound(&location)), (Err(Rejection::TOO_MANY), most), "{tail}");
        assert!(parsed <= read && compared == 0, "{tail}: {parsed} taken apart, {compared} compared");
    }
}

#[test]
fn the_work_on_a_locked_record_is_one_reading_of_each_binding_and_bounded_comparisons() {
    let settings = Settings::default();
    let most = settings.max_contacts;
    let location = Location::new(Arc::new(NoBindingStore));
    register(&location, &settings, &message("first", &list(0, most, ""))).0.unwrap();
    let exchange = format!("{},{}", list(100, most, ";expires=0"), list(0, most, ""));
    let (result, parsed, compared) = register(&location, &settings, &message("second", &exchange));
    assert_eq!((result, bound(&location)), (Ok(()), most));
    // Twice as many are named as may be bound, the bindings that were there are read once, and the answer reads To.
    assert!(parsed <= 2 * most + most + 1, "{parsed}");
    assert!(compared <= 2 * most * most, "{compared}");
}
