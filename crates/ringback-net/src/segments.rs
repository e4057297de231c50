//! Datagrams of one length to one peer, handed to the kernel as one piece that it cuts up again (UDP segmentation offload).
//!
//! A load balancer, or whoever else asks often, is answered in a batch, and the answers differ in a few digits. As one piece
//! they find their route, pass the filters and wake the interface once, and that is most of what a datagram costs.

use crate::batch::Datagram;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use smallvec::SmallVec;
use socket2::Socket;
use std::io::IoSlice;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// The most datagrams of one piece.
const MOST: usize = 32;
/// The longest that are joined: what is longer than the path allows would be refused, where single ones are fragmented.
const LONGEST: usize = 1_200;

/// Set when the kernel or a device has no such thing, or not for the way at hand.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// How many of the first `datagrams` can go as one piece: 1 where the second is another matter.
pub(crate) fn alike<T>(datagrams: &[Datagram<T>]) -> usize {
    if REFUSED.load(Ordering::Relaxed) {
        return datagrams.len().min(1);
    }
    let joined = datagrams
        .windows(2)
        .take(MOST - 1)
        .take_while(|pair| matches!(pair, [one, next] if joins(one, next)));
    datagrams.len().min(1) + joined.count()
}

/// How many of the first `datagrams` go before the first that have company.
pub(crate) fn before_company<T>(datagrams: &[Datagram<T>]) -> usize {
    if REFUSED.load(Ordering::Relaxed) {
        return datagrams.len();
    }
    let company = datagrams.windows(2).position(|pair| matches!(pair, [one, next] if joins(one, next)));
    company.unwrap_or(datagrams.len())
}

/// Only what nobody waits for: when nobody listens over there, the error quotes the first of them and the others would not
/// be told.
fn joins<T>(one: &Datagram<T>, next: &Datagram<T>) -> bool {
    one.tag.is_none()
        && next.tag.is_none()
        && one.peer == next.peer
        && one.bytes.len() == next.bytes.len()
        && (1..=LONGEST).contains(&one.bytes.len())
}

/// Sends datagrams that are [`alike`]. `None` where that cannot be done, so that each has to go by itself, now and later.
pub(crate) fn send<T>(socket: &Socket, datagrams: &[Datagram<T>]) -> Option<Result<(), Errno>> {
    let first = datagrams.first()?;
    let peer = SockaddrStorage::from(first.peer);
    let slices: SmallVec<[IoSlice<'_>; MOST]> =
        datagrams.iter().map(|datagram| IoSlice::new(&datagram.bytes)).collect();
    let length = u16::try_from(first.bytes.len()).ok()?;
    let cut = [ControlMessage::UdpGsoSegments(&length)];
    match sendmsg(socket.as_raw_fd(), &slices, &cut, MsgFlags::MSG_DONTWAIT, Some(&peer)) {
        Ok(_) => Some(Ok(())),
        Err(
            error @ (Errno::EINTR
            | Errno::EAGAIN
            | Errno::ENOBUFS
            | Errno::ECONNREFUSED
            | Errno::EHOSTUNREACH
            | Errno::EHOSTDOWN
            | Errno::ENETUNREACH),
        ) => Some(Err(error)),
        Err(error) => {
            tracing::debug!(%error, "datagrams cannot be sent as one piece");
            REFUSED.store(true, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::net::SocketAddr;

    fn datagram(tag: Option<u8>, peer: SocketAddr, bytes: &'static str) -> Datagram<u8> {
        Datagram { listener: 0, tag, peer, bytes: Bytes::from_static(bytes.as_bytes()) }
    }

    #[test]
    fn what_is_joined_arrives_one_by_one() {
        let (socket, there) = (
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap(),
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap(),
        );
        let peer = there.local_addr().unwrap();
        let words = ["one", "two", "six", "ten"];
        let datagrams = words.map(|word| datagram(None, peer, word));
        assert_eq!(alike(&datagrams), 4);
        let sent = send(&Socket::from(socket), &datagrams);
        assert!(matches!(sent, Some(Ok(()))), "{sent:?}");
        for word in words {
            let mut read = [0; 64];
            let length = there.recv(&mut read).unwrap();
            assert_eq!(&read[..length], word.as_bytes());
        }
    }

    #[test]
    fn only_neighbours_of_one_length_to_one_peer_that_nobody_waits_for_are_joined() {
        let (here, elsewhere) = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.1:5061".parse().unwrap());
        let one = || datagram(None, here, "one");
        for other in [
            datagram(Some(1), here, "two"),
            datagram(None, elsewhere, "two"),
            datagram(None, here, "three"),
            datagram(None, here, ""),
        ] {
            let mixed = [one(), other, one(), one()];
            assert_eq!((alike(&mixed), before_company(&mixed)), (1, 2));
            assert_eq!(alike(&mixed[2..]), 2);
        }
        assert_eq!((alike::<u8>(&[]), before_company::<u8>(&[])), (0, 0));
        assert_eq!((alike(&[one()]), before_company(&[one()])), (1, 1));
        let many: Vec<Datagram<u8>> = (0..100).map(|_| one()).collect();
        assert_eq!(alike(&many), MOST);
    }
}
