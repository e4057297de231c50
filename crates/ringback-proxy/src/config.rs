//! Who we are, and what we allow.

use crate::Restraint;
use ringback_message::{Host, Request, SipUri, Uri};
use ringback_sansio::Protocol;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How many spellings of URIs of ours are looked for before a URI is read.
const SPELLINGS: usize = 32;

/// The addresses and names under which this element is reached.
#[derive(Clone, Debug, Default)]
pub struct Ownership {
    addresses: Vec<SocketAddr>,
    domains: Vec<String>,
    /// Those of the domains that are addresses.
    domain_addresses: Vec<IpAddr>,
    /// How nearly everybody writes a URI that names this element.
    spellings: Vec<String>,
}

impl Ownership {
    /// An element that listens on `addresses`, none of which is unspecified, and is responsible for `domains`. A domain
    /// may be an address, IPv6 with or without brackets.
    pub fn new<D: Into<String>>(
        addresses: impl IntoIterator<Item = SocketAddr>,
        domains: impl IntoIterator<Item = D>,
    ) -> Self {
        let domains: Vec<String> = domains.into_iter().map(Into::into).collect();
        let domain_addresses = domains.iter().filter_map(|domain| Host::parse(domain).ok()?.ip()).collect();
        let addresses: Vec<SocketAddr> = addresses.into_iter().collect();
        let mut own = Self { addresses, domains, domain_addresses, spellings: Vec::new() };
        let named = own.domains.iter().map(|domain| format!("sip:{domain}"));
        let spellings = named.chain(own.addresses.iter().map(|address| format!("sip:{address}")));
        let names_us =
            |text: &String| matches!(Uri::parse(text.as_bytes()), Ok(Uri::Sip(uri)) if own.is_me(&uri));
        own.spellings = spellings.take(SPELLINGS).filter(names_us).collect();
        own
    }

    /// Whether a request is to this element itself, and not to a user of it.
    pub fn is_asked(&self, request: &Request) -> bool {
        let written = request.uri_bytes();
        self.spellings.iter().any(|own| own.as_bytes() == written)
            || matches!(request.uri(), Ok(Uri::Sip(uri)) if uri.user().is_none() && self.is_me(&uri))
    }

    /// The domains.
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Whether `uri` names this element: one of its addresses, or one of its domains at a port it listens on.
    pub fn is_me(&self, uri: &SipUri<'_>) -> bool {
        match (uri.host(), uri.port()) {
            (Host::Ip(ip), Some(port)) => self.addresses.contains(&SocketAddr::new(ip, port)),
            (Host::Ip(ip), None) => {
                let protocol = uri.transport().and_then(Protocol::from_token);
                let protocol =
                    protocol.unwrap_or(if uri.is_secure() { Protocol::Tls } else { Protocol::Udp });
                self.addresses.contains(&SocketAddr::new(ip, protocol.default_port()))
                    || self.owns_domain(uri)
            }
            (Host::Name(_), _) => self.owns_domain(uri),
        }
    }

    /// Whether the host of `uri` is one of our domains, and its port, where one is written, one of ours.
    pub fn owns_domain(&self, uri: &SipUri<'_>) -> bool {
        let ours = |port: u16| self.addresses.iter().any(|address| address.port() == port);
        let is_host = match uri.host() {
            Host::Ip(ip) => self.domain_addresses.contains(&ip),
            name @ Host::Name(_) => self.domains.iter().any(|domain| Host::Name(domain) == name),
        };
        is_host && uri.port().is_none_or(ours)
    }
}

/// How a proxy behaves.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Who we are.
    pub ownership: Ownership,
    /// Whether dialogs stay on this path (Record-Route).
    pub record_route: bool,
    /// How long an INVITE may ring; more than three minutes (RFC 3261 §16.6 step 11).
    pub timer_c: Duration,
    /// Requests in progress at once; beyond it 503.
    pub max_contexts: usize,
    /// The most branches of one request, those of redirections included.
    pub max_branches: usize,
    /// Whether redirections of those whom the policy named are followed (RFC 3261 §16.7 step 4), as far as the policy says
    /// ([`RoutePolicy::redirected`](crate::RoutePolicy::redirected)); requests inside a dialog, and those that only pass by, are not.
    pub recursion: bool,
    /// Whether requests over 1,300 bytes leave by TCP where UDP was chosen (RFC 3261 §18.1.1; rule 11).
    pub large_by_tcp: bool,
    /// The realm whose passwords we check: credentials for it end here and are not shown to those behind us
    /// (RFC 3261 §22.3).
    pub realm: Option<String>,
    /// Whose word counts on who somebody is, and who is told (RFC 3325); nobody without it.
    pub trust: Option<Arc<dyn TrustDomain>>,
    /// Who remembers which next hops want fewer requests (RFC 7339); without one what they say is not heard.
    pub restraint: Option<Arc<dyn Restraint>>,
    /// The secret that makes flow tokens ours (RFC 5626 §5.2), the same in all proxies of an element; without one each proxy has
    /// its own.
    pub flow_key: Option<FlowKey>,
    /// Whether registrations that are forwarded name the flow that they came over (RFC 3327, RFC 5626 §5.1), so that requests for whoever
    /// registered come back by it.
    pub is_edge: bool,
    /// How long an INVITE waits for a device that is woken (RFC 8599 §5.2); other requests at most 20 seconds, for who sent them
    /// waits no longer.
    pub wake_time: Duration,
}

/// By which an element knows the flow tokens that it made. Whoever knows it can make some.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlowKey {
    /// Kept from run to run, so that tokens of datagrams, which come and go by the same sockets again, are still understood.
    pub secret: u64,
    /// Another one in each run: a connection ends with the run in which it was made.
    pub run: u64,
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowKey")
    }
}

/// A network that believes what is asserted in it (RFC 3325 §2.3).
pub trait TrustDomain: fmt::Debug + Send + Sync {
    /// Whether the element at this address belongs to it.
    fn has(&self, peer: IpAddr) -> bool;
}

impl ProxyConfig {
    /// Whether a peer belongs to the trust domain.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.has(peer.to_canonical()))
    }

    /// The usual behaviour for an element that is reached as `ownership` says.
    pub fn new(ownership: Ownership) -> Self {
        Self {
            ownership,
            record_route: true,
            timer_c: Duration::from_secs(185),
            max_contexts: 200_000,
            max_branches: 10,
            recursion: false,
            large_by_tcp: true,
            realm: None,
            trust: None,
            restraint: None,
            flow_key: None,
            is_edge: false,
            wake_time: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::UriBuf;

    #[test]
    fn an_element_knows_its_addresses_and_domains() {
        let me = Ownership::new(
            ["192.0.2.1:5060".parse().unwrap(), "192.0.2.1:5070".parse().unwrap()],
            ["example.com", "192.0.2.1", "[2001:db8::1]"],
        );
        let is_me = |uri: &str| me.is_me(&UriBuf::new(uri).unwrap().as_sip().unwrap());
        for uri in [
            "sip:192.0.2.1",
            "sip:192.0.2.1:5070;lr",
            "sip:bob@EXAMPLE.com",
            "sip:bob@example.com.:5070",
            "sip:bob@[2001:DB8::1]",
        ] {
            assert!(is_me(uri), "{uri}");
        }
        for uri in [
            "sip:192.0.2.1:5080",
            "sip:192.0.2.2",
            "sip:bob@example.org",
            "sip:bob@example.com:9",
            "sip:bob@[2001:db8::1]:5060",
        ] {
            assert!(!is_me(uri), "{uri}");
        }
    }
}
