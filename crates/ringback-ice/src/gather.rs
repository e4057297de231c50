//! Finding out which addresses we have, before they are told to anybody (RFC 8445 §5.1.1).

use crate::stun::{Answer, Question};
use crate::{FromServer, LocalCandidate, Relay};
use ringback_sansio::Entropy;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Between a question and its first repetition; it doubles (RFC 8489 §6.2.1).
const RTO: Duration = Duration::from_millis(250);

/// A TURN server and who we are there. Its `Debug` keeps the password to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnServer {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether we speak with it over a stream: TCP, or TLS on it. Without, over UDP.
    pub is_stream: bool,
    /// Our name there.
    pub user: String,
    /// Our password.
    pub password: String,
}

impl fmt::Debug for TurnServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnServer")
            .field("address", &self.address)
            .field("is_stream", &self.is_stream)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Our candidates: the host's own, then what servers see and give.
    pub candidates: Vec<LocalCandidate>,
    /// The relay that one of them is at. It has to be kept going as long as that is used.
    pub relay: Option<Relay>,
}

/// Asks servers, for one socket.
///
/// Call [`poll_transmit`](Self::poll_transmit) until it says `None` after each other call, and
/// [`finish`](Self::finish) when [`is_done`](Self::is_done). A TURN server over a stream is asked once there is
/// [one](Self::connected).
#[derive(Debug)]
pub struct Gatherer {
    base: SocketAddr,
    stun: Option<(SocketAddr, Question)>,
    mapped: Option<SocketAddr>,
    asked: u32,
    ask_at: Option<Instant>,
    relay: Option<Relay>,
    /// The server to which there is no connection yet.
    unconnected: Option<TurnServer>,
    give_up_at: Instant,
    is_over: bool,
}

impl Gatherer {
    /// Begins. `base` is the address of the socket; `patience` is how long servers have to answer, for a call waits for
    /// it.
    pub fn new(
        now: Instant,
        base: SocketAddr,
        stun: Option<SocketAddr>,
        turn: Option<&TurnServer>,
        patience: Duration,
        entropy: &mut dyn Entropy,
    ) -> Self {
        // An address of the other kind cannot be reached from this socket.
        let fits = |server: &SocketAddr| server.is_ipv4() == base.is_ipv4();
        let stun = stun.filter(fits).map(|server| (server, Question::new(entropy)));
        let (streams, turn) = match turn {
            Some(turn) if turn.is_stream => (Some(turn.clone()), None),
            turn => (None, turn.filter(|server| fits(&server.address))),
        };
        Self {
            base,
            ask_at: stun.map(|_| now),
            stun,
            mapped: None,
            asked: 0,
            relay: turn.map(|turn| Relay::new(now, base, turn.address, &turn.user, &turn.password)),
            unconnected: streams,
            give_up_at: now + patience,
            is_over: false,
        }
    }

    /// Whether nothing more is to be learnt, or the time is up.
    pub fn is_done(&self) -> bool {
        let waits = self.relay.as_ref().is_some_and(|relay| relay.address().is_none() && !relay.has_failed());
        self.is_over || (self.stun.is_none() && !waits && self.unconnected.is_none())
    }

    /// There is a connection to the TURN server, with `local` as our end.
    pub fn connected(&mut self, now: Instant, local: SocketAddr) {
        if let Some(TurnServer { address, user, password, .. }) = self.unconnected.take() {
            let is_ipv6 = self.base.is_ipv6();
            self.relay = Some(Relay::over_stream(now, local, address, is_ipv6, &user, &password));
        }
    }

    /// There is no connection to the TURN server, or none any more.
    pub fn disconnected(&mut self) {
        self.unconnected = None;
        self.relay = self.relay.take().filter(|relay| !relay.is_stream());
    }

    /// Takes what came over the stream.
    pub fn handle_stream(&mut self, now: Instant, bytes: &[u8]) {
        if let Some(relay) = &mut self.relay {
            relay.push_stream(bytes);
            // Nobody has permission to send us anything yet.
            while relay.poll_stream(now).is_some() {}
        }
    }

    /// The next octets for the stream.
    pub fn poll_stream(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.relay.as_mut().filter(|relay| relay.is_stream())?.poll_transmit(now)
    }

    /// Takes a datagram that came in at the socket.
    pub fn handle(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if let Some((_, question)) = self.stun.filter(|(server, _)| *server == from)
            && let Some(answer) = question.answer(datagram)
        {
            (self.stun, self.ask_at) = (None, None);
            if let Answer::Mapped(mapped) = answer {
                self.mapped = Some(mapped);
            }
            return;
        }
        if let Some(relay) = self.relay.as_mut().filter(|relay| relay.server() == from) {
            // Nobody has permission to send us anything yet.
            let (FromServer::Handled | FromServer::Data { .. }) = relay.handle(now, datagram);
        }
    }

    /// The next datagram, and to whom.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        if let (Some((server, question)), Some(at)) = (self.stun, self.ask_at)
            && at <= now
        {
            self.ask_at = Some(now + RTO * 2_u32.pow(self.asked.min(6)));
            self.asked += 1;
            return Some((server, question.request()));
        }
        let relay = self.relay.as_mut().filter(|relay| !relay.is_stream())?;
        relay.poll_transmit(now).map(|datagram| (relay.server(), datagram))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Instant {
        let relay = self.relay.as_ref().and_then(Relay::poll_timeout);
        [self.ask_at, relay].into_iter().flatten().fold(self.give_up_at, Instant::min)
    }

    /// Asks again, or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.is_over |= self.give_up_at <= now;
        if let Some(relay) = &mut self.relay {
            relay.handle_timeout(now);
        }
    }

    /// What was found up to now. A relay that has not answered is left.
    pub fn finish(self) -> Gathered {
        let Self { base, mapped, relay, .. } = self;
        let relay = relay.filter(|relay| relay.address().is_some());
        let mut candidates = vec![LocalCandidate::Host(base)];
        // Who is seen at its own address is behind no NAT.
        let mapped = mapped.filter(|mapped| *mapped != base && mapped.is_ipv4() == base.is_ipv4());
        candidates.extend(mapped.map(|mapped| LocalCandidate::Reflexive { mapped, base }));
        let relayed = relay.as_ref().and_then(Relay::address);
        candidates.extend(relayed.map(|relayed| LocalCandidate::Relayed { relayed, base }));
        Gathered { candidates, relay }
    }
}
