//! Bringing bindings back at start, in the background.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use uuid::Uuid;

use crate::location::{AddressOfRecord, StoredRecord};
use crate::trunk::TrunkId;

use super::bindings::{BindingJournal, Shared, lock};
use super::disk::panic_text;
use super::error::RecordError;
use super::record;

/// Rows queued for removal at which the restore waits for the flusher: after a long rest every row may have expired.
const QUEUED: usize = 20_000;

impl BindingJournal {
    /// Starts to hand every stored record to `sink`, without the bindings that have expired by `now_s` (seconds since the
    /// Unix epoch); rows of nothing else are removed. When all are handed over,
    /// [`crate::location::BindingStore::recall`] no longer touches the disk.
    ///
    /// `sink` must leave a record alone that is there already, and a record that lost its last binding must stay there until the flusher
    /// has read it; then no order of events brings an old binding back.
    pub fn restore(
        &self,
        now_s: u64,
        sink: impl FnMut(AddressOfRecord, StoredRecord) + Send + 'static,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        self.spawn("binding-restore", move || shared.restore(now_s, sink))
    }
}

impl Shared {
    fn restore(&self, now_s: u64, sink: impl FnMut(AddressOfRecord, StoredRecord)) {
        let result = catch_unwind(AssertUnwindSafe(|| self.restore_all(now_s, sink)))
            .unwrap_or_else(|panic| Err(panic_text(panic.as_ref())));
        match result {
            Ok(true) => {
                self.restored();
                let counts = &self.counts;
                let (restored, unreadable) = (&counts.restored, &counts.unreadable);
                tracing::info!(
                    restored = restored.load(Ordering::Relaxed),
                    unreadable = unreadable.load(Ordering::Relaxed),
                    "bindings restored"
                );
            }
            Ok(false) => {}
            // What was not reached can still be recalled one by one.
            Err(error) => tracing::error!(error, "the restore of bindings ended early"),
        }
    }

    /// Says whether it came to the end.
    fn restore_all(&self, now_s: u64, mut sink: impl FnMut(AddressOfRecord, StoredRecord)) -> Result<bool, String> {
        for row in &self.store.bindings {
            if self.stopping.load(Ordering::Acquire) {
                return Ok(false);
            }
            let (key, value) = row.map_err(|error| error.to_string())?;
            let Some(aor) = address_of_record(&key) else {
                self.unreadable(&key, RecordError::Key);
                continue;
            };
            match record::decode::<StoredRecord>(&value) {
                Ok(mut bindings) => {
                    bindings.retain(|binding| binding.expires_at_s > now_s);
                    self.hand_over(aor, bindings, &mut sink);
                }
                Err(error) => {
                    self.unreadable(&key, error);
                    self.hand_over(aor, StoredRecord::new(), &mut sink);
                }
            }
            while self.queued() > QUEUED && !self.wait(Duration::from_millis(20)) {}
        }
        Ok(true)
    }

    fn hand_over(
        &self,
        aor: AddressOfRecord,
        bindings: StoredRecord,
        sink: &mut impl FnMut(AddressOfRecord, StoredRecord),
    ) {
        if bindings.is_empty() {
            // The flusher removes the row, unless the phone has registered again: it writes what is current.
            return self.changed(&aor);
        }
        let _handing_over = lock(&self.handing_over);
        if !self.is_touched(&aor) {
            sink(aor, bindings);
            self.counts.restored.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A binding comes back with the phone's next REGISTER, so a bad one does not keep the server down.
    fn unreadable(&self, key: &[u8], error: RecordError) {
        self.counts.unreadable.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(tree = "bindings", key = %key.escape_ascii(), %error, "stored bindings that cannot be read are not restored");
    }
}

fn address_of_record(key: &[u8]) -> Option<AddressOfRecord> {
    let (trunk, user) = key.split_first_chunk::<16>()?;
    let user = std::str::from_utf8(user).ok()?;
    Some(AddressOfRecord { trunk: TrunkId(Uuid::from_bytes(*trunk)), user: user.into() })
}
