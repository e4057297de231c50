//! Hosts of URIs and Via fields.

use crate::lex::{Cursor, decimal, is_host, text};
use crate::{Output, ParseError, Value};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host: a domain name or an address (RFC 3261 §25.1 `host`).
///
/// Names compare without regard to case and to one trailing dot; addresses by value.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// A domain name as written.
    Name(&'a str),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
}

impl<'a> Host<'a> {
    /// Reads a lone host. An IPv6 address may come with or without brackets.
    ///
    /// # Errors
    /// When it is neither name nor address.
    pub fn parse(value: &'a str) -> Result<Self, ParseError> {
        if let Ok(ip) = value.parse::<Ipv6Addr>() {
            return Ok(Self::Ip(ip.into()));
        }
        let mut cursor = Cursor::new(value.as_bytes());
        let host = Self::take(&mut cursor)?;
        cursor.finish("host")?;
        Ok(host)
    }

    pub(crate) fn take(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let start = cursor.at;
        if cursor.peek() == Some(b'[') {
            return take_reference(cursor);
        }
        let name = cursor.take_host();
        Self::named(text(name, start, "host")?, start)
    }

    /// A domain name or IPv4 address of which every character may be part of a host.
    fn named(name: &'a str, start: usize) -> Result<Self, ParseError> {
        // The root of all names is the host of nobody.
        if matches!(name, "" | ".") || name.len() > 255 {
            return Err(ParseError::new(start, "host"));
        }
        if name.as_bytes()[0].is_ascii_digit()
            && let Some(ip) = ipv4(name.as_bytes())
        {
            return Ok(Self::Ip(ip.into()));
        }
        Ok(Self::Name(name))
    }

    /// The address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

/// A host that is no IPv6 address, before anybody needs it as text.
pub(crate) enum PlainHost<'a> {
    Name(&'a [u8]),
    Ip(Ipv4Addr),
}

impl<'a> PlainHost<'a> {
    /// `None` for what is no domain name or IPv4 address.
    #[inline(always)]
    pub(crate) fn read(name: &'a [u8]) -> Option<Self> {
        if name.first()?.is_ascii_digit()
            && let Some(ip) = ipv4(name)
        {
            return Some(Self::Ip(ip));
        }
        (is_host(name) && name.len() <= 255 && name != b".").then_some(Self::Name(name))
    }
}

/// Reads `IPv6reference`: an address in brackets.
fn take_reference<'a>(cursor: &mut Cursor<'a>) -> Result<Host<'a>, ParseError> {
    let start = cursor.at;
    cursor.at += 1;
    let inside = cursor.take_while(|byte| byte != b']');
    let address = text(inside, start, "IPv6reference")?;
    if !cursor.eat(b']') {
        return Err(ParseError::new(start, "IPv6reference"));
    }
    // A zone has meaning on one machine only; RFC 6874 forms are accepted and the zone dropped.
    let address = address.split_once('%').map_or(address, |(address, _zone)| address);
    match address.parse::<Ipv6Addr>() {
        Ok(ip) => Ok(Host::Ip(ip.into())),
        Err(_) => Err(ParseError::new(start, "IPv6address")),
    }
}

/// An address of four decimal numbers without leading zeros, as [`Ipv4Addr`] reads it, in one pass.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut rest) = ([0; 4], text);
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let digit = |at: usize| rest.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10);
        let first = digit(0)?;
        let (value, length) = match (digit(1), digit(2)) {
            (None, _) => (u16::from(first), 1),
            (Some(_), _) if first == 0 => return None,
            (Some(second), None) => (u16::from(first) * 10 + u16::from(second), 2),
            (Some(second), Some(third)) => {
                (u16::from(first) * 100 + u16::from(second) * 10 + u16::from(third), 3)
            }
        };
        *octet = u8::try_from(value).ok()?;
        rest = rest.get(length..)?;
    }
    rest.is_empty().then(|| octets.into())
}

