//! The steps of RFC 3263 §4 that need no question to DNS.

use ringback_message::{Host, ParseError, SipUri, StatusCode};
use ringback_sansio::{Protocol, Target};
use std::net::SocketAddr;

/// The next hop of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// It is known.
    Known(Target),
    /// A name has to be resolved first.
    Name(Name),
}

/// A name that leads to the next hop, and what the URI says about the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The domain name: RFC 3263 calls it TARGET.
    pub host: String,
    /// The port that was written; with one there are neither NAPTR nor SRV to ask for.
    pub port: Option<u16>,
    /// The protocol that the URI asks for, if it does.
    pub protocol: Option<Protocol>,
    /// Whether the URI is `sips`: nothing less than TLS will do (rule 36).
    pub secure: bool,
}

impl Name {
    /// The protocol where neither the URI nor DNS names one (RFC 3263 §4.1).
    pub fn default_protocol(&self) -> Protocol {
        self.protocol.unwrap_or(if self.secure { Protocol::Tls } else { Protocol::Udp })
    }
}

/// Finds the next hop for `uri`: the `maddr` or host, the port or the protocol's default, and the protocol by
/// `transport` parameter or scheme.
///
/// # Errors
/// 416 when the URI asks for a transport that nobody here speaks, or for a plain one under `sips` (rule 36).
pub fn next_hop(uri: &SipUri<'_>) -> Result<NextHop, ParseError> {
    let unsupported = ParseError::with_status(0, "transport parameter", StatusCode::UNSUPPORTED_URI_SCHEME);
    let protocol = match (uri.transport(), uri.is_secure()) {
        (None, _) => None,
        (Some(name), secure) => match (Protocol::from_token(name).ok_or(unsupported)?, secure) {
            (Protocol::Tcp, true) => Some(Protocol::Tls),
            (Protocol::Ws, true) => Some(Protocol::Wss),
            (Protocol::Udp, true) => return Err(unsupported),
            (protocol, _) => Some(protocol),
        },
    };
    let name =
        |host: &str| Name { host: host.to_owned(), port: uri.port(), protocol, secure: uri.is_secure() };
    match uri.maddr().unwrap_or(uri.host()) {
        Host::Ip(ip) => {
            let protocol = name("").default_protocol();
            let port = uri.port().unwrap_or(protocol.default_port());
            Ok(NextHop::Known(Target::Address(protocol, SocketAddr::new(ip, port))))
        }
        Host::Name(host) => Ok(NextHop::Name(name(host))),
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
    fn names_are_left_to_be_resolved_with_what_the_uri_says() {
        let name = |port, protocol, secure| {
            Ok(NextHop::Name(Name { host: "example.com".into(), port, protocol, secure }))
        };
        assert_eq!(hop("sip:a@example.com"), name(None, None, false));
        assert_eq!(hop("sip:a@example.com:5070;transport=tcp"), name(Some(5070), Some(Protocol::Tcp), false));
        assert_eq!(hop("sips:a@example.com;transport=tcp"), name(None, Some(Protocol::Tls), true));
        assert_eq!(hop("sips:a@192.0.2.1;maddr=example.com"), name(None, None, true));
    }

    #[test]
    fn rule_36_sips_never_leaves_encrypted_hops() {
        for uri in ["sips:a@192.0.2.1;transport=udp", "sip:a@192.0.2.1;transport=carrier-pigeon"] {
            assert_eq!(hop(uri).unwrap_err().status, StatusCode::UNSUPPORTED_URI_SCHEME, "{uri}");
        }
    }
}
