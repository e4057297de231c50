//! The client of any request but INVITE and ACK (RFC 3261 §17.1.2).

use super::{ClientStimulus, Effects, Pace, Send, Timer};
use crate::End;
use std::time::Duration;

/// The state of one non-INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonInviteClient {
    /// No response yet.
    Trying {
        /// What timer E waits the next time.
        gap: Duration,
    },
    /// A provisional response came.
    Proceeding,
    /// A final response came; copies of it are absorbed.
    Completed,
    /// Over.
    Terminated,
}

impl NonInviteClient {
    /// Before [`ClientStimulus::Start`].
    pub(crate) const NEW: Self = Self::Trying { gap: Duration::ZERO };

    /// Takes one step. Total: every stimulus has an answer in every state.
    pub(crate) fn step(self, on: ClientStimulus, pace: &Pace<'_>, effects: &mut Effects) -> Self {
        match (self, on) {
            (Self::Trying { .. }, ClientStimulus::Start) => {
                effects.send = Send::Kept;
                if !pace.reliable {
                    effects.arm(Timer::E, pace.timings.t1);
                }
                effects.arm(Timer::F, pace.timings.timeout());
                Self::Trying { gap: pace.capped_double(pace.timings.t1) }
            }
            (Self::Trying { gap }, ClientStimulus::Timer(Timer::E)) => {
                effects.send = Send::Kept;
                effects.arm(Timer::E, gap);
                Self::Trying { gap: pace.capped_double(gap) }
            }
            // §17.1.2.2: a provisional response slows retransmission down to T2, it does not stop it.
            (Self::Proceeding, ClientStimulus::Timer(Timer::E)) => {
                effects.send = Send::Kept;
                effects.arm(Timer::E, pace.timings.t2);
                self
            }
            (Self::Trying { .. } | Self::Proceeding, ClientStimulus::Timer(Timer::F)) => {
                self.over(End::TimedOut, effects)
            }
            (Self::Trying { .. } | Self::Proceeding, ClientStimulus::Response(status)) => {
                effects.pass_up = true;
                if status.is_provisional() {
                    return Self::Proceeding;
                }
                effects.disarm(Timer::E);
                effects.disarm(Timer::F);
                let lingers = effects.linger(Timer::K, pace.network_clears());
                if lingers { Self::Completed } else { Self::Terminated }
            }
            (Self::Trying { .. } | Self::Proceeding, ClientStimulus::TransportFailed(reason)) => {
                self.over(End::TransportFailed(reason), effects)
            }
            (Self::Completed, ClientStimulus::Timer(Timer::K)) => self.over(End::Completed, effects),
            // A CANCEL for it would be of no use (§9.1).
            (
                Self::Trying { .. } | Self::Proceeding | Self::Completed | Self::Terminated,
                ClientStimulus::Start
                | ClientStimulus::Response(_)
                | ClientStimulus::Cancel
                | ClientStimulus::Timer(_)
                | ClientStimulus::TransportFailed(_),
            ) => self,
        }
    }

    fn over(self, end: End, effects: &mut Effects) -> Self {
        effects.end = Some(end);
        Self::Terminated
    }
}
