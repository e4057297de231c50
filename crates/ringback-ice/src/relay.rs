//! The client of a TURN server (RFC 8656): an address at the server, and what goes through it.
//!
//! The protocol is that of the crate `turn-client-proto`; what is here gives it the house's clock and keeps it within
//! bounds.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use turn_client_proto::api::{TransmitBuild, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::{DelayedTransmitBuild as _, TurnClientApi as _};
use turn_client_proto::stun::Instant as Tick;
use turn_client_proto::stun::types::TransportType;
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

/// How far the server has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked,
    Allocated(SocketAddr),
    Failed,
}

/// Our address at a TURN server, over UDP.
pub struct Relay {
    client: TurnClientUdp,
    /// The client's clock counts from here.
    origin: Instant,
    server: SocketAddr,
    stage: Stage,
    permitted: Vec<IpAddr>,
    channel: Option<SocketAddr>,
    next: Option<Instant>,
}

impl Relay {
    /// Asks a server for an address. `base` is our socket's.
    pub fn new(now: Instant, base: SocketAddr, server: SocketAddr, user: &str, password: &str) -> Self {
        let mut config = TurnConfig::new(TurnCredentials::new(user, password));
        if server.is_ipv6() {
            config.set_address_family(AddressFamily::IPV6);
        }
        let client = TurnClientUdp::allocate(base, server, config);
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
        let _ = self.client.create_permission(TransportType::Udp, peer, self.tick(now));
        self.look(now);
    }

    /// Spares the headers of what goes to one peer: most of the packets of a call do.
    pub fn prefer(&mut self, now: Instant, peer: SocketAddr) {
        if self.address().is_some() && self.channel != Some(peer) {
            self.channel = Some(peer);
            let _ = self.client.bind_channel(TransportType::Udp, peer, self.tick(now));
            self.look(now);
        }
    }

    /// What is to be sent to the server, so that it sends `datagram` to the peer. None without an address there, or
    /// a permission for the peer.
    pub fn wrap(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let tick = self.tick(now);
        let built: TransmitBuild<_> =
            self.client.send_to(TransportType::Udp, to, datagram, tick).ok().flatten()?;
        Some(built.data.build())
    }

    /// Takes a datagram of the server.
    pub fn handle(&mut self, now: Instant, datagram: &[u8]) -> FromServer {
        use turn_client_proto::api::Transmit;
        let tick = self.tick(now);
        let (server, base) = (self.server, self.client.local_addr());
        let transmit = Transmit::new(datagram, TransportType::Udp, server, base);
        let taken = match self.client.recv(transmit, tick) {
            TurnRecvRet::PeerData(data) => {
                FromServer::Data { from: data.peer, datagram: data.data().to_vec() }
            }
            TurnRecvRet::Handled | TurnRecvRet::Ignored(_) | TurnRecvRet::PeerIcmp { .. } => {
                FromServer::Handled
            }
        };
        if taken == FromServer::Handled {
            self.look(now);
        }
        taken
    }

    /// The next datagram for the server.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let tick = self.tick(now);
        self.client.poll_transmit(tick).map(|transmit| transmit.data.to_vec())
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
            let _ = self.client.delete(self.tick(now));
            self.look(now);
        }
    }

    fn look(&mut self, now: Instant) {
        let tick = self.tick(now);
        self.next = match self.client.poll(tick) {
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
        while let Some(event) = self.client.poll_event() {
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

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("server", &self.server)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
