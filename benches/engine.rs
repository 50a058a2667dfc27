//! What one datagram costs in the engine, from its bytes to what is to be sent; no socket, no log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a bench whose messages are not served as expected must stop"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::{Cell, RefCell};
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sipward::engine::Output;
use sipward::event::Silent;
use sipward::flow::Flow;

use support::call::Call;
use support::phone::{Phone, method_of, status};
use support::{SERVER, World, address};

/// An engine, driven as the shell drives it.
struct Bench {
    world: World,
    output: Output,
}

impl Bench {
    /// With bob's phone registered.
    fn new() -> Self {
        let mut world = World::ordinary();
        Phone::new("bob", "127.0.0.1:6002").register(&mut world);
        Self { world, output: Output::default() }
    }

    fn receive(&mut self, flow: Flow, bytes: &mut [u8]) {
        self.output.clear();
        let _ = black_box(self.world.engine.receive(bytes, flow, self.world.now, &mut Silent, &mut self.output));
    }

    /// The last message sent for the last datagram.
    fn last(&self) -> String {
        let sent = self.output.sends().last();
        sent.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }
}

fn flow_of(phone: &Phone) -> Flow {
    Flow::udp(address(SERVER), phone.address)
}

/// What a message is: the method of a request, the status of a response.
fn kind(text: &str) -> String {
    match status(text) {
        0 => method_of(text).to_owned(),
        code => code.to_string(),
    }
}

/// Measures what one datagram costs: `make` prepares it for each turn, unmeasured. The last message sent because of it
/// must be `expected`.
fn measure(criterion: &mut Criterion, name: &str, from: &Phone, expected: &str, make: impl Fn(&mut Bench) -> String) {
    let (bench, flow) = (RefCell::new(Bench::new()), flow_of(from));
    let turns = Cell::new(0_u32);
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched(
            || {
                turns.set(turns.get() + 1);
                let mut bench = bench.borrow_mut();
                if turns.get() > 1 {
                    assert_eq!(kind(&bench.last()), expected, "{name}");
                }
                // Time stands still, so that no transaction ends: now and then all of them are left behind.
                if turns.get().is_multiple_of(1_024) {
                    *bench = Bench::new();
                }
                make(&mut bench).into_bytes()
            },
            |mut bytes| bench.borrow_mut().receive(flow, &mut bytes),
            BatchSize::PerIteration,
        );
    });
}

/// The request with the answer to the challenge that it earned.
fn answered(bench: &mut Bench, phone: &mut Phone, request: &str) -> String {
    bench.receive(flow_of(phone), &mut request.to_owned().into_bytes());
    let challenge = bench.last();
    assert_eq!(status(&challenge), 401, "{challenge}");
    let answer = phone.answer(request, &challenge, 1);
    phone.with_answer(request, &answer)
}

fn register(criterion: &mut Criterion) {
    let alice = Phone::new("alice", "127.0.0.1:6001");
    let own = RefCell::new(alice.clone());
    let contact = "User-Agent: SomePhone 1.2.3\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY\r\nContact: <sip:alice@127.0.0.1:6001>;expires=3600\r\n";
    let register = |bench: &mut Bench, phone: &mut Phone, contact: &str| {
        let request = phone.register_with(contact);
        answered(bench, phone, &request)
    };
    measure(criterion, "engine/register/challenge", &alice, "401", |_| own.borrow_mut().register_with(contact));
    measure(criterion, "engine/register/wrong_password", &alice, "401", |bench| {
        let mut mallory = Phone { password: "wrong", ..own.borrow().clone() };
        let text = register(bench, &mut mallory, contact);
        own.borrow_mut().cseq = mallory.cseq;
        text
    });
    measure(criterion, "engine/register/first", &alice, "200", |bench| {
        let mut alice = own.borrow_mut();
        let text = register(bench, &mut alice, "Contact: *\r\nExpires: 0\r\n");
        bench.receive(flow_of(&alice), &mut text.into_bytes());
        assert_eq!(status(&bench.last()), 200);
        register(bench, &mut alice, contact)
    });
    measure(criterion, "engine/register/refresh", &alice, "200", |bench| {
        let mut alice = own.borrow_mut();
        let text = register(bench, &mut alice, contact);
        bench.receive(flow_of(&alice), &mut text.into_bytes());
        register(bench, &mut alice, contact)
    });
}

const SDP: &str = "v=0\r\no=- 3904 3904 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

fn invite_of(alice: &mut Phone) -> String {
    let plain = alice.invite_with("bob", "User-Agent: SomePhone 1.2.3\r\nContent-Type: application/sdp\r\n");
    plain.replace("Content-Length: 5\r\n\r\nv=0\r\n", &format!("Content-Length: {}\r\n\r\n{SDP}", SDP.len()))
}

fn invite(criterion: &mut Criterion) {
    let (alice, bob) = (Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "127.0.0.1:6002"));
    let own = RefCell::new(alice.clone());
    let let_in = |bench: &mut Bench| {
        let mut alice = own.borrow_mut();
        let request = invite_of(&mut alice);
        answered(bench, &mut alice, &request)
    };
    measure(criterion, "engine/invite/challenge", &alice, "401", |_| invite_of(&mut own.borrow_mut()));
    measure(criterion, "engine/invite/forwarded", &alice, "INVITE", let_in);
    for code in [180, 200] {
        measure(criterion, &format!("engine/invite/{code}"), &bob, &code.to_string(), |bench| {
            let text = let_in(bench);
            bench.receive(flow_of(&alice), &mut text.into_bytes());
            bob.respond(&bench.last(), code, "b", "Contact: <sip:bob@127.0.0.1:6002>\r\n")
        });
    }
}

fn in_dialog(criterion: &mut Criterion) {
    let (alice, bob) = (Phone::new("alice", "127.0.0.1:6001"), Phone::new("bob", "127.0.0.1:6002"));
    // His phone is registered already, by requests with lower numbers.
    let own = RefCell::new((alice.clone(), Phone { cseq: 100, ..bob.clone() }));
    let call = |bench: &mut Bench| {
        let mut phones = own.borrow_mut();
        let call = Call::set_up(&mut bench.world, phones.0.clone(), phones.1.clone());
        *phones = (call.caller.clone(), call.callee.clone());
        call
    };
    measure(criterion, "engine/dialog/ack", &alice, "ACK", |bench| call(bench).ack());
    measure(criterion, "engine/dialog/bye", &alice, "BYE", |bench| call(bench).caller_request("BYE", "", ""));
    measure(criterion, "engine/dialog/bye_200", &bob, "200", |bench| {
        let bye = call(bench).caller_request("BYE", "", "");
        bench.receive(flow_of(&alice), &mut bye.into_bytes());
        bob.respond(&bench.last(), 200, "x", "")
    });
}

criterion_group!(benches, register, invite, in_dialog);
criterion_main!(benches);
