//! The server of any request but INVITE and ACK (RFC 3261 §17.2.2 as changed by RFC 4320).

use super::{Effects, Pace, Send, ServerStimulus, Timer};
use crate::End;
use ringback_message::StatusCode;

/// The state of one non-INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonInviteServer {
    /// Nothing was sent yet.
    Trying,
    /// A 100 was sent.
    Proceeding,
    /// The user gave its final response, which is repeated when the request comes again.
    Completed,
    /// Over.
    Terminated,
}

impl NonInviteServer {
    /// Before [`ServerStimulus::Start`].
    pub(crate) const NEW: Self = Self::Trying;

    /// Takes one step. Total: every stimulus has an answer in every state.
    pub(crate) fn step(self, on: ServerStimulus, pace: &Pace<'_>, effects: &mut Effects) -> Self {
        match (self, on) {
            (Self::Trying, ServerStimulus::Start) => {
                // RFC 4320 §4.1: 100 must go once the peer has slowed down to T2, and over UDP not before.
                effects.arm(Timer::Trying, pace.timings.peer_slowed_down());
                // By then the peer's timer F has fired, and nobody waits for an answer (RFC 4320 §4.2).
                effects.arm(Timer::Abandoned, pace.timings.timeout());
                self
            }
            (Self::Trying, ServerStimulus::Timer(Timer::Trying)) => {
                effects.send = Send::Trying;
                Self::Proceeding
            }
            (Self::Trying, ServerStimulus::Respond(StatusCode::TRYING)) if pace.reliable => {
                effects.disarm(Timer::Trying);
                effects.send = Send::Response;
                Self::Proceeding
            }
            // RFC 4320 §4.1: no provisional response but 100, and that not early; the timer sends it.
            (Self::Trying | Self::Proceeding, ServerStimulus::Respond(status)) if status.is_provisional() => {
                self
            }
            (Self::Trying | Self::Proceeding, ServerStimulus::Respond(status)) => {
                effects.disarm(Timer::Trying);
                effects.disarm(Timer::Abandoned);
                // RFC 4320 §4.2: a 408 would come too late, where it is not lost among others of its kind.
                if status == StatusCode::REQUEST_TIMEOUT {
                    effects.forget = true;
                } else {
                    effects.send = Send::Response;
                }
                if effects.linger(Timer::J, pace.timer_j()) { Self::Completed } else { Self::Terminated }
            }
            (Self::Proceeding | Self::Completed, ServerStimulus::Retransmission) => {
                effects.send = Send::Kept;
                self
            }
            (Self::Trying | Self::Proceeding, ServerStimulus::Timer(Timer::Abandoned)) => {
                self.over(End::TimedOut, effects)
            }
            (Self::Completed, ServerStimulus::Timer(Timer::J)) => self.over(End::Completed, effects),
            (Self::Trying | Self::Proceeding | Self::Completed, ServerStimulus::TransportFailed(reason)) => {
                self.over(End::TransportFailed(reason), effects)
            }
            (
                Self::Trying | Self::Proceeding | Self::Completed | Self::Terminated,
                ServerStimulus::Start
                | ServerStimulus::Retransmission
                | ServerStimulus::Ack
                | ServerStimulus::Respond(_)
                | ServerStimulus::Timer(_)
                | ServerStimulus::TransportFailed(_),
            ) => self,
        }
    }

    /// Whether the user may send a response now.
    pub(crate) fn takes(self) -> bool {
        matches!(self, Self::Trying | Self::Proceeding)
    }

    fn over(self, end: End, effects: &mut Effects) -> Self {
        effects.end = Some(end);
        Self::Terminated
    }
}
