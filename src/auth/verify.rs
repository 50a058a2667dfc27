//! The verdict on an answer to a challenge.
//!
//! Every answer costs the same work, whatever is wrong with it: one MAC, two hashes, one comparison in constant time. An
//! unknown user is hashed against a fixed HA1 that nobody has, so time tells nothing about which users exist.
//! Not here: whether the digest `uri` fits the Request-URI, and the replay window. The caller asks both afterwards, the
//! window after its own check for retransmissions.

use subtle::ConstantTimeEq;

use crate::clock::Timestamp;

use super::Credential;
use super::credentials::DigestAnswer;
use super::digest::{Algorithm, Ha1, Ha1Set, HexDigest, QopInput, ResponseInput, response};
use super::nonce::{NonceId, NonceKeys, NonceState};

/// Why an answer was not right. Never told to the client: for the log, the metric and the explanation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AuthFailure {
    /// No such credential.
    UnknownUser,
    /// The response is not that of the stored HA1.
    WrongPassword,
    /// The credential exists but is disabled.
    Disabled,
    /// The credential has no HA1 for the algorithm.
    NoHashForAlgorithm,
    /// The answer names another realm.
    WrongRealm,
    /// The nonce is not ours, and the response does not fit either.
    ForgedNonce,
    /// The response is right, but for a nonce made under another key, as after a restart with a key drawn anew.
    ForeignNonce,
    /// The algorithm was not offered.
    AlgorithmNotOffered,
    /// An answer of RFC 2069, without qop: it could be replayed for as long as its nonce lives.
    QopMissing,
    /// Another qop than `auth`, which alone is offered.
    QopUnknown,
    /// The value cannot be read, or lacks `nc` or `cnonce`.
    Malformed,
}

impl AuthFailure {
    /// Every failure, for whoever keeps one counter each.
    pub const ALL: [Self; 11] = [
        Self::UnknownUser,
        Self::WrongPassword,
        Self::Disabled,
        Self::NoHashForAlgorithm,
        Self::WrongRealm,
        Self::ForgedNonce,
        Self::ForeignNonce,
        Self::AlgorithmNotOffered,
        Self::QopMissing,
        Self::QopUnknown,
        Self::Malformed,
    ];

    /// Its name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Disabled => "disabled",
            Self::NoHashForAlgorithm => "no_hash_for_algorithm",
            Self::WrongRealm => "wrong_realm",
            Self::ForgedNonce => "forged_nonce",
            Self::ForeignNonce => "foreign_nonce",
            Self::AlgorithmNotOffered => "algorithm_not_offered",
            Self::QopMissing => "qop_missing",
            Self::QopUnknown => "qop_unknown",
            Self::Malformed => "malformed",
        }
    }
}

/// What an answer is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The client knows the password.
    Right {
        /// The nonce it answered, for the replay window.
        nonce: NonceId,
        /// How often it says it has used it.
        nc: u32,
        /// `false` when the nonce has expired: the request is not admitted but challenged again as stale.
        fresh: bool,
    },
    /// Anything else.
    Wrong(AuthFailure),
}

impl Verdict {
    /// Whether the next challenge may say `stale=true`: the response was right and only its nonce was not (RFC 7616 §3.3).
    /// A phone that hears anything else gives up or asks its user, after every restart.
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Right { fresh: false, .. } | Self::Wrong(AuthFailure::ForeignNonce))
    }
}

/// What answers are held against: the same for every request of a trunk.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a> {
    /// The keys that the nonces were made with.
    pub nonces: &'a NonceKeys,
    /// The realm of the account.
    pub realm: &'a str,
    /// The algorithms that the trunk offers.
    pub offered: &'a [Algorithm],
    /// Whether an answer may lack qop (RFC 2069).
    pub allow_rfc2069: bool,
}

/// The nonce-count of an answer that has none (RFC 2069): it uses its nonce up.
const LAST_NC: u32 = u32::MAX;

/// Stands in for the HA1 of a user who does not exist. That some password has it as its HA1 does no harm: the verdict does
/// not depend on it.
const NOBODY: Ha1Set =
    Ha1Set { md5: Some(Ha1([0x5a; 16])), sha256: Some(Ha1([0x5a; 32])), sha512_256: Some(Ha1([0x5a; 32])) };

