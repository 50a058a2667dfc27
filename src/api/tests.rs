use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::auth::{Algorithm, ChallengeStatus};
use crate::storage::{
    self, AccountRecord, Changes, CredentialRecord, Direction, TrunkRecord, TrunkTransport, WebhookMethod,
};
use crate::trunk::{AuthPolicy, TrunkId};

use super::*;

const TOKEN: &str = "0123456789abcdef";
const TRUNK_KEYS: [&str; 18] = [
    "trunk_id",
    "account_id",
    "name",
    "trunk_domain",
    "trunk_status",
    "secure",
    "trunk_direction",
    "concurrent_calls_limit",
    "cps_limit",
    "description",
    "transport",
    "recording",
    "enable_transcription",
    "pii_redaction",
    "recording_webhook_enabled",
    "webhook_method",
    "created_at",
    "updated_at",
];
const TRUNK_LIST_KEYS: [&str; 5] =
    ["credential_uuid", "primary_uri_uuid", "inbound_destination", "pii_entity_types", "webhook_url"];
const CREDENTIAL_KEYS: [&str; 8] =
    ["id", "account_id", "username", "password", "realm", "enabled", "created_at", "updated_at"];

fn account(auth_id: &str, token: &str, enabled: bool) -> AccountRecord {
    AccountRecord {
        auth_id: auth_id.to_owned(),
        token_hash: token_hash(token.as_bytes()),
        realm_override: None,
        enabled,
        created_at: 1,
        updated_at: 1,
    }
}

fn trunk(id: u128, auth_id: &str, created_at: u64) -> TrunkRecord {
    TrunkRecord {
        id: TrunkId(Uuid::from_u128(id)),
        auth_id: auth_id.to_owned(),
        name: format!("trunk {id:x}"),
        domain_override: None,
        enabled: true,
        secure: false,
        direction: Direction::Both,
        concurrent_calls_limit: 10,
        cps_limit: 2,
        description: String::new(),
        transport: TrunkTransport::Udp,
        recording: false,
        enable_transcription: false,
        pii_redaction: false,
        recording_webhook_enabled: false,
        webhook_method: WebhookMethod::Post,
        created_at,
        updated_at: created_at,
        credential_uuid: None,
        ipacl_uuid: None,
        primary_uri_uuid: None,
        fallback_uri_uuid: None,
        inbound_destination: None,
        pii_entity_types: None,
        webhook_url: None,
        policy_register: AuthPolicy::All,
        policy_call: AuthPolicy::All,
        call_challenge: ChallengeStatus::Unauthorized,
        algorithms: vec![Algorithm::Md5],
        caller_id_any: false,
        select_by_source: false,
        use_account_acl: false,
    }
}

fn credential(id: u128, auth_id: &str, username: &str, created_at: u64) -> CredentialRecord {
    CredentialRecord {
        id: Uuid::from_u128(id),
        auth_id: auth_id.to_owned(),
        username: username.to_owned(),
        description: "not shown".to_owned(),
        enabled: true,
        trunk: None,
        ha1_md5: Some([0xab; 16]),
        ha1_sha256: None,
        ha1_sha512_256: None,
        created_at,
        updated_at: created_at,
    }
}

struct Server {
    api: Arc<Api>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    #[track_caller]
    fn assert_error(&self, status: u16) {
        let body = self.json();
        assert_eq!((self.status, &body["code"]), (status, &Value::from(status)), "{body}");
        assert!(!body["error"].as_str().unwrap().is_empty(), "{body}");
        assert_eq!(body["error"], body["message"]);
        assert_eq!(keys(&body), BTreeSet::from(["code", "error", "message"].map(str::to_owned)));
    }

