//! Asking for a picture that needs no other: PLI (RFC 4585 §6.3.1) and FIR (RFC 5104 §4.3.1).

use super::{payload_format, write_payload};
use crate::Ssrc;
use crate::rtcp::word;

/// Sources that one request of ours names at most.
const MAX_SOURCES: usize = 31;

/// Of whom a whole picture is wanted.
#[derive(Clone, Copy, Debug)]
pub struct FullIntra<'a> {
    octets: &'a [u8],
}

impl<'a> FullIntra<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The sources, each with the number of the request. The same number again is the same request, not another one.
    pub fn iter(self) -> impl Iterator<Item = (Ssrc, u8)> + 'a {
        self.octets.chunks_exact(8).map(|entry| (Ssrc(word(entry, 0)), entry[4]))
    }
}

/// Appends a PLI about `media`.
pub fn write_picture_loss(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc) {
    write_payload(out, payload_format::PICTURE_LOSS, sender, media, |_| {});
}

/// Appends a FIR to these sources, each with the number of the request, which counts up with each new one. Sources beyond the
/// thirty-first are left out.
pub fn write_full_intra_request(out: &mut Vec<u8>, sender: Ssrc, wanted: &[(Ssrc, u8)]) {
    // RFC 5104 §4.3.1.2: the source in the head is not used and is zero.
    write_payload(out, payload_format::FULL_INTRA, sender, Ssrc(0), |out| {
        for (ssrc, number) in wanted.iter().take(MAX_SOURCES) {
            out.extend(ssrc.0.to_be_bytes());
            out.extend([*number, 0, 0, 0]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::Feedback;
    use super::super::tests::{read_back, round};
    use super::*;

    #[test]
    fn a_lost_picture_has_nothing_but_its_source() {
        let written = round(|out| write_picture_loss(out, Ssrc(7), Ssrc(9)));
        assert_eq!(written[8..], [0x81, 206, 0, 2, 0, 0, 0, 7, 0, 0, 0, 9]);
        assert!(matches!(read_back(&written), (Ssrc(7), Ssrc(9), Feedback::PictureLoss)));
    }

    #[test]
    fn a_request_names_each_source_with_its_number() {
        let wanted = [(Ssrc(2), 255), (Ssrc(3), 0)];
        let written = round(|out| write_full_intra_request(out, Ssrc(1), &wanted));
        assert_eq!(written[8..12], [0x84, 206, 0, 6]);
        match read_back(&written) {
            (Ssrc(1), Ssrc(0), Feedback::FullIntraRequest(read)) => {
                assert_eq!(read.iter().collect::<Vec<_>>(), wanted);
            }
            other => panic!("a FIR was written: {other:?}"),
        }
    }
}
