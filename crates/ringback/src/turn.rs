//! Where a TURN server is, as people write it (RFC 7065), and the way to it.

use crate::StartError;
use ringback_media::TurnServer;
use ringback_net::{ByteStream, StreamTls, TlsSettings};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What is spoken with a TURN server over TLS (RFC 7443).
const ALPN: &[u8] = b"stun.turn";
/// How long a connection may take; a call waits for it.
const CONNECT: Duration = Duration::from_secs(3);

/// How we speak with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// Where a server is: `HOST`, `HOST:PORT`, `turn:HOST:PORT?transport=tcp`, `turns:HOST`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    transport: Transport,
}

impl Place {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let cut = |scheme: &str| {
            let head = text.get(..scheme.len()).filter(|head| head.eq_ignore_ascii_case(scheme));
            head.map(|_| &text[scheme.len()..])
        };
        let (is_secure, rest) = match (cut("turns:"), cut("turn:")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (false, text),
        };
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let transport = query.map(|query| query.strip_prefix("transport=").unwrap_or("?"));
        let transport = match (is_secure, transport) {
            (false, None | Some("udp")) => Transport::Udp,
            (false, Some("tcp")) => Transport::Tcp,
            (true, None | Some("tcp")) => Transport::Tls,
            (true, Some("udp")) => return Err("turns: with transport=udp is DTLS, which is not spoken"),
            (_, Some(_)) => return Err("only ?transport=udp and ?transport=tcp may stand at its end"),
        };
        let has_port = place.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let default = if is_secure { 5349 } else { 3478 };
        let (host, port) = match has_port {
            Some((host, port)) => (host, port.parse().map_err(|_| "its port is no number")?),
            None => (place, default),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(['/', '@']) {
            return Err("it is no HOST[:PORT]");
        }
        Ok(Self { host: host.to_owned(), port, transport })
    }

    /// IPv4 first.
    async fn find(&self) -> io::Result<SocketAddr> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        let mut found: Vec<SocketAddr> = found.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        found.first().copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A TURN server, and how to get there.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) server: TurnServer,
    /// Whom its certificate has to name.
    secure: Option<(StreamTls, String)>,
}

impl Turn {
    /// Looks it up. `tls` says whom we trust.
    pub(crate) async fn resolve(
        text: &str,
        user: String,
        password: String,
        tls: &TlsSettings,
    ) -> Result<Self, StartError> {
        let failed = |error| StartError::IceServer(text.to_owned(), error);
        let place = Place::parse(text)
            .map_err(|problem| failed(io::Error::new(io::ErrorKind::InvalidInput, problem)))?;
        let address = place.find().await.map_err(failed)?;
        let secure = match place.transport {
            Transport::Tls => Some((StreamTls::new(tls, ALPN).map_err(StartError::Tls)?, place.host)),
            Transport::Udp | Transport::Tcp => None,
        };
        let is_stream = place.transport != Transport::Udp;
        Ok(Self { server: TurnServer { address, is_stream, user, password }, secure })
    }

    /// Connects, where we speak with it over a stream.
    pub(crate) async fn connect(&self) -> io::Result<ByteStream> {
        let tls = self.secure.as_ref().map(|(tls, name)| (tls, name.as_str()));
        let connected = tokio::time::timeout(CONNECT, ByteStream::connect(self.server.address, tls)).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Looks a STUN server up, which is asked over UDP.
pub(crate) async fn find_stun(server: &str) -> Result<SocketAddr, StartError> {
    let failed = |error| StartError::IceServer(server.to_owned(), error);
    let text = server.strip_prefix("stun:").unwrap_or(server);
    let place =
        Place::parse(text).map_err(|problem| failed(io::Error::new(io::ErrorKind::InvalidInput, problem)))?;
    place.find().await.map_err(failed)
}

/// Addresses of the host that a call is told of beside the one that leads outside, at most.
const MOST: usize = 4;

/// Which of the addresses of the host others may reach us at, beside `known`. Loopback is none, and IPv4 and IPv6 come in turns, so
/// that many of one kind do not keep out the other.
pub(crate) fn other_homes(known: IpAddr, all: Vec<IpAddr>) -> Vec<IpAddr> {
    let is_home = |ip: &IpAddr| {
        let is_one_link = match ip {
            IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        *ip != known && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && !is_one_link
    };
    let (mut four, six): (Vec<IpAddr>, Vec<IpAddr>) =
        all.into_iter().filter(is_home).partition(IpAddr::is_ipv4);
    let mut six = six.into_iter();
    let mut four = four.drain(..);
    let mut homes = Vec::new();
    while homes.len() < MOST {
        let before = homes.len();
        homes.extend(six.next());
        homes.extend(four.next());
        if homes.len() == before {
            break;
        }
    }
    homes.truncate(MOST);
    homes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_uris_and_as_hosts() {
        let read = |text: &str| {
            Place::parse(text).map(|place| format!("{} {} {:?}", place.host, place.port, place.transport))
        };
        for (text, meant) in [
            ("turn.example.com", "turn.example.com 3478 Udp"),
            ("192.0.2.1:5000", "192.0.2.1 5000 Udp"),
            ("[2001:db8::1]:5000", "2001:db8::1 5000 Udp"),
            ("2001:db8::1", "2001:db8::1 3478 Udp"),
            ("turn:turn.example.com", "turn.example.com 3478 Udp"),
            ("turn:turn.example.com?transport=udp", "turn.example.com 3478 Udp"),
            ("turn:turn.example.com:80?transport=tcp", "turn.example.com 80 Tcp"),
            ("turn.example.com?transport=tcp", "turn.example.com 3478 Tcp"),
            ("TURNS:turn.example.com", "turn.example.com 5349 Tls"),
            ("turns:turn.example.com:443?transport=tcp", "turn.example.com 443 Tls"),
            ("turns:[2001:db8::1]:443", "2001:db8::1 443 Tls"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(meant), "{text}");
        }
        for wrong in [
            "",
            "turn:",
            "turns:turn.example.com?transport=udp",
            "turn:turn.example.com?transport=sctp",
            "turn:turn.example.com?x=y",
            "turn:turn.example.com:many",
            "turn:alice@turn.example.com",
            "turn://turn.example.com",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn few_addresses_of_the_host_are_named_and_of_both_kinds() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let all: Vec<IpAddr> = (1..=9).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        let mut all_and_six = all.clone();
        all_and_six.extend(["127.0.0.1", "::1", "169.254.7.7", "fe80::1", "2001:db8::7"].map(ip));
        let homes = other_homes(ip("10.0.0.1"), all_and_six);
        assert_eq!(homes, ["2001:db8::7", "10.0.0.2", "10.0.0.3", "10.0.0.4"].map(ip));
        assert_eq!(other_homes(ip("127.0.0.1"), vec![ip("127.0.0.1"), ip("::1")]), Vec::<IpAddr>::new());
    }
}
