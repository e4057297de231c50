//! What a sender remembers of a stream, to send it again to who missed it.

use crate::SequenceNumber;
use crate::number::Unwrap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is sent again may be a fourth of what is sent, so that who asks for everything gets little of it.
const SHARE: usize = 4;
/// So many octets may be sent again in one go: what a burst of losses takes.
const BURST: usize = 64 * 1024;
/// How often one packet is sent again.
const MAX_TIMES: u8 = 8;

/// How much a [`History`] remembers. Whichever is reached first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Packets.
    pub packets: usize,
    /// Octets in all.
    pub octets: usize,
    /// Since when they were sent.
    pub age: Duration,
}

impl Default for HistoryLimits {
    /// A second of 6 Mbit/s at most.
    fn default() -> Self {
        Self { packets: 1_024, octets: 768 * 1024, age: Duration::from_secs(1) }
    }
}

/// The packets of a stream that were sent of late.
#[derive(Clone, Debug)]
pub struct History {
    limits: HistoryLimits,
    unwrap: Unwrap,
    /// By their numbers.
    kept: VecDeque<Kept>,
    octets: usize,
    /// Octets that may be sent again now.
    budget: usize,
    refused: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    sequence: i64,
    sent: Instant,
    /// When it was sent last.
    last: Instant,
    times: u8,
    packet: Vec<u8>,
}

impl History {
    /// Nothing yet.
    pub fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            unwrap: Unwrap::default(),
            kept: VecDeque::new(),
            octets: 0,
            budget: BURST,
            refused: 0,
        }
    }

    /// Remembers a packet that is being sent, as it is before it is encrypted. One that has the number of another is not kept.
    pub fn keep(&mut self, now: Instant, sequence: SequenceNumber, packet: &[u8]) {
        self.forget(now);
        self.budget = (self.budget + packet.len() / SHARE).min(BURST);
        if packet.len() > self.limits.octets || self.limits.packets == 0 {
            return;
        }
        let sequence = self.unwrap.sequence(sequence);
        let Err(place) = self.kept.binary_search_by_key(&sequence, |kept| kept.sequence) else { return };
        self.octets += packet.len();
        self.kept.insert(place, Kept { sequence, sent: now, last: now, times: 0, packet: packet.to_vec() });
        while self.kept.len() > self.limits.packets || self.octets > self.limits.octets {
            self.forget_first();
        }
    }

    /// The packet of that number, to be sent again. `None` where it is forgotten, where it was sent less than `round_trip` ago and so
    /// may still be on its way, and where too much is sent again already.
    pub fn again(&mut self, now: Instant, sequence: SequenceNumber, round_trip: Duration) -> Option<&[u8]> {
        self.forget(now);
        // A question moves nothing: who asks could send the numbers anywhere.
        let sequence = self.unwrap.clone().sequence(sequence);
        let found = self.kept.binary_search_by_key(&sequence, |kept| kept.sequence).ok()?;
        let kept = self.kept.get_mut(found)?;
        let is_on_its_way = kept.times > 0 && now < kept.last + round_trip;
        if is_on_its_way || kept.times >= MAX_TIMES || kept.packet.len() > self.budget {
            self.refused += 1;
            return None;
        }
        self.budget -= kept.packet.len();
        (kept.last, kept.times) = (now, kept.times + 1);
        Some(&kept.packet)
    }

    /// How many packets are remembered.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How often a packet that is remembered was asked for and not sent.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn forget(&mut self, now: Instant) {
        while self.kept.front().is_some_and(|kept| now > kept.sent + self.limits.age) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(kept) = self.kept.pop_front() {
            self.octets -= kept.packet.len();
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(40);

    fn filled(now: Instant, numbers: impl IntoIterator<Item = u16>) -> History {
        let mut history = History::new(HistoryLimits::default());
        for number in numbers {
            history.keep(now, SequenceNumber(number), &[number as u8; 100]);
        }
        history
    }

    #[test]
    fn packets_are_found_by_their_numbers_also_where_these_wrap() {
        let now = Instant::now();
        // One is sent late, as when it was late itself where it comes from.
        let mut history = filled(now, [65_534, 65_535, 1, 2, 0]);
        for number in [65_534, 65_535, 0, 1, 2] {
            assert_eq!(
                history.again(now, SequenceNumber(number), ROUND_TRIP),
                Some(&[number as u8; 100][..])
            );
        }
        for number in [65_533, 3, 30_000] {
            assert_eq!(history.again(now, SequenceNumber(number), ROUND_TRIP), None);
        }
        assert_eq!((history.len(), history.refused()), (5, 0));
    }

    #[test]
    fn a_packet_that_may_be_on_its_way_is_not_sent_again() {
        let now = Instant::now();
        let mut history = filled(now, [5]);
        assert!(history.again(now, SequenceNumber(5), ROUND_TRIP).is_some());
        assert!(history.again(now + ROUND_TRIP / 2, SequenceNumber(5), ROUND_TRIP).is_none());
        assert!(history.again(now + ROUND_TRIP, SequenceNumber(5), ROUND_TRIP).is_some());
        assert_eq!(history.refused(), 1);
    }

    #[test]
    fn who_asks_for_everything_gets_a_part_of_it() {
        let mut now = Instant::now();
        let mut history = History::new(HistoryLimits::default());
        let (mut sent, mut again) = (0, 0);
        for number in 0..10_000u16 {
            now += Duration::from_millis(1);
            history.keep(now, SequenceNumber(number), &[0; 1_000]);
            sent += 1_000;
            for asked in number.saturating_sub(50)..=number {
                again += history.again(now, SequenceNumber(asked), Duration::ZERO).map_or(0, <[u8]>::len);
            }
        }
        assert!(again <= sent / SHARE + BURST, "{again} of {sent}");
        assert!(history.refused() > 100_000);
    }

    #[test]
    fn memory_is_bounded_by_packets_octets_and_age() {
        let now = Instant::now();
        let mut history =
            History::new(HistoryLimits { packets: 10, octets: 5_000, age: Duration::from_secs(1) });
        (0..100).for_each(|number| history.keep(now, SequenceNumber(number), &[0; 100]));
        assert_eq!(history.len(), 10);
        (100..200).for_each(|number| history.keep(now, SequenceNumber(number), &[0; 1_000]));
        assert_eq!(history.len(), 5);
        history.keep(now, SequenceNumber(200), &[0; 6_000]);
        assert_eq!(history.len(), 5);
        history.keep(now + Duration::from_millis(1_001), SequenceNumber(201), &[0; 10]);
        assert_eq!(history.len(), 1);
    }
}
