//! The layers of `src/lib.rs`, held against every import of the sources.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking, also in the functions it shares with others"
)]

use std::fs;
use std::path::Path;

/// A module and what it may use; lowest first, so that a module's row can only name rows above it.
const TABLE: &[(u8, &str, &[&str])] = &[
    (0, "clock", &[]),
    (0, "flow", &[]),
    (0, "trunk_id", &[]),
    (0, "message", &["flow"]),
    (0, "output", &["flow"]),
    (1, "acl", &[]),
    (1, "limits", &["clock"]),
    (1, "auth", &["clock", "trunk_id"]),
    (1, "trunk", &["acl", "auth", "flow", "message", "trunk_id"]),
    (1, "transaction", &["clock", "flow", "message", "output"]),
    (1, "location", &["clock", "flow", "trunk", "trunk_id"]),
    (1, "dialog", &["clock", "flow", "message", "trunk_id"]),
    (1, "event", &["auth", "flow", "location"]),
    (2, "registrar", &["auth", "clock", "event", "flow", "location", "message", "trunk", "trunk_id"]),
    (
        2,
        "proxy",
        &[
            "auth",
            "clock",
            "dialog",
            "event",
            "flow",
            "location",
            "message",
            "output",
            "transaction",
            "trunk",
            "trunk_id",
        ],
    ),
    (
        3,
        "engine",
        &[
            "acl",
            "auth",
            "clock",
            "dialog",
            "event",
            "flow",
            "limits",
            "location",
            "message",
            "output",
            "proxy",
            "registrar",
            "transaction",
            "trunk",
            "trunk_id",
        ],
    ),
    (4, "storage", &["acl", "auth", "clock", "location", "message", "trunk", "trunk_id"]),
    (
        4,
        "administration",
        &["acl", "auth", "clock", "dialog", "event", "flow", "location", "message", "storage", "trunk", "trunk_id"],
    ),
    (4, "metrics", &["clock", "dialog", "engine", "event", "flow", "location", "storage", "trunk"]),
    (4, "report", &["clock", "event", "flow", "limits", "location", "metrics", "trunk"]),
    (4, "transport", &["clock", "engine", "event", "flow", "message", "metrics", "output", "report", "trunk"]),
    (4, "usage", &["clock", "event", "flow", "storage"]),
    (
        4,
        "api",
        &[
            "acl",
            "administration",
            "auth",
            "clock",
            "dialog",
            "limits",
            "location",
            "metrics",
            "report",
            "storage",
            "trunk",
            "usage",
        ],
    ),
    (
        5,
        "config",
        &[
            "acl",
            "administration",
            "api",
            "auth",
            "engine",
            "flow",
            "limits",
            "proxy",
            "registrar",
            "report",
            "storage",
            "transport",
            "trunk",
        ],
    ),
    (5, "first_run", &["auth", "clock", "config", "flow", "storage", "transport", "trunk"]),
    // The composition root knows everybody, and nobody below knows it.
    (
        5,
        "app",
        &[
            "acl",
            "administration",
            "api",
            "auth",
            "clock",
            "config",
            "dialog",
            "engine",
            "event",
            "first_run",
            "flow",
            "limits",
            "location",
            "message",
            "metrics",
            "output",
            "proxy",
            "registrar",
            "report",
            "storage",
            "transaction",
            "transport",
            "trunk",
            "trunk_id",
            "usage",
        ],
    ),
    (5, "cli", &["app", "config", "first_run", "storage"]),
];

/// The highest layer of the core.
const CORE: u8 = 3;

/// A crate that only one module may name: its faults stay behind that wall.
const WALLS: &[(&str, &str)] = &[("rsip", "message"), ("sled", "storage")];

/// What waits, reads a clock or does input and output has no place in the core.
const SHELL_ONLY: &[&str] = &[
    "tokio",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::io",
    "SystemTime",
    "Instant",
    "getrandom",
    "socket2",
    "nix::",
    "println!",
    "eprintln!",
    "tracing::",
];

