//! Header fields: their names and their typed values.
//!
//! A typed value borrows from the message; parsing happens when it is asked for. See
//! [`Message::first`](crate::Message::first) and [`Message::all`](crate::Message::all).

mod address;
mod auth;
mod check;
mod composed;
mod date;
mod feature;
pub(crate) mod id;
mod media_type;
mod numbers;
mod reason;
mod session;
mod table;
mod tokens;
mod valued;
mod via;
mod words;

pub use address::{
    AlertInfo, CallInfo, Contact, Diversion, ErrorInfo, From, Geolocation, HistoryInfo, NameAddr,
    PAssertedIdentity, PAssociatedUri, PCalledPartyId, PPreferredIdentity, PServedUser, Path,
    PermissionMissing, RecordRoute, ReferTo, ReferredBy, RemotePartyId, ReplyTo, Route, ServiceRoute, To,
};
pub use auth::{
    AuthParam, AuthParams, AuthenticationInfo, Authorization, Bearer, Challenge, Credentials,
    ProxyAuthenticate, ProxyAuthenticationInfo, ProxyAuthorization, WwwAuthenticate,
};
pub use check::{check, has_type, normal_form};
pub use composed::{Identity, PChargingVector, RAck, Timestamp};
pub use date::Date;
pub use feature::{Feature, FeatureKind, FeatureValue};
pub use id::HeaderId;
pub use media_type::{Accept, ContentType, MediaType};
pub use numbers::{
    CSeq, CallId, ContentLength, Expires, FlowTimer, MaxBreadth, MaxForwards, MinExpires, RSeq, RetryAfter,
};
pub use reason::{Reason, Warning};
pub use session::{MinSe, Refresher, SessionExpires};
pub use tokens::{Allow, ContentEncoding, ProxyRequire, Require, Supported, Token, Unsupported};
pub use valued::{
    AcceptContact, AcceptEncoding, AcceptLanguage, AnswerMode, ContentDisposition, Event, FeatureCaps,
    GeolocationError, GeolocationRouting, InfoPackage, Join, PAccessNetworkInfo, PVisitedNetworkId,
    PrivAnswerMode, RecvInfo, ReferSub, RejectContact, Replaces, SecurityClient, SecurityServer,
    SecurityVerify, SessionId, SubscriptionState, TargetDialog, UserToUser, Valued,
};
pub use via::Via;
pub use words::{
    AcceptResourcePriority, AllowEvents, ContentId, ContentLanguage, InReplyTo, MimeVersion, Organization,
    Priority, Privacy, RequestDisposition, ResourcePriority, Server, SipEtag, SipIfMatch, Subject,
    SuppressIfMatch, UserAgent,
};

use crate::{ParseError, Value};

/// A typed value of one header field.
///
/// An application adds a field of its own in a few lines; one that the registry lacks goes by its name:
///
/// ```
/// use ringback_message::{HeaderId, Message, Output, ParseError, Value, header::Header};
///
/// /// Names what a request belongs to across our systems.
/// #[derive(Debug, PartialEq)]
/// struct TraceId(u64);
///
/// impl<'a> Header<'a> for TraceId {
///     const ID: HeaderId = HeaderId::OTHER;
///     const NAME: &'static str = "X-Trace-Id";
///
///     fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
///         let number = std::str::from_utf8(value).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
///         number.map(Self).ok_or(ParseError::new(0, "X-Trace-Id"))
///     }
/// }
///
/// impl Value for TraceId {
///     fn write(&self, out: &mut Output) {
///         out.extend_from_slice(format!("{:016x}", self.0).as_bytes());
///     }
/// }
///
/// let mut message = Message::parse(&b"OPTIONS sip:a@b SIP/2.0\r\nx-trace-id: 2a\r\n\r\n"[..])?;
/// assert_eq!(message.first::<TraceId>(), Some(Ok(TraceId(42))));
/// message.put(TraceId(43))?;
/// assert!(message.render().ends_with(b"X-Trace-Id: 000000000000002b\r\n\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Header<'a>: Sized {
    /// The field that it is a value of.
    const ID: HeaderId;

    /// The name of the field: of one that the registry lacks, for which `ID` is [`HeaderId::OTHER`], a token.
    const NAME: &'static str = Self::ID.name();

    /// Whether several values may share a row, separated by commas.
    const IS_LIST: bool = Self::ID.is_list();

    /// Reads one value: one element of a comma list, or a whole row.
    ///
    /// # Errors
    /// When the value is out of its grammar; the offset counts from its start.
    fn parse(value: &'a [u8]) -> Result<Self, ParseError>;

    /// Reads a row of a list that holds this value alone, where that shows without a search for commas. `None` does not
    /// say that anything is wrong.
    #[doc(hidden)]
    fn alone(_row: &'a [u8]) -> Option<Self> {
        None
    }
}

/// Shows a value as it is written into a message.
pub(crate) fn show(value: &impl Value, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    crate::output::written(|out| value.write(out), |text| f.write_str(&String::from_utf8_lossy(text)))
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
