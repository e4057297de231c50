//! Flow tokens (RFC 5626 §5.2): in Record-Route, the name of the connection that later requests of the dialog have to
//! take, for peers that nobody can connect to.
//!
//! A token holds the flow itself and a keyed hash over it, so that only those of our own making are believed.

use crate::FlowKey;
use ringback_sansio::{Flow, FlowId, Protocol, Seal};
use std::fmt::Write as _;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};

/// Whether later requests to this peer need a token: those whose certificate proves nothing, or who do not listen.
pub(crate) fn needs_token(flow: &Flow) -> bool {
    matches!(flow.protocol, Protocol::Tls | Protocol::Ws | Protocol::Wss)
}

/// What makes a token of this flow ours.
fn mark(key: FlowKey, flow: &Flow) -> [u8; 8] {
    let run = if flow.protocol.is_reliable() { key.run } else { 0 };
    Seal::keyed(key.secret).hash_one(("flow", flow, run)).to_be_bytes()
}

/// Writes a token.
pub(crate) fn write(key: FlowKey, flow: &Flow) -> String {
    let mut bytes = Vec::with_capacity(56);
    bytes.extend(mark(key, flow));
    bytes.extend(flow.id.0.to_be_bytes());
    // Of five, so it fits.
    bytes.push(Protocol::ALL.iter().position(|own| *own == flow.protocol).unwrap_or(0) as u8);
    for address in [flow.local, flow.peer] {
        bytes.extend(address.port().to_be_bytes());
        match address.ip() {
            IpAddr::V4(ip) => bytes.extend(ip.octets()),
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a token that this key wrote.
pub(crate) fn read(key: FlowKey, text: &str) -> Option<Flow> {
    let digits = text.as_bytes();
    if digits.len() > 128 || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    let (hash, rest) = bytes.split_first_chunk::<8>()?;
    let (id, rest) = rest.split_first_chunk::<8>()?;
    let (protocol, addresses) = rest.split_first()?;
    let (local, peer) = match addresses.len() {
        12 => (read_v4(&addresses[..6])?, read_v4(&addresses[6..])?),
        36 => (read_v6(&addresses[..18])?, read_v6(&addresses[18..])?),
        _ => return None,
    };
    let protocol = *Protocol::ALL.get(usize::from(*protocol))?;
    let flow = Flow { id: FlowId(u64::from_be_bytes(*id)), protocol, local, peer };
    (mark(key, &flow) == *hash).then_some(flow)
}

fn read_v4(bytes: &[u8]) -> Option<SocketAddr> {
    let (port, ip) = bytes.split_first_chunk::<2>()?;
    let ip: [u8; 4] = ip.try_into().ok()?;
    Some(SocketAddr::new(ip.into(), u16::from_be_bytes(*port)))
}

fn read_v6(bytes: &[u8]) -> Option<SocketAddr> {
    let (port, ip) = bytes.split_first_chunk::<2>()?;
    let ip: [u8; 16] = ip.try_into().ok()?;
    Some(SocketAddr::new(ip.into(), u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_next_run_those_of_connections_mean_nothing() {
        let key = FlowKey { secret: 7, run: 1 };
        let next = FlowKey { run: 2, ..key };
        let peer: SocketAddr = "192.0.2.1:4321".parse().unwrap();
        for (protocol, survives) in [(Protocol::Udp, true), (Protocol::Tcp, false), (Protocol::Wss, false)] {
            let flow = Flow { id: FlowId(0), protocol, local: peer, peer };
            assert_eq!(read(next, &write(key, &flow)).is_some(), survives, "{protocol}");
        }
    }

    #[test]
    fn only_tokens_of_our_own_are_believed() {
        let key = FlowKey { secret: 7, run: 1 };
        for peer in ["192.0.2.1:4321", "[2001:db8::1]:4321"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let flow = Flow { id: FlowId(9), protocol: Protocol::Tls, local: peer, peer };
            let token = write(key, &flow);
            assert_eq!(read(key, &token), Some(flow));
            assert_eq!(read(FlowKey { secret: 8, ..key }, &token), None);
            for at in 0..token.len() {
                let mut forged = token.clone().into_bytes();
                forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
                assert_eq!(read(key, std::str::from_utf8(&forged).unwrap()), None, "digit {at}");
            }
        }
        for text in ["", "0", "zz", "alice", "é0", &"0".repeat(58), &"0".repeat(4_000)] {
            assert_eq!(read(key, text), None, "{text}");
        }
    }
}
