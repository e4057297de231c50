//! One RTP packet on the wire, read in place and written into the caller's buffer (RFC 3550 §5.1).

use crate::{PayloadType, RtpTime, SequenceNumber, Ssrc};
use std::fmt;

/// The length of the fixed header in octets.
pub const HEADER_LEN: usize = 12;

/// An RTP packet whose variable parts still lie in the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// The marker bit; for speech, the first packet of a talkspurt (RFC 3551 §4.1).
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// The sequence number.
    pub sequence: SequenceNumber,
    /// When the first sample of the payload was taken.
    pub time: RtpTime,
    /// Who sends the stream.
    pub ssrc: Ssrc,
    /// Who contributed to a mix.
    pub contributors: Contributors<'a>,
    /// The header extension, uninterpreted.
    pub extension: Option<Extension<'a>>,
    /// What is carried, without padding.
    pub payload: &'a [u8],
}

/// A header extension (RFC 3550 §5.3.1). Those of RFC 8285 have [elements](Self::elements).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The sixteen bits that the profile defines.
    pub profile: u16,
    /// The extension itself, a multiple of four octets.
    pub octets: &'a [u8],
}

/// The CSRC list, zero to fifteen entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contributors<'a> {
    octets: &'a [u8],
}

impl<'a> Contributors<'a> {
    /// The contributing sources in the order of the packet.
    pub fn iter(self) -> impl Iterator<Item = Ssrc> + 'a {
        self.octets.chunks_exact(4).map(|it| Ssrc(u32::from_be_bytes([it[0], it[1], it[2], it[3]])))
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.octets.len() / 4
    }

    /// Whether nobody is named.
    pub fn is_empty(self) -> bool {
        self.octets.is_empty()
    }
}

/// Why a datagram is no RTP packet. The peer's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// Shorter than its header says.
    Truncated,
    /// Not version 2.
    Version(u8),
    /// The padding count is zero or more than there is.
    Padding,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("RTP packet shorter than its header says"),
            Self::Version(version) => write!(f, "RTP version {version} instead of 2"),
            Self::Padding => f.write_str("RTP padding count does not fit the packet"),
        }
    }
}

impl std::error::Error for PacketError {}

impl<'a> RtpPacket<'a> {
    /// Reads the header; nothing is copied.
    ///
    /// # Errors
    /// [`PacketError`] when the octets are no RTP packet.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, PacketError> {
        let (header, rest) = datagram.split_first_chunk::<HEADER_LEN>().ok_or(PacketError::Truncated)?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        if flags >> 6 != 2 {
            return Err(PacketError::Version(flags >> 6));
        }
        let count = usize::from(flags & 0x0f);
        let (contributors, rest) = rest.split_at_checked(count * 4).ok_or(PacketError::Truncated)?;
        let (extension, rest) = match flags & 0x10 {
            0 => (None, rest),
            _ => {
                let ([p0, p1, l0, l1], rest) = rest.split_first_chunk::<4>().ok_or(PacketError::Truncated)?;
                let words = usize::from(u16::from_be_bytes([*l0, *l1]));
                let (octets, rest) = rest.split_at_checked(words * 4).ok_or(PacketError::Truncated)?;
                (Some(Extension { profile: u16::from_be_bytes([*p0, *p1]), octets }), rest)
            }
        };
        let payload = match flags & 0x20 {
            0 => rest,
            _ => {
                let padding = usize::from(*rest.last().ok_or(PacketError::Padding)?);
                let kept = rest.len().checked_sub(padding).ok_or(PacketError::Padding)?;
                rest.get(..kept).filter(|_| padding > 0).ok_or(PacketError::Padding)?
            }
        };
        Ok(Self {
            marker: kind & 0x80 != 0,
            payload_type: PayloadType::from_octet(kind),
            sequence: SequenceNumber(u16::from_be_bytes([s0, s1])),
            time: RtpTime(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([c0, c1, c2, c3])),
            contributors: Contributors { octets: contributors },
            extension,
            payload,
        })
    }

    /// Appends the packet to `out`, without padding.
    ///
    /// An extension whose length is no multiple of four octets is filled up with zeros; what exceeds
    /// 262,140 octets of it is cut off.
    pub fn write(&self, out: &mut Vec<u8>) {
        // The list came from a packet with a four-bit count, so it has at most fifteen entries.
        let flags = 0x80 | (u8::from(self.extension.is_some()) << 4) | self.contributors.len() as u8;
        out.extend([flags, (u8::from(self.marker) << 7) | self.payload_type.number()]);
        out.extend(self.sequence.0.to_be_bytes());
        out.extend(self.time.0.to_be_bytes());
        out.extend(self.ssrc.0.to_be_bytes());
        out.extend(self.contributors.octets);
        if let Some(extension) = self.extension {
            let octets = &extension.octets[..extension.octets.len().min(4 * usize::from(u16::MAX))];
            out.extend(extension.profile.to_be_bytes());
            out.extend((octets.len().div_ceil(4) as u16).to_be_bytes());
            out.extend(octets);
            out.resize(out.len() + octets.len().next_multiple_of(4) - octets.len(), 0);
        }
        out.extend(self.payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FULL: [u8; 36] = [
        0xb1, 0xe0, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe,
        0xef, // header: P, X, one CSRC, marker, 96
        0, 0, 0, 7, // CSRC
        0xbe, 0xde, 0, 1, 1, 2, 3, 4, // extension of one word
        9, 8, 7, 6, 5, 4, 3, 2, 0, 0, 0, 4, // payload, then four octets of padding
    ];

    #[test]
    fn every_part_of_a_full_header_is_found() {
        let packet = RtpPacket::parse(&FULL).expect("well-formed");
        assert!(packet.marker);
        assert_eq!(packet.payload_type.number(), 96);
        assert_eq!((packet.sequence, packet.time), (SequenceNumber(0x1234), RtpTime(160)));
        assert_eq!(packet.ssrc, Ssrc(0xdead_beef));
        assert_eq!(packet.contributors.iter().collect::<Vec<_>>(), [Ssrc(7)]);
        assert_eq!(packet.extension, Some(Extension { profile: 0xbede, octets: &[1, 2, 3, 4] }));
        assert_eq!(packet.payload, [9, 8, 7, 6, 5, 4, 3, 2]);
    }

    #[test]
    fn lies_about_length_are_refused() {
        for (change, error) in [
            ((0, 0x71), PacketError::Version(1)),
            ((0, 0xbf), PacketError::Truncated), // fifteen CSRCs
            ((19, 9), PacketError::Truncated),   // nine words of extension
            ((35, 0), PacketError::Padding),
            ((35, 13), PacketError::Padding),
        ] {
            let mut octets = FULL;
            octets[change.0] = change.1;
            assert_eq!(RtpPacket::parse(&octets), Err(error), "octet {} as {}", change.0, change.1);
        }
        assert_eq!(RtpPacket::parse(&FULL[..11]), Err(PacketError::Truncated));
    }

    proptest! {
        #[test]
        fn whatever_parses_survives_being_written(mut octets in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(first) = octets.first_mut() {
                *first = (*first & 0x3f) | 0x80;
            }
            if let Ok(packet) = RtpPacket::parse(&octets) {
                let mut written = Vec::new();
                packet.write(&mut written);
                prop_assert_eq!(RtpPacket::parse(&written), Ok(packet));
            }
        }
    }
}
