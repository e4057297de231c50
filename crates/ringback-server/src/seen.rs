//! Requests that were seen and are answered without a transaction, so that their copies change nothing.
//!
//! What a transaction keeps for the half minute in which copies of a request may come is a thousand octets and more, most of
//! it the response. REGISTER can be answered again from what is registered, so all that is kept of it is a number.
//!
//! The numbers lie in sets of one line of memory each, so that looking for one and noting it touches that line alone, however
//! many there are, and nothing has to be taken out when its time is over: what is new takes its place.

use ringback_sansio::Set;
use std::time::Instant;

/// For so long copies may come, in whole seconds: Timer J (RFC 3261 §17.2.2), and the second that has begun.
const COPIES: u16 = 32 + 1;
/// How many numbers a set has room for.
const ROOM: usize = 8;
/// An entry is the upper bits of a number and the second in which it was seen, as far as its bits go; 0 is none.
const SECOND: u64 = 0xFFFF;
/// The bits that pick the set, from here on upwards: they stay in the entry, so that more sets can be made.
const PICKS: u32 = SECOND.count_ones();

/// The requests of one shard that were seen lately, each by a hash of what tells it from all others.
#[derive(Debug)]
pub(crate) struct Seen {
    /// A power of two of them.
    sets: Vec<Places>,
    most: usize,
    began: Instant,
    /// Those that are not answered before the store has written what they change.
    waiting: Set<u64>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Places([u64; ROOM]);

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It is being answered, once the store has written what it changes.
    Waits,
    /// It was answered.
    Answered,
}

impl Seen {
    /// Room for about `most` requests: up to twice as many, and where they fall together the oldest of those is forgotten, of
    /// which a copy is the least likely.
    pub(crate) fn new(now: Instant, most: usize) -> Self {
        let most = most.div_ceil(ROOM).max(1).next_power_of_two();
        Self { sets: vec![Places([0; ROOM])], most, began: now, waiting: Set::default() }
    }

    /// What is known of a request; nothing when it is the first of its kind.
    pub(crate) fn look(&self, now: Instant, hash: u64) -> Option<Sight> {
        if !self.waiting.is_empty() && self.waiting.contains(&hash) {
            return Some(Sight::Waits);
        }
        let second = self.second(now);
        let set = self.sets.get(place(hash, self.sets.len()))?;
        let is_it = |entry: &u64| is_of(*entry, hash) && age(*entry, second) < COPIES;
        set.0.iter().any(is_it).then_some(Sight::Answered)
    }

    /// Remembers a request that is answered.
    pub(crate) fn note(&mut self, now: Instant, hash: u64) {
        let second = self.second(now);
        let entry = (hash & !SECOND) | u64::from(second);
        while !put(&mut self.sets, entry, second, false) {
            if self.sets.len() >= self.most {
                put(&mut self.sets, entry, second, true);
                return;
            }
            let mut more = vec![Places([0; ROOM]); self.sets.len() * 2];
            let alive = self.sets.iter().flat_map(|set| set.0);
            for old in alive.filter(|old| *old != 0 && age(*old, second) < COPIES) {
                put(&mut more, old, second, true);
            }
            self.sets = more;
        }
    }

    /// Remembers a request that waits for the store.
    pub(crate) fn wait(&mut self, hash: u64) {
        self.waiting.insert(hash);
    }

    /// The store has written what it changes.
    pub(crate) fn answered(&mut self, now: Instant, hash: u64) {
        if self.waiting.remove(&hash) {
            self.note(now, hash);
        }
    }

    /// It changed nothing after all, and may come again.
    pub(crate) fn forget(&mut self, hash: u64) {
        self.waiting.remove(&hash);
    }

    /// The second, from 1 on, for an entry is not 0.
    fn second(&self, now: Instant) -> u16 {
        let seconds = now.saturating_duration_since(self.began).as_secs();
        (seconds % u64::from(u16::MAX)) as u16 + 1
    }
}

/// Which of so many sets a number or its entry is in.
fn place(hash: u64, sets: usize) -> usize {
    (hash >> PICKS) as usize & (sets - 1)
}

