//! The client of an INVITE (RFC 3261 §17.1.1 as corrected by RFC 6026).
//!
//! Not here: the ACK to a 2xx, which belongs to the dialog.

use super::{ClientStimulus, Effects, Pace, Send, Timer};
use crate::End;
use std::time::Duration;

/// The state of one INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InviteClient {
    /// No response yet.
    Calling {
        /// What timer A waits the next time.
        gap: Duration,
        /// Whether a CANCEL waits for a provisional response.
        cancel: bool,
    },
    /// A provisional response came.
    Proceeding {
        /// Whether a CANCEL was sent.
        cancelled: bool,
    },
    /// A failure came and is acknowledged.
    Completed,
    /// A 2xx came; more may (RFC 6026 §7.2).
    Accepted,
    /// Over.
    Terminated,
}

impl InviteClient {
    /// Before [`ClientStimulus::Start`].
    pub(crate) const NEW: Self = Self::Calling { gap: Duration::ZERO, cancel: false };

    /// Takes one step. Total: every stimulus has an answer in every state.
    pub(crate) fn step(self, on: ClientStimulus, pace: &Pace<'_>, effects: &mut Effects) -> Self {
        match (self, on) {
            (Self::Calling { .. }, ClientStimulus::Start) => {
                effects.send = Send::Kept;
                if !pace.reliable {
                    effects.arm(Timer::A, pace.timings.t1);
                }
                effects.arm(Timer::B, pace.timings.timeout());
                Self::Calling { gap: pace.timings.t1.saturating_mul(2), cancel: false }
            }
            (Self::Calling { gap, cancel }, ClientStimulus::Timer(Timer::A)) => {
                effects.send = Send::Kept;
                effects.arm(Timer::A, gap);
                // §17.1.1.2: doubles without a cap; timer B ends it.
                Self::Calling { gap: gap.saturating_mul(2), cancel }
            }
            (Self::Calling { .. }, ClientStimulus::Timer(Timer::B)) => self.over(End::TimedOut, effects),
            // §9.1: no CANCEL before the peer has shown that it has the request.
            (Self::Calling { gap, .. }, ClientStimulus::Cancel) => Self::Calling { gap, cancel: true },
            (Self::Proceeding { cancelled: false }, ClientStimulus::Cancel) => self.cancel(pace, effects),
            (Self::Proceeding { cancelled: true }, ClientStimulus::Timer(Timer::Cancelled)) => {
                self.over(End::TimedOut, effects)
            }
            (Self::Calling { .. } | Self::Proceeding { .. }, ClientStimulus::Response(status)) => {
                effects.pass_up = true;
                if status.is_provisional() {
                    return self.proceed(pace, effects);
                }
                self.disarm(effects);
                effects.disarm(Timer::Cancelled);
                if status.is_success() {
                    effects.arm(Timer::M, pace.timings.timeout());
                    return Self::Accepted;
                }
                effects.send = Send::Ack;
                if effects.linger(Timer::D, pace.timer_d()) { Self::Completed } else { Self::Terminated }
            }
            // §17.1.1.2: a retransmitted failure is acknowledged again and not passed up.
            (Self::Completed, ClientStimulus::Response(status))
                if status.is_final() && !status.is_success() =>
            {
                effects.send = Send::Kept;
                self
            }
            (Self::Completed, ClientStimulus::Timer(Timer::D))
            | (Self::Accepted, ClientStimulus::Timer(Timer::M)) => self.over(End::Completed, effects),
            (Self::Accepted, ClientStimulus::Response(status)) => {
                effects.pass_up = status.is_success();
                self
            }
            // In Proceeding the request has arrived, and in Accepted nothing is sent (RFC 6026 §8.4).
            (Self::Calling { .. } | Self::Completed, ClientStimulus::TransportFailed(reason)) => {
                self.over(End::TransportFailed(reason), effects)
            }
            (
                Self::Proceeding { .. } | Self::Accepted | Self::Completed | Self::Terminated,
                ClientStimulus::Start
                | ClientStimulus::Response(_)
                | ClientStimulus::Cancel
                | ClientStimulus::Timer(_)
                | ClientStimulus::TransportFailed(_),
            )
            | (Self::Calling { .. }, ClientStimulus::Timer(_)) => self,
        }
    }

    /// Whether there is something that a CANCEL could end.
    pub(crate) fn can_cancel(self) -> bool {
        matches!(self, Self::Calling { .. } | Self::Proceeding { .. })
    }

    fn proceed(self, pace: &Pace<'_>, effects: &mut Effects) -> Self {
        match self {
            Self::Calling { cancel, .. } => {
                self.disarm(effects);
                let proceeding = Self::Proceeding { cancelled: false };
                if cancel { proceeding.cancel(pace, effects) } else { proceeding }
            }
            Self::Proceeding { .. } | Self::Completed | Self::Accepted | Self::Terminated => self,
        }
    }

    /// §9.1: 64·T1 after the CANCEL the INVITE is given up, answered or not.
    fn cancel(self, pace: &Pace<'_>, effects: &mut Effects) -> Self {
        effects.cancel = true;
        effects.arm(Timer::Cancelled, pace.timings.timeout());
        Self::Proceeding { cancelled: true }
    }

    fn disarm(self, effects: &mut Effects) {
        effects.disarm(Timer::A);
        effects.disarm(Timer::B);
    }

    fn over(self, end: End, effects: &mut Effects) -> Self {
        effects.end = Some(end);
        Self::Terminated
    }
}
