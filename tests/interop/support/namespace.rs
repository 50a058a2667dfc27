//! A network namespace of the test's own: a machine with three addresses that no packet can leave.

use crate::support::process::Process;
use crate::support::process::run;
use crate::support::trial::Trial;
use std::env;
use std::process::Command;
use std::time::Duration;

/// The server's address in the namespace (RFC 5737 keeps this range for examples; nothing outside is reachable).
pub const SERVER: &str = "192.0.2.1";
/// The address of the phone on UDP.
pub const UDP_PHONE: &str = "192.0.2.10";
/// The address of the phone on TCP.
pub const TCP_PHONE: &str = "192.0.2.20";

/// Set in the process that runs inside.
const INSIDE: &str = "SIPWARD_TEST_IN_NAMESPACE";
/// How long the test inside may take.
const LIMIT: Duration = Duration::from_secs(150);

/// Runs `body` in a namespace that lives as long as the test. `test` is the test's name as libtest has it.
///
/// The test runs itself once more inside: so everything in `body` is in the namespace, sockets of this process too.
pub fn inside(test: &str, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let trial = Trial::new(&format!("{}-namespace", test.replace("::", "-")));
    let namespace = Namespace::new(test);
    let mut command = privileged("env");
    command.arg(format!("{INSIDE}=1"));
    for (name, value) in env::vars().filter(|(name, _)| name == "PATH" || name.starts_with("SIPWARD_TEST_")) {
        command.arg(format!("{name}={value}"));
    }
    command.args(["ip", "netns", "exec", &namespace.name]);
    command.arg(env::current_exe().expect("the test binary has a path"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    let mut process = Process::start(&trial, "inside", &mut command);
    let status = process.wait(LIMIT);
    // Indented: the inner run's closing line is not the outer one's.
    let output: String = process.output().lines().map(|line| format!("  | {line}\n")).collect();
    // A name that matches no test would pass too.
    assert!(status.success() && output.contains("1 passed"), "inside the namespace ({status}):\n{output}");
}

struct Namespace {
    name: String,
}

impl Namespace {
    fn new(test: &str) -> Self {
        let short = test.rsplit("::").next().unwrap_or(test);
        let namespace = Self { name: format!("sipward-{}-{short}", std::process::id()) };
        let name = namespace.name.as_str();
        run(privileged("ip").args(["netns", "add", name]));
        run(privileged("ip").args(["-n", name, "link", "set", "lo", "up"]));
        for address in [SERVER, UDP_PHONE, TCP_PHONE] {
            run(privileged("ip").args(["-n", name, "address", "add", &format!("{address}/24"), "dev", "lo"]));
        }
        // baresip takes its address from the default route.
        run(privileged("ip").args(["-n", name, "route", "add", "default", "dev", "lo"]));
        namespace
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Whatever a killed test left inside goes first: a namespace lives as long as a process in it.
        let pids = privileged("ip").args(["netns", "pids", &self.name]).output();
        for pid in
            pids.iter().flat_map(|o| String::from_utf8_lossy(&o.stdout).lines().map(str::to_owned).collect::<Vec<_>>())
        {
            drop(privileged("kill").args(["-KILL", &pid]).status());
        }
        drop(privileged("ip").args(["netns", "delete", &self.name]).status());
    }
}

/// A command run as root: as it is for root, else with sudo, which must not ask for a password.
fn privileged(program: &str) -> Command {
    if run(Command::new("id").arg("-u")).trim() == "0" {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}