fn is_of(entry: u64, hash: u64) -> bool {
    entry & !SECOND == hash & !SECOND && entry != 0
}

/// How many seconds ago it was.
fn age(entry: u64, second: u16) -> u16 {
    let seen = (entry & SECOND) as u16;
    if second >= seen { second - seen } else { (u16::MAX - seen) + second }
}

/// Puts an entry into its place: its own, an empty one, or that of one whose time is over; and if `pushes`, that of the oldest.
fn put(sets: &mut [Places], entry: u64, second: u16, pushes: bool) -> bool {
    let at = place(entry, sets.len());
    let Some(Places(set)) = sets.get_mut(at) else { return false };
    let is_free = |old: &u64| *old == 0 || age(*old, second) >= COPIES;
    let free = set.iter().position(|old| is_of(*old, entry)).or_else(|| set.iter().position(is_free));
    let oldest = || (0..ROOM).max_by_key(|at| age(set[*at], second));
    let Some(at) = free.or_else(|| oldest().filter(|_| pushes)) else { return false };
    set[at] = entry;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Numbers as a hash gives them.
    fn hash(number: u64) -> u64 {
        (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn a_request_is_known_as_long_as_copies_of_it_may_come() {
        let now = Instant::now();
        let mut seen = Seen::new(now, 100);
        assert_eq!(seen.look(now, hash(7)), None);
        seen.wait(hash(7));
        assert_eq!(seen.look(now, hash(7)), Some(Sight::Waits));
        seen.answered(now, hash(7));
        let later = now + Duration::from_secs(16);
        seen.note(later, hash(8));
        assert_eq!(seen.look(later, hash(7)), Some(Sight::Answered));
        assert_eq!(seen.look(later, hash(8)), Some(Sight::Answered));
        let last = now + Duration::from_secs(32);
        assert_eq!(seen.look(last, hash(7)), Some(Sight::Answered));
        let over = now + Duration::from_secs(34);
        assert_eq!((seen.look(over, hash(7)), seen.look(over, hash(8))), (None, Some(Sight::Answered)));
        seen.wait(hash(9));
        seen.forget(hash(9));
        assert_eq!(seen.look(over, hash(9)), None);
    }

    #[test]
    fn however_many_there_are_all_are_known_up_to_the_limit() {
        let now = Instant::now();
        let mut seen = Seen::new(now, 100_000);
        for number in 0..50_000 {
            seen.note(now, hash(number));
        }
        let known = |seen: &Seen, now, range: std::ops::Range<u64>| {
            range.filter(|number| seen.look(now, hash(*number)).is_some()).count()
        };
        assert_eq!(known(&seen, now, 0..50_000), 50_000);
        assert_eq!(known(&seen, now, 50_000..100_000), 0);
        // What is over makes room, and no more is needed.
        let (sets, later) = (seen.sets.len(), now + Duration::from_secs(40));
        for number in 50_000..90_000 {
            seen.note(later, hash(number));
        }
        assert_eq!(known(&seen, later, 0..90_000), 40_000);
        assert_eq!(seen.sets.len(), sets);
    }

    #[test]
    fn no_more_than_so_many_are_known_and_the_last_ones_are() {
        let now = Instant::now();
        let mut seen = Seen::new(now, 64);
        for number in 0..10_000 {
            seen.note(now + Duration::from_millis(number), hash(number));
        }
        let end = now + Duration::from_secs(10);
        let known: Vec<u64> = (0..10_000).filter(|number| seen.look(end, hash(*number)).is_some()).collect();
        assert_eq!((seen.sets.len(), known.len()), (8, 64));
        assert!(known.first().is_some_and(|first| *first > 8_000), "{known:?}");
    }

    #[test]
    fn seconds_go_on_after_the_last_one_that_has_a_number() {
        let now = Instant::now();
        let mut seen = Seen::new(now, 8);
        let before = now + Duration::from_secs(u64::from(u16::MAX) - 5);
        seen.note(before, hash(1));
        assert_eq!(seen.look(before + Duration::from_secs(20), hash(1)), Some(Sight::Answered));
        assert_eq!(seen.look(before + Duration::from_secs(40), hash(1)), None);
    }
}
