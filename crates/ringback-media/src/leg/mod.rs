//! The audio leg of a call: speech and digits in both directions over one RTP session.

mod coding;
mod common;
mod levels;
mod receive;
mod redundancy;
pub(crate) mod security;
mod stats;
mod text;

pub use common::{Coded, CommonCoders};
pub use receive::{Incoming, LegEvent, Refused};
pub use stats::LegStats;
pub use text::{TextFormat, TextLeg};

use crate::latch::Latch;
use crate::playout::{FrameKind, Playout};
use crate::{AudioFormat, AudioPayload, PeerAddress, UnsupportedRate};
use coding::Coding;
use levels::Levels;
use redundancy::Redundancy;
use ringback_rtp::event::{Event, EventReceiver, EventSender, TooManyEvents};
use ringback_rtp::{RtpConfig, RtpSession, RtpTime, Ssrc};
use ringback_sansio::{Entropy, Epoch};
use ringback_sdp::Direction;
use security::Security;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// 64 kbit/s and the headers of fifty packets a second; RTCP takes a twentieth.
const BANDWIDTH: u32 = 80_000;
/// The power of a digit below 0 dBm0, in decibels, as telephones send it.
const DIGIT_VOLUME: u8 = 10;
/// Between two digits, as a part of a second: 50 ms.
const DIGIT_PAUSE: u32 = 20;
/// What is still on its way when the direction changes is heard for so long.
const IN_FLIGHT: Duration = Duration::from_millis(200);

/// What a leg needs to know at its start.
#[derive(Clone, Debug)]
pub struct LegConfig {
    /// The payload formats.
    pub format: AudioFormat,
    /// Who sends and who receives, from our view.
    pub direction: Direction,
    /// Where the peer is; `None` when that is not known yet, or nothing may be sent.
    pub peer: Option<PeerAddress>,
    /// Our canonical name in RTCP (RFC 3550 §6.5.1), random by RFC 7022.
    pub cname: String,
    /// Ties `now` to the wall clock, which sender reports carry.
    pub epoch: Epoch,
    /// Samples a second of the frames that are given and taken, whatever the codec: 8,000 to 48,000, a multiple of 1,000.
    pub rate: u32,
    /// How long what came waits to be played.
    pub playout: PlayoutMode,
}

/// How long what came waits to be played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlayoutMode {
    /// As long as the network asks for, 40 to 400 ms; speech is stretched and shortened unheard.
    #[default]
    Adaptive,
    /// Always as long; nothing is stretched or shortened, as the tones of a fax or a modem need it.
    Fixed(Duration),
}

/// One end of the audio of a call. See the [crate's documentation](crate) for its run loop.
#[derive(Debug)]
pub struct AudioLeg {
    format: AudioFormat,
    /// Samples a second of the frames.
    rate: u32,
    direction: Direction,
    latch: Latch,
    session: RtpSession,
    security: Security,
    /// The time of the next sample that is sent or withheld.
    time: RtpTime,
    /// The last frame was not sent, so that the next one starts a talkspurt.
    paused: bool,
    digits: EventSender,
    coding: Coding,
    levels: Levels,
    redundancy: Redundancy,
    playout: Playout,
    heard_digits: EventReceiver,
    /// Ticks a second of the events that are heard.
    event_clock: u32,
    /// Ticks a second of what the peer sends.
    remote_clock: u32,
    /// Until when packets are heard although the direction says no.
    in_flight: Option<Instant>,
    peer_left: bool,
    foreign: u64,
    unknown: u64,
    forged: u64,
    events: VecDeque<LegEvent>,
}

/// What became of a frame that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the packet.
    Audio,
    /// The packet carries a digit in its place.
    Digit(char),
    /// There is no packet, as the codec leaves silence unsent.
    Pause,
    /// There is no packet: the direction forbids it, nobody knows where to send it, or it cannot be encrypted.
    Nothing,
}

/// Why a digit is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitError {
    /// It is none of `0`-`9`, `*`, `#`, `A`-`D`.
    NotADigit(char),
    /// The peer takes no telephone events.
    NotNegotiated,
    /// More are waiting than a person could dial.
    TooMany,
}

impl fmt::Display for DigitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADigit(digit) => write!(f, "{digit:?} is no digit; 0-9, *, # and A-D are"),
            Self::NotNegotiated => f.write_str("the peer takes no telephone-event"),
            Self::TooMany => TooManyEvents.fmt(f),
        }
    }
}

impl std::error::Error for DigitError {}

