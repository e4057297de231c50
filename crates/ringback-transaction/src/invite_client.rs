//! Client transactions for INVITE (RFC 3261 §17.1.1 as corrected by RFC 6026 §7.2).
//!
//! Not here: the ACK to a 2xx, which belongs to the dialog.

use crate::effects::{Effects, Stimulus, Timer};
use crate::{End, Timings};
use std::time::Duration;

/// The state of one INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteClient {
    /// Sent, nothing heard. Holds the interval of Timer A.
    Calling(Duration),
    /// A provisional response came.
    Proceeding,
    /// A 2xx came; more may, from other branches of a fork.
    Accepted,
    /// Another final response came and was acknowledged.
    Completed,
    /// Over.
    Terminated,
}

impl InviteClient {
    /// Sends the request.
    pub fn start(reliable: bool, timings: &Timings, effects: &mut Effects) -> Self {
        effects.transmit = true;
        // Rule 3: Timer A runs on unreliable transports only.
        if !reliable {
            effects.arm(Timer::A, timings.t1);
        }
        effects.arm(Timer::B, timings.timeout());
        Self::Calling(timings.t1)
    }

    /// Whether a CANCEL may be sent: a provisional response came, and no final one (RFC 3261 §9.1).
    pub fn may_cancel(self) -> bool {
        self == Self::Proceeding
    }

    /// Takes one step. Total: every stimulus has an answer in every state.
    pub fn step(self, on: Stimulus, reliable: bool, timings: &Timings, effects: &mut Effects) -> Self {
        match (self, on) {
            (Self::Calling(interval), Stimulus::Timer(Timer::A)) => {
                // Rule 3: doubled without a cap.
                effects.retransmit = true;
                effects.arm(Timer::A, interval * 2);
                Self::Calling(interval * 2)
            }
            (Self::Calling(_), Stimulus::Timer(Timer::B)) => self.end(End::TimedOut, effects),
            (Self::Calling(_) | Self::Proceeding, Stimulus::Response(status)) => {
                effects.pass = true;
                effects.disarm(Timer::A);
                effects.disarm(Timer::B);
                if status.is_provisional() {
                    return Self::Proceeding;
                }
                effects.disarm(Timer::Cancel);
                if status.is_success() {
                    effects.arm(Timer::M, timings.timeout());
                    return Self::Accepted;
                }
                effects.acknowledge = true;
                // Rule 6: at least 32 s where retransmissions can come, not at all where none can.
                if reliable {
                    return self.end(End::Completed, effects);
                }
                effects.arm(Timer::D, timings.timer_d);
                Self::Completed
            }
            // Rule 13: no final response within 64·T1 after CANCEL, and the INVITE is given up.
            (Self::Proceeding, Stimulus::Cancel) => {
                effects.arm(Timer::Cancel, timings.timeout());
                self
            }
            (Self::Proceeding, Stimulus::Timer(Timer::Cancel)) => self.end(End::TimedOut, effects),
            (Self::Accepted, Stimulus::Response(status)) => {
                // Rule 5: every 2xx goes to the core, whatever its To tag.
                effects.pass = status.is_success();
                self
            }
            (Self::Accepted, Stimulus::Timer(Timer::M)) => self.end(End::Completed, effects),
            (Self::Completed, Stimulus::Response(status)) => {
                effects.acknowledge = status.is_final() && !status.is_success();
                self
            }
            (Self::Completed, Stimulus::Timer(Timer::D)) => self.end(End::Completed, effects),
            (Self::Calling(_) | Self::Proceeding | Self::Completed, Stimulus::TransportError(reason)) => {
                self.end(End::TransportFailed(reason), effects)
            }
            (_, Stimulus::Request | Stimulus::Ack | Stimulus::Send(_)) => self,
            (
                _,
                Stimulus::Timer(_) | Stimulus::TransportError(_) | Stimulus::Cancel | Stimulus::Response(_),
            ) => self,
        }
    }

    fn end(self, how: End, effects: &mut Effects) -> Self {
        effects.end = Some(how);
        Self::Terminated
    }
}
