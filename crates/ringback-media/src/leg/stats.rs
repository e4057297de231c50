//! The figures of a leg.

use super::AudioLeg;
use ringback_rtp::jitter::JitterConfig;
use ringback_rtp::rtcp::{UNAVAILABLE, VoipMetrics};
use ringback_srtp::Profile;
use std::time::Duration;

/// Plain figures since the start of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegStats {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Payload octets sent.
    pub octets_sent: u64,
    /// RTP packets accepted.
    pub packets_received: u64,
    /// Payload octets accepted.
    pub octets_received: u64,
    /// Packets that never came, less duplicates (RFC 3550 §A.3).
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that never came and were played from what later ones repeat of them (RFC 2198); they count as lost all the same.
    pub recovered: u64,
    /// How many earlier frames each packet of ours repeats now.
    pub repeats: usize,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that were dropped for want of room, or when the sender's clock jumped.
    pub discarded: u64,
    /// Datagrams from strangers.
    pub foreign: u64,
    /// Datagrams that were malformed, out of every order, or of a kind that was not agreed on.
    pub refused: u64,
    /// Datagrams that were not protected as agreed: forged, replayed, or in clear.
    pub forged: u64,
    /// How packets are protected now; `None` of those in clear.
    pub encryption: Option<Profile>,
    /// Interarrival jitter (RFC 3550 §A.8).
    pub jitter: Duration,
    /// The round trip, once the peer has reported.
    pub round_trip: Option<Duration>,
    /// What the peer lost of our stream, by its last report.
    pub remote_lost: Option<i32>,
    /// The jitter of our stream at the peer, by its last report.
    pub remote_jitter: Option<Duration>,
    /// How our speech comes through at the peer, where it tells by extended reports (RFC 3611 §4.7).
    pub remote_metrics: Option<VoipMetrics>,
    /// What our coder aims at, in bit/s of payload; `None` where the format leaves no choice.
    pub bit_rate: Option<u32>,
    /// How much speech was made up because it did not come in time.
    pub concealed: Duration,
    /// How much speech was played stretched, shortened, or joined to what was made up.
    pub altered: Duration,
    /// How much silence was not decoded, for nobody needed it ([`AudioLeg::pass_over`]).
    pub passed_over: Duration,
    /// How long the last frame waited in the jitter buffer.
    pub delay: Duration,
    /// How long frames should wait there, by what was learnt about the network.
    pub target_delay: Duration,
}

/// Below this many packets a share of losses says nothing.
const ENOUGH: u64 = 50;
/// Speech waits so long to be sent, and as long to be played: a packet of 20 ms at either end.
const PACKETS: f64 = 40.0;

impl LegStats {
    /// The share of the packets for us that could not be played, 0 to 1; `None` before a second of speech has come.
    pub fn loss(&self) -> Option<f64> {
        let expected = self.packets_received + self.lost;
        let missed = (self.lost + self.late + self.discarded).saturating_sub(self.recovered);
        (expected >= ENOUGH).then(|| (missed as f64 / expected as f64).min(1.0))
    }

    /// What listeners would say of what we hear, from 1 (bad) to 4.4 (as good as G.711 gets): the mean opinion score of the E-model
    /// (ITU-T G.107 §7 and annex B) for losses and delay, as if the rest were without fault. The network's part of the delay
    /// counts once the peer has reported. `None` before a second of speech has come.
    pub fn mos(&self) -> Option<f64> {
        Some(self.opinion(self.loss()?, self.delay))
    }

    /// The same of what the peer hears of us: its own opinion where it tells one by extended reports, else by what it has lost. How
    /// long its own buffer holds us back nobody knows then, so that counts as ours does. `None` before it has reported, or a second of
    /// speech was sent.
    pub fn remote_mos(&self) -> Option<f64> {
        let told = self.remote_metrics.map(|metrics| metrics.mos_conversation);
        // RFC 3611 §4.7.5: tenths from 10 to 50; all else is no score.
        if let Some(tenths) = told.filter(|tenths| (10..=50).contains(tenths)) {
            return Some(f64::from(tenths) / 10.0);
        }
        let lost = u64::try_from(self.remote_lost?.max(0)).ok()?;
        let loss = (lost as f64 / self.packets_sent.max(1) as f64).min(1.0);
        (self.packets_sent >= ENOUGH).then(|| self.opinion(loss, self.delay))
    }

    fn opinion(&self, loss: f64, buffered: Duration) -> f64 {
        let r = self.rating(loss, buffered);
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
    }

    /// The rating R of the E-model, 0 to 100.
    fn rating(&self, loss: f64, buffered: Duration) -> f64 {
        let lost = loss * 100.0;
        // G.711 with concealment, losses at random (ITU-T G.113 appendix I): Ie is 0, Bpl is 25.1.
        let equipment = 95.0 * lost / (lost + 25.1);
        let one_way = self.round_trip.unwrap_or_default().as_secs_f64() * 500.0;
        let delay = one_way + buffered.as_secs_f64() * 1e3 + PACKETS;
        let lag = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
        (93.2 - equipment - lag).clamp(0.0, 100.0)
    }
}

