//! Two pairs of ports for each medium, from a range.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many sockets a medium has: RTP and RTCP of the caller, RTP and RTCP of the callee.
pub(super) const PER_STREAM: u16 = 4;
/// How many pairs of the system's choice are tried, of which another program has the second port.
const TRIES: usize = 16;
/// How many pairs of a range are tried for one medium that another program turns out to have. A free one is found at once in a range
/// of as many, and in a larger one where others have no more than that; beyond, each further medium tries others.
const MOST_REFUSED: usize = 512;

/// The pairs that nothing of ours has.
#[derive(Debug)]
pub(super) struct Ports {
    address: IpAddr,
    /// `None` where the system chooses.
    range: Option<Mutex<Range>>,
}

/// Pairs by their first port, those first that come first.
#[derive(Debug)]
struct Range {
    /// Those that have been free for the longest: what still comes for a call that is over should find nobody.
    free: VecDeque<u16>,
    /// Those that another program had when they were last tried. They are tried again when no others are left.
    refused: VecDeque<u16>,
}

/// The sockets of a medium: RTP and RTCP of the caller, RTP and RTCP of the callee.
#[derive(Debug)]
pub(super) struct Quad {
    /// The ports for RTP; RTCP has the next.
    pub(super) rtp: [u16; 2],
    pub(super) sockets: [UdpSocket; PER_STREAM as usize],
}

/// The sockets of one side.
type Pair = (u16, [UdpSocket; 2]);

impl Ports {
    /// A range from zero to zero leaves the choice to the system.
    pub(super) fn new(address: IpAddr, range: RangeInclusive<u16>) -> Self {
        // RTP has even ports where it can (RFC 3550 §11).
        let first = range.start().saturating_add(range.start() % 2);
        let pairs = || (first..*range.end()).step_by(2).collect();
        let range = (*range.end() != 0).then(|| Range { free: pairs(), refused: VecDeque::new() });
        Self { address, range: range.map(Mutex::new) }
    }

    /// Opens four sockets; `None` when all ports are taken.
    pub(super) fn open(&self) -> Option<Quad> {
        let mut tries = match &self.range {
            Some(range) => lock(range).len().min(MOST_REFUSED),
            None => TRIES,
        };
        let (caller, [rtp, rtcp]) = self.pair(&mut tries)?;
        let Some((callee, [other_rtp, other_rtcp])) = self.pair(&mut tries) else {
            drop((rtp, rtcp));
            self.give_back(caller);
            return None;
        };
        Some(Quad { rtp: [caller, callee], sockets: [rtp, rtcp, other_rtp, other_rtcp] })
    }

    /// The sockets of a medium are closed; their ports are free.
    pub(super) fn close(&self, quad: Quad) {
        let pairs = quad.rtp;
        drop(quad);
        pairs.into_iter().for_each(|first| self.give_back(first));
    }

    fn give_back(&self, first: u16) {
        if let Some(range) = &self.range {
            lock(range).free.push_back(first);
        }
    }

    /// The sockets of the next pair that can be had. Those of other programs take from `tries`.
    fn pair(&self, tries: &mut usize) -> Option<Pair> {
        while *tries > 0 {
            let first = match &self.range {
                Some(range) => Some(lock(range).next()?),
                None => None,
            };
            let error = match self.bind(first.unwrap_or(0)) {
                Ok(pair) => return Some(pair),
                Err(error) => error,
            };
            tracing::debug!(first, %error, "ports for media cannot be had");
            *tries -= 1;
            if let (Some(range), Some(first)) = (&self.range, first) {
                if !is_of_others(&error) {
                    // Without descriptors, or without the address, no other port can be had either.
                    lock(range).free.push_front(first);
                    return None;
                }
                lock(range).refused.push_back(first);
            }
        }
        None
    }

    fn bind(&self, first: u16) -> io::Result<Pair> {
        let open = |port: u16| {
            let socket = UdpSocket::bind(SocketAddr::new(self.address, port))?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(socket)
        };
        let rtp = open(first)?;
        let first = rtp.local_addr()?.port();
        let rtcp = open(first.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?)?;
        Ok((first, [rtp, rtcp]))
    }
}

