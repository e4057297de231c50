//! What stands between the driver and the machines that place or answer calls.
//!
//! A caller has a hub with one machine for each thread, each with a socket of its own, so that threads share nothing. The
//! answering side listens at one address; there, a machine is chosen by the Call-ID.

use super::tally::Tally;
use ringback_message::{Message, header::CallId};
use ringback_net::{CloseReason, Core, Flow, LocateError, Net, Outbox, Target, Worker};
use ringback_transaction::Key;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Which machine sent something, and for whom.
pub(crate) type Tag = (usize, Whose);

/// For whom something was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// For a transaction.
    Transaction(Key),
    /// For a call of a caller: the bits of its name.
    Call(u64),
}

/// A machine that makes or takes calls.
pub(crate) trait Side: Send + 'static {
    /// Whether it keeps something back until [`batch_ended`](Self::batch_ended).
    const GATHERS: bool;
    /// A message came.
    fn received(&mut self, now: Instant, flow: Flow, message: Message, out: &mut Outbox<Tag>);
    /// All that was read at once has been handed over.
    fn batch_ended(&mut self, now: Instant, out: &mut Outbox<Tag>) {
        let _ = (now, out);
    }
    /// Something could not be sent.
    fn failed(&mut self, now: Instant, whose: Whose, reason: CloseReason, out: &mut Outbox<Tag>);
    /// Fires what is due.
    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Tag>);
    /// When something is due next.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Takes no more calls, and ends those that there are.
    fn stop(&mut self, now: Instant, out: &mut Outbox<Tag>);
    /// What happened since this was asked last.
    fn take(&mut self) -> Tally;
    /// Calls that came to an end since then.
    fn over(&self) -> u64;
    /// Calls that are not over.
    fn active(&self) -> usize;
    /// Whether there is nothing left to do.
    fn is_done(&self) -> bool;
}

/// Machines of one driver.
pub(crate) struct Hub<S> {
    shards: Vec<Shard<S>>,
    start: Instant,
    hasher: ringback_sansio::Hasher,
}

struct Shard<S> {
    side: Mutex<S>,
    /// When it is due, in nanoseconds after the start: asked too often for a lock.
    due: AtomicU64,
}

impl<S: Side> Hub<S> {
    pub(crate) fn new(now: Instant, sides: impl IntoIterator<Item = S>) -> Self {
        let shards =
            sides.into_iter().map(|side| Shard { side: Mutex::new(side), due: AtomicU64::new(u64::MAX) });
        let hub = Self { shards: shards.collect(), start: now, hasher: ringback_sansio::Hasher::keyed(0) };
        for shard in &hub.shards {
            hub.note(shard, &lock(shard));
        }
        hub
    }

    /// Does something with one machine, and remembers when it is due then.
    fn with(&self, index: usize, act: impl FnOnce(&mut S)) {
        let shard = &self.shards[index % self.shards.len()];
        let mut side = lock(shard);
        act(&mut side);
        self.note(shard, &side);
    }

    fn note(&self, shard: &Shard<S>, side: &S) {
        let nanos = |at: Instant| {
            let after = at.saturating_duration_since(self.start).as_nanos();
            u64::try_from(after).unwrap_or(u64::MAX - 1)
        };
        shard.due.store(side.poll_timeout().map_or(u64::MAX, nanos), Ordering::Release);
    }

    fn shard_of(&self, message: &Message) -> usize {
        if self.shards.len() == 1 {
            return 0;
        }
        let Some(Ok(CallId(call_id))) = message.first::<CallId<'_>>() else { return 0 };
        let mut hasher = self.hasher.build_hasher();
        hasher.write(call_id.as_bytes());
        hasher.finish() as usize % self.shards.len()
    }

    /// Everything that happened since this was asked last, and how many calls there are.
    pub(crate) fn take(&self) -> (Tally, usize) {
        let mut tally = Tally::default();
        let mut active = 0;
        for shard in &self.shards {
            let mut side = lock(shard);
            tally.merge(&side.take());
            active += side.active();
        }
        (tally, active)
    }

    /// Calls that came to an end since [`take`](Self::take).
    pub(crate) fn over(&self) -> u64 {
        self.shards.iter().map(|shard| lock(shard).over()).sum()
    }

    /// Whether no machine has anything left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_done())
    }
}

/// Ends what a driver's machines do.
pub(crate) fn stop<S: Side>(net: &Net<Hub<S>>) {
    let (hub, now) = (net.core(), Instant::now());
    let mut out = Outbox::new();
    for index in 0..hub.shards.len() {
        hub.with(index, |side| side.stop(now, &mut out));
    }
    net.send(out);
}

/// A thread that panicked in here has left a state that is still whole between two inputs.
fn lock<S>(shard: &Shard<S>) -> MutexGuard<'_, S> {
    shard.side.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Side> Core for Hub<S> {
    type Tag = Tag;

    fn received(&self, now: Instant, flow: Flow, message: Message, out: &mut Outbox<Tag>) {
        self.with(self.shard_of(&message), |side| side.received(now, flow, message, out));
    }

    fn batch_ended(&self, now: Instant, out: &mut Outbox<Tag>) {
        let gathering = if S::GATHERS { self.shards.len() } else { 0 };
        for index in 0..gathering {
            self.with(index, |side| side.batch_ended(now, out));
        }
    }

    fn failed(&self, now: Instant, (index, whose): Tag, reason: CloseReason, out: &mut Outbox<Tag>) {
        self.with(index, |side| side.failed(now, whose, reason, out));
    }

    /// Names are looked up before the start, so nothing is asked.
    fn resolved(&self, _: Instant, _: u64, _: Result<&[Target], LocateError>, _: &mut Outbox<Tag>) {}

    fn handle_timeout(&self, now: Instant, worker: Worker, out: &mut Outbox<Tag>) {
        for index in (0..self.shards.len()).filter(|index| worker.is_home_of(*index)) {
            self.with(index, |side| side.handle_timeout(now, out));
        }
    }

    fn poll_timeout(&self, worker: Worker) -> Option<Instant> {
        let homes = self.shards.iter().enumerate().filter(|(index, _)| worker.is_home_of(*index));
        let due = homes.map(|(_, shard)| shard.due.load(Ordering::Acquire)).min()?;
        (due < u64::MAX).then(|| self.start + Duration::from_nanos(due))
    }
}
