//! One RTP session with one peer: numbers what we send, judges what comes, reports both.

mod control;
mod extended;
mod source;

use crate::rtcp::{ReportBlock, SenderInfo, VoipMetrics};
use crate::{Extension, PacketError, PayloadType, RtpPacket, RtpTime, SequenceNumber, Ssrc};
use control::Schedule;
use extended::Extended;
use ringback_sansio::{Entropy, Epoch, SeededEntropy};
pub use source::{Place, Source};
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// How long the current source has to be silent before another may take its place. Two packets of usual
/// length; a forged stream cannot push aside one that flows.
const SOURCE_SILENCE: Duration = Duration::from_millis(50);
/// How often the own SSRC gives way to a colliding one. More is a loop, in which every new number comes back
/// (RFC 3550 §8.2).
const MAX_COLLISIONS: usize = 3;
/// Events that may wait to be polled.
const MAX_EVENTS: usize = 16;

/// A session with one peer.
///
/// The packet path works on the caller's memory: [`write`](Self::write) and [`read`](Self::read). For reports
/// call [`poll_rtcp`](Self::poll_rtcp) whenever [`poll_timeout`](Self::poll_timeout) has come; for what happened
/// to the session, [`poll_event`](Self::poll_event).
#[derive(Clone, Debug)]
pub struct RtpSession {
    clock_rate: u32,
    /// The clock of what the peer sends, where it is another.
    remote_clock_rate: u32,
    cname: String,
    epoch: Epoch,
    random: SeededEntropy,
    latest: Instant,
    origin: Instant,
    sending: Sending,
    source: Option<Source>,
    candidate: Option<(Ssrc, SequenceNumber)>,
    former: Vec<Ssrc>,
    /// The last SR: who sent it, the middle of its NTP time, when it came.
    last_sr: Option<(Ssrc, u32, Instant)>,
    remote: Option<ReportBlock>,
    rtt: Option<Duration>,
    totals: Totals,
    schedule: Schedule,
    extended: Extended,
    events: VecDeque<RtpEvent>,
}

/// Our own stream.
#[derive(Clone, Debug)]
struct Sending {
    ssrc: Ssrc,
    sequence: SequenceNumber,
    first_time: RtpTime,
    packets: u64,
    octets: u64,
    /// The last packet, for the clock relation of the SR.
    last: Option<(Instant, RtpTime)>,
}

/// What outlives a single source.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    packets: u64,
    octets: u64,
    refused: u64,
    lost: i64,
}

/// What a session needs to know at its start.
#[derive(Clone, Debug)]
pub struct RtpConfig {
    /// Ticks a second of the media clock, 8,000 for G.711. Zero counts as one.
    pub clock_rate: u32,
    /// Our canonical name (RFC 3550 §6.5.1). RFC 7022 asks for a random one that tells nothing.
    pub cname: String,
    /// Bits a second of the session, headers included; RTCP takes a twentieth of it.
    pub bandwidth: u32,
    /// Ties `now` to the wall clock, which sender reports carry.
    pub epoch: Epoch,
}

/// A packet that belongs to the stream of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// The packet, still in the datagram.
    pub packet: RtpPacket<'a>,
    /// How it continues what came before.
    pub continuity: Continuity,
}

/// How a packet continues the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// Same source, plausible sequence number.
    Steady,
    /// Same source with fresh numbers: buffers and decoders start over.
    Restarted,
    /// Another source, or the first: buffers and decoders start over.
    NewSource,
}

/// Why a packet is not for playing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtpError {
    /// Not RTP.
    Malformed(PacketError),
    /// From another source than the one that is heard. It takes over once that has fallen silent and two
    /// packets came in a row.
    OtherSource(Ssrc),
    /// The sequence number is far from all others; the next packet will tell.
    SequenceJump,
    /// It carries our own SSRC: a loop, or a collision after which ours has changed.
    Collision,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::OtherSource(ssrc) => write!(f, "RTP from {ssrc} while another source is heard"),
            Self::SequenceJump => f.write_str("RTP sequence number out of every order"),
            Self::Collision => f.write_str("RTP with our own SSRC"),
        }
    }
}

impl std::error::Error for RtpError {}

/// What happened to a session.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtpEvent {
    /// The stream of the peer comes from another source, or from its first.
    SourceChanged {
        /// Whom we heard before.
        from: Option<Ssrc>,
        /// Whom we hear now.
        to: Ssrc,
    },
    /// The source that we hear said BYE.
    SourceLeft(Ssrc),
    /// A source uses the SSRC that was ours; a BYE for the old one goes out (RFC 3550 §8.2).
    OwnSsrcChanged {
        /// The number that was given up.
        from: Ssrc,
        /// The number that is used from now on.
        to: Ssrc,
    },
    /// The peer reported how our stream arrives.
    Reported {
        /// What it has lost since its last report, in 256ths of what we sent.
        fraction_lost: u8,
    },
}

