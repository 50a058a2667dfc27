//! baresip as a phone on UDP: it answers by itself, and is told what to dial over its control connection.

use crate::support::process::Process;
use crate::support::seed::password;
use crate::support::trial::Trial;
use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const CONFIG: &str = include_str!("../clients/baresip.config");
const ACCOUNTS: &str = include_str!("../clients/baresip.accounts");
const SIP_PORT: &str = "45060";
const CONTROL_PORT: u16 = 46_060;
const LIMIT: Duration = Duration::from_secs(20);

/// A running baresip.
pub struct Baresip {
    process: Process,
    control: TcpStream,
    events: String,
    dumps: PathBuf,
}

impl Baresip {
    /// Starts baresip on `local` and waits until `user` is registered. It plays `sound` to whoever it talks to.
    pub fn start(trial: &Trial, server: SocketAddr, local: &str, user: &str, sound: &Path) -> Self {
        let (folder, dumps) = (trial.path("baresip"), trial.path("baresip-dumps"));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(&dumps).unwrap();
        let config = CONFIG
            .replace("LOCAL_IP", local)
            .replace("LOCAL_PORT", SIP_PORT)
            .replace("CONTROL_PORT", &CONTROL_PORT.to_string())
            .replace("RTP_PORTS", "20000-20100")
            .replace("PLAY_FILE", &sound.to_string_lossy())
            .replace("ALERT_FILE", &sound.to_string_lossy())
            .replace("DUMP_FOLDER", &dumps.to_string_lossy());
        let accounts = ACCOUNTS
            .replace("USER", user)
            .replace("PASSWORD", &password(user))
            .replace("SERVER_HOST", &server.ip().to_string())
            .replace("SERVER_PORT", &server.port().to_string());
        fs::write(folder.join("config"), config).unwrap();
        fs::write(folder.join("accounts"), accounts).unwrap();
        // -s prints every SIP message, for the log of a failed test.
        let mut process =
            Process::start(trial, "baresip", Command::new("baresip").arg("-f").arg(&folder).args(["-v", "-s"]));
        process.wait_for_output("SIP/2.0 200 OK", LIMIT);
        let control = connect(&format!("{local}:{CONTROL_PORT}"));
        Self { process, control, events: String::new(), dumps }
    }

    /// Calls a SIP URI.
    pub fn dial(&mut self, uri: &str) {
        self.command(&format!(r#"{{"command":"dial","params":"{uri}","token":"dial"}}"#));
    }

    /// Ends the call.
    pub fn hang_up(&mut self) {
        self.command(r#"{"command":"hangup","token":"hangup"}"#);
    }

    /// Waits for an event of baresip's, for example `CALL_ESTABLISHED`.
    pub fn wait_for_event(&mut self, event: &str) {
        let (deadline, mark) = (Instant::now() + LIMIT, format!(r#""type":"{event}""#));
        while !self.events.contains(&mark) {
            assert!(Instant::now() < deadline, "baresip told of no {event}, only: {}", self.events);
            let mut buffer = [0; 4096];
            match self.control.read(&mut buffer) {
                Ok(0) => panic!("baresip went away: {}", self.process.output()),
                Ok(length) => self.events.push_str(&String::from_utf8_lossy(&buffer[..length])),
                // The read timeout: look at the deadline again.
                Err(_) => {}
            }
        }
    }

    /// What baresip decoded from the packets it received, after the call has ended.
    pub fn heard(&self) -> PathBuf {
        let mut files = fs::read_dir(&self.dumps).unwrap().map(|entry| entry.unwrap().path());
        let heard = files.find(|path| path.to_string_lossy().ends_with("-dec.wav"));
        heard.expect("baresip wrote down what it heard")
    }

    /// Commands are JSON in a netstring.
    fn command(&mut self, json: &str) {
        write!(self.control, "{}:{json},", json.len()).expect("baresip takes commands");
    }
}

fn connect(address: &str) -> TcpStream {
    let deadline = Instant::now() + LIMIT;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                return stream;
            }
            Err(error) => assert!(Instant::now() < deadline, "baresip's control port {address}: {error}"),
        }
        sleep(Duration::from_millis(50));
    }
}
