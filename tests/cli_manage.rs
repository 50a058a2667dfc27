//! The commands that manage a running server, as a person and a script meet them: the built program against a server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its support code too"
)]
#![allow(clippy::disallowed_methods, reason = "these tests are a shell: they wait for programs and read the clock")]

mod server;

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::Value;
use server::{AUTH_TOKEN, OPERATOR_TOKEN, Place, Server, err, out, sipward};

/// Runs a command that must succeed, and gives back what it printed.
fn good(server: &Server, arguments: &[&str]) -> String {
    good_with(server, arguments, "")
}

fn good_with(server: &Server, arguments: &[&str], input: &str) -> String {
    let output = server::run(&mut server.cli(arguments), input);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{}{}\n{}", out(&output), err(&output), server.printed());
    out(&output)
}

/// Runs a command with `--json` that must succeed, and gives back what the server sent.
fn json(server: &Server, arguments: &[&str]) -> Value {
    let text = good(server, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

/// Runs a command that must fail with this code, and gives back its complaint.
fn bad(server: &Server, code: i32, arguments: &[&str]) -> String {
    let output = server::run(&mut server.cli(arguments), "");
    failed(&output, code, arguments)
}

fn failed(output: &Output, code: i32, arguments: &[&str]) -> String {
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}{}", out(output), err(output));
    assert!(err(output).starts_with("sipward: ") || code == 2, "{}", err(output));
    err(output)
}

#[test]
fn trunks_are_managed_by_name() {
    let place = Place::new();
    let server = place.start();
    let made = json(&server, &["trunk", "add", "office", "--calls", "20", "--cps", "5", "--policy", "any"]);
    assert_eq!((&made["name"], &made["concurrent_calls_limit"]), (&"office".into(), &20.into()));
    assert_eq!((&made["auth_policy_register"], &made["auth_policy_call"]), (&"any".into(), &"any".into()));
    let table = good(&server, &["trunk", "list"]);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("NAME"), "{table}");
    assert!(table.contains("office") && table.contains(made["trunk_id"].as_str().unwrap()), "{table}");
    let shown = good(&server, &["trunk", "show", "office"]);
    assert!(shown.contains("concurrent_calls_limit     20") || shown.contains("concurrent_calls_limit"), "{shown}");
    let changed = json(
        &server,
        &[
            "trunk",
            "set",
            "office",
            "--digest-algorithms",
            "SHA-256,MD5",
            "--caller-id",
            "any",
            "--call-challenge",
            "407",
            "--use-account-acl",
            "no",
            "--field",
            "recording=true",
            "--description",
            "about it",
        ],
    );
    assert_eq!(changed["digest_algorithms"], serde_json::json!(["SHA-256", "MD5"]));
    assert_eq!((&changed["caller_id"], &changed["recording"]), (&"any".into(), &true.into()));
    assert_eq!((&changed["use_account_acl"], &changed["description"]), (&false.into(), &"about it".into()));
    assert_eq!(changed["concurrent_calls_limit"], 20);
    let id = made["trunk_id"].as_str().unwrap();
    assert_eq!(json(&server, &["trunk", "disable", id])["trunk_status"], "inactive");
    assert_eq!(json(&server, &["trunk", "enable", made["trunk_domain"].as_str().unwrap()])["trunk_status"], "active");
    bad(&server, 2, &["trunk", "set", "office"]);
    assert!(bad(&server, 2, &["trunk", "remove", "office"]).contains("--yes"));
    assert_eq!(good(&server, &["trunk", "remove", "office", "--yes"]), "removed office\n");
    assert!(bad(&server, 5, &["trunk", "show", "office"]).contains("there is no office among the trunks"));
    assert!(bad(&server, 5, &["trunk", "show", id]).contains("(404)"));
    server.stop();
}

