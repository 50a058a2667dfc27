//! Phones and calls over a network that loses a fifth of everything, doubles and overtakes, on a virtual clock. Every
//! call must end the same on both sides.

mod phone;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sipward::clock::Timestamp;
use sipward::engine::{Engine, Load, Output};
use sipward::flow::Flow;

use crate::support::phone::{Phone, header};
use crate::support::{Heard, SERVER, START_S, Setup, TRUNK, address, shared};

use phone::{Dice, Plan, Side, State};

const PHONES: usize = 2_000;

/// What happens when, in milliseconds: the earliest first, ties in the order in which they came about.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    ToServer(SocketAddr, Vec<u8>),
    ToPhone(SocketAddr, Vec<u8>),
    Wake(usize),
}

struct Network {
    engine: Engine,
    heard: Heard,
    output: Output,
    now: u64,
    serial: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    dice: Dice,
    sides: Vec<Side>,
    by_call: HashMap<(SocketAddr, String), usize>,
}

impl Network {
    fn at(&self) -> Timestamp {
        Timestamp::from_micros(START_S * 1_000_000 + self.now * 1_000)
    }

    fn push(&mut self, at: u64, what: Happening) {
        self.serial += 1;
        self.queue.push(Reverse((at, self.serial, what)));
    }

    /// A message is on its way: once, twice or never, and not in the order of sending.
    fn post(&mut self, make: impl Fn() -> Happening) {
        let copies = match self.dice.roll(100) {
            0..20 => 0,
            20..30 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now + 1 + self.dice.roll(200);
            self.push(at, make());
        }
    }

    fn collect(&mut self) {
        let output = std::mem::take(&mut self.output);
        for (send, bytes) in output.sends() {
            self.post(|| Happening::ToPhone(send.flow.peer, bytes.to_vec()));
        }
        self.output = output;
        self.output.clear();
    }

    fn take_from(&mut self, number: usize, texts: Vec<String>) {
        let peer = self.sides[number].phone.address;
        for text in texts {
            self.post(|| Happening::ToServer(peer, text.clone().into_bytes()));
        }
        if let Some(at) = self.sides[number].wake_at() {
            self.push(at.max(self.now), Happening::Wake(number));
        }
    }

    fn hand_to(&mut self, peer: SocketAddr, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        let call_id = header(text, "Call-ID").unwrap().to_owned();
        let number = *self.by_call.get(&(peer, call_id)).unwrap_or_else(|| panic!("nobody there: {text}"));
        let texts = self.sides[number].take(text, self.now, &mut self.dice);
        self.take_from(number, texts);
    }

    /// Until nothing happens any more.
    fn run(&mut self) {
        loop {
            let timer = self.engine.next_timeout().map(|at| at.since(Timestamp::from_secs(START_S)).as_millis() as u64);
            let next = self.queue.peek().map(|Reverse((at, ..))| *at);
            let Some(at) = [timer, next].into_iter().flatten().min() else { return };
            self.now = self.now.max(at);
            if timer.is_some_and(|timer| timer <= self.now) {
                self.engine.expire(self.at(), &mut self.heard, &mut self.output);
                self.collect();
            }
            while let Some(Reverse((at, ..))) = self.queue.peek() {
                if *at > self.now {
                    break;
                }
                let Some(Reverse((_, _, what))) = self.queue.pop() else { break };
                match what {
                    Happening::ToServer(peer, mut bytes) => {
                        let flow = Flow::udp(address(SERVER), peer);
                        let _ = self.engine.receive(&mut bytes, flow, self.at(), &mut self.heard, &mut self.output);
                        self.collect();
                    }
                    Happening::ToPhone(peer, bytes) => self.hand_to(peer, &bytes),
                    Happening::Wake(number) => {
                        if self.sides[number].wake_at().is_some_and(|at| at <= self.now) {
                            let texts = self.sides[number].wake(self.now);
                            self.take_from(number, texts);
                        }
                    }
                }
            }
        }
    }
}

