//! Stateless nonces: what a challenge hands out proves by itself when it was made and that it was made here.
//!
//! ```text
//! bytes   0        6              14                              30
//!         +--------+--------------+--------------------------------+
//!         | minted | salt         | MAC                            |   base64url without padding: 40 characters
//!         +--------+--------------+--------------------------------+
//!          48 bit   64 bit         first 128 bit of HMAC-SHA256(key of the hour, minted | salt | realm)
//!          ms since
//!          1970
//! ```
//!
//! The key of an hour is HMAC-SHA256(master, label | hour), so keys rotate by themselves and several nodes with one
//! master agree. A flood of requests leaves nothing behind: memory is touched only after an answer has verified
//! (`replay.rs`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::clock::Timestamp;

/// How many characters a nonce has.
pub const NONCE_LENGTH: usize = 40;

const BYTES: usize = 30;
const MAC_LENGTH: usize = 16;
const EPOCH_MS: u64 = 3_600_000;
/// How far the clock of another node with the same master may be ahead.
const CLOCK_SKEW_MS: u64 = 5_000;
const LAST_TIME_MS: u64 = (1 << 48) - 1;
const KEY_LABEL: &[u8] = b"sipward nonce key";

type HmacSha256 = Hmac<Sha256>;

/// A nonce as it is written into a challenge. Not shown by `Debug`: nonces stay out of logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_LENGTH]);

impl Nonce {
    /// The characters, all of them `A-Z a-z 0-9 - _`.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(<redacted>)")
    }
}

/// Which nonce: what its MAC vouches for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NonceId {
    /// When it was made, in milliseconds since the Unix epoch.
    pub minted_ms: u64,
    /// What tells it from others of the same millisecond.
    pub salt: u64,
}

/// What a nonce sent by a client turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonceState {
    /// Made under our keys for this realm and not too old.
    Fresh(NonceId),
    /// Made under our keys, but too old, before this process started, or too far in the future.
    Expired(NonceId),
    /// Anything else.
    Forged,
}

/// Mints nonces and checks them.
pub struct NonceKeys {
    master: Zeroizing<[u8; 32]>,
    lifetime_ms: u64,
    started_ms: u64,
    recent: ArcSwap<RecentEpochs>,
}

/// The keyed states of the hour in progress and the one before it: keying costs more than the MAC itself.
struct RecentEpochs {
    current: u64,
    current_key: HmacSha256,
    previous_key: HmacSha256,
}

impl NonceKeys {
    /// Keys derived from `master`. Nonces live for `lifetime`; those made before `started` are expired, because the
    /// replay windows of that time are gone.
    pub fn new(master: [u8; 32], lifetime: Duration, started: Timestamp) -> Self {
        let master = Zeroizing::new(master);
        let recent = ArcSwap::from_pointee(RecentEpochs::at(&master, started.millis() / EPOCH_MS));
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        Self { master, lifetime_ms, started_ms: started.millis(), recent }
    }

    /// A new nonce for `realm`. `salt` must come from a random generator: it also keys the replay window.
    pub fn mint(&self, realm: &[u8], salt: u64, now: Timestamp) -> Nonce {
        let id = NonceId { minted_ms: now.millis().min(LAST_TIME_MS), salt };
        self.advance_to(now.millis() / EPOCH_MS);
        let stamp = stamp_of(id);
        let mac = self.mac(id, &stamp, realm);
        let mut bytes = [0; BYTES];
        for (to, from) in bytes.iter_mut().zip(stamp.iter().chain(&mac)) {
            *to = *from;
        }
        let mut text = [0; NONCE_LENGTH];
        // Thirty bytes always fit forty characters.
        let _written = BASE64_URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        Nonce(text)
    }

    /// What `nonce`, sent by a client as an answer in `realm`, is worth at `now`.
    pub fn check(&self, nonce: &[u8], realm: &[u8], now: Timestamp) -> NonceState {
        let mut bytes = [0; BYTES];
        if nonce.len() != NONCE_LENGTH || BASE64_URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes) != Ok(BYTES) {
            return NonceState::Forged;
        }
        let Some((stamp, mac)) = bytes.split_first_chunk::<{ BYTES - MAC_LENGTH }>() else { return NonceState::Forged };
        let id = id_of(stamp);
        if !bool::from(self.mac(id, stamp, realm).as_slice().ct_eq(mac)) {
            return NonceState::Forged;
        }
        let now_ms = now.millis();
        let too_old = now_ms.saturating_sub(id.minted_ms) >= self.lifetime_ms || id.minted_ms < self.started_ms;
        let too_new = id.minted_ms > now_ms.saturating_add(CLOCK_SKEW_MS);
        if too_old || too_new { NonceState::Expired(id) } else { NonceState::Fresh(id) }
    }

    fn mac(&self, id: NonceId, stamp: &[u8; BYTES - MAC_LENGTH], realm: &[u8]) -> [u8; MAC_LENGTH] {
        let epoch = id.minted_ms / EPOCH_MS;
        let recent = self.recent.load();
        let mut state = match recent.current.checked_sub(epoch) {
            Some(0) => recent.current_key.clone(),
            Some(1) => recent.previous_key.clone(),
            // A phone that refreshes every two hours comes back with an older one, and shall hear that it is stale.
            _ => key_of(&self.master, epoch),
        };
        state.update(stamp);
        state.update(realm);
        let whole = state.finalize().into_bytes();
        let mut mac = [0; MAC_LENGTH];
        for (to, from) in mac.iter_mut().zip(whole.iter()) {
            *to = *from;
        }
        mac
    }

    /// Threads that see the hour change at the same time store the same keys.
    fn advance_to(&self, epoch: u64) {
        if self.recent.load().current < epoch {
            self.recent.store(Arc::new(RecentEpochs::at(&self.master, epoch)));
        }
    }
}

