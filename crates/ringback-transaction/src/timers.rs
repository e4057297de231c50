//! The deadlines of all transactions.

use crate::Key;
use crate::machines::{Effects, Timer, TimerSet};
use ringback_sansio::TimerQueue;
use std::time::{Duration, Instant};

/// No timer is shorter, so that a configuration of zeros cannot make a transaction retransmit without end.
const SHORTEST: Duration = Duration::from_millis(1);

/// All running timers.
#[derive(Default)]
pub(crate) struct Timers {
    queue: TimerQueue<(Key, Timer)>,
}

impl Timers {
    /// Does what a step of transaction `key` asks for; `armed` is what runs for it.
    pub(crate) fn apply(&mut self, now: Instant, key: Key, armed: &mut TimerSet, effects: &Effects) {
        for timer in effects.disarm.iter() {
            if armed.contains(timer) {
                armed.remove(timer);
                self.queue.cancel((key, timer));
            }
        }
        for (timer, after) in &effects.arm {
            // A deadline beyond the end of time is none.
            if let Some(at) = now.checked_add((*after).max(SHORTEST)) {
                armed.insert(*timer);
                self.queue.set((key, *timer), at);
            }
        }
    }

    /// Stops what runs for a transaction that is over.
    pub(crate) fn cancel_all(&mut self, key: Key, armed: TimerSet) {
        for timer in armed.iter() {
            self.queue.cancel((key, timer));
        }
    }

    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<(Key, Timer)> {
        self.queue.pop_expired(now)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.next()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}
