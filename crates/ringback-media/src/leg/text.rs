//! The text of a call: what is typed, both ways, over one RTP session (RFC 4103).

use super::Refused;
use super::security::Security;
use crate::latch::Latch;
use crate::{PeerAddress, Way};
use ringback_dtls::SrtpKeys;
use ringback_rtp::red::Redundant;
use ringback_rtp::text::{TEXT_CLOCK, TextReceiver, TextSender, TooMuchText};
use ringback_rtp::{Continuity, Datagram, PayloadType, Received, RtpConfig, RtpPacket, RtpSession};
use ringback_sansio::{Entropy, Epoch};
use ringback_sdp::{Codec, Direction, NegotiatedCrypto, NegotiatedMedia};
use ringback_srtp::sdes::SdesError;
use std::net::SocketAddr;
use std::time::Instant;

/// Three packets a second with their headers; RTCP takes a twentieth.
const BANDWIDTH: u32 = 4_000;
/// Characters a second that a peer takes who says nothing of it (RFC 4103 §6).
const USUAL_PACE: u32 = 30;

/// The payload formats of a text leg, by the numbers of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFormat {
    /// The number under which the peer takes T.140.
    pub send: PayloadType,
    /// The number under which it takes T.140 with what was said before, if it does.
    pub red_to_send: Option<PayloadType>,
    /// Characters a second that it takes, over ten seconds.
    pub pace: u32,
    /// The numbers under which it may send T.140.
    pub receive: Vec<PayloadType>,
    /// The numbers under which it may send it with what was said before.
    pub red_to_receive: Vec<PayloadType>,
}

impl TextFormat {
    /// What an offer and its answer came to; `None` when there is no T.140 in it.
    pub fn negotiated(media: &NegotiatedMedia) -> Option<Self> {
        let number = |codec: &Codec| PayloadType::new(codec.payload_type());
        let is_text = |codec: &&Codec| codec.is_named("t140") && codec.clock_rate() == TEXT_CLOCK;
        let text = media.send.iter().find(is_text)?;
        let pace = |fmtp: &str| fmtp.split(';').find_map(|it| it.trim().strip_prefix("cps=")?.parse().ok());
        let redundancy = media.receive.iter().filter(|it| it.is_redundancy());
        Some(Self {
            send: number(text)?,
            red_to_send: media.redundancy_of(text).and_then(number),
            pace: text.fmtp().and_then(pace).unwrap_or(USUAL_PACE),
            receive: media.receive.iter().filter(is_text).filter_map(number).collect(),
            red_to_receive: redundancy.filter_map(number).collect(),
        })
    }
}

/// One end of the text of a call.
///
/// What is typed is [pushed](Self::push), and leaves by [`poll_packet`](Self::poll_packet) when [`poll_timeout`](Self::poll_timeout) has
/// come; what comes is [received](Self::receive), and [taken](Self::take).
#[derive(Debug)]
pub struct TextLeg {
    format: TextFormat,
    direction: Direction,
    latch: Latch,
    session: RtpSession,
    security: Security,
    sender: TextSender,
    receiver: TextReceiver,
}

impl TextLeg {
    /// A leg that starts now, in clear; [`secure`](Self::secure) encrypts it. `cname` is our canonical name in RTCP.
    pub fn new(
        now: Instant,
        format: TextFormat,
        direction: Direction,
        peer: Option<PeerAddress>,
        cname: String,
        epoch: Epoch,
        entropy: &mut dyn Entropy,
    ) -> Self {
        let config = RtpConfig { clock_rate: TEXT_CLOCK, cname, bandwidth: BANDWIDTH, epoch };
        Self {
            sender: TextSender::new(now, format.send, format.red_to_send, format.pace),
            receiver: TextReceiver::new(),
            session: RtpSession::new(now, config, entropy),
            security: Security::Plain,
            latch: Latch::new(peer),
            direction,
            format,
        }
    }

    /// Takes the outcome of another offer and answer. The conversation goes on.
    pub fn renegotiate(&mut self, format: TextFormat, direction: Direction, peer: Option<PeerAddress>) {
        self.sender.renumber(format.send, format.red_to_send, format.pace);
        self.format = format;
        self.direction = direction;
        self.latch.signal(peer);
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
        self.security.agree(agreed)
    }

    /// Sends nothing and believes nothing until a handshake has brought the keys.
    pub fn await_keys(&mut self) {
        self.security = Security::Unusable;
    }

    /// Protects packets from now on by the keys that a handshake has brought.
    pub fn set_keys(&mut self, keys: SrtpKeys) {
        self.security.take(keys);
    }

    /// Sends text as it may go: `'\n'` ends a line, [`ERASE`](ringback_rtp::text::ERASE) takes a character back.
    ///
    /// # Errors
    /// [`TooMuchText`] when more waits than anybody types.
    pub fn push(&mut self, now: Instant, text: &str) -> Result<(), TooMuchText> {
        self.sender.push(now, text)
    }