impl Range {
    fn len(&self) -> usize {
        self.free.len() + self.refused.len()
    }

    fn next(&mut self) -> Option<u16> {
        self.free.pop_front().or_else(|| self.refused.pop_front())
    }
}

/// Whether the port alone is what cannot be had.
fn is_of_others(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

fn lock(range: &Mutex<Range>) -> MutexGuard<'_, Range> {
    range.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address that nobody else here has.
    fn own_address() -> IpAddr {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        [127, high | 0x80, middle, low.max(1)].into()
    }

    fn free(ports: &Ports) -> Vec<u16> {
        lock(ports.range.as_ref().expect("a range")).free.iter().copied().collect()
    }

    #[test]
    fn pairs_are_even_and_used_in_turns() {
        let ports = Ports::new(own_address(), 21_001..=21_010);
        assert_eq!(free(&ports), [21_002, 21_004, 21_006, 21_008]);
        let quad = ports.open().expect("nobody has them");
        assert_eq!(quad.rtp, [21_002, 21_004]);
        ports.close(quad);
        assert_eq!(free(&ports), [21_006, 21_008, 21_002, 21_004]);
        // The last port has no other beside it.
        assert_eq!(free(&Ports::new(own_address(), 21_001..=21_008)), [21_002, 21_004, 21_006]);
    }

    #[test]
    fn the_last_pairs_are_found_wherever_they_are() {
        let address = own_address();
        let range = 22_000..=22_127;
        let bind = |port| UdpSocket::bind(SocketAddr::new(address, port)).expect("it is nobody's");
        // Another program has one port of each pair, now the first, now the second, but of two far apart.
        let is_left = |port: u16| port == 22_078 || port == 22_126;
        let pairs = (22_000..22_128).step_by(2).filter(|port| !is_left(*port));
        let mut others: Vec<UdpSocket> = pairs.map(|port| bind(port + port / 2 % 2)).collect();
        let ports = Ports::new(address, range);
        for _ in 0..3 {
            let quad = ports.open().expect("two pairs are left");
            assert_eq!(quad.rtp, [22_078, 22_126]);
            assert_eq!(quad.sockets.each_ref().map(|own| own.local_addr().expect("bound").port()), {
                [22_078, 22_079, 22_126, 22_127]
            });
            assert!(ports.open().is_none(), "all are taken");
            ports.close(quad);
            assert_eq!(free(&ports), [22_078, 22_126], "those of others are not tried first again");
        }
        let quad = ports.open().expect("two pairs are left");
        // One that comes free alone is no medium, and is not lost for the next.
        drop(others.pop());
        assert!(ports.open().is_none());
        drop(others.remove(20));
        let other = ports.open().expect("two have come free");
        assert_eq!(other.rtp.iter().filter(|port| quad.rtp.contains(port)).count(), 0);
        assert!(ports.open().is_none(), "all are taken");
    }

    #[test]
    fn no_more_than_so_many_are_tried_for_one_medium() {
        let address = own_address();
        let count = MOST_REFUSED as u16 + 8;
        let range = 24_000..=24_000 + 2 * count - 1;
        let mut others: Vec<UdpSocket> = range
            .clone()
            .step_by(2)
            .map(|port| UdpSocket::bind(SocketAddr::new(address, port)).expect("it is nobody's"))
            .collect();
        let ports = Ports::new(address, range);
        others.truncate(others.len() - 2);
        assert!(ports.open().is_none());
        assert_eq!(free(&ports).len(), 8, "the others are not tried");
        assert_eq!(ports.open().expect("the next finds them").rtp, [25_036, 25_038]);
    }

    #[test]
    fn where_no_port_can_be_had_none_is_taken_for_anothers() {
        let ports = Ports::new([192, 0, 2, 1].into(), 21_000..=21_007);
        assert!(ports.open().is_none(), "it is nobody's address");
        assert_eq!(free(&ports), [21_000, 21_002, 21_004, 21_006]);
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
        system.close(quad);
    }
}
