//! Every deadline of a layer in one place.

use foldhash::fast::FixedState;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// How long a slot of later deadlines is, as a power of two of nanoseconds: 268 ms.
const SLOT: u32 = 28;

/// A set of deadlines, at most one for each key.
///
/// Most deadlines are far away when they are set and cancelled before they are near, so only those of the slot of time at hand are
/// kept in order; the others lie by slots until theirs is the next. Setting and cancelling are O(1) for those, popping is
/// O(log n) in what one slot holds. A cancelled deadline stays where it lies until its slot is the next or until stale entries
/// outnumber live ones, so memory stays within a constant factor of what is live.
///
/// The keys are names that the owner gives, such as [`Key`](crate::Key): their hash is a fast one without a secret, so a
/// peer must not be able to choose them.
#[derive(Clone, Debug)]
pub struct TimerQueue<K> {
    /// What is due before `far_from`, the earliest on top.
    near: BinaryHeap<Reverse<Entry<K>>>,
    /// What is due later, by the number of its slot.
    far: BTreeMap<u64, Vec<Entry<K>>>,
    /// The first slot that is far.
    far_from: u64,
    /// How many entries there are, near and far.
    entries: usize,
    live: HashMap<K, (Instant, u64), FixedState>,
    serial: u64,
    /// The first deadline that was ever set: slots are counted from there.
    start: Option<Instant>,
}

/// When, in which order among equals, and whose.
type Entry<K> = (Instant, u64, K);

impl<K: Copy + Eq + Hash + Ord> Default for TimerQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Eq + Hash + Ord> TimerQueue<K> {
    /// No deadline yet.
    pub fn new() -> Self {
        Self {
            near: BinaryHeap::new(),
            far: BTreeMap::new(),
            far_from: 0,
            entries: 0,
            live: HashMap::default(),
            serial: 0,
            start: None,
        }
    }

    /// Sets the deadline of `key`, in place of the one it had.
    pub fn set(&mut self, key: K, at: Instant) {
        self.serial += 1;
        self.live.insert(key, (at, self.serial));
        let slot = self.slot(at);
        let entry = (at, self.serial, key);
        if slot < self.far_from {
            self.near.push(Reverse(entry));
        } else {
            self.far.entry(slot).or_default().push(entry);
        }
        self.entries += 1;
        self.tidy();
    }

    /// Forgets the deadline of `key`, if it has one.
    pub fn cancel(&mut self, key: K) {
        if self.live.remove(&key).is_some() {
            self.tidy();
        }
    }

    /// The deadline of `key`.
    pub fn deadline(&self, key: K) -> Option<Instant> {
        self.live.get(&key).map(|(at, _)| *at)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.near.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes one key whose deadline is at or before `now`; among equal deadlines the one set first.
    pub fn pop_expired(&mut self, now: Instant) -> Option<K> {
        let Reverse((at, _, key)) = *self.near.peek()?;
        if at > now {
            return None;
        }
        self.near.pop();
        self.entries -= 1;
        self.live.remove(&key);
        self.tidy();
        Some(key)
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no deadline is set.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// In which slot a deadline lies. All before the first one that was ever set are in the first slot.
    fn slot(&mut self, at: Instant) -> u64 {
        let start = *self.start.get_or_insert(at);
        let after = at.saturating_duration_since(start).as_nanos() >> SLOT;
        u64::try_from(after).unwrap_or(u64::MAX - 1)
    }

    /// Keeps the invariant that the top of the heap is live, or nothing is; and bounds what is stale.
    fn tidy(&mut self) {
        loop {
            while let Some(Reverse(entry)) = self.near.peek() {
                if is_live(&self.live, entry) {
                    break;
                }
                self.near.pop();
                self.entries -= 1;
            }
            if !self.near.is_empty() {
                break;
            }
            let Some((slot, entries)) = self.far.pop_first() else { break };
            self.far_from = slot + 1;
            let before = entries.len();
            let live = entries.into_iter().filter(|entry| is_live(&self.live, entry)).map(Reverse);
            // At once, which takes less time than one after the other.
            self.near = live.collect::<Vec<_>>().into();
            self.entries -= before - self.near.len();
        }
        if self.entries > 64 && self.entries > 4 * self.live.len() {
            let live = &self.live;
            self.near.retain(|Reverse(entry)| is_live(live, entry));
            self.far.retain(|_, entries| {
                entries.retain(|entry| is_live(live, entry));
                !entries.is_empty()
            });
            self.entries = self.near.len() + self.far.values().map(Vec::len).sum::<usize>();
        }
    }
}

fn is_live<K: Eq + Hash>(live: &HashMap<K, (Instant, u64), FixedState>, (_, serial, key): &Entry<K>) -> bool {
    live.get(key).is_some_and(|(_, own)| own == serial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_they_were_set() {
        let at = start();
        let mut queue = TimerQueue::new();
        for key in [3, 1, 2] {
            queue.set(key, at);
        }
        assert_eq!(std::iter::from_fn(|| queue.pop_expired(at)).collect::<Vec<_>>(), [3, 1, 2]);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn setting_again_moves_the_deadline() {
        let at = start();
        let mut queue = TimerQueue::new();
        queue.set("a", at + Duration::from_secs(1));
        queue.set("a", at + Duration::from_secs(5));
        assert_eq!(queue.next(), Some(at + Duration::from_secs(5)));
        assert_eq!(queue.pop_expired(at + Duration::from_secs(2)), None);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn cancelled_deadlines_do_not_pile_up() {
        let at = start();
        let mut queue = TimerQueue::new();
        queue.set(0, at);
        for round in 0..10_000u64 {
            queue.set(1, at + Duration::from_secs(round + 1));
        }
        assert!(queue.entries <= 65, "{} stale entries", queue.entries);
    }

    proptest! {
        #[test]
        fn behaves_like_a_sorted_map(
            steps in prop::collection::vec((0u8..8, 0u64..50, 0u8..3), 0..200),
            // Within a slot, and over many.
            unit in prop::sample::select(vec![1, 40, 1_000]),
        ) {
            let start = start();
            let mut queue = TimerQueue::new();
            let mut model: BTreeMap<u8, Instant> = BTreeMap::new();
            for (key, offset, what) in steps {
                let at = start + Duration::from_millis(offset * unit);
                match what {
                    0 => { queue.set(key, at); model.insert(key, at); }
                    1 => { queue.cancel(key); model.remove(&key); }
                    _ => while let Some(fired) = queue.pop_expired(at) {
                        prop_assert!(model.remove(&fired).is_some_and(|due| due <= at));
                    }
                }
                if what == 2 { prop_assert!(model.values().all(|due| *due > at)); }
                prop_assert_eq!(queue.next(), model.values().min().copied());
                prop_assert_eq!(queue.len(), model.len());
                let lie = queue.near.len() + queue.far.values().map(Vec::len).sum::<usize>();
                prop_assert_eq!(queue.entries, lie);
            }
        }
    }
}
