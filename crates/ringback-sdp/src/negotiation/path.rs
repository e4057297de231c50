//! The way of the packets over several exchanges: ICE that begins anew, and associations that go on.

use super::dtls::NegotiatedDtls;
use super::ice::{IceCredentials, NegotiatedIce};
use super::{NegotiatedMedia, OfferAnswer};
use std::net::IpAddr;

impl OfferAnswer {
    /// Begins ICE anew for one of our media with the next offer (RFC 8445 §9); until its answer comes, all stays as it was.
    /// False when there is no such medium, or it has no ICE.
    pub fn restart_ice(&mut self, local: usize, fresh: IceCredentials) -> bool {
        let wish = self.wishes.get_mut(local).filter(|wish| wish.media.ice.is_some());
        wish.map(|wish| wish.restart.get_or_insert(fresh)).is_some()
    }

    /// Whether a restart that the peer begins could not be answered for want of [spare](super::LocalIce::spare) credentials.
    pub fn wants_ice_credentials(&self) -> bool {
        self.wishes.iter().filter_map(|wish| wish.media.ice.as_ref()).any(|ice| ice.spare.is_empty())
    }

    /// Gives each of our media that has none spare credentials.
    pub fn stock_ice(&mut self, mut fresh: impl FnMut() -> IceCredentials) {
        for ice in self.wishes.iter_mut().filter_map(|wish| wish.media.ice.as_mut()) {
            if ice.spare.is_empty() {
                ice.spare.push(fresh());
            }
        }
    }

    /// Moves our candidates from one address to another; ICE begins anew with the next offer.
    pub fn move_ice(&mut self, from: IpAddr, to: IpAddr, mut fresh: impl FnMut() -> IceCredentials) {
        for wish in &mut self.wishes {
            if let Some(ice) = &mut wish.media.ice {
                ice.moved(from, to);
                wish.restart.get_or_insert_with(&mut fresh);
            }
        }
    }

    /// What was agreed on a line, if it was for that medium of ours.
    fn agreed_on(&self, line: usize, local: usize) -> Option<&NegotiatedMedia> {
        self.negotiated.get(line).filter(|media| media.local == Some(local))
    }

    pub(super) fn ice_of(&self, line: usize, local: usize) -> Option<&NegotiatedIce> {
        self.agreed_on(line, local)?.ice.as_ref()
    }

    pub(super) fn dtls_of(&self, line: usize, local: usize) -> Option<&NegotiatedDtls> {
        self.agreed_on(line, local)?.dtls.as_ref()
    }
}