/// The lines that are compiled into the server: no comments, and nothing of the tests at the end of a file.
fn code(source: &str) -> impl Iterator<Item = &str> {
    let end = source.find("\n#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    source[..end].lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether `word` stands in the line and is not a part of a longer word.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].bytes().next_back();
        let after = line[at + word.len()..].bytes().next();
        let ends_in_a_word = word.bytes().next_back().is_some_and(is_word_byte);
        let goes_on = ends_in_a_word && after.is_some_and(is_word_byte);
        !goes_on && !before.is_some_and(is_word_byte)
    })
}

/// What `module` does in `source` that it may not.
fn violations(module: &str, source: &str) -> Vec<String> {
    let Some((layer, _, allowed)) = TABLE.iter().find(|(_, name, _)| *name == module) else {
        return vec![format!("{module} is not in the table of tests/architecture.rs")];
    };
    let mut found = Vec::new();
    // A module's own tests may look at what is beside it, not at what is above it.
    let imports = source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    for line in imports {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let used = rest.split(|letter: char| !is_word_byte(letter as u8)).next().unwrap_or_default();
            if used.is_empty() {
                found
                    .push(format!("{module} imports a group from the crate root, which this scan cannot read: {line}"));
            } else if used != module && !allowed.contains(&used) {
                found.push(format!("{module} may not use {used}: {line}"));
            }
        }
    }
    for line in code(source) {
        for (library, home) in WALLS {
            if module != *home && (line.contains(&format!("{library}::")) || line.contains(&format!("use {library}"))) {
                found.push(format!("only {home} may name {library}, not {module}: {line}"));
            }
        }
        for word in SHELL_ONLY {
            if *layer <= CORE && names(line, word) {
                found.push(format!("{module} is of the core and may not name {word}: {line}"));
            }
        }
    }
    found
}

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every source file below `src` with the module it belongs to.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(root).expect("src") {
        let path = entry.expect("an entry").path();
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        collect(&path, &module, &mut found);
    }
    found.retain(|(module, _)| module != "lib" && module != "main");
    found
}

