//! The route token: what makes a request inside a dialog one that this server let in (product rule, decision 0004).
//!
//! ```text
//! 1 key id | 4 made at | 4 deadline | 4 first bytes of the trunk's id | 16 HMAC-SHA256, cut
//! ```
//! as 39 characters of base64url in the `tk` parameter of our Record-Route; times are seconds since the epoch. The MAC is
//! over Call-ID, the From tag that formed the dialog, and the fields above.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::clock::Timestamp;
use crate::trunk::TrunkId;

const HEAD: usize = 13;
const MAC: usize = 16;
const BYTES: usize = HEAD + MAC;
/// Characters of a token.
pub(super) const TOKEN_LENGTH: usize = 39;

/// A token as it stands in the URI.
pub type Token = [u8; TOKEN_LENGTH];

/// What a token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Voucher {
    /// The first 32 bits of the trunk's id.
    pub trunk: u32,
    /// When it was made, in seconds since the Unix epoch.
    pub made_at_s: u64,
}

/// One key under which tokens are made.
#[derive(Clone)]
struct RouteKey {
    id: u8,
    mac: Hmac<Sha256>,
}

/// The keys of this server, newest first. They live in the store and outlast a restart.
#[derive(Clone)]
pub struct RouteKeys {
    keys: Vec<RouteKey>,
}

impl std::fmt::Debug for RouteKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| key.id)).finish()
    }
}

impl RouteKeys {
    /// Keys by their identities; the first one makes tokens, all of them verify.
    pub fn new(keys: impl IntoIterator<Item = (u8, [u8; 32])>) -> Self {
        let keyed = |(id, key): (u8, [u8; 32])| Some(RouteKey { id, mac: Hmac::new_from_slice(&key).ok()? });
        Self { keys: keys.into_iter().filter_map(keyed).collect() }
    }

    /// A token, made `now`, for the dialog that a request with this Call-ID and From tag forms; `None` without any key.
    pub fn mint(
        &self,
        call_id: &[u8],
        from_tag: &[u8],
        trunk: TrunkId,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Option<Token> {
        let key = self.keys.first()?;
        let mut bytes = [0; BYTES];
        let (head, mac) = bytes.split_at_mut(HEAD);
        let seconds = |time: Timestamp| u32::try_from(time.secs()).unwrap_or(u32::MAX).to_be_bytes();
        let trunk = trunk.short().to_be_bytes();
        let fields = std::iter::once(key.id).chain(seconds(now)).chain(seconds(deadline)).chain(trunk);
        head.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        let computed = key.compute(head, call_id, from_tag);
        mac.iter_mut().zip(computed).for_each(|(byte, computed)| *byte = computed);
        let mut token = [0; TOKEN_LENGTH];
        URL_SAFE_NO_PAD.encode_slice(bytes, &mut token).ok()?;
        Some(token)
    }

    /// What `token` vouches for, if it is one of ours for this Call-ID and tag and not past its deadline.
    pub fn verify(&self, token: &[u8], call_id: &[u8], tag: &[u8], now: Timestamp) -> Option<Voucher> {
        let mut bytes = [0; BYTES];
        let decoded = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        let (head, mac) = bytes.split_at(HEAD);
        let (id, rest) = head.split_first()?;
        let (made_at, rest) = rest.split_first_chunk::<4>()?;
        let (deadline, rest) = rest.split_first_chunk::<4>()?;
        let trunk = rest.first_chunk::<4>()?;
        if decoded != BYTES || now.secs() > u64::from(u32::from_be_bytes(*deadline)) {
            return None;
        }
        let key = self.keys.iter().find(|key| key.id == *id)?;
        let right: bool = key.compute(head, call_id, tag).ct_eq(mac).into();
        right.then(|| Voucher { trunk: u32::from_be_bytes(*trunk), made_at_s: u64::from(u32::from_be_bytes(*made_at)) })
    }
}

impl RouteKey {
    fn compute(&self, head: &[u8], call_id: &[u8], tag: &[u8]) -> [u8; MAC] {
        let mut mac = self.mac.clone();
        mac.update(head);
        mac.update(&(call_id.len() as u64).to_be_bytes());
        mac.update(call_id);
        mac.update(tag);
        let full = mac.finalize().into_bytes();
        full.first_chunk::<MAC>().copied().unwrap_or([0; MAC])
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const TRUNK: TrunkId = TrunkId(Uuid::from_u128(0x0102_0304 << 96));

    #[test]
    fn a_token_is_good_for_its_dialog_until_its_deadline() {
        let keys = RouteKeys::new([(1, [7; 32])]);
        let token = keys.mint(b"call", b"tag", TRUNK, Timestamp::from_secs(7), Timestamp::from_secs(100)).unwrap();
        let verify = |call: &[u8], tag: &[u8], secs| keys.verify(&token, call, tag, Timestamp::from_secs(secs));
        assert_eq!(verify(b"call", b"tag", 100), Some(Voucher { trunk: 0x0102_0304, made_at_s: 7 }));
        assert_eq!(verify(b"call", b"tag", 101), None);
        assert_eq!(verify(b"call2", b"tag", 1), None);
        assert_eq!(verify(b"callt", b"ag", 1), None);
        assert_eq!(verify(b"call", b"other", 1), None);
    }

    #[test]
    fn a_changed_character_spoils_a_token() {
        let keys = RouteKeys::new([(1, [7; 32])]);
        let token = keys.mint(b"call", b"tag", TRUNK, Timestamp::from_secs(7), Timestamp::from_secs(100)).unwrap();
        for at in 0..token.len() {
            let mut other = token;
            other[at] = if other[at] == b'A' { b'Q' } else { b'A' };
            assert_eq!(keys.verify(&other, b"call", b"tag", Timestamp::from_secs(1)), None, "{at}");
        }
        for cut in 0..token.len() {
            assert_eq!(keys.verify(&token[..cut], b"call", b"tag", Timestamp::from_secs(1)), None);
        }
    }

    #[test]
    fn after_a_rotation_old_tokens_still_count() {
        let old = RouteKeys::new([(1, [7; 32])]);
        let token = old.mint(b"c", b"t", TRUNK, Timestamp::from_secs(7), Timestamp::from_secs(100)).unwrap();
        let rotated = RouteKeys::new([(2, [8; 32]), (1, [7; 32])]);
        assert!(rotated.verify(&token, b"c", b"t", Timestamp::from_secs(1)).is_some());
        assert!(RouteKeys::new([(2, [8; 32])]).verify(&token, b"c", b"t", Timestamp::from_secs(1)).is_none());
    }
}
