//! The four numbers of an RTP header, each with its own arithmetic (RFC 3550 §5.1).

use std::fmt;

/// An RTP sequence number: grows by one a packet and wraps at 65,536.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How far `self` lies behind (negative) or ahead of `earlier`, along the shorter way round.
    pub const fn distance_from(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }
}

/// An RTP timestamp, in ticks of the payload's clock rate; wraps at 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// The time this many ticks later.
    #[must_use]
    pub const fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// How many ticks `self` lies behind (negative) or ahead of `earlier`, along the shorter way round.
    pub const fn ticks_since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }
}

/// A synchronisation source identifier: who a stream comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A payload type, 0..=127. What a number from 96 on means was agreed in SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// G.711 µ-law (RFC 3551 §6).
    pub const PCMU: Self = Self(0);
    /// G.711 A-law (RFC 3551 §6).
    pub const PCMA: Self = Self(8);

    /// The payload type of that number; `None` above 127.
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 127 { Some(Self(number)) } else { None }
    }

    /// The number, 0..=127.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// From the seven low bits of the second octet of a header.
    pub(crate) const fn from_octet(octet: u8) -> Self {
        Self(octet & 0x7f)
    }
}

/// Lengthens wrapping counters, so that order and distance need no care afterwards.
///
/// The first value stands for itself; every later one is taken as the nearest to the one before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unwrap {
    last: Option<i64>,
}

impl Unwrap {
    /// The long form of a sequence number.
    pub(crate) fn sequence(&mut self, sequence: SequenceNumber) -> i64 {
        let long = match self.last {
            None => i64::from(sequence.0),
            Some(last) => last + i64::from(sequence.distance_from(SequenceNumber(last as u16))),
        };
        self.last = Some(long);
        long
    }

    /// The long form of a timestamp.
    pub(crate) fn time(&mut self, time: RtpTime) -> i64 {
        let long = match self.last {
            None => i64::from(time.0),
            Some(last) => last + i64::from(time.ticks_since(RtpTime(last as u32))),
        };
        self.last = Some(long);
        long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_go_the_short_way_round() {
        assert_eq!(SequenceNumber(2).distance_from(SequenceNumber(65_534)), 4);
        assert_eq!(SequenceNumber(65_534).distance_from(SequenceNumber(2)), -4);
        assert_eq!(RtpTime(100).ticks_since(RtpTime(u32::MAX)), 101);
        assert_eq!(RtpTime(u32::MAX).plus(161), RtpTime(160));
        assert_eq!(SequenceNumber(u16::MAX).next(), SequenceNumber(0));
    }

    #[test]
    fn long_forms_keep_growing_over_a_wrap() {
        let mut unwrap = Unwrap::default();
        let long: Vec<i64> =
            [65_534, 65_535, 1, 0, 2].map(|it| unwrap.sequence(SequenceNumber(it))).into_iter().collect();
        assert_eq!(long, [65_534, 65_535, 65_537, 65_536, 65_538]);
    }

    #[test]
    fn payload_types_end_at_127() {
        assert_eq!(PayloadType::new(127).map(PayloadType::number), Some(127));
        assert_eq!(PayloadType::new(128), None);
    }
}
