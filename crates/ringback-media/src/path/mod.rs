//! The way of the packets of a leg: found by ICE, through a relay where there is no other, with keys by DTLS.
//!
//! [`MediaPath`] stands between a leg and its socket. What comes in is given to it first, and what it does not take is the
//! leg's. It knows nothing of audio.

mod keying;
mod ways;

use keying::{By, Keying, Reply};
use ringback_dtls::{Certificate, DtlsFailure, SrtpKeys, is_dtls};
use ringback_ice::{
    FromServer, IceAgent, IceFigures, IceInput, IceOutput, LocalCandidate, Pair, Relay, is_stun,
};
use ringback_sansio::Machine;
use ringback_sdp::{IceCredentials, MediaAddress, NegotiatedIce, NegotiatedMedia};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// Events that may wait to be polled.
const MAX_EVENTS: usize = 16;

/// What a path needs to know at its start.
#[derive(Debug)]
pub struct PathConfig {
    /// The address of our socket, as the candidates have it.
    pub base: SocketAddr,
    /// What our checks are known by; none without ICE.
    pub credentials: Option<IceCredentials>,
    /// Our candidates, those at `base` among them.
    pub candidates: Vec<LocalCandidate>,
    /// The relay that one of them is at, over UDP or over a stream.
    pub relay: Option<Relay>,
    /// Whether all goes through the relay, so that the peer never learns our own address.
    pub is_hidden: bool,
    /// Our certificate; without, there is no DTLS.
    pub certificate: Option<Certificate>,
    /// Random, for who chooses the pair where both want to.
    pub tie_breaker: u64,
}

/// What happens on the way.
#[derive(Debug)]
pub enum PathEvent {
    /// Packets go there from now on.
    Selected(SocketAddr),
    /// There is no way to the peer, or none any more; nothing may be sent. ICE may begin anew.
    Lost,
    /// The stream to the relay is gone, and our address there with it. Where media took it, another way is looked for.
    RelayLost,
    /// The keys are there.
    Keys(Box<SrtpKeys>),
    /// There will be none; nothing may be sent.
    Failed(DtlsFailure),
}

/// Where packets of a leg go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// To where the peer has said, or where it is heard from.
    #[default]
    Signalled,
    /// Nowhere yet: it is being looked for.
    Sought,
    /// There.
    Found(SocketAddr),
}

/// The way of the packets of one leg, over one socket.
#[derive(Debug)]
pub struct MediaPath {
    base: SocketAddr,
    candidates: Vec<LocalCandidate>,
    tie_breaker: u64,
    agent: Option<IceAgent>,
    /// Whether both sides have agreed on ICE.
    is_agreed: bool,
    selected: Option<Pair>,
    relay: Option<Relay>,
    is_hidden: bool,
    keying: Keying,
    signalled: Option<SocketAddr>,
    /// Datagrams that were nobody's.
    refused: u64,
    transmits: VecDeque<(SocketAddr, Vec<u8>)>,
    /// From other addresses of the host, and whereto.
    homes: VecDeque<(Pair, Vec<u8>)>,
    /// For the stream of the relay.
    stream: VecDeque<Vec<u8>>,
    events: VecDeque<PathEvent>,
}

impl MediaPath {
    /// A path of which nothing is agreed yet. Checks that come before are kept for when it is.
    pub fn new(config: PathConfig) -> Self {
        let PathConfig { base, credentials, candidates, relay, is_hidden, certificate, tie_breaker } = config;
        let mut path = Self {
            base,
            candidates,
            tie_breaker,
            agent: None,
            is_agreed: false,
            selected: None,
            relay,
            is_hidden,
            keying: Keying::new(certificate),
            signalled: None,
            refused: 0,
            transmits: VecDeque::new(),
            homes: VecDeque::new(),
            stream: VecDeque::new(),
            events: VecDeque::new(),
        };
        path.agent = credentials.map(|credentials| path.new_agent(credentials));
        path
    }

    /// Our candidates, each as it stands behind `a=candidate:`.
    pub fn lines(candidates: &[LocalCandidate]) -> Vec<String> {
        let nobody = IceCredentials { ufrag: "none".to_owned(), pwd: String::new() };
        let mut agent = IceAgent::new(nobody, 0);
        candidates.iter().filter_map(|candidate| agent.add_local(*candidate)).collect()
    }

