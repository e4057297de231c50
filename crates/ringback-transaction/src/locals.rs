//! Who we are in a Via.

use ringback_message::{Host, ParseError, header::Header as _, header::Via};
use ringback_sansio::{Protocol, Target};
use std::net::{IpAddr, SocketAddr};

/// Our sent-by values, by transport and address family (RFC 3261 §18.1.1).
///
/// Requests carry one of them; responses that carry none of them are not for us (§18.1.2).
///
/// ```
/// use ringback_sansio::{Protocol, Target};
/// use ringback_transaction::Locals;
///
/// let mut locals = Locals::default();
/// locals.set(Protocol::Udp, "192.0.2.1:5060".parse()?);
/// let to = Target::Address(Protocol::Udp, "198.51.100.7:5060".parse()?);
/// assert_eq!(locals.sent_by(&to), Some("192.0.2.1:5060"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Locals {
    rows: Vec<Local>,
    /// Addresses that we had, newest last: answers to what left under them may still come.
    former: Vec<SocketAddr>,
    alias: bool,
    feedback: bool,
}

#[derive(Clone, Debug)]
struct Local {
    protocol: Protocol,
    is_ipv6: bool,
    sent_by: String,
    address: Option<SocketAddr>,
    /// Where we listen for it: the local end of flows that speak under it.
    own: Option<SocketAddr>,
}

/// How many former addresses are remembered.
const MOST_FORMER: usize = 16;

impl Locals {
    /// Says that peers reach us at `address` by `protocol`, and makes it the sent-by for targets of its family
    /// that no other address of ours fits better. The port is the one that we listen on, also for streams
    /// that we open; the address is one that can be reached, not `0.0.0.0`.
    pub fn set(&mut self, protocol: Protocol, address: SocketAddr) {
        self.advertise(protocol, address, address);
    }

    /// As [`set`](Self::set), where peers reach the socket at `own` under another address: behind a NAT that was told to let
    /// them through, or in a container. Flows that end at `own` speak under it as well.
    pub fn advertise(&mut self, protocol: Protocol, own: SocketAddr, address: SocketAddr) {
        let is_ipv6 = own.is_ipv6();
        self.rows.retain(|row| (row.protocol, row.own) != (protocol, Some(own)));
        let sent_by = address.to_string();
        self.rows.insert(0, Local { protocol, is_ipv6, sent_by, address: Some(address), own: Some(own) });
    }

    /// Says that the address `from` is gone and `to` has taken its place, with the same ports: in what we listen on, and in
    /// what peers are told where that is the same. Responses to requests that left before are still ours.
    pub fn moved(&mut self, from: IpAddr, to: IpAddr) {
        for row in &mut self.rows {
            if let Some(own) = row.own.as_mut().filter(|own| own.ip() == from) {
                own.set_ip(to);
                row.is_ipv6 = own.is_ipv6();
            }
            if let Some(address) = row.address.as_mut().filter(|address| address.ip() == from) {
                self.former.retain(|former| former != address);
                self.former.push(*address);
                address.set_ip(to);
                row.sent_by = address.to_string();
            }
        }
        self.former.drain(..self.former.len().saturating_sub(MOST_FORMER));
    }

    /// As [`set`](Self::set), with a name: `host` or `host:port`, such as the `.invalid` one of a WebSocket
    /// client (RFC 7118 §5).
    ///
    /// # Errors
    /// When it is no sent-by.
    pub fn set_name(&mut self, protocol: Protocol, is_ipv6: bool, sent_by: &str) -> Result<(), ParseError> {
        let value = format!("SIP/2.0/{} {sent_by}", protocol.as_via());
        let via = Via::parse(value.as_bytes())?;
        if via.params.iter().next().is_some() || sent_by.contains(['\r', '\n']) {
            return Err(ParseError::new(0, "sent-by"));
        }
        self.rows
            .insert(0, Local { protocol, is_ipv6, sent_by: sent_by.to_owned(), address: None, own: None });
        Ok(())
    }

    /// As [`advertise`](Self::advertise), with a name that leads to `own` from outside, as [`set_name`](Self::set_name) takes it.
    ///
    /// # Errors
    /// When it is no sent-by.
    pub fn advertise_name(
        &mut self,
        protocol: Protocol,
        own: SocketAddr,
        sent_by: &str,
    ) -> Result<(), ParseError> {
        self.set_name(protocol, own.is_ipv6(), sent_by)?;
        if let Some(row) = self.rows.first_mut() {
            row.own = Some(own);
        }
        Ok(())
    }

    /// Says that we prove who we are on TLS connections that we make, by a certificate for the name or address that peers
    /// know us by: requests over them then say that others may come back over the same connection (RFC 5923 §8.1).
    pub fn offer_alias(&mut self) {
        self.alias = true;
    }