fn phone_of(number: usize, users: &[&'static str]) -> Phone {
    let mut phone = Phone::new(users[number], &format!("127.0.{}.{}:5060", 1 + number / 200, 1 + number % 200));
    phone.password = "secret";
    phone
}

/// Every phone registers, then every phone calls another one. The callee's side of call `n` is side `2 · PHONES + n`.
fn sides(users: &[&'static str], dice: &mut Dice) -> (Vec<Side>, HashMap<(SocketAddr, String), usize>) {
    let mut sides = Vec::new();
    let mut by_call = HashMap::new();
    for number in 0..PHONES {
        let phone = phone_of(number, users);
        by_call.insert((phone.address, format!("reg-{}-{}", phone.user, phone.address)), sides.len());
        sides.push(Side::new(phone, "", Plan::Register, Some(dice.roll(10_000))));
    }
    let plans: Vec<_> = (0..PHONES)
        .map(|_| [Plan::CallerHangsUp, Plan::CalleeHangsUp, Plan::Busy, Plan::CallerCancels][dice.roll(4) as usize])
        .collect();
    for callee_side in [false, true] {
        for (number, &plan) in plans.iter().enumerate() {
            let (caller, callee) = (number, (number + PHONES / 2) % PHONES);
            let mut phone = phone_of(if callee_side { callee } else { caller }, users);
            phone.cseq = if callee_side { 2_000 } else { 1_000 };
            // A caller that hears nothing tries again, under another Call-ID.
            for attempt in 1..4 {
                by_call.insert((phone.address, format!("call-{}-{attempt}", users[caller])), sides.len());
            }
            let start = (!callee_side).then(|| 60_000 + dice.roll(60_000));
            sides.push(Side::new(phone, users[callee], plan, start));
        }
    }
    (sides, by_call)
}

#[test]
fn two_thousand_registrations_and_two_thousand_calls_come_to_the_right_end() {
    let users: Vec<&'static str> =
        (0..PHONES).map(|number| &*Box::leak(format!("u{number}").into_boxed_str())).collect();
    let setup = Setup { users: users.iter().map(|user| (*user, "secret", true)).collect(), ..Setup::default() };
    let start = Timestamp::from_secs(START_S);
    let shared = Arc::new(shared(&setup, start));
    let mut dice = Dice(42);
    let (sides, by_call) = sides(&users, &mut dice);
    let engine = Engine::new(shared.clone(), 0, [7; 32], start);
    let mut network = Network {
        engine,
        heard: Heard::default(),
        output: Output::default(),
        now: 0,
        serial: 0,
        queue: BinaryHeap::new(),
        dice,
        sides,
        by_call,
    };
    for number in 0..network.sides.len() {
        network.take_from(number, Vec::new());
    }
    network.run();
    let sides = &network.sides;
    for side in &sides[..PHONES] {
        assert_eq!(side.state, State::Over(200), "{}", side.phone.user);
        let bindings = shared.location.read(TRUNK, side.phone.user, |record| record.bindings.len());
        assert_eq!(bindings, Some(1), "{}", side.phone.user);
    }
    let mut ends = HashMap::new();
    for number in 0..PHONES {
        let (caller, callee) = (&sides[PHONES + number], &sides[2 * PHONES + number]);
        if caller.state == State::Over(408) {
            // Seven INVITEs or their answers lost in a row: the callee heard nothing, or rings without being heard.
            assert!(matches!(callee.state, State::Idle | State::Trying | State::Over(487)), "call {number}");
            *ends.entry(408).or_insert(0) += 1;
            continue;
        }
        assert_eq!(caller.state, callee.state, "call {number} {:?}", caller.plan);
        let State::Over(code) = caller.state else {
            panic!("call {number} hangs: {:?} {:?} / {:?} {:?}", caller.plan, caller.state, callee.plan, callee.state)
        };
        match caller.plan {
            Plan::Busy => assert_eq!(code, 486, "call {number}"),
            Plan::CallerCancels => assert!(matches!(code, 487 | 200), "call {number} {code}"),
            _ => assert_eq!(code, 200, "call {number}"),
        }
        *ends.entry(code).or_insert(0) += 1;
    }
    assert!(ends[&200] > 900 && ends[&486] > 400 && ends[&487] > 250, "{ends:?}");
    assert!(ends.get(&408).is_none_or(|&lost| lost < 10), "{ends:?}");
    assert!(sides.iter().map(|side| side.timed_out).sum::<u32>() < 30);
    assert_eq!(network.engine.load(), Load::default());
    // A dialog that has ended is remembered for 32 s; one that was forgotten to be ended for twelve hours.
    shared.dialogs.sweep(network.at() + Duration::from_secs(33));
    assert!(shared.dialogs.is_empty(), "{:?}", shared.dialogs);
    let told = |what: &str| network.heard.log.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!(told("call started"), told("call ended"));
    assert_eq!(told("call answered"), told("call ended 200"));
    assert!(Duration::from_millis(network.now) > Duration::from_secs(120));
}