    /// Takes the outcome of an offer and its answer. The same again changes nothing; other credentials begin ICE anew, while
    /// packets go on as they did; another association begins another handshake.
    pub fn agree(&mut self, now: Instant, media: &NegotiatedMedia) {
        self.signalled = media.remote_rtp.as_ref().and_then(MediaAddress::socket_addr);
        self.is_agreed = media.ice.is_some();
        if let (true, Some(to), Some(relay)) = (self.is_hidden, self.signalled, &mut self.relay) {
            relay.permit(now, to.ip());
        }
        match &media.ice {
            Some(agreed) => self.agree_on_ice(now, agreed),
            None => {
                (self.agent, self.selected) = (None, None);
                if !self.is_hidden {
                    self.release(now);
                }
            }
        }
        self.keying.agree(now, media.dtls.as_ref(), self.is_agreed, self.signalled, self.destination());
        self.pump(now);
    }

    fn agree_on_ice(&mut self, now: Instant, agreed: &NegotiatedIce) {
        let mut agreed = agreed.clone();
        if self.agent.as_ref().is_none_or(|agent| !agent.is_of(&agreed)) {
            // RFC 8445 §9: the roles stay as they have turned out.
            if let Some(known) = &self.agent {
                agreed.is_controlling = agreed.peer_is_lite || known.is_controlling();
            }
            self.agent = Some(self.new_agent(agreed.local.clone()));
        }
        for text in &agreed.remote_candidates {
            if let (Some(relay), Some(peer)) = (&mut self.relay, candidate_ip(text)) {
                relay.permit(now, peer);
            }
        }
        if let Some(agent) = &mut self.agent {
            agent.start(now, &agreed);
        }
    }

    fn new_agent(&self, credentials: IceCredentials) -> IceAgent {
        let mut agent = IceAgent::new(credentials, self.tie_breaker);
        for candidate in &self.candidates {
            agent.add_local(*candidate);
        }
        agent
    }

    /// Our socket is at another address. What servers saw of the old one is gone, and the next credentials begin from here.
    pub fn move_to(&mut self, now: Instant, base: SocketAddr) {
        if base != self.base {
            self.base = base;
            if self.is_hidden {
                // The relay still has the address that we had.
                return;
            }
            self.candidates = vec![LocalCandidate::Host(base)];
            self.release(now);
        }
    }

    /// Takes a datagram from the socket. What is media, and from whom they may be, is left in the first octets of
    /// `datagram`: the sender, and how many octets they are.
    pub fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Option<(SocketAddr, usize)> {
        let len = datagram.len();
        let relay = self.relay.as_mut().filter(|relay| relay.server() == from && !relay.is_stream());
        let taken = match relay {
            Some(relay) => match (relay.handle(now, datagram), relay.address()) {
                (FromServer::Data { from, datagram: data }, Some(address)) => {
                    let len = data.len().min(len);
                    datagram[..len].copy_from_slice(&data[..len]);
                    self.take(now, Pair { local: address, remote: from }, &datagram[..len])
                        .then_some((from, len))
                }
                _ => None,
            },
            None => self.take(now, Pair { local: self.base, remote: from }, datagram).then_some((from, len)),
        };
        self.pump(now);
        taken
    }

    /// Whether a datagram is media of the peer; all else is seen to here.
    fn take(&mut self, now: Instant, pair: Pair, datagram: &[u8]) -> bool {
        let (from, to) = (pair.remote, pair.local);
        if is_stun(datagram) {
            match &mut self.agent {
                Some(agent) => agent.handle(now, IceInput { from, to, datagram: datagram.to_vec() }),
                None => self.refused += 1,
            }
            return false;
        }
        if self.is_agreed && !self.is_peer(from) {
            self.refused += 1;
            return false;
        }
        if is_dtls(datagram) {
            let reply = Reply { to: from, by: self.by(pair.local) };
            if !self.keying.receive(now, reply, datagram) {
                self.refused += 1;
            }
            return false;
        }
        true
    }

