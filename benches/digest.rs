//! What a challenge and the verification of its answer cost, without sockets and parsing of messages.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sipward::auth::{
    Algorithm, ChallengeStatus, Credential, DigestAnswer, Ha1Set, MemoryReplayWindows, NonceId, NonceKeys, QopInput,
    ReplayWindows, ResponseInput, Verifier, response, write_challenge,
};
use sipward::clock::Timestamp;
use uuid::Uuid;

const REALM: &str = "MA_LOCAL.sipward.invalid";
const NOW: Timestamp = Timestamp::from_secs(1_790_000_100);
const LIFETIME: Duration = Duration::from_secs(300);

fn keys() -> NonceKeys {
    NonceKeys::new([7; 32], LIFETIME, Timestamp::from_secs(1_790_000_000))
}

fn credential() -> Credential {
    let ha1 = Ha1Set::from_password(b"alice", REALM.as_bytes(), b"secret123");
    Credential { id: Uuid::nil(), enabled: true, trunk: None, ha1 }
}

fn right_answer(algorithm: Algorithm, keys: &NonceKeys) -> String {
    let nonce = keys.mint(REALM.as_bytes(), 42, NOW);
    let input = ResponseInput {
        method: b"REGISTER",
        uri: b"sip:127.0.0.1:5060;transport=udp",
        nonce: nonce.as_bytes(),
        cnonce: b"c0ffeec0ffee",
        qop: Some(QopInput { qop: b"auth", nc: b"00000001" }),
        body: b"",
    };
    let ha1 = credential().ha1;
    let digits = response(algorithm, ha1.get(algorithm).unwrap_or_default(), false, &input);
    format!(
        "Digest username=\"alice\", realm=\"{REALM}\", nonce=\"{}\", uri=\"sip:127.0.0.1:5060;transport=udp\", \
         response=\"{}\", algorithm={}, cnonce=\"c0ffeec0ffee\", qop=auth, nc=00000001",
        String::from_utf8_lossy(nonce.as_bytes()),
        String::from_utf8_lossy(digits.as_bytes()),
        algorithm.token()
    )
}

fn challenge(criterion: &mut Criterion) {
    let keys = keys();
    let mut out = Vec::with_capacity(512);
    let mut salt = 0_u64;
    criterion.bench_function("digest/challenge", |bencher| {
        bencher.iter(|| {
            out.clear();
            salt += 1;
            let nonce = keys.mint(REALM.as_bytes(), salt, NOW);
            let status = ChallengeStatus::Unauthorized;
            write_challenge(&mut out, status, REALM.as_bytes(), &nonce, Algorithm::Md5, false);
            black_box(&out);
        });
    });
}

fn verify(criterion: &mut Criterion) {
    let (keys, credential) = (keys(), credential());
    for algorithm in Algorithm::ALL {
        let value = right_answer(algorithm, &keys);
        let verifier = Verifier { nonces: &keys, realm: REALM, offered: &[algorithm], allow_rfc2069: false };
        criterion.bench_function(&format!("digest/verify/{}", algorithm.token()), |bencher| {
            bencher.iter(|| {
                let answer = DigestAnswer::parse(black_box(value.as_bytes())).ok().flatten()?;
                Some(verifier.verify(&answer, b"REGISTER", Some(&credential), NOW))
            });
        });
    }
    let value = right_answer(Algorithm::Md5, &keys);
    criterion.bench_function("digest/parse_answer", |bencher| {
        bencher.iter(|| DigestAnswer::parse(black_box(value.as_bytes())).is_ok());
    });
}

fn replay(criterion: &mut Criterion) {
    let windows = MemoryReplayWindows::new(1_000_000, LIFETIME);
    let id = NonceId { minted_ms: NOW.millis(), salt: 42 };
    let mut nc = 0;
    criterion.bench_function("digest/replay_admit/same_nonce", |bencher| {
        bencher.iter(|| {
            nc += 1;
            windows.admit(black_box(id), nc, NOW)
        });
    });
    let mut salt = 0_u64;
    criterion.bench_function("digest/replay_admit/new_nonce", |bencher| {
        bencher.iter(|| {
            salt = salt.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let minted_ms = NOW.millis() - salt % 200_000;
            windows.admit(black_box(NonceId { minted_ms, salt }), 1, NOW)
        });
    });
}

criterion_group!(benches, challenge, verify, replay);
criterion_main!(benches);