#[test]
fn credentials_are_managed_and_their_passwords_never_stand_on_the_command_line() {
    let place = Place::new();
    let server = place.start();
    good_with(
        &server,
        &["credential", "add", "alice", "--password-stdin", "--description", "a phone"],
        "correct-horse-1\n",
    );
    let output = server::run(&mut server.cli(&["credential", "add", "bob", "--generate", "--json"]), "");
    let made: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((&made["username"], &made["password"]), (&"bob".into(), &"<redacted>".into()));
    let told = err(&output);
    let password = told.strip_prefix("password  ").unwrap().lines().next().unwrap();
    assert!(password.len() == 20 && told.contains("not shown again"), "{told}");
    let ha1 = "ha1-of-nobody".replace(|c: char| !c.is_ascii_hexdigit(), "0");
    let ha1 = format!("MD5={:0<32}", ha1);
    assert_eq!(json(&server, &["credential", "add", "carol", "--ha1", &ha1, "--disabled"])["enabled"], false);
    let table = good(&server, &["credential", "list"]);
    assert!(["alice", "bob", "carol", "a phone"].iter().all(|word| table.contains(word)), "{table}");
    assert_eq!(json(&server, &["credential", "enable", "carol"])["enabled"], true);
    assert_eq!(json(&server, &["credential", "disable", "carol"])["enabled"], false);
    let set = good_with(&server, &["credential", "set", "alice", "--password-stdin", "--json"], "battery-staple-2\n");
    assert!(!set.contains("battery"));
    assert!(bad(&server, 6, &["credential", "add", "alice", "--generate"]).contains("already exists (409)"));
    let weak = server::run(&mut server.cli(&["credential", "add", "dave", "--password-stdin"]), "short\n");
    assert!(!failed(&weak, 7, &["dave"]).contains("short\n"));
    assert!(bad(&server, 2, &["credential", "add", "dave"]).contains("--password-stdin or --generate"));
    assert!(bad(&server, 2, &["credential", "add", "dave", "--password-stdin"]).contains("which is empty"));
    bad(&server, 2, &["credential", "add", "dave", "--password", "on-the-command-line"]);
    assert_eq!(good(&server, &["credential", "remove", "alice", "bob"]), "removed alice\nremoved bob\n");
    bad(&server, 5, &["credential", "show", "alice"]);
    server.stop();
}

#[test]
fn acl_entries_are_managed_by_address() {
    let place = Place::new();
    let server = place.start();
    good(&server, &["trunk", "add", "office"]);
    let made = json(&server, &["acl", "add", "192.0.2.0/24", "--trunk", "office", "--may-register", "pbx,desk"]);
    assert_eq!((&made["deny"], &made["enabled"]), (&false.into(), &true.into()));
    assert_eq!(made["may_register"], serde_json::json!(["pbx", "desk"]));
    assert!(made["trunk_id"].is_string());
    assert_eq!(json(&server, &["acl", "add", "2001:db8::/32", "--deny", "--disabled"])["deny"], true);
    let table = good(&server, &["acl", "list"]);
    assert!(table.contains("allow") && table.contains("deny") && table.contains("2001:db8::/32"), "{table}");
    let of_trunk = json(&server, &["acl", "list", "--trunk", "office"]);
    assert_eq!(of_trunk["meta"]["total"], 1);
    let changed = json(&server, &["acl", "set", "192.0.2.0/24", "--action", "deny", "--description", "was bad"]);
    assert_eq!((&changed["deny"], &changed["description"]), (&true.into(), &"was bad".into()));
    assert_eq!(json(&server, &["acl", "disable", "192.0.2.0/24"])["enabled"], false);
    assert_eq!(json(&server, &["acl", "enable", "192.0.2.0/24"])["enabled"], true);
    assert!(good(&server, &["acl", "show", "192.0.2.0/24"]).contains("was bad"));
    assert!(bad(&server, 7, &["acl", "add", "300.0.0.1"]).contains("(400)"));
    assert_eq!(good(&server, &["acl", "remove", "192.0.2.0/24"]), "removed 192.0.2.0/24\n");
    bad(&server, 5, &["acl", "remove", "192.0.2.0/24"]);
    server.stop();
}

