//! A datagram on its way from one process to the other: how long it is, which listener it came to, and from where.

use bytes::Bytes;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};

/// The longest datagram that there is.
const LONGEST: usize = 1 << 16;

/// What stands between those that were passed on before nothing was begun any more, and those after.
pub(super) const FROZEN: [u8; 29] = [0xff; 29];

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The number of a listener, who sent it, and what it says.
    Datagram(usize, SocketAddr, Bytes),
    Frozen,
}

/// Writes one.
///
/// # Errors
/// When it is longer than a datagram can be, or of a listener that nobody has.
pub(super) fn write(listener: u64, peer: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let listener = u16::try_from(listener).map_err(|_| malformed())?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length as usize <= LONGEST);
    let mut frame = Vec::with_capacity(bytes.len() + FROZEN.len());
    frame.extend(length.ok_or_else(malformed)?.to_be_bytes());
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
    frame.extend(bytes);
    Ok(frame)
}

/// Reads one.
///
/// # Errors
/// When the other side is gone, or is no predecessor of ours.
pub(super) fn read(from: &mut impl Read) -> io::Result<Frame> {
    let length = u32::from_be_bytes(take(from)?) as usize;
    let listener = u16::from_be_bytes(take(from)?);
    let port = u16::from_be_bytes(take(from)?);
    let ip = std::net::Ipv6Addr::from(take::<16>(from)?);
    let [is_ipv6] = take(from)?;
    let scope = u32::from_be_bytes(take(from)?);
    if length == u32::MAX as usize {
        return Ok(Frame::Frozen);
    }
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    let peer = match ip.to_ipv4_mapped().filter(|_| is_ipv6 == 0) {
        Some(ip) => SocketAddr::new(IpAddr::V4(ip), port),
        None => std::net::SocketAddrV6::new(ip, port, 0, scope).into(),
    };
    Ok(Frame::Datagram(listener.into(), peer, bytes.into()))
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    from.read_exact(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let peers = ["192.0.2.1:5060", "[2001:db8::1]:5061", "[fe80::1%3]:9", "[::ffff:192.0.2.1]:7"];
        let mut stream = Vec::new();
        for (listener, peer) in peers.iter().enumerate() {
            let bytes = vec![listener as u8; listener * 1000];
            stream.extend(write(listener as u64, peer.parse().unwrap(), &bytes).unwrap());
        }
        stream.extend(FROZEN);
        let mut stream = stream.as_slice();
        for (listener, peer) in peers.iter().enumerate() {
            let bytes = Bytes::from(vec![listener as u8; listener * 1000]);
            let read = read(&mut stream).unwrap();
            assert_eq!(read, Frame::Datagram(listener, peer.parse().unwrap(), bytes));
        }
        assert_eq!(read(&mut stream).unwrap(), Frame::Frozen);
        assert!(read(&mut stream).is_err(), "nothing is left");
    }

    #[test]
    fn what_is_none_is_an_error() {
        let peer = "192.0.2.1:5060".parse().unwrap();
        assert!(write(1 << 32, peer, b"x").is_err());
        assert!(write(0, peer, &vec![0; LONGEST + 1]).is_err());
        let frame = write(0, peer, b"OPTIONS").unwrap();
        for end in 0..frame.len() {
            assert!(read(&mut &frame[..end]).is_err(), "{end}");
        }
        let mut long = frame;
        long[..4].copy_from_slice(&[0, 1, 0, 1]);
        assert!(read(&mut long.as_slice()).is_err());
    }
}
