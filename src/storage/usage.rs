//! How credentials are used, as stored: in a tree of its own, written now and then, and worth nothing more than what it tells.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Store;
use super::changes::Changes;
use super::error::WriteError;
use super::record::{self, Record};

/// Rows a commit.
const ROWS: usize = 10_000;

/// The usage of one credential. Times are microseconds since the Unix epoch, 0 for never.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UsageRecord {
    /// When it last let something in.
    pub last_used_at: u64,
    /// From where.
    pub last_source: Option<IpAddr>,
    /// By what client.
    pub last_user_agent: String,
    /// REGISTERs accepted, refreshes included.
    pub registrations: u64,
    /// INVITEs that went on.
    pub calls: u64,
    /// Requests that named it and were not let in.
    pub failures: u64,
    /// The last of these.
    pub last_failure_at: u64,
    /// From where that came.
    pub last_failure_source: Option<IpAddr>,
}

impl Record for UsageRecord {
    const VERSION: u8 = 1;
}

impl Store {
    /// What was stored. A row that cannot be read is left out: it only tells.
    pub fn usage(&self) -> Vec<(Uuid, UsageRecord)> {
        let rows = self.usage.iter().filter_map(Result::ok);
        rows.filter_map(|(key, value)| Some((Uuid::from_slice(&key).ok()?, record::decode(&value).ok()?))).collect()
    }

    /// Stores or removes.
    pub fn put_usage(&self, rows: Vec<(Uuid, Option<UsageRecord>)>) -> Result<(), WriteError> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut changes = Changes::new();
            for (id, record) in rows.by_ref().take(ROWS) {
                let value = record.and_then(|record| record::encode(&record).ok());
                changes.usage.push((id.as_bytes().to_vec(), value));
            }
            self.commit(changes)?;
        }
        Ok(())
    }
}
