//! From a frame to the datagram or segment in it: link layer, IP, UDP or TCP.

use super::fragments::{Fragment, Fragments};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// VLAN tags that may be stacked.
const MAX_TAGS: usize = 4;
/// IPv6 extension headers that are passed over.
const MAX_EXTENSIONS: usize = 8;

/// What a frame carried.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Carried<'a> {
    Datagram { source: SocketAddr, destination: SocketAddr, payload: &'a [u8] },
    Segment { source: SocketAddr, destination: SocketAddr, segment: Segment<'a> },
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) sequence: u32,
    pub(super) syn: bool,
    /// FIN or RST: nothing follows.
    pub(super) last: bool,
    pub(super) payload: &'a [u8],
}

/// The IP packet in a frame of that link type; `None` when it is none, or the link is unknown.
pub(super) fn link(kind: u16, frame: &[u8]) -> Option<&[u8]> {
    match kind {
        // NULL and LOOP: an address family, in the order of the machine or of the network. What follows tells more.
        0 | 108 => frame.get(4..),
        1 => {
            let mut at = 12;
            for _ in 0..MAX_TAGS {
                match frame.get(at..at + 2)? {
                    [0x81, 0x00] | [0x88, 0xa8] | [0x91, 0x00] => at += 4,
                    [0x08, 0x00] | [0x86, 0xdd] => return frame.get(at + 2..),
                    _ => return None,
                }
            }
            None
        }
        // Raw IP, by several numbers; 228 and 229 say which version.
        12 | 14 | 101 | 228 | 229 => Some(frame),
        // Linux cooked, version 1 and 2.
        113 => matches!(frame.get(14..16)?, [0x08, 0x00] | [0x86, 0xdd]).then(|| frame.get(16..))?,
        276 => matches!(frame.get(0..2)?, [0x08, 0x00] | [0x86, 0xdd]).then(|| frame.get(20..))?,
        _ => None,
    }
}

/// What an IP packet carries. A fragment is kept until the others are here; `whole` then holds what they make.
pub(super) fn ip<'a>(
    packet: &'a [u8],
    fragments: &mut Fragments,
    whole: &'a mut Vec<u8>,
) -> Option<Carried<'a>> {
    let (addresses, protocol, fragment, payload) = match packet.first()? >> 4 {
        4 => v4(packet)?,
        6 => v6(packet)?,
        _ => return None,
    };
    let payload = match fragment {
        None => payload,
        Some((id, offset, more)) => {
            let key = (addresses.0, addresses.1, protocol, id);
            *whole = fragments.add(key, Fragment { offset, more, octets: payload })?;
            whole
        }
    };
    match protocol {
        17 => udp(addresses, payload),
        6 => tcp(addresses, payload),
        _ => None,
    }
}

/// Addresses, protocol, identification, offset and whether more follow, payload.
type Dissected<'a> = ((IpAddr, IpAddr), u8, Option<(u32, usize, bool)>, &'a [u8]);

fn v4(packet: &[u8]) -> Option<Dissected<'_>> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    // A length of zero is left by cards that segment by themselves.
    let length = match usize::from(u16::from_be_bytes([header[2], header[3]])) {
        0 => packet.len(),
        length => length.min(packet.len()),
    };
    let payload = packet.get(header_length.max(20)..length)?;
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let (offset, more) = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
    let id = u32::from(u16::from_be_bytes([header[4], header[5]]));
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    let addresses = (Ipv4Addr::new(s0, s1, s2, s3).into(), Ipv4Addr::new(d0, d1, d2, d3).into());
    Some((addresses, header[9], (more || offset > 0).then_some((id, offset, more)), payload))
}

fn v6(packet: &[u8]) -> Option<Dissected<'_>> {
    let (header, rest) = packet.split_first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let mut payload = if length == 0 { rest } else { rest.get(..length.min(rest.len()))? };
    let source: [u8; 16] = header[8..24].try_into().ok()?;
    let destination: [u8; 16] = header[24..40].try_into().ok()?;
    let addresses = (Ipv6Addr::from(source).into(), Ipv6Addr::from(destination).into());
    let (mut next, mut fragment) = (header[6], None);
    for _ in 0..MAX_EXTENSIONS {
        match next {
            // Hop-by-hop, routing and destination options say their length in units of eight octets.
            0 | 43 | 60 => {
                next = *payload.first()?;
                payload = payload.get(8 * (1 + usize::from(*payload.get(1)?))..)?;
            }
            44 => {
                let (head, rest) = payload.split_first_chunk::<8>()?;
                let word = u16::from_be_bytes([head[2], head[3]]);
                let id = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
                fragment = Some((id, usize::from(word & 0xfff8), word & 1 != 0));
                next = head[0];
                payload = rest;
            }
            _ => break,
        }
    }
    Some((addresses, next, fragment, payload))
}

fn udp(addresses: (IpAddr, IpAddr), octets: &[u8]) -> Option<Carried<'_>> {
    let (header, rest) = octets.split_first_chunk::<8>()?;
    let [s0, s1, d0, d1, l0, l1, ..] = *header;
    let length = usize::from(u16::from_be_bytes([l0, l1])).saturating_sub(8);
    let payload = if length == 0 { rest } else { &rest[..length.min(rest.len())] };
    let source = SocketAddr::new(addresses.0, u16::from_be_bytes([s0, s1]));
    let destination = SocketAddr::new(addresses.1, u16::from_be_bytes([d0, d1]));
    Some(Carried::Datagram { source, destination, payload })
}

fn tcp(addresses: (IpAddr, IpAddr), octets: &[u8]) -> Option<Carried<'_>> {
    let header: &[u8; 20] = octets.first_chunk()?;
    let [s0, s1, d0, d1, q0, q1, q2, q3, _, _, _, _, length, flags, ..] = *header;
    let segment = Segment {
        sequence: u32::from_be_bytes([q0, q1, q2, q3]),
        syn: flags & 0x02 != 0,
        last: flags & 0x05 != 0,
        payload: octets.get(usize::from(length >> 4).max(5) * 4..)?,
    };
    let source = SocketAddr::new(addresses.0, u16::from_be_bytes([s0, s1]));
    let destination = SocketAddr::new(addresses.1, u16::from_be_bytes([d0, d1]));
    Some(Carried::Segment { source, destination, segment })
}
