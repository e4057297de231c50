//! Deadlines that can be read without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When something has to be looked at next. Written under the lock of what it belongs to, read by all.
#[derive(Debug)]
pub(crate) struct Due {
    start: Instant,
    /// Nanoseconds after `start`; the largest number when nothing is due.
    at: AtomicU64,
}

impl Due {
    pub(crate) fn never(start: Instant) -> Self {
        Self { start, at: AtomicU64::new(u64::MAX) }
    }

    pub(crate) fn set(&self, at: Option<Instant>) {
        let nanos = |at: Instant| u64::try_from(at.saturating_duration_since(self.start).as_nanos()).ok();
        self.at.store(at.and_then(nanos).unwrap_or(u64::MAX), Ordering::SeqCst);
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
