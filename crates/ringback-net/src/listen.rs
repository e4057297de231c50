//! Where to listen, in the notation of the command line: `udp:192.0.2.1:5060`.

use ringback_sansio::Protocol;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A transport and an address to listen on. Port 0 lets the system pick one.
///
/// ```
/// use ringback_net::Listen;
/// let listen: Listen = "tcp:[::1]:5060".parse()?;
/// assert_eq!(listen.to_string(), "tcp:[::1]:5060");
/// assert_eq!("udp:localhost".parse::<Listen>()?.to_string(), "udp:127.0.0.1:5060");
/// # Ok::<(), ringback_net::ListenError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// The transport.
    pub protocol: Protocol,
    /// The address.
    pub address: SocketAddr,
}

/// Text that names no place to listen on, or one that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenError {
    text: String,
    problem: &'static str,
    /// What would be right.
    example: &'static str,
}

const EXAMPLE: &str = "udp:127.0.0.1:5060 or tls:[::1]:5061";

impl ListenError {
    pub(crate) fn advertised(text: &str, problem: &'static str) -> Self {
        Self { text: text.to_owned(), problem, example: "203.0.113.7 or udp:10.0.0.7:5060=203.0.113.7:5060" }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}; write for example {}", self.text, self.problem, self.example)
    }
}

impl std::error::Error for ListenError {}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let fail = |problem| ListenError { text: text.to_owned(), problem, example: EXAMPLE };
        let (name, rest) = text.split_once(':').ok_or(fail("the transport is missing"))?;
        let protocol = Protocol::from_token(name);
        let protocol = protocol.ok_or(fail("the transport is none of udp, tcp, tls, ws and wss"))?;
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let port = match port.map(str::parse) {
            Some(Ok(port)) => port,
            Some(Err(_)) => return Err(fail("the port is no number from 0 to 65535")),
            None => protocol.default_port(),
        };
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let ip = match (literal, host) {
            (Some(literal), _) => literal.parse().ok().map(IpAddr::V6),
            (None, "localhost") => Some(IpAddr::from([127, 0, 0, 1])),
            (None, host) => host.parse().ok().map(IpAddr::V4),
        };
        let ip =
            ip.ok_or(fail("the host is neither an IPv4 address, an IPv6 address in brackets nor localhost"))?;
        Ok(Self { protocol, address: SocketAddr::new(ip, port) })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.protocol, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for (text, read) in [
            ("udp:127.0.0.1:0", "udp:127.0.0.1:0"),
            ("TCP:[2001:db8::1]:5070", "tcp:[2001:db8::1]:5070"),
            ("tcp:[::]", "tcp:[::]:5060"),
            ("udp:0.0.0.0", "udp:0.0.0.0:5060"),
            ("tls:127.0.0.1", "tls:127.0.0.1:5061"),
            ("udp:localhost:5080", "udp:127.0.0.1:5080"),
            ("ws:127.0.0.1:8080", "ws:127.0.0.1:8080"),
            ("wss:[::1]", "wss:[::1]:443"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), read, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, problem) in [
            ("5060", "the transport is missing"),
            ("127.0.0.1:5060", "none of udp, tcp, tls, ws and wss"),
            ("sctp:127.0.0.1:5060", "none of udp, tcp, tls, ws and wss"),
            ("udp:127.0.0.1:65536", "the port"),
            ("udp:::1:5060", "in brackets"),
            ("udp:example.com:5060", "the host"),
            ("udp:", "the host"),
        ] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
