//! Server transactions for INVITE (RFC 3261 §17.2.1 as corrected by RFC 6026 §7.1).
//!
//! Not here: the repetition of a 2xx until its ACK, which belongs to the dialog.

use crate::effects::{Effects, Stimulus, Timer};
use crate::{End, Timings};
use std::time::Duration;

/// The state of one INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteServer {
    /// No final response yet.
    Proceeding,
    /// A 2xx was sent; the core may send more.
    Accepted,
    /// Another final response was sent and waits for its ACK. Holds the interval of Timer G.
    Completed(Duration),
    /// The ACK came; its repetitions are absorbed.
    Confirmed,
    /// Over.
    Terminated,
}

impl InviteServer {
    /// Takes the request. `at_once` sends 100 without waiting, as proxies do.
    pub fn start(at_once: bool, timings: &Timings, effects: &mut Effects) -> Self {
        effects.pass = true;
        if at_once {
            effects.trying = true;
        } else {
            // Rule 7: 100 when the core is silent for 200 ms.
            effects.arm(Timer::Trying, timings.trying_after);
        }
        Self::Proceeding
    }

    /// Takes one step. Total: every stimulus has an answer in every state.
    pub fn step(self, on: Stimulus, reliable: bool, timings: &Timings, effects: &mut Effects) -> Self {
        match (self, on) {
            // Rule 7: the last provisional response is repeated.
            (Self::Proceeding, Stimulus::Request) => {
                effects.retransmit = true;
                self
            }
            (Self::Proceeding, Stimulus::Timer(Timer::Trying)) => {
                effects.trying = true;
                self
            }
            (Self::Proceeding, Stimulus::Send(status)) => {
                effects.transmit = true;
                effects.disarm(Timer::Trying);
                if status.is_provisional() {
                    return self;
                }
                if status.is_success() {
                    effects.arm(Timer::L, timings.timeout());
                    return Self::Accepted;
                }
                // Rule 7: Timer G repeats the response on unreliable transports only.
                if !reliable {
                    effects.arm(Timer::G, timings.t1);
                }
                effects.arm(Timer::H, timings.timeout());
                Self::Completed(timings.t1)
            }
            // Rule 8: repetitions of the request are absorbed, the ACK and each further 2xx pass.
            (Self::Accepted, Stimulus::Ack) => {
                effects.pass = true;
                self
            }
            (Self::Accepted, Stimulus::Send(status)) => {
                effects.transmit = status.is_success();
                self
            }
            (Self::Accepted, Stimulus::Timer(Timer::L)) => self.end(End::Completed, effects),
            (Self::Completed(_), Stimulus::Request) => {
                effects.retransmit = true;
                self
            }
            (Self::Completed(interval), Stimulus::Timer(Timer::G)) => {
                effects.retransmit = true;
                effects.arm(Timer::G, timings.doubled(interval));
                Self::Completed(timings.doubled(interval))
            }
            (Self::Completed(_), Stimulus::Ack) => {
                effects.disarm(Timer::G);
                effects.disarm(Timer::H);
                if reliable {
                    return self.end(End::Completed, effects);
                }
                effects.arm(Timer::I, timings.t4);
                Self::Confirmed
            }
            (Self::Completed(_), Stimulus::Timer(Timer::H)) => self.end(End::TimedOut, effects),
            (Self::Confirmed, Stimulus::Timer(Timer::I)) => self.end(End::Completed, effects),
            (Self::Proceeding | Self::Completed(_), Stimulus::TransportError(reason)) => {
                self.end(End::TransportFailed(reason), effects)
            }
            // Rule 8: a transport error does not end Accepted.
            (_, Stimulus::TransportError(_) | Stimulus::Timer(_) | Stimulus::Request | Stimulus::Ack) => self,
            (_, Stimulus::Send(_) | Stimulus::Response(_) | Stimulus::Cancel) => self,
        }
    }

    fn end(self, how: End, effects: &mut Effects) -> Self {
        effects.end = Some(how);
        Self::Terminated
    }
}
