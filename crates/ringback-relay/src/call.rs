//! The descriptions of a relayed call.

use crate::{Expected, Side};
use ringback_sdp::attribute::{Candidate, Group, GroupSemantics, Rtcp};
use ringback_sdp::{Attribute, Connection, Host, Media, SessionDescription};
use std::net::{IpAddr, SocketAddr};

/// Media of one call that are relayed; further ones are switched off.
pub const MAX_STREAMS: usize = 4;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The medium is switched off; its ports are free.
    Close(K),
}

/// The descriptions of one call.
#[derive(Clone, Debug)]
pub struct RelayedCall<K> {
    address: IpAddr,
    /// By the place of their line.
    streams: Vec<Option<Opened<K>>>,
    is_short: bool,
}

impl<K: Copy> RelayedCall<K> {
    /// A call whose media go through ports at `address`.
    pub fn new(address: IpAddr) -> Self {
        Self { address, streams: Vec::new(), is_short: false }
    }

    /// Rewrites what a side says of itself, so that the other side sends to the relay. The same description again comes
    /// to the same.
    ///
    /// `exchange` is the number of the offer and its answer, such as that of CSeq; `signalled_by` is the host that the
    /// message came from. A medium that cannot be relayed is switched
    /// off, and nothing is left in the description that leads around the relay: no candidates, no bundles.
    pub fn rewrite(
        &mut self,
        side: Side,
        exchange: u32,
        signalled_by: IpAddr,
        description: &mut SessionDescription,
        ports: &mut dyn Ports<K>,
    ) -> Vec<Change<K>> {
        let mut changes = Vec::new();
        if description.media.iter().any(|media| self.is_own(description, media)) {
            // It has been here before: a request that comes back through the same server.
            return changes;
        }
        let ours = Connection::new(self.address);
        for at in 0..description.media.len() {
            let expected = self.expected(description, at, exchange, signalled_by, ports);
            let Some(media) = description.media.get_mut(at) else { continue };
            let stream = match (media.port, self.streams.get(at).copied().flatten()) {
                (0, known) => {
                    changes.extend(known.map(|known| Change::Close(known.stream)));
                    self.put(at, None);
                    None
                }
                (_, Some(known)) => Some(known),
                (_, None) if at >= MAX_STREAMS => None,
                (_, None) => {
                    let opened = ports.open();
                    self.is_short |= opened.is_none();
                    self.put(at, opened);
                    opened
                }
            };
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
        self.streams.iter().flatten().map(|opened| opened.stream)
    }

    fn put(&mut self, at: usize, stream: Option<Opened<K>>) {
        if self.streams.len() <= at {
            self.streams.resize(at + 1, None);
        }
        if let Some(slot) = self.streams.get_mut(at) {
            *slot = stream;
        }
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
        }
    }

    /// Whether a line leads to this call's own ports.
    fn is_own(&self, description: &SessionDescription, media: &Media) -> bool {
        let is_port = |opened: &Opened<K>| opened.ports.contains(&media.port);
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