#[test]
fn origination_uris_are_managed() {
    let place = Place::new();
    let server = place.start();
    let made = json(
        &server,
        &["uri", "add", "sip:carrier.example.net", "--priority", "1", "--weight", "20", "--transport", "tcp"],
    );
    assert_eq!((&made["priority"], &made["weight"], &made["transport"]), (&1.into(), &20.into(), &"tcp".into()));
    let changed =
        json(&server, &["uri", "set", "sip:carrier.example.net", "--to", "sip:other.example.net", "--priority", "3"]);
    assert_eq!(
        (&changed["uri"], &changed["priority"], &changed["weight"]),
        (&"sip:other.example.net".into(), &3.into(), &20.into())
    );
    assert_eq!(json(&server, &["uri", "disable", "sip:other.example.net"])["enabled"], false);
    assert_eq!(json(&server, &["uri", "enable", "sip:other.example.net"])["enabled"], true);
    assert!(good(&server, &["uri", "show", "sip:other.example.net"]).contains("sip:other.example.net"));
    assert!(good(&server, &["uri", "list"]).contains("sip:other.example.net"));
    assert!(bad(&server, 7, &["uri", "add", "carrier"]).contains("(400)"));
    good(&server, &["uri", "remove", "sip:other.example.net"]);
    assert_eq!(good(&server, &["uri", "list"]), "no origination URIs\n");
    server.stop();
}

#[test]
fn numbers_are_made_by_the_operator_and_assigned_by_the_account() {
    let place = Place::new();
    let server = place.start();
    good(&server, &["trunk", "add", "office"]);
    assert_eq!(json(&server, &["number", "add", "+493012345678", "--country", "DE"])["e164"], "+493012345678");
    good(&server, &["number", "add", "+493012345679"]);
    good(&server, &["number", "assign", "+493012345678", "office"]);
    let table = good(&server, &["number", "list"]);
    assert!(table.contains("+493012345678") && table.contains("DE"), "{table}");
    assert_eq!(json(&server, &["number", "list", "--limit", "1", "--offset", "1"])["page"], 2);
    assert!(bad(&server, 7, &["number", "assign", "+493012345678", "office"]).contains("already assigned"));
    good(&server, &["number", "unassign", "+493012345678"]);
    bad(&server, 5, &["number", "unassign", "+493012345678"]);
    good(&server, &["number", "remove", "+493012345678"]);
    let output = server::run(server.cli(&["number", "add", "+493012345670"]).env_remove("SIPWARD_OPERATOR_TOKEN"), "");
    assert!(failed(&output, 4, &["no operator"]).contains("SIPWARD_OPERATOR_TOKEN"));
    server.stop();
}

#[test]
fn accounts_are_managed_by_the_operator_and_their_tokens_shown_once() {
    let place = Place::new();
    let server = place.start();
    let made = json(&server, &["account", "add", "MA_ACME", "--realm", "acme.example"]);
    let token = made["auth_token"].as_str().unwrap();
    assert_eq!(made["realm"], "acme.example");
    let as_acme = |token: &str| {
        let mut command = server.cli(&["trunk", "list"]);
        command.env("SIPWARD_AUTH_ID", "MA_ACME").env("SIPWARD_AUTH_TOKEN", token);
        server::run(&mut command, "")
    };
    assert!(as_acme(token).status.success());
    let rotated = json(&server, &["account", "rotate-token", "MA_ACME"]);
    let new = rotated["auth_token"].as_str().unwrap();
    failed(&as_acme(token), 4, &["the old token"]);
    assert!(as_acme(new).status.success());
    assert_eq!(json(&server, &["account", "disable", "MA_ACME"])["enabled"], false);
    failed(&as_acme(new), 4, &["suspended"]);
    good(&server, &["account", "enable", "MA_ACME"]);
    assert!(as_acme(new).status.success());
    let list = good(&server, &["account", "list"]);
    assert!(list.contains("MA_ACME") && list.contains("MA_TEST") && !list.contains(new), "{list}");
    assert!(!good(&server, &["account", "show", "MA_ACME"]).contains("auth_token"));
    bad(&server, 6, &["account", "add", "MA_ACME"]);
    good(&server, &["account", "remove", "MA_ACME", "--yes"]);
    bad(&server, 5, &["account", "show", "MA_ACME"]);
    server.stop();
}

#[test]
fn registrations_and_calls_are_listed() {
    let place = Place::new();
    let server = place.start();
    assert_eq!(good(&server, &["registration", "list"]), "no registrations\n");
    assert_eq!(json(&server, &["call", "list"])["meta"]["total"], 0);
    bad(&server, 5, &["registration", "remove", "nobody@nowhere.example"]);
    server.stop();
}

