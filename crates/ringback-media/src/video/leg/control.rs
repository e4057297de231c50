//! The RTCP of a leg: reports and feedback, both ways (RFC 3550 §6.4, RFC 4585, RFC 5104).

use super::outgoing::Outgoing;
use super::{MAX_AGAIN, USUAL_ROUND_TRIP, VideoLeg, VideoLegEvent, VideoTransmit};
use ringback_rtp::rtcp::{
    Compound, Due, Feedback, NtpTime, RateLimit, ReportBlock, RtcpError, RtcpPacket, from_middle, write_bye,
    write_full_intra_request, write_nack, write_picture_loss, write_rate_notification, write_receiver_report,
    write_sdes_cname, write_sender_report,
};
use ringback_rtp::{SequenceNumber, Ssrc};
use ringback_sdp::FeedbackKind;
use std::time::{Duration, Instant};

/// Packets that one question may be about.
const MAX_ASKED: usize = 256;
/// A limit that nobody can keep is none.
const LEAST_RATE: u64 = 30_000;

impl VideoLeg {
    /// Appends the next datagram to be sent, and says which it is; repeat until it says `None`.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<VideoTransmit> {
        while let Some((packet, is_open)) = self.again.pop_front() {
            let start = out.len();
            out.extend(packet);
            if !is_open || self.security.protect(out, start, false) {
                self.figures.sent_again += 1;
                return Some(VideoTransmit::Rtp);
            }
        }
        self.give_up(now);
        if self.is_closed || self.latch.rtcp_destination().is_none() {
            return None;
        }
        let (we_sent, they_sent) = (self.lines.iter().any(Outgoing::has_sent), !self.sources.is_empty());
        self.timing.set_senders(we_sent, they_sent);
        let start = out.len();
        match self.timing.poll(now, self.has_feedback(now)) {
            Due::Nothing => return None,
            Due::Feedback => self.write_least(out),
            Due::Report => self.write_report(now, out),
        }
        self.write_feedback(now, out);
        self.timing.saw_packet(out.len() - start);
        self.security.protect(out, start, true).then_some(VideoTransmit::Rtcp)
    }

    /// When to call [`poll_transmit`](Self::poll_transmit); `None` where nothing is to be sent, and once it is closed.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if !self.again.is_empty() {
            return Some(now);
        }
        if self.is_closed || self.latch.rtcp_destination().is_none() {
            return None;
        }
        let gaps = self.sources.iter().filter_map(|source| source.missing.poll_timeout());
        let wishes = self.sources.iter().filter_map(|source| source.wish.poll_timeout(now));
        let mine = gaps.chain(wishes.filter(|_| self.can_ask())).filter(|due| *due > now);
        mine.chain([self.timing.poll_timeout(self.has_feedback(now))]).min()
    }

    /// Ends the leg: appends a last report with BYE, if anything was ever sent. Nothing is due afterwards.
    pub fn close(&mut self, now: Instant, reason: &str, out: &mut Vec<u8>) -> bool {
        let has_sent = self.lines.iter().any(Outgoing::has_sent);
        let was_closed = std::mem::replace(&mut self.is_closed, true);
        self.again.clear();
        if was_closed || !has_sent || self.latch.rtcp_destination().is_none() {
            return false;
        }
        let start = out.len();
        self.write_report(now, out);
        let sent = self.lines.iter().filter(|line| line.has_sent());
        let sources: Vec<Ssrc> = sent.map(|line| line.ssrc).collect();
        write_bye(out, &sources, reason);
        self.security.protect(out, start, true)
    }

    pub(super) fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Result<(), RtcpError> {
        let compound = Compound::parse_reduced(datagram)?;
        self.timing.saw_packet(datagram.len());
        for packet in compound.packets() {
            match packet {
                // Our own, looped back.
                RtcpPacket::SenderReport { ssrc, .. } | RtcpPacket::ReceiverReport { ssrc, .. }
                    if self.is_ours(ssrc) => {}
                RtcpPacket::SenderReport { ssrc, sent, reports } => {
                    if let Some(source) = self.sources.iter_mut().find(|source| source.ssrc() == ssrc) {
                        source.last_sr = Some((sent.ntp.middle(), now));
                    }
                    reports.iter().for_each(|report| self.learn(now, report));
                }
                RtcpPacket::ReceiverReport { reports, .. } => {
                    reports.iter().for_each(|report| self.learn(now, report));
                }
                RtcpPacket::Bye { sources, .. } => {
                    for ssrc in sources.iter() {
                        if let Some(at) = self.sources.iter().position(|source| source.ssrc() == ssrc) {
                            self.remove(at);
                        }
                    }
                }
                RtcpPacket::Feedback { sender, media, feedback } if !self.is_ours(sender) => {
                    self.hear(now, sender, media, feedback);
                }
                RtcpPacket::SourceDescription(_)
                | RtcpPacket::App { .. }
                | RtcpPacket::ExtendedReport { .. }
                | RtcpPacket::Feedback { .. }
                | RtcpPacket::Unknown(_) => {}
            }
        }
        Ok(())
    }

    /// What the peer says about our streams.
    fn learn(&mut self, now: Instant, report: ReportBlock) {
        let Some(line) = self.line_of(report.ssrc) else { return };
        if line == 0 {
            self.figures.remote_fraction_lost = report.fraction_lost;
        }
        if report.last_sr != 0 {
            let away = NtpTime::from_unix(self.epoch.unix(now)).middle().wrapping_sub(report.last_sr);
            // A peer that rounds may claim to have held the report longer than it was away.
            let round_trip = away.wrapping_sub(report.delay_since_last_sr) as i32;
            self.round_trip = Some(from_middle(round_trip.max(0) as u32));
        }
    }

    fn hear(&mut self, now: Instant, sender: Ssrc, media: Ssrc, feedback: Feedback<'_>) {
        match feedback {
            Feedback::Nack(lost) => {
                let Some(line) = self.line_of(media) else { return };
                lost.iter().take(MAX_ASKED).for_each(|sequence| self.send_again(now, line, sequence));
            }
            Feedback::PictureLoss => {
                if let Some(line) = self.line_of(media) {
                    self.note(VideoLegEvent::KeyFrameWanted { line });
                }
            }
            Feedback::FullIntraRequest(wanted) => {
                for (ssrc, number) in wanted.iter() {
                    let Some(line) = self.line_of(ssrc) else { continue };
                    // RFC 5104 §4.3.1.2: the same number is the same request, said again.
                    if self.lines[line].requested.replace((sender, number)) != Some((sender, number)) {
                        self.note(VideoLegEvent::KeyFrameWanted { line });
                    }
                }
            }
            Feedback::MaximumRate(rate) => {
                if rate.sources().any(|ssrc| self.is_ours(ssrc)) {
                    self.note(VideoLegEvent::Estimate(rate.bit_rate.max(LEAST_RATE)));
                }
            }
            Feedback::RateRequest(limits) => {
                let ours: Vec<RateLimit> =
                    limits.iter().filter(|limit| self.line_of(limit.ssrc).is_some()).collect();
                if let Some(limit) = ours.into_iter().min_by_key(|limit| limit.bit_rate) {
                    self.note(VideoLegEvent::Estimate(limit.bit_rate.max(LEAST_RATE)));
                    // RFC 5104 §4.2.2.1: the notification says whose limit it is.
                    self.limit = Some(RateLimit { ssrc: sender, ..limit });
                }
            }
            Feedback::RateNotification(_) | Feedback::Transport(_) | Feedback::Unknown { .. } => {}
        }
    }

    fn send_again(&mut self, now: Instant, line: usize, sequence: SequenceNumber) {
        if self.again.len() >= MAX_AGAIN || self.is_closed || !self.direction.sends() {
            return;
        }
        let (round_trip, formats) = (self.round_trip_or_usual(), &self.formats);
        let found = self.lines[line].again(now, sequence, round_trip, |number| formats.repair_of(number));
        self.again.extend(found);
    }

    fn round_trip_or_usual(&self) -> Duration {
        self.round_trip.unwrap_or(USUAL_ROUND_TRIP)
    }

    fn has(&self, kind: FeedbackKind) -> bool {
        self.feedback.has(kind)
    }

    /// Whether there is a way to ask for key frames.
    fn can_ask(&self) -> bool {
        self.has(FeedbackKind::PictureLoss) || self.has(FeedbackKind::FullIntraRequest)
    }

    /// Gives up in time what cannot be asked for.
    fn give_up(&mut self, now: Instant) {
        let (can_ask, round_trip) = (self.has(FeedbackKind::Nack), self.round_trip_or_usual());
        for source in &mut self.sources {
            if !can_ask && source.missing.is_due(now) {
                source.missing.ask(now, round_trip);
            }
            if source.missing.has_given_up() {
                source.wish.want();
            }
        }
    }

    fn has_feedback(&self, now: Instant) -> bool {
        let (has_nack, can_ask) = (self.has(FeedbackKind::Nack), self.can_ask());
        self.limit.is_some()
            || self.sources.iter().any(|source| {
                let is_wanted = || source.wish.poll_timeout(now).is_some_and(|due| due <= now);
                (has_nack && source.missing.is_due(now)) || (can_ask && is_wanted())
            })
    }

    /// As little as feedback needs before it (RFC 4585 §3.1).
    fn write_least(&self, out: &mut Vec<u8>) {
        let ssrc = self.lines[0].ssrc;
        write_receiver_report(out, ssrc, &[]);
        write_sdes_cname(out, ssrc, &self.cname);
    }

    fn write_report(&mut self, now: Instant, out: &mut Vec<u8>) {
        let blocks: Vec<ReportBlock> =
            self.sources.iter_mut().filter_map(|source| source.report(now)).collect();
        let mut blocks = blocks.as_slice();
        for (number, line) in self.lines.iter().enumerate() {
            match line.report(now, &self.epoch) {
                Some(sent) => write_sender_report(out, line.ssrc, &sent, std::mem::take(&mut blocks)),
                None if number == 0 => write_receiver_report(out, line.ssrc, std::mem::take(&mut blocks)),
                None => continue,
            }
            write_sdes_cname(out, line.ssrc, &self.cname);
        }
    }

    fn write_feedback(&mut self, now: Instant, out: &mut Vec<u8>) {
        let ours = self.lines[0].ssrc;
        let (has_nack, has_loss) = (self.has(FeedbackKind::Nack), self.has(FeedbackKind::PictureLoss));
        let (can_ask, round_trip) = (self.can_ask(), self.round_trip_or_usual());
        let mut requests = Vec::new();
        for source in &mut self.sources {
            if has_nack && source.missing.is_due(now) {
                write_nack(out, ours, source.ssrc(), source.missing.ask(now, round_trip));
                if source.missing.has_given_up() {
                    source.wish.want();
                }
            }
            if !can_ask || !source.wish.poll(now) {
                continue;
            }
            self.figures.key_frames_asked += 1;
            if has_loss {
                write_picture_loss(out, ours, source.ssrc());
            } else {
                // RFC 5104 §4.3.1.2: a request that is repeated keeps its number.
                source.request = source.request.wrapping_add(u8::from(source.wish.is_first()));
                requests.push((source.ssrc(), source.request));
            }
        }
        if !requests.is_empty() {
            write_full_intra_request(out, ours, &requests);
        }
        if let Some(limit) = self.limit.take() {
            write_rate_notification(out, ours, &[limit]);
        }
    }
}
