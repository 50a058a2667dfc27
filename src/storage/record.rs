//! How every value is encoded: a version byte, the postcard payload, and the CRC-32 of both, little-endian.
//!
//! ```text
//! | version: u8 | postcard(record) | crc32(version, payload): u32 LE |
//! ```
//!
//! sled checks its own pages; this check also covers what a wrong read or a careless restore could put under a key.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RecordError;

/// Something that the store keeps.
pub trait Record: Serialize + DeserializeOwned {
    /// Version of the encoding; goes up when the shape changes, and then the old shape is still read.
    const VERSION: u8;
}

/// The stored form of `record`. Fails only where serde does, which no record here makes it do.
pub fn encode<T: Record>(record: &T) -> Result<Vec<u8>, RecordError> {
    let bytes = postcard::to_extend(record, vec![T::VERSION]).map_err(|_| RecordError::Content)?;
    Ok(seal(bytes))
}

fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The record in `bytes`.
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T, RecordError> {
    let (version, payload) = unseal(bytes)?;
    if *version != T::VERSION {
        return Err(RecordError::Version { found: *version, known: T::VERSION });
    }
    match postcard::take_from_bytes(payload) {
        Ok((record, [])) => Ok(record),
        _ => Err(RecordError::Content),
    }
}

/// Whether `bytes` are as some [`encode`] made them, of whatever kind.
pub(super) fn check(bytes: &[u8]) -> Result<(), RecordError> {
    unseal(bytes).map(drop)
}

fn unseal(bytes: &[u8]) -> Result<(&u8, &[u8]), RecordError> {
    let (checked, sum) = bytes.split_last_chunk::<4>().ok_or(RecordError::Short(bytes.len()))?;
    if crc32fast::hash(checked) != u32::from_le_bytes(*sum) {
        return Err(RecordError::Checksum);
    }
    checked.split_first().ok_or(RecordError::Short(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Sample(String, Option<[u8; 16]>);

    impl Record for Sample {
        const VERSION: u8 = 3;
    }

    fn sample() -> Sample {
        Sample("alice".to_owned(), Some([7; 16]))
    }

    #[test]
    fn what_was_encoded_decodes_to_the_same() {
        assert_eq!(decode::<Sample>(&encode(&sample()).unwrap()), Ok(sample()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let good = encode(&sample()).unwrap();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(decode::<Sample>(&bad), Err(RecordError::Checksum), "byte {at} bit {bit}");
            }
            assert!(decode::<Sample>(&good[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_version_and_trailing_bytes_are_refused_though_the_checksum_is_right() {
        let mut newer = encode(&sample()).unwrap();
        newer.truncate(newer.len() - 4);
        newer[0] = 4;
        assert_eq!(decode::<Sample>(&seal(newer.clone())), Err(RecordError::Version { found: 4, known: 3 }));
        newer[0] = 3;
        newer.push(0);
        assert_eq!(decode::<Sample>(&seal(newer)), Err(RecordError::Content));
    }
}
