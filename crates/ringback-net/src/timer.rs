//! The timers of the core: each worker sleeps until the next of its own is due.

use crate::shared::Shared;
use crate::{Core, Outbox, Worker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// SIP timers are coarse; run more often than this they cost more than they are worth.
const TICK: Duration = Duration::from_millis(10);

/// When one worker will look at its timers again.
#[derive(Debug)]
pub(crate) struct Alarm {
    start: Instant,
    /// Nanoseconds after `start`.
    until: AtomicU64,
    earlier: Notify,
}

impl Alarm {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, until: AtomicU64::new(u64::MAX), earlier: Notify::new() }
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX - 1)
    }

    /// Says that something is due at `at`; wakes the worker when it would sleep past that.
    pub(crate) fn due(&self, at: Instant) {
        if self.nanos(at) < self.until.load(Ordering::SeqCst) {
            self.earlier.notify_one();
        }
    }
}

pub(crate) async fn serve<C: Core>(shared: Arc<Shared<C>>, worker: Worker) -> io::Result<()> {
    let alarm = &shared.alarms[worker.index];
    let mut out = Outbox::new();
    let mut last = alarm.start;
    let due = || shared.core.poll_timeout(worker);
    loop {
        let next = due().map(|at| at.max(last + TICK));
        alarm.until.store(next.map_or(u64::MAX, |at| alarm.nanos(at)), Ordering::SeqCst);
        // Whoever set an earlier timer between the question and the store saw the old alarm and woke nobody.
        if due().is_some_and(|at| next.is_none_or(|next| at.max(last + TICK) < next)) {
            continue;
        }
        let sleep = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = alarm.earlier.notified() => {}
        }
        let now = Instant::now();
        if next.is_some_and(|at| at <= now) {
            last = now;
            shared.core.handle_timeout(now, worker, &mut out);
            shared.carry_out(now, &mut out);
            shared.wake();
        }
    }
}
