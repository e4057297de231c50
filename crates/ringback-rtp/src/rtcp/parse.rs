//! Reading compound packets, judged once and then walked without a doubt (RFC 3550 §6, §A.2).

use super::{ExtendedBlocks, Feedback, NtpTime, ReportBlock, SenderInfo, feedback, kind};
use crate::{RtpTime, Ssrc};
use std::fmt;

/// A compound packet whose structure holds; iterate over [`packets`](Self::packets).
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    octets: &'a [u8],
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum RtcpPacket<'a> {
    /// SR.
    SenderReport {
        /// Who reports.
        ssrc: Ssrc,
        /// What it has sent.
        sent: SenderInfo,
        /// What it has received.
        reports: Reports<'a>,
    },
    /// RR.
    ReceiverReport {
        /// Who reports.
        ssrc: Ssrc,
        /// What it has received.
        reports: Reports<'a>,
    },
    /// SDES.
    SourceDescription(SourceDescription<'a>),
    /// BYE.
    Bye {
        /// Who leaves.
        sources: Sources<'a>,
        /// Why, in the leaver's words; empty when it says nothing.
        reason: &'a [u8],
    },
    /// APP, kept as it is.
    App {
        /// The five bits in the header.
        subtype: u8,
        /// Who sends it.
        ssrc: Ssrc,
        /// Four ASCII letters.
        name: [u8; 4],
        /// What the name says it is.
        data: &'a [u8],
    },
    /// XR.
    ExtendedReport {
        /// Who reports.
        ssrc: Ssrc,
        /// What it tells.
        blocks: ExtendedBlocks<'a>,
    },
    /// Feedback (RFC 4585 §6.1).
    Feedback {
        /// Who sends it.
        sender: Ssrc,
        /// Whose stream it is about; zero where what it says names that itself.
        media: Ssrc,
        /// What it says.
        feedback: Feedback<'a>,
    },
    /// A packet type that is not read here.
    Unknown(u8),
}

/// Why a datagram is no compound RTCP packet. The peer's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtcpError {
    /// A length goes past the end.
    Truncated,
    /// A packet is not version 2.
    Version(u8),
    /// A compound has to begin with SR or RR; it began with this type.
    First(u8),
    /// Padding that does not fit, or not in the last packet.
    Padding,
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("RTCP length goes past the end"),
            Self::Version(version) => write!(f, "RTCP version {version} instead of 2"),
            Self::First(kind) => write!(f, "RTCP compound begins with type {kind}, not with a report"),
            Self::Padding => f.write_str("RTCP padding does not fit"),
        }
    }
}

impl std::error::Error for RtcpError {}

impl<'a> Compound<'a> {
    /// Checks the whole datagram.
    ///
    /// # Errors
    /// [`RtcpError`] for the first rule of RFC 3550 §A.2 that is broken. Nothing of a bad compound is believed.
    pub fn parse(octets: &'a [u8]) -> Result<Self, RtcpError> {
        Self::judge(octets, &[kind::SENDER_REPORT, kind::RECEIVER_REPORT])
    }

    /// The same where packets may be of reduced size: feedback may stand first, or alone (RFC 5506 §3.4).
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_reduced(octets: &'a [u8]) -> Result<Self, RtcpError> {
        use kind::{PAYLOAD_FEEDBACK, RECEIVER_REPORT, SENDER_REPORT, TRANSPORT_FEEDBACK};
        Self::judge(octets, &[SENDER_REPORT, RECEIVER_REPORT, TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK])
    }

    fn judge(octets: &'a [u8], may_be_first: &[u8]) -> Result<Self, RtcpError> {
        let mut rest = octets;
        let mut first = true;
        while first || !rest.is_empty() {
            let (packet, after) = split(rest)?;
            if first && !may_be_first.contains(&packet.kind) {
                return Err(RtcpError::First(packet.kind));
            }
            if packet.padded && !after.is_empty() {
                return Err(RtcpError::Padding);
            }
            read(&packet)?;
            rest = after;
            first = false;
        }
        Ok(Self { octets })
    }

