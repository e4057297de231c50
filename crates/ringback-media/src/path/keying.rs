//! The handshakes of a path: with whom, and which of them counts.
//!
//! Where ICE has found the peer there is one. Where it has not, a peer behind a NAT begins from another address than it has
//! signalled, and so may a stranger; each has a handshake of its own, few of them, and only the peer can finish one.

use super::PathEvent;
use ringback_dtls::{Association, Certificate, DtlsFailure, DtlsOutput};
use ringback_sansio::Machine;
use ringback_sdp::{DtlsRole, NegotiatedDtls};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Handshakes with others than whom was signalled.
const MAX_STRANGERS: usize = 4;
/// One that has not come to an end by then gives its place to whoever comes next.
const STRANGER_PATIENCE: Duration = Duration::from_secs(3);

/// From where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// From the socket.
    Base,
    /// From the socket at another address of the host.
    Home(SocketAddr),
    /// From our address at the relay.
    Relay,
}

/// Where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) to: SocketAddr,
    pub(super) by: By,
}

/// The handshakes of a path.
#[derive(Debug)]
pub(super) struct Keying {
    certificate: Option<Certificate>,
    agreed: Option<NegotiatedDtls>,
    /// Whether ICE says who the peer is.
    is_found: bool,
    signalled: Option<SocketAddr>,
    /// The handshake with the peer.
    peer: Option<Association>,
    /// Where the peer was heard last.
    heard: Option<Reply>,
    strangers: Vec<Stranger>,
    is_keyed: bool,
    transmits: VecDeque<(Option<Reply>, Vec<u8>)>,
    events: VecDeque<PathEvent>,
}

/// Somebody who was not signalled.
#[derive(Debug)]
struct Stranger {
    at: Reply,
    since: Instant,
    association: Association,
}

