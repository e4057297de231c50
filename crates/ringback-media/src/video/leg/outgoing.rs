//! A stream towards the peer.

use super::VideoPacket;
use crate::video::CLOCK;
use ringback_rtp::repair::{History, HistoryLimits, retransmission};
use ringback_rtp::rtcp::{NtpTime, SenderInfo};
use ringback_rtp::{PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use ringback_sansio::{Entropy, Epoch, SeededEntropy};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) ssrc: Ssrc,
    /// By which what was lost is sent again.
    pub(super) repair_ssrc: Ssrc,
    repair_sequence: SequenceNumber,
    /// What is added to the numbers of packets: streams begin anywhere (RFC 3550 §5.1).
    sequence: u16,
    time: u32,
    history: History,
    packets: u32,
    octets: u32,
    last: Option<(RtpTime, Instant)>,
    /// The last request for a key frame by number: who made it, and its number.
    pub(super) requested: Option<(Ssrc, u8)>,
}

impl Outgoing {
    pub(super) fn new(random: &mut SeededEntropy) -> Self {
        let (ssrc, repair, starts) = (random.next_u64(), random.next_u64(), random.next_u64());
        Self {
            ssrc: Ssrc(ssrc as u32),
            repair_ssrc: Ssrc(repair as u32),
            repair_sequence: SequenceNumber((repair >> 32) as u16),
            // Far from the end, so that the first packets do not wrap: SRTP has to guess how often they have (RFC 3711 §3.3.1).
            sequence: (ssrc >> 32) as u16 & 0x7fff,
            time: starts as u32,
            history: History::new(HistoryLimits::default()),
            packets: 0,
            octets: 0,
            last: None,
            requested: None,
        }
    }

    /// Writes a packet, and says which number it has.
    pub(super) fn write(
        &mut self,
        now: Instant,
        number: PayloadType,
        packet: &VideoPacket,
        out: &mut Vec<u8>,
    ) -> SequenceNumber {
        if self.last.is_none() {
            // The first packet begins where the stream begins, whatever number its sender gave it.
            self.sequence = self.sequence.wrapping_sub(packet.sequence.0);
        }
        let sequence = SequenceNumber(packet.sequence.0.wrapping_add(self.sequence));
        let time = packet.time.plus(self.time);
        RtpPacket {
            marker: packet.marker,
            payload_type: number,
            sequence,
            time,
            ssrc: self.ssrc,
            contributors: Default::default(),
            extension: None,
            payload: &packet.payload,
        }
        .write(out);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
        if self.last.is_none_or(|(last, _)| time.ticks_since(last) > 0) {
            self.last = Some((time, now));
        }
        sequence
    }

    pub(super) fn keep(&mut self, now: Instant, sequence: SequenceNumber, packet: &[u8]) {
        self.history.keep(now, sequence, packet);
    }

    pub(super) fn forget(&mut self) {
        self.history = History::new(HistoryLimits::default());
    }

    /// The packet of that number once more: in the stream of its repairs, where `repair` says the number of that, and then it has to
    /// be protected yet; else as it was.
    pub(super) fn again(
        &mut self,
        now: Instant,
        sequence: SequenceNumber,
        round_trip: Duration,
        repair: impl FnOnce(PayloadType) -> Option<PayloadType>,
    ) -> Option<(Vec<u8>, bool)> {
        let kept = self.history.again(now, sequence, round_trip)?;
        let number = PayloadType::new(kept.get(1)? & 0x7f)?;
        let Some(repair) = repair(number) else { return Some((kept.to_vec(), false)) };
        let original = RtpPacket::parse(kept).ok()?;
        self.repair_sequence = self.repair_sequence.next();
        let (mut memory, mut out) = (Vec::new(), Vec::with_capacity(kept.len() + 2));
        retransmission(&original, self.repair_ssrc, repair, self.repair_sequence, &mut memory)
            .write(&mut out);
        Some((out, true))
    }

    /// Whether anything was ever sent.
    pub(super) fn has_sent(&self) -> bool {
        self.last.is_some()
    }

    /// The first half of a sender report (RFC 3550 §6.4.1).
    pub(super) fn report(&self, now: Instant, epoch: &Epoch) -> Option<SenderInfo> {
        let (last, at) = self.last?;
        let passed = now.saturating_duration_since(at).as_micros() * u128::from(CLOCK) / 1_000_000;
        let ntp = NtpTime::from_unix(epoch.unix(now));
        Some(SenderInfo { ntp, time: last.plus(passed as u32), packets: self.packets, octets: self.octets })
    }
}
