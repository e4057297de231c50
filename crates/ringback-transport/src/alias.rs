//! Connections that peers made and that requests to them may take as well (RFC 5923): only by TLS, and only where the peer
//! has proved by a certificate who it is. Whoever proves nothing could have requests for others sent to himself.

use ringback_message::Host;
use ringback_message::header::Via;
use ringback_sansio::{DomainId, Flow, Protocol, Target};
use std::net::{IpAddr, SocketAddr};

/// More names of one certificate are not used.
const MOST: usize = 16;

/// What a certificate says that the other end of a connection is (RFC 5922 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A SIP domain, and the number that targets have for it.
    Domain(Box<str>, DomainId),
    /// A host without a name.
    Address(IpAddr),
}

/// Who the other end of a connection has proved to be, and where it says that it listens.
#[derive(Debug)]
pub(crate) struct Proof {
    identities: Vec<Identity>,
    /// The port of sent-by, once a request has asked for the alias.
    port: Option<u16>,
}

impl Proof {
    pub(crate) fn new(mut identities: Vec<Identity>) -> Self {
        identities.truncate(MOST);
        Self { identities, port: None }
    }

    /// Takes the wish of a request that came over `flow` with `via` on top. Whether it is granted, and was not before: the
    /// parameter is there, and a sent-by that is a name is one that the certificate has. One connection stands for one port.
    pub(crate) fn ask(&mut self, flow: &Flow, via: &Via<'_>) -> bool {
        if self.port.is_some() || flow.protocol != Protocol::Tls || !via.params.has("alias") {
            return false;
        }
        if let Host::Name(sent_by) = via.host
            && !self.identities.iter().any(|identity| identity.is_domain(sent_by))
        {
            return false;
        }
        self.port = Some(via.port.unwrap_or(Protocol::Tls.default_port()));
        true
    }

    /// The targets for which the connection stands (RFC 5923 §8.2): the address that it came from, never one that the
    /// request names, with the port of sent-by, for each identity.
    pub(crate) fn targets(&self, flow: &Flow) -> impl Iterator<Item = Target> {
        let ip = flow.peer.ip();
        let address = self.port.map(|port| SocketAddr::new(ip, port));
        let target = move |identity: &Identity| match identity {
            Identity::Domain(_, domain) => Some(Target::Domain(Protocol::Tls, address?, *domain)),
            Identity::Address(own) => Some(Target::Address(Protocol::Tls, address.filter(|_| *own == ip)?)),
        };
        self.identities.iter().filter_map(target)
    }
}

impl Identity {
    fn is_domain(&self, name: &str) -> bool {
        let Self::Domain(domain, _) = self else { return false };
        domain.trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::header::Header as _;
    use ringback_sansio::FlowId;

    fn targets(protocol: Protocol, via: &str) -> Vec<Target> {
        let peer = "192.0.2.1:40000".parse().unwrap();
        let flow = Flow { id: FlowId(1), protocol, local: "192.0.2.9:5061".parse().unwrap(), peer };
        let identities = vec![
            Identity::Domain("a.example".into(), DomainId(1)),
            Identity::Domain("b.example".into(), DomainId(2)),
            Identity::Address(flow.peer.ip()),
            Identity::Address("192.0.2.7".parse().unwrap()),
        ];
        let mut proof = Proof::new(identities);
        let granted = proof.ask(&flow, &Via::parse(via.as_bytes()).unwrap());
        assert!(!granted || !proof.ask(&flow, &Via::parse(via.as_bytes()).unwrap()), "only once");
        let targets: Vec<Target> = proof.targets(&flow).collect();
        assert_eq!(granted, !targets.is_empty());
        targets
    }

    #[test]
    fn an_alias_is_the_source_with_the_port_of_sent_by_for_each_identity() {
        let all = |address: &str| {
            let address = address.parse().unwrap();
            vec![
                Target::Domain(Protocol::Tls, address, DomainId(1)),
                Target::Domain(Protocol::Tls, address, DomainId(2)),
                Target::Address(Protocol::Tls, address),
            ]
        };
        assert_eq!(targets(Protocol::Tls, "SIP/2.0/TLS A.example:5071;alias"), all("192.0.2.1:5071"));
        // Not the address that it names, but the one that it has.
        assert_eq!(targets(Protocol::Tls, "SIP/2.0/TLS 10.0.0.1;alias"), all("192.0.2.1:5061"));
    }

    #[test]
    fn nobody_gets_an_alias_who_does_not_ask_or_names_another() {
        assert_eq!(targets(Protocol::Tls, "SIP/2.0/TLS a.example:5071"), []);
        assert_eq!(targets(Protocol::Tls, "SIP/2.0/TLS c.example:5071;alias"), []);
        assert_eq!(targets(Protocol::Wss, "SIP/2.0/WSS a.example:5071;alias"), []);
    }
}
