//! The dialogs that were set up through this server: which contacts they named and the flows that lead there.
//!
//! A proxy need not know dialogs. This one does so that a request inside a dialog reaches only what the dialog named
//! (product rule, `docs/decisions/0004`), and reaches it through the flow on which it was seen, behind a NAT too.
//! What is not known (after a restart) is decided by the route token alone.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use siphasher::sip128::{Hasher128, SipHasher24};
use smallvec::SmallVec;
use std::hash::Hasher;

use crate::clock::Timestamp;
use crate::flow::Flow;
use crate::message::{Uri, host_ip};
use crate::trunk_id::TrunkId;

const SHARDS: usize = 64;
/// A dialog names two contacts; forking and target refresh name more. The oldest of the callee's give way beyond this.
const MAX_CONTACTS: usize = 8;

/// A dialog: keyed hash over Call-ID and the From tag of the request that formed it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DialogKey(u128);

/// Keyed hash over what makes a contact the same: user, host and port. Parameters are left out, for some clients print
/// them anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContactHash(u64);

/// Where a request inside a dialog may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The dialog is not known here.
    UnknownDialog,
    /// The dialog never named this contact.
    NotNamed,
    /// It did, and this is the way there.
    Flow(Flow),
}

/// What holds a dialog up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// A session, until BYE (RFC 3261 §15).
    Call,
    /// A subscription, until its last NOTIFY or the end of its time (RFC 6665 §4).
    Subscription,
}

/// Longest URI or Call-ID kept of a call, in bytes.
const MAX_TEXT: usize = 255;

/// A call as it is shown to people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The trunk that it came for.
    pub trunk: TrunkId,
    /// Call-ID, cut at 255 bytes as the URIs are.
    pub call_id: Box<[u8]>,
    /// The caller's URI.
    pub from: Box<[u8]>,
    /// The Request-URI as it came.
    pub to: Box<[u8]>,
    /// Where it came from.
    pub peer: SocketAddr,
    /// When its INVITE went out.
    pub since: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}

impl Call {
    /// Of the INVITE at hand; copies what it keeps.
    pub fn new(trunk: TrunkId, [call_id, from, to]: [&[u8]; 3], peer: SocketAddr, since: Timestamp) -> Self {
        let cut = |text: &[u8]| text.get(..MAX_TEXT).unwrap_or(text).into();
        Self { trunk, call_id: cut(call_id), from: cut(from), to: cut(to), peer, since, answered_at: None }
    }
}

#[derive(Debug)]
struct Dialog {
    usage: Usage,
    trunk: TrunkId,
    contacts: SmallVec<[(ContactHash, Flow); 2]>,
    ends_at: Timestamp,
    answered: bool,
    /// Of a call; apart, for it is looked at only when somebody asks.
    call: Option<Box<Call>>,
}

/// The dialogs of all shards.
pub struct Dialogs {
    shards: Vec<Mutex<HashMap<u128, Dialog>>>,
    secret: [u8; 16],
    limit_per_shard: usize,
}

