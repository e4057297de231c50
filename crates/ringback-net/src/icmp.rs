//! Datagrams that came back: ICMP errors, and which send each one was for (RFC 3261 §18.4).
//!
//! The kernel quotes the datagram that an error is about. Whether it was one of ours is told by comparing the quote
//! with what was sent lately: a branch cannot be guessed, so an error that was made up by somebody else
//! matches nothing.

use crate::batch::socket_addr;
use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::Socket;
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;

/// How many sends are remembered. An error follows its datagram within a round trip.
const REMEMBERED: usize = 512;
/// The least that an error has to quote. RFC 1812 §4.3.2.3 asks routers for 576 bytes; the old 8 prove nothing.
const QUOTED: usize = 96;

/// What was sent lately and could be reported as failed.
#[derive(Debug)]
pub(crate) struct Sent<T> {
    recent: VecDeque<(T, SocketAddr, Bytes)>,
}

impl<T: Copy> Sent<T> {
    pub(crate) fn new() -> Self {
        Self { recent: VecDeque::with_capacity(REMEMBERED) }
    }

    pub(crate) fn remember(&mut self, tag: T, peer: SocketAddr, bytes: Bytes) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((tag, peer, bytes));
    }

    /// Whose datagram is quoted here; once for each.
    fn take(&mut self, peer: SocketAddr, quote: &[u8]) -> Option<T> {
        let is_it = |(_, to, bytes): &(T, SocketAddr, Bytes)| *to == peer && bytes.starts_with(quote);
        if quote.len() < QUOTED {
            return None;
        }
        let at = self.recent.iter().rposition(is_it)?;
        self.recent.remove(at).map(|(tag, ..)| tag)
    }
}

/// Reads the errors that wait in `socket`: to whom, and the datagram as far as it was quoted.
pub(crate) fn errors(socket: &Socket) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut errors = Vec::new();
    let mut quote = vec![0; 2_048];
    let mut control = nix::cmsg_space!(nix::libc::sock_extended_err, nix::libc::sockaddr_in6);
    // Bounded: more of them wait for the next time.
    for _ in 0..64 {
        let mut slices = [IoSliceMut::new(&mut quote)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let read = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags);
        let Ok(read) = read else { break };
        let peer = read.address.as_ref().and_then(socket_addr);
        let unreachable = read.cmsgs().is_ok_and(|mut cmsgs| {
            cmsgs.any(|cmsg| match cmsg {
                ControlMessageOwned::Ipv4RecvErr(error, _) => is_unreachable(error.ee_errno),
                ControlMessageOwned::Ipv6RecvErr(error, _) => is_unreachable(error.ee_errno),
                _ => false,
            })
        });
        let len = read.bytes;
        if let (Some(peer), true) = (peer, unreachable) {
            errors.push((peer, quote[..len].to_vec()));
        }
    }
    errors
}

/// RFC 3261 §18.4: unreachable is told upwards; source quench and exceeded time to live are not.
fn is_unreachable(errno: u32) -> bool {
    let unreachable = [Errno::ECONNREFUSED, Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::ENOPROTOOPT];
    unreachable.iter().any(|known| *known as u32 == errno)
}

/// Who has to be told of the errors that wait in `socket`.
pub(crate) fn failed<T: Copy>(socket: &Socket, sent: &mut Sent<T>) -> Vec<T> {
    errors(socket).into_iter().filter_map(|(peer, quote)| sent.take(peer, &quote)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_datagram_that_was_sent_can_fail_and_only_once() {
        let peer: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let datagram = |branch: &str| {
            let text = format!(
                "OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;rport;branch={branch}\r\n"
            );
            Bytes::from(text.repeat(2))
        };
        let mut sent = Sent::new();
        sent.remember(1, peer, datagram("z9hG4bK1"));
        sent.remember(2, peer, datagram("z9hG4bK2"));
        assert_eq!(sent.take(peer, &datagram("z9hG4bK3")), None);
        assert_eq!(sent.take("192.0.2.2:5060".parse().unwrap(), &datagram("z9hG4bK1")), None);
        assert_eq!(sent.take(peer, &datagram("z9hG4bK1")[..8]), None, "eight bytes prove nothing");
        assert_eq!(sent.take(peer, &datagram("z9hG4bK1")[..100]), Some(1));
        assert_eq!(sent.take(peer, &datagram("z9hG4bK1")), None);
    }
}
