//! Challenges and credentials, as syntax. What they prove is the business of `ringback-auth`.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{Cursor, is_lws, is_token_byte, unquote};
use crate::limits::MAX_PARAMS;
use crate::{Output, ParseError, Value};
use std::borrow::Cow;
use std::ops::Deref;

/// The comma-separated `name=value` pairs of a challenge or of credentials.
#[derive(Clone, Copy, Debug)]
pub struct AuthParams<'a>(&'a [u8]);

/// One pair.
#[derive(Clone, Copy, Debug)]
pub struct AuthParam<'a> {
    /// The name as written; names compare without regard to case.
    pub name: &'a str,
    /// The value as written, with its quotes.
    pub value: &'a [u8],
}

impl<'a> AuthParams<'a> {
    fn check(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        for _ in 0..MAX_PARAMS {
            take_pair(&mut cursor)?;
            if !cursor.eat_padded(b',') {
                cursor.finish("auth-param")?;
                return Ok(Self(value));
            }
        }
        Err(cursor.error("auth-param"))
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = AuthParam<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.0);
        std::iter::from_fn(move || {
            let pair = take_pair(&mut cursor).ok();
            cursor.eat_padded(b',');
            pair
        })
    }

    /// The value of the first pair of that name, without its quotes; `None` where it is absent or no UTF-8.
    pub fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        self.iter().find(|pair| pair.name.eq_ignore_ascii_case(name))?.text()
    }
}

impl<'a> AuthParam<'a> {
    /// The value without its quotes; `None` where it is no UTF-8.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match unquote(self.value) {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }
}

fn take_pair<'a>(cursor: &mut Cursor<'a>) -> Result<AuthParam<'a>, ParseError> {
    cursor.skip_lws();
    let name = cursor.token("auth-param")?;
    if !cursor.eat_padded(b'=') {
        return Err(cursor.error("auth-param"));
    }
    let start = cursor.at;
    let value = match cursor.peek() {
        Some(b'"') => cursor.quoted("auth-param")?,
        // Bare values that should have been quoted are common: URIs and realms.
        _ => cursor.take_while(|byte| byte > b' ' && byte != b',' && byte != b'"'),
    };
    if value.is_empty() {
        return Err(ParseError::new(start, "auth-param"));
    }
    Ok(AuthParam { name, value })
}

/// A scheme followed by pairs or by one opaque token.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The scheme: `Digest`, `Bearer`.
    pub scheme: &'a str,
    /// The pairs; `None` where a single token stands in their place (`Bearer`, RFC 8898).
    pub params: Option<AuthParams<'a>>,
    /// What follows the scheme, as written.
    pub rest: &'a [u8],
}

/// A challenge has the shape of credentials (RFC 3261 §25.1 `challenge`).
pub type Challenge<'a> = Credentials<'a>;

impl<'a> Credentials<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let scheme = cursor.token("auth-scheme")?;
        let before = cursor.at;
        cursor.skip_lws();
        if cursor.at == before {
            return Err(cursor.error("auth-scheme"));
        }
        let rest = cursor.rest();
        // `token68` of RFC 7235: no `=` but at its end.
        let opaque =
            rest.iter().all(|byte| is_token_byte(*byte) || is_lws(*byte) || matches!(byte, b'/' | b'='))
                && !rest.iter().skip_while(|byte| **byte != b'=').any(|byte| *byte != b'=' && !is_lws(*byte));
        let params =
            if opaque { None } else { Some(AuthParams::check(rest).map_err(|e| e.shifted(cursor.at))?) };
        Ok(Self { scheme, params, rest })
    }

    /// The access token, where the scheme is `Bearer` and nothing but a token follows.
    pub fn bearer(&self) -> Option<Bearer<'a>> {
        let is_token = self.scheme.eq_ignore_ascii_case("Bearer") && self.params.is_none();
        std::str::from_utf8(self.rest).ok().filter(|_| is_token).map(|token| Bearer(token.trim()))
    }

    /// The pairs, where the scheme is `Digest`.
    pub fn digest(&self) -> Option<AuthParams<'a>> {
        if self.scheme.eq_ignore_ascii_case("Digest") { self.params } else { None }
    }
}

