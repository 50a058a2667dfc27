//! Programs that end: each has a deadline, and none outlives the test that started it.

use crate::support::trial::Trial;
use std::fs;
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// A running program. Its standard output and error go to one log of the trial. Dropping it kills it.
pub struct Process {
    child: Child,
    label: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command` without a terminal and without standard input.
    ///
    /// Panics with the name of the package when the program is not installed.
    pub fn start(trial: &Trial, label: &str, command: &mut Command) -> Self {
        let log = trial.log_path(label);
        let file = File::create(&log).expect("a log can be made");
        let child = command
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log can be shared"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{}", cannot_start(command, &error)));
        Self { child, label: label.to_owned(), log }
    }

    /// Waits for the program to end by itself; kills it and panics when it has not by `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            if Instant::now() > deadline {
                self.kill();
                panic!("{} still ran after {limit:?}; it printed:\n{}", self.label, self.output());
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the output contains `text`; panics when the program ends first or `limit` passes.
    pub fn wait_for_output(&mut self, text: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        while !self.output().contains(text) {
            let ended = self.exit_status();
            if ended.is_some() || Instant::now() > deadline {
                panic!("{} never printed {text:?} (ended: {ended:?}); it printed:\n{}", self.label, self.output());
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// The exit status when the program has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked for its state")
    }

    /// What the program has printed so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Sends a signal by its name, for example `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill can be run").success(), "SIG{name} could not be sent to {}", self.label);
    }

    /// Ends the program with SIGKILL and waits for it to be gone.
    pub fn kill(&mut self) {
        // A program that has ended already is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a short command to its end and gives back what it printed; panics when it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{}", cannot_start(command, &error)));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?} failed: {printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    let program = command.get_program().to_string_lossy();
    let package = match program.as_ref() {
        "sipp" => "Debian package sip-tester",
        "sipsak" => "Debian package sipsak",
        "baresip" => "Debian package baresip-core",
        "ip" => "Debian package iproute2",
        "sudo" => "Debian package sudo, or run the tests as root",
        path if path.ends_with("python") => "PyPI package pjsua2-python in the virtual environment that .ci/test makes",
        _ => "see .ci/test",
    };
    match error.kind() {
        ErrorKind::NotFound => format!("{program} is not installed ({package}); `bash .ci/test` installs it"),
        _ => format!("{program} cannot be started: {error}"),
    }
}
