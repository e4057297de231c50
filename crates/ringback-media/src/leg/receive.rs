//! The receiving half of a leg: from whom, what it is, and what it means.

use super::AudioLeg;
use crate::AudioPayload;
use crate::format::Meaning;
use ringback_rtp::event::EventReport;
use ringback_rtp::jitter::Repeated;
use ringback_rtp::red::Redundant;
use ringback_rtp::rtcp::RtcpError;
use ringback_rtp::{
    AudioLevel, Continuity, Datagram, PayloadType, Received, RtpError, RtpEvent, RtpPacket, RtpTime,
    SequenceNumber, Ssrc,
};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Events that may wait to be polled.
const MAX_EVENTS: usize = 64;

/// What a datagram was.
#[derive(Clone, Debug)]
pub enum Incoming<'a> {
    /// Speech. It waits to be played; the packet is here to be recorded as it came.
    Audio {
        /// How it is coded.
        payload: AudioPayload,
        /// The packet, still in the datagram; without what it repeats.
        packet: RtpPacket<'a>,
        /// Earlier packets that have not come, from what this one repeats of them (RFC 2198).
        recovered: Vec<(AudioPayload, RtpPacket<'a>)>,
    },
    /// The peer pauses, and has described the noise that is heard meanwhile (RFC 3389).
    Noise,
    /// A part of a telephone event.
    Event,
    /// RTCP.
    Rtcp,
}

/// Why a datagram was dropped. All but [`Held`](Self::Held) are counted.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It came from a stranger.
    Source(SocketAddr),
    /// It is no part of the peer's stream.
    Rtp(RtpError),
    /// It is no valid RTCP.
    Rtcp(RtcpError),
    /// Nobody agreed on this payload type.
    PayloadType(PayloadType),
    /// Its payload is none of its codec.
    Payload,
    /// The direction of the leg says that the peer should be silent.
    Held,
    /// It is not protected as agreed.
    Srtp(ringback_srtp::Refused),
    /// Neither RTP nor RTCP.
    NotMedia,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(from) => write!(f, "media from the stranger {from}"),
            Self::Rtp(error) => error.fmt(f),
            Self::Rtcp(error) => error.fmt(f),
            Self::PayloadType(number) => write!(f, "RTP payload type {} was not agreed on", number.number()),
            Self::Payload => f.write_str("a damaged payload"),
            Self::Held => f.write_str("RTP while the peer should be silent"),
            Self::Srtp(error) => error.fmt(f),
            Self::NotMedia => f.write_str("neither RTP nor RTCP"),
        }
    }
}

impl std::error::Error for Refused {}

/// What happened to a leg.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// The peer presses a key.
    DigitStarted(char),
    /// It is released, or nothing was heard of it for too long. Every one follows its `DigitStarted`.
    DigitEnded(char, Duration),
    /// The peer sends from another address than it signalled; ours goes there from now on.
    Latched {
        /// What was signalled.
        signalled: Option<SocketAddr>,
        /// Where its packets come from.
        source: SocketAddr,
    },
    /// The stream of the peer comes from another source, or from its first.
    SourceChanged {
        /// Whom we heard before.
        from: Option<Ssrc>,
        /// Whom we hear now.
        to: Ssrc,
    },
    /// The peer ended its stream (RTCP BYE).
    PeerLeft,
}

