//! `sip` and `sips` URIs.

use super::escape::{same_ignoring_case, unescape};
use super::host::take_host_port_of;
use super::{Host, MAX_URI_BYTES, UriBuf};
use crate::ParseError;
use crate::lex::Cursor;
use crate::scan::UriMarks;
use memchr::memchr;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// A `sip` or `sips` URI (RFC 3261 §19.1), taken apart where it stands.
#[derive(Clone, Copy)]
pub struct SipUri<'a> {
    text: &'a str,
    host: Host<'a>,
    port: Option<u16>,
    secure: bool,
    /// Where the user ends; 0 where there is none.
    user_end: u16,
    /// Where the `@` is; further on than `user_end` where there is a password.
    sign: u16,
    /// Where host and port end: what follows is parameters and headers.
    bare: u16,
    /// Where the parameters end: what follows is `?` and headers.
    params_end: u16,
}

/// The places of a URI that divide it.
pub(crate) struct Places {
    /// Where the user ends, and where the `@` is.
    pub(crate) userinfo: Option<(usize, usize)>,
    /// Where host and port end.
    pub(crate) bare: usize,
    /// Where the parameters end.
    pub(crate) params_end: usize,
}

/// One parameter of a URI, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UriParam<'a> {
    /// The name; names compare without regard to case, escapes resolved.
    pub name: &'a str,
    /// The value; `None` for a flag such as `lr`.
    pub value: Option<&'a str>,
}

impl<'a> UriParam<'a> {
    /// Reads what stands between two semicolons.
    pub(super) fn read(param: &'a str) -> Self {
        match param.split_once('=') {
            Some((name, value)) => Self { name, value: Some(value) },
            None => Self { name: param, value: None },
        }
    }

    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        same_ignoring_case(self.name, name)
    }
}

impl<'a> SipUri<'a> {
    /// `None` where the text is too long.
    pub(crate) fn new(
        text: &'a str,
        secure: bool,
        host: Host<'a>,
        port: Option<u16>,
        places: Places,
    ) -> Option<Self> {
        if text.len() > MAX_URI_BYTES {
            return None;
        }
        let (user_end, sign) = places.userinfo.unwrap_or_default();
        Some(Self {
            text,
            host,
            port,
            secure,
            user_end: user_end as u16,
            sign: sign as u16,
            bare: places.bare as u16,
            params_end: places.params_end as u16,
        })
    }