impl AudioLeg {
    /// A leg that starts now, in clear; [`secure`](Self::secure) encrypts it. SSRC, first sequence number and first timestamp are random.
    ///
    /// # Errors
    /// [`UnsupportedRate`] when the rate of the frames is none that can be converted.
    pub fn new(now: Instant, config: LegConfig, entropy: &mut dyn Entropy) -> Result<Self, UnsupportedRate> {
        let LegConfig { format, direction, peer, cname, epoch, rate, playout } = config;
        if !(8_000..=48_000).contains(&rate) || !rate.is_multiple_of(1_000) {
            return Err(UnsupportedRate { from: rate, to: format.send.sample_rate() });
        }
        let clock = format.send.clock_rate();
        let rtp = RtpConfig { clock_rate: clock, cname, bandwidth: BANDWIDTH, epoch };
        let mut session = RtpSession::new(now, rtp, entropy);
        session.extend_reports(format.extended_reports);
        Ok(Self {
            coding: Coding::new(format.send.clone(), rate),
            format,
            rate,
            direction,
            latch: Latch::new(peer),
            time: session.first_time(),
            session,
            security: Security::Plain,
            paused: true,
            digits: EventSender::new(DIGIT_VOLUME, clock / DIGIT_PAUSE),
            levels: Levels::default(),
            redundancy: Redundancy::default(),
            playout: Playout::new(now, rate, clock, playout),
            heard_digits: EventReceiver::new(),
            event_clock: clock,
            remote_clock: clock,
            in_flight: None,
            peer_left: false,
            foreign: 0,
            unknown: 0,
            forged: 0,
            events: VecDeque::new(),
        })
    }

    /// Takes the outcome of another offer and answer, as for hold and resume. The streams, their numbers and the
    /// figures go on; a peer address of `None` leaves the one that is known (RFC 3264 §8.4, `c=0.0.0.0`). The codec may be another;
    /// digits that wait are lost where its clock is.
    pub fn renegotiate(
        &mut self,
        now: Instant,
        format: AudioFormat,
        direction: Direction,
        peer: Option<PeerAddress>,
    ) {
        if self.direction.receives() && !direction.receives() {
            self.in_flight = Some(now + IN_FLIGHT);
        }
        if format.event_to_send.is_none() || !direction.sends() {
            self.digits.clear();
        }
        let clock = format.send.clock_rate();
        if clock != self.format.send.clock_rate() {
            // What waits counts its length by the old clock.
            self.digits = EventSender::new(DIGIT_VOLUME, clock / DIGIT_PAUSE);
            self.session.set_clock_rates(clock, self.remote_clock);
        }
        self.coding.change(format.send.clone());
        // What was sent of another format, or by another clock, nobody repeats.
        self.redundancy.clear();
        self.session.extend_reports(format.extended_reports);
        self.format = format;
        self.direction = direction;
        self.latch.signal(peer);
    }

    /// Sends to where ICE has found the peer, and takes what comes through the [path](crate::MediaPath).
    pub fn follow(&mut self, way: crate::Way) {
        self.latch.follow(way);
    }

    /// Samples in a packet, at the [rate](Self::rate) of the frames.
    pub fn frame_len(&self) -> usize {
        (self.format.ptime.as_millis() * u128::from(self.rate) / 1_000) as usize
    }

    /// Samples a second of the frames.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends the packet for the next frame to `packet`, unless it is not to be sent.
    ///
    /// Call it once a [packet time](AudioFormat::ptime) with [`frame_len`](Self::frame_len) samples, on hold as well: the
    /// media clock goes on while nothing is sent, and digits take their time from it.
    pub fn send_frame(&mut self, now: Instant, pcm: &[i16], packet: &mut Vec<u8>) -> Sent {
        self.send(now, pcm, None, packet)
    }

    /// The same for a frame that is coded already; `pcm` is what it says. The leg codes it itself where it is not in
    /// [its format](Self::shared_format).
    pub fn send_coded(&mut self, now: Instant, pcm: &[i16], coded: &Coded, packet: &mut Vec<u8>) -> Sent {
        let is_usable = self.shared_format().is_some_and(|format| common::is_same(format, &coded.format));
        self.send(now, pcm, is_usable.then_some(&coded.payload), packet)
    }

    /// The format in which [`CommonCoders`] may code for this leg; `None` of one whose peer loses packets, which a coder of its own
    /// follows.
    pub fn shared_format(&self) -> Option<&AudioPayload> {
        self.coding.shared()
    }

    fn send(&mut self, now: Instant, pcm: &[i16], coded: Option<&Arc<[u8]>>, packet: &mut Vec<u8>) -> Sent {
        let begin = self.time;
        self.time = begin.plus(self.coding.ticks(pcm.len()));
        if !self.direction.sends() || self.latch.rtp_destination().is_none() {
            self.paused = true;
            return Sent::Nothing;
        }
        let start = packet.len();
        let sent = self.write_frame(now, begin, pcm, coded, packet);
        let is_ready = packet.len() == start || self.security.protect(packet, start, false);
        if is_ready { sent } else { Sent::Nothing }
    }

