//! The agent: which pair of addresses media take (RFC 8445), and whether the peer still wants them (RFC 7675).
//!
//! The checks themselves are those of the crate `is`; what is here keeps it within bounds, and away from the rest of the
//! house.

use crate::candidate::{self, LocalCandidate};
use is::stun::{StunMessage, StunPacket};
use is::{IceAgentEvent, IceConnectionState, IceCreds};
use ringback_sansio::Machine;
use ringback_sdp::{IceCredentials, MAX_CANDIDATES, NegotiatedIce};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A peer that proves its password from more addresses than these is one that wants us to keep a list.
const MAX_SOURCES: usize = 32;
/// Pairs that are checked. 32 candidates of the peer with our three are within.
const MAX_PAIRS: usize = 100;
/// Without an answer for half a minute there is no consent any more (RFC 7675 §5.1): so many requests, most of them
/// three seconds apart.
const RETRANSMITS: usize = 12;
/// The agent is never woken more often.
const PACE: Duration = Duration::from_millis(10);
/// Checks of a peer that are kept while nobody knows what it has answered.
const MAX_EARLY: usize = 32;

/// A datagram that came, with the addresses that it was sent between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceInput {
    /// Who sent it. Through a relay that is the peer and not the relay.
    pub from: SocketAddr,
    /// Where it came in: our socket, or our address at a relay.
    pub to: SocketAddr,
    /// The datagram.
    pub datagram: Vec<u8>,
}

/// What the agent wants and says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IceOutput {
    /// A datagram is to be sent from one of our addresses, which may be at a relay.
    Send {
        /// Our socket, or our address at a relay.
        from: SocketAddr,
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// Media take this pair from now on.
    Selected(Pair),
    /// No pair works, or the peer does not answer any more: nothing may be sent (RFC 7675 §5.1).
    Lost,
}

/// Between which addresses media go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// From where we send: our socket, or our address at a relay.
    pub local: SocketAddr,
    /// Whereto.
    pub remote: SocketAddr,
}

/// What an agent has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IceFigures {
    /// Requests that were sent.
    pub requests_sent: u64,
    /// Requests of the peer that were answered.
    pub requests_received: u64,
    /// Datagrams that proved nothing: not STUN, damaged, with a wrong password, for somebody else, or one source too many.
    pub refused: u64,
}

/// An agent for one medium with one component.
pub struct IceAgent {
    inner: is::IceAgent,
    credentials: IceCredentials,
    remote: Option<IceCredentials>,
    /// The peer's candidates that have been taken.
    known: Vec<SocketAddr>,
    /// Who has proved the password.
    sources: Vec<SocketAddr>,
    early: VecDeque<IceInput>,
    selected: Option<Pair>,
    is_lost: bool,
    refused: u64,
    /// When it was last woken.
    woken: Option<Instant>,
    next: Option<Instant>,
    latest: Option<Instant>,
    outputs: VecDeque<IceOutput>,
}

impl IceAgent {
    /// An agent that waits for the peer's side. `tie_breaker` is random; it settles who chooses where both want to.
    pub fn new(credentials: IceCredentials, tie_breaker: u64) -> Self {
        let mut inner = is::IceAgent::new(creds(&credentials));
        inner.set_control_tie_breaker(tie_breaker);
        inner.set_max_candidate_pairs(MAX_PAIRS);
        inner.set_max_stun_retransmits(RETRANSMITS);
        Self {
            inner,
            credentials,
            remote: None,
            known: Vec::new(),
            sources: Vec::new(),
            early: VecDeque::new(),
            selected: None,
            is_lost: false,
            refused: 0,
            woken: None,
            next: None,
            latest: None,
            outputs: VecDeque::new(),
        }
    }

    /// Adds an address of ours, and says what stands behind `a=candidate:` for it. None where it is one that is known
    /// already, or at which nothing can be received.
    pub fn add_local(&mut self, candidate: LocalCandidate) -> Option<String> {
        let added = self.inner.add_local_candidate(candidate.for_agent()?)?;
        candidate.line(added)
    }

    /// An address of ours is gone. Where media took it, another pair is looked for among those that are left.
    pub fn remove_local(&mut self, now: Instant, candidate: LocalCandidate) {
        let now = self.clamp(now);
        if candidate.for_agent().is_some_and(|gone| self.inner.invalidate_candidate(&gone)) {
            self.selected = self.selected.filter(|pair| pair.local != candidate.address());
            if self.remote.is_some() {
                self.wake(now);
            }
        }
    }

    /// Begins, or goes on with what another description has said: the same credentials, and candidates that may be more.
    /// Others need [another agent](Self::is_of).
    pub fn start(&mut self, now: Instant, agreed: &NegotiatedIce) {
        let now = self.clamp(now);
        if self.remote.is_none() {
            self.inner.set_controlling(agreed.is_controlling);
            self.inner.set_remote_credentials(creds(&agreed.remote));
            self.remote = Some(agreed.remote.clone());
        }
        for text in &agreed.remote_candidates {
            self.add_remote(text);
        }
        for input in std::mem::take(&mut self.early) {
            self.take(now, &input);
        }
        self.wake(now);
    }