impl std::fmt::Debug for Dialogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialogs").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Dialogs {
    /// None yet, no more than `limit`; beyond it dialogs are served but not remembered.
    pub fn new(limit: usize, secret: [u8; 16]) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, secret, limit_per_shard: limit.div_ceil(SHARDS) }
    }

    /// The key of the dialog with that Call-ID that was formed by a request with that From tag.
    pub fn key(&self, call_id: &[u8], from_tag: &[u8]) -> DialogKey {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(call_id);
        hasher.write_u8(0);
        hasher.write(from_tag);
        DialogKey(hasher.finish128().as_u128())
    }

    /// The hash of a contact URI.
    pub fn contact(&self, uri: &Uri<'_>) -> ContactHash {
        let mut hasher = siphasher::sip::SipHasher24::new_with_key(&self.secret);
        hasher.write(uri.user_name().as_deref().unwrap_or_default());
        hasher.write_u8(0);
        match host_ip(uri.host) {
            Some(ip) => hasher.write(ip.to_string().as_bytes()),
            None => uri.host.iter().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase())),
        }
        hasher.write_u16(uri.port.unwrap_or(0));
        ContactHash(hasher.finish())
    }

    fn shard(&self, key: DialogKey) -> Option<MutexGuard<'_, HashMap<u128, Dialog>>> {
        let shard = self.shards.get(key.0 as usize % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request that forms a dialog goes out for `trunk`; its sender's contact is reached through a flow.
    pub fn begin(
        &self,
        key: DialogKey,
        trunk: TrunkId,
        usage: Usage,
        contact: Option<(ContactHash, Flow)>,
        ends_at: Timestamp,
    ) {
        let Some(mut shard) = self.shard(key) else { return };
        if shard.len() >= self.limit_per_shard {
            return;
        }
        let new = || Dialog { usage, trunk, contacts: SmallVec::new(), ends_at, answered: false, call: None };
        let dialog = shard.entry(key.0).or_insert_with(new);
        if let Some(contact) = contact {
            dialog.learn(contact);
        }
    }

    /// What the dialog looks like to people. The first word counts: a forked INVITE is one call.
    pub fn describe(&self, key: DialogKey, call: impl FnOnce() -> Call) {
        if let Some(dialog) = self.shard(key).as_mut().and_then(|shard| shard.get_mut(&key.0))
            && dialog.call.is_none()
        {
            dialog.call = Some(Box::new(call()));
        }
    }

    /// Shows every call that is up or being set up. One of 64 parts is locked at a time: `show` must be quick.
    pub fn for_each_call(&self, mut show: impl FnMut(&Call)) {
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let calls = shard.values().filter(|dialog| dialog.usage == Usage::Call);
            calls.filter_map(|dialog| dialog.call.as_deref()).for_each(&mut show);
        }
    }

    /// A message of the dialog named a contact that is reached through `flow`.
    pub fn learn(&self, key: DialogKey, contact: ContactHash, flow: Flow) {
        if let Some(dialog) = self.shard(key).as_mut().and_then(|shard| shard.get_mut(&key.0)) {
            dialog.learn((contact, flow));
        }
    }

    /// A subscription has been refreshed and ends at another time. A call does not mind.
    pub fn refresh(&self, key: DialogKey, ends_at: Timestamp) {
        if let Some(mut shard) = self.shard(key)
            && let Some(dialog) = shard.get_mut(&key.0).filter(|dialog| dialog.usage == Usage::Subscription)
        {
            dialog.ends_at = ends_at;
        }
    }

    /// A subscription of the dialog is over: with it the dialog, unless a call holds it up.
    pub fn unsubscribed(&self, key: DialogKey) {
        if let Some(mut shard) = self.shard(key)
            && shard.get(&key.0).is_some_and(|dialog| dialog.usage == Usage::Subscription)
        {
            shard.remove(&key.0);
        }
    }

    /// The dialog has been answered with 2xx. True the first time.
    pub fn answered(&self, key: DialogKey, now: Timestamp) -> bool {
        let mut shard = self.shard(key);
        let dialog = shard.as_mut().and_then(|shard| shard.get_mut(&key.0));
        dialog.is_some_and(|dialog| {
            if let Some(call) = dialog.call.as_mut().filter(|call| call.answered_at.is_none()) {
                call.answered_at = Some(now);
            }
            !std::mem::replace(&mut dialog.answered, true)
        })
    }

    /// Where a request of the dialog for `contact` goes.
    pub fn target(&self, key: DialogKey, contact: ContactHash) -> Target {
        let shard = self.shard(key);
        let Some(dialog) = shard.as_ref().and_then(|shard| shard.get(&key.0)) else { return Target::UnknownDialog };
        let known = dialog.contacts.iter().find(|(known, _)| *known == contact);
        known.map_or(Target::NotNamed, |(_, flow)| Target::Flow(*flow))
    }

    /// The dialog is over. True if it was known and had been answered.
    pub fn end(&self, key: DialogKey) -> bool {
        self.shard(key).as_mut().and_then(|shard| shard.remove(&key.0)).is_some_and(|dialog| dialog.answered)
    }

    /// The first request of the dialog failed. One that was answered before (a failed re-INVITE) stays.
    pub fn fail(&self, key: DialogKey) {
        if let Some(mut shard) = self.shard(key)
            && shard.get(&key.0).is_some_and(|dialog| !dialog.answered)
        {
            shard.remove(&key.0);
        }
    }

    /// How many calls the trunk has, those included that are not answered yet. Looks at every dialog.
    pub fn calls_of(&self, trunk: TrunkId) -> usize {
        let is_one = |dialog: &&Dialog| dialog.usage == Usage::Call && dialog.trunk == trunk;
        let count = |shard: &Mutex<HashMap<u128, Dialog>>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).values().filter(is_one).count()
        };
        self.shards.iter().map(count).sum()
    }

    /// How many dialogs are known.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets dialogs that have outlasted the longest call. One of 64 parts is locked at a time.
    pub fn sweep(&self, now: Timestamp) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, dialog| dialog.ends_at > now);
        }
    }
}