impl AudioLeg {
    /// Takes a datagram from either socket of the leg, and decrypts it in place.
    ///
    /// # Errors
    /// [`Refused`] when it is not for this leg. It has changed nothing but counters.
    pub fn receive<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'a mut [u8],
    ) -> Result<Incoming<'a>, Refused> {
        match Datagram::classify(datagram) {
            Datagram::Rtp => self.receive_rtp(now, from, datagram),
            Datagram::Rtcp => {
                if !self.latch.admits_rtcp(from) {
                    self.foreign += 1;
                    return Err(Refused::Source(from));
                }
                let datagram = self.unprotect(datagram, true)?;
                self.session.handle_rtcp(now, datagram).map_err(Refused::Rtcp)?;
                self.latch.heard_rtcp(from);
                self.note_session();
                Ok(Incoming::Rtcp)
            }
            Datagram::Other => {
                self.unknown += 1;
                Err(Refused::NotMedia)
            }
        }
    }

    fn receive_rtp<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'a mut [u8],
    ) -> Result<Incoming<'a>, Refused> {
        if !self.latch.admits(from) {
            self.foreign += 1;
            return Err(Refused::Source(from));
        }
        let datagram = self.unprotect(datagram, false)?;
        let number = datagram.get(1).and_then(|octet| PayloadType::new(octet & 0x7f));
        let outer = number.and_then(|number| self.format.meaning(number));
        let redundant = match outer {
            Some(Meaning::Redundancy) => Some(self.unwrap(datagram)?),
            _ => None,
        };
        let meaning = match &redundant {
            Some(redundant) => self.format.meaning(redundant.payload_type),
            None => outer,
        };
        let clock = match &meaning {
            Some(Meaning::Audio(payload)) => payload.clock_rate(),
            Some(Meaning::Event(_) | Meaning::Noise | Meaning::Redundancy) | None => self.remote_clock,
        };
        if clock != self.remote_clock {
            self.remote_clock = clock;
            self.session.set_clock_rates(self.format.send.clock_rate(), clock);
        }
        // Only what was agreed on can latch an address, or become the first source of the session.
        if meaning.is_none() && (!self.latch.knows(from) || self.session.remote_ssrc().is_none()) {
            self.unknown += 1;
            return Err(number.map_or(Refused::NotMedia, Refused::PayloadType));
        }
        let Received { packet, continuity } = self.session.read(now, datagram).map_err(Refused::Rtp)?;
        let packet = match &redundant {
            Some(it) => RtpPacket { payload_type: it.payload_type, payload: it.payload, ..packet },
            None => packet,
        };
        if self.latch.heard(from) {
            let signalled = self.latch.signalled();
            self.note(LegEvent::Latched { signalled, source: from });
        }
        self.note_session();
        self.peer_left = false;
        if continuity != Continuity::Steady {
            self.playout.reset();
            self.heard_digits.reset();
        }
        if !self.hears(now) {
            return Err(Refused::Held);
        }
        match meaning {
            Some(Meaning::Audio(payload)) => {
                let Some(ticks) = payload.codec.ticks(packet.payload) else {
                    self.playout.skip(packet.sequence);
                    self.unknown += 1;
                    return Err(Refused::Payload);
                };
                let level = self.format.level_to_receive.zip(packet.extension);
                let level = level.and_then(|(id, extension)| AudioLevel::parse(extension.element(id)?));
                self.playout.insert(now, &packet, ticks, clock, level);
                let recovered =
                    redundant.map(|it| self.recover(now, &packet, &it, clock)).unwrap_or_default();
                Ok(Incoming::Audio { payload, packet, recovered })
            }
            Some(Meaning::Noise) => {
                self.playout.pause(packet.sequence, packet.payload);
                Ok(Incoming::Noise)
            }
            Some(Meaning::Event(clock)) => {
                self.event_clock = clock;
                self.playout.skip(packet.sequence);
                self.heard_digits.receive(now, packet.time, packet.payload);
                self.note_digits();
                Ok(Incoming::Event)
            }
            // Redundancy within redundancy is none of RFC 2198.
            Some(Meaning::Redundancy) | None => {
                self.playout.skip(packet.sequence);
                self.unknown += 1;
                Err(Refused::PayloadType(packet.payload_type))
            }
        }
    }

    /// Opens a payload that repeats others.
    fn unwrap<'a>(&mut self, datagram: &'a [u8]) -> Result<Redundant<'a>, Refused> {
        let packet = RtpPacket::parse(datagram).map_err(|error| Refused::Rtp(RtpError::Malformed(error)))?;
        Redundant::parse(packet.payload).map_err(|_| {
            self.unknown += 1;
            Refused::Payload
        })
    }

    /// Puts in what a packet repeats of earlier ones that have not come, and gives it.
    fn recover<'a>(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'a>,
        redundant: &Redundant<'a>,
        clock: u32,
    ) -> Vec<(AudioPayload, RtpPacket<'a>)> {
        let mut recovered = Vec::new();
        // Nothing says which packets they were of; senders repeat those right before.
        for (back, block) in (1..).zip(redundant.repeated().rev()) {
            let sequence = SequenceNumber(packet.sequence.0.wrapping_sub(back));
            let time = RtpTime(packet.time.0.wrapping_sub(block.offset));
            let Some(Meaning::Audio(payload)) = self.format.meaning(block.payload_type) else { continue };
            let duration = payload.codec.ticks(block.payload).filter(|_| payload.clock_rate() == clock);
            let Some(duration) = duration else { continue };
            let (payload_type, octets) = (block.payload_type, block.payload);
            let repeated = Repeated { sequence, time, payload_type, payload: octets, duration };
            if self.playout.recover(now, &repeated) {
                let extension = None;
                recovered.push((
                    payload,
                    RtpPacket { sequence, time, payload_type, payload: octets, extension, ..*packet },
                ));
            }
        }
        recovered
    }

    fn unprotect<'a>(&mut self, datagram: &'a mut [u8], is_rtcp: bool) -> Result<&'a [u8], Refused> {
        match self.security.unprotect(datagram, is_rtcp) {
            Ok(len) => Ok(datagram.get(..len).unwrap_or(&[])),
            Err(refused) => {
                self.forged += 1;
                Err(Refused::Srtp(refused))
            }
        }
    }

    /// Whether the peer may send now, or might not know yet that it may not.
    fn hears(&self, now: Instant) -> bool {
        self.direction.receives() || self.in_flight.is_some_and(|until| now < until)
    }

    fn note_session(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                RtpEvent::SourceChanged { from, to } => self.note(LegEvent::SourceChanged { from, to }),
                RtpEvent::SourceLeft(_) => {
                    self.peer_left = true;
                    self.note(LegEvent::PeerLeft);
                }
                RtpEvent::Reported { fraction_lost } => {
                    let loss = f64::from(fraction_lost) / 256.0;
                    self.coding.adapt(loss);
                    self.redundancy.adapt(loss);
                }
                // The session says good-bye under the old number by itself.
                _ => {}
            }
        }
    }

    /// Passes on what was heard of digits. Other events than keys mean nothing in a call.
    pub(super) fn note_digits(&mut self) {
        while let Some(report) = self.heard_digits.poll() {
            let event = match report {
                EventReport::Started(event) => event.digit().map(LegEvent::DigitStarted),
                EventReport::Ended(event, ticks) => event.digit().map(|digit| {
                    let micros = ticks.saturating_mul(1_000_000) / u64::from(self.event_clock.max(1));
                    LegEvent::DigitEnded(digit, Duration::from_micros(micros))
                }),
            };
            event.into_iter().for_each(|it| self.note(it));
        }
    }

    fn note(&mut self, event: LegEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }
}
