//! A session description and its session-level lines (RFC 8866 §5).

use crate::text::Text;
use crate::{ByteString, Direction, InvalidText, Media, Word};
use std::fmt;
use std::net::IpAddr;

/// A whole session description.
///
/// Owns all of its text and loses none: what is not understood is kept and written again. Read one with
/// [`SessionDescription::parse`], write it with [`SessionDescription::to_bytes`] or `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`: who made the description, and which version of it this is.
    pub origin: OriginField,
    /// `s=`: the name of the session, `-` when it has none.
    pub session_name: ByteString,
    /// `i=`: about the session.
    pub information: Option<ByteString>,
    /// `u=`: where more about the session can be read.
    pub uri: Option<ByteString>,
    /// `e=`: e-mail addresses of those responsible.
    pub emails: Vec<ByteString>,
    /// `p=`: phone numbers of those responsible.
    pub phones: Vec<ByteString>,
    /// `c=`: where media without a line of their own are received.
    pub connection: Option<Connection>,
    /// `b=`: bandwidths.
    pub bandwidths: Vec<ByteString>,
    /// `t=` and what belongs to it; `0 0` in calls. Written at least once.
    pub times: Vec<TimeDescription>,
    /// `k=`: obsolete, kept.
    pub key: Option<ByteString>,
    /// `a=` before the first `m=`.
    pub attributes: Vec<Attribute>,
    /// Lines of other types before the first `m=`.
    pub unknown: Vec<UnknownLine>,
    /// The media, in the order of their `m=` lines.
    pub media: Vec<Media>,
}

impl SessionDescription {
    /// A description with no media yet: `s=-`, `t=0 0`.
    pub fn new(origin: OriginField, connection: Option<Connection>) -> Self {
        Self {
            origin,
            session_name: ByteString::from_text(Text::Static("-")),
            information: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection,
            bandwidths: Vec::new(),
            times: vec![TimeDescription::unbounded()],
            key: None,
            attributes: Vec::new(),
            unknown: Vec::new(),
            media: Vec::new(),
        }
    }

    /// The connection in effect for a medium: its own, else that of the session (RFC 8866 §5.7).
    pub fn connection_of<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connections.first().or(self.connection.as_ref())
    }

    /// The direction in effect for a medium: its own, else that of the session, else both ways
    /// (RFC 8866 §6.7). Hold in the old style is not seen here; see [`Connection::is_hold`].
    pub fn direction_of(&self, media: &Media) -> Direction {
        media.direction().or_else(|| stated_direction(&self.attributes)).unwrap_or_default()
    }

    /// The first session-level attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name() == name)
    }
}

/// The direction that a list of attributes states. The last one counts when a peer writes several.
pub(crate) fn stated_direction(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().rev().find_map(|attribute| Direction::from_attribute(attribute.name()))
}

/// The `o=` line (RFC 8866 §5.2).
///
/// The two numbers are digit strings: peers write more digits than any integer here holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginField {
    /// The user on the originating host, `-` when there is none.
    pub username: Word,
    /// `sess-id`: digits that with the rest (but the version) name the session.
    pub session_id: Word,
    /// `sess-version`: digits that grow with each change of the description.
    pub session_version: Word,
    /// `IN`.
    pub network_type: Word,
    /// `IP4` or `IP6`.
    pub address_type: Word,
    /// Address or name of the host.
    pub address: Word,
}

impl OriginField {
    /// An `o=` line of the Internet.
    pub fn new(username: Word, session_id: u64, session_version: u64, address: IpAddr) -> Self {
        let Connection { network_type, address_type, address } = Connection::new(address);
        let (session_id, session_version) = (session_id.into(), session_version.into());
        Self { username, session_id, session_version, network_type, address_type, address }
    }

    /// Whether both describe the same session, in whatever version (RFC 8866 §5.2).
    pub fn is_same_session(&self, other: &Self) -> bool {
        // Taken apart, so that a new field cannot be forgotten here.
        let Self { username, session_id, session_version: _, network_type, address_type, address } = self;
        (username, session_id, network_type, address_type, address)
            == (&other.username, &other.session_id, &other.network_type, &other.address_type, &other.address)
    }
}

