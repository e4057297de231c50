//! Whose packets are taken at one port.

use ringback_sdp::Direction;
use std::net::{IpAddr, SocketAddr};

/// What a description says about where packets come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Where the side takes RTP, and sends it from.
    pub rtp: Option<SocketAddr>,
    /// Where it takes RTCP.
    pub rtcp: Option<SocketAddr>,
    /// The host of the signalling, where that is another than that of the description: packets may come from any port of
    /// it instead.
    pub behind: Option<IpAddr>,
    /// Counts offers and answers, so that one that is said again is known.
    pub exchange: u32,
    /// Whether this is audio that the side sends and takes.
    pub talks: bool,
    /// What it does with the audio: who holds sends alone, or nothing either; none where this is no audio.
    pub direction: Option<Direction>,
    /// The clocks of its payload types, in ticks a second.
    pub clocks: Vec<(u8, u32)>,
}

/// The address rule of one port.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceLock {
    signalled: Option<SocketAddr>,
    behind: Option<IpAddr>,
    exchange: u32,
    latched: Option<SocketAddr>,
}

impl SourceLock {
    /// Takes what was signalled. The lock opens again when that is another address, or another exchange.
    pub fn signal(&mut self, signalled: Option<SocketAddr>, behind: Option<IpAddr>, exchange: u32) {
        if (signalled, behind, exchange) != (self.signalled, self.behind, self.exchange) {
            *self = Self {
                signalled,
                behind,
                exchange,
                latched: self.latched.filter(|it| Some(*it) == signalled),
            };
        }
    }

    /// Whether a packet from there would be taken; it changes nothing.
    pub fn may_admit(&self, from: SocketAddr) -> bool {
        let behind = self.signalled.is_some() && self.behind == Some(from.ip());
        self.signalled == Some(from) || self.latched.map_or(behind, |latched| latched == from)
    }

    /// Whether a packet from there is taken. The first from a NAT is believed, and from then on only that port; the
    /// signalled address is always right, and ends the search for another.
    pub fn admit(&mut self, from: SocketAddr) -> bool {
        if self.signalled == Some(from) {
            self.latched = Some(from);
            return true;
        }
        if self.signalled.is_none() || self.behind != Some(from.ip()) {
            return false;
        }
        *self.latched.get_or_insert(from) == from
    }

    /// Takes the word of a packet from there, whose sender has proved who he is.
    pub fn follow(&mut self, from: SocketAddr) {
        self.latched = Some(from);
    }

    /// Where packets for the side go.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.latched.or(self.signalled)
    }

    /// Where its packets come from, once some did.
    pub fn source(&self) -> Option<SocketAddr> {
        self.latched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn lock(behind: Option<&str>) -> SourceLock {
        let mut lock = SourceLock::default();
        lock.signal(Some(at("10.0.0.1:4000")), behind.map(|it| it.parse().expect("an address")), 1);
        lock
    }

    #[test]
    fn without_a_nat_only_the_signalled_address_passes_whoever_comes_first() {
        let mut lock = lock(None);
        for stranger in ["10.0.0.1:4002", "192.0.2.66:4000"] {
            assert!(!lock.admit(at(stranger)));
        }
        assert!(lock.admit(at("10.0.0.1:4000")));
        assert_eq!(lock.destination(), Some(at("10.0.0.1:4000")));
    }

    #[test]
    fn behind_a_nat_the_first_port_of_its_host_is_taken_and_no_other() {
        let mut lock = lock(Some("203.0.113.5"));
        assert!(!lock.admit(at("203.0.113.66:9000")), "another host");
        assert!(lock.admit(at("203.0.113.5:9000")));
        assert!(!lock.admit(at("203.0.113.5:9001")), "too late");
        assert_eq!(lock.destination(), Some(at("203.0.113.5:9000")));
        // Said again, nothing changes; another exchange opens it.
        lock.signal(Some(at("10.0.0.1:4000")), Some(at("203.0.113.5:1").ip()), 1);
        assert!(!lock.admit(at("203.0.113.5:9001")));
        lock.signal(Some(at("10.0.0.1:4000")), Some(at("203.0.113.5:1").ip()), 2);
        assert!(lock.admit(at("203.0.113.5:9001")));
    }

    #[test]
    fn the_signalled_address_ends_the_search() {
        let mut lock = lock(Some("203.0.113.5"));
        assert!(lock.admit(at("203.0.113.5:9000")));
        assert!(lock.admit(at("10.0.0.1:4000")));
        assert!(!lock.admit(at("203.0.113.5:9000")));
    }

    #[test]
    fn before_anything_is_signalled_nothing_passes() {
        assert!(!SourceLock::default().admit(at("10.0.0.1:4000")));
    }
}