impl Keying {
    pub(super) fn new(certificate: Option<Certificate>) -> Self {
        Self {
            certificate,
            agreed: None,
            is_found: false,
            signalled: None,
            peer: None,
            heard: None,
            strangers: Vec::new(),
            is_keyed: false,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(super) fn agree(
        &mut self,
        now: Instant,
        agreed: Option<&NegotiatedDtls>,
        is_found: bool,
        signalled: Option<SocketAddr>,
        destination: Option<Reply>,
    ) {
        (self.is_found, self.signalled) = (is_found, signalled);
        if self.agreed.as_ref() == agreed {
            return;
        }
        self.agreed = agreed.cloned();
        (self.peer, self.heard, self.is_keyed) = (None, None, false);
        self.strangers.clear();
        match agreed.map(|agreed| agreed.role) {
            Some(DtlsRole::Server) => self.peer = self.begin(now),
            Some(DtlsRole::Client) => self.found(now, destination),
            None => {}
        }
    }

    /// There is a way to the peer now.
    pub(super) fn found(&mut self, now: Instant, destination: Option<Reply>) {
        let is_ours = self.agreed.as_ref().is_some_and(|agreed| agreed.role == DtlsRole::Client);
        if is_ours && self.peer.is_none() && destination.is_some() {
            self.peer = self.begin(now);
            self.pump();
        }
    }

    fn begin(&mut self, now: Instant) -> Option<Association> {
        let (agreed, certificate) = (self.agreed.as_ref()?, self.certificate.as_ref()?);
        match Association::new(now, certificate, agreed.role, &agreed.fingerprints) {
            Ok(association) => Some(association),
            Err(failure) => {
                self.events.push_back(PathEvent::Failed(failure));
                None
            }
        }
    }

    /// Takes a datagram of a handshake. False when it is nobody's.
    pub(super) fn receive(&mut self, now: Instant, from: Reply, datagram: &[u8]) -> bool {
        let Some(agreed) = &self.agreed else { return false };
        let waits = agreed.role == DtlsRole::Server;
        let is_peer = self.is_found || self.signalled == Some(from.to) || self.heard == Some(from);
        let is_taken = if is_peer {
            self.heard = Some(from);
            self.peer.as_mut().map(|peer| peer.handle(now, datagram.to_vec())).is_some()
        } else {
            // Who was not signalled can only begin, and only until somebody has proved to be the peer.
            waits && !self.is_keyed && self.receive_from_stranger(now, from, datagram)
        };
        self.pump();
        is_taken
    }

    fn receive_from_stranger(&mut self, now: Instant, from: Reply, datagram: &[u8]) -> bool {
        self.strangers.retain(|stranger| !stranger.association.is_over());
        if !self.strangers.iter().any(|stranger| stranger.at == from) {
            if self.strangers.len() >= MAX_STRANGERS {
                let is_late = |stranger: &Stranger| now >= stranger.since + STRANGER_PATIENCE;
                let Some(late) = self.strangers.iter().position(is_late) else { return false };
                self.strangers.swap_remove(late);
            }
            let Some(association) = self.begin(now) else { return false };
            self.strangers.push(Stranger { at: from, since: now, association });
        }
        let known = self.strangers.iter_mut().find(|stranger| stranger.at == from);
        known.map(|stranger| stranger.association.handle(now, datagram.to_vec())).is_some()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let strangers = self.strangers.iter().filter_map(|it| it.association.poll_timeout());
        self.peer.iter().filter_map(Machine::poll_timeout).chain(strangers).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for association in self.peer.iter_mut().chain(self.strangers.iter_mut().map(|it| &mut it.association))
        {
            association.handle_timeout(now);
        }
        self.pump();
    }

    pub(super) fn close(&mut self, now: Instant) {
        if let Some(peer) = &mut self.peer {
            peer.close(now);
        }
        self.pump();
    }

    /// The next datagram. What goes to the peer goes where it is heard, or to `destination`.
    pub(super) fn poll_transmit(&mut self, destination: Option<Reply>) -> Option<(Reply, Vec<u8>)> {
        loop {
            let (reply, datagram) = self.transmits.pop_front()?;
            // What cannot be sent now is lost, and repeated.
            if let Some(reply) = reply.or(self.heard).or(destination) {
                return Some((reply, datagram));
            }
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<PathEvent> {
        self.events.pop_front()
    }

    fn pump(&mut self) {
        while let Some(output) = self.peer.as_mut().and_then(Machine::poll) {
            match output {
                DtlsOutput::Send(datagram) => self.transmits.push_back((None, datagram)),
                DtlsOutput::Keys(keys) => {
                    self.is_keyed = true;
                    self.strangers.clear();
                    self.events.push_back(PathEvent::Keys(keys));
                }
                // As long as one of those who were not signalled may be the peer, nothing is lost.
                DtlsOutput::Failed(failure) if self.can_still_come(&failure) => {}
                DtlsOutput::Failed(failure) => self.events.push_back(PathEvent::Failed(failure)),
                DtlsOutput::Closed => self.events.push_back(PathEvent::Failed(DtlsFailure::Closed)),
            }
        }
        let mut winner = None;
        for at in 0..self.strangers.len() {
            let Stranger { at: reply, association, .. } = &mut self.strangers[at];
            while let Some(output) = association.poll() {
                match output {
                    DtlsOutput::Send(datagram) => self.transmits.push_back((Some(*reply), datagram)),
                    DtlsOutput::Keys(keys) => winner = Some((at, keys)),
                    // Strangers fail, that is what they are.
                    DtlsOutput::Failed(_) | DtlsOutput::Closed => {}
                }
            }
        }
        if let Some((at, keys)) = winner {
            let Stranger { at: reply, association, .. } = self.strangers.swap_remove(at);
            self.strangers.clear();
            (self.peer, self.heard, self.is_keyed) = (Some(association), Some(reply), true);
            self.events.push_back(PathEvent::Keys(keys));
        }
    }

    fn can_still_come(&self, failure: &DtlsFailure) -> bool {
        self.is_keyed
            || (*failure != DtlsFailure::Fingerprint
                && self.strangers.iter().any(|stranger| !stranger.association.is_over()))
    }
}
