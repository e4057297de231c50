//! Under which addresses and names we are reached.

use crate::ServerConfig;
use ringback_net::{Advertise, Listen, TlsVerify, local_addresses, local_ip_towards};
use ringback_proxy::Ownership;
use ringback_sansio::{Protocol, Target};
use ringback_transaction::Locals;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Our addresses, none of them unspecified, those to be written into messages first.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Where we listen, and what others are told instead.
    addresses: Vec<Address>,
    /// As the host of a URI.
    pub(crate) domains: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Address {
    protocol: Protocol,
    own: SocketAddr,
    told: SocketAddr,
}

impl Reach {
    /// Finds out what listening on all addresses means here.
    pub(crate) fn new(listeners: &[Listen], config: &ServerConfig) -> io::Result<Self> {
        let mut addresses = Vec::new();
        for (listen, asked) in listeners.iter().zip(config.listen()) {
            let (ip, port) = (listen.address.ip(), listen.address.port());
            let ips = if ip.is_unspecified() { everywhere(ip)? } else { vec![ip] };
            let told = Advertise::of(&config.advertise, &asked, port);
            addresses.extend(ips.into_iter().map(|ip| {
                let own = SocketAddr::new(ip, port);
                Address { protocol: listen.protocol, own, told: told.unwrap_or(own) }
            }));
        }
        let domains = Self::named(&addresses, config);
        Ok(Self { addresses, domains })
    }

    /// The same addresses, under the domains of another configuration.
    pub(crate) fn renamed(&self, config: &ServerConfig) -> Self {
        Self { addresses: self.addresses.clone(), domains: Self::named(&self.addresses, config) }
    }

    fn named(addresses: &[Address], config: &ServerConfig) -> Vec<String> {
        let mut domains = config.domains.clone();
        if domains.is_empty() {
            for ip in addresses.iter().flat_map(|address| [address.told.ip(), address.own.ip()]) {
                let name = host(ip);
                if !domains.contains(&name) {
                    domains.push(name);
                }
            }
            domains.push("localhost".into());
        }
        domains.extend(config.tls.name.iter().filter(|name| !config.domains.contains(name)).cloned());
        domains
    }

    pub(crate) fn ownership(&self) -> Ownership {
        Ownership::new(self.addresses(), self.domains.clone())
    }

    pub(crate) fn locals(&self, config: &ServerConfig) -> Locals {
        let mut locals = Locals::default();
        // The one set last is preferred.
        for Address { protocol, own, told } in self.addresses.iter().rev() {
            match config.tls.name.as_ref().filter(|_| *protocol == Protocol::Tls) {
                Some(name) => {
                    // It was found to be the name of a host.
                    let _ = locals.advertise_name(*protocol, *own, &format!("{name}:{}", told.port()));
                }
                None => locals.advertise(*protocol, *own, *told),
            }
        }
        // We show a certificate of others' making, and others show us theirs.
        if config.tls.verify == TlsVerify::Mutual && config.tls.cert.is_some() {
            locals.offer_alias();
        }
        if config.overload.ask {
            locals.ask_for_feedback();
        }
        locals
    }

