//! Datagrams that are passed on, from the stream between the two processes.

use bytes::Bytes;
use ringback_transport::passing::{HEAD, Head};
use std::io::{self, Read};
use std::net::SocketAddr;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The number of a listener, who sent it, and what it says.
    Datagram(usize, SocketAddr, Bytes),
    /// Nothing is begun any more on the other side.
    Frozen,
}

/// Reads one. No more is kept ready than the longest datagram needs.
///
/// # Errors
/// When the other side is gone, or is no predecessor of ours.
pub(super) fn read(from: &mut impl Read) -> io::Result<Frame> {
    let mut head = [0; HEAD];
    from.read_exact(&mut head)?;
    let head = Head::parse(&head).map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))?;
    let Head::Datagram { length, listener, peer } = head else { return Ok(Frame::Frozen) };
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Frame::Datagram(listener.into(), peer, bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_transport::passing::{FROZEN, write};

    #[test]
    fn what_is_written_is_read_in_order() {
        let peers = ["192.0.2.1:5060", "[2001:db8::1]:5061"].map(|peer| peer.parse().unwrap());
        let mut stream = Vec::new();
        for (listener, peer) in peers.into_iter().enumerate() {
            stream.extend(write(listener as u16, peer, &vec![7; listener * 1000]).unwrap());
        }
        stream.extend(FROZEN);
        let mut stream = stream.as_slice();
        for (listener, peer) in peers.into_iter().enumerate() {
            let bytes = Bytes::from(vec![7; listener * 1000]);
            assert_eq!(read(&mut stream).unwrap(), Frame::Datagram(listener, peer, bytes));
        }
        assert_eq!(read(&mut stream).unwrap(), Frame::Frozen);
        assert!(read(&mut stream).is_err(), "nothing is left");
    }

    #[test]
    fn what_is_cut_short_or_none_is_an_error() {
        let mut frame = write(0, "192.0.2.1:5060".parse().unwrap(), b"OPTIONS").unwrap();
        for end in 0..frame.len() {
            assert_eq!(read(&mut &frame[..end]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{end}");
        }
        frame[..4].copy_from_slice(&[0, 1, 0, 1]);
        assert_eq!(read(&mut frame.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
