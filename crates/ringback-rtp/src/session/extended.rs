//! The extended reports of a session (RFC 3611): answers to reference times, and what each side tells of the other's speech.

use super::RtpSession;
use crate::Ssrc;
use crate::rtcp::{
    ExtendedBlock, ExtendedBlocks, ReferenceReport, VoipMetrics, from_middle, to_middle,
    write_extended_report,
};
use std::time::Instant;

/// What a session tells and knows by them.
#[derive(Clone, Debug, Default)]
pub(super) struct Extended {
    /// Whether the peer has said that it reads them.
    is_wanted: bool,
    /// What we tell of the peer's speech.
    ours: Option<VoipMetrics>,
    /// What the peer tells of ours.
    pub(super) theirs: Option<VoipMetrics>,
    /// The last reference time of the peer: whose it is, its middle, and when it came.
    reference: Option<(Ssrc, u32, Instant)>,
}

impl RtpSession {
    /// Whether reports are extended beyond what a peer has asked for in them: by reference times of ours while we send
    /// nothing, and by [metrics](Self::set_voip_metrics).
    pub fn extend_reports(&mut self, is_wanted: bool) {
        self.extended.is_wanted = is_wanted;
    }

    /// Whether reports of ours are extended.
    pub fn extends_reports(&self) -> bool {
        self.extended.is_wanted
    }

    /// What the next reports tell of the peer's speech, where they are [extended](Self::extend_reports).
    pub fn set_voip_metrics(&mut self, metrics: Option<VoipMetrics>) {
        self.extended.ours = metrics;
    }

    pub(super) fn read_extended(&mut self, now: Instant, ssrc: Ssrc, blocks: ExtendedBlocks<'_>) {
        // Our own, looped back.
        if ssrc == self.ssrc() || self.former.contains(&ssrc) {
            return;
        }
        for block in blocks {
            match block {
                ExtendedBlock::ReferenceTime(time) => {
                    self.extended.reference = Some((ssrc, time.middle(), now))
                }
                ExtendedBlock::ReferenceReports(reports) => {
                    let ours = reports.iter().find(|it| it.ssrc == self.ssrc() && it.last_reference != 0);
                    if let Some(ReferenceReport { last_reference, delay, .. }) = ours {
                        let away = self.ntp(now).middle().wrapping_sub(last_reference);
                        // As with the delay of a sender report: a peer that rounds may claim too much.
                        let round_trip = away.wrapping_sub(delay) as i32;
                        self.rtt = Some(from_middle(round_trip.max(0) as u32));
                    }
                }
                ExtendedBlock::VoipMetrics(metrics) if metrics.ssrc == self.ssrc() => {
                    self.extended.theirs = Some(metrics);
                }
                ExtendedBlock::VoipMetrics(_) | ExtendedBlock::Unknown(_) => {}
            }
        }
    }

    pub(super) fn write_extended(&self, now: Instant, we_sent: bool, out: &mut Vec<u8>) {
        let Extended { is_wanted, ours, reference, .. } = &self.extended;
        let own_time = (*is_wanted && !we_sent).then(|| self.ntp(now));
        let answer = reference.map(|(ssrc, last_reference, came)| ReferenceReport {
            ssrc,
            last_reference,
            delay: to_middle(now.saturating_duration_since(came)),
        });
        let metrics = ours.as_ref().filter(|_| *is_wanted);
        write_extended_report(out, self.ssrc(), own_time, answer.as_slice(), metrics);
    }
}