    /// The packets in order.
    pub fn packets(self) -> impl Iterator<Item = RtcpPacket<'a>> {
        let mut rest = self.octets;
        std::iter::from_fn(move || {
            let (packet, after) = split(rest).ok()?;
            rest = after;
            read(&packet).ok()
        })
    }
}

/// One packet of the compound, cut out and without padding.
struct Part<'a> {
    count: u8,
    kind: u8,
    padded: bool,
    body: &'a [u8],
}

fn split(octets: &[u8]) -> Result<(Part<'_>, &[u8]), RtcpError> {
    let ([flags, kind, l0, l1], rest) = octets.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
    if flags >> 6 != 2 {
        return Err(RtcpError::Version(flags >> 6));
    }
    let words = usize::from(u16::from_be_bytes([*l0, *l1]));
    let (mut body, after) = rest.split_at_checked(words * 4).ok_or(RtcpError::Truncated)?;
    let padded = flags & 0x20 != 0;
    if padded {
        let padding = usize::from(*body.last().ok_or(RtcpError::Padding)?);
        let kept = body.len().checked_sub(padding).filter(|_| padding > 0 && padding % 4 == 0);
        body = kept.and_then(|kept| body.get(..kept)).ok_or(RtcpError::Padding)?;
    }
    Ok((Part { count: flags & 0x1f, kind: *kind, padded, body }, after))
}

fn read<'a>(part: &Part<'a>) -> Result<RtcpPacket<'a>, RtcpError> {
    let count = usize::from(part.count);
    match part.kind {
        kind::SENDER_REPORT => {
            let (head, rest) = part.body.split_first_chunk::<24>().ok_or(RtcpError::Truncated)?;
            let sent = SenderInfo {
                ntp: NtpTime((u64::from(word(head, 4)) << 32) | u64::from(word(head, 8))),
                time: RtpTime(word(head, 12)),
                packets: word(head, 16),
                octets: word(head, 20),
            };
            let reports = Reports { octets: rest.get(..count * 24).ok_or(RtcpError::Truncated)? };
            Ok(RtcpPacket::SenderReport { ssrc: Ssrc(word(head, 0)), sent, reports })
        }
        kind::RECEIVER_REPORT => {
            let (head, rest) = part.body.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
            let reports = Reports { octets: rest.get(..count * 24).ok_or(RtcpError::Truncated)? };
            Ok(RtcpPacket::ReceiverReport { ssrc: Ssrc(word(head, 0)), reports })
        }
        kind::SOURCE_DESCRIPTION => {
            let mut chunks = SourceDescription { chunks: part.count, octets: part.body, ssrc: None };
            while chunks.step()?.is_some() {}
            Ok(RtcpPacket::SourceDescription(SourceDescription {
                chunks: part.count,
                octets: part.body,
                ssrc: None,
            }))
        }
        kind::BYE => {
            let (sources, rest) = part.body.split_at_checked(count * 4).ok_or(RtcpError::Truncated)?;
            let reason = match rest.split_first() {
                None => &[][..],
                Some((length, text)) => text.get(..usize::from(*length)).ok_or(RtcpError::Truncated)?,
            };
            Ok(RtcpPacket::Bye { sources: Sources { octets: sources }, reason })
        }
        kind::APP => {
            let (head, data) = part.body.split_first_chunk::<8>().ok_or(RtcpError::Truncated)?;
            let [.., n0, n1, n2, n3] = *head;
            Ok(RtcpPacket::App {
                subtype: part.count,
                ssrc: Ssrc(word(head, 0)),
                name: [n0, n1, n2, n3],
                data,
            })
        }
        kind::EXTENDED_REPORT => {
            let (head, rest) = part.body.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
            Ok(RtcpPacket::ExtendedReport { ssrc: Ssrc(word(head, 0)), blocks: ExtendedBlocks::new(rest) })
        }
        kind::TRANSPORT_FEEDBACK | kind::PAYLOAD_FEEDBACK => {
            let is_payload = part.kind == kind::PAYLOAD_FEEDBACK;
            let (sender, media, feedback) = feedback::read(is_payload, part.count, part.body)?;
            Ok(RtcpPacket::Feedback { sender, media, feedback })
        }
        unknown => Ok(RtcpPacket::Unknown(unknown)),
    }
}

