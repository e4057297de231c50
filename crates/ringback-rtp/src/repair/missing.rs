//! What a receiver misses of a stream, when it asks for that, and when it gives up.

use crate::SequenceNumber;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A gap of more is a stream that begins anew: its numbers are believed when the next packet follows on.
const MAX_GAP: i16 = 1_000;
/// Packets that are asked for at one time. Of a larger gap only a new picture helps.
const MAX_WAITING: usize = 200;
/// Packets overtake each other; what comes within this time was not lost.
const REORDERED: Duration = Duration::from_millis(10);
/// The least time between two questions for the same packet.
const LEAST_PAUSE: Duration = Duration::from_millis(30);
/// How often a packet is asked for.
const MAX_TIMES: u8 = 5;
/// A picture that is so late is of no use.
const PATIENCE: Duration = Duration::from_millis(600);

/// Where a packet stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Behind all that have come before.
    Next,
    /// It was missed, and has come after all.
    Recovered,
    /// It was there before, or is not waited for any more.
    Late,
    /// Its number is far from those before. Whoever sends it might be somebody else; it is not to be used.
    Jump,
    /// The second one after such a jump: the stream goes on here.
    Restart,
}

/// The packets of a stream that a receiver misses.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    highest: Option<SequenceNumber>,
    expected_after_jump: Option<SequenceNumber>,
    /// By their numbers.
    waiting: VecDeque<Gap>,
    given_up: bool,
    lost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    sequence: SequenceNumber,
    since: Instant,
    /// When to ask next.
    due: Instant,
    times: u8,
}

impl Missing {
    /// A stream of which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the number of a packet that came.
    pub fn arrived(&mut self, now: Instant, sequence: SequenceNumber) -> Order {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return Order::Next;
        };
        let ahead = sequence.distance_from(highest);
        if !(-MAX_GAP..=MAX_GAP).contains(&ahead) {
            if self.expected_after_jump != Some(sequence) {
                self.expected_after_jump = Some(sequence.next());
                return Order::Jump;
            }
            let lost = self.lost + self.waiting.len() as u64;
            *self = Self { highest: Some(sequence), given_up: true, lost, ..Self::default() };
            return Order::Restart;
        }
        self.expected_after_jump = None;
        if ahead <= 0 {
            let found = self.waiting.iter().position(|gap| gap.sequence == sequence);
            return match found.and_then(|found| self.waiting.remove(found)) {
                Some(_) => Order::Recovered,
                None => Order::Late,
            };
        }
        self.highest = Some(sequence);
        let gap = usize::from(ahead.unsigned_abs()) - 1;
        if self.waiting.len() + gap > MAX_WAITING {
            self.lost += (self.waiting.len() + gap) as u64;
            self.waiting.clear();
            self.given_up = true;
            return Order::Next;
        }
        let mut missed = highest;
        for _ in 0..gap {
            missed = missed.next();
            self.waiting.push_back(Gap { sequence: missed, since: now, due: now + REORDERED, times: 0 });
        }
        Order::Next
    }

    /// Whether this packet is missed, and waited for.
    pub fn waits_for(&self, sequence: SequenceNumber) -> bool {
        self.waiting.iter().any(|gap| gap.sequence == sequence)
    }

    /// Whether something has to be asked for now; then [`ask`](Self::ask) says what.
    pub fn is_due(&self, now: Instant) -> bool {
        self.poll_timeout().is_some_and(|due| due <= now)
    }

    /// The packets to ask for now, in their order; each is asked for again after `round_trip`, as long as it is of use.
    pub fn ask(&mut self, now: Instant, round_trip: Duration) -> Vec<SequenceNumber> {
        let before = self.waiting.len();
        self.waiting.retain(|gap| {
            gap.due > now || (gap.times < MAX_TIMES && now.saturating_duration_since(gap.since) < PATIENCE)
        });
        let lost = before - self.waiting.len();
        self.lost += lost as u64;
        self.given_up |= lost > 0;
        let mut asked = Vec::new();
        for gap in self.waiting.iter_mut().filter(|gap| gap.due <= now) {
            // A half more than the way takes, so that an answer is not asked for while it is coming.
            gap.due = now + (round_trip + round_trip / 2).clamp(LEAST_PAUSE, PATIENCE);
            gap.times += 1;
            asked.push(gap.sequence);
        }
        asked
    }

    /// When to [`ask`](Self::ask) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.iter().map(|gap| gap.due).min()
    }

    /// Whether something was given up since the last call: what is decoded from here on is broken.
    pub fn has_given_up(&mut self) -> bool {
        std::mem::take(&mut self.given_up)
    }

    /// Packets that were missed for good.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(40);

    fn arrived(missing: &mut Missing, now: Instant, numbers: &[u16]) -> Vec<Order> {
        numbers.iter().map(|number| missing.arrived(now, SequenceNumber(*number))).collect()
    }

    fn asked(missing: &mut Missing, now: Instant) -> Vec<u16> {
        missing.ask(now, ROUND_TRIP).into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn a_gap_is_asked_for_when_nothing_can_have_overtaken_any_more() {
        let now = Instant::now();
        let mut missing = Missing::new();
        use Order::{Late, Next, Recovered};
        assert_eq!(arrived(&mut missing, now, &[65_534, 2, 0, 0]), [Next, Next, Recovered, Late]);
        assert_eq!((asked(&mut missing, now), missing.poll_timeout()), (vec![], Some(now + REORDERED)));
        assert_eq!(asked(&mut missing, now + REORDERED), [65_535, 1]);
        assert_eq!(arrived(&mut missing, now + REORDERED, &[1, 65_535, 3]), [Recovered, Recovered, Next]);
        assert_eq!((missing.poll_timeout(), missing.has_given_up(), missing.lost()), (None, false, 0));
    }

    #[test]
    fn what_does_not_come_is_asked_for_again_and_given_up_in_time() {
        let start = Instant::now();
        let mut missing = Missing::new();
        arrived(&mut missing, start, &[1, 3]);
        let mut times = Vec::new();
        while let Some(due) = missing.poll_timeout() {
            assert!(!missing.has_given_up());
            if asked(&mut missing, due) == [2] {
                times.push((due - start).as_millis());
            }
        }
        assert_eq!(times, [10, 70, 130, 190, 250]);
        assert!(missing.has_given_up() && !missing.has_given_up());
        assert_eq!(missing.lost(), 1);
        assert_eq!(arrived(&mut missing, start, &[2]), [Order::Late]);
    }

    #[test]
    fn a_large_gap_is_not_asked_for() {
        let now = Instant::now();
        let mut missing = Missing::new();
        assert_eq!(arrived(&mut missing, now, &[0, 500]), [Order::Next, Order::Next]);
        assert_eq!((missing.poll_timeout(), missing.has_given_up(), missing.lost()), (None, true, 499));
    }

    #[test]
    fn one_packet_with_a_huge_number_changes_nothing_and_two_begin_anew() {
        let now = Instant::now();
        let mut missing = Missing::new();
        use Order::{Jump, Next, Restart};
        assert_eq!(
            arrived(&mut missing, now, &[10, 30_000, 11, 40_000, 12, 50_000, 50_001, 50_002]),
            [Next, Jump, Next, Jump, Next, Jump, Restart, Next]
        );
        assert!(missing.has_given_up());
        assert_eq!(missing.poll_timeout(), None);
    }
}
