//! The server under test: its binary, with a store and ports of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub const TOKEN: &str = "account-token-of-the-tests";
pub const OPERATOR: &str = "operator-token-of-the-tests";
pub const ACCOUNT: &str = "/api/v1/Account/MA_LOCAL";

/// Below the range from which the system takes ports for outgoing connections.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() % 900 * 16;
    loop {
        let port = 15_100 + u16::try_from(start).unwrap() + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub struct Server {
    pub sip: SocketAddr,
    pub api: SocketAddr,
    pub folder: TempDir,
    pub child: Child,
}

/// The program without the variables of whoever runs the tests.
pub fn sipward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipward"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIPWARD_")) {
        command.env_remove(name);
    }
    command
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::start_in(TempDir::new().unwrap(), environment)
    }

    /// With the store that an earlier one left in `folder`.
    pub fn start_in(folder: TempDir, environment: &[(&str, &str)]) -> Self {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (sip, api) = (address(free_port()), address(free_port()));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = sipward()
            .arg("serve")
            .env("SIPWARD_SIP_LISTEN", format!("udp:{sip},tcp:{sip}"))
            .env("SIPWARD_API_LISTEN", api.to_string())
            .env("SIPWARD_STORAGE_PATH", folder.path().join("store"))
            .env("SIPWARD_ACCOUNT_AUTH_TOKEN", TOKEN)
            .env("SIPWARD_API_OPERATOR_TOKEN", OPERATOR)
            .env("SIPWARD_LOG_LEVEL", "debug")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { sip, api, folder, child };
        server.wait_until_it_listens();
        server
    }

    fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.log().contains("shards started") && TcpStream::connect(self.api).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The log once `text` is in it: it is written behind the answers. Without `text`, the log as it is five seconds on.
    pub fn log_with(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.log().contains(text) && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
        self.log()
    }

    /// Asks it to end, waits, and hands the folder over.
    pub fn stop(mut self) -> TempDir {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, TempDir::new().unwrap())
    }

    /// `headers` are whole lines without their ends.
    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: Option<&Value>) -> Answer {
        let mut stream = TcpStream::connect(self.api).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        exchange(&mut stream, &request(method, path, headers, body))
    }

    /// As the account of the server.
    pub fn account(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.as_account("MA_LOCAL", TOKEN, method, path, body)
    }

    pub fn as_account(&self, auth_id: &str, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let headers = [format!("X-Auth-ID: {auth_id}"), format!("X-Auth-Token: {token}")];
        let path = format!("/api/v1/Account/{auth_id}/{path}");
        self.ask(method, &path, &[&headers[0], &headers[1]], body)
    }

    pub fn operator(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let token = format!("X-Operator-Token: {OPERATOR}");
        self.ask(method, &format!("/api/v1/operator/{path}"), &[&token], body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn request(method: &str, path: &str, headers: &[&str], body: Option<&Value>) -> String {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut lines = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    for header in headers {
        lines += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        lines += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    format!("{lines}\r\n{body}")
}

pub fn exchange(stream: &mut (impl Read + Write), request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A TLS peer that closes without a word has said all that was asked for.
    let _ = stream.read_to_end(&mut bytes);
    Answer::read(&String::from_utf8(bytes).unwrap())
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        if status >= 400 {
            let body = self.json();
            assert_eq!(body["code"], status);
            assert!(!body["error"].as_str().unwrap().is_empty());
        }
        self
    }
}

/// Every file below `folder` as text, for looking for what must not be there.
pub fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() { all_bytes(&path) } else { std::fs::read(&path).unwrap() });
    }
    bytes
}
