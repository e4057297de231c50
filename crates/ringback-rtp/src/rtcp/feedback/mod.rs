//! Feedback: what a receiver has to tell at once (RFC 4585 §6, RFC 5104 §4, and two drafts that browsers follow).

mod lost;
mod picture;
mod rate;
mod transport;

pub use lost::{Nacks, write_nack};
pub use picture::{FullIntra, write_full_intra_request, write_picture_loss};
pub use rate::{
    MaximumRate, RateLimit, RateLimits, write_maximum_rate, write_rate_notification, write_rate_request,
};
pub use transport::{MAX_STATUSES, TransportFeedback, write_transport_feedback};

use super::{RtcpError, kind, packet, word};
use crate::Ssrc;

/// Feedback message types of the transport layer (RFC 4585 §6.2, RFC 5104 §4.2).
mod transport_format {
    pub(super) const NACK: u8 = 1;
    pub(super) const RATE_REQUEST: u8 = 3;
    pub(super) const RATE_NOTIFICATION: u8 = 4;
    pub(super) const TRANSPORT: u8 = 15;
}

/// Feedback message types of payloads (RFC 4585 §6.3, RFC 5104 §4.3).
mod payload_format {
    pub(super) const PICTURE_LOSS: u8 = 1;
    pub(super) const FULL_INTRA: u8 = 4;
    pub(super) const APPLICATION: u8 = 15;
}