    #[track_caller]
    fn list(&self) -> (Value, Vec<Value>) {
        let body = self.json();
        assert_eq!(self.status, 200, "{body}");
        assert_eq!(keys(&body), BTreeSet::from(["meta", "objects"].map(str::to_owned)));
        assert_eq!(keys(&body["meta"]), BTreeSet::from(["limit", "offset", "total"].map(str::to_owned)));
        (body["meta"].clone(), body["objects"].as_array().unwrap().clone())
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// Over a store as it stands; without a default trunk, so that the snapshot is made by hand.
fn administration(store: Store) -> Administration {
    let default = crate::trunk::Trunk {
        id: TrunkId(Uuid::nil()),
        name: "default".into(),
        account: Arc::new(crate::trunk::Account {
            auth_id: "MA_0".into(),
            realm: "MA_0.sipward.invalid".into(),
            enabled: true,
            unscoped_credentials: Arc::default(),
        }),
        domain: "default.sipward.invalid".into(),
        enabled: true,
        policy_register: AuthPolicy::All,
        policy_call: AuthPolicy::All,
        acl: crate::acl::Acl::default(),
        algorithms: [Algorithm::Md5].into(),
        call_challenge: ChallengeStatus::Unauthorized,
        caller_id_any: false,
        select_by_source: false,
        credential: None,
        scoped_credentials: Arc::default(),
    };
    let default = Arc::new(default);
    let directory = crate::trunk::Directory::new(default.clone(), vec![default]).unwrap();
    Administration::new(administration::Parts {
        store: Arc::new(store),
        directory: Arc::new(arc_swap::ArcSwap::from_pointee(directory)),
        location: Arc::new(crate::location::Location::new(Arc::new(crate::location::NoBindingStore))),
        dialogs: Arc::new(crate::dialog::Dialogs::new(100, [1; 16])),
        domain: "sipward.invalid".into(),
        settings: administration::Settings::default(),
        now: Box::new(|| crate::clock::Timestamp::from_secs(1_795_000_000)),
        observer: Box::new(crate::event::Silent),
    })
}

impl Server {
    fn start(fill: impl FnOnce(&mut Changes)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&storage::Settings { path: folder.path().join("store") }).unwrap();
        let mut changes = Changes::new();
        changes.create_account(&account("MA_1", TOKEN, true)).unwrap();
        changes.create_account(&account("MA_2", "another token", true)).unwrap();
        changes.create_account(&account("MA_3", TOKEN, false)).unwrap();
        fill(&mut changes);
        store.commit(changes).unwrap();
        let api = Arc::new(Api::new(Arc::new(administration(store)), Arc::new(Metrics::new())));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let served = tokio::spawn(serve(listener, None, Arc::clone(&api), shutdown));
        Self { api, address, stop: Some(stop), served, _folder: folder }
    }

    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses early may reset what it has not read.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n");
        Answer::read(&self.raw(&request).await)
    }

    /// As `MA_1` with its token.
    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &format!("X-Auth-ID: MA_1\r\nX-Auth-Token: {TOKEN}\r\n")).await
    }
}

#[tokio::test]
async fn health_is_503_until_ready_and_then_says_ok_and_the_version() {
    let server = Server::start(|_| {});
    server.ask("GET", "/healthz", "").await.assert_error(503);
    server.api.set_ready(true);
    let answer = server.ask("GET", "/healthz", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), serde_json::json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
    server.api.set_ready(false);
    server.ask("GET", "/healthz", "").await.assert_error(503);
}

