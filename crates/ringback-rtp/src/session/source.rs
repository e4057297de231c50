//! What is known about the stream of one remote source (RFC 3550 §A.1, §A.3, §A.8).

use crate::rtcp::ReportBlock;
use crate::{RtpTime, SequenceNumber, Ssrc};
use std::time::Instant;

/// A gap that is still taken for loss (RFC 3550 §A.1): a minute at fifty packets a second.
const MAX_DROPOUT: u16 = 3_000;
/// How far back a packet may still be late (RFC 3550 §A.1).
const MAX_MISORDER: u16 = 100;

/// Where a packet stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At or ahead of the highest number so far.
    Forward,
    /// Behind it: late, or there already.
    Behind,
    /// First of a stream that starts over, as after a restart of the sender.
    Restart,
    /// Far from everything; believed when the next one follows it.
    Jump,
}

/// One remote source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its number.
    pub ssrc: Ssrc,
    /// When its last valid packet came.
    pub heard: Instant,
    /// It said BYE and nothing since.
    pub left: bool,
    /// Packets that came, those that came twice among them.
    pub received: u64,
    highest: SequenceNumber,
    cycles: u32,
    base: u32,
    expected_after_jump: Option<SequenceNumber>,
    expected_prior: u64,
    received_prior: u64,
    transit: Option<(RtpTime, u32)>,
    /// In sixteenths of a tick.
    jitter: u64,
}

impl Source {
    /// A source whose stream begins with `sequence`.
    pub fn new(ssrc: Ssrc, sequence: SequenceNumber, now: Instant) -> Self {
        Self {
            ssrc,
            heard: now,
            left: false,
            received: 0,
            highest: sequence,
            cycles: 0,
            base: u32::from(sequence.0),
            expected_after_jump: None,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
            jitter: 0,
        }
    }

    /// Places and counts a packet (RFC 3550 §A.1). Time and jitter are told with [`arrived`](Self::arrived).
    pub fn place(&mut self, sequence: SequenceNumber) -> Place {
        let ahead = sequence.0.wrapping_sub(self.highest.0);
        let place = if ahead < MAX_DROPOUT {
            if sequence.0 < self.highest.0 {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest = sequence;
            Place::Forward
        } else if ahead <= u16::MAX - MAX_MISORDER + 1 {
            if self.expected_after_jump != Some(sequence) {
                self.expected_after_jump = Some(sequence.next());
                return Place::Jump;
            }
            *self = Self { jitter: self.jitter, ..Self::new(self.ssrc, sequence, self.heard) };
            Place::Restart
        } else {
            Place::Behind
        };
        self.expected_after_jump = None;
        self.received += 1;
        place
    }

    /// Notes when a packet came; `arrival` is that moment in ticks of the media clock (RFC 3550 §A.8).
    pub fn arrived(&mut self, now: Instant, arrival: u32, time: RtpTime) {
        self.heard = now;
        self.left = false;
        let transit = arrival.wrapping_sub(time.0);
        if let Some((last_time, last)) = self.transit {
            // Packets that repeat a timestamp, such as those of one telephone event, are spread over time on
            // purpose and say nothing about the network.
            if last_time == time {
                return;
            }
            let change = u64::from((transit.wrapping_sub(last) as i32).unsigned_abs());
            self.jitter = self.jitter + change - ((self.jitter + 8) >> 4);
        }
        self.transit = Some((time, transit));
    }

    /// Forgets the last transit time, where the clock of the sender starts over.
    pub fn forget_transit(&mut self) {
        self.transit = None;
    }

    /// Packets that should have come since the stream began.
    pub fn expected(&self) -> u64 {
        u64::from(self.extended_highest().wrapping_sub(self.base)) + 1
    }

    /// Expected less received; below zero when there were more duplicates than losses (RFC 3550 §A.3).
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// The interarrival jitter in ticks.
    pub fn jitter(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX)
    }

    /// Whether packets came since the last report.
    pub fn is_reportable(&self) -> bool {
        self.received != self.received_prior
    }

    /// The block for the next report; the interval of the fraction begins anew (RFC 3550 §A.3).
    pub fn report(&mut self, last_sr: u32, delay_since_last_sr: u32) -> ReportBlock {
        let expected = (self.expected() - self.expected_prior) as i64;
        let lost = expected - (self.received - self.received_prior) as i64;
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        // An eighth bit would be needed for "all of them"; that cannot happen, as something was received.
        let fraction_lost =
            if expected <= 0 || lost <= 0 { 0 } else { (lost * 256 / expected).min(255) as u8 };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: self.extended_highest(),
            jitter: self.jitter(),
            last_sr,
            delay_since_last_sr,
        }
    }

    fn extended_highest(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.highest.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn source(first: u16) -> Source {
        Source::new(Ssrc(1), SequenceNumber(first), Instant::now())
    }

    #[test]
    fn wraps_losses_and_late_packets_are_counted() {
        let mut source = source(65_533);
        let places: Vec<_> =
            [65_533, 65_534, 2, 0, 1, 1].map(|it| source.place(SequenceNumber(it))).into_iter().collect();
        use Place::{Behind, Forward};
        assert_eq!(places, [Forward, Forward, Forward, Behind, Behind, Behind]);
        // 65533..=65537 and 65538 are six numbers; 65535 is missing and one came twice.
        assert_eq!((source.expected(), source.received, source.lost()), (6, 6, 0));
        let report = source.report(0, 0);
        assert_eq!((report.highest_sequence, report.fraction_lost), (65_538, 0));
    }

    #[test]
    fn the_fraction_covers_the_last_interval_only() {
        let mut source = source(0);
        for sequence in (0..100).filter(|it| it % 4 != 1) {
            source.place(SequenceNumber(sequence));
        }
        let report = source.report(0, 0);
        assert_eq!((report.fraction_lost, report.lost), (64, 25));
        assert!(!source.is_reportable());
        for sequence in 100..200 {
            source.place(SequenceNumber(sequence));
        }
        let report = source.report(0, 0);
        assert_eq!((report.fraction_lost, report.lost), (0, 25));
    }

    #[test]
    fn a_jump_is_believed_when_the_next_packet_follows_it() {
        let mut source = source(10);
        source.place(SequenceNumber(10));
        assert_eq!(source.place(SequenceNumber(40_000)), Place::Jump);
        assert_eq!(source.place(SequenceNumber(11)), Place::Forward);
        assert_eq!(source.place(SequenceNumber(40_001)), Place::Jump);
        assert_eq!(source.place(SequenceNumber(40_002)), Place::Restart);
        assert_eq!((source.expected(), source.lost()), (1, 0));
    }

    #[test]
    fn jitter_converges_to_the_mean_deviation() {
        let mut source = source(0);
        let now = source.heard;
        for packet in 0..1_000u32 {
            // Every other packet is 40 ticks late, so that neighbours differ by 40.
            source.arrived(now, packet * 160 + (packet % 2) * 40, RtpTime(packet * 160));
        }
        assert!((38..=40).contains(&source.jitter()), "{}", source.jitter());
        let before = source.jitter();
        for repeat in 0..50 {
            source.arrived(now, 160_000 + repeat * 160, RtpTime(160_000));
        }
        assert!(source.jitter() <= before + 1, "a repeated timestamp counts once");
    }
}
