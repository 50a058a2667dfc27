//! A hundred thousand credentials. `cargo test --release --test api_contract import -- --ignored --nocapture` prints what it measured.

use std::fmt::Write;
use std::time::Instant;

use serde_json::json;

use crate::server::Server;
use crate::shape::listed;

const ROWS: usize = 100_000;

#[test]
#[ignore = "takes a minute in an unoptimised build; it is for the numbers"]
fn page_4000_costs_about_what_page_1_costs() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut rows = String::from("username,password\n");
    for row in 0..ROWS {
        writeln!(rows, "user{row},password-of-{row}").unwrap();
    }
    let seed = folder.path().join("seed.csv");
    std::fs::write(&seed, rows).unwrap();
    let start = Instant::now();
    let server = Server::start_in(folder, &[("SIPWARD_ACCOUNT_SEED", seed.to_str().unwrap())]);
    // It listens before it has loaded.
    server.get("trunks");
    println!("{ROWS} credentials from a seed, start included: {:?}", start.elapsed());
    let offset = |page: usize| format!("trunks/credentials?limit=20&offset={}", (page - 1) * 20);
    let time = |path: &str| {
        let mut times: Vec<_> = (0..200)
            .map(|_| {
                let start = Instant::now();
                let (meta, objects) = listed(&server.get(path));
                assert_eq!((meta["total"].as_u64(), objects.len()), (Some(ROWS as u64 + 2), 20));
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[100]
    };
    let (first, far) = (time(&offset(1)), time(&offset(4_000)));
    println!("page 1: {first:?}, page 4,000: {far:?} (medians of 200)");
    assert!(far < first * 3, "page 4,000 takes {far:?}, page 1 {first:?}");
    let start = Instant::now();
    for at in 0..100 {
        server.post("trunks", json!({"name": format!("t{at}")}));
    }
    println!("a trunk made beside {ROWS} credentials: {:?}", start.elapsed() / 100);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    println!(
        "{}",
        status
            .lines()
            .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    println!("store: {} bytes", size(&server.folder.path().join("store")));
}

fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}
