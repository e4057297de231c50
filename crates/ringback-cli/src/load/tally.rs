//! What is counted while calls are made.

use super::histogram::Histogram;
use ringback_message::StatusCode;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// Why a call, or a request, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Refused with this status.
    Refused(StatusCode),
    /// No final response came: timer B or F.
    TimedOut,
    /// It rang, or went on being tried, for too long, and was cancelled.
    Unanswered,
    /// It could not be sent, or the connection broke.
    Unreachable,
    /// There was no room for it, or it could not be written.
    NotSent,
    /// The BYE was refused with this status.
    ByeRefused(StatusCode),
    /// The BYE had no answer.
    ByeTimedOut,
    /// The 2xx was not acknowledged: timer H of the callee.
    NoAck,
    /// The caller took it back before it was answered.
    Cancelled,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "{status} {}", status.reason()),
            Self::TimedOut => f.write_str("no response in time"),
            Self::Unanswered => f.write_str("not answered in time, cancelled"),
            Self::Unreachable => f.write_str("could not be reached"),
            Self::NotSent => f.write_str("could not be sent"),
            Self::ByeRefused(status) => write!(f, "BYE: {status} {}", status.reason()),
            Self::ByeTimedOut => f.write_str("BYE: no response in time"),
            Self::NoAck => f.write_str("2xx not acknowledged"),
            Self::Cancelled => f.write_str("cancelled by the caller"),
        }
    }
}

/// What happened since it was last taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Calls begun, or requests that are not part of one.
    pub(crate) placed: u64,
    /// When the first of them was, and the last.
    pub(crate) between: Option<(Instant, Instant)>,
    /// Those with a 2xx.
    pub(crate) answered: u64,
    /// Those that came to a good end.
    pub(crate) done: u64,
    /// The others.
    pub(crate) failed: BTreeMap<Cause, u64>,
    /// Of those that came to a good end, the ones that the other side ended.
    pub(crate) ended_by_peer: u64,
    /// Taken back because the user wanted to stop.
    pub(crate) given_up: u64,
    /// Messages of ours that were sent again.
    pub(crate) retransmissions: u64,
    /// How long each step took; what they are is told by [`Role::steps`].
    pub(crate) steps: [Histogram; 3],
}

impl Tally {
    /// Counts one that begins.
    pub(crate) fn place(&mut self, now: Instant) {
        self.placed += 1;
        self.span((now, now));
    }

    fn span(&mut self, (first, last): (Instant, Instant)) {
        let (earlier, later) = self.between.unwrap_or((first, last));
        self.between = Some((earlier.min(first), later.max(last)));
    }

    pub(crate) fn fail(&mut self, cause: Cause) {
        *self.failed.entry(cause).or_default() += 1;
    }

    /// How many failed, whatever the cause.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.placed += other.placed;
        if let Some(between) = other.between {
            self.span(between);
        }
        self.answered += other.answered;
        self.done += other.done;
        self.ended_by_peer += other.ended_by_peer;
        self.given_up += other.given_up;
        self.retransmissions += other.retransmissions;
        for (cause, count) in &other.failed {
            *self.failed.entry(*cause).or_default() += count;
        }
        for (own, others) in self.steps.iter_mut().zip(&other.steps) {
            own.merge(others);
        }
    }
}

/// What a run does, which decides how its figures are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Makes calls.
    Caller,
    /// Sends requests that are not part of a call.
    Requester,
    /// Answers.
    Answerer,
}

impl Role {
    /// The steps that are timed: a name for programs, and one for people.
    pub(crate) fn steps(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Caller => {
                &[("ringing", "INVITE to 180"), ("answer", "INVITE to 200"), ("bye", "BYE to 200")]
            }
            Self::Requester => &[("answer", "request to 200")],
            Self::Answerer => &[("ack", "200 to ACK"), ("call", "200 to BYE")],
        }
    }

    /// Which of them is drawn over time.
    pub(crate) fn drawn(self) -> usize {
        match self {
            Self::Caller => ANSWER,
            Self::Requester => REQUEST,
            Self::Answerer => ACK,
        }
    }

    /// A word for what is counted.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Caller | Self::Answerer => "calls",
            Self::Requester => "requests",
        }
    }
}

/// Steps of a caller.
pub(crate) const RINGING: usize = 0;
pub(crate) const ANSWER: usize = 1;
pub(crate) const BYE: usize = 2;
/// The step of a single request.
pub(crate) const REQUEST: usize = 0;
/// Steps of a callee.
pub(crate) const ACK: usize = 0;
pub(crate) const CALL: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_second_by_second_adds_up() {
        let mut total = Tally::default();
        for status in [StatusCode::BUSY_HERE, StatusCode::BUSY_HERE, StatusCode::NOT_FOUND] {
            let mut second = Tally { placed: 2, answered: 1, done: 1, ..Tally::default() };
            second.fail(Cause::Refused(status));
            total.merge(&second);
        }
        assert_eq!((total.placed, total.done, total.failures()), (6, 3, 3));
        assert_eq!(total.failed[&Cause::Refused(StatusCode::BUSY_HERE)], 2);
        assert_eq!(Cause::Refused(StatusCode::BUSY_HERE).to_string(), "486 Busy Here");
    }
}
