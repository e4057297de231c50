//! Whose packets are taken: the signalled address, or one other that was latched to.
//!
//! A peer behind a NAT sends from another address than it signals. The first source whose packets are valid is
//! believed, once; later strangers are refused, which keeps others from injecting audio into a call or having its
//! audio sent to them ("RTP bleed"). The signalled address is always right: should it speak after all, the latch
//! goes back to it and stays.

use crate::PeerAddress;
use crate::path::Way;
use std::net::SocketAddr;

/// The address rule of one leg.
#[derive(Clone, Debug)]
pub(crate) struct Latch {
    signalled: Option<PeerAddress>,
    latched: Option<SocketAddr>,
    /// Where valid RTCP came from.
    rtcp: Option<SocketAddr>,
    /// Where ICE has found the peer; then nothing else counts, and who is heard was proved before.
    way: Way,
}

impl Latch {
    pub(crate) fn new(signalled: Option<PeerAddress>) -> Self {
        Self { signalled, latched: None, rtcp: None, way: Way::Signalled }
    }

    /// Follows what ICE finds, or goes back to what is signalled.
    pub(crate) fn follow(&mut self, way: Way) {
        self.way = way;
    }

    /// A new offer or answer. The latch opens again only when the peer moved.
    pub(crate) fn signal(&mut self, signalled: Option<PeerAddress>) {
        if signalled.is_some() && signalled != self.signalled {
            *self = Self { way: self.way, ..Self::new(signalled) };
        }
    }

    /// Whether RTP from there is taken.
    pub(crate) fn admits(&self, from: SocketAddr) -> bool {
        self.way != Way::Signalled || self.is_signalled(from) || self.latched.is_none_or(|it| it == from)
    }

    /// Whether RTP from there has been taken before, or was expected.
    pub(crate) fn knows(&self, from: SocketAddr) -> bool {
        self.is_signalled(from) || self.latched == Some(from)
    }

    /// Whether RTCP from there is taken: from where it was signalled, or from the host that sends the RTP.
    pub(crate) fn admits_rtcp(&self, from: SocketAddr) -> bool {
        if self.way != Way::Signalled {
            return true;
        }
        let host = self.latched.or(self.signalled.map(|it| it.rtp)).map(|it| it.ip());
        self.signalled.is_some_and(|it| it.rtcp == from) || host == Some(from.ip())
    }

    /// Valid RTP came from there. Says whether that is news of another address than the signalled one.
    pub(crate) fn heard(&mut self, from: SocketAddr) -> bool {
        let news = self.latched != Some(from);
        self.latched = Some(from);
        news && self.way == Way::Signalled && !self.is_signalled(from)
    }

    /// Valid RTCP came from there.
    pub(crate) fn heard_rtcp(&mut self, from: SocketAddr) {
        self.rtcp = Some(from);
    }

    pub(crate) fn signalled(&self) -> Option<SocketAddr> {
        self.signalled.map(|it| it.rtp)
    }

    /// Where our RTP goes.
    pub(crate) fn rtp_destination(&self) -> Option<SocketAddr> {
        match self.way {
            Way::Signalled => self.latched.or(self.signalled()),
            Way::Sought => None,
            Way::Found(to) => Some(to),
        }
    }

    /// Where our RTCP goes.
    pub(crate) fn rtcp_destination(&self) -> Option<SocketAddr> {
        if self.way != Way::Signalled {
            return self.rtp_destination();
        }
        let signalled = self.signalled?;
        match signalled.rtcp_mux {
            true => self.rtp_destination(),
            false => Some(self.rtcp.unwrap_or(signalled.rtcp)),
        }
    }

    fn is_signalled(&self, from: SocketAddr) -> bool {
        self.signalled() == Some(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn latch() -> Latch {
        Latch::new(Some(PeerAddress {
            rtp: at("192.0.2.1:4000"),
            rtcp: at("192.0.2.1:4001"),
            rtcp_mux: false,
        }))
    }

    #[test]
    fn fault_23_the_first_other_source_is_latched_and_later_ones_are_refused() {
        let mut latch = latch();
        assert!(latch.admits(at("198.51.100.1:5")) && latch.heard(at("198.51.100.1:5")));
        assert_eq!(latch.rtp_destination(), Some(at("198.51.100.1:5")));
        assert!(!latch.admits(at("198.51.100.2:5")) && !latch.admits(at("198.51.100.1:6")));
        assert!(latch.admits_rtcp(at("198.51.100.1:6")) && !latch.admits_rtcp(at("198.51.100.2:6")));
    }

    #[test]
    fn the_signalled_address_wins_and_stays() {
        let mut latch = latch();
        latch.heard(at("198.51.100.1:5"));
        assert!(latch.admits(at("192.0.2.1:4000")) && !latch.heard(at("192.0.2.1:4000")));
        assert_eq!(latch.rtp_destination(), Some(at("192.0.2.1:4000")));
        assert!(!latch.admits(at("198.51.100.1:5")));
    }

    #[test]
    fn what_ice_has_found_outweighs_what_was_signalled() {
        let mut latch = latch();
        latch.follow(Way::Sought);
        assert_eq!((latch.rtp_destination(), latch.rtcp_destination()), (None, None));
        latch.follow(Way::Found(at("198.51.100.1:5")));
        assert!(!latch.heard(at("198.51.100.1:5")) && latch.admits_rtcp(at("198.51.100.1:5")));
        let moved = PeerAddress { rtp: at("192.0.2.9:4000"), rtcp: at("192.0.2.9:4001"), rtcp_mux: false };
        latch.signal(Some(moved));
        assert_eq!(latch.rtp_destination(), Some(at("198.51.100.1:5")));
        assert_eq!(latch.rtcp_destination(), latch.rtp_destination());
        latch.follow(Way::Signalled);
        assert_eq!(latch.rtp_destination(), Some(at("192.0.2.9:4000")));
    }

    #[test]
    fn only_a_new_address_opens_the_latch() {
        let mut latch = latch();
        latch.heard(at("192.0.2.1:4000"));
        latch.signal(latch.signalled);
        latch.signal(None);
        assert!(!latch.admits(at("198.51.100.1:5")));
        let moved = PeerAddress { rtp: at("192.0.2.9:4000"), rtcp: at("192.0.2.9:4000"), rtcp_mux: true };
        latch.signal(Some(moved));
        assert_eq!(latch.rtcp_destination(), Some(at("192.0.2.9:4000")));
        assert!(latch.admits(at("198.51.100.1:5")));
    }
}
