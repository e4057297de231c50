//! How much may be sent: TMMBR and TMMBN (RFC 5104 §4.2), and REMB (draft-alvestrand-rmcat-remb-03).

use super::{payload_format, transport_format, write_payload, write_transport};
use crate::Ssrc;
use crate::rtcp::{RtcpError, word};

/// Entries that one packet of ours has at most.
const MAX_ENTRIES: usize = 31;
/// What a REMB begins with.
const NAME: [u8; 4] = *b"REMB";

/// A limit for a source (RFC 5104 §4.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Whom it is for, or of whom it is.
    pub ssrc: Ssrc,
    /// Bits a second. Of what is written, the seventeen highest bits are kept and the rest is cut off.
    pub bit_rate: u64,
    /// Octets of each packet that are beside its payload, 0 to 511.
    pub overhead: u16,
}

/// The limits of a TMMBR or TMMBN.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits<'a> {
    octets: &'a [u8],
}

impl<'a> RateLimits<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The limits in order.
    pub fn iter(self) -> impl Iterator<Item = RateLimit> + 'a {
        self.octets.chunks_exact(8).map(|entry| {
            let limit = word(entry, 4);
            RateLimit {
                ssrc: Ssrc(word(entry, 0)),
                bit_rate: scaled(u64::from((limit >> 9) & 0x1_ffff), limit >> 26),
                overhead: (limit & 0x1ff) as u16,
            }
        })
    }
}

/// Appends a TMMBR: `sender` asks these sources to send no more than this. Entries beyond the thirty-first are left out.
pub fn write_rate_request(out: &mut Vec<u8>, sender: Ssrc, limits: &[RateLimit]) {
    write_transport(out, transport_format::RATE_REQUEST, sender, Ssrc(0), |out| entries(out, limits));
}

/// Appends a TMMBN: `sender` is held to these limits by their owners; none says that it is free.
pub fn write_rate_notification(out: &mut Vec<u8>, sender: Ssrc, limits: &[RateLimit]) {
    write_transport(out, transport_format::RATE_NOTIFICATION, sender, Ssrc(0), |out| entries(out, limits));
}

fn entries(out: &mut Vec<u8>, limits: &[RateLimit]) {
    for limit in limits.iter().take(MAX_ENTRIES) {
        let (mantissa, exponent) = parts(limit.bit_rate, 17);
        let overhead = u32::from(limit.overhead.min(0x1ff));
        out.extend(limit.ssrc.0.to_be_bytes());
        out.extend(((exponent << 26) | (mantissa << 9) | overhead).to_be_bytes());
    }
}

/// What a receiver believes to come through of all that these sources send together (REMB).
#[derive(Clone, Copy, Debug)]
pub struct MaximumRate<'a> {
    /// Bits a second.
    pub bit_rate: u64,
    octets: &'a [u8],
}

impl<'a> MaximumRate<'a> {
    /// `None` where it is another message of an application.
    pub(super) fn parse(octets: &'a [u8]) -> Result<Option<Self>, RtcpError> {
        let Some(rest) = octets.strip_prefix(&NAME) else { return Ok(None) };
        let (head, sources) = rest.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
        let rate = word(head, 0) & 0xff_ffff;
        let octets = sources.get(..usize::from(head[0]) * 4).ok_or(RtcpError::Truncated)?;
        Ok(Some(Self { bit_rate: scaled(u64::from(rate & 0x3_ffff), rate >> 18), octets }))
    }

    /// Whose streams share it.
    pub fn sources(self) -> impl Iterator<Item = Ssrc> + 'a {
        self.octets.chunks_exact(4).map(|it| Ssrc(word(it, 0)))
    }
}

