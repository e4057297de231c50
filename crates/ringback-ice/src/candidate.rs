//! Candidates, as the agent underneath and as descriptions have them.

use is::Candidate;
use ringback_sdp::attribute::{AttributeValue as _, Candidate as Line, CandidateKind};
use std::net::SocketAddr;

/// An address of ours at which media might be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalCandidate {
    /// One of our socket's.
    Host(SocketAddr),
    /// The one that others see, and our socket's behind it.
    Reflexive {
        /// As a server sees us.
        mapped: SocketAddr,
        /// Our socket's.
        base: SocketAddr,
    },
    /// One at a relay, and our socket's from which we speak with the relay.
    Relayed {
        /// At the relay.
        relayed: SocketAddr,
        /// Our socket's.
        base: SocketAddr,
    },
}

impl LocalCandidate {
    /// Where others reach it.
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Host(address) => address,
            Self::Reflexive { mapped, .. } => mapped,
            Self::Relayed { relayed, .. } => relayed,
        }
    }

    /// None where nothing can be received: multicast and the like.
    pub(crate) fn for_agent(self) -> Option<Candidate> {
        let candidate = match self {
            Self::Host(address) => Candidate::host(address, "udp"),
            Self::Reflexive { mapped, base } => Candidate::server_reflexive(mapped, base, "udp"),
            Self::Relayed { relayed, base } => Candidate::relayed(relayed, base, "udp"),
        };
        candidate.ok()
    }

    /// What stands behind `a=candidate:`; the agent's own text without the user name, which the description says once.
    pub(crate) fn line(self, candidate: &Candidate) -> Option<String> {
        let text = candidate.to_sdp_string();
        let line = Line::parse(text.strip_prefix("candidate:")?).ok()?;
        let own;
        let related = match self {
            Self::Host(_) => None,
            Self::Reflexive { base, .. } => {
                own = base.ip().to_string();
                Some((own.as_str(), base.port()))
            }
            // Where we are seen from is nobody's business who is to use the relay (RFC 8828 §5.2).
            Self::Relayed { .. } => line.related,
        };
        Some(Line { related, extensions: "", ..line }.to_string())
    }
}

/// A candidate of the peer. None where we cannot send: TCP, names, another component, and addresses that are nobody's.
pub(crate) fn of_peer(text: &str) -> Option<(SocketAddr, Candidate)> {
    let line = Line::parse(text).ok()?;
    let address = SocketAddr::new(line.ip()?, line.port);
    if line.component != 1 || !line.transport.eq_ignore_ascii_case("udp") || !is_somebody(address) {
        return None;
    }
    let kind = match line.kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    };
    let Line { foundation, priority, .. } = line;
    let (ip, port) = (address.ip(), address.port());
    let text = format!("candidate:{foundation} 1 udp {priority} {ip} {port} typ {kind}");
    Candidate::from_sdp_string(&text).ok().map(|candidate| (address, candidate))
}

fn is_somebody(address: SocketAddr) -> bool {
    let ip = address.ip();
    let is_broadcast = matches!(ip, std::net::IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_of_peers_are_read_and_those_of_no_use_are_not() {
        let read = |text: &str| of_peer(text).map(|(address, _)| address.to_string());
        let usable = "1 1 UDP 2130706431 192.0.2.1 4000 typ host generation 0 ufrag x";
        assert_eq!(read(usable).as_deref(), Some("192.0.2.1:4000"));
        let six = "1 1 udp 1 2001:db8::1 4000 typ srflx raddr :: rport 0";
        assert_eq!(read(six).as_deref(), Some("[2001:db8::1]:4000"));
        for text in [
            "",
            "1 1 TCP 1 192.0.2.1 9 typ host tcptype active",
            "1 2 udp 1 192.0.2.1 4001 typ host",
            "1 1 udp 1 1f8d3e60.local 4000 typ host",
            "1 1 udp 1 0.0.0.0 4000 typ host",
            "1 1 udp 1 224.0.0.1 4000 typ host",
            "1 1 udp 1 255.255.255.255 4000 typ host",
            "1 1 udp 1 192.0.2.1 0 typ host",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
