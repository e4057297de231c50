//! Datagrams in batches: one system call reads or writes many.

use crate::segments;
use bytes::Bytes;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrLike as _, SockaddrStorage, recvmmsg};
use ringback_sansio::CloseReason;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg, sendto};
use smallvec::SmallVec;
use socket2::Socket;
use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;

/// The most datagrams of one call.
pub(crate) const BATCH: usize = 32;
/// The longest datagram that there is.
const DATAGRAM: usize = 1 << 16;
/// By how much each buffer begins later than the one before: at distances of a power of two the beginnings of all would share few
/// places in the caches and push each other out of them.
const STAGGER: usize = 13 * 64;

/// Where a thread reads to. What was read is copied out, to a piece of memory of its own size: a message that is
/// kept must not pin 64 KiB.
struct Receiver {
    /// For each family its own: the kernel leaves the length of the last address in them, which the next call takes
    /// for the room that there is.
    headers: [MultiHeaders<SockaddrStorage>; 2],
    buffers: [Vec<u8>; BATCH],
}

thread_local! {
    static RECEIVER: RefCell<Receiver> = RefCell::new(Receiver {
        headers: std::array::from_fn(|_| MultiHeaders::preallocate(BATCH, None)),
        buffers: std::array::from_fn(|number| vec![0; number * STAGGER + DATAGRAM]),
    });
}

/// Who sent a datagram, and what it says.
pub(crate) type Received = (SocketAddr, Bytes);

/// Waits for something to read in `socket`, which is bound to `local`, and reads at most [`BATCH`] datagrams.
pub(crate) fn receive(socket: &Socket, local: SocketAddr, into: &mut Vec<Received>) -> Result<(), Errno> {
    RECEIVER.with_borrow_mut(|Receiver { headers, buffers }| {
        let headers = &mut headers[usize::from(local.is_ipv6())];
        let mut slices = buffers.each_mut().map(|buffer| {
            let start = buffer.len() - DATAGRAM;
            [IoSliceMut::new(&mut buffer[start..])]
        });
        let received = recvmmsg(socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_WAITFORONE, None)?;
        for datagram in received {
            let Some(peer) = datagram.address.as_ref().and_then(socket_addr) else { continue };
            // A datagram without bytes has no slice.
            let bytes = datagram.iovs().next().map(Bytes::copy_from_slice).unwrap_or_default();
            into.push((peer, bytes));
        }
        Ok(())
    })
}

pub(crate) fn socket_addr(address: &SockaddrStorage) -> Option<SocketAddr> {
    match address.family()? {
        nix::sys::socket::AddressFamily::Inet => {
            address.as_sockaddr_in().map(|address| SocketAddr::V4(SocketAddrV4::from(*address)))
        }
        nix::sys::socket::AddressFamily::Inet6 => {
            address.as_sockaddr_in6().map(|address| SocketAddr::V6(SocketAddrV6::from(*address)))
        }
        _ => None,
    }
}

/// A datagram on its way out.
#[derive(Debug)]
pub(crate) struct Datagram<T> {
    /// The index of the listener that it leaves from.
    pub(crate) listener: usize,
    pub(crate) tag: Option<T>,
    pub(crate) peer: SocketAddr,
    pub(crate) bytes: Bytes,
}

/// Sends all of `datagrams`, and says which of them the system refused. A full socket buffer is no refusal: that
/// datagram is lost, as any may be, and is sent again by whoever waits for an answer. Returns whether the system told of an
/// earlier datagram that came back, of which the error queue tells more: it tells only once, be it a reader or a sender.
#[must_use]
pub(crate) fn send<T>(
    socket: &Socket,
    datagrams: &[Datagram<T>],
    mut refused: impl FnMut(&Datagram<T>, CloseReason),
) -> bool {
    let mut done = 0;
    let mut came_back = false;
    // An error of an earlier datagram, reported by ICMP, may surface in any call; the one at hand is tried again.
    let mut again = true;
    while done < datagrams.len() {
        match send_some(socket, &datagrams[done..]) {
            Ok(sent) => {
                done += sent.max(1);
                again = true;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(
                rustix::io::Errno::CONNREFUSED
                | rustix::io::Errno::HOSTUNREACH
                | rustix::io::Errno::NETUNREACH,
            ) if again => {
                again = false;
                came_back = true;
            }
            Err(error) => {
                if let Some(reason) = reason(error) {
                    refused(&datagrams[done], reason);
                }
                done += 1;
                again = true;
            }
        }
    }
    came_back
}

/// Whether this error of a socket is that of a datagram which did not arrive.
pub(crate) fn is_about_a_peer(error: Errno) -> bool {
    reason(rustix::io::Errno::from_raw_os_error(error as i32)) == Some(CloseReason::Reset)
}

fn send_some<T>(socket: &Socket, datagrams: &[Datagram<T>]) -> rustix::io::Result<usize> {
    if let [only] = datagrams {
        return sendto(socket, &only.bytes, SendFlags::DONTWAIT, &only.peer).map(|_| 1);
    }
    let alike = segments::alike(datagrams);
    if alike > 1
        && let Some(sent) = segments::send(socket, &datagrams[..alike])
    {
        return sent.map(|()| alike).map_err(|error| rustix::io::Errno::from_raw_os_error(error as i32));
    }
    let alone = segments::before_company(datagrams).clamp(1, BATCH);
    let datagrams = &datagrams[..alone];
    let peers: SmallVec<[SocketAddrAny; BATCH]> =
        datagrams.iter().map(|datagram| datagram.peer.into()).collect();
    let slices: SmallVec<[[IoSlice<'_>; 1]; BATCH]> =
        datagrams.iter().map(|datagram| [IoSlice::new(&datagram.bytes)]).collect();
    let mut controls: [SendAncillaryBuffer<'_, '_, '_>; BATCH] =
        std::array::from_fn(|_| SendAncillaryBuffer::default());
    let mut headers: SmallVec<[MMsgHdr<'_>; BATCH]> = peers
        .iter()
        .zip(&slices)
        .zip(&mut controls)
        .map(|((peer, slice), control)| MMsgHdr::new_with_addr(peer, slice, control))
        .collect();
    sendmmsg(socket, &mut headers, SendFlags::DONTWAIT)
}

fn reason(error: rustix::io::Errno) -> Option<CloseReason> {
    use rustix::io::Errno;
    Some(match error {
        Errno::AGAIN | Errno::NOBUFS => return None,
        Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN => CloseReason::Reset,
        Errno::MSGSIZE => CloseReason::Limit,
        _ => CloseReason::NoRoute,
    })
}