impl Verifier<'_> {
    /// Verifies `answer`, sent in a request with `method`. `credential` is the stored one of the answer's username if it
    /// belongs to the trunk.
    pub fn verify(
        &self,
        answer: &DigestAnswer<'_>,
        method: &[u8],
        credential: Option<&Credential>,
        now: Timestamp,
    ) -> Verdict {
        let nonce = self.nonces.check(answer.nonce, self.realm.as_bytes(), now);
        let asked = self.offered_algorithm(answer);
        let algorithm = asked.or(self.offered.first().copied()).unwrap_or(Algorithm::Md5);
        let ha1 = credential.and_then(|credential| credential.ha1.get(algorithm));
        let stored = ha1.or(NOBODY.get(algorithm)).unwrap_or_default();
        let without_qop = self.allow_rfc2069 && answer.qop.is_none();
        let expected = expected_response(algorithm, stored, answer, method, without_qop);
        let fits = same(&expected, answer.response);

        if let Some(failure) = self.objection(answer, asked) {
            return Verdict::Wrong(failure);
        }
        let nc = if without_qop { Some(LAST_NC) } else { answer.nc.map(|nc| nc.value) };
        let (Some(credential), Some(nc)) = (credential, nc) else {
            return Verdict::Wrong(AuthFailure::UnknownUser);
        };
        if !credential.enabled {
            return Verdict::Wrong(AuthFailure::Disabled);
        }
        if ha1.is_none() {
            return Verdict::Wrong(AuthFailure::NoHashForAlgorithm);
        }
        match (nonce, fits) {
            (NonceState::Fresh(nonce), true) => Verdict::Right { nonce, nc, fresh: true },
            (NonceState::Expired(nonce), true) => Verdict::Right { nonce, nc, fresh: false },
            (NonceState::Forged, true) => Verdict::Wrong(AuthFailure::ForeignNonce),
            (NonceState::Forged, false) => Verdict::Wrong(AuthFailure::ForgedNonce),
            (NonceState::Fresh(_) | NonceState::Expired(_), false) => Verdict::Wrong(AuthFailure::WrongPassword),
        }
    }

    fn offered_algorithm(&self, answer: &DigestAnswer<'_>) -> Option<Algorithm> {
        let asked = answer.algorithm.map_or(Some(Algorithm::Md5), Algorithm::from_token)?;
        self.offered.contains(&asked).then_some(asked)
    }

    /// What is wrong with the answer before any user is looked at.
    fn objection(&self, answer: &DigestAnswer<'_>, asked: Option<Algorithm>) -> Option<AuthFailure> {
        if !answer.realm.means(self.realm.as_bytes()) {
            return Some(AuthFailure::WrongRealm);
        }
        if asked.is_none() {
            return Some(AuthFailure::AlgorithmNotOffered);
        }
        match answer.qop {
            None if self.allow_rfc2069 => None,
            None => Some(AuthFailure::QopMissing),
            Some(qop) if !qop.eq_ignore_ascii_case(b"auth") => Some(AuthFailure::QopUnknown),
            Some(_) if answer.nc.is_none() || answer.cnonce.is_none() => Some(AuthFailure::Malformed),
            Some(_) => None,
        }
    }
}

fn expected_response(
    algorithm: Algorithm,
    ha1: &[u8],
    answer: &DigestAnswer<'_>,
    method: &[u8],
    without_qop: bool,
) -> HexDigest {
    // An answer with another qop is refused; hashing it as `auth` keeps the number of hashes the same.
    let qop = answer.qop.filter(|qop| qop.eq_ignore_ascii_case(b"auth")).unwrap_or(b"auth");
    let input = ResponseInput {
        method,
        uri: answer.uri,
        nonce: answer.nonce,
        cnonce: answer.cnonce.unwrap_or_default(),
        qop: (!without_qop).then(|| QopInput { qop, nc: answer.nc.map_or(&[], |nc| nc.raw) }),
        body: &[],
    };
    response(algorithm, ha1, false, &input)
}

