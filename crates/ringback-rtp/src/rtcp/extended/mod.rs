//! Extended reports: what a receiver can tell beyond its report block (RFC 3611).
//!
//! Read and written here are the reference times, by which one who sends nothing learns the round trip, and the metrics of
//! voice over IP. Other blocks are told by their number.

mod bursts;

pub use bursts::{BurstMetrics, Bursts};

use super::{NtpTime, kind, packet, word};
use crate::Ssrc;

/// What RFC 3611 §4.7 writes for what is not known: levels, scores, and the return loss.
pub const UNAVAILABLE: u8 = 127;
/// Reports about reference times that one packet of ours carries at most.
const MAX_REFERENCES: usize = 4;

/// Block types (RFC 3611 §4).
mod block {
    pub(super) const REFERENCE_TIME: u8 = 4;
    pub(super) const REFERENCE_REPORTS: u8 = 5;
    pub(super) const VOIP_METRICS: u8 = 7;
}

/// One block of an extended report.
#[derive(Clone, Copy, Debug)]
pub enum ExtendedBlock<'a> {
    /// When the report was sent, by the clock of its sender (RFC 3611 §4.4).
    ReferenceTime(NtpTime),
    /// When the reference times of others came (RFC 3611 §4.5).
    ReferenceReports(ReferenceReports<'a>),
    /// How speech comes through (RFC 3611 §4.7).
    VoipMetrics(VoipMetrics),
    /// A block of a type that is not read here.
    Unknown(u8),
}

/// When the last reference time of a source came (RFC 3611 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceReport {
    /// Whose it was.
    pub ssrc: Ssrc,
    /// The middle of its NTP time.
    pub last_reference: u32,
    /// The time since it came, in 65,536ths of a second.
    pub delay: u32,
}

/// How the speech of a source comes through (RFC 3611 §4.7). [`UNAVAILABLE`] is a figure that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoipMetrics {
    /// Whose speech.
    pub ssrc: Ssrc,
    /// Packets lost on the way, in 256ths of all.
    pub loss_rate: u8,
    /// Packets that came and were of no use, as they were late, in 256ths of all.
    pub discard_rate: u8,
    /// Bursts and gaps of losses.
    pub bursts: BurstMetrics,
    /// The round trip, in milliseconds; zero when nobody knows.
    pub round_trip: u16,
    /// What the receiver's own end adds to the delay, in milliseconds.
    pub end_system_delay: u16,
    /// How loud the speech is, in dBm0, two's complement; 127 when nobody knows.
    pub signal_level: u8,
    /// The same of the noise between the words.
    pub noise_level: u8,
    /// How much of an echo is left, in decibels below what was said.
    pub residual_echo: u8,
    /// The rating of the E-model, 0 to 100 (ITU-T G.107).
    pub r_factor: u8,
    /// The same with a part of the way that is not IP.
    pub external_r_factor: u8,
    /// The mean opinion score of listening, in tenths, 10 to 50.
    pub mos_listening: u8,
    /// The mean opinion score of a conversation, which knows of the delay, in tenths, 10 to 50.
    pub mos_conversation: u8,
    /// How losses are concealed and whether the jitter buffer adapts (RFC 3611 §4.7.6).
    pub receiver: u8,
    /// How long the jitter buffer holds speech back, in milliseconds.
    pub buffer_nominal: u16,
    /// How long it holds back what comes early, in milliseconds.
    pub buffer_maximum: u16,
    /// How long it would hold it back at the worst, in milliseconds.
    pub buffer_absolute_maximum: u16,
}

impl VoipMetrics {
    /// [`receiver`](Self::receiver) of one that conceals well and has a buffer that adapts, at a rate of which nothing is said.
    pub const ENHANCED_AND_ADAPTIVE: u8 = 0b1011_0000;

    /// Of `ssrc`, with nothing known.
    pub fn unknown(ssrc: Ssrc) -> Self {
        Self {
            ssrc,
            loss_rate: 0,
            discard_rate: 0,
            bursts: BurstMetrics::default(),
            round_trip: 0,
            end_system_delay: 0,
            signal_level: UNAVAILABLE,
            noise_level: UNAVAILABLE,
            residual_echo: UNAVAILABLE,
            r_factor: UNAVAILABLE,
            external_r_factor: UNAVAILABLE,
            mos_listening: UNAVAILABLE,
            mos_conversation: UNAVAILABLE,
            receiver: 0,
            buffer_nominal: 0,
            buffer_maximum: 0,
            buffer_absolute_maximum: 0,
        }
    }