impl fmt::Debug for NonceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonceKeys").field("lifetime_ms", &self.lifetime_ms).finish_non_exhaustive()
    }
}

impl RecentEpochs {
    fn at(master: &[u8; 32], epoch: u64) -> Self {
        let previous_key = key_of(master, epoch.saturating_sub(1));
        Self { current: epoch, current_key: key_of(master, epoch), previous_key }
    }
}

fn key_of(master: &[u8; 32], epoch: u64) -> HmacSha256 {
    let mut state = keyed(master);
    state.update(KEY_LABEL);
    state.update(&epoch.to_be_bytes());
    let mut key: [u8; 32] = state.finalize().into_bytes().into();
    let state = keyed(&key);
    key.zeroize();
    state
}

/// HMAC pads a key with zeros to the block (RFC 2104 §2); doing it here leaves no error to handle.
fn keyed(key: &[u8; 32]) -> HmacSha256 {
    let mut block = Zeroizing::new([0_u8; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    HmacSha256::new((&*block).into())
}

fn stamp_of(id: NonceId) -> [u8; BYTES - MAC_LENGTH] {
    let [_, _, a, b, c, d, e, f] = id.minted_ms.to_be_bytes();
    let [g, h, i, j, k, l, m, n] = id.salt.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

fn id_of(stamp: &[u8; BYTES - MAC_LENGTH]) -> NonceId {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = *stamp;
    NonceId {
        minted_ms: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        salt: u64::from_be_bytes([g, h, i, j, k, l, m, n]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);
    const START: Timestamp = Timestamp::from_secs(1_790_000_000);
    const REALM: &[u8] = b"MA_LOCAL.sipward.invalid";

    fn keys() -> NonceKeys {
        NonceKeys::new([7; 32], LIFETIME, START)
    }

    fn at(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_nonce_is_fresh_for_its_lifetime_and_expired_after_it() {
        let keys = keys();
        let nonce = keys.mint(REALM, 0xfedc_ba98_7654_3210, at(10));
        let id = NonceId { minted_ms: at(10).millis(), salt: 0xfedc_ba98_7654_3210 };
        assert_eq!(keys.check(nonce.as_bytes(), REALM, at(10)), NonceState::Fresh(id));
        assert_eq!(keys.check(nonce.as_bytes(), REALM, at(309)), NonceState::Fresh(id));
        assert_eq!(keys.check(nonce.as_bytes(), REALM, at(310)), NonceState::Expired(id));
        assert_eq!(keys.check(nonce.as_bytes(), REALM, at(310 + 5 * 3600)), NonceState::Expired(id));
    }

    #[test]
    fn a_nonce_of_another_realm_or_master_is_forged() {
        let nonce = keys().mint(REALM, 1, at(1));
        assert_eq!(keys().check(nonce.as_bytes(), b"other", at(1)), NonceState::Forged);
        let other = NonceKeys::new([8; 32], LIFETIME, START);
        assert_eq!(other.check(nonce.as_bytes(), REALM, at(1)), NonceState::Forged);
    }

    #[test]
    fn nodes_with_one_master_accept_each_other_within_five_seconds() {
        let nonce = keys().mint(REALM, 1, at(20));
        let id = NonceId { minted_ms: at(20).millis(), salt: 1 };
        assert_eq!(keys().check(nonce.as_bytes(), REALM, at(15)), NonceState::Fresh(id));
        assert_eq!(keys().check(nonce.as_bytes(), REALM, at(14)), NonceState::Expired(id));
    }

    #[test]
    fn a_nonce_from_before_the_start_is_expired() {
        let before = keys().mint(REALM, 1, at(1));
        let restarted = NonceKeys::new([7; 32], LIFETIME, at(2));
        assert!(matches!(restarted.check(before.as_bytes(), REALM, at(3)), NonceState::Expired(_)));
    }

    #[test]
    fn keys_rotate_by_the_hour_without_losing_a_nonce() {
        let keys = NonceKeys::new([7; 32], Duration::from_secs(3 * 3600), START);
        let old = keys.mint(REALM, 1, at(0));
        for hour in 0..3 {
            keys.mint(REALM, 2, at(hour * 3600));
            assert!(matches!(keys.check(old.as_bytes(), REALM, at(hour * 3600)), NonceState::Fresh(_)), "hour {hour}");
        }
        let (a, b) = (key_of(&[7; 32], 1).finalize().into_bytes(), key_of(&[7; 32], 2).finalize().into_bytes());
        assert_ne!(a, b);
    }

    #[test]
    fn debug_shows_neither_keys_nor_nonce() {
        let keys = NonceKeys::new([0xab; 32], LIFETIME, START);
        assert_eq!(format!("{keys:?}"), "NonceKeys { lifetime_ms: 300000, .. }");
        assert_eq!(format!("{:?}", keys.mint(REALM, 1, START)), "Nonce(<redacted>)");
    }

    proptest! {
        #[test]
        fn any_changed_character_makes_it_forged(position in 0..NONCE_LENGTH, byte: u8, salt: u64) {
            let keys = keys();
            let mut text = keys.mint(REALM, salt, at(1)).as_bytes().to_vec();
            prop_assume!(text[position] != byte);
            text[position] = byte;
            prop_assert_eq!(keys.check(&text, REALM, at(1)), NonceState::Forged);
        }

        #[test]
        fn no_bytes_are_taken_for_ours(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(keys().check(&bytes, REALM, at(1)), NonceState::Forged);
        }
    }
}
