//! The server under test: its binary, with a store and ports of its own.

use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::trial::Trial;
use std::env;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitStatus;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

/// How long a server may take from its start to a healthy answer. An unoptimised build seeds 10,000 users in it.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to stop when asked to.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Where a server lives: its addresses and its store, which outlast one run of it.
pub struct Place {
    pub sip: SocketAddr,
    pub api: SocketAddr,
    store: TempDir,
}

impl Place {
    /// Free ports on 127.0.0.1 and an empty store.
    pub fn on_loopback() -> Self {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self::at(SocketAddr::new(host, free_port(host)), SocketAddr::new(host, free_port(host)))
    }

    /// These addresses and an empty store.
    pub fn at(sip: SocketAddr, api: SocketAddr) -> Self {
        Self { sip, api, store: TempDir::new().expect("a folder for the store can be made") }
    }

    /// The folder of the store.
    pub fn store(&self) -> &Path {
        self.store.path()
    }

    /// Starts a server here without waiting for it.
    pub fn launch(&self, trial: &Trial, seed: Option<&Path>) -> Process {
        let mut command = Command::new(binary());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIPWARD_")) {
            command.env_remove(name);
        }
        command
            .env("SIPWARD_SIP_LISTEN", format!("udp:{0},tcp:{0}", self.sip))
            .env("SIPWARD_API_LISTEN", self.api.to_string())
            // In a namespace of its own the API is on no loopback address, and nobody else is there.
            .env("SIPWARD_API_BEHIND_PROXY", "true")
            .env("SIPWARD_STORAGE_PATH", self.store())
            .current_dir(self.store())
            .arg("serve");
        if let Some(seed) = seed {
            command.arg("--seed").arg(seed);
        }
        Process::start(trial, "sipward", &mut command)
    }

    /// Starts a server here and waits until `GET /healthz` is answered with 200.
    pub fn start(&self, trial: &Trial, seed: Option<&Path>) -> Server {
        let mut process = self.launch(trial, seed);
        let deadline = Instant::now() + START_LIMIT;
        while get_status(self.api, "/healthz") != Some(200) {
            if let Some(status) = process.exit_status() {
                panic!("sipward ended at start with {status}:\n{}", process.output());
            }
            assert!(Instant::now() < deadline, "sipward was not healthy in {START_LIMIT:?}:\n{}", process.output());
            sleep(Duration::from_millis(50));
        }
        Server { process }
    }
}

/// A running server; dropping it kills it.
pub struct Server {
    process: Process,
}

impl Server {
    /// Asks the server to stop and waits for it; panics when it takes longer than [`STOP_LIMIT`].
    pub fn stop(mut self, signal: &str) -> ExitStatus {
        self.process.signal(signal);
        self.process.wait(STOP_LIMIT)
    }

    /// Ends the server with SIGKILL: it has no chance to write anything.
    pub fn kill_nine(mut self) {
        self.process.kill();
    }

    /// What the server has printed so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn binary() -> PathBuf {
    env::var_os("SIPWARD_TEST_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sipward")), PathBuf::from)
}

/// The status of a GET, or nothing when no HTTP answer comes.
fn get_status(api: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&api, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer).strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
