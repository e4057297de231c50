//! Where a URI leads (RFC 3263 §4): the steps that need no question to DNS.

use ringback_message::{Host, ParseError, SipUri, StatusCode};
use ringback_sansio::{Protocol, Target};
use std::net::SocketAddr;

/// The next hop of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// It is known.
    Known(Target),
    /// A name has to be resolved first.
    Name {
        /// The domain name.
        host: String,
        /// The port to use with each of its addresses.
        port: u16,
        /// The protocol to use.
        protocol: Protocol,
    },
}

/// Finds the next hop for `uri`: the `maddr` or host, the port or the protocol's default, and the protocol by
/// `transport` parameter or scheme.
///
/// # Errors
/// 416 when the URI asks for a transport that nobody here speaks, or for a plain one under `sips` (rule 36).
pub fn next_hop(uri: &SipUri<'_>) -> Result<NextHop, ParseError> {
    let unsupported = ParseError::with_status(0, "transport parameter", StatusCode::UNSUPPORTED_URI_SCHEME);
    let protocol = match (uri.transport(), uri.is_secure()) {
        (None, false) => Protocol::Udp,
        (None, true) => Protocol::Tls,
        (Some(name), secure) => match (Protocol::from_token(name).ok_or(unsupported)?, secure) {
            (Protocol::Tcp, true) => Protocol::Tls,
            (Protocol::Ws, true) => Protocol::Wss,
            (Protocol::Udp, true) => return Err(unsupported),
            (protocol, _) => protocol,
        },
    };
    let port = uri.port().unwrap_or(protocol.default_port());
    match uri.maddr().unwrap_or(uri.host()) {
        Host::Ip(ip) => Ok(NextHop::Known(Target::Address(protocol, SocketAddr::new(ip, port)))),
        Host::Name(name) => Ok(NextHop::Name { host: name.to_owned(), port, protocol }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_message::UriBuf;

    fn hop(uri: &str) -> Result<NextHop, ParseError> {
        next_hop(&UriBuf::new(uri).unwrap().as_sip().unwrap())
    }

    fn known(protocol: Protocol, peer: &str) -> Result<NextHop, ParseError> {
        Ok(NextHop::Known(Target::Address(protocol, peer.parse().unwrap())))
    }

    #[test]
    fn literal_addresses_need_no_question() {
        assert_eq!(hop("sip:a@192.0.2.1"), known(Protocol::Udp, "192.0.2.1:5060"));
        assert_eq!(hop("sip:a@[2001:db8::1]:5070;transport=TCP"), known(Protocol::Tcp, "[2001:db8::1]:5070"));
        assert_eq!(hop("sips:a@192.0.2.1"), known(Protocol::Tls, "192.0.2.1:5061"));
        assert_eq!(hop("sips:a@192.0.2.1;transport=tcp"), known(Protocol::Tls, "192.0.2.1:5061"));
        assert_eq!(hop("sip:a@example.com;maddr=192.0.2.9"), known(Protocol::Udp, "192.0.2.9:5060"));
    }

    #[test]
    fn names_are_left_to_be_resolved() {
        let name = NextHop::Name { host: "example.com".into(), port: 5060, protocol: Protocol::Udp };
        assert_eq!(hop("sip:a@example.com"), Ok(name));
    }

    #[test]
    fn rule_36_sips_never_leaves_encrypted_hops() {
        assert_eq!(
            hop("sips:a@192.0.2.1;transport=udp").unwrap_err().status,
            StatusCode::UNSUPPORTED_URI_SCHEME
        );
        assert_eq!(
            hop("sip:a@192.0.2.1;transport=carrier-pigeon").unwrap_err().status,
            StatusCode::UNSUPPORTED_URI_SCHEME
        );
    }
}
