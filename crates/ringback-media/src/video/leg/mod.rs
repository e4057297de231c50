//! One end of the pictures of a call: packets both ways, their reports and feedback, and what was lost sent again.
//!
//! Nothing is decoded. Several streams go and come over one line: of what we send, one for each place at which the peer sees
//! somebody; of what the peer sends, one for each size of its picture.

mod control;
mod formats;
mod incoming;
mod outgoing;
mod receive;

pub use receive::VideoIncoming;

use super::{PictureCoding, StreamId, VideoPacket};
use crate::latch::Latch;
use crate::leg::security::Security;
use crate::{PeerAddress, SrtpKeys, SrtpProfile, Way};
use formats::Formats;
use incoming::Incoming;
use outgoing::Outgoing;
use ringback_rtp::Ssrc;
use ringback_rtp::rtcp::{FeedbackTiming, RateLimit};
use ringback_sansio::{Entropy, Epoch, SeededEntropy};
use ringback_sdp::{Codec, Direction, FeedbackSet, NegotiatedCrypto, NegotiatedMedia};
use ringback_srtp::sdes::SdesError;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Streams towards the peer.
const MAX_LINES: usize = 16;
/// Streams of the peer that are heard at a time, those that repair others not counted.
const MAX_SOURCES: usize = 8;
/// A stream that is silent for so long gives its place to another.
const SILENCE: Duration = Duration::from_secs(2);
/// One that is silent for so long may have begun anew under another number.
const PAUSE: Duration = Duration::from_millis(500);
/// Packets that wait to be sent again.
const MAX_AGAIN: usize = 256;
/// Events that may wait to be polled.
const MAX_EVENTS: usize = 64;
/// What a picture may take, in bits a second; RTCP takes a twentieth.
const BANDWIDTH: u32 = 2_000_000;
/// How often reports go that have no feedback with them, where the peer does not say.
const REPORTS: Duration = Duration::from_secs(1);
/// What a round trip is taken to be before any was measured.
const USUAL_ROUND_TRIP: Duration = Duration::from_millis(100);

/// What a leg needs to know at its start.
#[derive(Clone, Debug)]
pub struct VideoLegConfig {
    /// What both sides have agreed on.
    pub agreed: NegotiatedMedia,
    /// Our canonical name in RTCP: that of the audio, so that the two are known to belong together.
    pub cname: String,
    /// Ties `now` to the wall clock, which sender reports carry.
    pub epoch: Epoch,
}

/// What happened to a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoLegEvent {
    /// The peer wants a key frame of one of our streams.
    KeyFrameWanted {
        /// Which, by the number that [`VideoLeg::send`] was told.
        line: usize,
    },
    /// So many bits a second of all that we send come through to the peer, or are wanted by it.
    Estimate(u64),
    /// A stream of the peer is over.
    StreamEnded(StreamId),
}

/// The figures of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoLegStats {
    /// Packets sent, those that were sent again not counted.
    pub packets_sent: u64,
    /// Octets of pictures sent.
    pub octets_sent: u64,
    /// Packets that were sent again, because the peer had missed them.
    pub sent_again: u64,
    /// Packets that could not be sent: in no format of the peer, or at too many places.
    pub unsendable: u64,
    /// Packets of pictures that came.
    pub packets_received: u64,
    /// Octets of pictures that came.
    pub octets_received: u64,
    /// Packets that were missed and came after all.
    pub recovered: u64,
    /// Packets that were missed for good.
    pub lost: u64,
    /// Packets that came twice, or after they were given up.
    pub late: u64,
    /// Packets that nobody agreed on, or that were no media.
    pub refused: u64,
    /// Packets of more streams than are heard.
    pub crowded: u64,
    /// Packets that say to be a size of the picture that nobody agreed on, or that another stream is.
    pub misnamed: u64,
    /// Packets from strangers.
    pub foreign: u64,
    /// Packets that were not protected as agreed.
    pub forged: u64,
    /// Key frames that we have asked for.
    pub key_frames_asked: u64,
    /// Of what we send, the part that the peer has missed of late, in 256ths.
    pub remote_fraction_lost: u8,
    /// From us to the peer and back; `None` while it is not known.
    pub round_trip: Option<Duration>,
    /// How packets are encrypted; `None` of those in clear.
    pub encryption: Option<SrtpProfile>,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoTransmit {
    /// A packet of a picture, to [`VideoLeg::rtp_destination`].
    Rtp,
    /// A report or feedback, to [`VideoLeg::rtcp_destination`].
    Rtcp,
}

/// One end of the pictures of a call.
#[derive(Debug)]
pub struct VideoLeg {
    formats: Formats,
    feedback: FeedbackSet,
    direction: Direction,
    latch: Latch,
    security: Security,
    cname: String,
    epoch: Epoch,
    /// From where the arrival of packets is counted.
    origin: Instant,
    random: SeededEntropy,
    /// The first is always there: it is who we are in reports.
    lines: Vec<Outgoing>,
    sources: Vec<Incoming>,
    timing: FeedbackTiming,
    round_trip: Option<Duration>,
    /// What is to be sent again, and whether it has to be protected yet.
    again: VecDeque<(Vec<u8>, bool)>,
    /// A limit of the peer's that has to be acknowledged.
    limit: Option<RateLimit>,
    events: VecDeque<VideoLegEvent>,
    figures: VideoLegStats,
    /// What sources that are gone had lost.
    lost_before: u64,
    is_closed: bool,
}