#[test]
fn an_import_makes_what_is_new_tells_what_was_refused_and_can_be_repeated() {
    let place = Place::new();
    let server = place.start();
    let mut rows = String::from("username,password,enabled\n");
    for n in 0..300 {
        rows.push_str(&format!("user{n},Password-of-{n},{}\n", n % 2 == 0));
    }
    rows.push_str("bad name,Password-of-bad\nshort,pw\nuser7,Password-again\n");
    let file = place.file("users.csv", &rows);
    let file = file.to_str().unwrap();
    let output = server::run(&mut server.cli(&["credential", "import", file]), "");
    let complaint = failed_rows(&output);
    assert_eq!(out(&output), "300 made, 0 present, 3 refused\n");
    for line in [":302: the username must be", ":303: the password must have", ":304: this username stands earlier"] {
        assert!(complaint.contains(line), "{complaint}");
    }
    assert!(!complaint.contains("Password-"), "{complaint}");
    let again = server::run(&mut server.cli(&["credential", "import", file, "--json"]), "");
    let report: Value = serde_json::from_str(&out(&again)).unwrap();
    assert_eq!((&report["made"], &report["present"], &report["refused"]), (&0.into(), &300.into(), &3.into()));
    assert_eq!(report["refused_rows"][0]["line"], 302);
    assert_eq!(json(&server, &["credential", "show", "user1"])["enabled"], false);
    let some = good_with(&server, &["credential", "import", "-"], "new1,Password-of-new1\nuser1,Password-of-1\n");
    assert_eq!(some, "1 made, 1 present, 0 refused\n");
    let all = good(&server, &["credential", "list", "--all"]);
    assert_eq!(all.lines().filter(|line| line.starts_with("user")).count(), 300);
    let first = server::run(&mut server.cli(&["credential", "list"]), "");
    assert!(err(&first).contains("100 of 303 credentials"), "{}", err(&first));
    bad(&server, 1, &["credential", "import", "/nonexistent.csv"]);
    server.stop();
}

fn failed_rows(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(7), "{}{}", out(output), err(output));
    err(output)
}

#[test]
fn subscribers_of_kamailio_come_over_with_their_ha1() {
    let place = Place::new();
    let server = place.start();
    let made = json(&server, &["account", "add", "MA_KAM", "--realm", "kam.example"]);
    let ha1 = "5f4dcc3b5aa765d61d8327deb882cf99";
    let dump = format!(
        "id\tusername\tdomain\tpassword\tha1\n1\talice\tkam.example\tNULL\t{ha1}\n2\tbob\told.example\tNULL\t{ha1}\n"
    );
    let file = place.file("subscriber.tsv", &dump);
    let run = |arguments: &[&str]| {
        let mut command = server.cli(arguments);
        command.env("SIPWARD_AUTH_ID", "MA_KAM").env("SIPWARD_AUTH_TOKEN", made["auth_token"].as_str().unwrap());
        server::run(&mut command, "")
    };
    let file = file.to_str().unwrap();
    let unknown = run(&["import", "kamailio", file]);
    assert!(failed(&unknown, 2, &["no realm"]).contains("--realm"));
    let output = run(&["import", "kamailio", file, "--realm", "kam.example"]);
    assert_eq!(out(&output), "1 made, 0 present, 1 refused\n");
    let complaint = failed_rows(&output);
    assert!(complaint.contains(":3: its HA1 is for the realm old.example"), "{complaint}");
    // From now on the realm is known.
    assert_eq!(out(&run(&["import", "kamailio", file])), "0 made, 1 present, 1 refused\n");
    let shown = run(&["credential", "show", "alice", "--json"]);
    assert!(out(&shown).contains("kam.example") && !out(&shown).contains(ha1), "{}", out(&shown));
    let file = place.file("plain.csv", "username,domain,password\nbob,old.example,a long password\n");
    let output = run(&["import", "kamailio", "--use-passwords", file.to_str().unwrap()]);
    assert_eq!(out(&output), "1 made, 0 present, 0 refused\n", "{}", err(&output));
    server.stop();
}