/// A `c=` line (RFC 8866 §5.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `IN`.
    pub network_type: Word,
    /// `IP4` or `IP6`.
    pub address_type: Word,
    /// Address or name, with `/ttl` and `/count` when it is multicast.
    pub address: Word,
}

impl Connection {
    /// A connection to one unicast address.
    pub fn new(address: IpAddr) -> Self {
        let address_type = if address.is_ipv4() { "IP4" } else { "IP6" };
        Self {
            network_type: Word::from_static("IN"),
            address_type: Word::from_static(address_type),
            // An IPv6 scope is no part of `IpAddr`, so that this is a word and a legal address always.
            address: Word::new(&address.to_string()).expect("an address has no white space"),
        }
    }

    /// The address or name, without `/ttl`. None for other networks than the Internet and for an address that
    /// is not of its stated type.
    pub fn host(&self) -> Option<Host> {
        let base = self.address.as_str().split('/').next().unwrap_or_default();
        if !self.network_type.matches("IN") || base.is_empty() {
            return None;
        }
        match (base.parse(), self.address_type.as_str()) {
            (Ok(address @ IpAddr::V4(_)), "IP4") | (Ok(address @ IpAddr::V6(_)), "IP6") => {
                Some(Host::Address(address))
            }
            (Err(_), "IP4" | "IP6") => Some(Host::Name(base.to_owned())),
            _ => None,
        }
    }

    /// Whether this is hold as RFC 2543 wrote it: an address that nothing can be sent to, `0.0.0.0`
    /// (RFC 3264 §8.4), `::` or a name under `.invalid` (RFC 6157 §4.2).
    pub fn is_hold(&self) -> bool {
        match self.host() {
            Some(Host::Address(address)) => address.is_unspecified(),
            Some(Host::Name(name)) => name.to_ascii_lowercase().trim_end_matches('.').ends_with(".invalid"),
            None => false,
        }
    }
}

/// A host as a description names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name that somebody else has to resolve.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A `t=` line with the `r=` and `z=` lines that follow it (RFC 8866 §5.9 to §5.11), each as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeDescription {
    /// `t=`: start and stop.
    pub active: ByteString,
    /// `r=`: repetitions.
    pub repeats: Vec<ByteString>,
    /// `z=`: time zone adjustments.
    pub zones: Vec<ByteString>,
}

impl TimeDescription {
    /// `t=0 0`: now, with no end; what every call says (RFC 3264 §5).
    pub fn unbounded() -> Self {
        Self { active: ByteString::from_text(Text::Static("0 0")), ..Self::default() }
    }
}

/// An `a=` line: `name` or `name:value`.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    line: ByteString,
    /// Where the name ends: at the first colon or at the end of the line.
    name_end: u32,
}

impl Attribute {
    /// A property: an attribute without a value.
    ///
    /// # Errors
    /// [`InvalidText`] when the name is not a word, or holds a colon.
    pub fn property(name: &str) -> Result<Self, InvalidText> {
        match Word::new(name)?.as_str().contains(':') {
            true => Err(InvalidText),
            false => Ok(Self::from_line(ByteString::new(name)?)),
        }
    }

    /// An attribute with a value.
    ///
    /// # Errors
    /// [`InvalidText`] when the name is not a word or holds a colon, or the value would end the line.
    pub fn new(name: &str, value: &str) -> Result<Self, InvalidText> {
        Self::property(name)?;
        Ok(Self::from_line(ByteString::new(format!("{name}:{value}"))?))
    }

    /// An attribute made of [`Word`]s, numbers and blanks only.
    pub(crate) fn composed(text: &str) -> Self {
        Self::from_line(ByteString::composed(text))
    }

