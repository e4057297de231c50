//! The RTCP half of a session: when to report, what to say, what to learn from the peer (RFC 3550 §6.3, §6.4).

use super::{RtpEvent, RtpSession};
use crate::Ssrc;
use crate::rtcp::{
    Compound, Interval, MIN_INTERVAL, NtpTime, ReportBlock, RtcpError, RtcpPacket, from_middle, to_middle,
    write_bye, write_receiver_report, write_sdes_cname, write_sender_report,
};
use ringback_sansio::SeededEntropy;
use std::time::{Duration, Instant};

/// A peer that says nothing for this long is no member any more (RFC 3550 §6.3.5).
const MEMBER_TIMEOUT: Duration = MIN_INTERVAL.saturating_mul(5);

/// The state of RFC 3550 §6.3 with its names: `tp`, `tn`, `pmembers`.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    interval: Interval,
    /// When the last report went out, or when the session began.
    tp: Instant,
    /// When the next one is due.
    tn: Instant,
    /// The report before the last, for the question who is a sender.
    before_tp: Instant,
    pmembers: u32,
    last_sent: Option<Instant>,
    last_received: Option<Instant>,
    /// When the peer was heard last, by RTP or RTCP.
    peer: Option<Instant>,
    /// An SSRC of ours that has to be signed off.
    leaving: Option<Ssrc>,
    closed: bool,
}

impl Schedule {
    pub(super) fn new(now: Instant, bandwidth: u32, random: &mut SeededEntropy) -> Self {
        // Five per cent of the session (RFC 3550 §6.2), in octets; a floor keeps the division sane.
        let interval = Interval::new((f64::from(bandwidth) / 8.0 / 20.0).max(1.0));
        Self {
            tn: now + interval.draw(random),
            interval,
            tp: now,
            before_tp: now,
            pmembers: 1,
            last_sent: None,
            last_received: None,
            peer: None,
            leaving: None,
            closed: false,
        }
    }

    pub(super) fn sent_rtp(&mut self, now: Instant) {
        self.last_sent = Some(now);
        self.count();
    }

    pub(super) fn heard_rtp(&mut self, now: Instant) {
        self.last_received = Some(now);
        self.heard(now);
    }

    pub(super) fn leave_as(&mut self, ssrc: Ssrc) {
        self.leaving = Some(ssrc);
    }

    fn heard(&mut self, now: Instant) {
        self.peer = Some(now);
        self.count();
    }

    /// Members and senders, as far as this session tells them apart: us and the peer.
    fn count(&mut self) {
        let recent = |it: Option<Instant>| it.is_some_and(|at| at >= self.before_tp);
        self.interval.we_sent = recent(self.last_sent);
        self.interval.members = 1 + u32::from(self.peer.is_some());
        self.interval.senders = u32::from(self.interval.we_sent) + u32::from(recent(self.last_received));
    }

    /// The peer said BYE; the time to our next report shrinks with the membership (RFC 3550 §6.3.4).
    fn peer_left(&mut self, now: Instant) {
        self.peer = None;
        self.last_received = None;
        self.count();
        if self.interval.members < self.pmembers {
            let ratio = f64::from(self.interval.members) / f64::from(self.pmembers);
            self.tn = now + self.tn.saturating_duration_since(now).mul_f64(ratio);
            self.tp = now.checked_sub(now.saturating_duration_since(self.tp).mul_f64(ratio)).unwrap_or(now);
            self.pmembers = self.interval.members;
        }
    }

    /// Whether a report is to go out now, by timer reconsideration (RFC 3550 §6.3.6).
    fn expire(&mut self, now: Instant, random: &mut SeededEntropy) -> bool {
        if self.closed || now < self.tn {
            return false;
        }
        if self.peer.is_some_and(|at| now.saturating_duration_since(at) >= MEMBER_TIMEOUT) {
            self.peer = None;
        }
        self.count();
        self.pmembers = self.interval.members;
        let due = self.tp + self.interval.draw(random);
        if due > now {
            self.tn = due;
            return false;
        }
        true
    }

    fn reported(&mut self, now: Instant, length: usize, random: &mut SeededEntropy) {
        self.interval.saw_packet(length);
        self.interval.initial = false;
        self.before_tp = self.tp;
        self.tp = now;
        self.tn = now + self.interval.draw(random);
    }
}