    fn slice(&self, start: usize, end: u16) -> &'a str {
        self.text.get(start..usize::from(end)).unwrap_or_default()
    }

    /// The parameters as written, from the first semicolon on.
    fn params_text(&self) -> &'a str {
        self.slice(self.bare.into(), self.params_end)
    }

    pub(super) fn parse(
        text: &'a str,
        colon: usize,
        secure: bool,
        marks: UriMarks,
    ) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(text.as_bytes());
        cursor.at = colon + 1;
        // `@` must be escaped everywhere but behind the user, so the first one ends it, whatever `;` and `?`
        // stand before (RFC 4475 §3.1.1.9).
        let mut userinfo = None;
        if let Some(sign) = marks.at {
            let user = text.as_bytes().get(cursor.at..sign).unwrap_or_default();
            let user_end = memchr(b':', user).map_or(sign, |colon| cursor.at + colon);
            if user_end <= cursor.at {
                return Err(cursor.error("user"));
            }
            userinfo = Some((user_end, sign));
            cursor.at = sign + 1;
        }
        let (host, port) = take_host_port_of(text, &mut cursor)?;
        let bare = cursor.at;
        let params_end = marks.question.filter(|at| *at >= bare).unwrap_or(text.len());
        let params = &text[bare..params_end];
        if !params.is_empty() {
            if !params.starts_with(';') {
                return Err(ParseError::new(bare, "SIP-URI"));
            }
            // Each parameter has a name.
            let mut before = 0;
            for byte in params.bytes().chain([b';']) {
                if before == b';' && matches!(byte, b';' | b'=') {
                    return Err(ParseError::new(bare, "uri-parameter"));
                }
                before = byte;
            }
        }
        let places = Places { userinfo, bare, params_end };
        Self::new(text, secure, host, port, places).ok_or(ParseError::new(0, "length of a URI"))
    }

    /// The URI as written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether the scheme is `sips`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The user part as written, escapes and all.
    pub fn user(&self) -> Option<&'a str> {
        (self.user_end > 0).then(|| self.slice(self.scheme_end(), self.user_end))
    }

    fn scheme_end(&self) -> usize {
        if self.secure { "sips:".len() } else { "sip:".len() }
    }

    /// The octets that the user part stands for.
    pub fn user_octets(&self) -> Option<Cow<'a, [u8]>> {
        self.user().map(unescape)
    }

    /// The password as written. Deprecated by RFC 3261 §19.1.1, but it takes part in comparison.
    pub fn password(&self) -> Option<&'a str> {
        (self.sign > self.user_end).then(|| self.slice(usize::from(self.user_end) + 1, self.sign))
    }

    /// The host.
    pub fn host(&self) -> Host<'a> {
        self.host
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Scheme, user, host and port as written, without parameters and headers.
    pub fn bare(&self) -> &'a str {
        self.slice(0, self.bare)
    }

    /// The parameters in order.
    pub fn params(&self) -> impl Iterator<Item = UriParam<'a>> + use<'a> {
        self.params_text().split(';').skip(1).map(UriParam::read)
    }

    /// The first parameter of that name.
    pub fn param(&self, name: &str) -> Option<UriParam<'a>> {
        if self.bare == self.params_end {
            return None;
        }
        self.params().find(|param| param.is(name))
    }

    /// The `transport` parameter as written.
    pub fn transport(&self) -> Option<&'a str> {
        self.param("transport")?.value
    }

    /// The `maddr` parameter.
    pub fn maddr(&self) -> Option<Host<'a>> {
        self.param("maddr")?.value.and_then(|value| Host::parse(value).ok())
    }

    /// Whether the `lr` parameter is there, in whatever spelling (`lr`, `lr=true`, `%6C%72`).
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The `gr` parameter of a GRUU (RFC 5627 §5): one instance of a user. Its value names the instance, and is missing in
    /// a temporary GRUU.
    pub fn gruu(&self) -> Option<UriParam<'a>> {
        self.param("gr")
    }

    /// Whether the `ob` parameter is there: requests to this contact must come by the flow that it was told on
    /// (RFC 5626 §4.3, §5.3).
    pub fn is_outbound(&self) -> bool {
        self.param("ob").is_some()
    }

    /// The headers behind the question mark, as written. They are never copied into a request unseen (rule 83).
    pub fn headers(&self) -> Option<&'a str> {
        self.text.get(usize::from(self.params_end) + 1..)
    }

    /// The URI without its headers: what may stand in a start line (RFC 3261 §19.1.1, Table 1).
    pub fn without_headers(&self) -> &'a str {
        self.slice(0, self.params_end)
    }

    /// Whether both mean the same (RFC 3261 §19.1.4).
    pub fn equivalent(&self, other: &SipUri<'_>) -> bool {
        super::compare::equivalent(self, other)
    }

    /// The address of record in one canonical spelling, fit as a key (RFC 3261 §10.3 step 5): no
    /// parameters and headers, escapes resolved, host in lower case.
    pub fn address_of_record(&self) -> String {
        let mut aor = String::with_capacity(usize::from(self.bare) + 8);
        aor.push_str(if self.secure { "sips:" } else { "sip:" });
        self.push_user_at_host(&mut aor);
        if let Some(port) = self.port {
            use fmt::Write as _;
            let _ = write!(aor, ":{port}");
        }
        aor
    }

    /// Appends what of [`address_of_record`](Self::address_of_record) names user and host, without scheme and port.
    pub fn push_user_at_host(&self, aor: &mut String) {
        if let Some(user) = self.user() {
            if user.contains('%') {
                aor.push_str(&super::escape_user(&unescape(user)));
            } else {
                aor.push_str(user);
            }
            aor.push('@');
        }
        match self.host {
            Host::Name(name) => {
                // The dot of the root; of several the last is none.
                let rootless = name.strip_suffix('.').filter(|name| !name.ends_with('.'));
                let name = rootless.unwrap_or(name);
                let start = aor.len();
                aor.push_str(name);
                aor[start..].make_ascii_lowercase();
            }
            // An IPv4 address is read in one spelling alone.
            Host::Ip(IpAddr::V4(_)) => {
                let scheme = if self.secure { "sips:" } else { "sip:" };
                let start = if self.sign > 0 { usize::from(self.sign) + 1 } else { scheme.len() };
                let text = self.slice(start, self.bare);
                aor.push_str(text.split_once(':').map_or(text, |(host, _)| host));
            }
            Host::Ip(IpAddr::V6(_)) => {
                use fmt::Write as _;
                let _ = write!(aor, "{}", self.host);
            }
        }
    }

    /// An owned copy.
    pub fn to_owned(&self) -> UriBuf {
        UriBuf::from_checked(self.text)
    }
}

