//! A world for tests of the core: one engine or several, a clock that only moves when told to, and a network that is a
//! list of messages. No socket, no wait.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

pub mod call;
pub mod phone;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use sipward::acl::{Acl, Entry, Rule};
use sipward::auth::{
    Algorithm, ChallengeStatus, Credential, CredentialSource, Ha1Set, MemoryReplayWindows, NonceId, NonceKeys, Replay,
    ReplayWindows,
};
use sipward::clock::Timestamp;
use sipward::dialog::Dialogs;
use sipward::engine::{Disposition, Engine, Output, Secrets, Shared};
use sipward::event::{Event, Observer, Outcome};
use sipward::flow::{ConnectionId, Flow, LocalRoutes, OpenStreams, Transport};
use sipward::limits::{FailureTable, SourceRates};
use sipward::location::{Binding, Location, NoBindingStore};
use sipward::proxy;
use sipward::registrar;
use sipward::transaction::Limits;
use sipward::trunk::{Account, AuthPolicy, Directory, Interfaces, Trunk, TrunkId};
use uuid::Uuid;

/// Where the server of every world listens, on UDP and TCP.
pub const SERVER: &str = "127.0.0.1:5060";
pub const REALM: &str = "MA_TEST.sipward.invalid";
pub const TRUNK: TrunkId = TrunkId(Uuid::from_u128(0x1234_5678_0000_4000_8000_0000_0000_0001));
pub const TRUNK_DOMAIN: &str = "12345678.sipward.invalid";
/// Domain of the second trunk, where there is one.
pub const OTHER_DOMAIN: &str = "87654321.sipward.invalid";
pub const START_S: u64 = 1_790_000_000;

/// Credentials in memory.
#[derive(Default)]
pub struct Credentials(DashMap<Vec<u8>, Credential>);

impl CredentialSource for Credentials {
    fn credential(&self, auth_id: &str, username: &[u8]) -> Option<Credential> {
        (auth_id == "MA_TEST").then(|| self.0.get(username).map(|found| *found))?
    }
}

/// Replay windows that remember nothing.
struct Forgetful;

impl ReplayWindows for Forgetful {
    fn admit(&self, _nonce: NonceId, _nc: u32, _now: Timestamp) -> Replay {
        Replay::Fresh
    }
}

/// Only the loopback interface.
pub struct Loopback;

impl LocalRoutes for Loopback {
    fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback()
    }
    fn toward(&self, peer: IpAddr) -> Option<IpAddr> {
        Some(if peer.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() })
    }
}

/// What the engine told, in short.
#[derive(Default)]
pub struct Heard {
    pub outcomes: Vec<Outcome>,
    pub log: Vec<String>,
}

impl Observer for Heard {
    fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::Decided { outcome, .. } => self.outcomes.push(*outcome),
            Event::Registered { aor, .. } => self.log.push(format!("registered {}", aor.user)),
            Event::Unregistered { aor, gone, .. } => {
                self.log.push(format!("unregistered {} {}", aor.user, gone.label()))
            }
            Event::CallStarted { .. } => self.log.push("call started".into()),
            Event::TargetSkipped { .. } => self.log.push("target skipped".into()),
            Event::CallAnswered { .. } => self.log.push("call answered".into()),
            Event::CallEnded { status, .. } => self.log.push(format!("call ended {status}")),
            Event::SecondReaderRefused => self.log.push("rsip refused".into()),
            Event::SecondReaderDiffered { field } => self.log.push(format!("rsip differs {field}")),
            Event::SecondReaderAgreed | Event::CredentialUsed { .. } => {}
        }
    }
}

/// A message that the server has sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub flow: Flow,
    /// The branch that fails when this cannot be sent.
    pub branch: Option<sipward::output::BranchId>,
    pub bytes: Vec<u8>,
    pub text: String,
}