    fn read(ssrc: Ssrc, rest: &[u8; 28]) -> Self {
        let short = |at: usize| (word(rest, at) >> 16) as u16;
        let [loss_rate, discard_rate, burst_density, gap_density, ..] = *rest;
        let [signal_level, noise_level, residual_echo, gmin] = word(rest, 12).to_be_bytes();
        let [r_factor, external_r_factor, mos_listening, mos_conversation] = word(rest, 16).to_be_bytes();
        let receiver = (word(rest, 20) >> 24) as u8;
        Self {
            ssrc,
            loss_rate,
            discard_rate,
            bursts: BurstMetrics {
                burst_density,
                gap_density,
                burst_duration: short(4),
                gap_duration: short(6),
                gmin,
            },
            round_trip: short(8),
            end_system_delay: short(10),
            signal_level,
            noise_level,
            residual_echo,
            r_factor,
            external_r_factor,
            mos_listening,
            mos_conversation,
            receiver,
            buffer_nominal: word(rest, 20) as u16,
            buffer_maximum: short(24),
            buffer_absolute_maximum: word(rest, 24) as u16,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.ssrc.0.to_be_bytes());
        let BurstMetrics { burst_density, gap_density, burst_duration, gap_duration, gmin } = self.bursts;
        out.extend([self.loss_rate, self.discard_rate, burst_density, gap_density]);
        for span in [burst_duration, gap_duration, self.round_trip, self.end_system_delay] {
            out.extend(span.to_be_bytes());
        }
        out.extend([self.signal_level, self.noise_level, self.residual_echo, gmin]);
        out.extend([self.r_factor, self.external_r_factor, self.mos_listening, self.mos_conversation]);
        out.extend([self.receiver, 0]);
        for span in [self.buffer_nominal, self.buffer_maximum, self.buffer_absolute_maximum] {
            out.extend(span.to_be_bytes());
        }
    }
}

/// The entries of a block of [`ReferenceReport`]s.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceReports<'a> {
    octets: &'a [u8],
}

impl<'a> ReferenceReports<'a> {
    /// The entries in order.
    pub fn iter(self) -> impl Iterator<Item = ReferenceReport> + 'a {
        self.octets.chunks_exact(12).map(|it| ReferenceReport {
            ssrc: Ssrc(word(it, 0)),
            last_reference: word(it, 4),
            delay: word(it, 8),
        })
    }
}

/// The blocks of an extended report, in order. They end where one is longer than the packet is.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedBlocks<'a> {
    octets: &'a [u8],
}

impl<'a> ExtendedBlocks<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }
}

impl<'a> Iterator for ExtendedBlocks<'a> {
    type Item = ExtendedBlock<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let ([number, _, l0, l1], rest) = self.octets.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
        let (body, after) = rest.split_at_checked(length)?;
        self.octets = after;
        // RFC 3611 §4.4, §4.7: a block of a fixed size with another length is ignored.
        let read = match *number {
            block::REFERENCE_TIME if length == 8 => {
                let time = (u64::from(word(body, 0)) << 32) | u64::from(word(body, 4));
                ExtendedBlock::ReferenceTime(NtpTime(time))
            }
            block::REFERENCE_REPORTS => ExtendedBlock::ReferenceReports(ReferenceReports { octets: body }),
            block::VOIP_METRICS if length == 32 => {
                let rest = body.last_chunk::<28>()?;
                ExtendedBlock::VoipMetrics(VoipMetrics::read(Ssrc(word(body, 0)), rest))
            }
            other => ExtendedBlock::Unknown(other),
        };
        Some(read)
    }
}

