//! A request of a call on its way: when it is sent again, and when that has no use any more (RFC 3261 §17.1).
//!
//! Nothing stays of it once it has its final response. What comes later tells all that an answer to it needs.

use super::attempt::Attempt;
use bytes::Bytes;
use ringback_net::{Protocol, Target};
use ringback_sansio::{Key, TimerQueue};
use ringback_transaction::Timings;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A request without its final response.
pub(crate) struct Flight {
    pub(crate) what: What,
    pub(crate) to: Target,
    pub(crate) bytes: Bytes,
    /// Whether something came: to an INVITE a provisional response, to a CANCEL any.
    pub(crate) heard: bool,
    began: Instant,
    gap: Duration,
    sends: u32,
}

/// What kind of request it is, which decides on its timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Invite,
    /// And its INVITE, which still waits for its own response.
    Cancel,
    Bye,
    Other,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Again,
    TimedOut,
}

impl Flight {
    pub(crate) fn new(now: Instant, what: What, to: Target, bytes: Bytes, timings: &Timings) -> Self {
        Self { what, to, bytes, heard: false, began: now, gap: timings.t1, sends: 1 }
    }

    /// Whether a response to an INVITE is waited for.
    pub(crate) fn awaits_invite(&self) -> bool {
        matches!(self.what, What::Invite | What::Cancel)
    }

    /// What is due, and when the next is.
    fn fire(&mut self, now: Instant, timings: &Timings) -> (Due, Option<Instant>) {
        let end = self.began + timings.timeout();
        match (self.what, self.heard) {
            // RFC 3261 §17.1.1.2: once it proceeds, an INVITE has no timers.
            (What::Invite, true) => return (Due::Nothing, None),
            _ if now >= end => return (Due::TimedOut, None),
            (What::Cancel, true) => return (Due::Nothing, Some(end)),
            _ if self.to.protocol() != Protocol::Udp => return (Due::Nothing, Some(end)),
            (What::Invite, false) => self.gap = self.gap.saturating_mul(2),
            (What::Bye | What::Other, true) => self.gap = timings.t2,
            (What::Cancel | What::Bye | What::Other, false) => {
                self.gap = self.gap.saturating_mul(2).min(timings.t2);
            }
        }
        self.sends = self.sends.saturating_add(1);
        (Due::Again, Some(end.min(now + self.gap)))
    }
}

/// When flights are to be looked at.
pub(crate) struct Schedule {
    timings: Timings,
    /// Those that were sent once. All wait equally long, so the next one is in front; those that have landed stay until their
    /// time.
    once: VecDeque<(Instant, Key<Attempt>, u32)>,
    /// The others, few of all.
    later: TimerQueue<Key<Attempt>>,
}

impl Schedule {
    pub(crate) fn new(timings: Timings) -> Self {
        Self { timings, once: VecDeque::new(), later: TimerQueue::new() }
    }

    pub(crate) fn timings(&self) -> &Timings {
        &self.timings
    }

    /// The request with this number was sent for the first time.
    pub(crate) fn departed(&mut self, now: Instant, key: Key<Attempt>, flight: &Flight, cseq: u32) {
        match (flight.to.protocol(), flight.what) {
            (Protocol::Udp, What::Invite | What::Bye | What::Other) => {
                self.once.push_back((now + self.timings.t1, key, cseq));
            }
            // It has the number of its INVITE.
            (Protocol::Udp, What::Cancel) => self.later.set(key, now + self.timings.t1),
            _ => self.later.set(key, now + self.timings.timeout()),
        }
    }

    /// It has its response.
    pub(crate) fn landed(&mut self, key: Key<Attempt>, flight: &Flight) {
        let is_once = flight.sends == 1 && flight.what != What::Cancel;
        if !is_once || flight.to.protocol() != Protocol::Udp {
            self.later.cancel(key);
        }
    }

    /// The next whose time has come. With a number it is meant only while the request of that number was sent just once.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Key<Attempt>, Option<u32>)> {
        if let Some((_, key, cseq)) = self.once.front().copied().filter(|(at, ..)| *at <= now) {
            self.once.pop_front();
            return Some((key, Some(cseq)));
        }
        self.later.pop_expired(now).map(|key| (key, None))
    }

    /// Looks at one whose time has come.
    pub(crate) fn fire(
        &mut self,
        now: Instant,
        key: Key<Attempt>,
        first: Option<u32>,
        attempt: &mut Attempt,
    ) -> Due {
        let Some(flight) = &mut attempt.flight else { return Due::Nothing };
        let is_once = flight.sends == 1 && flight.what != What::Cancel;
        if first.is_some_and(|cseq| !is_once || cseq != attempt.cseq) {
            return Due::Nothing;
        }
        let (due, next) = flight.fire(now, &self.timings);
        if let Some(at) = next {
            self.later.set(key, at);
        }
        due
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.once.front().map(|(at, ..)| *at).into_iter().chain(self.later.next()).min()
    }
}
