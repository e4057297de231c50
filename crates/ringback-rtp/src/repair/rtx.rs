//! Packets of a retransmission stream (RFC 4588 §4).

use crate::{PayloadType, RtpPacket, SequenceNumber, Ssrc};

/// The packet in which `original` is sent again in a stream of its own; `payload` is memory that it borrows.
///
/// The numbers of that stream are `ssrc`, `payload_type` and `sequence`; timestamp and marker are those of the original.
pub fn retransmission<'a>(
    original: &RtpPacket<'a>,
    ssrc: Ssrc,
    payload_type: PayloadType,
    sequence: SequenceNumber,
    payload: &'a mut Vec<u8>,
) -> RtpPacket<'a> {
    payload.clear();
    payload.extend(original.sequence.0.to_be_bytes());
    payload.extend(original.payload);
    RtpPacket { ssrc, payload_type, sequence, payload, ..*original }
}

/// The packet that is sent again in `packet`, as it was in the stream `ssrc` with that payload type. `None` where there is none: packets
/// that only fill the line have nothing in them.
pub fn original<'a>(packet: &RtpPacket<'a>, ssrc: Ssrc, payload_type: PayloadType) -> Option<RtpPacket<'a>> {
    let ([high, low], payload) = packet.payload.split_first_chunk::<2>()?;
    let sequence = SequenceNumber(u16::from_be_bytes([*high, *low]));
    (!payload.is_empty()).then_some(RtpPacket { ssrc, payload_type, sequence, payload, ..*packet })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpTime;
    use proptest::prelude::*;

    fn packet(sequence: u16, payload: &[u8]) -> RtpPacket<'_> {
        RtpPacket {
            marker: true,
            payload_type: PayloadType::from_octet(96),
            sequence: SequenceNumber(sequence),
            time: RtpTime(9_000),
            ssrc: Ssrc(1),
            contributors: Default::default(),
            extension: None,
            payload,
        }
    }

    #[test]
    fn the_first_two_octets_are_the_number_of_the_original() {
        let mut memory = vec![9; 50];
        let original = packet(0x1234, &[5, 6]);
        let again =
            retransmission(&original, Ssrc(2), PayloadType::from_octet(97), SequenceNumber(7), &mut memory);
        assert_eq!((again.ssrc, again.sequence, again.time), (Ssrc(2), SequenceNumber(7), RtpTime(9_000)));
        assert_eq!((again.payload_type.number(), again.payload), (97, &[0x12, 0x34, 5, 6][..]));
    }

    #[test]
    fn what_has_no_payload_is_no_original() {
        for payload in [&[][..], &[1], &[1, 2]] {
            assert_eq!(original(&packet(0, payload), Ssrc(1), PayloadType::from_octet(96)), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_again_is_the_same(sequence in any::<u16>(), payload in prop::collection::vec(any::<u8>(), 1..60)) {
            let sent = packet(sequence, &payload);
            let mut memory = Vec::new();
            let again =
                retransmission(&sent, Ssrc(2), PayloadType::from_octet(97), SequenceNumber(7), &mut memory);
            prop_assert_eq!(original(&again, sent.ssrc, sent.payload_type), Some(sent));
        }
    }
}