impl AudioLeg {
    /// The figures up to now.
    pub fn stats(&self) -> LegStats {
        let (session, jitter) = (self.session.stats(), self.playout.stats());
        LegStats {
            packets_sent: session.packets_sent,
            octets_sent: session.octets_sent,
            packets_received: session.packets_received,
            octets_received: session.octets_received,
            lost: session.lost,
            late: jitter.late,
            recovered: jitter.recovered,
            repeats: self.redundancy.repeats(),
            duplicates: jitter.duplicates,
            discarded: jitter.discarded,
            foreign: self.foreign,
            refused: session.refused + self.unknown,
            forged: self.forged,
            encryption: self.encryption(),
            jitter: session.jitter,
            round_trip: session.rtt,
            remote_lost: session.remote_lost,
            remote_jitter: session.remote_jitter,
            remote_metrics: session.remote_metrics,
            bit_rate: self.coding.bit_rate(),
            concealed: self.playout.concealed(),
            altered: self.playout.altered(),
            passed_over: self.playout.passed_over(),
            delay: jitter.delay,
            target_delay: jitter.target,
        }
    }
}

impl AudioLeg {
    /// What we tell the peer of its speech (RFC 3611 §4.7); `None` before it has said a second of it.
    pub(super) fn metrics(&self) -> Option<VoipMetrics> {
        let (stats, ssrc) = (self.stats(), self.remote_ssrc()?);
        let loss = stats.loss()?;
        let expected = (stats.packets_received + stats.lost).max(1);
        let share = |packets: u64| (packets.min(expected) * 256 / expected).min(255) as u8;
        let millis = |span: Duration| u16::try_from(span.as_millis()).unwrap_or(u16::MAX);
        let tenths = |mos: f64| (mos * 10.0).round() as u8;
        let most = JitterConfig::speech(1_000).maximum;
        Some(VoipMetrics {
            loss_rate: share(stats.lost),
            discard_rate: share(stats.late + stats.discarded),
            bursts: self.playout.bursts().metrics(self.format.ptime),
            round_trip: stats.round_trip.map_or(0, millis),
            end_system_delay: millis(stats.delay + self.format.ptime * 2),
            r_factor: stats.rating(loss, stats.delay).round() as u8,
            // Listening alone suffers from no delay.
            mos_listening: tenths(LegStats { round_trip: None, ..stats }.opinion(loss, Duration::ZERO)),
            mos_conversation: stats.mos().map_or(UNAVAILABLE, tenths),
            receiver: VoipMetrics::ENHANCED_AND_ADAPTIVE,
            buffer_nominal: millis(stats.target_delay),
            buffer_maximum: millis(stats.target_delay.max(stats.delay)),
            buffer_absolute_maximum: millis(most),
            ..VoipMetrics::unknown(ssrc)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mos(lost: u64, delay: u64) -> f64 {
        let stats = LegStats {
            packets_received: 1_000 - lost,
            lost,
            delay: Duration::from_millis(delay),
            ..LegStats::default()
        };
        stats.mos().unwrap()
    }

    #[test]
    fn opinions_fall_with_losses_and_delay() {
        assert_eq!(LegStats { packets_received: 49, ..LegStats::default() }.mos(), None);
        assert!((4.3..4.5).contains(&mos(0, 20)), "{}", mos(0, 20));
        // Table of G.107 by this formula: five in a hundred are about R 75.
        assert!((3.6..3.9).contains(&mos(50, 20)), "{}", mos(50, 20));
        assert!(mos(50, 400) < mos(50, 20) && mos(200, 20) < mos(50, 20));
        assert_eq!(mos(1_000, 5_000), 1.0);
    }

    #[test]
    fn what_comes_too_late_is_lost_as_well() {
        let stats = LegStats { packets_received: 90, lost: 10, late: 5, ..LegStats::default() };
        assert_eq!(stats.loss(), Some(0.15));
    }

    #[test]
    fn what_the_peer_reports_is_judged_alike() {
        let stats = LegStats { packets_sent: 1_000, remote_lost: Some(50), ..LegStats::default() };
        assert_eq!(stats.mos(), None, "nothing has come");
        let heard = LegStats { packets_received: 950, lost: 50, ..LegStats::default() };
        assert_eq!(stats.remote_mos(), heard.mos());
        let more = LegStats { remote_lost: Some(-3), ..stats };
        assert!(more.remote_mos() > stats.remote_mos(), "duplicates are no losses");
        assert_eq!(LegStats { remote_lost: None, ..stats }.remote_mos(), None);
        let told = |mos_conversation| {
            let metrics = VoipMetrics { mos_conversation, ..VoipMetrics::unknown(ringback_rtp::Ssrc(1)) };
            LegStats { remote_metrics: Some(metrics), ..stats }.remote_mos()
        };
        assert_eq!(told(31), Some(3.1), "the peer knows best");
        assert_eq!(told(UNAVAILABLE), stats.remote_mos());
    }
}
