//! The descriptions of a relayed call.

use crate::formats::{self, Agreed, Formats};
use crate::keys::Legs;
use crate::{Expected, Side, SideFormats};
use ringback_media::AudioCodecs;
use ringback_sansio::Entropy;
use ringback_sdp::attribute::{Candidate, Group, GroupSemantics, Rtcp};
use ringback_sdp::{
    Attribute, Codec, Connection, Direction, Host, Media, MediaKind, NegotiatedCrypto, SessionDescription,
};
use std::net::{IpAddr, SocketAddr};

/// Media of one call that are relayed; further ones are switched off.
pub const MAX_STREAMS: usize = 4;

/// Payload types of a medium whose clocks are remembered.
const MAX_CLOCKS: usize = 16;

/// Offers and answers of one call that are remembered: those of an INVITE may come again after others in between.
const EXCHANGES: usize = 8;

/// A stream whose ports are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<K> {
    /// Its name.
    pub stream: K,
    /// The port for RTP of the caller and that of the callee. RTCP has the next.
    pub ports: [u16; 2],
}

/// The ports of a relay.
pub trait Ports<K> {
    /// Opens a stream; `None` when there are no more ports.
    fn open(&mut self) -> Option<Opened<K>>;

    /// Whether a port is one of the relay's that is open.
    fn owns(&self, port: u16) -> bool;
}

/// What a description changes about the streams of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<K> {
    /// A side says where its packets come from and go to.
    Expect {
        /// Which stream.
        stream: K,
        /// Whose packets.
        side: Side,
        /// Where from.
        expected: Expected,
    },
    /// How the packets of a side are protected from now on, as far as they are by keys of ours.
    Protect {
        /// Which stream.
        stream: K,
        /// Whose leg.
        side: Side,
        /// The keys; none for packets that pass as they are.
        keys: Option<Box<NegotiatedCrypto>>,
    },
    /// What both sides speak from now on, caller first, where packets may have to be converted.
    Convert {
        /// Which stream.
        stream: K,
        /// The formats of both sides.
        formats: Box<[SideFormats; 2]>,
    },
    /// The medium is switched off; its ports are free.
    Close(K),
}

impl<K: Copy> Change<K> {
    /// Which stream it is about.
    pub fn stream(&self) -> K {
        match self {
            Self::Expect { stream, .. }
            | Self::Protect { stream, .. }
            | Self::Convert { stream, .. }
            | Self::Close(stream) => *stream,
        }
    }
}

/// The descriptions of one call.
#[derive(Clone, Debug)]
pub struct RelayedCall<K> {
    address: IpAddr,
    /// By the place of their line.
    streams: Vec<Option<Line<K>>>,
    is_short: bool,
    /// Whether each leg has keys of its own.
    ends_encryption: bool,
    /// Whether each side speaks what it can.
    converts: bool,
    /// What the callee is offered, where that is not left to the caller.
    offered: Option<AudioCodecs>,
    /// Whether who is held may hear music.
    plays: bool,
    /// Who made the offer of each exchange, the last one last.
    offers: Vec<(u32, Side)>,
}

/// A medium of the call.
#[derive(Clone, Debug)]
struct Line<K> {
    opened: Opened<K>,
    legs: Legs,
    formats: Formats,
    /// What both sides speak, once something of it had to be converted.
    spoken: Option<Box<[SideFormats; 2]>>,
    /// What the stream was told of the keys of both sides.
    told: [Option<NegotiatedCrypto>; 2],
    /// Whether both sides have talked, and who has then offered to do nothing any more.
    has_talked: bool,
    stopped_by: Option<Side>,
}

