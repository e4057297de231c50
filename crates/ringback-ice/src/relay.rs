//! The client of a TURN server (RFC 8656): an address at the server, and what goes through it.
//!
//! The protocol is that of the crate `turn-client-proto`; what is here gives it the house's clock and keeps it within
//! bounds.

use crate::framing::{Framer, OutOfStep, fill_up};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use turn_client_proto::api::{Transmit, TransmitBuild, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::{DelayedTransmitBuild as _, TurnClientApi as _};
use turn_client_proto::stun::Instant as Tick;
use turn_client_proto::stun::types::TransportType;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

/// Peers that may send to us through the server. Each costs a request every four minutes.
const MAX_PERMISSIONS: usize = 32;
/// The client is never asked more often what it waits for.
const PACE: Duration = Duration::from_millis(10);

/// What a datagram of the server was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromServer {
    /// Talk between the server and us, or nothing of ours.
    Handled,
    /// A datagram of a peer.
    Data {
        /// Who sent it to our address at the server.
        from: SocketAddr,
        /// The datagram.
        datagram: Vec<u8>,
    },
}

/// A datagram of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Who sent it to our address at the server.
    pub from: SocketAddr,
    /// The datagram.
    pub datagram: Vec<u8>,
}

/// How far the server has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked,
    Allocated(SocketAddr),
    Failed,
}

/// How we speak with the server.
enum Client {
    Datagrams(TurnClientUdp),
    /// Over TCP, or TLS on it.
    Stream(TurnClientTcp, Framer),
}

/// Does the same with either.
macro_rules! with {
    ($client:expr, $it:ident => $does:expr) => {
        match &mut $client {
            Client::Datagrams($it) => $does,
            Client::Stream($it, _) => $does,
        }
    };
}

/// Our address at a TURN server, at which datagrams come in. With the server we speak over UDP, or over a stream.
pub struct Relay {
    client: Client,
    /// The client's clock counts from here.
    origin: Instant,
    server: SocketAddr,
    stage: Stage,
    permitted: Vec<IpAddr>,
    channel: Option<SocketAddr>,
    next: Option<Instant>,
}

impl Relay {
    /// Asks a server for an address, over UDP. `base` is our socket's.
    pub fn new(now: Instant, base: SocketAddr, server: SocketAddr, user: &str, password: &str) -> Self {
        let client = TurnClientUdp::allocate(base, server, config(server.is_ipv6(), user, password));
        Self::begin(now, server, Client::Datagrams(client))
    }

    /// Asks a server for an address, over a connection that is there: TCP, or TLS on it. `local` is our end of it;
    /// `is_ipv6` chooses the kind of address. What comes is given to [`push_stream`](Self::push_stream).
    pub fn over_stream(
        now: Instant,
        local: SocketAddr,
        server: SocketAddr,
        is_ipv6: bool,
        user: &str,
        password: &str,
    ) -> Self {
        let client = TurnClientTcp::allocate(local, server, config(is_ipv6, user, password));
        Self::begin(now, server, Client::Stream(client, Framer::default()))
    }

    fn begin(now: Instant, server: SocketAddr, client: Client) -> Self {
        let stage = Stage::Asked;
        let mut relay = Self {
            client,
            origin: now,
            server,
            stage,
            permitted: Vec::new(),
            channel: None,
            next: Some(now),
        };
        relay.handle_timeout(now);
        relay
    }

    /// The server.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Whether we speak with it over a stream. What is polled and wrapped is for that then.
    pub fn is_stream(&self) -> bool {
        matches!(self.client, Client::Stream(..))
    }