    /// What stands behind `a=`.
    pub(crate) fn from_line(line: ByteString) -> Self {
        let octets = line.as_bytes();
        // Names are short: a plain loop beats a search made for long texts.
        let name_end = octets.iter().position(|octet| *octet == b':').unwrap_or(octets.len());
        Self { name_end: name_end as u32, line }
    }

    /// The name. Empty when the line is not UTF-8 before its colon.
    pub fn name(&self) -> &str {
        let end = self.name_end as usize;
        match self.line.as_str() {
            Some(line) => line[..end].trim(),
            None => std::str::from_utf8(&self.line.as_bytes()[..end]).unwrap_or_default().trim(),
        }
    }

    /// The value, when there is one and it is UTF-8.
    pub fn value(&self) -> Option<&str> {
        let from = self.name_end as usize + 1;
        match self.line.as_str() {
            Some(line) => line.get(from..),
            None => std::str::from_utf8(self.line.as_bytes().get(from..)?).ok(),
        }
    }

    /// Whether there is a colon.
    pub(crate) fn has_value(&self) -> bool {
        (self.name_end as usize) < self.line.as_bytes().len()
    }

    /// The line behind `a=`, as it was written.
    pub fn as_bytes(&self) -> &[u8] {
        self.line.as_bytes()
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line.fmt(f)
    }
}

/// A line of a type that RFC 8866 does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLine {
    /// The letter before the `=`, a to z in either case.
    pub letter: char,
    /// What follows.
    pub value: ByteString,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(text: &str) -> Connection {
        let mut words = text.split(' ').map(|word| Word::new(word).unwrap());
        let mut next = || words.next().unwrap();
        Connection { network_type: next(), address_type: next(), address: next() }
    }

    #[test]
    fn the_host_of_a_connection_is_of_its_type() {
        let address = |text: &str| Some(Host::Address(text.parse().unwrap()));
        #[rustfmt::skip]
        let table = [
            ("IN IP4 192.0.2.1", address("192.0.2.1")),
            ("IN IP4 224.2.36.42/127/3", address("224.2.36.42")),
            ("IN IP6 2001:db8::1", address("2001:db8::1")),
            ("IN IP6 ff15::101/3", address("ff15::101")),
            ("IN IP4 host.example.com", Some(Host::Name("host.example.com".into()))),
            ("IN IP4 2001:db8::1", None),
            ("IN IP6 192.0.2.1", None),
            ("IN IP7 127.0.0.1", None),
            ("ATM NSAP 47.0091", None),
            ("IN IP4 /127", None),
        ];
        for (text, host) in table {
            assert_eq!(connection(text).host(), host, "{text}");
        }
    }

    /// rule 49: the old ways to hold are understood.
    #[test]
    fn rule_49_unreachable_addresses_mean_hold() {
        for held in ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP6 hold.invalid", "IN IP4 x.INVALID."] {
            assert!(connection(held).is_hold(), "{held}");
        }
        for not in ["IN IP4 10.0.0.0", "IN IP6 ::1", "IN IP4 invalid.example.com"] {
            assert!(!connection(not).is_hold(), "{not}");
        }
    }

    #[test]
    fn attributes_are_split_at_their_first_colon() {
        let attribute = Attribute::new("rtcp-fb", "96 nack:pli").unwrap();
        assert_eq!((attribute.name(), attribute.value()), ("rtcp-fb", Some("96 nack:pli")));
        let property = Attribute::property("sendrecv").unwrap();
        assert_eq!((property.name(), property.value()), ("sendrecv", None));
        assert_eq!(Attribute::new("x:y", "z"), Err(InvalidText));
        assert_eq!(Attribute::new("x", "y\r\nm=z"), Err(InvalidText));
    }

    #[test]
    fn a_session_is_known_by_its_origin_without_the_version() {
        let origin = |version| OriginField::new(Word::from_static("-"), 7, version, "::1".parse().unwrap());
        assert!(origin(1).is_same_session(&origin(2)));
        assert!(!origin(1).is_same_session(&OriginField { address: Word::from_static("::2"), ..origin(1) }));
    }
}