/// Reads `host [":" port]` from `cursor`, white space around the colon allowed (rule 70).
pub(crate) fn take_host_port<'a>(cursor: &mut Cursor<'a>) -> Result<(Host<'a>, Option<u16>), ParseError> {
    let host = Host::take(cursor)?;
    Ok((host, take_port(cursor)?))
}

/// The same from `cursor` over the octets of `text`.
pub(super) fn take_host_port_of<'a>(
    text: &'a str,
    cursor: &mut Cursor<'a>,
) -> Result<(Host<'a>, Option<u16>), ParseError> {
    let start = cursor.at;
    let host = match cursor.peek() {
        Some(b'[') => take_reference(cursor)?,
        _ => {
            cursor.take_host();
            Host::named(text.get(start..cursor.at).unwrap_or_default(), start)?
        }
    };
    Ok((host, take_port(cursor)?))
}

#[inline]
fn take_port(cursor: &mut Cursor<'_>) -> Result<Option<u16>, ParseError> {
    if !cursor.eat_padded(b':') {
        return Ok(None);
    }
    let start = cursor.at;
    let digits = cursor.take_digits();
    decimal::<u16>(digits).map(Some).ok_or(ParseError::new(start, "port"))
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => {
                a.strip_suffix('.').unwrap_or(a).eq_ignore_ascii_case(b.strip_suffix('.').unwrap_or(b))
            }
            (Self::Ip(a), Self::Ip(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Host<'_> {}

/// An address as it is written, in a block that is copied at once, and its length.
fn dotted(ip: Ipv4Addr) -> ([u8; 16], usize) {
    let (mut text, mut at) = ([b' '; 16], 0);
    for octet in ip.octets() {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let leading = usize::from(octet < 100) + usize::from(octet < 10);
        for digit in digits.iter().skip(leading) {
            text[at] = b'0' + digit;
            at += 1;
        }
        // Behind the last one there is room for a dot that does not count.
        text[at] = b'.';
        at += 1;
    }
    (text, at - 1)
}

impl Value for Host<'_> {
    fn write(&self, out: &mut Output) {
        use fmt::Write as _;
        match self {
            Self::Name(name) => out.extend_from_slice(name.as_bytes()),
            Self::Ip(IpAddr::V4(ip)) => {
                let (text, length) = dotted(*ip);
                out.extend_padded(&text, length);
            }
            Self::Ip(IpAddr::V6(ip)) => {
                let _ = write!(out, "[{ip}]");
            }
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_writes_them() {
        for octet in 0..=255u8 {
            for ip in [Ipv4Addr::new(octet, 0, 10, 255), Ipv4Addr::new(255, 255, 255, octet)] {
                let (text, length) = dotted(ip);
                assert_eq!(&text[..length], ip.to_string().as_bytes());
            }
        }
    }

    #[test]
    fn rule_71_ipv6_reads_with_and_without_brackets() {
        assert_eq!(Host::parse("[2001:DB8::1]"), Host::parse("2001:db8::1"));
        assert_eq!(Host::parse("[::1]").unwrap().to_string(), "[::1]");
        assert!(Host::parse("[::1").is_err());
        assert!(Host::parse("[zz]").is_err());
    }

    #[test]
    fn four_numbers_are_read_as_the_standard_library_reads_them() {
        for text in [
            "1.2.3.4",
            "255.255.255.255",
            "0.0.0.0",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.",
            "1.2.3.4.",
            "1..2.3",
            "01.2.3.4",
            "1.2.3.04",
            "00.0.0.0",
            "1.2.3.4.5",
            "1.2.3.4x",
            "1000.1.1.1",
            ".1.2.3",
            "1",
            "",
            "1.2.3.+4",
        ] {
            assert_eq!(ipv4(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn names_compare_without_case() {
        assert_eq!(Host::parse("AtLanTa.CoM"), Host::parse("atlanta.com."));
        assert_ne!(Host::parse("a.com"), Host::parse("b.com"));
        assert_eq!(Host::parse("192.0.2.1").unwrap().ip(), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(Host::parse("1.2.3.4.example").unwrap().ip(), None);
        assert!(Host::parse(".").is_err() && Host::parse("").is_err());
    }
}