    /// Our address at the server, once it has given one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.stage {
            Stage::Allocated(address) => Some(address),
            Stage::Asked | Stage::Failed => None,
        }
    }

    /// Whether the server will not give one.
    pub fn has_failed(&self) -> bool {
        self.stage == Stage::Failed
    }

    /// Lets a peer send to us through the server. At most 32; more are passed over.
    pub fn permit(&mut self, now: Instant, peer: IpAddr) {
        if self.address().is_none()
            || self.permitted.contains(&peer)
            || self.permitted.len() >= MAX_PERMISSIONS
        {
            return;
        }
        self.permitted.push(peer);
        // What the server refuses does not come through; that shows by itself.
        let tick = self.tick(now);
        let _ = with!(self.client, client => client.create_permission(TransportType::Udp, peer, tick));
        self.look(now);
    }

    /// Spares the headers of what goes to one peer: most of the packets of a call do.
    pub fn prefer(&mut self, now: Instant, peer: SocketAddr) {
        if self.address().is_some() && self.channel != Some(peer) {
            self.channel = Some(peer);
            let tick = self.tick(now);
            let _ = with!(self.client, client => client.bind_channel(TransportType::Udp, peer, tick));
            self.look(now);
        }
    }

    /// What is to be sent to the server, so that it sends `datagram` to the peer. None without an address there, or
    /// a permission for the peer.
    pub fn wrap(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let tick = self.tick(now);
        let sent = with!(self.client, client => client.send_to(TransportType::Udp, to, datagram, tick));
        let built: TransmitBuild<_> = sent.ok().flatten()?;
        let mut message = built.data.build();
        if self.is_stream() {
            fill_up(&mut message);
        }
        Some(message)
    }

    /// Takes a datagram of the server. One that comes although we speak with it over a stream is not of it.
    pub fn handle(&mut self, now: Instant, datagram: &[u8]) -> FromServer {
        match self.is_stream() {
            true => FromServer::Handled,
            false => self.take(now, datagram),
        }
    }

    /// Takes what came over the stream. [`poll_stream`](Self::poll_stream) has to be called until there is nothing more.
    pub fn push_stream(&mut self, bytes: &[u8]) {
        if let Client::Stream(_, framer) = &mut self.client {
            framer.push(bytes);
        }
    }

    /// The next datagram of a peer that came over the stream. A server that does not keep to the protocol has
    /// [failed](Self::has_failed).
    pub fn poll_stream(&mut self, now: Instant) -> Option<Relayed> {
        while let Client::Stream(_, framer) = &mut self.client {
            match framer.next() {
                Ok(Some(message)) => {
                    if let FromServer::Data { from, datagram } = self.take(now, &message) {
                        return Some(Relayed { from, datagram });
                    }
                }
                Ok(None) => return None,
                Err(OutOfStep) => {
                    *framer = Framer::default();
                    self.lose();
                    return None;
                }
            }
        }
        None
    }

    /// The stream is gone, and the address at the server with it.
    pub fn lose(&mut self) {
        with!(self.client, client => client.protocol_error());
        (self.stage, self.next) = (Stage::Failed, None);
    }

    fn take(&mut self, now: Instant, message: &[u8]) -> FromServer {
        let tick = self.tick(now);
        let server = self.server;
        let taken = with!(self.client, client => {
            let transmit = Transmit::new(message, client.transport(), server, client.local_addr());
            match client.recv(transmit, tick) {
                TurnRecvRet::PeerData(data) => {
                    FromServer::Data { from: data.peer, datagram: data.data().to_vec() }
                }
                TurnRecvRet::Handled | TurnRecvRet::Ignored(_) | TurnRecvRet::PeerIcmp { .. } => {
                    FromServer::Handled
                }
            }
        });
        if taken == FromServer::Handled {
            self.look(now);
        }
        taken
    }

    /// The next datagram for the server, or the next octets for its stream.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let tick = self.tick(now);
        let next = with!(self.client, client => client.poll_transmit(tick).map(|it| it.data.to_vec()));
        next.filter(|_| !self.has_failed())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Asks again, refreshes, and gives up, as is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next.is_some_and(|at| at <= now) {
            self.look(now);
        }
    }

    /// Gives the address back; what is polled then is the last.
    pub fn close(&mut self, now: Instant) {
        if self.address().is_some() {
            let tick = self.tick(now);
            let _ = with!(self.client, client => client.delete(tick));
            self.look(now);
        }
    }

    fn look(&mut self, now: Instant) {
        if self.has_failed() {
            self.next = None;
            return;
        }
        let tick = self.tick(now);
        self.next = match with!(self.client, client => client.poll(tick)) {
            TurnPollRet::WaitUntil(at) => {
                let wait = at.saturating_duration_since(tick).max(PACE);
                Some(now + wait)
            }
            TurnPollRet::Closed => {
                self.stage = Stage::Failed;
                None
            }
            TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => Some(now + PACE),
        };
        while let Some(event) = with!(self.client, client => client.poll_event()) {
            match event {
                TurnEvent::AllocationCreated(TransportType::Udp, address) => {
                    self.stage = Stage::Allocated(address);
                }
                TurnEvent::AllocationCreateFailed(_) => self.stage = Stage::Failed,
                TurnEvent::PermissionCreateFailed(_, peer) => self.permitted.retain(|known| *known != peer),
                TurnEvent::ChannelCreateFailed(..) => self.channel = None,
                _ => {}
            }
        }
    }

    fn tick(&self, now: Instant) -> Tick {
        let since = now.saturating_duration_since(self.origin).as_nanos();
        Tick::from_nanos(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

fn config(is_ipv6: bool, user: &str, password: &str) -> TurnConfig {
    let mut config = TurnConfig::new(TurnCredentials::new(user, password));
    if is_ipv6 {
        config.set_address_family(AddressFamily::IPV6);
    }
    config
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("server", &self.server)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