/// How the trunk of a world is set up.
#[derive(Clone)]
pub struct Setup {
    /// For REGISTER, and for calls where there is none of their own.
    pub policy: AuthPolicy,
    pub policy_call: Option<AuthPolicy>,
    /// Allow and deny entries, such as `("127.0.0.0/8", Rule::Allow)`.
    pub acl: Vec<(&'static str, Rule)>,
    /// Names that each allow entry may register without a password.
    pub may_register: Vec<&'static str>,
    pub algorithms: Vec<Algorithm>,
    pub call_challenge: ChallengeStatus,
    pub caller_id_any: bool,
    pub enabled: bool,
    /// Whether the account has a second trunk, at [`OTHER_DOMAIN`].
    pub second_trunk: bool,
    pub registrar: registrar::Settings,
    pub proxy: proxy::Settings,
    pub per_source_per_s: u32,
    pub failures_per_minute: u32,
    pub allow_rfc2069: bool,
    /// The server has other keys than the server of an ordinary world: no nonce and no route token of there counts here.
    pub other_keys: bool,
    /// Every nonce of the last ten days and every nonce-count is taken for fresh, so that what was captured can be played
    /// again and again.
    pub forgets_replays: bool,
    pub users: Vec<(&'static str, &'static str, bool)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policy: AuthPolicy::All,
            policy_call: None,
            acl: Vec::new(),
            may_register: Vec::new(),
            algorithms: vec![Algorithm::Md5],
            call_challenge: ChallengeStatus::Unauthorized,
            caller_id_any: false,
            enabled: true,
            second_trunk: false,
            registrar: registrar::Settings::default(),
            proxy: proxy::Settings::default(),
            per_source_per_s: 0,
            failures_per_minute: 0,
            allow_rfc2069: false,
            other_keys: false,
            forgets_replays: false,
            users: vec![
                ("alice", "alice-secret", true),
                ("bob", "bob-secret", true),
                ("carol", "carol-secret", true),
                ("disabled", "disabled-secret", false),
            ],
        }
    }
}

/// An engine, its clock and everything it has said.
pub struct World {
    pub engine: Engine,
    pub shared: Arc<Shared>,
    pub now: Timestamp,
    pub heard: Heard,
    output: Output,
    sent: Vec<Sent>,
}

thread_local! {
    /// Every message that a world of this thread takes or sends, while somebody asks for it.
    static RECORD: RefCell<Option<Vec<Vec<u8>>>> = const { RefCell::new(None) };
}

/// Runs `scenarios` and returns the bytes of every message that was sent in them, to the server or by it.
pub fn record(scenarios: impl FnOnce()) -> Vec<Vec<u8>> {
    RECORD.with_borrow_mut(|record| *record = Some(Vec::new()));
    scenarios();
    RECORD.take().unwrap_or_default()
}

fn note(bytes: &[u8]) {
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            record.push(bytes.to_vec());
        }
    });
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

impl World {
    pub fn new(setup: &Setup) -> Self {
        let now = Timestamp::from_secs(START_S);
        let shared = Arc::new(shared(setup, now));
        let engine = Engine::new(shared.clone(), 0, [7; 32], now);
        Self { engine, shared, now, heard: Heard::default(), output: Output::default(), sent: Vec::new() }
    }

    /// The default world: `all`, no ACL, users alice, bob and carol, and one who is disabled.
    pub fn ordinary() -> Self {
        Self::new(&Setup::default())
    }

    /// A message reaches the server over `flow`.
    pub fn deliver(&mut self, flow: Flow, text: &[u8]) -> Disposition {
        note(text);
        let mut bytes = text.to_vec();
        self.output.clear();
        let disposition = self.engine.receive(&mut bytes, flow, self.now, &mut self.heard, &mut self.output);
        self.collect();
        disposition
    }

    /// Delivers any bytes over any flow and returns everything that the server sends because of them.
    pub fn bytes(&mut self, flow: Flow, bytes: &[u8]) -> Vec<Sent> {
        let before = self.sent.len();
        let _ = self.deliver(flow, bytes);
        self.sent.drain(before..).collect()
    }

    /// Delivers a datagram from `peer` and returns everything that the server sends because of it.
    pub fn datagram(&mut self, peer: SocketAddr, text: &str) -> Vec<Sent> {
        self.datagram_of(peer, text.as_bytes())
    }

    /// The same with a text that need not be UTF-8; over IPv6 it reaches the server's address there.
    pub fn datagram_of(&mut self, peer: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
        let before = self.sent.len();
        let local = if peer.is_ipv6() { "[::1]:5060" } else { SERVER };
        let _ = self.deliver(Flow::udp(address(local), peer), bytes);
        self.sent.drain(before..).collect()
    }