impl RtpSession {
    /// Takes an RTCP datagram of the peer.
    ///
    /// # Errors
    /// [`RtcpError`] when it is no valid compound packet; then nothing of it was believed.
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Result<(), RtcpError> {
        let now = self.clamp(now);
        let compound = Compound::parse(datagram).inspect_err(|_| self.totals.refused += 1)?;
        self.schedule.interval.saw_packet(datagram.len());
        for packet in compound.packets() {
            match packet {
                // Our own report, looped back: it would make us answer ourselves.
                RtcpPacket::SenderReport { ssrc, .. } | RtcpPacket::ReceiverReport { ssrc, .. }
                    if ssrc == self.ssrc() || self.former.contains(&ssrc) => {}
                RtcpPacket::SenderReport { ssrc, sent, reports } => {
                    self.last_sr = Some((ssrc, sent.ntp.middle(), now));
                    self.schedule.heard(now);
                    reports.iter().for_each(|report| self.learn(now, report));
                }
                RtcpPacket::ReceiverReport { reports, .. } => {
                    self.schedule.heard(now);
                    reports.iter().for_each(|report| self.learn(now, report));
                }
                RtcpPacket::Bye { sources, .. } => {
                    let heard = self.source.as_mut().filter(|source| !source.left);
                    if let Some(source) = heard.filter(|source| sources.iter().any(|it| it == source.ssrc)) {
                        source.left = true;
                        let ssrc = source.ssrc;
                        self.schedule.peer_left(now);
                        self.remember(RtpEvent::SourceLeft(ssrc));
                    }
                }
                RtcpPacket::ExtendedReport { ssrc, blocks } => self.read_extended(now, ssrc, blocks),
                RtcpPacket::SourceDescription(_)
                | RtcpPacket::App { .. }
                | RtcpPacket::Feedback { .. }
                | RtcpPacket::Unknown(_) => {}
            }
        }
        Ok(())
    }

    /// Appends the RTCP packet that is due, if one is; repeat until it says `false`.
    pub fn poll_rtcp(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let now = self.clamp(now);
        if let Some(former) = self.schedule.leaving.take() {
            write_receiver_report(out, former, &[]);
            write_sdes_cname(out, former, &self.cname);
            write_bye(out, &[former], "SSRC collision");
            return true;
        }
        if !self.schedule.expire(now, &mut self.random) {
            return false;
        }
        let start = out.len();
        self.write_report(now, out);
        self.schedule.reported(now, out.len() - start, &mut self.random);
        true
    }

    /// When to call [`poll_rtcp`](Self::poll_rtcp) next; `None` once the session is closed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.schedule.leaving {
            Some(_) => Some(self.latest),
            None => (!self.schedule.closed).then_some(self.schedule.tn),
        }
    }

    /// Ends our part: appends a last report with BYE, and no RTCP is due any more.
    ///
    /// A participant that never sent anything leaves without a word (RFC 3550 §6.3.7); then, and when the session
    /// is closed already, nothing is appended and the answer is `false`. With fewer than fifty members a BYE needs
    /// no back-off.
    pub fn close(&mut self, now: Instant, reason: &str, out: &mut Vec<u8>) -> bool {
        let now = self.clamp(now);
        let silent = self.sending.last.is_none() && self.schedule.interval.initial;
        let was_closed = std::mem::replace(&mut self.schedule.closed, true);
        self.schedule.leaving = None;
        if silent || was_closed {
            return false;
        }
        self.write_report(now, out);
        write_bye(out, &[self.ssrc()], reason);
        true
    }

    /// SR or RR, then SDES, then XR where there is something to tell.
    fn write_report(&mut self, now: Instant, out: &mut Vec<u8>) {
        let (last_sr, delay) = match self.last_sr {
            Some((ssrc, middle, at)) if Some(ssrc) == self.remote_ssrc() => {
                (middle, to_middle(now.saturating_duration_since(at)))
            }
            _ => (0, 0),
        };
        let block = self.source.as_mut().filter(|it| it.is_reportable()).map(|it| it.report(last_sr, delay));
        let (ssrc, we_sent) = (self.ssrc(), self.schedule.interval.we_sent);
        if we_sent {
            write_sender_report(out, ssrc, &self.sender_info(now), block.as_slice());
        } else {
            write_receiver_report(out, ssrc, block.as_slice());
        }
        write_sdes_cname(out, ssrc, &self.cname);
        self.write_extended(now, we_sent, out);
    }

    /// What the peer says about our stream (RFC 3550 §6.4.1).
    fn learn(&mut self, now: Instant, report: ReportBlock) {
        if report.ssrc != self.ssrc() {
            return;
        }
        self.remote = Some(report);
        self.remember(RtpEvent::Reported { fraction_lost: report.fraction_lost });
        if report.last_sr != 0 {
            let away = self.ntp(now).middle().wrapping_sub(report.last_sr);
            // A peer that rounds may claim to have held the report longer than it was away.
            let round_trip = away.wrapping_sub(report.delay_since_last_sr) as i32;
            self.rtt = Some(from_middle(round_trip.max(0) as u32));
        }
    }

    /// The wall clock as NTP writes it.
    pub(super) fn ntp(&self, now: Instant) -> NtpTime {
        NtpTime::from_unix(self.epoch.unix(now))
    }
}
