//! A change of the configuration that overtakes a REGISTER which has passed the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use sipward::auth::{Credential, CredentialSource};
use sipward::engine::Engine;
use sipward::trunk::Directory;

use crate::support::phone::{Phone, status};
use crate::support::{Setup, World, directory, shared};

/// Changes something at one of its lookups.
struct Overtaking {
    inner: Arc<dyn CredentialSource>,
    /// Lookups until then.
    left: AtomicU32,
    overtake: Box<dyn Fn(Option<Credential>) -> Option<Credential> + Send + Sync>,
}

impl CredentialSource for Overtaking {
    fn credential(&self, auth_id: &str, username: &[u8]) -> Option<Credential> {
        let found = self.inner.credential(auth_id, username);
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() { found } else { (self.overtake)(found) }
    }
}

/// A world whose credentials change at the lookup after the `nth`.
fn world(
    nth: u32,
    overtake: impl Fn(&ArcSwap<Directory>, Option<Credential>) -> Option<Credential> + Send + Sync + 'static,
) -> World {
    let mut world = World::ordinary();
    let mut shared = shared(&Setup::default(), world.now);
    let directory = shared.directory.clone();
    shared.credentials = Arc::new(Overtaking {
        inner: shared.credentials,
        left: AtomicU32::new(nth),
        overtake: Box::new(move |found| overtake(&directory, found)),
    });
    world.shared = Arc::new(shared);
    world.engine = Engine::new(world.shared.clone(), 0, [7; 32], world.now);
    world
}

fn register(world: &mut World) -> u16 {
    let mut alice = Phone::new("alice", "127.0.0.1:6001");
    let request = alice.register_with("Contact: <sip:alice@127.0.0.1:6001>\r\n");
    let (_, sent) = alice.authenticate(world, &request);
    assert_eq!(sent.len(), 1, "{sent:?}");
    status(&sent[0].text)
}

/// The gate looks once at the answer to the challenge; the unanswered REGISTER is not looked up.
const GATE: u32 = 1;

#[test]
fn a_binding_made_after_its_credential_was_revoked_is_taken_back() {
    let mut world = world(GATE, |_, _| None);
    assert_eq!(register(&mut world), 401);
    assert!(world.bindings("alice").is_empty());
    assert_eq!(world.heard.log, ["registered alice", "unregistered alice revoked"]);
}

#[test]
fn a_binding_made_after_its_trunk_was_closed_is_taken_back() {
    let mut world = world(GATE, |shown, found| {
        shown.store(Arc::new(directory(&Setup { enabled: false, ..Setup::default() })));
        found
    });
    assert_eq!(register(&mut world), 401);
    assert!(world.bindings("alice").is_empty());
}

#[test]
fn a_change_that_has_nothing_to_do_with_it_takes_nothing_back() {
    let mut world = world(GATE, |shown, found| {
        shown.store(Arc::new(directory(&Setup { second_trunk: true, ..Setup::default() })));
        found
    });
    assert_eq!(register(&mut world), 200);
    assert_eq!(world.bindings("alice").len(), 1);
}