/// The big-endian word at `at`; every caller has cut `octets` to a length that includes it.
pub(super) fn word(octets: &[u8], at: usize) -> u32 {
    octets.get(at..).and_then(<[u8]>::first_chunk::<4>).map_or(0, |it| u32::from_be_bytes(*it))
}

/// The report blocks of an SR or RR, at most 31.
#[derive(Clone, Copy, Debug)]
pub struct Reports<'a> {
    octets: &'a [u8],
}

impl<'a> Reports<'a> {
    /// The blocks in order.
    pub fn iter(self) -> impl Iterator<Item = ReportBlock> + 'a {
        self.octets.chunks_exact(24).map(|block| {
            let loss = word(block, 4);
            ReportBlock {
                ssrc: Ssrc(word(block, 0)),
                fraction_lost: (loss >> 24) as u8,
                // Shifted up and back again, so that the sign of the 24-bit number is kept.
                lost: ((loss << 8) as i32) >> 8,
                highest_sequence: word(block, 8),
                jitter: word(block, 12),
                last_sr: word(block, 16),
                delay_since_last_sr: word(block, 20),
            }
        })
    }
}

/// The sources of a BYE, at most 31.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    octets: &'a [u8],
}

impl<'a> Sources<'a> {
    /// The sources in order.
    pub fn iter(self) -> impl Iterator<Item = Ssrc> + 'a {
        self.octets.chunks_exact(4).map(|it| Ssrc(word(it, 0)))
    }
}

/// One thing that a source says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// Who says it.
    pub ssrc: Ssrc,
    /// What it is about; 1 is [the CNAME](super::SDES_CNAME).
    pub kind: u8,
    /// UTF-8 as it should be, unchecked.
    pub text: &'a [u8],
}

/// The items of an SDES packet, in order.
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    chunks: u8,
    octets: &'a [u8],
    ssrc: Option<Ssrc>,
}

impl<'a> SourceDescription<'a> {
    fn step(&mut self) -> Result<Option<SdesItem<'a>>, RtcpError> {
        loop {
            let Some(ssrc) = self.ssrc else {
                if self.chunks == 0 {
                    return Ok(None);
                }
                let (head, rest) = self.octets.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
                (self.ssrc, self.octets) = (Some(Ssrc(word(head, 0))), rest);
                self.chunks -= 1;
                continue;
            };
            let (kind, rest) = self.octets.split_first().ok_or(RtcpError::Truncated)?;
            if *kind == 0 {
                // The end of a chunk: zeros up to the next word. What is left of the packet is whole words,
                // so the remainder tells how many belong to this one.
                self.octets = self.octets.get(padding(self.octets.len())..).ok_or(RtcpError::Truncated)?;
                self.ssrc = None;
                continue;
            }
            let (length, rest) = rest.split_first().ok_or(RtcpError::Truncated)?;
            let (text, rest) = rest.split_at_checked(usize::from(*length)).ok_or(RtcpError::Truncated)?;
            self.octets = rest;
            return Ok(Some(SdesItem { ssrc, kind: *kind, text }));
        }
    }
}

/// How many octets a list of SDES items spends on its end: one to four.
fn padding(left: usize) -> usize {
    match left % 4 {
        0 => 4,
        odd => odd,
    }
}

impl<'a> Iterator for SourceDescription<'a> {
    type Item = SdesItem<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{SDES_CNAME, write_bye, write_receiver_report, write_sdes_cname};
    use proptest::prelude::*;

    fn compound() -> Vec<u8> {
        let mut out = Vec::new();
        write_receiver_report(&mut out, Ssrc(1), &[]);
        write_sdes_cname(&mut out, Ssrc(1), "alice@192.0.2.1");
        write_bye(&mut out, &[Ssrc(1)], "teardown");
        out
    }