/// Appends a REMB: of all that `sources` send, so many bits a second come through at `sender`. Eighteen bits of the number are kept;
/// sources beyond the thirty-first are left out.
pub fn write_maximum_rate(out: &mut Vec<u8>, sender: Ssrc, bit_rate: u64, sources: &[Ssrc]) {
    write_payload(out, payload_format::APPLICATION, sender, Ssrc(0), |out| {
        let sources = &sources[..sources.len().min(MAX_ENTRIES)];
        let (mantissa, exponent) = parts(bit_rate, 18);
        out.extend(NAME);
        out.extend((((sources.len() as u32) << 24) | (exponent << 18) | mantissa).to_be_bytes());
        for source in sources {
            out.extend(source.0.to_be_bytes());
        }
    });
}

/// `mantissa · 2^exponent`, as far as there are numbers.
fn scaled(mantissa: u64, exponent: u32) -> u64 {
    u64::try_from(u128::from(mantissa) << exponent.min(63)).unwrap_or(u64::MAX)
}

/// A number as a mantissa of so many bits and an exponent.
fn parts(number: u64, bits: u32) -> (u32, u32) {
    let exponent = (u64::BITS - number.leading_zeros()).saturating_sub(bits);
    ((number >> exponent) as u32, exponent)
}

#[cfg(test)]
mod tests {
    use super::super::Feedback;
    use super::super::tests::{read_back, round};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_remb_is_written_as_browsers_do() {
        // Two sources and 1,000,000 bits: 250,000 · 2².
        let written = round(|out| write_maximum_rate(out, Ssrc(1), 1_000_000, &[Ssrc(2), Ssrc(3)]));
        assert_eq!(
            written[8..],
            [
                0x8f, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 2, 0x0b, 0xd0, 0x90, 0, 0,
                0, 2, 0, 0, 0, 3
            ]
        );
        match read_back(&written).2 {
            Feedback::MaximumRate(rate) => {
                assert_eq!(rate.bit_rate, 1_000_000);
                assert_eq!(rate.sources().collect::<Vec<_>>(), [Ssrc(2), Ssrc(3)]);
            }
            other => panic!("a REMB was written: {other:?}"),
        }
    }

    #[test]
    fn a_remb_that_names_more_than_it_has_is_refused_and_another_message_is_not_ours() {
        assert_eq!(MaximumRate::parse(b"REMB\x01\0\0\0").err(), Some(RtcpError::Truncated));
        assert_eq!(MaximumRate::parse(b"REMB").err(), Some(RtcpError::Truncated));
        assert!(MaximumRate::parse(b"LRR \x01\0\0\0").expect("not ours").is_none());
        let highest = MaximumRate::parse(b"REMB\0\xff\xff\xff").expect("whole").expect("a REMB");
        assert_eq!(highest.bit_rate, u64::MAX);
    }

    proptest! {
        #[test]
        fn limits_are_read_again_but_for_their_last_bits(
            limits in prop::collection::vec((any::<u32>(), any::<u64>(), 0u16..512), 0..10),
            is_request in any::<bool>()
        ) {
            let limits: Vec<_> = limits.into_iter()
                .map(|(ssrc, bit_rate, overhead)| RateLimit { ssrc: Ssrc(ssrc), bit_rate, overhead })
                .collect();
            let written = round(|out| match is_request {
                true => write_rate_request(out, Ssrc(1), &limits),
                false => write_rate_notification(out, Ssrc(1), &limits),
            });
            let read = match read_back(&written).2 {
                Feedback::RateRequest(read) if is_request => read,
                Feedback::RateNotification(read) if !is_request => read,
                other => panic!("limits were written: {other:?}"),
            };
            prop_assert_eq!(read.iter().count(), limits.len());
            for (read, limit) in read.iter().zip(&limits) {
                prop_assert_eq!((read.ssrc, read.overhead), (limit.ssrc, limit.overhead));
                prop_assert!(read.bit_rate <= limit.bit_rate);
                prop_assert!(limit.bit_rate - read.bit_rate <= limit.bit_rate >> 16);
            }
        }
    }
}
