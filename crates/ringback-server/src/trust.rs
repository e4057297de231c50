//! The networks whose word counts on who somebody is (RFC 3325).

use arc_swap::ArcSwap;
use ipnet::IpNet;
use ringback_proxy::TrustDomain;
use std::net::IpAddr;

/// Those of the configuration, exchanged when it is read again.
#[derive(Debug)]
pub(crate) struct Trusted(ArcSwap<Vec<IpNet>>);

impl Trusted {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(ArcSwap::from_pointee(networks))
    }

    pub(crate) fn renew(&self, networks: Vec<IpNet>) {
        self.0.store(networks.into());
    }
}

impl TrustDomain for Trusted {
    fn has(&self, peer: IpAddr) -> bool {
        self.0.load().iter().any(|network| network.contains(&peer))
    }
}
