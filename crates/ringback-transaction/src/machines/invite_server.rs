//! The server of an INVITE (RFC 3261 §17.2.1 as corrected by RFC 6026).
//!
//! Not here: matching a message to its transaction (see [`crate::table`]), retransmission of a 2xx and the ACK
//! to it, which belong to the dialog.

use super::{Effects, Pace, Send, ServerStimulus, Timer};
use crate::End;
use ringback_message::StatusCode;
use std::time::Duration;

/// The state of one INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InviteServer {
    /// No final response yet.
    Proceeding,
    /// The user sent a 2xx; retransmitted INVITEs are absorbed (RFC 6026 §7.1).
    Accepted,
    /// The user sent a failure, and no ACK came yet.
    Completed {
        /// What timer G waits the next time.
        gap: Duration,
    },
    /// The ACK came; copies of it are absorbed.
    Confirmed,
    /// Over.
    Terminated,
}

impl InviteServer {
    /// Before [`ServerStimulus::Start`].
    pub(crate) const NEW: Self = Self::Proceeding;

    /// Takes one step. Total: every stimulus has an answer in every state.
    pub(crate) fn step(self, on: ServerStimulus, pace: &Pace<'_>, effects: &mut Effects) -> Self {
        match (self, on) {
            (Self::Proceeding, ServerStimulus::Start) => {
                if pace.trying_at_once {
                    effects.send = Send::Trying;
                } else {
                    effects.arm(Timer::Trying, pace.timings.trying_after);
                }
                self
            }
            (Self::Proceeding, ServerStimulus::Timer(Timer::Trying)) => {
                effects.send = Send::Trying;
                self
            }
            (Self::Proceeding, ServerStimulus::Respond(status)) => {
                effects.disarm(Timer::Trying);
                effects.send = Send::Response;
                if status.is_provisional() {
                    return self;
                }
                if status.is_success() {
                    effects.arm(Timer::L, pace.timings.timeout());
                    return Self::Accepted;
                }
                if !pace.reliable {
                    effects.arm(Timer::G, pace.timings.t1);
                }
                effects.arm(Timer::H, pace.timings.timeout());
                Self::Completed { gap: pace.capped_double(pace.timings.t1) }
            }
            (Self::Proceeding | Self::Completed { .. }, ServerStimulus::Retransmission) => {
                effects.send = Send::Kept;
                self
            }
            // RFC 6026 §7.1: every 2xx that the user hands over goes out; it is the user who repeats them.
            (Self::Accepted, ServerStimulus::Respond(status)) if status.is_success() => {
                effects.send = Send::Response;
                self
            }
            (Self::Accepted, ServerStimulus::Ack) => {
                effects.pass_up = true;
                self
            }
            (Self::Accepted, ServerStimulus::Timer(Timer::L))
            | (Self::Confirmed, ServerStimulus::Timer(Timer::I)) => self.over(End::Completed, effects),
            (Self::Completed { gap }, ServerStimulus::Timer(Timer::G)) => {
                effects.send = Send::Kept;
                effects.arm(Timer::G, gap);
                Self::Completed { gap: pace.capped_double(gap) }
            }
            (Self::Completed { .. }, ServerStimulus::Timer(Timer::H)) => self.over(End::TimedOut, effects),
            (Self::Completed { .. }, ServerStimulus::Ack) => {
                effects.disarm(Timer::G);
                effects.disarm(Timer::H);
                let lingers = effects.linger(Timer::I, pace.network_clears());
                if lingers { Self::Confirmed } else { Self::Terminated }
            }
            // Rule 8: in Accepted the user goes on trying, for the peer may come back.
            (Self::Proceeding | Self::Completed { .. }, ServerStimulus::TransportFailed(reason)) => {
                self.over(End::TransportFailed(reason), effects)
            }
            (
                Self::Proceeding
                | Self::Accepted
                | Self::Completed { .. }
                | Self::Confirmed
                | Self::Terminated,
                ServerStimulus::Start
                | ServerStimulus::Retransmission
                | ServerStimulus::Ack
                | ServerStimulus::Respond(_)
                | ServerStimulus::Timer(_)
                | ServerStimulus::TransportFailed(_),
            ) => self,
        }
    }

    /// Whether the user may send such a response now.
    pub(crate) fn takes(self, status: StatusCode) -> bool {
        match self {
            Self::Proceeding => true,
            Self::Accepted => status.is_success(),
            Self::Completed { .. } | Self::Confirmed | Self::Terminated => false,
        }
    }

    fn over(self, end: End, effects: &mut Effects) -> Self {
        effects.end = Some(end);
        Self::Terminated
    }
}
