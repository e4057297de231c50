//! Where a deployment has a say.

use ringback_message::{Host, Uri};
use ringback_sansio::Flow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Which contacts may be registered. A contact is an address to which a stranger makes us send (faults 17 and 18).
pub trait ContactPolicy: fmt::Debug + Send + Sync {
    /// Whether a request that came over `flow` may register `contact`. Otherwise it is answered 403.
    fn permits(&self, contact: &Uri<'_>, flow: &Flow) -> bool;
}

/// Takes any contact.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyContact;

impl ContactPolicy for AnyContact {
    fn permits(&self, _: &Uri<'_>, _: &Flow) -> bool {
        true
    }
}

/// Refuses contacts that lead back to this server, or to an address that is nobody's: multicast, broadcast,
/// unspecified. Loopback is refused unless the request came over loopback.
#[derive(Clone, Debug, Default)]
pub struct NotOurselves {
    /// The addresses that we listen on. An unspecified address stands for the local address of the flow.
    pub addresses: Vec<SocketAddr>,
}

impl ContactPolicy for NotOurselves {
    fn permits(&self, contact: &Uri<'_>, flow: &Flow) -> bool {
        // What a name leads to is not known here: that is judged when it is resolved.
        let Uri::Sip(uri) = contact else { return true };
        let Host::Ip(ip) = uri.maddr().unwrap_or(uri.host()) else { return true };
        let port = uri.port().unwrap_or(if uri.is_secure() { 5061 } else { 5060 });
        let is_ours = |own: &SocketAddr| {
            let own_ip = if own.ip().is_unspecified() { flow.local.ip() } else { own.ip() };
            own.port() == port && own_ip == ip
        };
        let is_nobody = match ip {
            IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified(),
            IpAddr::V6(ip) => ip.is_multicast() || ip.is_unspecified(),
        };
        let is_foreign_loopback = ip.is_loopback() && !flow.peer.ip().is_loopback();
        !(is_nobody || is_foreign_loopback || self.addresses.iter().any(is_ours))
    }
}

/// What becomes of a Path when the user agent did not say that it knows them (RFC 3327 §5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathPolicy {
    /// The request is refused with 420: somebody on the way could have put himself there unseen.
    #[default]
    Strict,
    /// The path is stored and not told.
    Lenient,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::{FlowId, Protocol};

    #[test]
    fn fault_18_contacts_at_our_own_or_nobodys_address_are_refused() {
        let flow = |peer: &str| Flow {
            id: FlowId(1),
            protocol: Protocol::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: peer.parse().unwrap(),
        };
        let policy = NotOurselves {
            addresses: vec!["0.0.0.0:5060".parse().unwrap(), "192.0.2.9:5061".parse().unwrap()],
        };
        let permits =
            |contact: &str, peer: &str| policy.permits(&Uri::parse(contact.as_bytes()).unwrap(), &flow(peer));
        for (contact, permitted) in [
            ("sip:a@192.0.2.4", true),
            ("sip:a@192.0.2.1:5062", true),
            ("sip:a@phone.example.com", true),
            ("mailto:a@example.com", true),
            ("sip:a@192.0.2.1", false),
            ("sips:a@192.0.2.9", false),
            ("sip:a@192.0.2.4;maddr=192.0.2.1", false),
            ("sip:a@127.0.0.1", false),
            ("sip:a@[::1]:9", false),
            ("sip:a@224.0.1.75", false),
            ("sip:a@255.255.255.255", false),
            ("sip:a@0.0.0.0", false),
        ] {
            assert_eq!(permits(contact, "192.0.2.4:5060"), permitted, "{contact}");
        }
        assert!(permits("sip:a@127.0.0.1:5070", "127.0.0.1:5070"), "loopback among itself");
    }
}
