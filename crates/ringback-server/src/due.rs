//! Deadlines that can be read without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// All deadlines of a server: whether there is a sooner one since somebody asked last.
#[derive(Clone, Debug)]
pub(crate) struct Dues {
    start: Instant,
    sooner: Arc<AtomicBool>,
}

impl Dues {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, sooner: Arc::default() }
    }

    /// The beginning of the time that they are counted in.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// A deadline of nothing yet.
    pub(crate) fn never(&self) -> Due {
        Due { start: self.start, at: AtomicU64::new(u64::MAX), sooner: self.sooner.clone() }
    }

    /// Whether some deadline became sooner than it was. Says so once.
    pub(crate) fn take_sooner(&self) -> bool {
        // Asked after every batch of messages, and seldom true.
        self.sooner.load(Ordering::SeqCst) && self.sooner.swap(false, Ordering::SeqCst)
    }
}

/// When something has to be looked at next. Written under the lock of what it belongs to, read by all.
#[derive(Debug)]
pub(crate) struct Due {
    sooner: Arc<AtomicBool>,
    start: Instant,
    /// Nanoseconds after `start`; the largest number when nothing is due.
    at: AtomicU64,
}

impl Due {
    pub(crate) fn set(&self, at: Option<Instant>) {
        let nanos = |at: Instant| u64::try_from(at.saturating_duration_since(self.start).as_nanos()).ok();
        let at = at.and_then(nanos).unwrap_or(u64::MAX);
        if self.at.swap(at, Ordering::SeqCst) > at {
            self.sooner.store(true, Ordering::SeqCst);
        }
    }

    /// The earliest of several with the same `start`. Only reads, and little: this is asked after every batch of
    /// messages.
    pub(crate) fn earliest<'a>(start: Instant, all: impl Iterator<Item = &'a Self>) -> Option<Instant> {
        let earliest = all.fold(u64::MAX, |earliest, due| earliest.min(due.at.load(Ordering::SeqCst)));
        if earliest < u64::MAX { start.checked_add(Duration::from_nanos(earliest)) } else { None }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let nanos = now.saturating_duration_since(self.start).as_nanos();
        u128::from(self.at.load(Ordering::SeqCst)) <= nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sooner_deadline_is_told_of_once_and_a_later_one_never() {
        let start = Instant::now();
        let dues = Dues::new(start);
        let due = dues.never();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        for (seconds, is_sooner) in [(9, true), (9, false), (7, true), (8, false), (3, true)] {
            due.set(at(seconds));
            assert_eq!((dues.take_sooner(), dues.take_sooner()), (is_sooner, false), "{seconds}");
        }
        due.set(None);
        assert!(!dues.take_sooner());
        assert_eq!(Due::earliest(start, [&due].into_iter()), None);
    }
}
