//! A running server of the built binary, with a store, ports and tokens of its own.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub const AUTH_ID: &str = "MA_TEST";
pub const AUTH_TOKEN: &str = "token-of-the-account-0123456789abcdef";
pub const OPERATOR_TOKEN: &str = "token-of-the-operator-0123456789abcdef";

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Where a server lives; it outlasts one run of it.
pub struct Place {
    pub api: SocketAddr,
    pub sip: SocketAddr,
    pub folder: TempDir,
    /// `[log] level`.
    pub log_level: &'static str,
}

/// A server; dropping it kills it.
pub struct Server {
    child: Child,
    pub api: SocketAddr,
    pub sip: SocketAddr,
    pub log: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        Self { api: free_address(), sip: free_address(), folder, log_level: "debug" }
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// Starts a server here and waits until it is healthy.
    pub fn start(&self) -> Server {
        let log = self.folder.path().join("log");
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log can be made");
        let child = sipward(&["serve"])
            .env("SIPWARD_SIP_LISTEN", format!("udp:{0},tcp:{0}", self.sip))
            .env("SIPWARD_API_LISTEN", self.api.to_string())
            .env("SIPWARD_API_OPERATOR_TOKEN", OPERATOR_TOKEN)
            .env("SIPWARD_STORAGE_PATH", self.store())
            .env("SIPWARD_ACCOUNT_AUTH_ID", AUTH_ID)
            .env("SIPWARD_ACCOUNT_AUTH_TOKEN", AUTH_TOKEN)
            .env("SIPWARD_LOG_LEVEL", self.log_level)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log can be shared"))
            .stderr(file)
            .spawn()
            .expect("the server can be started");
        let mut server = Server { child, api: self.api, sip: self.sip, log };
        let deadline = Instant::now() + START_LIMIT;
        while server.request("GET", "/healthz", &[], "").is_none_or(|answer| answer.status != 200) {
            let ended = server.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none() && Instant::now() < deadline, "not healthy ({ended:?}):\n{}", server.printed());
            sleep(Duration::from_millis(30));
        }
        server
    }
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Server {
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM; the exit must be clean.
    pub fn stop(mut self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill can be run");
        assert!(status.success());
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                assert!(status.success(), "{status}:\n{}", self.printed());
                return;
            }
            assert!(Instant::now() < deadline, "the server did not stop:\n{}", self.printed());
            sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// One request as the account; `None` where no answer comes.
    pub fn request(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.api, Duration::from_secs(2)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (api, length) = (self.api, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\nX-Auth-ID: {AUTH_ID}\r\n\
             X-Auth-Token: {AUTH_TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{fields}\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// One request under the account's path; panics where no answer comes.
    pub fn account(&self, method: &str, path: &str, body: &str) -> Answer {
        let path = format!("/api/v1/Account/{AUTH_ID}/{path}");
        self.request(method, &path, &[], body).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// A command of the program against this server, with both tokens.
    pub fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = sipward(arguments);
        command
            .env("SIPWARD_API", format!("http://{}", self.api))
            .env("SIPWARD_AUTH_ID", AUTH_ID)
            .env("SIPWARD_AUTH_TOKEN", AUTH_TOKEN)
            .env("SIPWARD_OPERATOR_TOKEN", OPERATOR_TOKEN);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, without what the caller's environment says to it.
pub fn sipward(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIPWARD_")) {
        command.env_remove(name);
    }
    // A proxy of the caller's has no business with loopback.
    command.env("NO_PROXY", "*").args(arguments);
    command
}

pub fn binary() -> PathBuf {
    std::env::var_os("SIPWARD_TEST_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sipward")), PathBuf::from)
}

/// The Python that `.ci/test` has prepared.
pub fn python() -> PathBuf {
    let made = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../interop-venv/bin/python");
    std::env::var_os("SIPWARD_TEST_PYTHON").map_or_else(made, PathBuf::from)
}

/// Runs to the end, feeding `input`.
pub fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; `bash .ci/test` installs it"));
    // A program that does not read what it is given is no failure of this side.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A port below those that the system gives to clients, free for UDP and TCP.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..10_000 {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 17_000 + ((std::process::id() * 7 + step) % 13_000) as u16;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port");
}