fn collect(path: &Path, module: &str, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            collect(&entry.expect("an entry").path(), module, found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs")
        && path.file_name().is_some_and(|name| name != "tests.rs")
    {
        found.push((module.to_owned(), fs::read_to_string(path).expect("a source file")));
    }
}

#[test]
fn modules_use_only_what_stands_above_them_in_the_table() {
    let sources = sources();
    assert!(sources.len() > 80, "the scan finds only {} files", sources.len());
    let found: Vec<String> = sources.iter().flat_map(|(module, source)| violations(module, source)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_table_has_no_way_round() {
    for (number, (layer, module, allowed)) in TABLE.iter().enumerate() {
        let (above, below) = TABLE.split_at(number);
        assert!(above.iter().all(|(other, ..)| other <= layer), "{module} stands in a layer out of order");
        assert!(below[1..].iter().all(|(_, other, _)| other != module), "{module} stands there twice");
        for used in *allowed {
            assert!(
                above.iter().any(|(_, other, _)| other == used),
                "{module} may use {used}, which does not stand above it"
            );
        }
    }
}

#[test]
fn the_table_of_the_crate_documentation_is_this_one() {
    let lib = source("src/lib.rs");
    let mut shown = Vec::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let Some(layer) = line.chars().next().and_then(|letter| letter.to_digit(10)) else { continue };
        shown.extend(
            line.split("[`").skip(1).map(|rest| (layer as u8, rest.split('`').next().unwrap_or_default().to_owned())),
        );
    }
    let mut expected: Vec<(u8, String)> =
        TABLE.iter().map(|(layer, module, _)| (*layer, (*module).to_owned())).collect();
    let mut declared: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    shown.sort();
    expected.sort();
    assert_eq!(shown, expected);
    declared.sort_unstable();
    let mut modules: Vec<&str> = TABLE.iter().map(|(_, module, _)| *module).collect();
    modules.sort_unstable();
    assert_eq!(declared, modules);
}

#[test]
fn the_scan_sees_what_it_is_there_to_see() {
    for (module, bad) in [
        ("acl", "use crate::engine::Engine;"),
        ("auth", "use crate::trunk::Trunk;"),
        ("auth", "    let x = crate::storage::open();"),
        ("engine", "pub use crate::config::Settings;"),
        ("engine", "use crate::{acl, auth};"),
        ("registrar", "use rsip::Request;"),
        ("registrar", "fn f(x: &rsip::Uri) {}"),
        ("storage", "use rsip as other;"),
        ("location", "use sled::Db;"),
        ("engine", "use tokio::sync::mpsc;"),
        ("message", "use std::net::{IpAddr, UdpSocket};"),
        ("message", "use std::net::TcpStream;"),
        ("auth", "use std::time::{Duration, SystemTime};"),
        ("auth", "let t = std::time::Instant::now();"),
        ("proxy", "std::thread::spawn(f);"),
        ("registrar", "std::fs::write(a, b);"),
        ("novel", "fn f() {}"),
    ] {
        let source = format!("//! A module.\n\nuse std::fmt;\n{bad}\n\n#[cfg(test)]\nmod tests {{\n}}\n");
        assert_eq!(violations(module, &source).len(), 1, "{module}: {bad}");
    }
    let upward_in_tests = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::engine::Engine;\n}\n";
    assert_eq!(violations("acl", upward_in_tests).len(), 1);
    for (module, good) in [
        ("engine", "use crate::acl::Verdict;"),
        ("engine", "// See crate::config and tokio::spawn."),
        ("engine", "/// [`crate::api`]"),
        ("message", "use rsip::headers::UntypedHeader;"),
        ("storage", "let db = sled::open(path); std::fs::remove_file(path)?; std::time::Instant::now();"),
        ("event", "fn instantaneous(my_tokio: u8, Instants: u8) {}"),
        ("acl", "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { std::fs::read(x) }\n}"),
    ] {
        assert_eq!(violations(module, good), [""; 0], "{module}: {good}");
    }
}

/// `clippy.toml` bans clocks and spawning, Cargo.toml makes the ban an error, and no file of the core lifts it.
#[test]
fn the_clock_ban_is_on() {
    let clippy: toml::Table = source(".clippy.toml").parse().expect("TOML");
    let methods = clippy["disallowed-methods"].as_array().expect("a list");
    let banned: Vec<&str> = methods.iter().filter_map(|method| method.get("path").unwrap_or(method).as_str()).collect();
    for method in [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "std::time::Instant::elapsed",
        "jiff::Timestamp::now",
        "tokio::time::Instant::now",
        "tokio::time::sleep",
        "tokio::spawn",
        "tokio::task::spawn_blocking",
        "tokio::task::spawn_local",
        "std::thread::spawn",
        "std::thread::sleep",
        "rand::rng",
        "getrandom::fill",
    ] {
        assert!(banned.contains(&method), "{method} is not banned");
    }
    let cargo: toml::Table = source("Cargo.toml").parse().expect("TOML");
    assert_eq!(cargo["lints"]["clippy"]["disallowed_methods"].as_str(), Some("deny"));
    let core = |module: &str| TABLE.iter().any(|(layer, name, _)| *name == module && *layer <= CORE);
    for (module, source) in sources().into_iter().filter(|(module, _)| core(module)) {
        for lint in ["disallowed_methods", "clippy::all", "warnings"] {
            let lifted = code(&source).any(|line| names(line, lint));
            assert!(!lifted, "{module} is of the core and may not lift {lint}");
        }
    }
    let lib = source("src/lib.rs");
    assert!(!lib.contains("#![allow"), "the crate as a whole lifts a lint");
}