impl<K: Copy> RelayedCall<K> {
    /// A call whose media go through ports at `address`, as they are: SRTP and DTLS go from end to end.
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            streams: Vec::new(),
            is_short: false,
            ends_encryption: false,
            converts: false,
            offered: None,
            plays: false,
            offers: Vec::new(),
        }
    }

    /// A call in which each side encrypts or does not as it can, whatever the other does: SRTP with keys in SDP ends here, and
    /// both sides are offered it. What is encrypted otherwise passes as it is.
    pub fn ending_encryption(address: IpAddr) -> Self {
        Self { ends_encryption: true, ..Self::new(address) }
    }

    /// As [`ending_encryption`](Self::ending_encryption), and each side speaks what it can: audio is converted where the two have no
    /// format in common, or one of them uses one that the other does not know. What is encrypted otherwise passes as it is.
    pub fn converting_audio(address: IpAddr) -> Self {
        Self { converts: true, ..Self::ending_encryption(address) }
    }

    /// The callee is offered these formats alone, in their order, whatever the caller speaks. Only where audio is converted.
    #[must_use]
    pub fn offering(self, codecs: AudioCodecs) -> Self {
        Self { offered: Some(codecs), ..self }
    }

    /// Who is held may hear [music](crate::RelayStream::set_music): a side that stops all audio (`inactive`) is told to the other as
    /// one that only sends. Only where audio is converted.
    #[must_use]
    pub fn with_hold_music(self) -> Self {
        Self { plays: true, ..self }
    }

    /// Rewrites what a side says of itself, so that the other side sends to the relay. The same description again comes
    /// to the same.
    ///
    /// `exchange` is the number of the offer and its answer, such as that of CSeq; `signalled_by` is the host that the
    /// message came from; `entropy` has to be fit for secrets. A medium that cannot be relayed is switched
    /// off, and nothing is left in the description that leads around the relay: no candidates, no bundles.
    pub fn rewrite(
        &mut self,
        side: Side,
        exchange: u32,
        signalled_by: IpAddr,
        description: &mut SessionDescription,
        ports: &mut dyn Ports<K>,
        entropy: &mut dyn Entropy,
    ) -> Vec<Change<K>> {
        let mut changes = Vec::new();
        if description.media.iter().any(|media| self.is_own(description, media)) {
            // It has been here before: a request that comes back through the same server.
            return changes;
        }
        let (is_offer, ends_encryption) = (self.is_offer(side, exchange), self.ends_encryption);
        let (converts, plays) = (self.converts, self.plays);
        let only = self.offered.clone().filter(|_| side == Side::Caller);
        let ours = Connection::new(self.address);
        for at in 0..description.media.len() {
            let expected = self.expected(description, at, exchange, signalled_by, ports);
            let Some(media) = description.media.get_mut(at) else { continue };
            let line = self.line(at, media.port, ports, &mut changes);
            let keyed = match line {
                Some(line) => {
                    let keyed =
                        !ends_encryption || line.protect(side, is_offer, media, entropy, &mut changes);
                    if converts && keyed {
                        line.convert(side, is_offer, media, only.as_ref(), plays, &mut changes);
                    }
                    if converts && keyed && plays {
                        line.hold(side, is_offer, media, expected.direction);
                    }
                    keyed
                }
                None => true,
            };
            let stream = self.opened(at).filter(|_| keyed);
            media.port = stream.map_or(0, |stream| stream.ports[side.other().index()]);
            for connection in media.connections.iter_mut().filter(|connection| !connection.is_hold()) {
                connection.clone_from(&ours);
            }
            media.attributes.retain(passes);
            if let Some(stream) = stream {
                changes.push(Change::Expect { stream: stream.stream, side, expected });
            }
        }
        description.attributes.retain(|it| passes(it) && !is_bundle(it));
        if let Some(connection) = description.connection.as_mut().filter(|connection| !connection.is_hold()) {
            connection.clone_from(&ours);
        }
        changes
    }

    /// Whether a stream was not opened for want of ports.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    /// The streams that are open.
    pub fn streams(&self) -> impl Iterator<Item = K> + '_ {
        self.streams.iter().flatten().map(|line| line.opened.stream)
    }

    fn opened(&self, at: usize) -> Option<Opened<K>> {
        Some(self.streams.get(at)?.as_ref()?.opened)
    }

    /// The medium of a line, whose ports are opened or closed as its port says.
    fn line(
        &mut self,
        at: usize,
        port: u16,
        ports: &mut dyn Ports<K>,
        changes: &mut Vec<Change<K>>,
    ) -> Option<&mut Line<K>> {
        if self.streams.len() <= at && at < MAX_STREAMS {
            self.streams.resize(at + 1, None);
        }
        let slot = self.streams.get_mut(at)?;
        match (port, slot.is_some()) {
            (0, _) => changes.extend(slot.take().map(|line| Change::Close(line.opened.stream))),
            (_, true) => {}
            (_, false) => {
                let opened = ports.open();
                self.is_short |= opened.is_none();
                *slot = opened.map(|opened| Line {
                    opened,
                    legs: Legs::default(),
                    formats: Formats::default(),
                    spoken: None,
                    told: [None, None],
                    has_talked: false,
                    stopped_by: None,
                });
            }
        }
        slot.as_mut()
    }

    /// Whether what a side says is the offer of this exchange, which it is when nobody has said anything before.
    fn is_offer(&mut self, side: Side, exchange: u32) -> bool {
        if let Some((_, by)) = self.offers.iter().find(|(number, _)| *number == exchange) {
            return *by == side;
        }
        if self.offers.len() >= EXCHANGES {
            self.offers.remove(0);
        }
        self.offers.push((exchange, side));
        true
    }

    /// Where the packets of a line come from.
    fn expected(
        &self,
        description: &SessionDescription,
        at: usize,
        exchange: u32,
        signalled_by: IpAddr,
        ports: &dyn Ports<K>,
    ) -> Expected {
        let nowhere = Expected { exchange, ..Expected::default() };
        let Some(media) = description.media.get(at) else { return nowhere };
        let is_audio = media.kind == MediaKind::AUDIO && media.is_rtp();
        // RFC 3264 §8.4: an address of zeros holds as well.
        let is_hold = description.connection_of(media).is_some_and(Connection::is_hold);
        let direction = match description.direction_of(media) {
            Direction::SendRecv if is_hold => Direction::SendOnly,
            Direction::RecvOnly if is_hold => Direction::Inactive,
            other => other,
        };
        let direction = is_audio.then_some(direction);
        let nowhere = Expected { direction, ..nowhere };
        let connection = description.connection_of(media).filter(|connection| !connection.is_hold());
        let host = connection.and_then(address).filter(|it| self.is_reachable(*it, media, ports));
        let Some(host) = host else { return nowhere };
        let rtcp = match media.get::<Rtcp<'_>>() {
            Some(rtcp) => Some(rtcp.port),
            None => media.port.checked_add(1),
        };
        Expected {
            rtp: Some(SocketAddr::new(host, media.port)),
            rtcp: rtcp.filter(|port| *port != 0).map(|port| SocketAddr::new(host, port)),
            behind: (host != signalled_by).then_some(signalled_by),
            exchange,
            talks: direction == Some(Direction::SendRecv),
            direction,
            clocks: clocks(media),
        }
    }

    /// Whether a line leads to this call's own ports.
    fn is_own(&self, description: &SessionDescription, media: &Media) -> bool {
        let is_port = |line: &Line<K>| line.opened.ports.contains(&media.port);
        description.connection_of(media).and_then(address) == Some(self.address)
            && self.streams.iter().flatten().any(is_port)
    }

    /// Fault 32: no packets for many hosts, and none in a circle through our own ports.
    fn is_reachable(&self, host: IpAddr, media: &Media, ports: &dyn Ports<K>) -> bool {
        let is_loop = host == self.address && ports.owns(media.port);
        let is_many = match host {
            IpAddr::V4(host) => host.is_multicast() || host.is_broadcast(),
            IpAddr::V6(host) => host.is_multicast(),
        };
        media.port != 0 && !is_loop && !is_many && !host.is_unspecified()
    }
}

