//! Published digest vectors (RFC 2069, 2617, 5090, 7616 with erratum 4897, and the SIP examples of
//! draft-smith-sipping-auth-examples), where the folder that has them is at hand. A few of them stand beside the code too.

use std::path::PathBuf;

use serde::Deserialize;
use sipward::auth::{Algorithm, Ha1Set, QopInput, ResponseInput, response};

#[derive(Deserialize)]
struct File {
    published: Vec<Vector>,
    own_computed: Vec<Vector>,
    a1_hashes: Vec<A1>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    algorithm: Option<String>,
    username: String,
    realm: String,
    password: String,
    nonce: String,
    nc: Option<String>,
    cnonce: Option<String>,
    qop: Option<String>,
    method: String,
    uri: String,
    body: Option<String>,
    expected_response: String,
    expected_rspauth: Option<String>,
    must_match: Option<bool>,
}

#[derive(Deserialize)]
struct A1 {
    username: String,
    realm: String,
    password: String,
    #[serde(rename = "MD5")]
    md5: String,
    #[serde(rename = "SHA-256")]
    sha256: String,
    #[serde(rename = "SHA-512-256")]
    sha512_256: String,
}

fn vectors() -> Option<File> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let named = std::env::var_os("SIPWARD_SHARED").map(PathBuf::from);
    let folders = named.into_iter().chain([beside]);
    let path = folders.map(|folder| folder.join("vectors/digest-vectors.json")).find(|path| path.exists());
    let Some(path) = path else {
        println!("skipped: ../shared/vectors/digest-vectors.json (or the same below $SIPWARD_SHARED) is absent");
        return None;
    };
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn computed(vector: &Vector, method: &str) -> String {
    let token = vector.algorithm.as_deref().unwrap_or("MD5");
    let plain = token.strip_suffix("-sess");
    let algorithm = Algorithm::from_token(plain.unwrap_or(token).as_bytes()).unwrap();
    let set = Ha1Set::from_password(vector.username.as_bytes(), vector.realm.as_bytes(), vector.password.as_bytes());
    let qop = vector.qop.as_deref().map(|qop| QopInput {
        qop: qop.as_bytes(),
        nc: vector.nc.as_deref().expect("a vector with qop has nc").as_bytes(),
    });
    let input = ResponseInput {
        method: method.as_bytes(),
        uri: vector.uri.as_bytes(),
        nonce: vector.nonce.as_bytes(),
        cnonce: vector.cnonce.as_deref().unwrap_or_default().as_bytes(),
        qop,
        body: vector.body.as_deref().unwrap_or_default().as_bytes(),
    };
    let digits = response(algorithm, set.get(algorithm).unwrap(), plain.is_some(), &input);
    String::from_utf8(digits.as_bytes().to_vec()).unwrap()
}

#[test]
fn every_vector_comes_out_and_the_misprinted_one_does_not() {
    let Some(file) = vectors() else { return };
    let (mut right, mut wrong) = (0, 0);
    for vector in file.published.iter().chain(&file.own_computed) {
        let equal = computed(vector, &vector.method) == vector.expected_response;
        assert_eq!(equal, vector.must_match.unwrap_or(true), "{}", vector.id);
        if equal {
            right += 1;
        } else {
            wrong += 1;
        }
        if let Some(expected) = &vector.expected_rspauth {
            assert_eq!(computed(vector, ""), *expected, "rspauth of {}", vector.id);
        }
    }
    assert!(right >= 28 && wrong == 1, "{right} came out, {wrong} did not");
}

#[test]
fn published_ha1s_come_out() {
    let Some(file) = vectors() else { return };
    assert!(!file.a1_hashes.is_empty());
    for a1 in &file.a1_hashes {
        let set = Ha1Set::from_password(a1.username.as_bytes(), a1.realm.as_bytes(), a1.password.as_bytes());
        let expected =
            [(Algorithm::Md5, &a1.md5), (Algorithm::Sha256, &a1.sha256), (Algorithm::Sha512_256, &a1.sha512_256)];
        for (algorithm, expected) in expected {
            let digits: String = set.get(algorithm).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digits, *expected, "{}", algorithm.token());
        }
    }
}