    /// What stands behind `rport` in the Via of a request that leaves by `protocol`.
    pub(crate) fn alias(&self, protocol: Protocol) -> &'static str {
        if self.alias && protocol == Protocol::Tls { ";alias" } else { "" }
    }

    /// Asks next hops to say how much less they want to be sent when they have too much to do (RFC 7339), in the Via of requests.
    pub fn ask_for_feedback(&mut self) {
        self.feedback = true;
    }

    /// What stands behind that.
    pub(crate) fn feedback(&self) -> &'static str {
        if self.feedback { ";oc;oc-algo=\"loss\"" } else { "" }
    }

    /// The sent-by of a request to `to`: that of the flow's own end where it is one of ours, else the one set
    /// last for the transport and family. `None` when nothing was set for it.
    pub fn sent_by(&self, to: &Target) -> Option<&str> {
        let fits = |row: &&Local| row.protocol == to.protocol();
        let own = match to {
            Target::Flow(flow) => self.rows.iter().filter(fits).find(|row| row.own == Some(flow.local)),
            Target::Address(..) | Target::Domain(..) => None,
        };
        let is_ipv6 = to.peer().is_ipv6();
        own.or_else(|| self.rows.iter().filter(fits).find(|row| row.is_ipv6 == is_ipv6))
            .map(|row| row.sent_by.as_str())
    }

    /// Whether a Via names us: host without regard to case, an absent port being the default one.
    pub fn is_ours(&self, via: &Via<'_>) -> bool {
        let default_port = Protocol::from_token(via.transport).unwrap_or(Protocol::Udp).default_port();
        let port = via.port.unwrap_or(default_port);
        let is_former = |former: &SocketAddr| via.host == Host::Ip(former.ip()) && port == former.port();
        if self.former.iter().any(is_former) {
            return true;
        }
        self.rows.iter().any(|row| match (row.address, via.host) {
            (Some(address), Host::Ip(ip)) => address.ip() == ip && address.port() == port,
            (None, _) => {
                let value = format!("SIP/2.0/{} {}", via.transport, row.sent_by);
                Via::parse(value.as_bytes()).is_ok_and(|own| own.same_sent_by(via, default_port))
            }
            (Some(_), Host::Name(_)) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::{Flow, FlowId};

    fn locals() -> Locals {
        let mut locals = Locals::default();
        locals.set(Protocol::Tcp, "192.0.2.2:5060".parse().unwrap());
        locals.set(Protocol::Tcp, "192.0.2.1:5080".parse().unwrap());
        locals.set(Protocol::Udp, "[2001:db8::1]:5060".parse().unwrap());
        locals.set_name(Protocol::Ws, false, "abc.invalid").unwrap();
        locals
    }

    #[test]
    fn a_flow_speaks_under_its_own_address_where_that_is_ours() {
        let flow = |local: &str| {
            Target::Flow(Flow {
                id: FlowId(1),
                protocol: Protocol::Tcp,
                local: local.parse().unwrap(),
                peer: "198.51.100.1:9".parse().unwrap(),
            })
        };
        assert_eq!(locals().sent_by(&flow("192.0.2.2:5060")), Some("192.0.2.2:5060"));
        // A stream that we opened comes from a port that nobody listens on.
        assert_eq!(locals().sent_by(&flow("192.0.2.2:40000")), Some("192.0.2.1:5080"));
        let v4 = Target::Address(Protocol::Udp, "198.51.100.1:5060".parse().unwrap());
        assert_eq!(locals().sent_by(&v4), None);
    }

    #[test]
    fn an_address_that_is_advertised_stands_for_the_one_that_we_have() {
        let (own, seen) = ("10.0.0.7:5060".parse().unwrap(), "203.0.113.7:5070".parse().unwrap());
        let mut locals = Locals::default();
        locals.set(Protocol::Udp, own);
        locals.advertise(Protocol::Udp, own, seen);
        let peer = "198.51.100.1:9".parse().unwrap();
        let flow = Flow { id: FlowId(1), protocol: Protocol::Udp, local: own, peer };
        for to in [Target::Flow(flow), Target::Address(Protocol::Udp, peer)] {
            assert_eq!(locals.sent_by(&to), Some("203.0.113.7:5070"));
        }
        let ours = |text: &'static str| locals.is_ours(&Via::parse(text.as_bytes()).unwrap());
        assert!(ours("SIP/2.0/UDP 203.0.113.7:5070") && !ours("SIP/2.0/UDP 10.0.0.7"));
    }

    #[test]
    fn rule_1_only_our_own_sent_by_is_ours() {
        let ours = |text: &'static str| locals().is_ours(&Via::parse(text.as_bytes()).unwrap());
        assert!(ours("SIP/2.0/UDP [2001:DB8::1]"));
        assert!(ours("SIP/2.0/UDP [2001:db8::1]:5060"));
        assert!(!ours("SIP/2.0/UDP [2001:db8::1]:5061"));
        assert!(ours("SIP/2.0/WS ABC.invalid"));
        assert!(!ours("SIP/2.0/WS abd.invalid"));
        assert!(!ours("SIP/2.0/TCP 192.0.2.3:5060"));
    }

    #[test]
    fn names_that_are_no_sent_by_are_refused() {
        for text in ["", "a b", "a;branch=x", "a\r\nVia: x"] {
            assert!(Locals::default().set_name(Protocol::Udp, false, text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_that_moves_is_told_at_once_and_still_known() {
        let (mut locals, [from, to]) = (locals(), ["192.0.2.1", "192.0.2.99"].map(|ip| ip.parse().unwrap()));
        locals.moved(from, to);
        let target = Target::Address(Protocol::Tcp, "198.51.100.7:5060".parse().unwrap());
        assert_eq!(locals.sent_by(&target), Some("192.0.2.99:5080"));
        let ours = |text: &'static str| locals.is_ours(&Via::parse(text.as_bytes()).unwrap());
        for via in ["192.0.2.99:5080", "192.0.2.1:5080", "192.0.2.2:5060"] {
            assert!(ours(format!("SIP/2.0/TCP {via};branch=z9hG4bKa").leak()), "{via}");
        }
        assert!(!ours("SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKa"));
    }
}
