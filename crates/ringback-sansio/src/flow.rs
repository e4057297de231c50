//! Where bytes come from and where they go.

use std::fmt;
use std::net::SocketAddr;

/// A transport protocol as Via and URIs name it (RFC 3261 §20.42, RFC 7118).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket under TLS.
    Wss,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Whether the transport itself retransmits and keeps order; RFC 3261 calls this reliable.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// Whether the hop is encrypted, as `sips` asks for.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The port that is meant when none is written (RFC 3261 §19.1.2, RFC 7118 §5.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// The spelling in a Via sent-protocol: `UDP`.
    pub fn as_via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The spelling in a `transport` parameter: `udp`.
    pub fn as_param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Reads either spelling, in any letter case; `None` for a transport that this stack does not speak.
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_via().eq_ignore_ascii_case(token))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_param())
    }
}

/// Names one socket (datagrams) or one connection (streams) of a driver. Never reused while the driver lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// A path between us and one peer, over which answers can travel back.
///
/// For a stream `id` is the connection. For datagrams `id` is our socket, which many peers share, and the
/// pair of `id` and `peer` is the flow: no table of peers has to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Our socket or connection.
    pub id: FlowId,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address, as the network showed it.
    pub peer: SocketAddr,
}

/// Names a domain that peers have to prove to be, in the driver that was asked to find it. Never reused while the
/// driver lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainId(pub u64);

/// Where to send something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Over this flow and no other, such as a response to the request that came over it.
    Flow(Flow),
    /// To this address, over an existing flow where there is one, else over a new one.
    Address(Protocol, SocketAddr),
    /// To this address, over a flow whose other end has proved to be this domain (RFC 5922 §7.3). Only for protocols
    /// that can prove something.
    Domain(Protocol, SocketAddr, DomainId),
}

impl Target {
    /// The transport protocol of the hop.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Flow(flow) => flow.protocol,
            Self::Address(protocol, _) | Self::Domain(protocol, ..) => *protocol,
        }
    }

    /// The address of the peer.
    pub fn peer(&self) -> SocketAddr {
        match self {
            Self::Flow(flow) => flow.peer,
            Self::Address(_, peer) | Self::Domain(_, peer, _) => *peer,
        }
    }
}

/// Why a flow ended, or why something could not be sent.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer closed in an orderly way.
    Closed,
    /// The peer reset the connection, or the network reported the destination unreachable.
    Reset,
    /// The connection could not be made.
    Refused,
    /// No progress within the time that the transport allows.
    TimedOut,
    /// Nothing came or went for longer than the transport allows.
    Idle,
    /// The peer broke the framing so that what follows cannot be understood.
    Framing,
    /// The peer does not read and its bounded queue is full.
    SlowReader,
    /// A limit of ours was reached.
    Limit,
    /// We have no listener or socket that could reach the target.
    NoRoute,
    /// The peer could not prove who it is, or did not believe us.
    Untrusted,
    /// We are shutting down.
    Shutdown,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed by the peer",
            Self::Reset => "reset or unreachable",
            Self::Refused => "connection refused",
            Self::TimedOut => "timed out",
            Self::Idle => "silent for too long",
            Self::Framing => "framing lost",
            Self::SlowReader => "the peer does not read",
            Self::Limit => "a limit was reached",
            Self::NoRoute => "no listener can reach the target",
            Self::Untrusted => "the certificate was refused",
            Self::Shutdown => "shutting down",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_read_both_spellings() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::from_token(protocol.as_via()), Some(protocol));
            assert_eq!(Protocol::from_token(protocol.as_param()), Some(protocol));
        }
        assert_eq!(Protocol::from_token("SCTP"), None);
    }
}