/// Plain figures of a session. Counts are since its start, over all sources of the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpStats {
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
    /// Datagrams refused: malformed, from elsewhere, or out of every order.
    pub refused: u64,
    /// Interarrival jitter of the current source (RFC 3550 §A.8).
    pub jitter: Duration,
    /// The round trip by the peer's last report.
    pub rtt: Option<Duration>,
    /// What the peer lost of our stream, by its last report.
    pub remote_lost: Option<i32>,
    /// The jitter of our stream at the peer, by its last report.
    pub remote_jitter: Option<Duration>,
    /// What the peer tells of our speech by extended reports (RFC 3611 §4.7).
    pub remote_metrics: Option<VoipMetrics>,
}

impl RtpSession {
    /// A session that starts now. SSRC, first sequence number and first timestamp are random (RFC 3550 §5.1).
    pub fn new(now: Instant, config: RtpConfig, entropy: &mut dyn Entropy) -> Self {
        // Intervals of RTCP may be guessed by an observer without harm, so a seeded stream does for the rest.
        let mut random = SeededEntropy::new(entropy.next_u64());
        let start = entropy.next_u64();
        let sending = Sending {
            ssrc: Ssrc(entropy.next_u64() as u32),
            // Below 2^15, so that nobody misses the first roll-over who missed the first packets (RFC 3711 §3.3.1).
            sequence: SequenceNumber((start >> 32) as u16 & 0x7fff),
            first_time: RtpTime(start as u32),
            packets: 0,
            octets: 0,
            last: None,
        };
        Self {
            clock_rate: config.clock_rate.max(1),
            remote_clock_rate: config.clock_rate.max(1),
            cname: config.cname,
            epoch: config.epoch,
            latest: now,
            origin: now,
            sending,
            source: None,
            candidate: None,
            former: Vec::new(),
            last_sr: None,
            remote: None,
            rtt: None,
            totals: Totals::default(),
            schedule: Schedule::new(now, config.bandwidth, &mut random),
            extended: Extended::default(),
            events: VecDeque::new(),
            random,
        }
    }

    /// Our SSRC. It changes when another source turns out to use it.
    pub fn ssrc(&self) -> Ssrc {
        self.sending.ssrc
    }

    /// The source that is heard.
    pub fn remote_ssrc(&self) -> Option<Ssrc> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// Changes the ticks a second of our stream and of the peer's, as with another codec (RFC 7160). Zero counts as one.
    pub fn set_clock_rates(&mut self, ours: u32, theirs: u32) {
        self.clock_rate = ours.max(1);
        if self.remote_clock_rate != theirs.max(1) {
            self.remote_clock_rate = theirs.max(1);
            // A transit time counts ticks, so two of different clocks have no difference.
            if let Some(source) = &mut self.source {
                source.forget_transit();
            }
        }
    }

    /// The random timestamp at which our stream should begin.
    pub fn first_time(&self) -> RtpTime {
        self.sending.first_time
    }

    /// Appends the next packet of our stream to `out`. `time` is when the first sample of the payload was taken.
    pub fn write(
        &mut self,
        now: Instant,
        time: RtpTime,
        payload_type: PayloadType,
        marker: bool,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        self.write_with(now, time, payload_type, marker, None, payload, out);
    }

    /// The same with a header extension.
    #[expect(clippy::too_many_arguments, reason = "a packet has so many parts")]
    pub fn write_with(
        &mut self,
        now: Instant,
        time: RtpTime,
        payload_type: PayloadType,
        marker: bool,
        extension: Option<Extension<'_>>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        let now = self.clamp(now);
        let sending = &mut self.sending;
        let packet = RtpPacket {
            marker,
            payload_type,
            sequence: sending.sequence,
            time,
            ssrc: sending.ssrc,
            contributors: Default::default(),
            extension,
            payload,
        };
        packet.write(out);
        sending.sequence = sending.sequence.next();
        sending.packets += 1;
        sending.octets += payload.len() as u64;
        sending.last = Some((now, time));
        self.schedule.sent_rtp(now);
    }