#[tokio::test]
async fn metrics_are_shown_as_openmetrics() {
    let server = Server::start(|_| {});
    let answer = server.ask("GET", "/metrics", "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(answer.body.contains("sipward_messages_total{outcome=\"challenged\"} 0\n"));
    assert!(answer.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_method_405_each_with_a_body() {
    let server = Server::start(|_| {});
    for path in
        ["/", "/nothing", "/healthz/", "/api/v1", "/api/v1/Account/MA_1", "/api/v1/Account/MA_1/trunkz", "//", "/%ff"]
    {
        server.get(path).await.assert_error(404);
    }
    let trunks = "/api/v1/Account/MA_1/trunks";
    for (method, path, allowed) in
        [("POST", "/healthz", "get,head"), ("DELETE", "/metrics", "get,head"), ("PATCH", trunks, "post,get,head")]
    {
        let answer = server.ask(method, path, "").await;
        answer.assert_error(405);
        assert!(answer.head.to_ascii_lowercase().contains(&format!("allow: {allowed}")), "{}", answer.head);
    }
}

#[tokio::test]
async fn only_the_right_token_of_the_account_in_the_path_gets_in() {
    let server = Server::start(|_| {});
    let path = "/api/v1/Account/MA_1/trunks";
    let wrong = [
        String::new(),
        "X-Auth-ID: MA_1\r\n".to_owned(),
        format!("X-Auth-Token: {TOKEN}\r\n"),
        "X-Auth-ID: MA_1\r\nX-Auth-Token: \r\n".to_owned(),
        "X-Auth-ID: MA_1\r\nX-Auth-Token: another token\r\n".to_owned(),
        format!("X-Auth-ID: MA_9\r\nX-Auth-Token: {TOKEN}\r\n"),
        format!("X-Auth-ID: ma_1\r\nX-Auth-Token: {TOKEN}\r\n"),
        format!("X-Auth-ID: MA_1\r\nAuthorization: Bearer {TOKEN}\r\n"),
    ];
    let mut bodies = BTreeSet::new();
    for headers in wrong {
        let answer = server.ask("GET", path, &headers).await;
        answer.assert_error(401);
        assert!(answer.head.contains("www-authenticate: "), "{}", answer.head);
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1, "nothing tells which of the two is wrong");
    for other in ["MA_2", "MA_9"] {
        server.get(&format!("/api/v1/Account/{other}/trunks")).await.assert_error(403);
    }
    let suspended = format!("X-Auth-ID: MA_3\r\nX-Auth-Token: {TOKEN}\r\n");
    server.ask("GET", "/api/v1/Account/MA_3/trunks", &suspended).await.assert_error(403);
    let with_bearer = format!("X-Auth-ID: MA_1\r\nX-Auth-Token: {TOKEN}\r\nAuthorization: Bearer nonsense\r\n");
    assert_eq!(server.ask("GET", path, &with_bearer).await.status, 200);
}

#[tokio::test]
async fn the_account_segment_is_taken_in_any_case_and_a_slash_at_the_end_without_redirect() {
    let server = Server::start(|_| {});
    for area in ["Account", "account", "ACCOUNT"] {
        for path in ["trunks", "trunks/", "trunks/credentials", "trunks/credentials/"] {
            assert_eq!(server.get(&format!("/api/v1/{area}/MA_1/{path}")).await.status, 200, "{area} {path}");
        }
    }
    server.get("/api/v1/accounts/MA_1/trunks").await.assert_error(404);
}

#[tokio::test]
async fn a_trunk_in_a_list_has_exactly_the_keys_of_the_contract() {
    let server = Server::start(|changes| {
        let plain = trunk(0x1486_467e_0000_4000_8000_0000_0000_0001, "MA_1", 1_795_000_000_123_456);
        changes.create_trunk(&plain).unwrap();
        let full = TrunkRecord {
            domain_override: Some("sip.example.com".to_owned()),
            enabled: false,
            direction: Direction::Outbound,
            transport: TrunkTransport::Tls,
            webhook_method: WebhookMethod::Get,
            credential_uuid: Some(Uuid::from_u128(1)),
            ipacl_uuid: Some(Uuid::from_u128(2)),
            primary_uri_uuid: Some(Uuid::from_u128(3)),
            fallback_uri_uuid: Some(Uuid::from_u128(4)),
            inbound_destination: Some("192.0.2.1".to_owned()),
            pii_entity_types: Some("name".to_owned()),
            webhook_url: Some("https://example.com/".to_owned()),
            ..trunk(2, "MA_1", 5)
        };
        changes.create_trunk(&full).unwrap();
        changes.create_trunk(&trunk(3, "MA_2", 9)).unwrap();
    });
    let (meta, objects) = server.get("/api/v1/Account/MA_1/trunks").await.list();
    assert_eq!(meta, serde_json::json!({"limit": 20, "offset": 0, "total": 2}));
    let [plain, full] = objects.as_slice() else { panic!("{objects:?}") };
    assert_eq!(keys(plain), TRUNK_KEYS.iter().map(|key| (*key).to_owned()).collect());
    let with_optional = TRUNK_KEYS.iter().chain(&TRUNK_LIST_KEYS).map(|key| (*key).to_owned()).collect();
    assert_eq!(keys(full), with_optional);
    assert_eq!(
        *plain,
        serde_json::json!({
            "trunk_id": "1486467e-0000-4000-8000-000000000001", "account_id": "MA_1",
            "name": "trunk 1486467e000040008000000000000001", "trunk_domain": "1486467e.sipward.invalid",
            "trunk_status": "active", "secure": false, "trunk_direction": "both", "concurrent_calls_limit": 10,
            "cps_limit": 2, "description": "", "transport": "udp", "recording": false, "enable_transcription": false,
            "pii_redaction": false, "recording_webhook_enabled": false, "webhook_method": "POST",
            "created_at": "2026-11-18T11:06:40.123456Z", "updated_at": "2026-11-18T11:06:40.123456Z",
        })
    );
    for (key, expected) in [
        ("trunk_domain", "sip.example.com"),
        ("trunk_status", "inactive"),
        ("trunk_direction", "outbound"),
        ("transport", "tls"),
        ("webhook_method", "GET"),
        ("primary_uri_uuid", "00000000-0000-0000-0000-000000000003"),
    ] {
        assert_eq!(full[key], expected, "{key}");
    }
}

#[tokio::test]
async fn a_credential_has_exactly_the_eight_keys_and_no_secret() {
    let server = Server::start(|changes| {
        changes.create_credential(&credential(1, "MA_1", "alice", 5)).unwrap();
        changes.create_credential(&credential(2, "MA_2", "bob", 5)).unwrap();
    });
    let answer = server.get("/api/v1/Account/MA_1/trunks/credentials").await;
    let (meta, objects) = answer.list();
    assert_eq!(meta["total"], 1);
    assert_eq!(keys(&objects[0]), CREDENTIAL_KEYS.iter().map(|key| (*key).to_owned()).collect());
    assert_eq!(
        objects[0],
        serde_json::json!({
            "id": "00000000-0000-0000-0000-000000000001", "account_id": "MA_1", "username": "alice",
            "password": "<redacted>", "realm": "MA_1.sipward.invalid", "enabled": true,
            "created_at": "1970-01-01T00:00:00.000005Z", "updated_at": "1970-01-01T00:00:00.000005Z",
        })
    );
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
}

#[tokio::test]
async fn a_realm_of_its_own_is_shown() {
    let server = Server::start(|changes| {
        let own = AccountRecord { realm_override: Some("example.com".to_owned()), ..account("MA_4", TOKEN, true) };
        changes.create_account(&own).unwrap();
        changes.create_credential(&credential(1, "MA_4", "alice", 5)).unwrap();
    });
    let headers = format!("X-Auth-ID: MA_4\r\nX-Auth-Token: {TOKEN}\r\n");
    let (_, objects) = server.ask("GET", "/api/v1/account/MA_4/trunks/credentials", &headers).await.list();
    assert_eq!(objects[0]["realm"], "example.com");
}

#[tokio::test]
async fn lists_come_in_pages_newest_first() {
    let server = Server::start(|changes| {
        for number in 1..=25_u8 {
            let id = u128::from(number) << 96;
            changes.create_trunk(&trunk(id, "MA_1", number.into())).unwrap();
            changes.create_credential(&credential(id, "MA_1", &format!("user{number}"), number.into())).unwrap();
        }
    });
    let names = |objects: &[Value], key: &str| -> Vec<String> {
        objects.iter().map(|object| object[key].as_str().unwrap().to_owned()).collect()
    };
    let credentials = "/api/v1/Account/MA_1/trunks/credentials";
    let (meta, objects) = server.get(credentials).await.list();
    assert_eq!((objects.len(), &meta["total"]), (20, &25.into()));
    assert_eq!(names(&objects, "username")[..2], ["user25", "user24"]);
    let (meta, objects) = server.get(&format!("{credentials}?limit=2&offset=3&unknown=1")).await.list();
    assert_eq!(meta, serde_json::json!({"limit": 2, "offset": 3, "total": 25}));
    assert_eq!(names(&objects, "username"), ["user22", "user21"]);
    let (meta, objects) = server.get(&format!("{credentials}?offset=25")).await.list();
    assert_eq!((objects.len(), &meta["total"]), (0, &25.into()));
    let (meta, objects) = server.get("/api/v1/account/MA_1/trunks?page=2&size=10").await.list();
    assert_eq!(meta, serde_json::json!({"limit": 10, "offset": 10, "total": 25}));
    assert_eq!(objects[0]["created_at"], "1970-01-01T00:00:00.000015Z");
    server.get(&format!("{credentials}?limit=many")).await.assert_error(400);
}

#[tokio::test]
async fn one_connection_takes_several_requests() {
    let server = Server::start(|_| {});
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 404 "));
    }
}

#[tokio::test]
async fn nonsense_and_huge_requests_do_no_harm() {
    let server = Server::start(|_| {});
    let huge = format!("GET /healthz HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(2_000_000));
    let many = format!("GET /healthz HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(1_000));
    let body = format!("POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n{}", "x".repeat(1_000_000));
    for request in ["\0\x01\x02\r\n\r\n", "GET\r\n\r\n", "REGISTER sip:h SIP/2.0\r\n\r\n", &huge, &many, &body] {
        let answer = server.raw(request).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    server.get("/nothing").await.assert_error(404);
}

#[tokio::test]
async fn a_client_that_holds_its_connection_does_not_hold_the_end_up_for_long() {
    let mut server = Server::start(|_| {});
    let mut halfway = TcpStream::connect(server.address).await.unwrap();
    halfway.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n").await.unwrap();
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.get("/nothing").await.assert_error(404);
    drop(server.stop.take());
    let end = tokio::time::timeout(Duration::from_secs(10), &mut server.served).await;
    end.expect("it ended").unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    drop((halfway, idle));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut bounded = serve::Bounded::new(listener, None, 1);
    let _clients = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    let (first, _) = axum::serve::Listener::accept(&mut bounded).await;
    let second = tokio::time::timeout(Duration::from_millis(50), axum::serve::Listener::accept(&mut bounded)).await;
    assert!(second.is_err());
    drop(first);
    let second = tokio::time::timeout(Duration::from_secs(5), axum::serve::Listener::accept(&mut bounded)).await;
    assert!(second.is_ok());
}

#[test]
fn a_token_is_stored_as_its_sha_256() {
    let hash = token_hash(b"abc");
    assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
}