/// Appends an extended report with what there is of the three; with nothing, it is not written. Reference reports beyond the fourth are
/// left out.
pub fn write_extended_report(
    out: &mut Vec<u8>,
    ssrc: Ssrc,
    reference: Option<NtpTime>,
    reports: &[ReferenceReport],
    metrics: Option<&VoipMetrics>,
) {
    let reports = &reports[..reports.len().min(MAX_REFERENCES)];
    if reference.is_none() && reports.is_empty() && metrics.is_none() {
        return;
    }
    packet(out, kind::EXTENDED_REPORT, 0, |out| {
        out.extend(ssrc.0.to_be_bytes());
        if let Some(time) = reference {
            out.extend([block::REFERENCE_TIME, 0, 0, 2]);
            out.extend(time.0.to_be_bytes());
        }
        if !reports.is_empty() {
            out.extend([block::REFERENCE_REPORTS, 0, 0, 3 * reports.len() as u8]);
            for report in reports {
                for word in [report.ssrc.0, report.last_reference, report.delay] {
                    out.extend(word.to_be_bytes());
                }
            }
        }
        if let Some(metrics) = metrics {
            out.extend([block::VOIP_METRICS, 0, 0, 8]);
            metrics.write(out);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, RtcpPacket, write_receiver_report};
    use proptest::prelude::*;

    fn blocks(octets: &[u8]) -> Vec<String> {
        let compound = Compound::parse(octets).expect("well-formed");
        let Some(RtcpPacket::ExtendedReport { blocks, .. }) = compound.packets().nth(1) else {
            panic!("an extended report was written")
        };
        blocks.map(|block| format!("{block:?}")).collect()
    }

    #[test]
    fn a_block_is_laid_out_as_in_rfc_3611_4_7() {
        let mut out = Vec::new();
        let bursts = BurstMetrics {
            burst_density: 3,
            gap_density: 4,
            burst_duration: 0x0506,
            gap_duration: 0x0708,
            gmin: 0x10,
        };
        let metrics = VoipMetrics {
            loss_rate: 1,
            discard_rate: 2,
            bursts,
            round_trip: 0x090a,
            end_system_delay: 0x0b0c,
            signal_level: 0x0d,
            noise_level: 0x0e,
            residual_echo: 0x0f,
            r_factor: 0x11,
            external_r_factor: 0x12,
            mos_listening: 0x13,
            mos_conversation: 0x14,
            receiver: 0x15,
            buffer_nominal: 0x1617,
            buffer_maximum: 0x1819,
            buffer_absolute_maximum: 0x1a1b,
            ..VoipMetrics::unknown(Ssrc(0xaabb_ccdd))
        };
        write_extended_report(&mut out, Ssrc(9), None, &[], Some(&metrics));
        assert_eq!(out[..12], [0x80, 207, 0, 10, 0, 0, 0, 9, 7, 0, 0, 8]);
        assert_eq!(out[12..16], [0xaa, 0xbb, 0xcc, 0xdd]);
        let tail = [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0,
            0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b,
        ];
        assert_eq!(out[16..], tail);
        let nothing = out.len();
        write_extended_report(&mut out, Ssrc(9), None, &[], None);
        assert_eq!(out.len(), nothing);
    }

    #[test]
    fn unknown_blocks_are_told_and_broken_ones_end_the_list() {
        let mut out = Vec::new();
        write_receiver_report(&mut out, Ssrc(1), &[]);
        // A loss list of one word, a reference time of the wrong length, one that is right, and one that lies.
        let body: [u8; 40] = [
            0x80, 207, 0, 9, 0, 0, 0, 1, 1, 0, 0, 1, 9, 9, 9, 9, 4, 0, 0, 1, 1, 1, 1, 1, 4, 0, 0, 2, 0, 0, 0,
            1, 0, 0, 0, 2, 7, 0, 0, 8,
        ];
        out.extend(body);
        assert_eq!(blocks(&out), ["Unknown(1)", "Unknown(4)", "ReferenceTime(NtpTime(4294967298))"]);
    }

    proptest! {
        #[test]
        fn extended_reports_come_back_as_they_were(
            ssrc in any::<u32>(), ntp in any::<Option<u64>>(), words in prop::collection::vec(any::<[u32; 3]>(), 0..7),
            octets in any::<Option<[u8; 28]>>(), source in any::<u32>(),
        ) {
            let reports: Vec<_> = words.into_iter()
                .map(|[ssrc, last_reference, delay]| ReferenceReport { ssrc: Ssrc(ssrc), last_reference, delay })
                .collect();
            let metrics = octets.map(|octets| VoipMetrics::read(Ssrc(source), &octets));
            let mut out = Vec::new();
            write_receiver_report(&mut out, Ssrc(ssrc), &[]);
            write_extended_report(&mut out, Ssrc(ssrc), ntp.map(NtpTime), &reports, metrics.as_ref());
            let compound = Compound::parse(&out).expect("our own packet");
            let (mut time, mut read, mut heard) = (None, Vec::new(), None);
            for packet in compound.packets().skip(1) {
                let RtcpPacket::ExtendedReport { ssrc: by, blocks } = packet else { panic!("{packet:?}") };
                prop_assert_eq!(by, Ssrc(ssrc));
                for block in blocks {
                    match block {
                        ExtendedBlock::ReferenceTime(it) => time = Some(it),
                        ExtendedBlock::ReferenceReports(it) => read.extend(it.iter()),
                        ExtendedBlock::VoipMetrics(it) => heard = Some(it),
                        ExtendedBlock::Unknown(it) => panic!("block {it}"),
                    }
                }
            }
            prop_assert_eq!((time, heard), (ntp.map(NtpTime), metrics));
            prop_assert_eq!(read, reports[..reports.len().min(MAX_REFERENCES)].to_vec());
        }

        #[test]
        fn hostile_blocks_are_walked_to_an_end(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let count = ExtendedBlocks::new(&octets).count();
            prop_assert!(count <= octets.len() / 4);
        }
    }
}
