//! URIs (RFC 3261 §19.1).

mod build;
mod compare;
mod escape;
mod header_part;
mod host;
mod owned;
mod sip;
mod tel;
mod urn;

pub use build::SipUriBuf;

pub use escape::{escape_user, unescape};
pub use host::Host;
pub(crate) use host::{PlainHost, take_host_port};
pub use owned::UriBuf;
pub(crate) use sip::Places;
pub use sip::{SipUri, UriParam};
pub use tel::{PhoneContext, TelUri, TelUriBuf};
pub use urn::{Service, UrnUri};

use crate::lex::text;
use crate::scan::{UriMarks, uri_marks};
use crate::{ParseError, StatusCode, quick};
use memchr::memchr;
use std::fmt;

pub(crate) use crate::limits::MAX_URI_BYTES;

/// A URI as it stands in a message: those that SIP gives a meaning taken apart, others kept as they are (rule 73).
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub enum Uri<'a> {
    /// A `sip` or `sips` URI.
    Sip(SipUri<'a>),
    /// A telephone number.
    Tel(TelUri<'a>),
    /// A name: of a service, an instance, an equipment.
    Urn(UrnUri<'a>),
    /// A URI of another scheme, or one of `tel` or `urn` that is out of the grammar of its scheme.
    Other(OtherUri<'a>),
}

/// A URI that this crate does not take apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherUri<'a> {
    text: &'a str,
    colon: usize,
}

impl<'a> OtherUri<'a> {
    /// The scheme as written.
    pub fn scheme(&self) -> &'a str {
        &self.text[..self.colon]
    }

    /// What follows the colon.
    pub fn opaque(&self) -> &'a str {
        &self.text[self.colon + 1..]
    }
}

impl<'a> Uri<'a> {
    /// Reads a URI that fills all of `value`.
    ///
    /// # Errors
    /// When there is no scheme, a character that no URI may hold, or a `sip` URI out of its grammar; when it is longer than
    /// 8 KiB.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        match quick::sip_uri(value) {
            Some(uri) => Ok(Self::Sip(uri)),
            None => Self::by_grammar(value),
        }
    }

    /// Reads what stands in a request line.
    pub(crate) fn requested(value: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse(value).map_err(|error| match value.len() > MAX_URI_BYTES {
            true => ParseError { status: StatusCode::REQUEST_URI_TOO_LONG, ..error },
            false => error,
        })
    }

    pub(crate) fn by_grammar(value: &'a [u8]) -> Result<Self, ParseError> {
        let marks = uri_marks(value);
        match marks.broken {
            Some(at) => Err(ParseError::new(at, "Request-URI")),
            None => Self::divided(value, marks),
        }
    }

    /// Reads a URI in which the marks were found and nothing is broken.
    pub(crate) fn divided(value: &'a [u8], marks: UriMarks) -> Result<Self, ParseError> {
        if value.len() > MAX_URI_BYTES {
            return Err(ParseError::new(MAX_URI_BYTES, "length of a URI"));
        }
        let text = text(value, 0, "Request-URI")?;
        // Nearly all are of these two schemes.
        let (secure, colon) = match value {
            [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', ..] => (false, 3),
            [b's' | b'S', b'i' | b'I', b'p' | b'P', b's' | b'S', b':', ..] => (true, 4),
            _ => return Self::other(text),
        };
        SipUri::parse(text, colon, secure, marks).map(Self::Sip)
    }

    fn other(text: &'a str) -> Result<Self, ParseError> {
        let colon = memchr(b':', text.as_bytes()).ok_or(ParseError::new(0, "scheme"))?;
        let mut letters = text[..colon].bytes();
        let first = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if !first || !letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            return Err(ParseError::new(0, "scheme"));
        }
        if colon + 1 == text.len() {
            return Err(ParseError::new(colon, "absoluteURI"));
        }
        let named = text[..colon].to_ascii_lowercase();
        let known = match named.as_str() {
            "tel" => TelUri::parse(text.as_bytes()).ok().map(Self::Tel),
            "urn" => UrnUri::parse(text.as_bytes()).ok().map(Self::Urn),
            _ => None,
        };
        Ok(known.unwrap_or(Self::Other(OtherUri { text, colon })))
    }

    /// The URI as written.
    pub fn as_str(&self) -> &'a str {
        match self {
            Self::Sip(uri) => uri.as_str(),
            Self::Tel(uri) => uri.as_str(),
            Self::Urn(uri) => uri.as_str(),
            Self::Other(uri) => uri.text,
        }
    }

    /// The scheme as written.
    pub fn scheme(&self) -> &'a str {
        self.as_str().split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// The `sip` or `sips` URI, where it is one.
    pub fn as_sip(&self) -> Option<&SipUri<'a>> {
        match self {
            Self::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// The `sip` or `sips` URI, or the 416 that a server answers for another scheme (RFC 3261 §8.2.2.1).
    pub fn sip(&self) -> Result<&SipUri<'a>, ParseError> {
        self.as_sip().ok_or(ParseError::with_status(0, "URI scheme", StatusCode::UNSUPPORTED_URI_SCHEME))
    }

    /// Whether both mean the same: `sip` by RFC 3261 §19.1.4, `tel` by RFC 3966 §4, `urn` by RFC 8141 §3, others as text.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        match (self, other) {
            (Self::Sip(a), Uri::Sip(b)) => a.equivalent(b),
            (Self::Tel(a), Uri::Tel(b)) => a.equivalent(b),
            (Self::Urn(a), Uri::Urn(b)) => a.equivalent(b),
            (Self::Other(a), Uri::Other(b)) => {
                a.scheme().eq_ignore_ascii_case(b.scheme()) && a.opaque() == b.opaque()
            }
            _ => false,
        }
    }

    /// An owned copy.
    pub fn to_owned(&self) -> UriBuf {
        UriBuf::from_checked(self.as_str())
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