#[test]
fn a_backup_of_the_running_server_comes_back_in_another_folder() {
    let place = Place::new();
    let server = place.start();
    good_with(&server, &["credential", "add", "alice", "--password-stdin"], "correct-horse-1\n");
    let file = place.folder.path().join("backup");
    let path = file.to_str().unwrap();
    assert!(good(&server, &["backup", path]).contains(" records and "));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(bad(&server, 6, &["backup", path]).contains("exists already"));
    let second = format!("{path}.second");
    let no_operator = server::run(server.cli(&["backup", &second]).env("SIPWARD_OPERATOR_TOKEN", "wrong"), "");
    assert!(failed(&no_operator, 4, &["backup"]).contains("SIPWARD_API_OPERATOR_TOKEN"));
    good_with(&server, &["credential", "add", "after", "--password-stdin"], "correct-horse-2\n");
    let store = place.store();
    let offline = ["backup", "--offline", "--store", store.to_str().unwrap(), &second];
    assert!(bad(&server, 1, &offline).contains("in use by another process"));
    server.stop();
    let output = server::run(&mut sipward(&offline), "");
    assert!(output.status.success(), "{}", err(&output));
    let overwrite = server::run(&mut sipward(&["restore", "--store", store.to_str().unwrap(), path]), "");
    assert!(failed(&overwrite, 6, &["restore"]).contains("holds a store already"));
    assert!(out(&server::run(&mut sipward(&["restore", "--check", path]), "")).contains("is whole"));
    let other = Place::new();
    let to = other.store();
    let output = server::run(&mut sipward(&["restore", "--store", to.to_str().unwrap(), path]), "");
    assert!(output.status.success(), "{}", err(&output));
    let server = other.start();
    assert_eq!(json(&server, &["credential", "show", "alice"])["username"], "alice");
    bad(&server, 5, &["credential", "show", "after"]);
    server.stop();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let damaged = server::run(&mut sipward(&["restore", "--check", path]), "");
    assert!(failed(&damaged, 7, &["restore"]).contains("record "), "{}", err(&damaged));
}

#[test]
fn who_is_refused_or_finds_nobody_is_told_what_to_do() {
    let place = Place::new();
    let server = place.start();
    let wrong = server::run(server.cli(&["trunk", "list"]).env("SIPWARD_AUTH_TOKEN", "wrong"), "");
    assert!(failed(&wrong, 4, &["wrong token"]).contains("SIPWARD_AUTH_TOKEN"));
    let none = server::run(server.cli(&["trunk", "list"]).env_remove("SIPWARD_AUTH_TOKEN"), "");
    assert!(failed(&none, 4, &["no token"]).contains("--auth-token-stdin"));
    let nobody = server::run(server.cli(&["trunk", "list"]).env_remove("SIPWARD_AUTH_ID"), "");
    assert!(failed(&nobody, 2, &["no account"]).contains("SIPWARD_AUTH_ID"));
    let mut by_stdin = server.cli(&["trunk", "list", "--auth-token-stdin"]);
    let output = server::run(by_stdin.env_remove("SIPWARD_AUTH_TOKEN"), &format!("{AUTH_TOKEN}\n"));
    assert!(output.status.success(), "{}", err(&output));
    let mut by_stdin = server.cli(&["account", "list", "--operator-token-stdin"]);
    let output = server::run(by_stdin.env_remove("SIPWARD_OPERATOR_TOKEN"), &format!("{OPERATOR_TOKEN}\n"));
    assert!(output.status.success(), "{}", err(&output));
    let stale = bad(&server, 6, &["trunk", "set", "default", "--cps", "1", "--if-match", "\"stale\""]);
    assert!(stale.contains("(412)"), "{stale}");
    bad(&server, 2, &["trunk", "list", "--api", "127.0.0.1:8080"]);
    let api = format!("http://{}", place.api);
    server.stop();
    let mut command = sipward(&["trunk", "list", "--api", &api, "--auth-id", "MA_TEST"]);
    let output = server::run(command.env("SIPWARD_AUTH_TOKEN", "x"), "");
    assert!(failed(&output, 3, &["no server"]).contains("is `sipward serve` running there?"));
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = server::run(&mut sipward(&["completions", shell]), "");
        assert!(output.status.success() && out(&output).contains("rotate-token"), "{shell}: {}", err(&output));
    }
    let bash = out(&server::run(&mut sipward(&["completions", "bash"]), ""));
    let checked = server::run(std::process::Command::new("bash").arg("-n"), &bash);
    assert!(checked.status.success(), "{}", err(&checked));
}
