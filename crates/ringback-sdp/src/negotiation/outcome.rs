//! What both sides have agreed on.

use super::dtls::NegotiatedDtls;
use super::extensions::NegotiatedExtension;
use super::feedback::FeedbackSet;
use super::ice::NegotiatedIce;
use super::security::NegotiatedCrypto;
use crate::attribute::{Mid, RtcpExtendedReports};
use crate::{Codec, Connection, Direction, Host, Media, MediaKind, SessionDescription};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One `m=` line of the session as it now is, from our view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedMedia {
    /// What it is.
    pub kind: MediaKind,
    /// Which of our media speaks here, as an index of those given to [`crate::OfferAnswer`]. None when the
    /// line is refused or switched off; then all that follows is empty.
    pub local: Option<usize>,
    /// The name of the line, when it has one (`a=mid`).
    pub mid: Option<String>,
    /// The line whose transport this one shares, itself or another (`a=group:BUNDLE`). That line's local port is
    /// where its media come in; the addresses below are that line's already.
    pub bundle: Option<usize>,
    /// Where our RTP goes. None when there is nowhere to send to.
    pub remote_rtp: Option<MediaAddress>,
    /// Where our RTCP goes.
    pub remote_rtcp: Option<MediaAddress>,
    /// Whether RTP and RTCP share a port, on both sides.
    pub rtcp_mux: bool,
    /// Whether the peer reads the metrics of voice over IP in extended reports, and we do (RFC 3611 §5).
    pub extended_reports: bool,
    /// The header extensions that both sides understand (RFC 8285).
    pub header_extensions: Vec<NegotiatedExtension>,
    /// The sizes of its picture that the peer may send, by their names (`a=rid`); none where it sends one.
    pub sizes: Vec<String>,
    /// The feedback that both sides understand.
    pub feedback: FeedbackSet,
    /// What we may send, by the numbers and with the parameters of the peer; best first, as the peer sees it.
    pub send: Vec<Codec>,
    /// What the peer may send, by the numbers and with the parameters that we stated.
    pub receive: Vec<Codec>,
    /// Which way media flow, from our view.
    pub direction: Direction,
    /// The direction that the peer stated, from its view; it holds us when that does not
    /// [receive](Direction::receives).
    pub remote_direction: Direction,
    /// How much audio the peer wants in a packet.
    pub ptime: Option<Duration>,
    /// How much audio the peer takes in a packet.
    pub maxptime: Option<Duration>,
    /// The keys by which both sides protect their packets; none of a medium in clear or with [`dtls`](Self::dtls).
    pub crypto: Option<NegotiatedCrypto>,
    /// The association from which the keys come; nothing is sent before it is there.
    pub dtls: Option<NegotiatedDtls>,
    /// The names and addresses between which ICE finds the way; without, packets go to the addresses above.
    pub ice: Option<NegotiatedIce>,
}

fn reads_metrics(media: &Media) -> bool {
    let read = media.get::<RtcpExtendedReports<'_>>();
    read.is_some_and(RtcpExtendedReports::reads_voip_metrics)
}

impl NegotiatedMedia {
    /// A line without media.
    pub fn disabled(kind: MediaKind) -> Self {
        Self {
            kind,
            local: None,
            mid: None,
            bundle: None,
            remote_rtp: None,
            remote_rtcp: None,
            rtcp_mux: false,
            extended_reports: false,
            header_extensions: Vec::new(),
            sizes: Vec::new(),
            feedback: FeedbackSet::default(),
            send: Vec::new(),
            receive: Vec::new(),
            direction: Direction::Inactive,
            remote_direction: Direction::Inactive,
            ptime: None,
            maxptime: None,
            crypto: None,
            dtls: None,
            ice: None,
        }
    }

    /// A line in use. `ours` and `theirs` are the two descriptions of it.
    pub(super) fn agreed(
        local: usize,
        ours: &Media,
        remote: &SessionDescription,
        theirs: &Media,
        formats: Formats,
    ) -> Self {
        let rtcp_mux = ours.rtcp_mux() && theirs.rtcp_mux();
        let remote_direction = remote_direction(remote, theirs);
        let remote_rtp = MediaAddress::rtp(remote, theirs);
        Self {
            kind: theirs.kind.clone(),
            local: Some(local),
            mid: theirs.get::<Mid<'_>>().map(|mid| mid.0.to_owned()),
            bundle: None,
            remote_rtcp: if rtcp_mux { remote_rtp.clone() } else { MediaAddress::rtcp(remote, theirs) },
            remote_rtp,
            rtcp_mux,
            extended_reports: reads_metrics(ours) && reads_metrics(theirs),
            header_extensions: Vec::new(),
            sizes: Vec::new(),
            feedback: FeedbackSet::agreed(ours, &formats.receive, theirs, &formats.send),
            send: formats.send,
            receive: formats.receive,
            direction: ours.direction().unwrap_or_default().and(remote_direction.reversed()),
            remote_direction,
            ptime: theirs.ptime(),
            maxptime: theirs.maxptime(),
            crypto: None,
            dtls: None,
            ice: None,
        }
    }