impl Value for Credentials<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_from_slice(self.scheme.as_bytes());
        out.push(b' ');
        out.extend_unfolded(self.rest);
    }
}

/// An access token (RFC 8898 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer<'a>(pub &'a str);

macro_rules! auth {
    ($($(#[$doc:meta])* $name:ident $id:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a>(pub Credentials<'a>);

        impl<'a> Header<'a> for $name<'a> {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                Credentials::parse(value).map(Self)
            }
        }

        impl Value for $name<'_> {
            fn write(&self, out: &mut Output) {
                self.0.write(out);
            }
        }

        displayed_as_written!($name<'_>);

        impl<'a> Deref for $name<'a> {
            type Target = Credentials<'a>;
            fn deref(&self) -> &Credentials<'a> {
                &self.0
            }
        }
    )*};
}

auth! {
    /// A challenge of a user agent server or registrar (RFC 3261 §20.44).
    WwwAuthenticate WWW_AUTHENTICATE
    /// A challenge of a proxy (RFC 3261 §20.27).
    ProxyAuthenticate PROXY_AUTHENTICATE
    /// Credentials for a user agent server or registrar (RFC 3261 §20.7).
    Authorization AUTHORIZATION
    /// Credentials for a proxy (RFC 3261 §20.28).
    ProxyAuthorization PROXY_AUTHORIZATION
}

macro_rules! info {
    ($($(#[$doc:meta])* $name:ident $id:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a>(pub AuthParams<'a>);

        impl<'a> Header<'a> for $name<'a> {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                AuthParams::check(value).map(Self)
            }
        }

        impl Value for $name<'_> {
            fn write(&self, out: &mut Output) {
                out.extend_unfolded(self.0.0);
            }
        }

        displayed_as_written!($name<'_>);

        impl<'a> Deref for $name<'a> {
            type Target = AuthParams<'a>;
            fn deref(&self) -> &AuthParams<'a> {
                &self.0
            }
        }
    )*};
}

info! {
    /// What a server says after it took credentials: `nextnonce`, `rspauth` … (RFC 3261 §20.6).
    AuthenticationInfo AUTHENTICATION_INFO
    /// The same from a proxy (RFC 7615 §4).
    ProxyAuthenticationInfo PROXY_AUTHENTICATION_INFO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_with_and_without_quotes() {
        let auth = Authorization::parse(
            b"Digest username=\"a\\\"b\", realm=\"x, y\",\r\n nc=00000001 , uri=sip:a@b",
        )
        .unwrap();
        let params = auth.digest().unwrap();
        assert_eq!(params.value("USERNAME").as_deref(), Some("a\"b"));
        assert_eq!(params.value("realm").as_deref(), Some("x, y"));
        assert_eq!(params.value("nc").as_deref(), Some("00000001"));
        assert_eq!(params.value("uri").as_deref(), Some("sip:a@b"));
        assert_eq!(params.value("opaque"), None);
    }

    #[test]
    fn authentication_info_is_one_value() {
        let value =
            b"qop=auth, rspauth=\"6629fae49393a05397450978507c4ef1\",\r\n cnonce=\"0a4f113b\", nc=00000001";
        let info = AuthenticationInfo::parse(value).unwrap();
        assert_eq!(info.value("rspauth").as_deref(), Some("6629fae49393a05397450978507c4ef1"));
        assert!(info.to_string().ends_with("   cnonce=\"0a4f113b\", nc=00000001"));
    }

    #[test]
    fn bearer_has_a_token_and_unknown_schemes_survive() {
        let bearer = Authorization::parse(b"Bearer mF_9.B5f-4.1JqM==").unwrap();
        assert!(bearer.params.is_none() && bearer.digest().is_none());
        let odd = Authorization::parse(b"NoOneKnowsThisScheme opaque-data=here").unwrap();
        assert_eq!(odd.params.unwrap().value("opaque-data").as_deref(), Some("here"));
        assert!(odd.digest().is_none());
        assert!(Authorization::parse(b"Digest username=\"open").is_err());
        assert!(Authorization::parse(b"Digest").is_err());
    }
}
