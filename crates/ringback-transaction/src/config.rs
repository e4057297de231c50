//! What a deployment decides: timings, limits, the addresses we write into Via.

use crate::Locals;
use std::time::Duration;

/// The timer values of RFC 3261 (Table 4), from which all lettered timers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// The estimated round trip, 500 ms: base of all retransmission.
    pub t1: Duration,
    /// The longest gap between retransmissions but of INVITE, 4 s.
    pub t2: Duration,
    /// How long a message may stay in the network, 5 s.
    pub t4: Duration,
    /// How long an INVITE client absorbs retransmitted failures over UDP, 32 s at least (timer D).
    pub timer_d: Duration,
    /// How long the user of an INVITE server transaction may be silent before 100 is sent for it: 200 ms
    /// (§17.2.1).
    pub trying_after: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            timer_d: Duration::from_secs(32),
            trying_after: Duration::from_millis(200),
        }
    }
}

impl Timings {
    /// 64·T1: what timers B, F, H, J, L and M wait, 32 s.
    pub fn timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// How long after its request a peer's timer E has reached T2: 3.5 s. No 100 to a non-INVITE request goes
    /// over an unreliable transport before (RFC 4320 §4.1).
    pub fn peer_slowed_down(&self) -> Duration {
        let (mut gap, mut passed) = (self.t1, Duration::ZERO);
        while !gap.is_zero() && gap < self.t2 {
            passed = passed.saturating_add(gap);
            gap = gap.saturating_mul(2);
        }
        passed
    }
}

/// How a transaction layer is set up.
#[derive(Clone, Debug)]
pub struct TransactionConfig {
    /// Timer values.
    pub timings: Timings,
    /// At most so many client transactions; beyond it [`RequestError::Overload`](crate::RequestError::Overload).
    /// The CANCELs that the layer sends itself, at most one for each INVITE, come on top.
    pub max_client: usize,
    /// At most so many server transactions; beyond it a request is answered 503 without one.
    pub max_server: usize,
    /// What Retry-After says in that 503, in seconds.
    pub retry_after: u32,
    /// Whether INVITE is answered 100 at once, instead of after [`Timings::trying_after`] or when it comes again before,
    /// whichever is first. Where those who are called are quick, that is one message more for each call.
    pub trying_at_once: bool,
    /// Whether REGISTER offers keep-alives, by `keep` in its Via (RFC 6223).
    pub keep_alive: bool,
    /// What is written into Via, and what is recognised there.
    pub locals: Locals,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            timings: Timings::default(),
            max_client: 200_000,
            max_server: 200_000,
            retry_after: 10,
            trying_at_once: false,
            keep_alive: false,
            locals: Locals::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_reaches_t2_after_seven_t1() {
        assert_eq!(Timings::default().peer_slowed_down(), Duration::from_millis(3_500));
        let odd = Timings { t1: Duration::from_secs(3), ..Timings::default() };
        assert_eq!(odd.peer_slowed_down(), Duration::from_secs(3));
        let zero = Timings { t1: Duration::ZERO, ..Timings::default() };
        assert_eq!(zero.peer_slowed_down(), Duration::ZERO);
    }
}
