//! A hierarchical timer wheel: starting and firing a timer costs the same whatever number of timers run.
//!
//! Entries are never taken out early. A timer that has lost its meaning fires and is ignored by the state it meets.

use std::time::Duration;

use crate::clock::Timestamp;

/// Microseconds to a tick: timers fire up to this much late.
const TICK_US: u64 = 10_000;
const SLOTS: usize = 256;
/// 256 ticks are 2.56 s, 256² are 11 minutes, 256³ are two days.
const LEVELS: usize = 3;

/// Timers with a payload `T`.
#[derive(Debug)]
pub struct Wheel<T> {
    /// The tick that fires next.
    tick: u64,
    levels: [Vec<Vec<(u64, T)>>; LEVELS],
    /// One bit for each slot of the lowest level that holds anything.
    occupied: [u64; SLOTS / 64],
    len: usize,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel that starts at `now`.
    pub fn new(now: Timestamp) -> Self {
        let level = || std::iter::repeat_with(Vec::new).take(SLOTS).collect();
        Self { tick: now.micros() / TICK_US, levels: [level(), level(), level()], occupied: [0; SLOTS / 64], len: 0 }
    }

    /// How many timers run.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none runs.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Starts a timer that fires `after` from `now`, at the earliest.
    pub fn start(&mut self, now: Timestamp, after: Duration, payload: T) {
        if self.len == 0 {
            self.tick = self.tick.max(now.micros() / TICK_US);
        }
        let due = (now + after).micros().div_ceil(TICK_US).max(self.tick);
        self.len += 1;
        self.put(due, payload);
    }

    fn put(&mut self, due: u64, payload: T) {
        let level = match due ^ self.tick {
            0..=0xff => 0,
            0x100..=0xffff => 1,
            _ => 2,
        };
        // What lies beyond the last level waits in its furthest slot and is put anew from there.
        let horizon = self.tick.saturating_add((SLOTS as u64 - 1) << 16);
        let slot = (due.min(horizon) >> (8 * level)) as usize % SLOTS;
        if let Some(entries) = self.levels.get_mut(level).and_then(|level| level.get_mut(slot)) {
            entries.push((due, payload));
        }
        if level == 0
            && let Some(word) = self.occupied.get_mut(slot / 64)
        {
            *word |= 1 << (slot % 64);
        }
    }

    /// Fires what is due at `now`. `fired` is cleared first; timers come in the order of their ticks.
    pub fn advance(&mut self, now: Timestamp, fired: &mut Vec<T>) {
        fired.clear();
        let until = now.micros() / TICK_US;
        while self.tick <= until {
            if self.len == 0 {
                self.tick = until + 1;
                return;
            }
            if self.tick & 0xff == 0 {
                self.cascade();
            }
            self.fire_slot(fired);
            self.tick += 1;
        }
    }

    fn fire_slot(&mut self, fired: &mut Vec<T>) {
        let slot = (self.tick & 0xff) as usize;
        let Some(entries) = self.levels.first_mut().and_then(|level| level.get_mut(slot)) else { return };
        self.len -= entries.len();
        fired.extend(entries.drain(..).map(|(_, payload)| payload));
        if let Some(word) = self.occupied.get_mut(slot / 64) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// Moves the slots of the upper levels that begin at this tick down.
    fn cascade(&mut self) {
        let upper_slot = |level: u32| ((self.tick >> (8 * level)) & 0xff) as usize;
        let slots = [(2, upper_slot(2), self.tick & 0xffff == 0), (1, upper_slot(1), true)];
        for (level, slot, begins) in slots {
            if !begins {
                continue;
            }
            let entries = self.levels.get_mut(level).and_then(|level| level.get_mut(slot)).map(std::mem::take);
            for (due, payload) in entries.unwrap_or_default() {
                self.put(due, payload);
            }
        }
    }

    /// When [`Wheel::advance`] is to be called next; `None` while no timer runs. Never later than the next timer, and
    /// at most 2.56 s ahead.
    pub fn next(&self) -> Option<Timestamp> {
        if self.len == 0 {
            return None;
        }
        let start = (self.tick & 0xff) as usize;
        let due = (start / 64..SLOTS / 64).find_map(|number| {
            let passed = if number == start / 64 { u64::MAX << (start % 64) } else { u64::MAX };
            let word = self.occupied.get(number)? & passed;
            (word != 0).then(|| number as u64 * 64 + u64::from(word.trailing_zeros()))
        });
        let tick = due.map_or((self.tick | 0xff) + 1, |slot| (self.tick & !0xff) + slot);
        Some(Timestamp::from_micros(tick.saturating_mul(TICK_US)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000 + micros)
    }

    #[test]
    fn nothing_fires_early_and_all_fires_within_a_tick() {
        let mut wheel = Wheel::new(at(0));
        wheel.start(at(5), Duration::from_millis(500), 'a');
        let mut fired = Vec::new();
        wheel.advance(at(500_004), &mut fired);
        assert!(fired.is_empty());
        wheel.advance(at(510_010), &mut fired);
        assert_eq!(fired, ['a']);
        assert!(wheel.is_empty());
        assert_eq!(wheel.next(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn whatever_the_spans_timers_fire_in_time_when_next_is_followed(spans in prop::collection::vec(0_u64..4_000_000_000, 1..40)) {
            let mut wheel = Wheel::new(at(0));
            for (number, &span) in spans.iter().enumerate() {
                wheel.start(at(0), Duration::from_micros(span), number);
            }
            let mut seen = vec![None; spans.len()];
            let mut fired = Vec::new();
            while let Some(next) = wheel.next() {
                wheel.advance(next, &mut fired);
                for &number in &fired {
                    prop_assert!(seen[number].is_none());
                    seen[number] = Some(next);
                }
            }
            for (number, &span) in spans.iter().enumerate() {
                let late = seen[number].unwrap().micros() as i128 - at(span).micros() as i128;
                prop_assert!((0..=10_000).contains(&late), "span {span} late {late}");
            }
        }
    }
}