    /// Whether all that was typed has gone, and was repeated.
    pub fn is_idle(&self) -> bool {
        self.sender.is_idle()
    }

    /// Appends the packet that is due, if one is; repeat until it says `false`.
    pub fn poll_packet(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool {
        if !self.sends() {
            return false;
        }
        let Some(text) = self.sender.poll(now) else { return false };
        let (start, time) = (packet.len(), self.session.first_time().plus(text.ticks));
        self.session.write(now, time, text.payload_type, text.marker, text.payload, packet);
        self.security.protect(packet, start, false)
    }

    /// Takes a datagram from either socket of the leg, and decrypts it in place.
    ///
    /// # Errors
    /// [`Refused`] when it is not for this leg.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) -> Result<(), Refused> {
        match Datagram::classify(datagram) {
            Datagram::Rtp => self.receive_rtp(now, from, datagram),
            Datagram::Rtcp => {
                if !self.latch.admits_rtcp(from) {
                    return Err(Refused::Source(from));
                }
                let length = self.security.unprotect(datagram, true).map_err(Refused::Srtp)?;
                let datagram = datagram.get(..length).unwrap_or(&[]);
                self.session.handle_rtcp(now, datagram).map_err(Refused::Rtcp)?;
                self.latch.heard_rtcp(from);
                while self.session.poll_event().is_some() {}
                Ok(())
            }
            Datagram::Other => Err(Refused::NotMedia),
        }
    }

    fn receive_rtp(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) -> Result<(), Refused> {
        if !self.latch.admits(from) {
            return Err(Refused::Source(from));
        }
        let length = self.security.unprotect(datagram, false).map_err(Refused::Srtp)?;
        let datagram = datagram.get(..length).unwrap_or(&[]);
        let malformed = |error| Refused::Rtp(ringback_rtp::RtpError::Malformed(error));
        let packet = RtpPacket::parse(datagram).map_err(malformed)?;
        // Only what was agreed on can latch an address, or become the first source of the session.
        let redundant = if self.format.red_to_receive.contains(&packet.payload_type) {
            let redundant = Redundant::parse(packet.payload).map_err(|_| Refused::Payload)?;
            let all = redundant.repeated().map(|it| it.payload_type).chain([redundant.payload_type]);
            let stranger = all.into_iter().find(|it| !self.format.receive.contains(it));
            if let Some(stranger) = stranger {
                return Err(Refused::PayloadType(stranger));
            }
            Some(redundant)
        } else if self.format.receive.contains(&packet.payload_type) {
            None
        } else {
            return Err(Refused::PayloadType(packet.payload_type));
        };
        let Received { packet, continuity } = self.session.read(now, datagram).map_err(Refused::Rtp)?;
        self.latch.heard(from);
        while self.session.poll_event().is_some() {}
        if continuity != Continuity::Steady {
            self.receiver.reset();
        }
        if !self.direction.receives() {
            return Err(Refused::Held);
        }
        match redundant {
            Some(redundant) => self.receiver.receive_redundant(packet.sequence, &redundant),
            None => self.receiver.receive(packet.sequence, packet.payload),
        }
        Ok(())
    }

    /// All that has come since the last call, and is to be shown: characters, `'\n'`, [`ERASE`](ringback_rtp::text::ERASE) and
    /// [`MISSING`](ringback_rtp::text::MISSING). Empty when nothing has.
    pub fn take(&mut self) -> String {
        self.receiver.take()
    }

    /// How often text was missing.
    pub fn missing(&self) -> u64 {
        self.receiver.missing()
    }

    /// Appends the RTCP packet that is due, if one is; repeat until it says `false`.
    pub fn poll_rtcp(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool {
        let start = packet.len();
        self.latch.rtcp_destination().is_some()
            && self.session.poll_rtcp(now, packet)
            && self.security.protect(packet, start, true)
    }

    /// When to call [`poll_packet`](Self::poll_packet) and [`poll_rtcp`](Self::poll_rtcp).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let text = self.sender.poll_timeout().filter(|_| self.sends());
        let report = self.latch.rtcp_destination().and_then(|_| self.session.poll_timeout());
        [text, report].into_iter().flatten().min()
    }

    /// Ends the leg: appends a last report with BYE, if anything was ever sent.
    pub fn close(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool {
        self.direction = Direction::Inactive;
        let start = packet.len();
        self.session.close(now, "the call is over", packet) && self.security.protect(packet, start, true)
    }

    /// Where our RTP goes.
    pub fn rtp_destination(&self) -> Option<SocketAddr> {
        self.latch.rtp_destination()
    }

    /// Where our RTCP goes.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        self.latch.rtcp_destination()
    }

    /// What is typed waits while nobody may hear it.
    fn sends(&self) -> bool {
        self.direction.sends() && self.latch.rtp_destination().is_some() && self.security.is_usable()
    }
}
