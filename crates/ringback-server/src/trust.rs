//! The networks whose word counts on who somebody is (RFC 3325).

use ipnet::IpNet;
use ringback_proxy::TrustDomain;
use std::net::IpAddr;

/// Those of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Trusted(pub(crate) Vec<IpNet>);

impl TrustDomain for Trusted {
    fn has(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&peer))
    }
}
