//! sipsak registers, and the line that the server prints at its first start works as it is printed.

use crate::support::process::Process;
use crate::support::seed::password;
use crate::support::seed::write_seed;
use crate::support::server::Place;
use crate::support::trial::Trial;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn sipsak_registers_over_udp() {
    registers("sipsak_registers_over_udp", "udp");
}

#[test]
fn sipsak_registers_over_tcp() {
    registers("sipsak_registers_over_tcp", "tcp");
}

#[test]
fn the_sipsak_line_of_the_first_run_registers_as_it_is_printed() {
    let trial = Trial::new("the_sipsak_line_of_the_first_run_registers_as_it_is_printed");
    let place = Place::on_loopback();
    let server = place.start(&trial, None);
    let path = place.store().join("first-run.txt");
    let text = fs::read_to_string(&path).expect("without a terminal the first start writes first-run.txt");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "only its owner reads the secrets");
    assert!(server.output().contains("first-run.txt"), "the log says where the secrets are:\n{}", server.output());

    let line = text.lines().map(str::trim).find(|line| line.starts_with("sipsak ")).expect("a sipsak line is printed");
    let password = line.split(' ').skip_while(|word| *word != "-a").nth(1).expect("the line gives a password");
    assert!(!server.output().contains(password.trim_matches(['\'', '"'])), "a password reached the log");
    let mut sipsak = Process::start(&trial, "sipsak", Command::new("sh").args(["-c", line]));
    let status = sipsak.wait(LIMIT);
    assert!(status.success(), "`{line}` ended with {status}:\n{}", sipsak.output());
}

fn registers(test: &str, transport: &str) {
    let trial = Trial::new(test);
    let place = Place::on_loopback();
    let seed = write_seed(&trial, ["alice".to_owned()]);
    let _server = place.start(&trial, Some(&seed));
    let sipsak = |label: &str, password: &str| {
        let uri = format!("sip:alice@{}", place.sip.ip());
        let port = place.sip.port().to_string();
        let mut command = Command::new("sipsak");
        // sipsak 0.9.8 takes `alice@` for the user name without -u, and loses digits of a port that stands in the URI.
        command.args([
            "-U", "-E", transport, "-u", "alice", "-a", password, "-s", &uri, "-r", &port, "-i", "-x", "300", "-vv",
        ]);
        let mut process = Process::start(&trial, label, &mut command);
        (process.wait(LIMIT), process.output())
    };
    let (status, output) = sipsak("sipsak", &password("alice"));
    assert!(status.success(), "sipsak ended with {status}:\n{output}");
    let (status, output) = sipsak("sipsak-wrong-password", "not-her-password");
    assert!(!status.success(), "a wrong password registered:\n{output}");
}