    /// Judges a datagram. The first source of a session is believed at once, as nothing could be pushed aside;
    /// every other one has to prove itself.
    ///
    /// # Errors
    /// [`RtpError`] when the datagram is not part of the peer's stream. It is counted and otherwise forgotten.
    pub fn read<'a>(&mut self, now: Instant, datagram: &'a [u8]) -> Result<Received<'a>, RtpError> {
        let now = self.clamp(now);
        let accepted = self.accept(now, datagram);
        match accepted {
            Ok(received) => {
                self.totals.packets += 1;
                self.totals.octets += received.packet.payload.len() as u64;
            }
            Err(_) => self.totals.refused += 1,
        }
        accepted
    }

    /// What happened since the last call; drain until `None` after `read` and `handle_rtcp`.
    pub fn poll_event(&mut self) -> Option<RtpEvent> {
        self.events.pop_front()
    }

    /// The figures up to now.
    pub fn stats(&self) -> RtpStats {
        let source = self.source.as_ref();
        RtpStats {
            packets_sent: self.sending.packets,
            octets_sent: self.sending.octets,
            packets_received: self.totals.packets,
            octets_received: self.totals.octets,
            lost: (self.totals.lost + source.map_or(0, Source::lost)).max(0) as u64,
            refused: self.totals.refused,
            jitter: source.map_or(Duration::ZERO, |source| ticks(source.jitter(), self.remote_clock_rate)),
            rtt: self.rtt,
            remote_lost: self.remote.map(|report| report.lost),
            remote_jitter: self.remote.map(|report| ticks(report.jitter, self.clock_rate)),
            remote_metrics: self.extended.theirs,
        }
    }

    fn accept<'a>(&mut self, now: Instant, datagram: &'a [u8]) -> Result<Received<'a>, RtpError> {
        let packet = RtpPacket::parse(datagram).map_err(RtpError::Malformed)?;
        if packet.ssrc == self.sending.ssrc || self.former.contains(&packet.ssrc) {
            self.collide(packet.ssrc);
            return Err(RtpError::Collision);
        }
        let continuity = match &mut self.source {
            Some(source) if source.ssrc == packet.ssrc => {
                let lost = source.lost();
                match source.place(packet.sequence) {
                    Place::Forward | Place::Behind => Continuity::Steady,
                    Place::Restart => {
                        self.totals.lost += lost;
                        source.forget_transit();
                        Continuity::Restarted
                    }
                    Place::Jump => return Err(RtpError::SequenceJump),
                }
            }
            _ => {
                self.take_over(now, &packet)?;
                Continuity::NewSource
            }
        };
        let arrival = self.arrival(now);
        if let Some(source) = &mut self.source {
            source.arrived(now, arrival, packet.time);
        }
        self.schedule.heard_rtp(now);
        Ok(Received { packet, continuity })
    }

    /// Lets a source that is not the current one take its place, or has it wait.
    fn take_over(&mut self, now: Instant, packet: &RtpPacket<'_>) -> Result<(), RtpError> {
        if let Some(current) = &self.source {
            let vacant = current.left || now.saturating_duration_since(current.heard) >= SOURCE_SILENCE;
            let in_a_row = self.candidate == Some((packet.ssrc, packet.sequence));
            if !(vacant && in_a_row) {
                self.candidate = Some((packet.ssrc, packet.sequence.next()));
                return Err(RtpError::OtherSource(packet.ssrc));
            }
            self.totals.lost += current.lost();
        }
        let from = self.source.as_ref().map(|source| source.ssrc);
        let mut source = Source::new(packet.ssrc, packet.sequence, now);
        source.place(packet.sequence);
        self.source = Some(source);
        self.candidate = None;
        self.remember(RtpEvent::SourceChanged { from, to: packet.ssrc });
        Ok(())
    }

    /// Somebody uses our SSRC (RFC 3550 §8.2). Whether it is a loop shows when the next number comes back too.
    fn collide(&mut self, ssrc: Ssrc) {
        if ssrc != self.sending.ssrc || self.former.len() >= MAX_COLLISIONS {
            return;
        }
        let to = Ssrc(self.random.next_u64() as u32);
        self.former.push(ssrc);
        self.sending.ssrc = to;
        self.sending.packets = 0;
        self.sending.octets = 0;
        self.schedule.leave_as(ssrc);
        self.remember(RtpEvent::OwnSsrcChanged { from: ssrc, to });
    }

    fn remember(&mut self, event: RtpEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    /// Time never runs backwards for a session.
    fn clamp(&mut self, now: Instant) -> Instant {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// A moment on the media clock of the peer.
    fn arrival(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.origin);
        (since.as_nanos() * u128::from(self.remote_clock_rate) / 1_000_000_000) as u32
    }

    /// The relation of both clocks at `now`, and the counters (RFC 3550 §6.4.1).
    fn sender_info(&self, now: Instant) -> SenderInfo {
        let since_last = |(at, time): (Instant, RtpTime)| {
            let passed = now.saturating_duration_since(at).as_nanos() * u128::from(self.clock_rate);
            time.plus((passed / 1_000_000_000) as u32)
        };
        SenderInfo {
            ntp: self.ntp(now),
            time: self.sending.last.map_or(self.sending.first_time, since_last),
            packets: self.sending.packets as u32,
            octets: self.sending.octets as u32,
        }
    }
}

/// So many ticks of a clock of so many a second.
fn ticks(ticks: u32, clock_rate: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) * 1_000_000_000 / u64::from(clock_rate))
}
