//! Fields that are lists of tokens.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{is_token, text, trim};
use crate::{Method, Output, ParseError, Value};
use bytes::Bytes;

/// One token of a list.
pub trait Token<'a> {
    /// The token as written; option tags compare without regard to case.
    fn token(&self) -> &'a str;
}

macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident $id:ident $rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(pub &'a str);

        impl<'a> Header<'a> for $name<'a> {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                let token = trim(value);
                // An empty list is legal for most of these fields and has no element.
                if token.is_empty() || is_token(token) {
                    text(token, 0, $rule).map(Self)
                } else {
                    Err(ParseError::new(0, $rule))
                }
            }
        }

        impl<'a> Token<'a> for $name<'a> {
            fn token(&self) -> &'a str {
                self.0
            }
        }

        impl Value for $name<'_> {
            fn write(&self, out: &mut Output) {
                out.extend_from_slice(self.0.as_bytes());
            }
        }

        displayed_as_written!($name<'_>);
    )*};
}

tokens! {
    /// An extension that the sender understands (RFC 3261 §20.37).
    Supported SUPPORTED "option-tag";
    /// An extension that the user agent must understand (RFC 3261 §20.32).
    Require REQUIRE "option-tag";
    /// An extension that each proxy must understand (RFC 3261 §20.29).
    ProxyRequire PROXY_REQUIRE "option-tag";
    /// An extension that was refused (RFC 3261 §20.40).
    Unsupported UNSUPPORTED "option-tag";
    /// How the body is encoded (RFC 3261 §20.12).
    ContentEncoding CONTENT_ENCODING "content-coding";
}

/// A method that is supported (RFC 3261 §20.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow(pub Method);

impl<'a> Header<'a> for Allow {
    const ID: HeaderId = HeaderId::ALLOW;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        if let Some(method) = Method::known_by(value) {
            return Ok(Self(method));
        }
        let value = trim(value);
        if is_token(value) { Ok(Self(Method::from_token(value))) } else { Err(ParseError::new(0, "Method")) }
    }
}

impl Value for Allow {
    fn write(&self, out: &mut Output) {
        self.0.write(out);
    }
}

displayed_as_written!(Allow);

impl Allow {
    /// A list of methods as one value.
    pub fn list(methods: &[Method]) -> Bytes {
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        Bytes::from(names.join(", "))
    }
}