    fn is_peer(&self, from: SocketAddr) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.admits(from))
            || self.selected.is_some_and(|pair| pair.remote == from)
    }

    fn by(&self, local: SocketAddr) -> By {
        if local == self.base {
            By::Base
        } else if self.relay.as_ref().and_then(Relay::address) == Some(local) {
            By::Relay
        } else if self.candidates.contains(&LocalCandidate::Host(local)) {
            By::Home(local)
        } else {
            By::Base
        }
    }

    /// Where packets go.
    pub fn way(&self) -> Way {
        match self.selected {
            _ if !self.is_agreed => Way::Signalled,
            Some(pair) => Way::Found(pair.remote),
            None => Way::Sought,
        }
    }

    fn destination(&self) -> Option<Reply> {
        let by = |by| if self.is_hidden { By::Relay } else { by };
        match self.way() {
            Way::Signalled => self.signalled.map(|to| Reply { to, by: by(By::Base) }),
            Way::Sought => None,
            Way::Found(to) => {
                let chosen = self.selected.map_or(By::Base, |pair| self.by(pair.local));
                Some(Reply { to, by: by(chosen) })
            }
        }
    }

    /// The next datagram to be sent, and where.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.transmits.pop_front()
    }

    /// What happened since the last call; drain until `None`.
    pub fn poll_event(&mut self) -> Option<PathEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let agent = self.agent.as_ref().and_then(Machine::poll_timeout);
        let relay = self.relay.as_ref().and_then(Relay::poll_timeout);
        [agent, relay, self.keying.poll_timeout()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(agent) = &mut self.agent {
            agent.handle_timeout(now);
        }
        if let Some(relay) = &mut self.relay {
            relay.handle_timeout(now);
        }
        self.keying.handle_timeout(now);
        self.pump(now);
    }

    /// Ends the association and gives back what the relay has given; what is polled then is the last.
    pub fn close(&mut self, now: Instant) {
        self.keying.close(now);
        self.pump(now);
        self.release(now);
    }

    fn release(&mut self, now: Instant) {
        if let Some(mut relay) = self.relay.take() {
            relay.close(now);
            self.drain(now, &mut relay);
        }
    }

    /// Whether checks of ICE may come.
    pub fn has_ice(&self) -> bool {
        self.agent.is_some()
    }

    /// Whether we are the side that chooses the way.
    pub fn is_controlling(&self) -> bool {
        self.agent.as_ref().is_some_and(IceAgent::is_controlling)
    }

    /// What the agent has seen; none without ICE.
    pub fn figures(&self) -> Option<IceFigures> {
        self.agent.as_ref().filter(|_| self.is_agreed).map(IceAgent::figures)
    }

    /// Datagrams that were neither the peer's nor a server's.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes what the parts have to send and to say.
    fn pump(&mut self, now: Instant) {
        while let Some(output) = self.agent.as_mut().and_then(Machine::poll) {
            match output {
                IceOutput::Send { from, to, datagram } => {
                    let by = self.by(from);
                    self.send(now, Reply { to, by }, datagram);
                }
                IceOutput::Selected(pair) => {
                    self.selected = Some(pair);
                    if let (By::Relay, Some(relay)) = (self.by(pair.local), &mut self.relay) {
                        relay.prefer(now, pair.remote);
                    }
                    self.note(PathEvent::Selected(pair.remote));
                    self.keying.found(now, self.destination());
                }
                IceOutput::Lost => {
                    self.selected = None;
                    self.note(PathEvent::Lost);
                }
            }
        }
        while let Some((reply, datagram)) = self.keying.poll_transmit(self.destination()) {
            self.send(now, reply, datagram);
        }
        while let Some(event) = self.keying.poll_event() {
            self.note(event);
        }
        if let Some(mut relay) = self.relay.take() {
            self.drain(now, &mut relay);
            self.relay = Some(relay);
        }
    }

    fn note(&mut self, event: PathEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }
}

fn candidate_ip(text: &str) -> Option<std::net::IpAddr> {
    use ringback_sdp::attribute::{AttributeValue as _, Candidate};
    Candidate::parse(text).ok()?.ip()
}
