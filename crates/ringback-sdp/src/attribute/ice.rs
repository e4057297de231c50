//! ICE (RFC 8839, RFC 8840 for trickling, RFC 6544 for TCP).

use super::macros::{digits, is_visible, property, split_word, word, words};
use super::{AttributeError, AttributeValue};
use std::fmt;
use std::net::IpAddr;

/// `a=candidate`: an address at which media might be received (RFC 8839 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The same for candidates of a kind from one base and server.
    pub foundation: &'a str,
    /// 1 for RTP, 2 for RTCP; up to 256.
    pub component: u16,
    /// `udp` or `tcp`, in either case of letters.
    pub transport: &'a str,
    /// The higher the better.
    pub priority: u32,
    /// An address, or a name such as those under `.local` by which browsers hide theirs.
    pub address: &'a str,
    /// The port. 9 for active TCP.
    pub port: u16,
    /// How it was found.
    pub kind: CandidateKind,
    /// The address and port from which it was found (`raddr` and `rport`).
    pub related: Option<(&'a str, u16)>,
    /// Pairs of names and values that follow, as they were written.
    pub extensions: &'a str,
}

words! {
    /// How a candidate was found (RFC 8839 §5.1).
    CandidateKind {
        /// On an interface of the host.
        Host = "host",
        /// By asking a server.
        ServerReflexive = "srflx",
        /// By a check that the peer saw.
        PeerReflexive = "prflx",
        /// At a relay.
        Relayed = "relay",
    }
}

words! {
    /// Who opens the connection of a TCP candidate (RFC 6544 §4.5).
    TcpType {
        /// The writer does.
        Active = "active",
        /// The reader does.
        Passive = "passive",
        /// Both do at once.
        SimultaneousOpen = "so",
    }
}

impl<'a> Candidate<'a> {
    /// The address, when it is not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    /// Whether the address is a name to be asked for by multicast DNS.
    pub fn is_mdns(&self) -> bool {
        let name = self.address.as_bytes();
        self.ip().is_none() && name.len() > 6 && name[name.len() - 6..].eq_ignore_ascii_case(b".local")
    }

    /// Who opens the connection, for TCP.
    pub fn tcp_type(&self) -> Option<TcpType> {
        TcpType::from_word(self.extension("tcptype")?)
    }

    /// The value of an extension such as `generation`.
    pub fn extension(&self, name: &str) -> Option<&'a str> {
        let mut words = self.extensions.split_ascii_whitespace();
        std::iter::from_fn(|| words.next().zip(words.next())).find(|(key, _)| *key == name).map(|it| it.1)
    }
}

impl<'a> AttributeValue<'a> for Candidate<'a> {
    const NAME: &'static str = "candidate";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let rest = &mut value.trim_end();
        let foundation = next_word(rest, "foundation")?;
        let component = next_word(rest, "component-id")?;
        let transport = next_word(rest, "transport")?;
        let priority = next_word(rest, "priority")?;
        let address = next_word(rest, "connection-address")?;
        let port = next_word(rest, "port")?;
        let typ = next_word(rest, "cand-type")?;
        let kind = Some(next_word(rest, "cand-type")?).filter(|_| typ.eq_ignore_ascii_case("typ"));
        let mut extensions = *rest;
        let mut after = |name: &str| {
            let (found, rest) = split_word(extensions);
            let (value, rest) = split_word(rest);
            let is_it = found.eq_ignore_ascii_case(name) && !value.is_empty();
            is_it.then(|| {
                extensions = rest;
                value
            })
        };
        let related = match after("raddr") {
            Some(address) => {
                let port = after("rport").and_then(digits).ok_or(AttributeError::new("rel-port"))?;
                Some((address, port))
            }
            None => None,
        };
        Ok(Self {
            foundation: Some(foundation)
                .filter(|text| text.len() <= 32)
                .ok_or(AttributeError::new("foundation"))?,
            component: digits(component)
                .filter(|number| (1..=256).contains(number))
                .ok_or(AttributeError::new("component-id"))?,
            transport,
            priority: digits(priority).ok_or(AttributeError::new("priority"))?,
            address,
            port: digits(port).ok_or(AttributeError::new("port"))?,
            kind: kind.and_then(CandidateKind::from_word).ok_or(AttributeError::new("cand-type"))?,
            related,
            extensions,
        })
    }
}

impl fmt::Display for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, component, transport, priority, address, port, kind, .. } = self;
        write!(f, "{foundation} {component} {transport} {priority} {address} {port} typ {kind}")?;
        if let Some((address, port)) = self.related {
            write!(f, " raddr {address} rport {port}")?;
        }
        if self.extensions.is_empty() { Ok(()) } else { write!(f, " {}", self.extensions) }
    }
}

