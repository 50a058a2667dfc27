//! kill -9 under writes: what was acknowledged is there, and nothing is half there.
//!
//! `SIPWARD_TEST_KILLS=200 cargo test --release --test api_contract kill` makes it two hundred rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{Server, TOKEN, exchange, request};
use crate::shape::{CREDENTIAL, Is, TRUNK, assert_shape, listed};

const WRITERS: usize = 4;

/// What the server has acknowledged: trunks, each with the names scoped to it.
#[derive(Default)]
struct Acknowledged {
    /// By id; whether it is there, or gone, or was being deleted when the server died.
    trunks: BTreeMap<String, State>,
    /// By username: the trunk and the description last acknowledged.
    credentials: BTreeMap<String, (String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    There,
    Gone,
    Unknown,
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_there() {
    let rounds = std::env::var("SIPWARD_TEST_KILLS").map_or(20, |rounds| rounds.parse().unwrap());
    let acknowledged = Mutex::new(Acknowledged::default());
    let mut server = Server::start();
    for round in 0..rounds {
        let stop = AtomicBool::new(false);
        let folder = std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (api, acknowledged, stop) = (server.api, &acknowledged, &stop);
                scope.spawn(move || write(api, round * WRITERS + writer, acknowledged, stop));
            }
            // Another moment each time.
            std::thread::sleep(Duration::from_millis(40 + (round as u64 * 37) % 160));
            let folder = server.kill_nine();
            stop.store(true, Ordering::Release);
            folder
        });
        server = Server::start_in(folder, &[]);
        check(&server, &acknowledged.lock().unwrap(), round);
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.credentials.len() > rounds * 3, "only {} credentials", acknowledged.credentials.len());
    let deleted = acknowledged.trunks.values().filter(|state| **state == State::Gone).count();
    assert!(
        deleted > 0 && acknowledged.trunks.values().any(|state| *state == State::There),
        "{deleted} trunks deleted"
    );
}

/// Makes trunks with credentials, changes those, and deletes every other trunk, until the server is gone.
fn write(api: std::net::SocketAddr, number: usize, acknowledged: &Mutex<Acknowledged>, stop: &AtomicBool) {
    let ask = |method: &str, path: &str, body: Option<Value>| ask(api, method, path, body);
    for step in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let Some((201, trunk)) = ask("POST", "trunks", Some(json!({"name": format!("{number}-{step}")}))) else {
            return;
        };
        let trunk = trunk["trunk_id"].as_str().unwrap().to_owned();
        acknowledged.lock().unwrap().trunks.insert(trunk.clone(), State::There);
        for user in 0..3 {
            let username = format!("u{number}-{step}-{user}");
            let body = json!({"username": username, "password": "correct horse", "trunk_id": trunk});
            let Some((201, made)) = ask("POST", "credentials", Some(body)) else { return };
            acknowledged.lock().unwrap().credentials.insert(username.clone(), (trunk.clone(), String::new()));
            let path = format!("credentials/{}", made["id"].as_str().unwrap());
            // Acknowledged or not, what is there is one or the other.
            let described = ask("PUT", &path, Some(json!({"description": "changed"})));
            let mut known = acknowledged.lock().unwrap();
            let description = if matches!(described, Some((200, _))) { "changed" } else { "?" };
            known.credentials.insert(username, (trunk.clone(), description.to_owned()));
            if described.is_none() {
                return;
            }
        }
        if step % 2 == 1 {
            acknowledged.lock().unwrap().trunks.insert(trunk.clone(), State::Unknown);
            let Some((204, _)) = ask("DELETE", &format!("trunks/{trunk}"), None) else { return };
            acknowledged.lock().unwrap().trunks.insert(trunk, State::Gone);
        }
    }
}

/// `None` when the server died before it answered.
fn ask(api: std::net::SocketAddr, method: &str, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
    let mut stream = std::net::TcpStream::connect(api).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let token = format!("X-Auth-Token: {TOKEN}");
    let text =
        request(method, &format!("/api/v1/Account/MA_LOCAL/{path}"), &["X-Auth-ID: MA_LOCAL", &token], body.as_ref());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| exchange(&mut stream, &text)))
        .ok()
        .map(|answer| (answer.status, if answer.body.is_empty() { Value::Null } else { answer.json() }))
}

fn check(server: &Server, acknowledged: &Acknowledged, round: usize) {
    let all = |path: &str| {
        let mut objects = Vec::new();
        loop {
            let (meta, page) = listed(&server.get(&format!("{path}?view=full&limit=100&offset={}", objects.len())));
            objects.extend(page);
            if objects.len() as u64 >= meta["total"].as_u64().unwrap() {
                return objects;
            }
        }
    };
    let trunks = all("trunks");
    let ids: BTreeSet<&str> = trunks.iter().map(|trunk| trunk["trunk_id"].as_str().unwrap()).collect();
    for (trunk, state) in &acknowledged.trunks {
        match state {
            State::There => assert!(ids.contains(&**trunk), "round {round}: trunk {trunk} is lost"),
            State::Gone => assert!(!ids.contains(&**trunk), "round {round}: trunk {trunk} is back"),
            State::Unknown => {}
        }
    }
    let credentials = all("trunks/credentials");
    for credential in &credentials {
        if let Some(trunk) = credential["trunk_id"].as_str() {
            assert!(ids.contains(trunk), "round {round}: {credential} outlived its trunk");
        }
    }
    let by_name: BTreeMap<&str, &Value> =
        credentials.iter().map(|credential| (credential["username"].as_str().unwrap(), credential)).collect();
    for (name, (trunk, description)) in &acknowledged.credentials {
        match by_name.get(&**name) {
            Some(found) if description != "?" => assert_eq!(found["description"], json!(description), "round {round}"),
            Some(_) => {}
            None => assert!(!ids.contains(&**trunk), "round {round}: credential {name} is lost"),
        }
    }
    let (_, page) = listed(&server.get("trunks/credentials?limit=100"));
    page.iter().for_each(|credential| assert_shape(credential, &[CREDENTIAL]));
    let (_, page) = listed(&server.get("trunks?limit=100"));
    page.iter().for_each(|trunk| assert_shape(trunk, &[TRUNK, &[] as &[(&str, Is)]]));
}
