//! What does not go from the socket of the leg itself: other addresses of the host, and the stream to a relay.

use super::keying::{By, Reply};
use super::{MediaPath, PathEvent};
use ringback_ice::{LocalCandidate, Pair, Relay, Relayed};
use std::net::SocketAddr;
use std::time::Instant;

/// Messages that may wait for the stream of a relay. Half of the room is kept for what is not media: that is not
/// repeated, and a relay that does not read is one behind which media are late anyway.
const MAX_QUEUED: usize = 64;

impl MediaPath {
    /// Takes a datagram that came in at another address of the host: `home`, which is one of our candidates. Says whether it is
    /// media.
    pub fn receive_at(&mut self, now: Instant, home: SocketAddr, from: SocketAddr, datagram: &[u8]) -> bool {
        // Nobody is told of these addresses but by ICE.
        if !self.candidates.contains(&LocalCandidate::Host(home)) {
            return false;
        }
        let is_media = self.take(now, Pair { local: home, remote: from }, datagram) && self.is_agreed;
        self.pump(now);
        is_media
    }

    /// Takes what came over the stream of the relay. [`poll_relayed`](Self::poll_relayed) has to be called until there is
    /// nothing more.
    pub fn push_stream(&mut self, bytes: &[u8]) {
        if let Some(relay) = &mut self.relay {
            relay.push_stream(bytes);
        }
    }

    /// The next packet of media that came over the stream of the relay.
    pub fn poll_relayed(&mut self, now: Instant) -> Option<Relayed> {
        loop {
            let relay = self.relay.as_mut().filter(|relay| relay.is_stream())?;
            let relayed = relay.poll_stream(now);
            let (address, has_failed) = (relay.address(), relay.has_failed());
            let Some(relayed) = relayed else {
                match has_failed {
                    true => self.lose_stream(now),
                    false => self.pump(now),
                }
                return None;
            };
            // Without an address nobody has permission to send to it.
            let Some(local) = address else { continue };
            if self.take(now, Pair { local, remote: relayed.from }, &relayed.datagram) {
                self.pump(now);
                return Some(relayed);
            }
        }
    }

    /// The next octets for the stream of the relay. As long as they are not asked for, media is dropped beyond some.
    pub fn poll_stream(&mut self) -> Option<Vec<u8>> {
        self.stream.pop_front()
    }

    /// Whether there is a relay with which we speak over a stream.
    pub fn has_stream(&self) -> bool {
        self.relay.as_ref().is_some_and(Relay::is_stream)
    }

    /// Whether there is something for the stream of the relay.
    pub fn has_for_stream(&self) -> bool {
        !self.stream.is_empty()
    }

    /// The stream of the relay is gone: it was closed, or what came over it made no sense.
    pub fn lose_stream(&mut self, now: Instant) {
        let Some(relay) = self.relay.take_if(|relay| relay.is_stream()) else { return };
        self.stream.clear();
        let at_relay = |it: &LocalCandidate| matches!(it, LocalCandidate::Relayed { .. });
        let gone: Vec<LocalCandidate> = self.candidates.iter().copied().filter(at_relay).collect();
        self.candidates.retain(|candidate| !at_relay(candidate));
        self.selected = self.selected.filter(|pair| Some(pair.local) != relay.address());
        if let Some(agent) = &mut self.agent {
            gone.into_iter().for_each(|candidate| agent.remove_local(now, candidate));
        }
        self.note(PathEvent::RelayLost);
        self.pump(now);
    }

    /// Gives a packet for the peer the shape that it has on the socket, and says where it has to be sent. None when the relay does
    /// not take it, and when it does not go from that socket: then it is [polled](Self::poll_home) or for the
    /// [stream](Self::poll_stream).
    pub fn route(&mut self, now: Instant, to: SocketAddr, packet: &mut Vec<u8>) -> Option<SocketAddr> {
        let pair = self.selected.filter(|pair| pair.remote == to);
        match pair.map_or(By::Base, |pair| self.by(pair.local)) {
            By::Base | By::Home(_) if self.is_hidden => self.route_by_relay(now, to, packet),
            By::Relay => self.route_by_relay(now, to, packet),
            By::Base => Some(to),
            By::Home(home) => {
                self.push_home(Pair { local: home, remote: to }, packet.clone());
                None
            }
        }
    }

    fn route_by_relay(&mut self, now: Instant, to: SocketAddr, packet: &mut Vec<u8>) -> Option<SocketAddr> {
        let relay = self.relay.as_mut()?;
        let wrapped = relay.wrap(now, to, packet)?;
        if !relay.is_stream() {
            *packet = wrapped;
            return Some(relay.server());
        }
        if self.stream.len() < MAX_QUEUED / 2 {
            self.stream.push_back(wrapped);
        }
        None
    }

    fn push_home(&mut self, pair: Pair, datagram: Vec<u8>) {
        if self.homes.len() < MAX_QUEUED {
            self.homes.push_back((pair, datagram));
        }
    }

    /// The next datagram to be sent from another address of the host, and between which it goes.
    pub fn poll_home(&mut self) -> Option<(Pair, Vec<u8>)> {
        self.homes.pop_front()
    }

    /// Takes what the relay has to send.
    pub(super) fn drain(&mut self, now: Instant, relay: &mut Relay) {
        while let Some(datagram) = relay.poll_transmit(now) {
            if !relay.is_stream() {
                self.transmits.push_back((relay.server(), datagram));
            } else if self.stream.len() < MAX_QUEUED {
                self.stream.push_back(datagram);
            }
        }
    }

    pub(super) fn send(&mut self, now: Instant, reply: Reply, datagram: Vec<u8>) {
        match (reply.by, &mut self.relay) {
            (By::Base, _) => self.transmits.push_back((reply.to, datagram)),
            (By::Home(home), _) => self.push_home(Pair { local: home, remote: reply.to }, datagram),
            (By::Relay, Some(relay)) => {
                let Some(wrapped) = relay.wrap(now, reply.to, &datagram) else { return };
                if !relay.is_stream() {
                    self.transmits.push_back((relay.server(), wrapped));
                } else if self.stream.len() < MAX_QUEUED {
                    self.stream.push_back(wrapped);
                }
            }
            (By::Relay, None) => {}
        }
    }
}