    /// All of them, told or not: what is sent to one of them is sent to us.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.iter().flat_map(|address| [address.told, address.own])
    }

    /// What a phone may write behind the `@`: our domains, and our addresses.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let addresses = self.addresses().map(|address| host(address.ip()));
        let mut hosts: Vec<String> = self.domains.iter().cloned().chain(addresses).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    /// The address of the first listener, and what others are told instead.
    pub(crate) fn first(&self) -> Option<(IpAddr, IpAddr)> {
        self.addresses.first().map(|address| (address.own.ip(), address.told.ip()))
    }

    pub(crate) fn speaks(&self, protocol: Protocol) -> bool {
        self.addresses.iter().any(|own| own.protocol == protocol)
    }

    /// Our end of the way to `to`, as far as it is known beforehand.
    pub(crate) fn local(&self, to: &Target) -> SocketAddr {
        let peer = match to {
            Target::Flow(flow) => return flow.local,
            Target::Address(_, peer) | Target::Domain(_, peer, _) => peer,
        };
        let fits =
            |address: &&Address| address.protocol == to.protocol() && address.own.is_ipv4() == peer.is_ipv4();
        let nowhere = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let found = self.addresses.iter().find(fits).map(|address| address.own);
        found.unwrap_or_else(|| nowhere.parse().expect("an address"))
    }
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// All addresses of a family, the one that strangers see us under first.
fn everywhere(any: IpAddr) -> io::Result<Vec<IpAddr>> {
    // Documentation addresses: no packet is sent, only the routing table is asked.
    let stranger = if any.is_ipv4() { "192.0.2.1:5060" } else { "[2001:db8::1]:5060" };
    let outward = local_ip_towards(stranger.parse().expect("an address")).ok();
    let mut all = local_addresses()?;
    all.retain(|ip| ip.is_ipv4() == any.is_ipv4());
    all.sort_by_key(|ip| (Some(*ip) != outward, ip.is_loopback()));
    if all.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "this machine has no address of that family",
        ));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(listen: &str, domains: &[&str]) -> Reach {
        let config = ServerConfig {
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            ..ServerConfig::default()
        };
        Reach::new(
            &[listen.parse().unwrap()],
            &ServerConfig { listen: vec![listen.parse().unwrap()], ..config },
        )
        .unwrap()
    }

    #[test]
    fn without_domains_the_addresses_and_localhost_are_ours() {
        assert_eq!(reach("udp:[::1]:5070", &[]).domains, ["[::1]", "localhost"]);
        let named = reach("udp:127.0.0.1:5070", &["example.com"]);
        assert_eq!(named.domains, ["example.com"]);
        assert_eq!(named.hosts(), ["127.0.0.1", "example.com"]);
    }

    #[test]
    fn what_is_advertised_is_told_and_both_are_ours() {
        let config = ServerConfig {
            listen: ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"].map(|listen| listen.parse().unwrap()).into(),
            advertise: vec!["udp:127.0.0.1:0=203.0.113.7:5070".parse().unwrap()],
            ..ServerConfig::default()
        };
        let bound = ["udp:127.0.0.1:40000", "tcp:127.0.0.1:40000"].map(|listen| listen.parse().unwrap());
        let reach = Reach::new(&bound, &config).unwrap();
        let locals = reach.locals(&config);
        let to = |protocol| Target::Address(protocol, "192.0.2.7:5060".parse().unwrap());
        assert_eq!(locals.sent_by(&to(Protocol::Udp)), Some("203.0.113.7:5070"));
        assert_eq!(locals.sent_by(&to(Protocol::Tcp)), Some("127.0.0.1:40000"));
        assert_eq!(reach.domains, ["203.0.113.7", "127.0.0.1", "localhost"]);
        let ownership = reach.ownership();
        for uri in ["sip:203.0.113.7:5070", "sip:127.0.0.1:40000"] {
            assert!(ownership.is_me(&ringback_message::UriBuf::new(uri).unwrap().as_sip().unwrap()), "{uri}");
        }
    }

    #[test]
    fn over_tls_a_name_is_told_where_there_is_one() {
        let mut config = ServerConfig {
            listen: ["udp:127.0.0.1:0", "tls:127.0.0.1:0"].map(|listen| listen.parse().unwrap()).into(),
            domains: vec!["example.com".into()],
            ..ServerConfig::default()
        };
        config.tls.name = Some("sbc1.example.com".into());
        let bound = ["udp:127.0.0.1:40000", "tls:127.0.0.1:40001"].map(|listen| listen.parse().unwrap());
        let reach = Reach::new(&bound, &config).unwrap();
        let locals = reach.locals(&config);
        let peer = "192.0.2.7:5061".parse().unwrap();
        let to = Target::Address(Protocol::Tls, peer);
        assert_eq!(locals.sent_by(&to), Some("sbc1.example.com:40001"));
        let flow = ringback_net::Flow {
            id: ringback_net::FlowId(7),
            protocol: Protocol::Tls,
            local: "127.0.0.1:40001".parse().unwrap(),
            peer,
        };
        assert_eq!(locals.sent_by(&Target::Flow(flow)), Some("sbc1.example.com:40001"));
        assert_eq!(locals.sent_by(&Target::Address(Protocol::Udp, peer)), Some("127.0.0.1:40000"));
        let route = ringback_message::UriBuf::new("sip:sbc1.example.com:40001;transport=tls;lr").unwrap();
        assert!(reach.ownership().is_me(&route.as_sip().unwrap()));
    }

    #[test]
    fn all_addresses_are_named_one_by_one() {
        let reach = reach("tcp:0.0.0.0:5070", &[]);
        let loopback: SocketAddr = "127.0.0.1:5070".parse().unwrap();
        assert!(reach.addresses().any(|address| address == loopback));
        assert!(reach.addresses().all(|address| !address.ip().is_unspecified()));
        assert!(reach.speaks(Protocol::Tcp) && !reach.speaks(Protocol::Udp));
        let to = Target::Address(Protocol::Tcp, "192.0.2.7:5060".parse().unwrap());
        assert_eq!(
            reach.local(&to).to_string(),
            reach.locals(&ServerConfig::default()).sent_by(&to).unwrap()
        );
    }
}
