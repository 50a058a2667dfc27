//! The store across processes: killed while writing, and started under an open umask.
//!
//! The child is this test binary itself, running the ignored test `child`. `STORE_CRASH_ROUNDS=200 cargo test --test storage`
//! kills more often than the 20 times of the usual run.

#![allow(clippy::disallowed_methods, reason = "processes are started, waited for and killed here")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use sipward::location::{AddressOfRecord, BindingStore, StoredBinding};
use sipward::storage::{AclRecord, BindingJournal, Changes, CredentialRecord, Settings, Store};
use sipward::trunk::TrunkId;
use uuid::Uuid;

const FOLDER: &str = "STORE_UNDER_TEST";
const ACCOUNT: &str = "MA_1";

fn credential(username: &str) -> CredentialRecord {
    CredentialRecord {
        id: Uuid::new_v4(),
        auth_id: ACCOUNT.to_owned(),
        username: username.to_owned(),
        description: "x".repeat(40),
        enabled: true,
        trunk: None,
        ha1_md5: Some([1; 16]),
        ha1_sha256: Some([2; 32]),
        ha1_sha512_256: Some([3; 32]),
        created_at: 1,
        updated_at: 1,
    }
}

/// Shares its id with the credential it is made with, so that half a change would show.
fn acl_entry(id: Uuid) -> AclRecord {
    AclRecord {
        id,
        auth_id: ACCOUNT.to_owned(),
        ip_address: "127.0.0.9".to_owned(),
        deny: false,
        description: String::new(),
        enabled: true,
        trunk: None,
        may_register: Vec::new(),
        created_at: 1,
        updated_at: 1,
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may be gone.
    let _ = writeln!(out, "\n{line}").and_then(|()| out.flush());
}

/// Makes pairs of a credential and an ACL entry, removes every third again, and says what was acknowledged.
fn write_pairs(store: &Store, run: &str, thread: usize) {
    for number in 0.. {
        let name = format!("{run}-{thread}-{number}");
        let made = credential(&name);
        let mut changes = Changes::new();
        changes.create_credential(&made).unwrap();
        changes.create_acl_entry(&acl_entry(made.id)).unwrap();
        store.commit(changes).unwrap();
        say(&format!("made {name}"));
        if number % 3 == 0 {
            say(&format!("removing {name}"));
            let mut changes = Changes::new();
            changes.delete_credential(ACCOUNT, &name).unwrap();
            changes.delete_acl_entry(made.id);
            store.commit(changes).unwrap();
            say(&format!("removed {name}"));
        }
    }
}

fn write_bindings(store: &Arc<Store>, run: &str) {
    let journal = BindingJournal::new(Arc::clone(store));
    journal.start(Box::new(|aor| Some(vec![binding(&aor.user)]))).unwrap();
    for number in 0.. {
        let user = format!("{run}-{number}");
        journal.changed(&AddressOfRecord { trunk: TrunkId(Uuid::nil()), user: user.as_str().into() });
        journal.flush_now().unwrap();
        say(&format!("bound {user}"));
    }
}

fn binding(user: &str) -> StoredBinding {
    StoredBinding {
        contact: user.as_bytes().to_vec(),
        tcp: false,
        local: "127.0.0.1:5060".parse().unwrap(),
        peer: "127.0.0.1:5070".parse().unwrap(),
        call_id: Vec::new(),
        cseq: 1,
        expires_at_s: u64::MAX,
        q: 1000,
        credential: None,
        user_agent: String::new(),
    }
}

#[test]
#[ignore = "run by the tests below as a process of its own"]
fn child() {
    let path = PathBuf::from(std::env::var_os(FOLDER).expect("the folder of the store"));
    let store = Arc::new(Store::open(&Settings { path }).unwrap());
    let run = Uuid::new_v4().simple().to_string();
    say("open");
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (store, run) = (&store, &run);
            scope.spawn(move || write_pairs(store, run, thread));
        }
        scope.spawn(|| {
            let rows = |round: usize| (0..2_000).map(move |row| format!("{round}-{row}"));
            for round in 0.. {
                let prefix = format!("{run}-import");
                let imported = store.import(rows(round).map(|row| credential(&format!("{prefix}-{row}")))).unwrap();
                assert_eq!(imported.made, 2_000);
                rows(round).step_by(97).for_each(|row| say(&format!("made {prefix}-{row}")));
            }
        });
        scope.spawn(|| write_bindings(&store, &run));
    });
}

/// Writes until the disk refuses, and a little longer.
#[test]
#[ignore = "run by the tests below as a process of its own"]
fn child_with_a_small_disk() {
    let path = PathBuf::from(std::env::var_os(FOLDER).expect("the folder of the store"));
    let store = Store::open(&Settings { path }).unwrap();
    for number in 0.. {
        let name = format!("user{number}");
        let mut changes = Changes::new();
        changes.create_credential(&credential(&name)).unwrap();
        match store.commit(changes) {
            Ok(()) => say(&format!("made {name}")),
            Err(error) => {
                say(&format!("error {error}"));
                assert!(!store.credentials().contains(ACCOUNT, &name));
                break;
            }
        }
    }
    let mut changes = Changes::new();
    changes.create_credential(&credential("later")).unwrap();
    say(&format!("later {}", store.commit(changes).unwrap_err()));
}