fn next_word<'a>(rest: &mut &'a str, rule: &'static str) -> Result<&'a str, AttributeError> {
    let (word, behind) = split_word(rest);
    *rest = behind;
    if word.is_empty() { Err(AttributeError::new(rule)) } else { Ok(word) }
}

/// Whether a text is made of `ice-char` (RFC 8839 §5.1), so many of them.
fn ice_chars(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'+' || octet == b'/')
}

word! {
    /// `a=ice-ufrag`: the user name of checks, 4 to 256 characters (RFC 8839 §5.4).
    IceUfrag, "ice-ufrag", |text| ice_chars(text, 4..=256);
    /// `a=ice-pwd`: their password, 22 to 256 characters (RFC 8839 §5.4).
    IcePwd, "ice-pwd", |text| ice_chars(text, 22..=256);
    /// `a=ice-options`: tags such as `trickle` and `ice2`, with blanks between them (RFC 8839 §5.6).
    IceOptions, "ice-options", |text| text.split(' ').all(is_visible);
}

impl IceOptions<'_> {
    /// Whether a tag is among them.
    pub fn has(&self, tag: &str) -> bool {
        self.0.split(' ').any(|option| option == tag)
    }
}

property! {
    /// `a=ice-lite`: the writer answers checks and makes none (RFC 8839 §5.3).
    IceLite, "ice-lite";
    /// `a=ice-mismatch`: the address of the medium is none of its candidates, so ICE is left (RFC 8839 §5.3).
    IceMismatch, "ice-mismatch";
    /// `a=end-of-candidates`: no more will follow (RFC 8840 §8.2).
    EndOfCandidates, "end-of-candidates";
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    /// RFC 8839 §5.1 and §5.6, RFC 6544 appendix.
    #[test]
    fn candidates_of_the_rfcs() {
        let host = round::<Candidate<'_>>("1 1 UDP 2130706431 203.0.113.141 8998 typ host");
        assert_eq!(
            (host.ip(), host.kind, host.related),
            ("203.0.113.141".parse().ok(), CandidateKind::Host, None)
        );
        let reflexive = round::<Candidate<'_>>(
            "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
        );
        assert_eq!(reflexive.related, Some(("203.0.113.141", 8998)));
        let tcp = round::<Candidate<'_>>("1 1 TCP 2128609279 10.0.1.1 9 typ host tcptype active");
        assert_eq!(tcp.tcp_type(), Some(TcpType::Active));
        let six = round::<Candidate<'_>>("1 2 UDP 2130706430 fe80::6676:baff:fe9c:ee4a 8999 typ host");
        assert_eq!((six.component, six.ip().is_some_and(|it| it.is_ipv6())), (2, true));
    }

    #[test]
    fn browsers_hide_addresses_and_add_extensions() {
        let text = "2813740596 1 udp 2122260223 1f8d3e60-c75a-4b29-8e04-a6b2d9f1c753.local 53817 typ host generation 0 \
                    network-id 1";
        let hidden = round::<Candidate<'_>>(text);
        assert!(hidden.is_mdns() && hidden.ip().is_none());
        assert_eq!((hidden.extension("network-id"), hidden.extension("0")), (Some("1"), None));
        assert!(!Candidate { address: "host.example.com", ..hidden }.is_mdns());
    }

    #[test]
    fn a_bad_candidate_says_which_part_is_bad() {
        for (text, rule) in [
            ("", "foundation"),
            ("1 257 udp 1 192.0.2.1 1 typ host", "component-id"),
            ("1 1 udp 4294967296 192.0.2.1 1 typ host", "priority"),
            ("1 1 udp 1 192.0.2.1 65536 typ host", "port"),
            ("1 1 udp 1 192.0.2.1 1 typ", "cand-type"),
            ("1 1 udp 1 192.0.2.1 1 type host", "cand-type"),
            ("1 1 udp 1 192.0.2.1 1 typ magic", "cand-type"),
            ("1 1 udp 1 192.0.2.1 1 typ srflx raddr 192.0.2.2", "rel-port"),
        ] {
            assert_eq!(Candidate::parse(text), Err(AttributeError::new(rule)), "{text:?}");
        }
    }

    #[test]
    fn credentials_have_their_lengths() {
        assert_eq!(round::<IceUfrag<'_>>("8hhY").0, "8hhY");
        assert_eq!(round::<IcePwd<'_>>("asd88fgpdd777uzjYhagZg").0.len(), 22);
        assert!(IceUfrag::parse("8hh").is_err() && IceUfrag::parse("8hh-").is_err());
        assert!(IcePwd::parse("asd88fgpdd777uzjYhagZ").is_err());
        assert!(round::<IceOptions<'_>>("trickle ice2").has("ice2"));
    }
}
