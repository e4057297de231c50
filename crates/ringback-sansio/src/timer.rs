//! Every deadline of a layer in one place.

use foldhash::fast::FixedState;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// A set of deadlines, at most one for each key.
///
/// Setting, cancelling and popping are O(log n). A cancelled deadline stays in the heap until it is passed
/// over or until stale entries outnumber live ones, so memory stays within a constant factor of what is live.
///
/// The keys are names that the owner gives, such as [`Key`](crate::Key): their hash is a fast one without a secret, so a
/// peer must not be able to choose them.
#[derive(Clone, Debug)]
pub struct TimerQueue<K> {
    heap: BinaryHeap<Reverse<(Instant, u64, K)>>,
    live: HashMap<K, (Instant, u64), FixedState>,
    serial: u64,
}

impl<K: Copy + Eq + Hash + Ord> Default for TimerQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Eq + Hash + Ord> TimerQueue<K> {
    /// No deadline yet.
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), live: HashMap::default(), serial: 0 }
    }

    /// Sets the deadline of `key`, in place of the one it had.
    pub fn set(&mut self, key: K, at: Instant) {
        self.serial += 1;
        self.live.insert(key, (at, self.serial));
        self.heap.push(Reverse((at, self.serial, key)));
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
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes one key whose deadline is at or before `now`; among equal deadlines the one set first.
    pub fn pop_expired(&mut self, now: Instant) -> Option<K> {
        let Reverse((at, _, key)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
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

    /// Keeps the invariant that the top of the heap is live, and bounds what is stale.
    fn tidy(&mut self) {
        while let Some(Reverse((_, serial, key))) = self.heap.peek() {
            if self.live.get(key).is_some_and(|(_, live)| live == serial) {
                break;
            }
            self.heap.pop();
        }
        if self.heap.len() > 64 && self.heap.len() > 4 * self.live.len() {
            let live = &self.live;
            self.heap.retain(|Reverse((_, serial, key))| live.get(key).is_some_and(|(_, s)| s == serial));
        }
    }
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
        assert!(queue.heap.len() <= 65, "{} stale entries", queue.heap.len());
    }

    proptest! {
        #[test]
        fn behaves_like_a_sorted_map(steps in prop::collection::vec((0u8..8, 0u64..50, 0u8..3), 0..200)) {
            let start = start();
            let mut queue = TimerQueue::new();
            let mut model: BTreeMap<u8, Instant> = BTreeMap::new();
            for (key, offset, what) in steps {
                let at = start + Duration::from_millis(offset);
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
            }
        }
    }
}