/// What a feedback packet says.
#[derive(Clone, Copy, Debug)]
pub enum Feedback<'a> {
    /// Packets that did not come (generic NACK, RFC 4585 §6.2.1).
    Nack(Nacks<'a>),
    /// The picture is broken until it is coded anew (PLI, RFC 4585 §6.3.1).
    PictureLoss,
    /// Wanted is a picture that needs no other (FIR, RFC 5104 §4.3.1).
    FullIntraRequest(FullIntra<'a>),
    /// Wanted is no more than so much (TMMBR, RFC 5104 §4.2.1).
    RateRequest(RateLimits<'a>),
    /// Sent is no more than so much (TMMBN, RFC 5104 §4.2.2).
    RateNotification(RateLimits<'a>),
    /// The receiver believes that so much comes through (REMB, draft-alvestrand-rmcat-remb-03).
    MaximumRate(MaximumRate<'a>),
    /// When packets came, whatever their stream (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    Transport(TransportFeedback<'a>),
    /// Something that is not read here.
    Unknown {
        /// Whether it is about a payload (206) or the transport (205).
        is_payload: bool,
        /// The feedback message type.
        format: u8,
    },
}

/// Reads the body of a feedback packet: who sends it, whose stream it is about, and what it says.
pub(super) fn read(
    is_payload: bool,
    format: u8,
    body: &[u8],
) -> Result<(Ssrc, Ssrc, Feedback<'_>), RtcpError> {
    let (head, rest) = body.split_first_chunk::<8>().ok_or(RtcpError::Truncated)?;
    let feedback = match (is_payload, format) {
        (false, transport_format::NACK) => Feedback::Nack(Nacks::new(rest)),
        (false, transport_format::RATE_REQUEST) => Feedback::RateRequest(RateLimits::new(rest)),
        (false, transport_format::RATE_NOTIFICATION) => Feedback::RateNotification(RateLimits::new(rest)),
        (false, transport_format::TRANSPORT) => match TransportFeedback::parse(rest)? {
            Some(told) => Feedback::Transport(told),
            None => Feedback::Unknown { is_payload, format },
        },
        (true, payload_format::PICTURE_LOSS) => Feedback::PictureLoss,
        (true, payload_format::FULL_INTRA) => Feedback::FullIntraRequest(FullIntra::new(rest)),
        (true, payload_format::APPLICATION) => match MaximumRate::parse(rest)? {
            Some(told) => Feedback::MaximumRate(told),
            None => Feedback::Unknown { is_payload, format },
        },
        _ => Feedback::Unknown { is_payload, format },
    };
    Ok((Ssrc(word(head, 0)), Ssrc(word(head, 4)), feedback))
}

/// Writes a feedback packet.
fn write(
    out: &mut Vec<u8>,
    (kind, format): (u8, u8),
    sender: Ssrc,
    media: Ssrc,
    body: impl FnOnce(&mut Vec<u8>),
) {
    packet(out, kind, usize::from(format), |out| {
        out.extend(sender.0.to_be_bytes());
        out.extend(media.0.to_be_bytes());
        body(out);
    });
}

fn write_transport(
    out: &mut Vec<u8>,
    format: u8,
    sender: Ssrc,
    media: Ssrc,
    body: impl FnOnce(&mut Vec<u8>),
) {
    write(out, (kind::TRANSPORT_FEEDBACK, format), sender, media, body);
}

fn write_payload(out: &mut Vec<u8>, format: u8, sender: Ssrc, media: Ssrc, body: impl FnOnce(&mut Vec<u8>)) {
    write(out, (kind::PAYLOAD_FEEDBACK, format), sender, media, body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, RtcpPacket, write_receiver_report};
    use proptest::prelude::*;

    /// The feedback in a compound of ours that `write` has completed.
    pub(super) fn round(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write_receiver_report(&mut out, Ssrc(1), &[]);
        write(&mut out);
        assert_eq!(Compound::parse(&out).expect("our own packet").packets().count(), 2);
        out
    }

    /// What stands behind the report.
    pub(super) fn read_back(compound: &[u8]) -> (Ssrc, Ssrc, Feedback<'_>) {
        match Compound::parse(compound).expect("our own packet").packets().nth(1) {
            Some(RtcpPacket::Feedback { sender, media, feedback }) => (sender, media, feedback),
            other => panic!("feedback was written: {other:?}"),
        }
    }

    #[test]
    fn feedback_alone_is_a_packet_where_that_is_agreed() {
        let mut out = Vec::new();
        write_picture_loss(&mut out, Ssrc(1), Ssrc(2));
        assert_eq!(Compound::parse(&out).err(), Some(RtcpError::First(206)));
        let alone = Compound::parse_reduced(&out).expect("RFC 5506");
        assert!(matches!(
            alone.packets().next(),
            Some(RtcpPacket::Feedback { sender: Ssrc(1), media: Ssrc(2), feedback: Feedback::PictureLoss })
        ));
    }

    #[test]
    fn what_is_not_known_is_told_by_its_number() {
        let slice_loss = [0x82, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4];
        let read = Compound::parse_reduced(&slice_loss).expect("well-formed").packets().next();
        assert!(matches!(
            read,
            Some(RtcpPacket::Feedback { feedback: Feedback::Unknown { is_payload: true, format: 2 }, .. })
        ));
        // Too short to say whom it is about.
        assert_eq!(Compound::parse_reduced(&[0x81, 205, 0, 1, 0, 0, 0, 1]).err(), Some(RtcpError::Truncated));
    }

    proptest! {
        #[test]
        fn hostile_feedback_is_walked_without_panic(
            octets in prop::collection::vec(any::<u8>(), 0..60), format in 0u8..16, is_payload in any::<bool>(),
            is_remb in any::<bool>()
        ) {
            let mut body = vec![0; 8];
            if is_remb {
                body.extend(b"REMB");
            }
            body.extend(octets);
            let Ok((.., feedback)) = read(is_payload, format, &body) else { return Ok(()) };
            match feedback {
                Feedback::Nack(lost) => prop_assert!(lost.iter().count() <= body.len() * 17 / 4),
                Feedback::FullIntraRequest(wanted) => prop_assert!(wanted.iter().count() <= body.len() / 8),
                Feedback::RateRequest(limits) | Feedback::RateNotification(limits) => {
                    prop_assert!(limits.iter().count() <= body.len() / 8);
                }
                Feedback::MaximumRate(rate) => prop_assert!(rate.sources().count() <= body.len() / 4),
                Feedback::Transport(told) => prop_assert!(told.iter().count() <= MAX_STATUSES),
                Feedback::PictureLoss | Feedback::Unknown { .. } => {}
            }
        }
    }
}
