//! Every deadline of a layer in one place.

use foldhash::fast::FixedState;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

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
    near: BinaryHeap<Reverse<(At, u32, K)>>,
    /// What is due later, by the number of its slot, in the order in which it was set.
    far: BTreeMap<i64, Vec<(At, K)>>,
    /// The first slot that is far.
    far_from: i64,
    /// How many entries there are, near and far.
    entries: usize,
    live: HashMap<K, At, FixedState>,
    /// Counts what comes near, so that equal deadlines keep their order.
    serial: u32,
    /// What deadlines are counted from: the first that was ever set.
    start: Option<Instant>,
}

/// Nanoseconds after the start, or before it. There are more deadlines than anything else, and an `Instant` is twice as long.
type At = i64;

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
            far_from: i64::MIN,
            entries: 0,
            live: HashMap::default(),
            serial: 0,
            start: None,
        }
    }

    /// Sets the deadline of `key`, in place of the one it had. One that is centuries away comes a little sooner.
    pub fn set(&mut self, key: K, at: Instant) {
        let at = nanos(*self.start.get_or_insert(at), at);
        self.live.insert(key, at);
        let slot = at >> SLOT;
        if slot < self.far_from {
            self.put_near(at, key);
        } else {
            self.far.entry(slot).or_default().push((at, key));
        }
        self.entries += 1;
        self.tidy();
    }

    fn put_near(&mut self, at: At, key: K) {
        if self.near.is_empty() {
            self.serial = 0;
        }
        self.near.push(Reverse((at, self.serial, key)));
        // Four thousand million in a quarter of a second would only be out of order.
        self.serial = self.serial.saturating_add(1);
    }

    /// Forgets the deadline of `key`, if it has one.
    pub fn cancel(&mut self, key: K) {
        if self.live.remove(&key).is_some() {
            self.tidy();
        }
    }

    /// The deadline of `key`.
    pub fn deadline(&self, key: K) -> Option<Instant> {
        self.live.get(&key).and_then(|at| self.instant(*at))
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.near.peek().and_then(|Reverse((at, _, _))| self.instant(*at))
    }

    /// Takes one key whose deadline is at or before `now`; among equal deadlines the one set first.
    pub fn pop_expired(&mut self, now: Instant) -> Option<K> {
        let Reverse((at, _, key)) = *self.near.peek()?;
        if self.instant(at)? > now {
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

    fn instant(&self, at: At) -> Option<Instant> {
        let (start, distance) = (self.start?, Duration::from_nanos(at.unsigned_abs()));
        if at < 0 { start.checked_sub(distance) } else { start.checked_add(distance) }
    }

    /// Keeps the invariant that the top of the heap is live, or nothing is; and bounds what is stale.
    fn tidy(&mut self) {
        loop {
            while let Some(Reverse((at, _, key))) = self.near.peek() {
                if is_live(&self.live, *at, key) {
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
            let live = entries.into_iter().filter(|(at, key)| is_live(&self.live, *at, key));
            // At once, which takes less time than one after the other.
            self.near = live
                .zip(0..)
                .map(|((at, key), serial)| Reverse((at, serial, key)))
                .collect::<Vec<_>>()
                .into();
            self.serial = u32::try_from(self.near.len()).unwrap_or(u32::MAX);
            self.entries -= before - self.near.len();
        }
        if self.entries > 64 && self.entries > 4 * self.live.len() {
            let live = &self.live;
            self.near.retain(|Reverse((at, _, key))| is_live(live, *at, key));
            self.far.retain(|_, entries| {
                entries.retain(|(at, key)| is_live(live, *at, key));
                !entries.is_empty()
            });
            self.entries = self.near.len() + self.far.values().map(Vec::len).sum::<usize>();
        }
    }
}

/// How far `at` is from `start`.
fn nanos(start: Instant, at: Instant) -> At {
    let whole = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match at.checked_duration_since(start) {
        Some(after) => whole(after),
        None => -whole(start.duration_since(at)),
    }
}

/// Whether an entry is the deadline that its key has. Where a deadline was forgotten and set again, both entries are, and the
/// first to come up is taken.
fn is_live<K: Eq + Hash>(live: &HashMap<K, At, FixedState>, at: At, key: &K) -> bool {
    live.get(key) == Some(&at)
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
