//! Names in the order of their age, of which any page costs the same.

use std::cmp::Ordering;
use std::sync::Arc;

/// Entries of a chunk, at most. Large enough that a million names have few chunks to step over, small enough that moving half a chunk is
/// nothing.
const CHUNK: usize = 1_024;

/// When something was made, and its name; the order is by both.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Entry {
    /// Microseconds since the Unix epoch.
    pub(super) created_at: u64,
    /// The key without its kind.
    pub(super) name: Arc<[u8]>,
}

/// Entries, oldest first, in chunks of which none is empty.
#[derive(Default, Debug)]
pub(super) struct Sequence {
    chunks: Vec<Vec<Entry>>,
    len: usize,
}

impl Sequence {
    pub(super) fn from_unsorted(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        let len = entries.len();
        let chunks = entries.chunks(CHUNK / 2).map(<[Entry]>::to_vec).collect();
        Self { chunks, len }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let at = self.chunk_of(&entry);
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(vec![entry]);
            self.len += 1;
            return;
        };
        let Err(place) = chunk.binary_search(&entry) else { return };
        chunk.insert(place, entry);
        self.len += 1;
        if chunk.len() > CHUNK {
            // What is made last comes last: its chunk is left full and a new one begun.
            let split = if place + 1 == chunk.len() { CHUNK } else { CHUNK / 2 };
            let rest = chunk.split_off(split);
            self.chunks.insert(at + 1, rest);
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        let at = self.chunk_of(entry);
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let Ok(place) = chunk.binary_search(entry) else { return };
        chunk.remove(place);
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
    }

    /// Names, newest first, from the one that has `offset` newer ones.
    pub(super) fn newest(&self, offset: usize) -> impl Iterator<Item = &Entry> {
        let mut skip = offset;
        let mut chunks = self.chunks.iter().rev();
        let mut first: &[Entry] = &[];
        for chunk in chunks.by_ref() {
            if skip < chunk.len() {
                first = chunk.get(..chunk.len() - skip).unwrap_or_default();
                break;
            }
            skip -= chunk.len();
        }
        first.iter().rev().chain(chunks.flat_map(|chunk| chunk.iter().rev()))
    }

    /// How many are newer than `entry`.
    pub(super) fn newer_than(&self, entry: &Entry) -> usize {
        let at = self.chunk_of(entry);
        let later: usize = self.chunks.iter().skip(at + 1).map(Vec::len).sum();
        let here = self.chunks.get(at).map_or(0, |chunk| chunk.len() - chunk.partition_point(|other| other <= entry));
        later + here
    }

    pub(super) fn contains(&self, entry: &Entry) -> bool {
        self.chunks.get(self.chunk_of(entry)).is_some_and(|chunk| chunk.binary_search(entry).is_ok())
    }

    /// The chunk that has `entry` or is to have it: the first that ends with it or later, else the last.
    fn chunk_of(&self, entry: &Entry) -> usize {
        let ends_before = |chunk: &Vec<Entry>| chunk.last().is_some_and(|last| last.cmp(entry) == Ordering::Less);
        self.chunks.partition_point(ends_before).min(self.chunks.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(created_at: u64, name: u8) -> Entry {
        Entry { created_at, name: Arc::from([name].as_slice()) }
    }

    proptest! {
        #[test]
        fn it_is_what_a_sorted_vector_is(
            start in proptest::collection::vec((0_u64..40, 0_u8..3), 0..60),
            steps in proptest::collection::vec((any::<bool>(), 0_u64..40, 0_u8..3), 0..200),
            offset in 0_usize..150,
        ) {
            let start: Vec<Entry> = start.into_iter().map(|(at, name)| entry(at, name)).collect();
            let mut sequence = Sequence::from_unsorted(start.clone());
            let mut model: std::collections::BTreeSet<Entry> = start.into_iter().collect();
            for (add, at, name) in steps {
                if add {
                    sequence.insert(entry(at, name));
                    model.insert(entry(at, name));
                } else {
                    sequence.remove(&entry(at, name));
                    model.remove(&entry(at, name));
                }
            }
            prop_assert_eq!(sequence.len(), model.len());
            prop_assert!(sequence.newest(offset).eq(model.iter().rev().skip(offset)));
            let probe = entry(20, 1);
            prop_assert_eq!(sequence.newer_than(&probe), model.iter().filter(|other| **other > probe).count());
            prop_assert_eq!(sequence.contains(&probe), model.contains(&probe));
        }
    }

    #[test]
    fn many_entries_in_any_order_make_many_chunks_and_stay_in_order() {
        let mut sequence = Sequence::default();
        // 7919 is prime and so visits every number below 10,007 once.
        for step in 0..10_007_u64 {
            sequence.insert(entry(step * 7_919 % 10_007, 0));
        }
        assert!(sequence.chunks.len() > 8 && sequence.chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        let page: Vec<u64> = sequence.newest(4_000).take(3).map(|entry| entry.created_at).collect();
        assert_eq!(page, [6_006, 6_005, 6_004]);
        for at in 0..10_007 {
            sequence.remove(&entry(at, 0));
        }
        assert!(sequence.len() == 0 && sequence.chunks.is_empty());
    }
}