impl fmt::Debug for SipUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Display for SipUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Uri;
    use super::*;

    fn sip(text: &str) -> SipUri<'_> {
        match Uri::parse(text.as_bytes()) {
            Ok(Uri::Sip(uri)) => uri,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn takes_a_uri_apart() {
        let uri = sip("sips:alice:pw@[::1]:5061;transport=tcp;lr?Subject=hi");
        assert!(uri.is_secure());
        assert_eq!((uri.user(), uri.password()), (Some("alice"), Some("pw")));
        assert_eq!((uri.host().to_string().as_str(), uri.port()), ("[::1]", Some(5061)));
        assert_eq!(uri.transport(), Some("tcp"));
        assert!(uri.is_loose_router());
        assert_eq!(uri.headers(), Some("Subject=hi"));
        assert_eq!(uri.without_headers(), "sips:alice:pw@[::1]:5061;transport=tcp;lr");
        assert_eq!(uri.bare(), "sips:alice:pw@[::1]:5061");
    }

    #[test]
    fn semicolons_and_question_marks_may_belong_to_the_user() {
        let uri = sip("sip:user;par=u%40example.net@example.com");
        assert_eq!(uri.user(), Some("user;par=u%40example.net"));
        assert_eq!(uri.params().count(), 0);
        let uri = sip(
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        );
        assert_eq!(uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    }

    #[test]
    fn escaped_parameter_names_are_found() {
        assert!(sip("sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31").is_loose_router());
    }

    #[test]
    fn instances_and_flows_are_told() {
        let uri = sip("sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6;ob");
        assert_eq!(uri.gruu().unwrap().value, Some("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
        assert!(uri.is_outbound());
        assert_eq!(sip("sip:tgruu.7hs@example.com;gr").gruu().unwrap().value, None);
        assert!(sip("sip:a@b;grx").gruu().is_none() && !sip("sip:a@b").is_outbound());
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            "sip",
            "sip:",
            "sip:@host",
            "sip:a@",
            "sip:a@b:99999",
            "sip:a@b;;x",
            "<sip:a@b>",
            "sip:a b@c",
            ":x",
        ] {
            assert!(Uri::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Uri::parse(b"nobodyKnowsThisScheme:totallyopaquecontent").is_ok());
    }

    #[test]
    fn addresses_of_record_have_one_spelling() {
        assert_eq!(sip("SIP:%61lice@Atlanta.COM;transport=tcp").address_of_record(), "sip:alice@atlanta.com");
        for plain in
            ["sip:192.0.2.4", "sips:bob@192.0.2.4:5061", "sip:bob@192.0.2.4", "sip:b@[2001:db8::1]:5060"]
        {
            assert_eq!(sip(plain).address_of_record(), plain);
        }
        assert_eq!(sip("SIPS:b:pw@192.0.2.4;x").address_of_record(), "sips:b@192.0.2.4");
        assert_eq!(sip("sip:null-%00-null@example.com").address_of_record(), "sip:null-%00-null@example.com");
    }
}