impl<K: Copy> Line<K> {
    /// Tells the other side what we can convert, and an answer what was offered.
    fn convert(
        &mut self,
        side: Side,
        is_offer: bool,
        media: &mut Media,
        only: Option<&AudioCodecs>,
        plays: bool,
        changes: &mut Vec<Change<K>>,
    ) {
        if !formats::is_convertible(media) || self.legs.passes() {
            return;
        }
        if is_offer {
            return self.formats.offer(side, media, only);
        }
        let Some(Agreed { formats, is_needed }) = self.formats.answer(side, media) else { return };
        // What was converted before is told when it need not be any more. Music is coded as well.
        if (is_needed || plays || self.spoken.is_some()) && self.spoken.as_ref() != Some(&formats) {
            self.spoken = Some(formats.clone());
            changes.push(Change::Convert { stream: self.opened.stream, formats });
        }
    }

    /// Lets who is held listen, where the other side does not want anything but silence.
    fn hold(&mut self, side: Side, is_offer: bool, media: &mut Media, direction: Option<Direction>) {
        if !formats::is_convertible(media) || self.legs.passes() {
            return;
        }
        match (is_offer, self.stopped_by) {
            (true, _) => {
                let stops = self.has_talked && direction == Some(Direction::Inactive);
                self.stopped_by = stops.then_some(side);
                if stops {
                    media.set_direction(Direction::SendOnly);
                }
            }
            (false, Some(by)) if by != side => media.set_direction(Direction::Inactive),
            (false, _) => self.has_talked |= direction == Some(Direction::SendRecv),
        }
    }

    /// Puts our keys in place of those of `side`. False when an answer cannot be used: the medium is then refused on.
    fn protect(
        &mut self,
        side: Side,
        is_offer: bool,
        media: &mut Media,
        entropy: &mut dyn Entropy,
        changes: &mut Vec<Change<K>>,
    ) -> bool {
        if is_offer {
            self.legs.offer(side, media, entropy);
            return true;
        }
        if self.legs.answer(side, media, entropy).is_err() {
            return false;
        }
        for side in [Side::Caller, Side::Callee] {
            let agreed = self.legs.agreed(side);
            if let Some(told) = self.told.get_mut(side.index())
                && told.as_ref() != agreed
            {
                *told = agreed.cloned();
                let keys = agreed.cloned().map(Box::new);
                changes.push(Change::Protect { stream: self.opened.stream, side, keys });
            }
        }
        true
    }
}

fn clocks(media: &Media) -> Vec<(u8, u32)> {
    let clock = |codec: &Codec| (codec.payload_type(), codec.clock_rate());
    media.codecs().iter().take(MAX_CLOCKS).map(clock).collect()
}

fn address(connection: &Connection) -> Option<IpAddr> {
    match connection.host()? {
        Host::Address(address) => Some(address),
        Host::Name(_) => None,
    }
}

fn is_bundle(attribute: &Attribute) -> bool {
    matches!(attribute.read(), Some(Ok(Group { semantics: GroupSemantics::Bundle, .. })))
}

/// Whether an attribute may stay: none that leads around the relay, by candidates (RFC 8839) or another port for RTCP.
fn passes(attribute: &Attribute) -> bool {
    const AROUND: [&str; 7] =
        ["ice-ufrag", "ice-pwd", "ice-options", "ice-lite", "remote-candidates", "end-of-candidates", "rtcp"];
    attribute.read::<Candidate<'_>>().is_none() && !AROUND.contains(&attribute.name())
}

#[cfg(test)]
mod tests;
