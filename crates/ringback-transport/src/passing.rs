//! Datagrams on their way from one process to another that serves the same sockets, over a local stream between the two: how long
//! each is, which listener it came to, and from where.
//!
//! A frame is a head of [`HEAD`] octets, all of them in the order of the network, and the datagram behind it: length (4), number
//! of the listener (2), port of the sender (2), his address in the notation of IPv6 (16), whether it is one of IPv6 (1), and its
//! scope (4). There is one way to write each, and others are refused: what is passed on is what came.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// How many octets stand before each datagram.
pub const HEAD: usize = 29;

/// The longest datagram that there is, in octets.
pub const LONGEST: usize = 1 << 16;

/// A head without a datagram, which stands between those that were passed on before nothing was begun any more, and those after.
pub const FROZEN: [u8; HEAD] = [0xff; HEAD];

/// What stands before a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A datagram follows.
    Datagram {
        /// How many octets it has, at most [`LONGEST`].
        length: usize,
        /// The number of the listener that it came to. The reader may have no such listener.
        listener: u16,
        /// Who sent it.
        peer: SocketAddr,
    },
    /// [`FROZEN`].
    Frozen,
}

/// Why a frame is none.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It says that it is longer than [`LONGEST`].
    TooLong,
    /// Its address is of neither family, or not written the one way.
    Peer,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than a datagram can be",
            Self::Peer => "no address of a sender",
        })
    }
}

impl std::error::Error for Malformed {}

impl Head {
    /// Reads one.
    ///
    /// # Errors
    /// When no process of ours writes such a one.
    pub fn parse(octets: &[u8; HEAD]) -> Result<Self, Malformed> {
        if *octets == FROZEN {
            return Ok(Self::Frozen);
        }
        let mut rest = octets.as_slice();
        let length = u32::from_be_bytes(take(&mut rest)) as usize;
        let listener = u16::from_be_bytes(take(&mut rest));
        let port = u16::from_be_bytes(take(&mut rest));
        let ip = Ipv6Addr::from(take::<16>(&mut rest));
        let is_ipv6 = take::<1>(&mut rest);
        let scope = u32::from_be_bytes(take(&mut rest));
        if length > LONGEST {
            return Err(Malformed::TooLong);
        }
        let peer = match (is_ipv6, ip.to_ipv4_mapped()) {
            ([0], Some(ip)) if scope == 0 => SocketAddr::new(IpAddr::V4(ip), port),
            ([1], _) => SocketAddrV6::new(ip, port, 0, scope).into(),
            _ => return Err(Malformed::Peer),
        };
        Ok(Self::Datagram { length, listener, peer })
    }
}

/// Writes a datagram and its head.
///
/// # Errors
/// [`Malformed::TooLong`].
pub fn write(listener: u16, peer: SocketAddr, datagram: &[u8]) -> Result<Vec<u8>, Malformed> {
    let length = u32::try_from(datagram.len()).ok().filter(|length| *length as usize <= LONGEST);
    let length = length.ok_or(Malformed::TooLong)?;
    let mut frame = Vec::with_capacity(HEAD + datagram.len());
    frame.extend(length.to_be_bytes());
    frame.extend(listener.to_be_bytes());
    frame.extend(peer.port().to_be_bytes());
    // IPv4 is told in the notation of IPv6 that stands for it, and both are one length.
    let (octets, is_ipv6, scope) = match peer {
        SocketAddr::V4(peer) => (peer.ip().to_ipv6_mapped().octets(), 0, 0),
        SocketAddr::V6(peer) => (peer.ip().octets(), 1, peer.scope_id()),
    };
    frame.extend(octets);
    frame.push(is_ipv6);
    frame.extend(scope.to_be_bytes());
    frame.extend(datagram);
    Ok(frame)
}

/// The next octets of a head, which has as many as are asked for.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (octets, behind) = rest.split_first_chunk().expect("the fields of a head are as long as it is");
    *rest = behind;
    *octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever one octet of a head is changed to, either nobody reads it, or it is what is written for what was read.
        #[test]
        fn there_is_one_way_to_write_each(
            listener: u16,
            port: u16,
            ip: u128,
            scope in prop::option::of(any::<u32>()),
            datagram in prop::collection::vec(any::<u8>(), 0..64),
            at in 0..HEAD,
            octet: u8,
        ) {
            let peer = match scope {
                Some(scope) => SocketAddrV6::new(ip.into(), port, 0, scope).into(),
                None => SocketAddr::new(IpAddr::V4((ip as u32).into()), port),
            };
            let mut frame = write(listener, peer, &datagram).unwrap();
            let written = Head::Datagram { length: datagram.len(), listener, peer };
            prop_assert_eq!(head(&frame), Ok(written));
            frame[at] = octet;
            if let Ok(Head::Datagram { length, listener, peer }) = head(&frame) {
                let again = write(listener, peer, &vec![0; length]).unwrap();
                prop_assert_eq!(&again[..HEAD], &frame[..HEAD]);
            }
        }
    }

    fn head(frame: &[u8]) -> Result<Head, Malformed> {
        Head::parse(frame.first_chunk().expect("a head"))
    }

    #[test]
    fn what_is_written_is_read() {
        for (length, peer) in
            ["192.0.2.1:5060", "[2001:db8::1]:5061", "[fe80::1%3]:9", "[::ffff:192.0.2.1]:7"]
                .iter()
                .enumerate()
        {
            let peer = peer.parse().unwrap();
            let frame = write(0xffff, peer, &b"OPTIONS"[..length]).unwrap();
            assert_eq!(head(&frame), Ok(Head::Datagram { length, listener: 0xffff, peer }));
            assert_eq!(frame[HEAD..], b"OPTIONS"[..length]);
        }
        assert_eq!(head(&FROZEN), Ok(Head::Frozen));
    }

    #[test]
    fn lengths_that_no_datagram_has_are_refused() {
        let peer = "192.0.2.1:5060".parse().unwrap();
        let mut longest = write(0, peer, &[0; LONGEST]).unwrap();
        assert!(matches!(head(&longest), Ok(Head::Datagram { length: LONGEST, .. })));
        assert_eq!(write(0, peer, &[0; LONGEST + 1]), Err(Malformed::TooLong));
        for length in [LONGEST as u32 + 1, u32::MAX - 1, u32::MAX] {
            longest[..4].copy_from_slice(&length.to_be_bytes());
            assert_eq!(head(&longest), Err(Malformed::TooLong), "{length}");
        }
    }

    #[test]
    fn addresses_are_written_in_one_way() {
        let of = |peer: &str| write(0, peer.parse().unwrap(), b"").unwrap();
        let (ipv4, ipv6) = (of("192.0.2.1:5060"), of("[2001:db8::1]:5060"));
        // The flag, then the last octet of the scope.
        for (frame, at, octet) in [(&ipv4, 24, 2), (&ipv4, 28, 1), (&ipv6, 24, 0), (&ipv6, 24, 0xff)] {
            let mut frame = frame.clone();
            frame[at] = octet;
            assert_eq!(head(&frame), Err(Malformed::Peer), "{at}: {octet}");
        }
    }
}
