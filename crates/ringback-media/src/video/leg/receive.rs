//! What comes: whose it is, which stream it belongs to, and what of it is new.

use super::formats::Meaning;
use super::incoming::Incoming;
use super::{MAX_SOURCES, PAUSE, SILENCE, StreamId, VideoLeg, VideoPacket};
use crate::leg::Refused;
use ringback_rtp::repair::{Order, original};
use ringback_rtp::{Datagram, PayloadType, RtpError, RtpPacket, Ssrc};
use ringback_sdp::Codec;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// What a datagram was.
#[derive(Clone, Debug)]
pub enum VideoIncoming {
    /// A packet of a picture that was not there before. It may be one that was missed.
    Packet(VideoPacket),
    /// One that has come already, or that nobody waits for any more.
    Late,
    /// RTCP.
    Rtcp,
}

impl VideoLeg {
    /// Takes a datagram from either socket of the leg, and decrypts it in place.
    ///
    /// # Errors
    /// [`Refused`] when it is not for this leg. It has changed nothing but counters.
    pub fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<VideoIncoming, Refused> {
        let is_rtcp = match Datagram::classify(datagram) {
            Datagram::Rtp => false,
            Datagram::Rtcp => true,
            Datagram::Other => {
                self.figures.refused += 1;
                return Err(Refused::NotMedia);
            }
        };
        let is_admitted = if is_rtcp { self.latch.admits_rtcp(from) } else { self.latch.admits(from) };
        if !is_admitted {
            self.figures.foreign += 1;
            return Err(Refused::Source(from));
        }
        let length = self.security.unprotect(datagram, is_rtcp).map_err(|refused| {
            self.figures.forged += 1;
            Refused::Srtp(refused)
        })?;
        let datagram = datagram.get(..length).unwrap_or_default();
        let taken = match is_rtcp {
            true => self.handle_rtcp(now, datagram).map(|()| VideoIncoming::Rtcp).map_err(Refused::Rtcp),
            false => self.take(now, datagram),
        };
        match &taken {
            Ok(VideoIncoming::Rtcp) => self.latch.heard_rtcp(from),
            Ok(VideoIncoming::Packet(_) | VideoIncoming::Late) => {
                self.latch.heard(from);
            }
            Err(_) => self.figures.refused += 1,
        }
        taken
    }

    fn take(&mut self, now: Instant, datagram: &[u8]) -> Result<VideoIncoming, Refused> {
        let packet = RtpPacket::parse(datagram).map_err(|error| Refused::Rtp(RtpError::Malformed(error)))?;
        let meaning = self.formats.meaning(packet.payload_type);
        let meaning = meaning.ok_or(Refused::PayloadType(packet.payload_type))?;
        if self.is_ours(packet.ssrc) {
            return Err(Refused::Rtp(RtpError::Collision));
        }
        if !self.direction.receives() {
            return Err(Refused::Held);
        }
        match meaning {
            Meaning::Picture(format) => self.take_picture(now, format, &packet),
            Meaning::Repair(of) => Ok(self.take_repair(now, of, &packet)),
        }
    }

    fn take_picture(
        &mut self,
        now: Instant,
        format: Arc<Codec>,
        packet: &RtpPacket<'_>,
    ) -> Result<VideoIncoming, Refused> {
        let at = match self.sources.iter().position(|source| source.ssrc() == packet.ssrc) {
            Some(at) => at,
            None => self.admit(now, &format, packet)?,
        };
        self.name(now, at, packet);
        let (origin, source) = (self.origin, &mut self.sources[at]);
        let order = source.arrived(now, origin, packet);
        match order {
            Order::Jump => return Err(Refused::Rtp(RtpError::SequenceJump)),
            Order::Late => {
                self.figures.late += 1;
                return Ok(VideoIncoming::Late);
            }
            Order::Recovered => self.figures.recovered += 1,
            Order::Next | Order::Restart => {}
        }
        source.format = format;
        Ok(self.found(at, packet))
    }

    /// A packet that is sent again. Which stream it repairs is told by what that stream misses.
    fn take_repair(&mut self, now: Instant, of: PayloadType, packet: &RtpPacket<'_>) -> VideoIncoming {
        let Some(again) = original(packet, Ssrc(0), of) else { return VideoIncoming::Late };
        let size = self.formats.size(packet, true).unwrap_or_default();
        let is_known =
            |source: &Incoming| source.repair == Some(packet.ssrc) || (size.is_some() && source.rid == size);
        let known = self.sources.iter().position(is_known);
        let is_missed = |source: &Incoming| {
            source.repair.is_none()
                && source.format.payload_type() == of.number()
                && source.missing.waits_for(again.sequence)
        };
        let Some(at) = known.or_else(|| self.sources.iter().position(is_missed)) else {
            self.figures.late += 1;
            return VideoIncoming::Late;
        };
        let source = &mut self.sources[at];
        // Only what is waited for is taken this way: what is new comes by its own stream.
        if !source.missing.waits_for(again.sequence) {
            self.figures.late += 1;
            return VideoIncoming::Late;
        }
        source.repair = Some(packet.ssrc);
        source.judge(now, again.sequence, again.payload);
        self.figures.recovered += 1;
        self.found(at, &again)
    }

    fn found(&mut self, at: usize, packet: &RtpPacket<'_>) -> VideoIncoming {
        let source = &self.sources[at];
        self.figures.packets_received += 1;
        self.figures.octets_received += packet.payload.len() as u64;
        VideoIncoming::Packet(VideoPacket {
            stream: source.id,
            rid: source.rid.clone(),
            format: Arc::clone(&source.format),
            marker: packet.marker,
            sequence: packet.sequence,
            time: packet.time,
            payload: packet.payload.into(),
        })
    }

    /// Learns which size a stream is, where its packets say so. A name belongs to one stream until that falls silent; then its sender
    /// has begun it anew.
    fn name(&mut self, now: Instant, at: usize, packet: &RtpPacket<'_>) {
        if self.sources[at].rid.is_some() {
            return;
        }
        let Ok(size) = self.formats.size(packet, false) else {
            self.figures.misnamed += 1;
            return;
        };
        let Some(size) = size else { return };
        let has_it = |source: &&mut Incoming| source.rid.as_ref() == Some(&size);
        match self.sources.iter_mut().find(has_it) {
            Some(other) if now < other.reception.heard + PAUSE => self.figures.misnamed += 1,
            Some(other) => {
                other.rid = None;
                self.sources[at].rid = Some(size);
            }
            None => self.sources[at].rid = Some(size),
        }
    }

    /// A place for a stream that was not heard before.
    fn admit(&mut self, now: Instant, format: &Arc<Codec>, packet: &RtpPacket<'_>) -> Result<usize, Refused> {
        if self.sources.len() >= MAX_SOURCES {
            let is_silent = |source: &Incoming| now >= source.reception.heard + SILENCE;
            let Some(silent) = self.sources.iter().position(is_silent) else {
                self.figures.crowded += 1;
                return Err(Refused::Rtp(RtpError::OtherSource(packet.ssrc)));
            };
            self.remove(silent);
        }
        let is_free = |id: &StreamId| self.sources.iter().all(|source| source.id != *id);
        let id = (0..=u8::MAX).map(StreamId).find(is_free).unwrap_or_default();
        self.sources.push(Incoming::new(now, id, Arc::clone(format), packet));
        Ok(self.sources.len() - 1)
    }
}