    /// Delivers a message over a stream and returns everything that the server sends because of it.
    pub fn stream(&mut self, peer: SocketAddr, connection: u64, text: &str) -> Vec<Sent> {
        let before = self.sent.len();
        let _ = self.deliver(Flow::tcp(address(SERVER), peer, ConnectionId::new(0, connection)), text.as_bytes());
        self.sent.drain(before..).collect()
    }

    /// Lets time pass, with every timer on its way, and returns what the server sends meanwhile.
    pub fn pass(&mut self, span: Duration) -> Vec<Sent> {
        let until = self.now + span;
        let before = self.sent.len();
        while let Some(next) = self.engine.next_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.output.clear();
            self.engine.expire(self.now, &mut self.heard, &mut self.output);
            self.collect();
        }
        self.now = until;
        self.shared.location.sweep(self.now, usize::MAX, |_, _| ());
        self.shared.dialogs.sweep(self.now);
        self.sent.drain(before..).collect()
    }

    /// A message of that branch could not be sent.
    pub fn fail_to_send(&mut self, branch: sipward::output::BranchId) -> Vec<Sent> {
        let before = self.sent.len();
        self.output.clear();
        self.engine.send_failed(branch, self.now, &mut self.heard, &mut self.output);
        self.collect();
        self.sent.drain(before..).collect()
    }

    /// The stream has closed.
    pub fn close(&mut self, connection: u64) -> Vec<Sent> {
        self.hear_of_closing(ConnectionId::new(0, connection))
    }

    /// The engine hears that a stream has closed, be it its own or another shard's.
    pub fn hear_of_closing(&mut self, connection: ConnectionId) -> Vec<Sent> {
        let before = self.sent.len();
        self.output.clear();
        self.engine.connection_closed(connection, self.now, &mut self.heard, &mut self.output);
        self.collect();
        self.sent.drain(before..).collect()
    }

    /// Everything sent that no other call has returned.
    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    fn collect(&mut self) {
        for (send, bytes) in self.output.sends() {
            note(bytes);
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.sent.push(Sent { flow: send.flow, branch: send.branch, bytes: bytes.to_vec(), text });
        }
    }

    /// A nonce of this server, as a challenge would hand it out now. `salt` tells it from others.
    pub fn nonce(&self, salt: u64) -> String {
        let nonce = self.shared.nonces.mint(REALM.as_bytes(), salt, self.now);
        String::from_utf8_lossy(nonce.as_bytes()).into_owned()
    }

    /// Puts a binding there that no REGISTER of this world has made; it lasts for a day.
    pub fn bind(&mut self, user: &str, contact: &str, flow: Flow) {
        let binding = Binding {
            contact: contact.as_bytes().into(),
            flow,
            call_id: b"bound".as_slice().into(),
            cseq: 1,
            expires_at: self.now + Duration::from_secs(86_400),
            q: 1000,
            credential: None,
            user_agent: "".into(),
            answered: Default::default(),
        };
        self.shared.location.update(TRUNK, user, |record| {
            record.bindings.push(binding);
            ((), true)
        });
    }

    /// Whether the server holds any state of a request: a transaction, a response context or a dialog.
    pub fn is_idle(&self) -> bool {
        let load = self.engine.load();
        load.server_transactions == 0
            && load.client_transactions == 0
            && load.contexts == 0
            && self.shared.dialogs.is_empty()
    }

    /// The last outcome.
    pub fn outcome(&self) -> Outcome {
        *self.heard.outcomes.last().expect("an outcome")
    }

    /// Every contact of a user, with the seconds it has left.
    pub fn bindings(&self, user: &str) -> Vec<(String, u64)> {
        let list = |record: &sipward::location::AorRecord| {
            let live = record.bindings.iter().filter(|binding| binding.expires_at > self.now);
            live.map(|b| (String::from_utf8_lossy(&b.contact).into_owned(), b.expires_at.since(self.now).as_secs()))
                .collect()
        };
        self.shared.location.read(TRUNK, user, list).unwrap_or_default()
    }
}