impl Dialog {
    fn learn(&mut self, (contact, flow): (ContactHash, Flow)) {
        match self.contacts.iter_mut().find(|(known, _)| *known == contact) {
            Some((_, known)) => *known = flow,
            None => {
                if self.contacts.len() >= MAX_CONTACTS {
                    self.contacts.remove(1);
                }
                self.contacts.push((contact, flow));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNK: TrunkId = TrunkId(uuid::Uuid::from_u128(7));

    fn flow(port: u16) -> Flow {
        Flow::udp("127.0.0.1:5060".parse().unwrap(), ([127, 0, 0, 1], port).into())
    }

    #[test]
    fn a_dialog_leads_only_to_what_it_named() {
        let dialogs = Dialogs::new(100, [1; 16]);
        let key = dialogs.key(b"c", b"t");
        let contact = |text: &str| dialogs.contact(&Uri::parse(text.as_bytes()).unwrap());
        assert_eq!(dialogs.target(key, contact("sip:a@h")), Target::UnknownDialog);
        dialogs.begin(key, TRUNK, Usage::Call, Some((contact("sip:a@H:5"), flow(5))), Timestamp::from_secs(9));
        dialogs.learn(key, contact("sip:b@127.0.0.1:6;ob"), flow(6));
        assert_eq!(dialogs.target(key, contact("sip:a@h:5;transport=udp")), Target::Flow(flow(5)));
        assert_eq!(dialogs.target(key, contact("sip:b@127.0.0.1:6")), Target::Flow(flow(6)));
        assert_eq!(dialogs.target(key, contact("sip:c@h")), Target::NotNamed);
        assert_eq!(dialogs.target(dialogs.key(b"c", b"u"), contact("sip:a@h:5")), Target::UnknownDialog);
    }

    #[test]
    fn dialogs_end_fail_and_expire() {
        let dialogs = Dialogs::new(100, [1; 16]);
        let key = dialogs.key(b"c", b"t");
        dialogs.begin(key, TRUNK, Usage::Call, None, Timestamp::from_secs(9));
        let now = Timestamp::from_secs(1);
        assert!(dialogs.answered(key, now) && !dialogs.answered(key, now));
        dialogs.fail(key);
        assert_eq!(dialogs.len(), 1, "an answered dialog outlives a failed re-INVITE");
        assert!(dialogs.end(key) && !dialogs.end(key));
        dialogs.begin(key, TRUNK, Usage::Call, None, Timestamp::from_secs(9));
        dialogs.sweep(Timestamp::from_secs(8));
        assert_eq!(dialogs.len(), 1);
        dialogs.sweep(Timestamp::from_secs(9));
        assert!(dialogs.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let dialogs = Dialogs::new(64, [1; 16]);
        for number in 0..1000_u32 {
            dialogs.begin(dialogs.key(&number.to_be_bytes(), b""), TRUNK, Usage::Call, None, Timestamp::from_secs(9));
        }
        assert!(dialogs.len() <= 64);
        let key = dialogs.key(&0_u32.to_be_bytes(), b"");
        for port in 1..100 {
            let uri = format!("sip:h:{port}");
            dialogs.learn(key, dialogs.contact(&Uri::parse(uri.as_bytes()).unwrap()), flow(port));
        }
    }

    #[test]
    fn a_subscription_ends_with_its_last_notification_or_its_time_and_a_call_does_not() {
        let dialogs = Dialogs::new(100, [1; 16]);
        let (call, subscription) = (dialogs.key(b"c", b"t"), dialogs.key(b"s", b"t"));
        dialogs.begin(call, TRUNK, Usage::Call, None, Timestamp::from_secs(100));
        dialogs.begin(subscription, TRUNK, Usage::Subscription, None, Timestamp::from_secs(9));
        for key in [call, subscription] {
            dialogs.refresh(key, Timestamp::from_secs(20));
        }
        dialogs.sweep(Timestamp::from_secs(19));
        assert_eq!(dialogs.len(), 2);
        dialogs.sweep(Timestamp::from_secs(20));
        assert_eq!(dialogs.len(), 1);
        dialogs.unsubscribed(call);
        assert_eq!(dialogs.len(), 1);
        dialogs.begin(subscription, TRUNK, Usage::Subscription, None, Timestamp::from_secs(99));
        dialogs.unsubscribed(subscription);
        assert_eq!(dialogs.len(), 1);
    }

    #[test]
    fn a_call_is_shown_as_it_began_until_it_is_over() {
        let dialogs = Dialogs::new(100, [1; 16]);
        let (key, at) = (dialogs.key(b"c", b"t"), Timestamp::from_secs);
        let call = |from: &[u8], since| Call::new(TRUNK, [b"c", from, b"sip:b@h"], flow(5).peer, at(since));
        let calls = || {
            let mut calls = Vec::new();
            dialogs.for_each_call(|call| calls.push(call.clone()));
            calls
        };
        dialogs.describe(key, || call(b"sip:a@h", 1));
        assert_eq!(calls(), [], "a dialog that is not known has no call");
        dialogs.begin(key, TRUNK, Usage::Call, None, at(99));
        dialogs.describe(key, || call(b"sip:a@h", 1));
        dialogs.describe(key, || call(b"sip:other@h", 2));
        assert_eq!(calls(), [call(b"sip:a@h", 1)]);
        dialogs.answered(key, at(3));
        dialogs.answered(key, at(4));
        assert_eq!(calls(), [Call { answered_at: Some(at(3)), ..call(b"sip:a@h", 1) }]);
        dialogs.begin(dialogs.key(b"s", b"t"), TRUNK, Usage::Subscription, None, at(99));
        dialogs.describe(dialogs.key(b"s", b"t"), || call(b"sip:a@h", 1));
        assert_eq!(calls().len(), 1, "a subscription is no call");
        dialogs.end(key);
        assert_eq!(calls(), []);
        assert_eq!(call(&[b'x'; 5_000], 1).from.len(), 255);
    }

    #[test]
    fn the_calls_of_a_trunk_are_counted_without_its_subscriptions_and_those_of_others() {
        let dialogs = Dialogs::new(100, [1; 16]);
        let keys: Vec<DialogKey> = (0..4_u8).map(|number| dialogs.key(&[number], b"t")).collect();
        let ends_at = Timestamp::from_secs(9);
        dialogs.begin(keys[0], TRUNK, Usage::Call, None, ends_at);
        dialogs.begin(keys[1], TRUNK, Usage::Call, None, ends_at);
        dialogs.begin(keys[2], TRUNK, Usage::Subscription, None, ends_at);
        dialogs.begin(keys[3], TrunkId(uuid::Uuid::from_u128(8)), Usage::Call, None, ends_at);
        assert_eq!(dialogs.calls_of(TRUNK), 2);
        dialogs.fail(keys[0]);
        assert_eq!(dialogs.calls_of(TRUNK), 1);
    }
}
