//! SIPp with the scenarios of this crate. It must end by itself, with every call successful.

use crate::support::process::Process;
use crate::support::trial::Trial;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// SIPp's own limit; the test's is a little longer, so that SIPp can say what it waited for.
const SIPP_LIMIT_S: u64 = 60;

/// A run of SIPp to be started.
pub struct Sipp<'a> {
    scenario: &'a str,
    target: SocketAddr,
    transport: &'a str,
    port: Option<u16>,
    inf: Option<&'a Path>,
    service: Option<&'a str>,
    calls: u64,
    rate: u32,
}

/// A running SIPp.
pub struct RunningSipp {
    process: Process,
    statistics: PathBuf,
    calls: u64,
}

impl<'a> Sipp<'a> {
    /// A run of a file in `scenarios/` against the server at `target`. `transport` is SIPp's `-t`: `u1` UDP, `t1` one TCP
    /// connection, `tn` a TCP connection for each call. Each of the `calls` must succeed.
    pub fn new(scenario: &'a str, target: SocketAddr, transport: &'a str, calls: u64) -> Self {
        Self { scenario, target, transport, port: None, inf: None, service: None, calls, rate: 10 }
    }

    /// With a local port; SIPp looks for a free one from 5060 otherwise.
    pub fn with_port(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// With rows for `[field0]` and the rest.
    pub fn with_inf(self, inf: &'a Path) -> Self {
        Self { inf: Some(inf), ..self }
    }

    /// With a called user (`[service]`).
    pub fn with_service(self, user: &'a str) -> Self {
        Self { service: Some(user), ..self }
    }

    /// With so many calls started each second.
    pub fn at_rate(self, per_second: u32) -> Self {
        Self { rate: per_second, ..self }
    }

    /// Starts SIPp.
    pub fn start(&self, trial: &Trial, label: &str) -> RunningSipp {
        let statistics = trial.path(&format!("{label}-statistics.csv"));
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/scenarios");
        let mut command = Command::new("sipp");
        command
            .arg(self.target.to_string())
            .arg("-sf")
            .arg(scenarios.join(self.scenario))
            .args(["-i", &self.target.ip().to_string(), "-t", self.transport, "-max_socket", "2000"])
            .args(["-m", &self.calls.to_string(), "-r", &self.rate.to_string()])
            .args(["-nostdin", "-timeout", &format!("{SIPP_LIMIT_S}s"), "-timeout_error"])
            .args(["-trace_err", "-error_file"])
            .arg(trial.path(&format!("{label}.errors")))
            .args(["-trace_stat", "-stf"])
            .arg(&statistics);
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(inf) = self.inf {
            command.arg("-inf").arg(inf);
        }
        if let Some(service) = self.service {
            command.args(["-s", service]);
        }
        RunningSipp { process: Process::start(trial, label, &mut command), statistics, calls: self.calls }
    }

    /// Runs SIPp to its end, see [`RunningSipp::finish`].
    pub fn run(&self, trial: &Trial, label: &str) {
        self.start(trial, label).finish();
    }
}

impl RunningSipp {
    /// Waits for SIPp and panics unless it ended with 0, counted every call as successful and none as failed.
    pub fn finish(mut self) {
        let status = self.process.wait(Duration::from_secs(SIPP_LIMIT_S + 15));
        let statistics = fs::read_to_string(&self.statistics).unwrap_or_default();
        let count = |name| last_value(&statistics, name);
        let counts = (count("SuccessfulCall(C)"), count("FailedCall(C)"));
        assert!(
            status.success() && counts == (Some(self.calls), Some(0)),
            "of {} calls SIPp counted (successful, failed) {counts:?} and ended with {status}",
            self.calls
        );
    }
}

/// The value of a column in the last row of SIPp's statistics.
fn last_value(statistics: &str, column: &str) -> Option<u64> {
    let index = statistics.lines().next()?.split(';').position(|name| name == column)?;
    statistics.lines().last()?.split(';').nth(index)?.parse().ok()
}
