//! Hosts of URIs and Via fields.

use crate::ParseError;
use crate::lex::{Cursor, decimal, is_host_byte, text};
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
        if cursor.eat(b'[') {
            let inside = cursor.take_while(|byte| byte != b']');
            let address = text(inside, start, "IPv6reference")?;
            if !cursor.eat(b']') {
                return Err(ParseError::new(start, "IPv6reference"));
            }
            // A zone has meaning on one machine only; RFC 6874 forms are accepted and the zone dropped.
            let address = address.split_once('%').map_or(address, |(address, _zone)| address);
            return match address.parse::<Ipv6Addr>() {
                Ok(ip) => Ok(Self::Ip(ip.into())),
                Err(_) => Err(ParseError::new(start, "IPv6address")),
            };
        }
        let name = cursor.take_while(is_host_byte);
        // The root of all names is the host of nobody.
        if matches!(name, b"" | b".") || name.len() > 255 {
            return Err(ParseError::new(start, "host"));
        }
        let name = text(name, start, "host")?;
        if name.as_bytes()[0].is_ascii_digit()
            && let Ok(ip) = name.parse::<Ipv4Addr>()
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

/// Reads `host [":" port]`, white space around the colon allowed (rule 70).
pub(crate) fn take_host_port<'a>(cursor: &mut Cursor<'a>) -> Result<(Host<'a>, Option<u16>), ParseError> {
    let host = Host::take(cursor)?;
    if !cursor.eat_padded(b':') {
        return Ok((host, None));
    }
    let start = cursor.at;
    let digits = cursor.take_while(|byte| byte.is_ascii_digit());
    match decimal::<u16>(digits) {
        Some(port) => Ok((host, Some(port))),
        None => Err(ParseError::new(start, "port")),
    }
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
    fn rule_71_ipv6_reads_with_and_without_brackets() {
        assert_eq!(Host::parse("[2001:DB8::1]"), Host::parse("2001:db8::1"));
        assert_eq!(Host::parse("[::1]").unwrap().to_string(), "[::1]");
        assert!(Host::parse("[::1").is_err());
        assert!(Host::parse("[zz]").is_err());
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