/// What the engine of a world shares; a world of several shards makes several engines over it.
pub fn shared(setup: &Setup, now: Timestamp) -> Shared {
    let listen = address(SERVER);
    let listeners = vec![(Transport::Udp, listen), (Transport::Tcp, listen), (Transport::Udp, address("[::1]:5060"))];
    let interfaces = Arc::new(Interfaces::new(listeners, Vec::new(), Vec::new(), Arc::new(Loopback)));
    let dialogs = Arc::new(Dialogs::new(100_000, [3; 16]));
    let credentials = Credentials::default();
    for (number, (name, password, enabled)) in setup.users.iter().enumerate() {
        let ha1 = Ha1Set::from_password(name.as_bytes(), REALM.as_bytes(), password.as_bytes());
        let id = Uuid::from_u128(100 + number as u128);
        credentials.0.insert(name.as_bytes().to_vec(), Credential { id, enabled: *enabled, trunk: None, ha1 });
    }
    let (route_key, nonce_key) = if setup.other_keys { ([19; 32], [15; 32]) } else { ([9; 32], [5; 32]) };
    let route_keys = Arc::new(ArcSwap::from_pointee(proxy::RouteKeys::new([(1, route_key)])));
    let replay: Arc<dyn ReplayWindows> = match setup.forgets_replays {
        true => Arc::new(Forgetful),
        false => Arc::new(MemoryReplayWindows::new(100_000, Duration::from_secs(300))),
    };
    Shared {
        started: now,
        directory: Arc::new(ArcSwap::from_pointee(directory(setup))),
        credentials: Arc::new(credentials),
        nonces: NonceKeys::new(nonce_key, Duration::from_secs(if setup.forgets_replays { 864_000 } else { 300 }), now),
        allow_rfc2069: setup.allow_rfc2069,
        replay,
        rates: Arc::new(SourceRates::new(setup.per_source_per_s, Vec::new(), [6; 16])),
        failures: Arc::new(FailureTable::new(setup.failures_per_minute, Vec::new(), [8; 16])),
        location: Arc::new(Location::new(Arc::new(NoBindingStore))),
        interfaces: interfaces.clone(),
        streams: OpenStreams::default(),
        dialogs: dialogs.clone(),
        registrar: setup.registrar.clone(),
        proxy: Arc::new(proxy::Shared {
            settings: setup.proxy.clone(),
            interfaces,
            dialogs,
            route_keys,
            loop_secret: [4; 16],
        }),
        transactions: Limits { transactions: 100_000, bytes: 64 << 20 },
        secrets: Secrets { transactions: [1; 16], tags: [2; 16] },
    }
}

/// The trunks of a world.
pub fn directory(setup: &Setup) -> Directory {
    let account = Arc::new(Account {
        auth_id: "MA_TEST".into(),
        realm: REALM.into(),
        enabled: true,
        unscoped_credentials: Arc::new(AtomicU32::new(setup.users.len() as u32)),
    });
    let first = Arc::new(trunk(setup, account.clone(), TRUNK, TRUNK_DOMAIN));
    let mut trunks = vec![first.clone()];
    if setup.second_trunk {
        let id = TrunkId(Uuid::from_u128(0x8765_4321_0000_4000_8000_0000_0000_0002));
        trunks.push(Arc::new(trunk(setup, account, id, OTHER_DOMAIN)));
    }
    Directory::new(first, trunks).expect("the trunks do not clash")
}

fn trunk(setup: &Setup, account: Arc<Account>, id: TrunkId, domain: &str) -> Trunk {
    let entries = setup.acl.iter().map(|(net, rule)| Entry {
        id: Uuid::nil(),
        net: sipward::acl::parse_net(net).expect("a network"),
        rule: *rule,
        may_register: setup.may_register.iter().map(|name| (*name).into()).collect(),
    });
    Trunk {
        id,
        name: domain.into(),
        account,
        domain: domain.into(),
        enabled: setup.enabled,
        policy_register: setup.policy,
        policy_call: setup.policy_call.unwrap_or(setup.policy),
        acl: Acl::new(entries.collect()),
        algorithms: setup.algorithms.clone().into(),
        call_challenge: setup.call_challenge,
        caller_id_any: setup.caller_id_any,
        select_by_source: false,
        credential: None,
        scoped_credentials: Arc::new(AtomicU32::new(0)),
    }
}
