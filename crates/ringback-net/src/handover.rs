//! Sockets that go on under another program: they are duplicated, sent over a local socket, and taken up there.
//!
//! A duplicate is the same socket. What waits in it to be read, and connections that wait to be accepted, are there for
//! whoever reads or accepts next, so nothing is lost between two programs as long as one of them holds it.

use crate::Listen;
use crate::sockets::address_of;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use socket2::{Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// How many descriptors go in one message; Linux takes 253.
const TOGETHER: usize = 64;

/// The sockets of one listener, to go on with.
#[derive(Debug)]
pub struct Inherited {
    /// The listener, as it stood in the configuration; the port may be 0.
    pub listen: Listen,
    /// One socket for each worker, all of them bound to one address.
    pub sockets: Vec<OwnedFd>,
}

impl Inherited {
    /// Gives the sockets and where they are bound.
    ///
    /// # Errors
    /// When they are not what a listener of this kind has.
    pub(crate) fn take_up(self) -> io::Result<(SocketAddr, Vec<Socket>)> {
        let sockets: Vec<Socket> = self.sockets.into_iter().map(Socket::from).collect();
        let is_udp = self.listen.protocol == ringback_sansio::Protocol::Udp;
        let kind = if is_udp { Type::DGRAM } else { Type::STREAM };
        let mut bound = None;
        for socket in &sockets {
            let address = address_of(socket)?;
            if socket.r#type()? != kind || bound.is_some_and(|bound| bound != address) {
                return Err(io::Error::other("a socket that was handed over is another one's"));
            }
            bound = Some(address);
            socket.set_nonblocking(!is_udp)?;
        }
        let bound = bound.ok_or_else(|| io::Error::other("no sockets were handed over"))?;
        Ok((bound, sockets))
    }
}

/// Sends descriptors to whoever holds the other end, who asks for just as many ([`receive_descriptors`]).
///
/// # Errors
/// When the other side is gone.
pub fn send_descriptors(stream: &UnixStream, descriptors: &[OwnedFd]) -> io::Result<()> {
    for some in descriptors.chunks(TOGETHER) {
        let some: Vec<BorrowedFd<'_>> = some.iter().map(|descriptor| descriptor.as_fd()).collect();
        let message = SendAncillaryMessage::ScmRights(&some);
        let mut space = vec![MaybeUninit::uninit(); message.size()];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(message);
        // They travel with an octet, for a message without any is none.
        sendmsg(stream, &[IoSlice::new(b"+")], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// Takes so many descriptors.
///
/// # Errors
/// When the other side is gone, or sends others than it was asked for.
pub fn receive_descriptors(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOGETHER))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut octet = [0];
        let read =
            recvmsg(stream, &mut [IoSliceMut::new(&mut octet)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let before = all.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                all.extend(descriptors);
            }
        }
        if read.bytes == 0 || all.len() == before || all.len() > count {
            return Err(io::Error::other("sockets were to come, and did not"));
        }
    }
    Ok(all)
}

/// Sends a datagram to one of the sockets at this address, which wakes who sleeps in it and means nothing to anybody: line
/// ends keep a path open (RFC 5626 §4.4). Which socket of several it is, the system draws by where it comes from.
pub(crate) fn wake(local: SocketAddr) -> io::Result<()> {
    let (any, own) = match local {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()),
    };
    let to = if local.ip().is_unspecified() { own } else { local.ip() };
    UdpSocket::bind(SocketAddr::new(any, 0))?.send_to(b"\r\n", SocketAddr::new(to, local.port())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_arrive_as_what_they_were_and_in_order() {
        let (one, other) = UnixStream::pair().unwrap();
        let sockets: Vec<UdpSocket> = (0..150).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        let descriptors: Vec<OwnedFd> = sockets.into_iter().map(OwnedFd::from).collect();
        send_descriptors(&one, &descriptors).unwrap();
        let arrived = receive_descriptors(&other, descriptors.len()).unwrap();
        let arrived = arrived.into_iter().map(|descriptor| UdpSocket::from(descriptor).local_addr());
        assert_eq!(arrived.map(|address| address.unwrap().port()).collect::<Vec<_>>(), ports);
    }

    #[test]
    fn without_descriptors_it_is_an_error_and_no_wait() {
        let (mut one, other) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut one, b"+").unwrap();
        assert!(receive_descriptors(&other, 1).is_err());
        drop(one);
        assert!(receive_descriptors(&other, 1).is_err());
    }

    #[test]
    fn sockets_of_another_kind_are_not_taken_up() {
        let listen: Listen = "tcp:127.0.0.1:0".parse().unwrap();
        let udp = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
        assert!(Inherited { listen, sockets: vec![udp()] }.take_up().is_err());
        let listen: Listen = "udp:127.0.0.1:0".parse().unwrap();
        assert!(Inherited { listen, sockets: vec![udp(), udp()] }.take_up().is_err(), "two addresses");
        assert!(Inherited { listen, sockets: Vec::new() }.take_up().is_err());
        assert!(Inherited { listen, sockets: vec![udp()] }.take_up().is_ok());
    }
}
