//! What the driver drives.

use crate::Outbox;
use ringback_message::{Message, ParseError};
use ringback_sansio::{CloseReason, Flow, Target};
use ringback_transport::locate::{Answer, LocateError};
use std::net::SocketAddr;
use std::time::Instant;

/// The part of a program that understands messages: a server with its shards, or a phone.
///
/// It is called from every worker at once, so it locks what it changes, for microseconds. What it wants sent it
/// puts into the [`Outbox`] that comes with each call; that is carried out when the call, or the batch that it
/// belongs to, is over. `now` is the time of the batch.
pub trait Core: Send + Sync + 'static {
    /// Comes back with [`failed`](Self::failed) when something cannot be sent.
    type Tag: Copy + Send + 'static;

    /// A valid message arrived. A request is marked with its source (`received`, `rport`).
    fn received(&self, now: Instant, flow: Flow, message: Message, out: &mut Outbox<Self::Tag>);

    /// Something arrived that is no message. Where it could be answered, the answer is on its way.
    fn malformed(&self, now: Instant, flow: Flow, error: ParseError) {
        let _ = (now, flow, error);
    }

    /// All that was read from a socket of datagrams at once has been handed over. What a core kept back until then, so that what is
    /// alike leaves as one piece, has to go now.
    fn batch_ended(&self, now: Instant, out: &mut Outbox<Self::Tag>) {
        let _ = (now, out);
    }

    /// What was sent under this tag cannot arrive. Not every loss is noticed: datagrams are lost silently, and
    /// so is what waits in a connection that breaks.
    fn failed(&self, now: Instant, tag: Self::Tag, reason: CloseReason, out: &mut Outbox<Self::Tag>);

    /// The answer to [`Outbox::resolve`], best address first and at least one; or why there is none. Once for each question.
    fn resolved(
        &self,
        now: Instant,
        token: u64,
        found: Result<&[Target], LocateError>,
        out: &mut Outbox<Self::Tag>,
    );

    /// The answer to [`Outbox::look_up`]. Once for each question.
    fn answered(&self, now: Instant, token: u64, answer: Answer, out: &mut Outbox<Self::Tag>) {
        let _ = (now, token, answer, out);
    }

    /// A connection ended, of which every message was handed over before; or a flow of datagrams that was
    /// [kept](Outbox::keep) is not what it was: [`Reset`](CloseReason::Reset) when the peer sees us elsewhere than
    /// before.
    fn closed(&self, now: Instant, flow: Flow, reason: CloseReason, out: &mut Outbox<Self::Tag>) {
        let _ = (now, flow, reason, out);
    }

    /// The peer of a flow of datagrams that is kept sees us at this address.
    fn mapped(&self, now: Instant, flow: Flow, address: SocketAddr, out: &mut Outbox<Self::Tag>) {
        let _ = (now, flow, address, out);
    }

    /// Fires what is due at or before `now` in the part of the state that is at home with `worker`.
    fn handle_timeout(&self, now: Instant, worker: Worker, out: &mut Outbox<Self::Tag>);

    /// Whether some deadline may have become sooner since this was asked last, by whichever thread. Asked after every batch;
    /// without an answer of one's own [`poll_timeout`](Self::poll_timeout) is asked each time.
    fn is_sooner(&self) -> bool {
        true
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called for `worker` next. Asked after many batches for
    /// every worker, so it must be cheap: an atomic for each shard, not a lock. It may be called up to 10 ms late.
    fn poll_timeout(&self, worker: Worker) -> Option<Instant>;
}

/// One of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Which one, from 0.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl Worker {
    /// Whether the timers of this shard are run by this worker.
    pub fn is_home_of(&self, shard: usize) -> bool {
        shard % self.count == self.index
    }

    /// The shards whose timers are run by this worker.
    pub fn homes<'a, T>(&self, all: &'a [T]) -> impl Iterator<Item = &'a T> + use<'a, T> {
        all.iter().skip(self.index).step_by(self.count)
    }
}
