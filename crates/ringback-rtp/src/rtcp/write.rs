//! Writing the packets of a compound, one after the other into one buffer (RFC 3550 §6.4 to §6.7).

use super::{ReportBlock, SDES_CNAME, SenderInfo, kind};
use crate::Ssrc;

/// The most that a five-bit count can say.
const MAX_COUNT: usize = 31;

/// Appends an SR; blocks beyond the thirty-first are left out.
pub fn write_sender_report(out: &mut Vec<u8>, ssrc: Ssrc, sent: &SenderInfo, reports: &[ReportBlock]) {
    let reports = &reports[..reports.len().min(MAX_COUNT)];
    packet(out, kind::SENDER_REPORT, reports.len(), |out| {
        out.extend(ssrc.0.to_be_bytes());
        out.extend(sent.ntp.0.to_be_bytes());
        for word in [sent.time.0, sent.packets, sent.octets] {
            out.extend(word.to_be_bytes());
        }
        blocks(out, reports);
    });
}

/// Appends an RR; blocks beyond the thirty-first are left out.
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: Ssrc, reports: &[ReportBlock]) {
    let reports = &reports[..reports.len().min(MAX_COUNT)];
    packet(out, kind::RECEIVER_REPORT, reports.len(), |out| {
        out.extend(ssrc.0.to_be_bytes());
        blocks(out, reports);
    });
}

/// Appends an SDES with the canonical name of one source, cut at 255 octets.
pub fn write_sdes_cname(out: &mut Vec<u8>, ssrc: Ssrc, cname: &str) {
    packet(out, kind::SOURCE_DESCRIPTION, 1, |out| {
        out.extend(ssrc.0.to_be_bytes());
        let text = text(cname);
        out.extend([SDES_CNAME, text.len() as u8]);
        out.extend(text);
        // The list ends with one zero at least, even where no padding is needed.
        out.push(0);
    });
}

/// Appends a BYE; `reason` may be empty and is cut at 255 octets, sources beyond the thirty-first are left out.
pub fn write_bye(out: &mut Vec<u8>, sources: &[Ssrc], reason: &str) {
    let sources = &sources[..sources.len().min(MAX_COUNT)];
    packet(out, kind::BYE, sources.len(), |out| {
        for source in sources {
            out.extend(source.0.to_be_bytes());
        }
        if !reason.is_empty() {
            let text = text(reason);
            out.push(text.len() as u8);
            out.extend(text);
        }
    });
}

/// Appends an APP; `subtype` is 0..=31, the data is filled up to whole words and cut at 64 KiB.
pub fn write_app(out: &mut Vec<u8>, subtype: u8, ssrc: Ssrc, name: [u8; 4], data: &[u8]) {
    packet(out, kind::APP, usize::from(subtype & 0x1f), |out| {
        out.extend(ssrc.0.to_be_bytes());
        out.extend(name);
        out.extend(&data[..data.len().min(0xffff)]);
    });
}

/// Writes header and body, fills up to a whole word, then sets the length.
pub(super) fn packet(out: &mut Vec<u8>, kind: u8, count: usize, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0x80 | count as u8, kind, 0, 0]);
    body(out);
    let length = (out.len() - start).next_multiple_of(4);
    out.resize(start + length, 0);
    let words = (length / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn blocks(out: &mut Vec<u8>, reports: &[ReportBlock]) {
    for report in reports {
        let lost = report.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        for word in [
            report.ssrc.0,
            (u32::from(report.fraction_lost) << 24) | lost,
            report.highest_sequence,
            report.jitter,
            report.last_sr,
            report.delay_since_last_sr,
        ] {
            out.extend(word.to_be_bytes());
        }
    }
}

/// At most 255 octets, cut between characters.
fn text(text: &str) -> &[u8] {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text.as_bytes()[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpTime;
    use crate::rtcp::{Compound, NtpTime, RtcpPacket};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reports_come_back_as_they_were(
            ssrc in any::<u32>(), ntp in any::<u64>(), sent in any::<[u32; 3]>(),
            blocks in prop::collection::vec((any::<[u32; 5]>(), any::<u8>(), -0x80_0000i32..0x80_0000), 0..32)
        ) {
            let sent =
                SenderInfo { ntp: NtpTime(ntp), time: RtpTime(sent[0]), packets: sent[1], octets: sent[2] };
            let blocks: Vec<_> = blocks.into_iter().map(|(words, fraction_lost, lost)| ReportBlock {
                ssrc: Ssrc(words[0]), fraction_lost, lost, highest_sequence: words[1], jitter: words[2],
                last_sr: words[3], delay_since_last_sr: words[4],
            }).collect();
            let mut out = Vec::new();
            write_sender_report(&mut out, Ssrc(ssrc), &sent, &blocks);
            let compound = Compound::parse(&out).expect("our own packet");
            let Some(RtcpPacket::SenderReport { ssrc: by, sent: read, reports }) = compound.packets().next() else {
                panic!("a sender report was written");
            };
            prop_assert_eq!((by, read), (Ssrc(ssrc), sent));
            prop_assert_eq!(reports.iter().collect::<Vec<_>>(), blocks[..blocks.len().min(31)].to_vec());
        }
    }

    #[test]
    fn bye_and_app_come_back_as_they_were() {
        let mut out = Vec::new();
        write_receiver_report(&mut out, Ssrc(1), &[]);
        write_app(&mut out, 3, Ssrc(2), *b"ring", &[1, 2, 3, 4]);
        write_bye(&mut out, &[Ssrc(1), Ssrc(2)], "späť");
        let packets: Vec<_> = Compound::parse(&out).expect("our own packet").packets().collect();
        let [
            RtcpPacket::ReceiverReport { .. },
            RtcpPacket::App { subtype, ssrc, name, data },
            RtcpPacket::Bye { sources, reason },
        ] = packets[..]
        else {
            panic!("three packets were written: {packets:?}");
        };
        assert_eq!((subtype, ssrc, &name, data), (3, Ssrc(2), b"ring", &[1, 2, 3, 4][..]));
        assert_eq!(sources.iter().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
        assert_eq!(reason, "späť".as_bytes());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let name = "é".repeat(200);
        assert_eq!(text(&name).len(), 254);
    }
}
