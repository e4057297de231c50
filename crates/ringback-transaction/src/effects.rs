//! What moves a machine, and what it wants done.

use crate::End;
use ringback_message::StatusCode;
use ringback_sansio::CloseReason;
use smallvec::SmallVec;
use std::time::Duration;

/// The timers of RFC 3261 Table 4 and RFC 6026, and two of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the letters are the RFC's")]
pub enum Timer {
    A,
    B,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    L,
    M,
    /// The core was silent long enough for a 100.
    Trying,
    /// A CANCEL was sent and the INVITE must end (RFC 3261 §9.1).
    Cancel,
}

/// What can happen to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stimulus {
    /// A response arrived.
    Response(StatusCode),
    /// The request arrived again.
    Request,
    /// An ACK arrived.
    Ack,
    /// The core answers.
    Send(StatusCode),
    /// The core has cancelled and the CANCEL is on its way.
    Cancel,
    /// A timer fired.
    Timer(Timer),
    /// What was sent cannot arrive.
    TransportError(CloseReason),
}

/// What a step wants done, in this order: transmit, tell, timers, end.
#[derive(Debug, Default)]
pub struct Effects {
    /// Send the message at hand.
    pub transmit: bool,
    /// Send again what was sent last.
    pub retransmit: bool,
    /// Acknowledge the final response at hand.
    pub acknowledge: bool,
    /// Tell the core of the message at hand.
    pub pass: bool,
    /// Send a 100 of our own.
    pub trying: bool,
    /// Timers to set, or to stop where there is no duration.
    pub timers: SmallVec<[(Timer, Option<Duration>); 4]>,
    /// The transaction is over.
    pub end: Option<End>,
}

impl Effects {
    pub(crate) fn arm(&mut self, timer: Timer, after: Duration) {
        self.timers.push((timer, Some(after)));
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.timers.push((timer, None));
    }
}