    fn write_frame(
        &mut self,
        now: Instant,
        begin: RtpTime,
        pcm: &[i16],
        coded: Option<&Arc<[u8]>>,
        packet: &mut Vec<u8>,
    ) -> Sent {
        if let Some(number) = self.format.event_to_send
            && let Some(event) = self.digits.poll(begin, self.time)
        {
            let payload = event.payload.octets();
            self.session.write(now, event.time, number, event.marker, &payload, packet);
            self.redundancy.clear();
            // Speech that follows a digit is a new talkspurt (RFC 4733 §2.5.1.2, RFC 3551 §4.1).
            self.paused = true;
            return Sent::Digit(event.payload.event.digit().unwrap_or('?'));
        }
        let payload = match coded {
            Some(payload) => {
                self.coding.pass_over(pcm);
                payload
            }
            None => self.coding.encode(pcm),
        };
        if payload.is_empty() {
            self.paused = true;
            return Sent::Pause;
        }
        let marker = std::mem::take(&mut self.paused);
        let AudioFormat { send, red_to_send, level_to_send, .. } = &self.format;
        let level = level_to_send.and_then(|id| self.levels.tell(id, pcm));
        let (number, payload) = self.redundancy.wrap(*red_to_send, begin, send.number, payload);
        self.session.write_with(now, begin, number, marker, level, payload, packet);
        Sent::Audio
    }

    /// Queues a digit, to be sent in place of speech for `length`, at least 40 ms.
    ///
    /// # Errors
    /// [`DigitError`] when it cannot be sent.
    pub fn send_digit(&mut self, digit: char, length: Duration) -> Result<(), DigitError> {
        let event = Event::from_digit(digit).ok_or(DigitError::NotADigit(digit))?;
        if self.format.event_to_send.is_none() {
            return Err(DigitError::NotNegotiated);
        }
        // RFC 4733 §2.5.1.1 leaves the length to us; ITU-T Q.24 has receivers detect 40 ms.
        let length = length.clamp(Duration::from_millis(40), Duration::from_secs(60));
        let clock = self.format.send.clock_rate();
        let ticks = (length.as_millis() * u128::from(clock) / 1_000) as u32;
        self.digits.push(event, ticks).map_err(|TooManyEvents| DigitError::TooMany)
    }

    /// Whether digits are being sent or wait.
    pub fn is_sending_digits(&self) -> bool {
        !self.digits.is_idle() || self.digits.is_active()
    }

    /// Fills `out` with what is to be played next, and says what it is made of. Call it whenever so many samples have
    /// been played; the rate of these calls is the clock of the playout.
    pub fn next_frame(&mut self, now: Instant, out: &mut [i16]) -> FrameKind {
        let expects = self.direction.receives() && !self.peer_left;
        self.playout.next(now, expects, &self.format.receive, out)
    }

    /// What happened since the last call; drain until `None`.
    pub fn poll_event(&mut self) -> Option<LegEvent> {
        self.events.pop_front()
    }

    /// Appends the RTCP packet that is due, if one is; repeat until it says `false`. On hold too (RFC 3264 §5.1).
    pub fn poll_rtcp(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool {
        let start = packet.len();
        if self.session.extends_reports() && self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.session.set_voip_metrics(self.metrics());
        }
        self.latch.rtcp_destination().is_some()
            && self.session.poll_rtcp(now, packet)
            && self.security.protect(packet, start, true)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_rtcp`](Self::poll_rtcp).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let report = self.latch.rtcp_destination().and_then(|_| self.session.poll_timeout());
        [report, self.heard_digits.poll_timeout()].into_iter().flatten().min()
    }

    /// Ends a received digit whose end never came.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.heard_digits.handle_timeout(now);
        self.note_digits();
    }

    /// Ends the leg: appends a last report with BYE, if anything was ever sent. No RTCP is due afterwards.
    pub fn close(&mut self, now: Instant, reason: &str, packet: &mut Vec<u8>) -> bool {
        self.direction = Direction::Inactive;
        self.digits.clear();
        let start = packet.len();
        self.session.set_voip_metrics(self.metrics());
        self.session.close(now, reason, packet) && self.security.protect(packet, start, true)
    }

    /// Where our RTP goes: to the peer's address as signalled, or as latched.
    pub fn rtp_destination(&self) -> Option<SocketAddr> {
        self.latch.rtp_destination()
    }

    /// Where our RTCP goes.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        self.latch.rtcp_destination()
    }

    /// The payload formats.
    pub fn format(&self) -> &AudioFormat {
        &self.format
    }

    /// Who sends and who receives, from our view.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Our SSRC.
    pub fn ssrc(&self) -> Ssrc {
        self.session.ssrc()
    }

    /// The source that is heard.
    pub fn remote_ssrc(&self) -> Option<Ssrc> {
        self.session.remote_ssrc()
    }

    /// The timestamp of the first sample that was given to [`send_frame`](Self::send_frame).
    pub fn first_time(&self) -> RtpTime {
        self.session.first_time()
    }
}
