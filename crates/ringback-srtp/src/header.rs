//! As much of a packet's header as its protection needs.
//!
//! Not the parser of `ringback-rtp`: that one judges the padding too, which is encrypted here.

use crate::Refused;

/// The fixed header and the SSRC of RTCP.
pub(crate) const RTCP_CLEAR: usize = 8;

/// Where the payload of an RTP packet begins, and which packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    pub(crate) len: usize,
    pub(crate) sequence: u16,
    pub(crate) ssrc: u32,
}

impl RtpHeader {
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, Refused> {
        let ([flags, _, s0, s1, _, _, _, _, c0, c1, c2, c3], _) =
            packet.split_first_chunk::<12>().ok_or(Refused::Malformed)?;
        if flags >> 6 != 2 {
            return Err(Refused::Malformed);
        }
        let mut len = 12 + 4 * usize::from(flags & 0x0f);
        if flags & 0x10 != 0 {
            let extension = packet.get(len..).and_then(<[u8]>::first_chunk::<4>).ok_or(Refused::Malformed)?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        if packet.len() < len {
            return Err(Refused::Malformed);
        }
        let sequence = u16::from_be_bytes([*s0, *s1]);
        Ok(Self { len, sequence, ssrc: u32::from_be_bytes([*c0, *c1, *c2, *c3]) })
    }
}

/// The SSRC of the first packet of a compound.
pub(crate) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, Refused> {
    match packet {
        [flags, _, _, _, c0, c1, c2, c3, ..] if flags >> 6 == 2 => {
            Ok(u32::from_be_bytes([*c0, *c1, *c2, *c3]))
        }
        _ => Err(Refused::Malformed),
    }
}
