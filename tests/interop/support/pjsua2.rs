//! pjsua2 as a phone on TCP, in a Python program of this crate.

use crate::support::process::Process;
use crate::support::seed::password;
use crate::support::trial::Trial;
use crate::support::trial::target_folder;
use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// A running phone for one call.
pub struct Pjsua2 {
    process: Process,
    heard: PathBuf,
}

impl Pjsua2 {
    /// Starts a phone of `user` on `local` and waits until it is registered. It plays `sound`, and calls `dial` if given, else waits
    /// to be called.
    pub fn start(trial: &Trial, server: SocketAddr, local: &str, user: &str, sound: &Path, dial: Option<&str>) -> Self {
        let heard = trial.path("pjsua2-heard.wav");
        let mut command = Command::new(python());
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/clients/pjsua2_phone.py"))
            .args(["--server", &server.to_string(), "--local", local, "--transport", "tcp"])
            .args(["--user", user, "--password", &password(user)])
            .arg("--play")
            .arg(sound)
            .arg("--record")
            .arg(&heard);
        if let Some(uri) = dial {
            command.args(["--dial", uri]);
        }
        let mut process = Process::start(trial, "pjsua2", &mut command);
        process.wait_for_output("\nREGISTERED 200\n", LIMIT);
        Self { process, heard }
    }

    /// Waits until the call is up.
    pub fn wait_until_established(&mut self) {
        self.process.wait_for_output("\nCALL CONFIRMED", LIMIT);
    }

    /// Waits for the end of the call and of the phone. Gives back the RTP packets received and sent.
    pub fn finish(&mut self) -> (u32, u32) {
        let status = self.process.wait(LIMIT);
        let output = self.process.output();
        assert!(status.success(), "the pjsua2 phone ended with {status}:\n{output}");
        let media = output.lines().rfind(|line| line.starts_with("MEDIA ")).expect("a call has media");
        let count = |name| media.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
        (count("rx=").expect("packets received"), count("tx=").expect("packets sent"))
    }

    /// The recording of what it received, after the call has ended.
    pub fn heard(&self) -> &Path {
        &self.heard
    }
}

fn python() -> PathBuf {
    env::var_os("SIPWARD_TEST_PYTHON").map_or_else(|| target_folder().join("interop-venv/bin/python"), PathBuf::from)
}
