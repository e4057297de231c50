//! Putting in order of time what several threads saw.
//!
//! A worker notes the time before it gets to the queue, so another's later message may be in it first. Readers of captures take
//! the order of the file for the order of events; so each waits a little for those before it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// By how much one that is told late may be early.
const SETTLES: Duration = Duration::from_millis(50);
/// The most that wait.
const MOST: usize = 4_096;

/// What waits for those before it.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    waits: BinaryHeap<Reverse<Waits<T>>>,
    /// The latest time of all.
    newest: Duration,
    /// How many were added: those of one time stay as they came.
    added: u64,
}

#[derive(Debug)]
struct Waits<T> {
    at: (Duration, u64),
    what: T,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { waits: BinaryHeap::new(), newest: Duration::ZERO, added: 0 }
    }
}

impl<T> InOrder<T> {
    /// Something happened then.
    pub(super) fn add(&mut self, at: Duration, what: T) {
        self.newest = self.newest.max(at);
        self.waits.push(Reverse(Waits { at: (at, self.added), what }));
        self.added += 1;
    }

    /// The earliest of all, where nothing before it is to be expected any more.
    pub(super) fn settled(&mut self) -> Option<T> {
        let Reverse(Waits { at: (at, _), .. }) = self.waits.peek()?;
        (self.waits.len() > MOST || *at + SETTLES <= self.newest).then(|| self.earliest())?
    }

    /// The earliest of all.
    pub(super) fn earliest(&mut self) -> Option<T> {
        self.waits.pop().map(|Reverse(waits)| waits.what)
    }
}

impl<T> PartialEq for Waits<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Waits<T> {}

impl<T> PartialOrd for Waits<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Waits<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn one_that_is_told_late_stands_where_it_belongs() {
        let mut order = InOrder::default();
        for (millis, name) in [(10, "b"), (10, "c"), (5, "a"), (30, "d")] {
            order.add(at(millis), name);
            assert_eq!(order.settled(), None);
        }
        order.add(at(61), "e");
        let settled: Vec<_> = std::iter::from_fn(|| order.settled()).collect();
        assert_eq!(settled, ["a", "b", "c"], "those of one time stay as they came");
        let rest: Vec<_> = std::iter::from_fn(|| order.earliest()).collect();
        assert_eq!(rest, ["d", "e"]);
    }

    #[test]
    fn no_more_than_so_many_wait() {
        let mut order = InOrder::default();
        for number in 0..2 * MOST {
            order.add(at(7), number);
            let settled = order.settled();
            assert_eq!(settled, number.checked_sub(MOST), "the first goes");
        }
        assert_eq!(order.waits.len(), MOST);
    }
}
