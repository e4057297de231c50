//! Packets that never came, from what later ones repeat of them (RFC 2198).

use super::{JitterBuffer, MAX_PAYLOAD, Waiting};
use crate::{PayloadType, RtpTime, SequenceNumber};

/// What a later packet repeats of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated<'a> {
    /// The number of the earlier packet.
    pub sequence: SequenceNumber,
    /// When its first sample was taken.
    pub time: RtpTime,
    /// What its payload is.
    pub payload_type: PayloadType,
    /// Its payload.
    pub payload: &'a [u8],
    /// How long it plays, in ticks.
    pub duration: u32,
}

/// Which of the last 64 numbers have come, and which were put in from later packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    highest: Option<i64>,
    came: u64,
    recovered: u64,
}

impl Seen {
    /// Notes a number that came by itself; says whether it was put in before.
    pub(super) fn comes(&mut self, sequence: i64) -> bool {
        let Some(bit) = self.bit(sequence) else { return false };
        self.came |= bit;
        let was_recovered = self.recovered & bit != 0;
        self.recovered &= !bit;
        was_recovered
    }

    /// Notes a number that is put in; says whether it had been missing.
    fn recover(&mut self, sequence: i64) -> bool {
        let is_behind = self.highest.is_some_and(|highest| sequence < highest);
        let Some(bit) = self.bit(sequence).filter(|_| is_behind) else { return false };
        let was_missing = (self.came | self.recovered) & bit == 0;
        self.recovered |= if was_missing { bit } else { 0 };
        was_missing
    }

    /// Where a number stands; `None` of one that is too old.
    fn bit(&mut self, sequence: i64) -> Option<u64> {
        let highest = *self.highest.get_or_insert(sequence);
        if sequence > highest {
            let step = u32::try_from(sequence - highest).unwrap_or(u32::MAX);
            self.came = self.came.checked_shl(step).unwrap_or(0);
            self.recovered = self.recovered.checked_shl(step).unwrap_or(0);
            self.highest = Some(sequence);
            return Some(1);
        }
        let behind = u32::try_from(highest - sequence).ok()?;
        1_u64.checked_shl(behind)
    }
}

impl JitterBuffer {
    /// Puts in what a packet repeats of an earlier one that has not come; after the packet itself was [inserted](Self::insert), which
    /// tells how numbers and times stand. Says whether it fills a gap.
    ///
    /// The number is a guess of the receiver, since nothing in the packet tells it. Where it does not fit what stands before and
    /// behind, nothing is put in.
    pub fn recover(&mut self, now: std::time::Instant, repeated: &Repeated<'_>) -> bool {
        let Repeated { sequence, time, payload_type, payload, duration } = *repeated;
        if payload.is_empty() || payload.len() > MAX_PAYLOAD || duration == 0 {
            return false;
        }
        // What is older must not become what the next numbers are measured by.
        let (mut sequences, mut times) = (self.sequences, self.times);
        let (sequence, time, duration) =
            (sequences.sequence(sequence), times.time(time), i64::from(duration));
        let end = time + duration;
        let Some(place) = self.place(sequence) else { return false };
        let before = self.waiting.iter().take(place).rev().find(|it| it.duration > 0);
        let behind = self.waiting.iter().skip(place).find(|it| it.duration > 0);
        let fits =
            before.is_none_or(|it| it.time + it.duration <= time) && behind.is_none_or(|it| end <= it.time);
        if !fits || !self.seen.recover(sequence) {
            return false;
        }
        // It is as late as the packet that brings it, and to be in time next time is worth as much delay as for any other.
        self.estimate.arrived(now, self.ticks(now) - time);
        if self.is_used(sequence, end) {
            return false;
        }
        self.stats.recovered += 1;
        let payload = self.copy(payload);
        self.waiting.insert(place, Waiting { sequence, time, duration, payload_type, level: None, payload });
        self.bound();
        true
    }
}