impl VideoLeg {
    /// A leg that starts now, in clear; [`secure`](Self::secure) encrypts it.
    pub fn new(now: Instant, config: VideoLegConfig, entropy: &mut dyn Entropy) -> Self {
        let VideoLegConfig { agreed, cname, epoch } = config;
        let mut random = SeededEntropy::new(entropy.next_u64());
        let first = Outgoing::new(&mut random);
        let interval = agreed.feedback.least_interval().unwrap_or(REPORTS);
        let timing = FeedbackTiming::new(now, BANDWIDTH, interval, SeededEntropy::new(entropy.next_u64()));
        Self {
            formats: Formats::new(&agreed),
            feedback: agreed.feedback,
            direction: agreed.direction,
            latch: Latch::new(PeerAddress::negotiated(&agreed)),
            security: Security::Plain,
            cname,
            epoch,
            origin: now,
            random,
            lines: vec![first],
            sources: Vec::new(),
            timing,
            round_trip: None,
            again: VecDeque::new(),
            limit: None,
            events: VecDeque::new(),
            figures: VideoLegStats::default(),
            lost_before: 0,
            is_closed: false,
        }
    }

    /// Takes the outcome of another offer and answer. The streams and their numbers go on.
    pub fn renegotiate(&mut self, agreed: &NegotiatedMedia) {
        let formats = Formats::new(agreed);
        if formats != self.formats {
            // What is remembered is in the shape of the old ones.
            self.lines.iter_mut().for_each(Outgoing::forget);
            self.formats = formats;
        }
        self.feedback = agreed.feedback;
        self.direction = agreed.direction;
        self.latch.signal(PeerAddress::negotiated(agreed));
    }

    /// Sends to where ICE has found the peer, and takes what comes through the [path](crate::MediaPath).
    pub fn follow(&mut self, way: Way) {
        self.latch.follow(way);
    }

    /// Protects packets from now on by the keys of an offer and its answer, or by none.
    ///
    /// # Errors
    /// [`SdesError`] when the keys of the peer are none. The leg is then silent and deaf.
    pub fn secure(&mut self, agreed: Option<&NegotiatedCrypto>) -> Result<(), SdesError> {
        self.lines.iter_mut().for_each(Outgoing::forget);
        self.security.agree(agreed)
    }

    /// Sends nothing and believes nothing until a handshake has brought the keys.
    pub fn await_keys(&mut self) {
        self.security = Security::Unusable;
    }

    /// Protects packets from now on by the keys that a handshake has brought.
    pub fn set_keys(&mut self, keys: SrtpKeys) {
        self.lines.iter_mut().for_each(Outgoing::forget);
        self.security.take(keys);
    }

    /// What the peer can show.
    pub fn formats(&self) -> Vec<Codec> {
        self.formats.to_send()
    }

    /// Appends the packet for the peer to `out`. Each `line`, 0 to 15, is a stream of its own; its sequence numbers and timestamps
    /// are those of `packet` from where the first one began. False when nothing may be sent now, or not this.
    pub fn send(&mut self, now: Instant, line: usize, packet: &VideoPacket, out: &mut Vec<u8>) -> bool {
        if self.is_closed || !self.direction.sends() || self.latch.rtp_destination().is_none() {
            return false;
        }
        let Some((number, repair)) = self.formats.number(&packet.format).filter(|_| line < MAX_LINES) else {
            self.figures.unsendable += 1;
            return false;
        };
        while self.lines.len() <= line {
            self.lines.push(Outgoing::new(&mut self.random));
        }
        let Some(outgoing) = self.lines.get_mut(line) else { return false };
        let start = out.len();
        let sequence = outgoing.write(now, number, packet, out);
        if repair.is_some() {
            outgoing.keep(now, sequence, out.get(start..).unwrap_or_default());
        }
        if !self.security.protect(out, start, false) {
            return false;
        }
        if repair.is_none() {
            // The same packet again has to be the same octets: who encrypts another with its numbers gives both away.
            outgoing.keep(now, sequence, out.get(start..).unwrap_or_default());
        }
        self.figures.packets_sent += 1;
        self.figures.octets_sent += packet.payload.len() as u64;
        true
    }

    /// Wants a key frame of a stream of the peer. It is asked for until one comes, and not too often, however often this is called.
    pub fn request_key_frame(&mut self, stream: StreamId) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.id == stream) {
            source.wish.want();
        }
    }

    /// What happened since the last call; drain until `None`.
    pub fn poll_event(&mut self) -> Option<VideoLegEvent> {
        self.events.pop_front()
    }

    /// Where our packets go.
    pub fn rtp_destination(&self) -> Option<SocketAddr> {
        self.latch.rtp_destination()
    }

    /// Where our reports go.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        self.latch.rtcp_destination()
    }

    /// The figures up to now.
    pub fn stats(&self) -> VideoLegStats {
        let lost = self.sources.iter().map(|source| source.missing.lost()).sum::<u64>();
        VideoLegStats {
            lost: self.lost_before + lost,
            round_trip: self.round_trip,
            encryption: self.security.profile(),
            ..self.figures
        }
    }

    /// Whose stream of ours this is.
    fn line_of(&self, ssrc: Ssrc) -> Option<usize> {
        self.lines.iter().position(|line| line.ssrc == ssrc)
    }

    fn is_ours(&self, ssrc: Ssrc) -> bool {
        self.lines.iter().any(|line| line.ssrc == ssrc || line.repair_ssrc == ssrc)
    }

    /// A stream of the peer is over.
    fn remove(&mut self, at: usize) {
        let source = self.sources.remove(at);
        self.lost_before += source.missing.lost();
        self.note(VideoLegEvent::StreamEnded(source.id));
    }

    fn note(&mut self, event: VideoLegEvent) {
        if self.events.len() < MAX_EVENTS && !self.events.contains(&event) {
            self.events.push_back(event);
        }
    }
}

#[cfg(test)]
mod tests;
