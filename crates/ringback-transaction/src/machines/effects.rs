//! What a step asks for.

use crate::{End, Timings};
use smallvec::SmallVec;
use std::time::Duration;

/// The timers by the letters of RFC 3261 (Table 4) and RFC 6026, and three that have no letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// INVITE request retransmission, unreliable transports.
    A,
    /// INVITE client time-out.
    B,
    /// Wait for retransmitted failures.
    D,
    /// Non-INVITE request retransmission.
    E,
    /// Non-INVITE client time-out.
    F,
    /// INVITE failure retransmission.
    G,
    /// Wait for ACK.
    H,
    /// Wait for retransmitted ACKs.
    I,
    /// Wait for retransmitted non-INVITE requests.
    J,
    /// Wait for retransmitted responses to non-INVITE.
    K,
    /// Wait for retransmitted INVITEs after a 2xx (RFC 6026).
    L,
    /// Wait for more 2xx (RFC 6026).
    M,
    /// Until we send 100 ourselves (§17.2.1, RFC 4320 §4.1).
    Trying,
    /// Until a cancelled INVITE is given up (§9.1).
    Cancelled,
    /// Until the peer of a non-INVITE transaction has given up, by its timer F.
    Abandoned,
}

impl Timer {
    /// All of them.
    pub(crate) const ALL: [Self; 15] = [
        Self::A,
        Self::B,
        Self::D,
        Self::E,
        Self::F,
        Self::G,
        Self::H,
        Self::I,
        Self::J,
        Self::K,
        Self::L,
        Self::M,
        Self::Trying,
        Self::Cancelled,
        Self::Abandoned,
    ];
}

/// A set of timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimerSet(u16);

impl TimerSet {
    pub(crate) fn insert(&mut self, timer: Timer) {
        self.0 |= 1 << timer as u16;
    }

    pub(crate) fn remove(&mut self, timer: Timer) {
        self.0 &= !(1 << timer as u16);
    }

    pub(crate) fn contains(self, timer: Timer) -> bool {
        self.0 & (1 << timer as u16) != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Timer> {
        Timer::ALL.into_iter().filter(move |timer| self.contains(*timer))
    }
}

/// What a step sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Send {
    /// Nothing.
    #[default]
    Nothing,
    /// The message that is kept for retransmission; nothing when none is.
    Kept,
    /// The response that its user gave, which is kept from now on.
    Response,
    /// A 100 of the layer's own, which is kept from now on.
    Trying,
    /// An ACK to the failure at hand, which is kept from now on.
    Ack,
}

/// What a step asks for. Small and fixed, so that a step can be compared with the RFC's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Timers to stop.
    pub(crate) disarm: TimerSet,
    /// Timers to start, each of which replaces its former deadline.
    pub(crate) arm: SmallVec<[(Timer, Duration); 2]>,
    /// What to send.
    pub(crate) send: Send,
    /// Whether to send the CANCEL.
    pub(crate) cancel: bool,
    /// Whether the message at hand goes up to the user.
    pub(crate) pass_up: bool,
    /// Whether what is kept is not to be sent again.
    pub(crate) forget: bool,
    /// Whether and how the transaction is over.
    pub(crate) end: Option<End>,
}

impl Effects {
    pub(crate) fn arm(&mut self, timer: Timer, after: Duration) {
        self.arm.push((timer, after));
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.disarm.insert(timer);
    }

    /// Starts the timer of a state that only waits, and says whether there is anything to wait for: such a
    /// timer is zero on reliable transports.
    pub(crate) fn linger(&mut self, timer: Timer, after: Duration) -> bool {
        if after.is_zero() {
            self.end = Some(End::Completed);
            return false;
        }
        self.arm(timer, after);
        true
    }
}

/// The timings as they are over one hop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace<'a> {
    /// The timer values.
    pub(crate) timings: &'a Timings,
    /// Whether the transport is reliable.
    pub(crate) reliable: bool,
    /// Whether an INVITE is answered 100 at once.
    pub(crate) trying_at_once: bool,
}

impl Pace<'_> {
    /// `wait` over UDP, nothing over reliable transports.
    fn if_unreliable(&self, wait: Duration) -> Duration {
        if self.reliable { Duration::ZERO } else { wait }
    }

    /// The gap after `gap`, where T2 caps it.
    pub(crate) fn capped_double(&self, gap: Duration) -> Duration {
        gap.saturating_mul(2).min(self.timings.t2)
    }

    pub(crate) fn timer_d(&self) -> Duration {
        self.if_unreliable(self.timings.timer_d)
    }

    /// Timers I and K.
    pub(crate) fn network_clears(&self) -> Duration {
        self.if_unreliable(self.timings.t4)
    }

    pub(crate) fn timer_j(&self) -> Duration {
        self.if_unreliable(self.timings.timeout())
    }
}
