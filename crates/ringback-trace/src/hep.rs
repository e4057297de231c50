//! Messages for a collector such as Homer: HEP version 3 (EEP), the Homer encapsulation protocol.

use crate::Packet;
use ringback_message::Message;
use ringback_message::header::CallId;
use ringback_sansio::Protocol;
use std::net::IpAddr;

/// What fits into a UDP datagram over IPv4, less what stands before the message.
const MAX_PAYLOAD: usize = 65_000;
/// SIP, among the protocols that can be told of.
const SIP: u8 = 1;

/// Who tells, and how it proves that it may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HepAgent {
    /// Its number, by which the collector tells those who send to it apart.
    pub id: u32,
    /// The word that the collector asks for, if it does.
    pub password: Option<String>,
}

impl HepAgent {
    /// The datagram that tells of a SIP message. One that is too long for a datagram is cut, as the collector sees by its
    /// Content-Length.
    pub fn datagram(&self, packet: &Packet) -> Vec<u8> {
        let payload = &packet.payload[..packet.payload.len().min(MAX_PAYLOAD)];
        let mut out = b"HEP3\0\0".to_vec();
        let (source, destination) =
            (packet.source.ip().to_canonical(), packet.destination.ip().to_canonical());
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                chunk(&mut out, 1, &[2]);
                chunk(&mut out, 3, &source.octets());
                chunk(&mut out, 4, &destination.octets());
            }
            (source, destination) => {
                let octets = |ip: IpAddr| match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                    IpAddr::V6(ip) => ip.octets(),
                };
                chunk(&mut out, 1, &[10]);
                chunk(&mut out, 5, &octets(source));
                chunk(&mut out, 6, &octets(destination));
            }
        }
        chunk(&mut out, 2, &[if packet.protocol == Protocol::Udp { 17 } else { 6 }]);
        chunk(&mut out, 7, &packet.source.port().to_be_bytes());
        chunk(&mut out, 8, &packet.destination.port().to_be_bytes());
        chunk(&mut out, 9, &(packet.time.as_secs() as u32).to_be_bytes());
        chunk(&mut out, 10, &packet.time.subsec_micros().to_be_bytes());
        chunk(&mut out, 11, &[SIP]);
        chunk(&mut out, 12, &self.id.to_be_bytes());
        if let Some(password) = &self.password {
            chunk(&mut out, 14, password.as_bytes());
        }
        if let Ok(message) = Message::parse(packet.payload.clone())
            && let Some(Ok(CallId(id))) = message.first::<CallId<'_>>()
        {
            chunk(&mut out, 17, id.as_bytes());
        }
        chunk(&mut out, 15, payload);
        let length = u16::try_from(out.len()).unwrap_or(u16::MAX);
        out[4..6].copy_from_slice(&length.to_be_bytes());
        out
    }
}

/// Vendor (0: the generic ones), type, length with these three, value.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // A Call-ID or password may be as long as somebody likes; the length of a message is limited already.
    let value = if kind == 15 { value } else { &value[..value.len().min(256)] };
    out.extend([0, 0]);
    out.extend(kind.to_be_bytes());
    out.extend((6 + value.len() as u16).to_be_bytes());
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// The chunks of a datagram, by type.
    fn read(datagram: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        let word = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
        assert_eq!((&datagram[..4], usize::from(word(4))), (&b"HEP3"[..], datagram.len()));
        let (mut at, mut chunks) = (6, BTreeMap::new());
        while at < datagram.len() {
            assert_eq!(word(at), 0);
            let length = usize::from(word(at + 4));
            chunks.insert(word(at + 2), datagram[at + 6..at + length].to_vec());
            at += length;
        }
        assert_eq!(at, datagram.len());
        chunks
    }

    fn packet(source: &str, protocol: Protocol, fill: usize) -> Packet {
        let text = format!(
            "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:a>\r\n\
             Call-ID: 4711@h\r\nCSeq: 1 OPTIONS\r\nContent-Length: {fill}\r\n\r\n{}",
            "x".repeat(fill)
        );
        Packet {
            time: Duration::new(1_800_000_000, 5_000),
            source: source.parse().unwrap(),
            destination: "192.0.2.9:5061".parse().unwrap(),
            protocol,
            payload: text.into(),
        }
    }

    #[test]
    fn all_that_a_collector_wants_to_know_is_there() {
        let agent = HepAgent { id: 2_001, password: Some("open".into()) };
        let told = packet("192.0.2.1:40000", Protocol::Tls, 0);
        let chunks = read(&agent.datagram(&told));
        for (kind, value) in [
            (1, &[2][..]),
            (2, &[6]),
            (3, &[192, 0, 2, 1]),
            (4, &[192, 0, 2, 9]),
            (7, &[0x9c, 0x40]),
            (8, &[0x13, 0xc5]),
            (9, &[0x6b, 0x49, 0xd2, 0x00]),
            (10, &[0, 0, 0, 5]),
            (11, &[1]),
            (12, &[0, 0, 7, 0xd1]),
            (14, b"open"),
            (15, &told.payload),
            (17, b"4711@h"),
        ] {
            assert_eq!(chunks.get(&kind).map(Vec::as_slice), Some(value), "chunk {kind}");
        }
    }

    #[test]
    fn families_are_told_apart_and_what_is_too_long_is_cut() {
        let agent = HepAgent::default();
        let chunks = read(&agent.datagram(&packet("[2001:db8::1]:5060", Protocol::Udp, 0)));
        assert_eq!(
            (chunks[&1].as_slice(), chunks[&2].as_slice(), chunks[&5].len()),
            (&[10][..], &[17][..], 16)
        );
        assert!(!chunks.contains_key(&14));
        let chunks = read(&agent.datagram(&packet("192.0.2.1:1", Protocol::Tcp, 70_000)));
        assert_eq!(chunks[&15].len(), MAX_PAYLOAD);
    }
}
