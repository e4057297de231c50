//! `sip` URIs in the making.

use super::escape::{HEADER, PARAM, PASSWORD, USER, escape_but};
use super::{Host, SipUri, UriBuf, UriParam};
use crate::InvalidValue;

/// A `sip` or `sips` URI in the making. What may not stand in a component is escaped there, so that it is read as it was
/// meant (RFC 3261 §19.1.2 and §25.1).
///
/// ```
/// use ringback_message::SipUriBuf;
///
/// let uri = SipUriBuf::new("[2001:db8::1]").secure().user("tom@home").port(5061).param("transport", "tcp").flag("ob");
/// let uri = uri.header("Replaces", "1@a;to-tag=x;from-tag=y").build()?;
/// assert_eq!(
///     uri.as_str(),
///     "sips:tom%40home@[2001:db8::1]:5061;transport=tcp;ob?Replaces=1%40a%3Bto-tag%3Dx%3Bfrom-tag%3Dy",
/// );
/// # Ok::<(), ringback_message::InvalidValue>(())
/// ```
#[derive(Clone, Debug)]
pub struct SipUriBuf {
    secure: bool,
    /// User and password with their `@`, as they are written.
    userinfo: String,
    password: Option<String>,
    host_port: String,
    params: String,
    headers: String,
    /// Whether something was put in that may not be there. What came with another URI is not judged.
    is_malformed: bool,
}

impl SipUriBuf {
    /// A `sip` URI of that host: a domain name or an address, IPv6 with or without brackets.
    pub fn new(host: &str) -> Self {
        let host_port = Host::parse(host).map_or_else(|_| String::new(), |host| host.to_string());
        Self {
            secure: false,
            userinfo: String::new(),
            password: None,
            host_port,
            params: String::new(),
            headers: String::new(),
            is_malformed: false,
        }
    }

    /// Makes it a `sips` URI.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// Sets the user.
    #[must_use]
    pub fn user(mut self, user: impl AsRef<[u8]>) -> Self {
        self.userinfo = escape_but(user.as_ref(), USER);
        self.is_malformed |= self.userinfo.is_empty();
        self
    }

    /// Sets the password. Only to reach those who ask for it: it is sent in the clear (RFC 3261 §19.1.1).
    #[must_use]
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.password = Some(escape_but(password.as_ref(), PASSWORD));
        self
    }

    /// Sets the port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        let host = self.host_port.rfind(':').filter(|_| !self.host_port.ends_with(']'));
        self.host_port.truncate(host.unwrap_or(self.host_port.len()));
        self.host_port.push_str(&format!(":{port}"));
        self
    }

    /// Adds a parameter with a value.
    #[must_use]
    pub fn param(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self = self.flag(name);
        self.is_malformed |= value.as_ref().is_empty();
        self.params.push('=');
        self.params.push_str(&escape_but(value.as_ref(), PARAM));
        self
    }

    /// Adds a parameter without a value.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        // Each parameter stands once (§19.1.1).
        let name = escape_but(name.as_bytes(), PARAM);
        self.is_malformed |= name.is_empty() || params_of(&self.params).any(|param| param.is(&name));
        self.params.push(';');
        self.params.push_str(&name);
        self
    }

    /// Adds a header field to the header part. The name `body` stands for the body (§19.1.1).
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.is_malformed |= name.is_empty();
        self.headers.push(if self.headers.is_empty() { '?' } else { '&' });
        self.headers.push_str(&escape_but(name.as_bytes(), HEADER));
        self.headers.push('=');
        self.headers.push_str(&escape_but(value.as_ref(), HEADER));
        self
    }

    /// Ends the building.
    ///
    /// # Errors
    /// When the host is none, the user is empty, there is a password without a user, a parameter or header field without
    /// a name, a parameter with an empty value, or one that stands twice.
    pub fn build(self) -> Result<UriBuf, InvalidValue> {
        let malformed = Err(InvalidValue::Malformed("sip URI"));
        let scheme = if self.secure { "sips" } else { "sip" };
        let at = if self.userinfo.is_empty() { "" } else { "@" };
        let password = match self.password {
            Some(_) if at.is_empty() => return malformed,
            Some(password) => format!(":{password}"),
            None => String::new(),
        };
        if self.is_malformed {
            return malformed;
        }
        let Self { userinfo, host_port, params, headers, .. } = self;
        UriBuf::new(&format!("{scheme}:{userinfo}{password}{at}{host_port}{params}{headers}")).or(malformed)
    }
}

fn params_of(text: &str) -> impl Iterator<Item = UriParam<'_>> {
    text.split(';').skip(1).map(UriParam::read)
}

/// The parts of a URI, to make another of.
impl From<SipUri<'_>> for SipUriBuf {
    fn from(uri: SipUri<'_>) -> Self {
        let mut host_port = uri.host().to_string();
        if let Some(port) = uri.port() {
            host_port.push_str(&format!(":{port}"));
        }
        Self {
            secure: uri.is_secure(),
            userinfo: uri.user().unwrap_or_default().to_owned(),
            password: uri.password().map(str::to_owned),
            host_port,
            params: uri.without_headers()[uri.bare().len()..].to_owned(),
            headers: uri.as_str()[uri.without_headers().len()..].to_owned(),
            is_malformed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_comes_back_from_every_component() {
        let octets: Vec<u8> = (0..=255).collect();
        let built = SipUriBuf::new("example.com")
            .user(&octets)
            .password(&octets)
            .param("p", &octets)
            .header("h", &octets)
            .build()
            .unwrap();
        let uri = built.as_sip().unwrap();
        let same = |text: Option<&str>| crate::unescape(text.unwrap()).into_owned() == octets;
        assert!(same(uri.user()) && same(uri.password()) && same(uri.param("p").unwrap().value));
        let (name, value) = uri.header_fields().next().unwrap();
        assert_eq!((&*name, &*value), (&b"h"[..], &octets[..]));
        assert_eq!(uri.host().to_string(), "example.com");
    }

    #[test]
    fn what_cannot_be_a_uri_is_not_built() {
        for broken in [
            SipUriBuf::new("a b"),
            SipUriBuf::new(""),
            SipUriBuf::new("a").password("x"),
            SipUriBuf::new("a").flag(""),
            SipUriBuf::new("a").user(""),
            SipUriBuf::new("a").param("x", ""),
            SipUriBuf::new("a").param("x", "1").flag("X"),
            SipUriBuf::new("a").header("", "x"),
        ] {
            assert!(broken.clone().build().is_err(), "{broken:?}");
        }
    }

    #[test]
    fn a_uri_is_made_of_the_parts_of_another() {
        let text = "sips:a%20b:c@[2001:db8::1]:5061;lr;x=%41?Subject=y";
        let from: UriBuf = text.parse().unwrap();
        let made = SipUriBuf::from(from.as_sip().unwrap());
        assert_eq!(made.clone().build().unwrap().as_str(), text);
        let made = made.port(5070).header("a", "b").build().unwrap();
        assert_eq!(made.as_str(), "sips:a%20b:c@[2001:db8::1]:5070;lr;x=%41?Subject=y&a=b");
        let odd: UriBuf = "sip:a@b;lr=;x;x?=y".parse().unwrap();
        assert_eq!(SipUriBuf::from(odd.as_sip().unwrap()).build().unwrap(), odd, "what came is not judged");
        let port = SipUriBuf::new("::1").port(1).port(2).build().unwrap();
        assert_eq!(port.as_str(), "sip:[::1]:2");
    }
}
