//! Requests that were seen and are answered without a transaction, so that their copies change nothing.
//!
//! What a transaction keeps for the half minute in which copies of a request may come is a thousand octets and more, most of
//! it the response. REGISTER can be answered again from what is registered, so all that is kept of it is a number.

use ringback_sansio::Map;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// For so long copies may come: Timer J (RFC 3261 §17.2.2).
const COPIES: Duration = Duration::from_secs(32);

/// The requests of one shard that were seen lately, each by a hash of what tells it from all others.
#[derive(Debug)]
pub(crate) struct Seen {
    by_hash: Map<u64, Sight>,
    /// In the order in which they came.
    order: VecDeque<(Instant, u64)>,
    most: usize,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It is being answered, once the store has written what it changes.
    Waits,
    /// It was answered.
    Answered,
}

impl Seen {
    pub(crate) fn new(most: usize) -> Self {
        Self { by_hash: Map::default(), order: VecDeque::new(), most }
    }

    /// What is known of a request; nothing when it is the first of its kind.
    pub(crate) fn look(&self, hash: u64) -> Option<Sight> {
        self.by_hash.get(&hash).copied()
    }

    /// Remembers a request. Where there is no room the oldest is forgotten, of which a copy is the least likely.
    pub(crate) fn note(&mut self, now: Instant, hash: u64, sight: Sight) {
        while let Some((at, old)) = self.order.front().copied() {
            if self.order.len() < self.most && now.saturating_duration_since(at) < COPIES {
                break;
            }
            self.order.pop_front();
            self.by_hash.remove(&old);
        }
        self.by_hash.insert(hash, sight);
        self.order.push_back((now, hash));
    }

    /// The store has written what it changes.
    pub(crate) fn answered(&mut self, hash: u64) {
        if let Some(sight) = self.by_hash.get_mut(&hash) {
            *sight = Sight::Answered;
        }
    }

    /// It changed nothing after all, and may come again.
    pub(crate) fn forget(&mut self, hash: u64) {
        self.by_hash.remove(&hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_as_long_as_copies_of_it_may_come() {
        let now = Instant::now();
        let mut seen = Seen::new(100);
        assert_eq!(seen.look(7), None);
        seen.note(now, 7, Sight::Waits);
        assert_eq!(seen.look(7), Some(Sight::Waits));
        seen.answered(7);
        seen.note(now + COPIES / 2, 8, Sight::Answered);
        assert_eq!((seen.look(7), seen.look(8)), (Some(Sight::Answered), Some(Sight::Answered)));
        seen.note(now + COPIES, 9, Sight::Answered);
        assert_eq!((seen.look(7), seen.look(8)), (None, Some(Sight::Answered)));
        seen.forget(8);
        assert_eq!(seen.look(8), None);
    }

    #[test]
    fn no_more_than_so_many_are_known() {
        let now = Instant::now();
        let mut seen = Seen::new(3);
        for hash in 0..10 {
            seen.note(now, hash, Sight::Answered);
        }
        let known: Vec<u64> = (0..10).filter(|hash| seen.look(*hash).is_some()).collect();
        assert_eq!(known, [7, 8, 9]);
        assert_eq!((seen.order.len(), seen.by_hash.len()), (3, 3));
    }
}