/// Upper-case digits do not fit (RFC 7616 §3.4.1: LHEX), nor does any other number of digits.
fn same(expected: &HexDigest, sent: &[u8]) -> bool {
    #[cfg(test)]
    tests::COMPARISONS.with(|count| count.set(count.get() + 1));
    let mut padded = [0_u8; 64];
    for (to, from) in padded.iter_mut().zip(sent) {
        *to = *from;
    }
    let length = sent.len().ct_eq(&expected.as_bytes().len());
    bool::from(expected.padded().ct_eq(&padded) & length)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::time::Duration;

    use uuid::Uuid;

    use super::super::digest::tests::HASHED;
    use super::*;

    thread_local! {
        pub(super) static COMPARISONS: Cell<usize> = const { Cell::new(0) };
    }

    const REALM: &str = "MA_LOCAL.sipward.invalid";
    const NOW: Timestamp = Timestamp::from_secs(1_790_000_100);
    const LATER: Timestamp = Timestamp::from_secs(1_790_000_500);

    fn keys() -> NonceKeys {
        NonceKeys::new([7; 32], Duration::from_secs(300), Timestamp::from_secs(1_790_000_000))
    }

    fn alice() -> Credential {
        let ha1 = Ha1Set::from_password(b"alice", REALM.as_bytes(), b"secret123");
        Credential { id: Uuid::nil(), enabled: true, trunk: None, ha1 }
    }

    /// The right answer of alice to a REGISTER.
    fn right_answer(algorithm: Algorithm, nonce: &str) -> String {
        let input = ResponseInput {
            method: b"REGISTER",
            uri: b"sip:127.0.0.1;transport=udp",
            nonce: nonce.as_bytes(),
            cnonce: b"c0ffee",
            qop: Some(QopInput { qop: b"auth", nc: b"0000000b" }),
            body: b"",
        };
        let digits = response(algorithm, alice().ha1.get(algorithm).unwrap(), false, &input);
        format!(
            "Digest username=\"alice\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"sip:127.0.0.1;transport=udp\", \
             response=\"{}\", algorithm={}, qop=auth, nc=0000000b, cnonce=\"c0ffee\"",
            std::str::from_utf8(digits.as_bytes()).unwrap(),
            algorithm.token()
        )
    }

    fn ours(keys: &NonceKeys) -> String {
        String::from_utf8(keys.mint(REALM.as_bytes(), 42, NOW).as_bytes().to_vec()).unwrap()
    }

    fn verdict_at(value: &str, offered: &[Algorithm], credential: Option<&Credential>, now: Timestamp) -> Verdict {
        let keys = keys();
        let answer = DigestAnswer::parse(value.as_bytes()).unwrap().unwrap();
        Verifier { nonces: &keys, realm: REALM, offered, allow_rfc2069: false }.verify(
            &answer,
            b"REGISTER",
            credential,
            now,
        )
    }

    fn failure(value: &str, credential: Option<&Credential>) -> AuthFailure {
        match verdict_at(value, &[Algorithm::Md5], credential, NOW) {
            Verdict::Wrong(failure) => failure,
            right @ Verdict::Right { .. } => panic!("{right:?}"),
        }
    }

    #[test]
    fn a_right_answer_is_right_with_every_algorithm() {
        for algorithm in Algorithm::ALL {
            let value = right_answer(algorithm, &ours(&keys()));
            let nonce = NonceId { minted_ms: NOW.millis(), salt: 42 };
            assert_eq!(
                verdict_at(&value, &[algorithm], Some(&alice()), NOW),
                Verdict::Right { nonce, nc: 11, fresh: true }
            );
            let late = verdict_at(&value, &[algorithm], Some(&alice()), LATER);
            assert_eq!(late, Verdict::Right { nonce, nc: 11, fresh: false });
            assert!(late.is_stale());
        }
    }

    #[test]
    fn an_answer_without_algorithm_is_one_in_md5() {
        let value = right_answer(Algorithm::Md5, &ours(&keys())).replace(" algorithm=MD5,", "");
        assert!(matches!(verdict_at(&value, &Algorithm::ALL, Some(&alice()), NOW), Verdict::Right { fresh: true, .. }));
        assert_eq!(
            verdict_at(&value, &[Algorithm::Sha256], Some(&alice()), NOW),
            Verdict::Wrong(AuthFailure::AlgorithmNotOffered)
        );
    }

    #[test]
    fn what_the_client_hashed_must_not_change() {
        let right = right_answer(Algorithm::Md5, &ours(&keys()));
        for (from, to) in [
            ("transport=udp", "transport=UDP"),
            ("0000000b", "0000000B"),
            ("0000000b", "0000000c"),
            ("c0ffee", "c0ffef"),
            ("qop=auth", "qop=AUTH"),
        ] {
            assert_eq!(failure(&right.replace(from, to), Some(&alice())), AuthFailure::WrongPassword, "{to}");
        }
        let answer = DigestAnswer::parse(right.as_bytes()).unwrap().unwrap();
        let keys = keys();
        let verifier = Verifier { nonces: &keys, realm: REALM, offered: &[Algorithm::Md5], allow_rfc2069: false };
        let other_method = verifier.verify(&answer, b"INVITE", Some(&alice()), NOW);
        assert_eq!(other_method, Verdict::Wrong(AuthFailure::WrongPassword));
    }

    #[test]
    fn a_response_has_exactly_its_lower_case_digits() {
        let right = right_answer(Algorithm::Md5, &ours(&keys()));
        let digits = std::str::from_utf8(DigestAnswer::parse(right.as_bytes()).unwrap().unwrap().response).unwrap();
        for wrong in [
            digits.to_uppercase(),
            digits.chars().skip(1).collect(),
            format!("{digits}0"),
            format!("{digits}{digits}"),
            format!("{digits}{digits}{digits}"),
            String::new(),
        ] {
            assert_eq!(failure(&right.replace(digits, &wrong), Some(&alice())), AuthFailure::WrongPassword, "{wrong}");
        }
        let longest = right_answer(Algorithm::Sha256, &ours(&keys())).replace("\", algorithm", "0\", algorithm");
        let verdict = verdict_at(&longest, &[Algorithm::Sha256], Some(&alice()), NOW);
        assert_eq!(verdict, Verdict::Wrong(AuthFailure::WrongPassword), "{longest}");
    }

    /// One answer for each way to fail, with the credential found for it.
    fn every_failure() -> Vec<(AuthFailure, String, Option<Credential>)> {
        let right = right_answer(Algorithm::Md5, &ours(&keys()));
        let foreign = NonceKeys::new([8; 32], Duration::from_secs(300), NOW);
        let forged = right.replace(&ours(&keys()), &ours(&foreign));
        let disabled = Credential { enabled: false, ..alice() };
        let without_md5 = Credential { ha1: Ha1Set { md5: None, ..alice().ha1 }, ..alice() };
        let with = |from: &str, to: &str| right.replace(from, to);
        vec![
            (AuthFailure::UnknownUser, right.clone(), None),
            (AuthFailure::WrongPassword, with("c0ffee", "0"), Some(alice())),
            (AuthFailure::Disabled, right.clone(), Some(disabled)),
            (AuthFailure::NoHashForAlgorithm, right.clone(), Some(without_md5)),
            (AuthFailure::WrongRealm, with(REALM, "other"), Some(alice())),
            (AuthFailure::ForgedNonce, forged, Some(alice())),
            (AuthFailure::ForeignNonce, right_answer(Algorithm::Md5, &ours(&foreign)), Some(alice())),
            (AuthFailure::AlgorithmNotOffered, with("=MD5", "=SHA-256"), Some(alice())),
            (AuthFailure::AlgorithmNotOffered, with("=MD5", "=MD5-sess"), Some(alice())),
            (AuthFailure::QopMissing, with("qop=auth, nc=0000000b, ", ""), Some(alice())),
            (AuthFailure::QopUnknown, with("qop=auth", "qop=auth-int"), Some(alice())),
            (AuthFailure::Malformed, with(" nc=0000000b,", ""), Some(alice())),
            (AuthFailure::Malformed, with(", cnonce=\"c0ffee\"", ""), Some(alice())),
        ]
    }

    /// The verdict, and the work it took: hashes, bytes hashed, comparisons.
    fn verdict_and_work(value: &str, credential: Option<&Credential>) -> (Verdict, (usize, usize, usize)) {
        HASHED.set((0, 0));
        COMPARISONS.set(0);
        let verdict = verdict_at(value, &[Algorithm::Md5], credential, NOW);
        let (hashes, bytes) = HASHED.get();
        (verdict, (hashes, bytes, COMPARISONS.get()))
    }

    #[test]
    fn every_failure_is_told_apart_and_costs_the_same_hashes_and_comparisons() {
        let right = right_answer(Algorithm::Md5, &ours(&keys()));
        let (verdict, work) = verdict_and_work(&right, Some(&alice()));
        assert!(matches!(verdict, Verdict::Right { fresh: true, .. }));
        assert_eq!((work.0, work.2), (2, 1));
        let mut seen = HashSet::new();
        for (expected, value, credential) in every_failure() {
            let (verdict, spent) = verdict_and_work(&value, credential.as_ref());
            assert_eq!(verdict, Verdict::Wrong(expected), "{value}");
            assert_eq!((spent.0, spent.2), (2, 1), "{expected:?}");
            // What the client did not send is not hashed; the same answer takes the same bytes whoever it is from.
            assert!(value != right || spent == work, "{expected:?}: {spent:?} instead of {work:?}");
            seen.insert(expected);
        }
        assert_eq!(seen.len(), AuthFailure::ALL.len());
    }

    #[test]
    fn where_rfc_2069_is_allowed_its_answers_cost_what_others_do() {
        let keys = keys();
        let nonce = ours(&keys);
        let input = ResponseInput {
            method: b"REGISTER",
            uri: b"sip:h",
            nonce: nonce.as_bytes(),
            cnonce: b"",
            qop: None,
            body: b"",
        };
        let digits = response(Algorithm::Md5, alice().ha1.get(Algorithm::Md5).unwrap(), false, &input);
        let digits = std::str::from_utf8(digits.as_bytes()).unwrap();
        let value = format!(
            "Digest username=\"alice\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"sip:h\", response=\"{digits}\""
        );
        let verifier = Verifier { nonces: &keys, realm: REALM, offered: &[Algorithm::Md5], allow_rfc2069: true };
        let verdict = |value: &str, credential: Option<&Credential>| {
            HASHED.set((0, 0));
            COMPARISONS.set(0);
            let answer = DigestAnswer::parse(value.as_bytes()).unwrap().unwrap();
            let verdict = verifier.verify(&answer, b"REGISTER", credential, NOW);
            (verdict, HASHED.get(), COMPARISONS.get())
        };
        let (right, hashed, compared) = verdict(&value, Some(&alice()));
        assert!(matches!(right, Verdict::Right { nc: LAST_NC, fresh: true, .. }), "{right:?}");
        assert_eq!((hashed.0, compared), (2, 1));
        assert_eq!(verdict(&value, None), (Verdict::Wrong(AuthFailure::UnknownUser), hashed, compared));
        let wrong = value.replace("response=\"", "response=\"0");
        assert_eq!(verdict(&wrong, Some(&alice())), (Verdict::Wrong(AuthFailure::WrongPassword), hashed, compared));
        // With qop the rest is asked for as always.
        let half = format!("{value}, qop=auth");
        assert_eq!(verdict(&half, Some(&alice())).0, Verdict::Wrong(AuthFailure::Malformed));
    }

    #[test]
    fn only_a_right_response_earns_a_stale_challenge() {
        for (reason, value, credential) in every_failure() {
            let verdict = verdict_at(&value, &[Algorithm::Md5], credential.as_ref(), LATER);
            assert_eq!(verdict.is_stale(), reason == AuthFailure::ForeignNonce, "{reason:?}");
        }
    }

    #[test]
    fn knowing_the_stand_in_hash_opens_nothing() {
        let nobody = Credential { ha1: NOBODY, ..alice() };
        let nonce = ours(&keys());
        let value = right_answer(Algorithm::Md5, &nonce);
        let answer = DigestAnswer::parse(value.as_bytes()).unwrap().unwrap();
        let digits =
            expected_response(Algorithm::Md5, nobody.ha1.get(Algorithm::Md5).unwrap(), &answer, b"REGISTER", false);
        let old = std::str::from_utf8(answer.response).unwrap().to_owned();
        let value = value.replace(&old, std::str::from_utf8(digits.as_bytes()).unwrap());
        assert_eq!(failure(&value, None), AuthFailure::UnknownUser);
        let without_md5 = Credential { ha1: Ha1Set { md5: None, ..alice().ha1 }, ..alice() };
        assert_eq!(failure(&value, Some(&without_md5)), AuthFailure::NoHashForAlgorithm);
    }

    #[test]
    fn labels_are_distinct_and_in_snake_case() {
        let labels: HashSet<_> = AuthFailure::ALL.into_iter().map(AuthFailure::label).collect();
        assert_eq!(labels.len(), AuthFailure::ALL.len());
        assert!(labels.iter().all(|label| label.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())));
    }
}
