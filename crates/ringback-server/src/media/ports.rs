//! Four ports in a row for each medium, from a range.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// RTP and RTCP of the caller, RTP and RTCP of the callee.
pub(super) const PER_STREAM: u16 = 4;
/// How many places are tried whose ports another program has.
const TRIES: usize = 16;

/// The places that are free, those first that have been free for the longest: what still comes for a call that is over
/// should find nobody.
#[derive(Debug)]
pub(super) struct Ports {
    address: IpAddr,
    /// The first port of each place; `None` where the system chooses.
    free: Option<Mutex<VecDeque<u16>>>,
}

/// The sockets of a medium: RTP and RTCP of the caller, RTP and RTCP of the callee.
#[derive(Debug)]
pub(super) struct Quad {
    /// The ports for RTP; RTCP has the next.
    pub(super) rtp: [u16; 2],
    pub(super) sockets: [UdpSocket; PER_STREAM as usize],
}

impl Ports {
    /// A range from zero to zero leaves the choice to the system.
    pub(super) fn new(address: IpAddr, range: RangeInclusive<u16>) -> Self {
        // RTP has even ports where it can (RFC 3550 §11).
        let first = range.start().saturating_add(range.start() % 2);
        let last = range.end().saturating_sub(PER_STREAM - 1);
        let places = || Mutex::new((first..=last).step_by(PER_STREAM.into()).collect());
        Self { address, free: (*range.end() != 0).then(places) }
    }

    /// Opens four sockets; `None` when all ports are taken.
    pub(super) fn open(&self) -> Option<Quad> {
        for _ in 0..TRIES {
            let first = match &self.free {
                Some(free) => Some(lock(free).pop_front()?),
                None => None,
            };
            match self.bind(first) {
                Ok(quad) => return Some(quad),
                Err(error) => {
                    tracing::debug!(first, %error, "ports for media cannot be had");
                    self.give_back(first);
                }
            }
        }
        None
    }

    /// The sockets of a medium are closed; their place is free.
    pub(super) fn close(&self, quad: Quad) {
        let [first, _] = quad.rtp;
        drop(quad);
        self.give_back(Some(first));
    }

    fn give_back(&self, first: Option<u16>) {
        if let (Some(free), Some(first)) = (&self.free, first) {
            lock(free).push_back(first);
        }
    }

    fn bind(&self, first: Option<u16>) -> io::Result<Quad> {
        let open = |port: u16| {
            let socket = UdpSocket::bind(SocketAddr::new(self.address, port))?;
            socket.set_nonblocking(true)?;
            let port = socket.local_addr()?.port();
            io::Result::Ok((socket, port))
        };
        let next = |port: u16| port.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable);
        let (caller, rtp) = open(first.unwrap_or(0))?;
        let (caller_rtcp, _) = open(next(rtp)?)?;
        let (callee, other) = open(first.map_or(0, |first| first + 2))?;
        let (callee_rtcp, _) = open(next(other)?)?;
        Ok(Quad { rtp: [rtp, other], sockets: [caller, caller_rtcp, callee, callee_rtcp] })
    }
}

fn lock(free: &Mutex<VecDeque<u16>>) -> std::sync::MutexGuard<'_, VecDeque<u16>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(ports: &Ports) -> Vec<u16> {
        lock(ports.free.as_ref().expect("a range")).iter().copied().collect()
    }

    #[test]
    fn places_are_even_and_used_in_turns() {
        let ports = Ports::new([127, 0, 0, 1].into(), 47_001..=47_013);
        assert_eq!(free(&ports), [47_002, 47_006, 47_010]);
        let first = lock(ports.free.as_ref().expect("a range")).pop_front();
        ports.give_back(first);
        assert_eq!(free(&ports), [47_006, 47_010, 47_002]);
    }

    #[test]
    fn ports_of_the_system_come_in_pairs_and_those_of_a_range_end() {
        let system = Ports::new([127, 0, 0, 1].into(), 0..=0);
        let quad = system.open().expect("the system has ports");
        for (at, port) in quad.rtp.into_iter().enumerate() {
            let ports =
                [0, 1].map(|offset| quad.sockets[at * 2 + offset].local_addr().expect("bound").port());
            assert_eq!(ports, [port, port + 1]);
        }
        // A place that is taken is passed over, and one that is free is found.
        let first = quad.rtp[0];
        let ports = Ports::new([127, 0, 0, 1].into(), first..=first + 4);
        assert!(ports.open().is_none(), "{first} is taken");
    }
}