    /// Adds a candidate of the peer, as it stands behind `a=candidate:`. Those that are of no use, and those beyond
    /// [`MAX_CANDIDATES`], are passed over.
    pub fn add_remote(&mut self, text: &str) {
        let Some((address, candidate)) = candidate::of_peer(text) else { return };
        if self.known.len() < MAX_CANDIDATES && !self.known.contains(&address) {
            self.known.push(address);
            self.inner.add_remote_candidate(candidate);
            // There is something to check now.
            self.next = self.latest;
        }
    }

    /// Whether this agent is the one for what was agreed. Where it is not, ICE begins anew with another.
    pub fn is_of(&self, agreed: &NegotiatedIce) -> bool {
        self.credentials == agreed.local && self.remote.as_ref().is_none_or(|remote| *remote == agreed.remote)
    }

    /// What our checks are known by.
    pub fn credentials(&self) -> &IceCredentials {
        &self.credentials
    }

    /// Between which addresses media go now.
    pub fn selected(&self) -> Option<Pair> {
        self.selected
    }

    /// Whether media from there are to be believed to be the peer's: it has proved from there that it knows the password.
    pub fn admits(&self, from: SocketAddr) -> bool {
        self.sources.contains(&from)
    }

    /// Whether we are the side that chooses the pair, also after a conflict about it.
    pub fn is_controlling(&self) -> bool {
        self.inner.controlling()
    }

    /// What it has seen.
    pub fn figures(&self) -> IceFigures {
        let stats = self.inner.stats();
        IceFigures {
            requests_sent: stats.bind_request_sent,
            requests_received: stats.bind_request_recv,
            refused: self.refused,
        }
    }

    /// Whether it was for this agent, and from somebody who knows the password.
    fn take(&mut self, now: Instant, input: &IceInput) -> bool {
        let is_known = self.sources.contains(&input.from);
        if !is_known && self.sources.len() >= MAX_SOURCES {
            self.refused += 1;
            return false;
        }
        let Ok(message) = StunMessage::parse(&input.datagram) else {
            self.refused += 1;
            return false;
        };
        if message.is_binding_request() && self.remote.is_none() {
            // Nobody knows yet what the peer has answered. It comes again in any case; this saves the wait.
            if self.inner.accepts_message(&message) && self.early.len() < MAX_EARLY {
                self.early.push_back(input.clone());
            } else {
                self.refused += 1;
            }
            return false;
        }
        let (source, destination) = (input.from, input.to);
        let packet = StunPacket { proto: is::Protocol::Udp, source, destination, message };
        let is_taken = self.inner.handle_packet(now, packet);
        match is_taken {
            true if !is_known => self.sources.push(input.from),
            true => {}
            false => self.refused += 1,
        }
        is_taken
    }

    fn wake(&mut self, now: Instant) {
        self.woken = Some(now);
        self.inner.handle_timeout(now);
        self.gather();
    }

    /// Takes what the agent underneath has to send and to say.
    fn gather(&mut self) {
        while let Some(transmit) = self.inner.poll_transmit() {
            let datagram = transmit.contents.to_vec();
            let (from, to) = (transmit.source, transmit.destination);
            self.outputs.push_back(IceOutput::Send { from, to, datagram });
        }
        while let Some(event) = self.inner.poll_event() {
            match event {
                IceAgentEvent::NominatedSend { source, destination, .. } => {
                    let pair = Pair { local: source, remote: destination };
                    self.is_lost = false;
                    if self.selected.replace(pair) != Some(pair) {
                        self.outputs.push_back(IceOutput::Selected(pair));
                    }
                }
                IceAgentEvent::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                    self.selected = None;
                    if !std::mem::replace(&mut self.is_lost, true) {
                        self.outputs.push_back(IceOutput::Lost);
                    }
                }
                IceAgentEvent::IceConnectionStateChange(_)
                | IceAgentEvent::IceRestart(_)
                | IceAgentEvent::DiscoveredRecv { .. } => {}
            }
        }
        if let (Some(next), Some(woken)) = (self.inner.poll_timeout(), self.woken) {
            self.next = Some(next.max(woken + PACE));
        }
    }

    /// Time never runs backwards for an agent.
    fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.latest.map_or(now, |latest| latest.max(now));
        self.latest = Some(now);
        now
    }
}

impl Machine for IceAgent {
    type Input = IceInput;
    type Output = IceOutput;

    /// Takes a datagram that [is STUN](crate::is_stun).
    fn handle(&mut self, now: Instant, input: IceInput) {
        let now = self.clamp(now);
        match self.take(now, &input) {
            // What it has learned it acts upon at once, such as a choice of the peer.
            true => self.wake(now),
            false => self.gather(),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        if self.remote.is_some() && self.poll_timeout().is_none_or(|at| at <= now) {
            self.wake(now);
        }
    }

    fn poll(&mut self) -> Option<IceOutput> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

fn creds(credentials: &IceCredentials) -> IceCreds {
    IceCreds { ufrag: credentials.ufrag.clone(), pass: credentials.pwd.clone() }
}

impl fmt::Debug for IceAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceAgent")
            .field("ufrag", &self.credentials.ufrag)
            .field("selected", &self.selected)
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}