    #[test]
    fn the_rules_of_appendix_a2_are_kept() {
        let good = compound();
        assert_eq!(Compound::parse(&good).expect("well-formed").packets().count(), 3);
        assert_eq!(Compound::parse(&[]).err(), Some(RtcpError::Truncated));
        assert_eq!(Compound::parse(&good[8..]).err(), Some(RtcpError::First(202)));
        assert_eq!(Compound::parse(&good[..good.len() - 1]).err(), Some(RtcpError::Truncated));
        let mut bad = good.clone();
        bad[0] = 0x41;
        assert_eq!(Compound::parse(&bad).err(), Some(RtcpError::Version(1)));
        let mut padded_in_front = vec![0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
        assert!(Compound::parse(&padded_in_front).is_ok());
        padded_in_front.extend(&good);
        assert_eq!(Compound::parse(&padded_in_front).err(), Some(RtcpError::Padding));
    }

    #[test]
    fn chunks_of_every_length_end_where_they_should() {
        for length in 0..9 {
            let name = "x".repeat(length);
            let mut out = Vec::new();
            write_receiver_report(&mut out, Ssrc(5), &[]);
            write_sdes_cname(&mut out, Ssrc(5), &name);
            let compound = Compound::parse(&out).expect("well-formed");
            let items: Vec<_> = compound
                .packets()
                .filter_map(|it| match it {
                    RtcpPacket::SourceDescription(items) => Some(items),
                    _ => None,
                })
                .flatten()
                .collect();
            assert_eq!(items, [SdesItem { ssrc: Ssrc(5), kind: SDES_CNAME, text: name.as_bytes() }]);
        }
    }

    #[test]
    fn two_chunks_are_told_apart() {
        let sdes = [
            0x80, 201, 0, 1, 0, 0, 0, 1, // an empty RR first
            0x82, 202, 0, 4, 0, 0, 0, 1, 1, 1, b'a', 0, 0, 0, 0, 2, 1, 1, b'b', 0,
        ];
        let names: Vec<_> = Compound::parse(&sdes)
            .expect("well-formed")
            .packets()
            .filter_map(|it| match it {
                RtcpPacket::SourceDescription(items) => Some(items.map(|it| (it.ssrc.0, it.text))),
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(names, [(1, &b"a"[..]), (2, &b"b"[..])]);
    }

    proptest! {
        #[test]
        fn hostile_octets_are_walked_without_panic(mut octets in prop::collection::vec(any::<u8>(), 0..200),
                                                   kinds in prop::collection::vec(200u8..209, 8)) {
            // Mostly plausible headers, so that the bodies are reached.
            for (chunk, kind) in octets.chunks_exact_mut(16).zip(kinds) {
                let flags = 0x80 | (chunk[0] & 0x23);
                chunk[..4].copy_from_slice(&[flags, kind, 0, 3]);
            }
            if let Ok(compound) = Compound::parse(&octets) {
                let mut seen = 0;
                for packet in compound.packets() {
                    seen += 1;
                    match packet {
                        RtcpPacket::SenderReport { reports, .. } | RtcpPacket::ReceiverReport { reports, .. } => {
                            prop_assert!(reports.iter().count() <= 31);
                        }
                        RtcpPacket::SourceDescription(items) => prop_assert!(items.count() <= octets.len()),
                        RtcpPacket::Bye { sources, .. } => prop_assert!(sources.iter().count() <= 31),
                        RtcpPacket::App { data, .. } => prop_assert!(data.len() <= octets.len()),
                        RtcpPacket::ExtendedReport { blocks, .. } => prop_assert!(blocks.count() <= octets.len()),
                        RtcpPacket::Feedback { .. } => {}
                        RtcpPacket::Unknown(kind) => prop_assert!(!(200..=207).contains(&kind)),
                    }
                }
                prop_assert!(seen >= 1);
            }
        }
    }
}