    /// Moves the line to the transport of a bundle.
    pub(super) fn share(&mut self, tagged: usize, remote: &SessionDescription) {
        self.bundle = Some(tagged);
        self.remote_rtp = remote.media.get(tagged).and_then(|media| MediaAddress::rtp(remote, media));
        // A bundle has RTP and RTCP on one port always.
        self.remote_rtcp.clone_from(&self.remote_rtp);
    }

    /// Whether the line is in use at all, in whatever direction.
    pub fn is_active(&self) -> bool {
        self.local.is_some()
    }

    /// Whether the peer holds us.
    pub fn is_held_by_peer(&self) -> bool {
        self.is_active() && !self.remote_direction.receives()
    }

    /// The header extension of this name, where both sides understand it.
    pub fn header_extension(&self, uri: &str) -> Option<&NegotiatedExtension> {
        self.header_extensions.iter().find(|extension| extension.uri == uri)
    }

    /// The codec to send, by the peer's number: its best that is not an event, comfort noise, or a repetition or repair of others.
    pub fn codec(&self) -> Option<&Codec> {
        self.send.iter().find(|codec| !codec.is_companion())
    }

    /// The telephone-event to send with [`NegotiatedMedia::codec`], by the peer's number.
    pub fn telephone_event_to_send(&self) -> Option<&Codec> {
        match self.codec() {
            Some(codec) => self.telephone_event_beside(codec),
            None => self.send.iter().find(|it| it.is_telephone_event()),
        }
    }

    /// The telephone-event to send with a codec, by the peer's number: that of the same clock (RFC 4733 §2.1).
    pub fn telephone_event_beside(&self, codec: &Codec) -> Option<&Codec> {
        self.send.iter().find(|it| it.is_telephone_event() && it.clock_rate() == codec.clock_rate())
    }

    /// The format that repeats payloads of a codec (RFC 2198) and may be sent in its place, by the peer's number.
    pub fn redundancy_of(&self, codec: &Codec) -> Option<&Codec> {
        let repeats = |it: &&Codec| it.redundant_formats().all(|number| number == codec.payload_type());
        self.send.iter().filter(|it| it.redundant_formats().next().is_some()).find(repeats)
    }

    /// The telephone-events that the peer may send, by our numbers; one for each clock rate.
    pub fn telephone_events_to_receive(&self) -> impl Iterator<Item = &Codec> {
        self.receive.iter().filter(|codec| codec.is_telephone_event())
    }
}

/// The formats of a line, both ways.
#[derive(Debug)]
pub(super) struct Formats {
    pub(super) send: Vec<Codec>,
    pub(super) receive: Vec<Codec>,
}

/// What the peer says about the direction of a medium. An address that nothing can be sent to means that it does
/// not receive (RFC 3264 §8.4).
pub(super) fn remote_direction(remote: &SessionDescription, media: &Media) -> Direction {
    let direction = remote.direction_of(media);
    match remote.connection_of(media).is_some_and(Connection::is_hold) {
        true => direction.held(),
        false => direction,
    }
}

/// Where media go: a host, which may be a name yet to be resolved, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaAddress {
    /// The host.
    pub host: Host,
    /// The port, never zero.
    pub port: u16,
}

impl MediaAddress {
    /// The socket address, when the host is an address already.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Address(address) => Some(SocketAddr::new(address, self.port)),
            Host::Name(_) => None,
        }
    }

    /// None for a medium that is switched off, on hold in the old style, or without an address.
    fn rtp(remote: &SessionDescription, media: &Media) -> Option<Self> {
        Self::new(remote.connection_of(media).filter(|it| !it.is_hold())?.host()?, media.port)
    }

    /// RTCP goes one port higher unless `a=rtcp` says otherwise (RFC 3550 §11, RFC 3605).
    fn rtcp(remote: &SessionDescription, media: &Media) -> Option<Self> {
        let rtp = Self::rtp(remote, media)?;
        match media.rtcp() {
            Some(rtcp) => {
                let own = rtcp.connection.filter(|connection| !connection.is_hold()).and_then(|it| it.host());
                let host = own.filter(|host| !is_multicast(host)).unwrap_or(rtp.host);
                Self::new(host, rtcp.port)
            }
            None => Self::new(rtp.host, rtp.port.checked_add(1)?),
        }
    }

    fn new(host: Host, port: u16) -> Option<Self> {
        (port != 0).then_some(Self { host, port })
    }
}

impl fmt::Display for MediaAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            ref host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Whether one packet to this host would reach many.
pub(super) fn is_multicast(host: &Host) -> bool {
    match host {
        Host::Address(IpAddr::V4(address)) => address.is_multicast() || address.is_broadcast(),
        Host::Address(IpAddr::V6(address)) => address.is_multicast(),
        Host::Name(_) => false,
    }
}
