//! The file of a backup.
//!
//! ```text
//! "sipward\x01" version:u32                            all numbers little-endian
//! header_len:u32 postcard(Header) crc32:u32
//! record*      tag:u8 key_len:u32 value_len:u32 key value crc32:u32     tag 1 object, 2 bindings; as in the store
//! end          tag 255 records:u64 sha256 of everything before it
//! ```
//!
//! Each record has a checksum so that damage has a place; the sum over the whole file finds records left out or put in another order.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// First bytes of every version.
const MAGIC: &[u8; 8] = b"sipward\x01";

/// Version of this layout.
pub(super) const VERSION: u32 = 1;

/// Longest key or value that can be right; keeps a damaged length from taking the memory.
const LONGEST: u32 = 1024 * 1024;

const END: u8 = 255;

/// What stands before the records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// Format of the store.
    pub(super) store_format: u32,
    /// When it was made, in microseconds since the Unix epoch.
    pub(super) made_at: u64,
    /// Version of the program that made it.
    pub(super) program: String,
    /// The change that it is the state after.
    pub(super) change: u64,
    /// Exclusive-or over the hashes of all objects, as the store keeps it.
    pub(super) contents: u64,
}

/// Which tree a record is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Tag {
    Object = 1,
    Bindings = 2,
}

/// What is wrong with a file, and where.
#[derive(Debug)]
pub(super) enum FormatError {
    Io(io::Error),
    NotABackup,
    Newer(u32),
    /// A place in words, and what is wrong there.
    Damaged(String, &'static str),
}

/// Writes a backup.
pub(super) struct Writer<W> {
    out: W,
    sum: Sha256,
    records: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out, sum: Sha256::new(), records: 0 };
        let header = postcard::to_stdvec(header).map_err(io::Error::other)?;
        let length = length(&header)?;
        writer.put(&[MAGIC.as_slice(), &VERSION.to_le_bytes()])?;
        writer.put(&[&length, &header, &crc(&[&header])])?;
        Ok(writer)
    }

    pub(super) fn record(&mut self, tag: Tag, key: &[u8], value: &[u8]) -> io::Result<()> {
        let tag = [tag as u8];
        let (key_length, value_length) = (length(key)?, length(value)?);
        let parts: [&[u8]; 5] = [&tag, &key_length, &value_length, key, value];
        let sum = crc(&parts);
        self.put(&parts)?;
        self.put(&[&sum])?;
        self.records += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.put(&[&[END], &self.records.to_le_bytes()])?;
        let sum = self.sum.finalize();
        self.out.write_all(&sum)?;
        self.out.flush()?;
        Ok(self.records)
    }

    fn put(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts {
            self.sum.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }
}

/// Reads a backup from its start.
pub(super) struct Reader<R> {
    input: R,
    sum: Sha256,
    at: u64,
    records: u64,
}

/// One record with its key and value.
pub(super) struct RecordRead {
    pub(super) tag: Tag,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub(super) fn begin(input: R) -> Result<(Self, Header), FormatError> {
        let mut reader = Self { input, sum: Sha256::new(), at: 0, records: 0 };
        let mut magic = [0; 8];
        match reader.fill(&mut magic) {
            Ok(()) if &magic == MAGIC => {}
            Err(FormatError::Io(error)) => return Err(FormatError::Io(error)),
            _ => return Err(FormatError::NotABackup),
        }
        let version = reader.number()?;
        if version != VERSION {
            return Err(FormatError::Newer(version));
        }
        let length = reader.length()?;
        let bytes = reader.bytes(length)?;
        let wanted = crc(&[&bytes]);
        if reader.number()?.to_le_bytes() != wanted {
            return Err(FormatError::Damaged("its header".to_owned(), "the checksum is wrong"));
        }
        let header = postcard::from_bytes(&bytes);
        let header = header.map_err(|_| FormatError::Damaged("its header".to_owned(), "it cannot be decoded"))?;
        Ok((reader, header))
    }

    /// The next record, or `None` at an end that fits everything read before.
    pub(super) fn next(&mut self) -> Result<Option<RecordRead>, FormatError> {
        let place = format!("record {} at byte {}", self.records + 1, self.at);
        self.try_next().map_err(|error| match error {
            FormatError::Damaged(_, what) => FormatError::Damaged(place, what),
            other => other,
        })
    }

    fn try_next(&mut self) -> Result<Option<RecordRead>, FormatError> {
        let mut tag = [0];
        self.fill(&mut tag)?;
        let kind = match tag {
            [1] => Tag::Object,
            [2] => Tag::Bindings,
            [END] => return self.end().map(|()| None),
            _ => return Err(damaged("it is of a kind that does not exist")),
        };
        let (key_length, value_length) = (self.length()?, self.length()?);
        let key = self.bytes(key_length)?;
        let value = self.bytes(value_length)?;
        let wanted = crc(&[&tag, &key_length.to_le_bytes(), &value_length.to_le_bytes(), &key, &value]);
        if self.number()?.to_le_bytes() != wanted {
            return Err(damaged("the checksum is wrong"));
        }
        self.records += 1;
        Ok(Some(RecordRead { tag: kind, key, value }))
    }

    fn end(&mut self) -> Result<(), FormatError> {
        let mut count = [0; 8];
        self.fill(&mut count)?;
        if u64::from_le_bytes(count) != self.records {
            return Err(damaged("the number of records before the end is wrong"));
        }
        let wanted = self.sum.clone().finalize();
        let mut sum = [0; 32];
        self.fill(&mut sum)?;
        if sum.as_slice() != wanted.as_slice() {
            return Err(damaged("the checksum of the whole file is wrong"));
        }
        match self.input.read(&mut [0]).map_err(FormatError::Io)? {
            0 => Ok(()),
            _ => Err(damaged("more follows the end")),
        }
    }

    fn length(&mut self) -> Result<u32, FormatError> {
        let length = self.number()?;
        if length <= LONGEST { Ok(length) } else { Err(damaged("a length is wrong")) }
    }

    fn number(&mut self) -> Result<u32, FormatError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn bytes(&mut self, length: u32) -> Result<Vec<u8>, FormatError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), FormatError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                FormatError::Damaged(format!("byte {}", self.at), "the file ends there; the rest is missing")
            }
            _ => FormatError::Io(error),
        })?;
        self.sum.update(&*bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn damaged(what: &'static str) -> FormatError {
    FormatError::Damaged(String::new(), what)
}

fn length(bytes: &[u8]) -> io::Result<[u8; 4]> {
    match u32::try_from(bytes.len()) {
        Ok(length) if length <= LONGEST => Ok(length.to_le_bytes()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a record is too long for a backup")),
    }
}

fn crc(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_le_bytes()
}