/// No umask protects what the child makes.
fn start_child(path: &Path) -> Child {
    start(path, r#"umask 000; exec "$0" --exact child --ignored --nocapture"#)
}

fn start(path: &Path, script: &str) -> Child {
    Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the child said it did.
#[derive(Default)]
struct Said {
    made: BTreeSet<String>,
    removing: BTreeSet<String>,
    removed: BTreeSet<String>,
    bound: BTreeSet<String>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let Some((verb, name)) = line.trim().split_once(' ') else { return };
        let set = match verb {
            "made" => &mut self.made,
            "removing" => &mut self.removing,
            "removed" => &mut self.removed,
            "bound" => &mut self.bound,
            _ => return,
        };
        set.insert(name.to_owned());
    }
}

fn names(store: &Store) -> BTreeSet<String> {
    store.credentials_of(ACCOUNT).unwrap().into_iter().map(|credential| credential.username).collect()
}

fn bound(store: Arc<Store>) -> BTreeSet<String> {
    let (send, receive) = channel();
    let journal = BindingJournal::new(store);
    journal.restore(0, move |aor, _| send.send(aor.user.to_string()).unwrap()).unwrap();
    receive.iter().collect()
}

fn check(path: &Path, said: &Said) {
    let store = Arc::new(Store::open(&Settings { path: path.to_owned() }).unwrap());
    let stored = names(&store);
    assert_eq!(store.credentials().len(), stored.len());
    let lost: Vec<_> = said.made.difference(&said.removing).filter(|name| !stored.contains(*name)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let back: Vec<_> = said.removed.intersection(&stored).collect();
    assert!(back.is_empty(), "removed and back: {back:?}");
    let ids = |ids: Vec<Uuid>| ids.into_iter().collect::<BTreeSet<_>>();
    let pairs = store.credentials_of(ACCOUNT).unwrap().into_iter().filter(|one| !one.username.contains("import"));
    let entries = store.acl_entries().unwrap();
    assert_eq!(
        ids(pairs.map(|one| one.id).collect()),
        ids(entries.iter().map(|one| one.id).collect()),
        "half a change"
    );
    let bound = bound(store);
    let lost: Vec<_> = said.bound.difference(&bound).collect();
    assert!(lost.is_empty(), "bindings acknowledged and lost: {lost:?}");
}

/// Lets the child write for `span` after its first word, or kills it while it opens, and takes down what it said.
fn run_and_kill(path: &Path, span: Duration, while_opening: bool, said: &mut Said) {
    let mut child = start_child(path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if !while_opening {
        let opened = lines.any(|line| line.unwrap() == "open");
        assert!(opened, "the child did not start: {:?}", child.wait());
    }
    // Somebody has to read while the child writes.
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    std::thread::sleep(span);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap().iter().for_each(|line| said.hear(line));
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_and_the_store_opens_every_time() {
    let rounds = std::env::var("STORE_CRASH_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut said = Said::default();
    for round in 0..rounds {
        let random = u64::from(Uuid::new_v4().as_fields().0);
        let while_opening = round % 4 == 3;
        let span = Duration::from_millis(if while_opening { random % 60 } else { random % 400 });
        run_and_kill(&path, span, while_opening, &mut said);
        check(&path, &said);
    }
    assert!(said.made.len() > 100 && said.bound.len() > 20, "the child hardly wrote: {}", said.made.len());
}

#[test]
fn a_disk_that_refuses_is_an_error_and_what_was_acknowledged_before_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    // A limit on the size of files stands in for a full disk: it needs no rights. 512-byte blocks.
    let script = r#"trap '' XFSZ; ulimit -f 4096; exec "$0" --exact child_with_a_small_disk --ignored --nocapture"#;
    let output = start(&path, script).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = |verb: &str| -> Vec<_> { text.lines().filter_map(|line| line.strip_prefix(verb)).collect() };
    assert!(said("error ").concat().contains("cannot write"), "{text}");
    assert!(said("later ").concat().contains("cannot write"), "{text}");
    let store = Store::open(&Settings { path }).unwrap();
    let stored = names(&store);
    let made = said("made ");
    assert!(made.len() > 10 && made.iter().all(|name| stored.contains(*name)), "{} made", made.len());
    assert!(!stored.contains("later"));
}

#[test]
fn under_an_open_umask_folder_and_files_are_closed_to_other_users() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/store");
    run_and_kill(&path, Duration::from_millis(200), false, &mut Said::default());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap().path();
        let wanted = if entry.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&entry), wanted, "{}", entry.display());
        files += 1;
    }
    assert!(files >= 5, "only {files} files");
}

#[test]
fn a_store_in_use_by_another_process_is_refused_until_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut child = start_child(&path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "open"));
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).count());
    let error = Store::open(&Settings { path: path.clone() }).unwrap_err().to_string();
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    assert!(error.contains("in use by another process") && error.contains(&path.display().to_string()), "{error}");
    Store::open(&Settings { path }).unwrap();
}

/// `cargo test --release --test storage -- --ignored --nocapture million`
#[test]
#[ignore = "takes a minute, and its bound holds for an optimized build only"]
fn a_million_credentials_are_in_memory_within_three_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("store") };
    let started = std::time::Instant::now();
    let store = Store::open(&settings).unwrap();
    store.import((0..1_000_000).map(|number| credential(&format!("user{number:07}")))).unwrap();
    println!("import: {:?}", started.elapsed());
    let started = std::time::Instant::now();
    drop(store);
    println!("close: {:?}", started.elapsed());
    for _ in 0..2 {
        let started = std::time::Instant::now();
        let store = Store::open(&settings).unwrap();
        let took = started.elapsed();
        println!("open: {took:?}");
        assert_eq!(store.credentials().len(), 1_000_000);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    let size: u64 = fs::read_dir(&settings.path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    println!("size: {} MB", size / 1_000_000);
}
