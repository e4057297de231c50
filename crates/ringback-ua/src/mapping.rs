//! Where our registrar sees us when we are behind a NAT (RFC 3261 §18.2.1, RFC 3581): the address that others have to be
//! told, since ours means nothing out there.

use ringback_message::header::Via;
use ringback_message::{Host, UriBuf};
use ringback_sansio::{Flow, Protocol};
use ringback_transport::via::is_answerable;
use std::net::SocketAddr;

/// How often in a row the address may be another one before it is no longer followed: a NAT that gives a new one to each
/// request would have us register for ever.
const MOST_MOVES: u32 = 3;

/// What is known about how one registrar sees us.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    seen: Option<SocketAddr>,
    moves: u32,
    /// A REGISTER with the address that was learned is on its way.
    is_moving: bool,
}

impl Mapping {
    /// Takes a response that granted `contact`, with our Via as it came back. Whether we have to register again, at
    /// another address.
    pub(crate) fn learn(&mut self, flow: &Flow, via: &Via<'_>, contact: Option<&UriBuf>) -> bool {
        self.is_moving = false;
        let own = contact.and_then(UriBuf::as_sip).and_then(|uri| match uri.host() {
            Host::Ip(ip) => Some(SocketAddr::new(ip, uri.port().unwrap_or(flow.protocol.default_port()))),
            Host::Name(_) => None,
        });
        let Some((own, seen)) = own.zip(seen(via, own.map_or(0, |own| own.port()))) else { return false };
        // A stream comes from a port that nobody listens on: without a NAT ours is the better one.
        let is_elsewhere = if flow.protocol.is_reliable() { own.ip() != seen.ip() } else { own != seen };
        if !is_elsewhere || !is_answerable(seen.ip()) || seen.port() == 0 {
            self.moves = 0;
            return false;
        }
        if self.moves >= MOST_MOVES {
            return false;
        }
        self.moves += 1;
        self.seen = Some(seen);
        self.is_moving = true;
        true
    }

    /// A REGISTER was refused for good. Whether that may be for the address that was learned, which is forgotten then.
    pub(crate) fn refused(&mut self) -> bool {
        let was_moving = std::mem::take(&mut self.is_moving);
        if was_moving {
            (self.seen, self.moves) = (None, MOST_MOVES);
        }
        was_moving
    }

    /// The address that was learned.
    pub(crate) fn seen(&self) -> Option<SocketAddr> {
        self.seen
    }

    /// Where we are to be reached over a flow to the registrar: what stands behind the `@` of Contact.
    pub(crate) fn address(&self, protocol: Protocol) -> Option<SocketAddr> {
        self.seen.filter(|_| !matches!(protocol, Protocol::Ws | Protocol::Wss))
    }
}

/// The address that a Via of ours came from, as the next hop wrote it down.
fn seen(via: &Via<'_>, own_port: u16) -> Option<SocketAddr> {
    let port = via.rport().flatten();
    let ip = via.received().or_else(|| via.host.ip().filter(|_| port.is_some()))?;
    Some(SocketAddr::new(ip.to_canonical(), port.unwrap_or(own_port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::header::Header as _;
    use ringback_sansio::FlowId;

    fn learns(mapping: &mut Mapping, protocol: Protocol, via: &str, contact: &str) -> bool {
        let address = |text: &str| text.parse().unwrap();
        let (local, peer) = (address("10.0.0.7:5060"), address("192.0.2.1:5060"));
        let flow = Flow { id: FlowId(1), protocol, local, peer };
        let contact = UriBuf::new(contact).unwrap();
        mapping.learn(&flow, &Via::parse(via.as_bytes()).unwrap(), Some(&contact))
    }

    #[test]
    fn only_an_address_that_is_another_one_is_learned() {
        let own = "sip:a@10.0.0.7";
        for (protocol, params, contact, learned) in [
            (Protocol::Udp, ";received=198.51.100.1;rport=4000", own, Some("198.51.100.1:4000")),
            (Protocol::Udp, ";rport=4000", own, Some("10.0.0.7:4000")),
            (Protocol::Udp, ";received=198.51.100.1", own, Some("198.51.100.1:5060")),
            (Protocol::Udp, ";received=10.0.0.7;rport=5060", own, None),
            (Protocol::Udp, "", own, None),
            // An old server that does not know rport.
            (Protocol::Udp, ";rport", own, None),
            (Protocol::Udp, ";received=255.255.255.255;rport=5", own, None),
            (Protocol::Udp, ";received=198.51.100.1;rport=4000", "sip:a@phone.example", None),
            (Protocol::Tcp, ";received=10.0.0.7;rport=40000", "sip:a@10.0.0.7;transport=tcp", None),
            (Protocol::Tcp, ";received=198.51.100.1;rport=4", own, Some("198.51.100.1:4")),
        ] {
            let mut mapping = Mapping::default();
            let via = format!("SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bKa{params}");
            assert_eq!(learns(&mut mapping, protocol, &via, contact), learned.is_some(), "{params}");
            assert_eq!(
                mapping.address(protocol).map(|seen| seen.to_string()).as_deref(),
                learned,
                "{params}"
            );
        }
    }

    #[test]
    fn an_address_that_never_stays_is_followed_three_times() {
        let mut mapping = Mapping::default();
        let mut own = "sip:a@10.0.0.7".to_owned();
        let mut followed = 0;
        for port in 4_000..4_100 {
            let via = format!("SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKa;received=198.51.100.1;rport={port}");
            if learns(&mut mapping, Protocol::Udp, &via, &own) {
                followed += 1;
                own = format!("sip:a@{}", mapping.address(Protocol::Udp).unwrap());
            }
        }
        assert_eq!(followed, MOST_MOVES);
        // Once it stays where it was said to be, a later move counts anew.
        let via = "SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKa;received=198.51.100.1;rport=4002";
        assert!(!learns(&mut mapping, Protocol::Udp, via, &own));
        let via = "SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKa;received=198.51.100.1;rport=9";
        assert!(learns(&mut mapping, Protocol::Udp, via, &own));
    }
}
