//! Content-Type and Accept.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::Cursor;
use crate::{Output, Params, ParseError, Value};
use std::ops::Deref;

/// A media type or range with its parameters (RFC 3261 §25.1 `media-type`).
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    /// The type: `application`.
    pub kind: &'a str,
    /// The subtype: `sdp`.
    pub subtype: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let kind = cursor.token("m-type")?;
        if !cursor.eat_padded(b'/') {
            return Err(cursor.error("media-type"));
        }
        let subtype = cursor.token("m-subtype")?;
        let params = Params::take(&mut cursor, "m-parameter")?;
        cursor.finish("media-type")?;
        Ok(Self { kind, subtype, params })
    }

    /// Whether this is `kind/subtype`, in any letter case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether a range such as `*/*` or `text/*` takes in `kind/subtype`.
    pub fn covers(&self, kind: &str, subtype: &str) -> bool {
        (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
            && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }
}

impl Value for MediaType<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_from_slice(self.kind.as_bytes());
        out.push(b'/');
        out.extend_from_slice(self.subtype.as_bytes());
        self.params.write(out);
    }
}

displayed_as_written!(MediaType<'_>);

macro_rules! media_types {
    ($($(#[$doc:meta])* $name:ident $id:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a>(pub MediaType<'a>);

        impl<'a> Header<'a> for $name<'a> {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                MediaType::parse(value).map(Self)
            }
        }

        impl Value for $name<'_> {
            fn write(&self, out: &mut Output) {
                self.0.write(out);
            }
        }

        displayed_as_written!($name<'_>);

        impl<'a> Deref for $name<'a> {
            type Target = MediaType<'a>;
            fn deref(&self) -> &MediaType<'a> {
                &self.0
            }
        }
    )*};
}

media_types! {
    /// What the body is (RFC 3261 §20.15).
    ContentType CONTENT_TYPE
    /// One media range that may be answered with (RFC 3261 §20.1).
    Accept ACCEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_types() {
        assert!(Accept::parse(b"*/*;q=0.2").unwrap().covers("application", "sdp"));
        assert!(Accept::parse(b"Text/*").unwrap().covers("text", "plain"));
        assert!(!Accept::parse(b"text/plain").unwrap().covers("application", "sdp"));
        assert!(ContentType::parse(b"Application / SDP ; charset=utf-8").unwrap().is("application", "sdp"));
        assert!(ContentType::parse(b"sdp").is_err());
    }
}
