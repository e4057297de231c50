//! Header fields: their names and their typed values.
//!
//! A typed value borrows from the message; parsing happens when it is asked for. See
//! [`Message::first`](crate::Message::first) and [`Message::all`](crate::Message::all).

mod address;
mod auth;
pub(crate) mod id;
mod media_type;
mod numbers;
mod reason;
mod table;
mod tokens;
mod via;

pub use address::{Contact, From, NameAddr, Path, RecordRoute, ReferTo, Route, ServiceRoute, To};
pub use auth::{
    AuthParam, AuthParams, Authorization, Challenge, Credentials, ProxyAuthenticate, ProxyAuthorization,
    WwwAuthenticate,
};
pub use id::HeaderId;
pub use media_type::{Accept, ContentType, MediaType};
pub use numbers::{CSeq, CallId, ContentLength, Expires, MaxForwards, MinExpires, RetryAfter};
pub use reason::{Reason, Warning};
pub use tokens::{Allow, ContentEncoding, ProxyRequire, Require, Supported, Token, Unsupported};
pub use via::Via;

use crate::{Output, ParseError, Value};

/// A typed value of one header field.
///
/// ```
/// use ringback_message::{HeaderId, ParseError, header::Header};
///
/// /// The subject of a call (RFC 3261 §20.36).
/// struct Subject<'a>(&'a [u8]);
///
/// impl<'a> Header<'a> for Subject<'a> {
///     const ID: HeaderId = HeaderId::SUBJECT;
///     fn parse(value: &'a [u8]) -> Result<Self, ParseError> { Ok(Self(value)) }
/// }
/// ```
pub trait Header<'a>: Sized {
    /// The field that it is a value of.
    const ID: HeaderId;

    /// Reads one value: one element of a comma list, or a whole row.
    ///
    /// # Errors
    /// When the value is out of its grammar; the offset counts from its start.
    fn parse(value: &'a [u8]) -> Result<Self, ParseError>;
}

/// Shows a value as it is written into a message.
pub(crate) fn show(value: &impl Value, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    let mut out = Output::default();
    value.write(&mut out);
    f.write_str(&String::from_utf8_lossy(out.as_slice()))
}

/// Displays types as they are written into a message.
macro_rules! displayed_as_written {
    ($($type:ty),*) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::header::show(self, f)
            }
        }
    )*};
}
pub(crate) use displayed_as_written;
