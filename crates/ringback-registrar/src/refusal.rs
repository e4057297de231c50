//! Why a REGISTER is refused, and with which response.

use crate::CommitError;
use ringback_message::{HeaderId, ParseError, Request, ResponseBuilder, StatusCode};
use std::fmt;

/// Why a REGISTER changed nothing.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It requires extensions that this registrar does not have: 420.
    Extensions(Vec<String>),
    /// It has a Path that its user agent does not know of: 420 (RFC 3327 §5.3).
    UnknownPath,
    /// A header field is missing or out of its grammar: the status that the error names.
    Malformed(ParseError),
    /// To has another scheme than `sip` or `sips`, which no address of record has: 400.
    Scheme,
    /// To names no user of our domains: 404.
    NotFound,
    /// To names another user than the one who proved his identity: 403.
    NotOwner,
    /// The policy does not want one of the contacts: 403.
    Contact,
    /// `Contact: *` beside other contacts, or without `Expires: 0` (rule 72): 400.
    Wildcard,
    /// Several contacts that last, one of them of a numbered flow (RFC 5626 §6): 400.
    Flows,
    /// The proxy that the request came to first does not keep the flow to its user agent: 439 (RFC 5626 §6).
    FirstHop,
    /// A binding would last less than this many seconds: 423 with Min-Expires.
    TooBrief(u32),
    /// An older request, or the same one, from the same registration: 500.
    ///
    /// RFC 3261 §10.3 has such a request "fail", and answers 500 whenever one update of several fails; the same
    /// code is used for a CSeq that goes back in a dialog (§12.2.2).
    OutOfOrder,
    /// More contacts for one address of record than are allowed: 403. Not 503, which would send the phone to
    /// the next server with the same contacts.
    TooManyContacts,
    /// A contact with all that comes with it is longer than is kept: 513.
    TooLarge,
    /// It wants to be woken by a service that is not to be had: 555 (RFC 8599 §8.1).
    PushService,
    /// It wants to be woken and does not say, or not legibly, under which name: 400.
    Push,
    /// The store has no room: 503 with Retry-After.
    Full,
    /// The store failed: 500.
    Store,
}

impl Refusal {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Extensions(_) | Self::UnknownPath => StatusCode::BAD_EXTENSION,
            Self::Malformed(error) => error.status,
            Self::Scheme | Self::Wildcard | Self::Flows | Self::Push => StatusCode::BAD_REQUEST,
            Self::FirstHop => StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotOwner | Self::Contact | Self::TooManyContacts => StatusCode::FORBIDDEN,
            Self::TooBrief(_) => StatusCode::INTERVAL_TOO_BRIEF,
            Self::OutOfOrder | Self::Store => StatusCode::SERVER_INTERNAL_ERROR,
            Self::TooLarge => StatusCode::MESSAGE_TOO_LARGE,
            Self::PushService => StatusCode::PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Starts the response. The reason phrase says what was wrong where the status alone does not.
    pub fn response(&self, request: &Request, to_tag: &str) -> ResponseBuilder {
        let reply = request.reply_with(self.status(), &self.reason(), Some(to_tag));
        match self {
            Self::Extensions(tags) => reply.header(HeaderId::UNSUPPORTED, tags.join(", ")),
            Self::UnknownPath => reply.header(HeaderId::UNSUPPORTED, "path").copy(request, HeaderId::PATH),
            Self::TooBrief(least) => reply.header(HeaderId::MIN_EXPIRES, *least),
            Self::Full => reply.header(HeaderId::RETRY_AFTER, 60u32),
            _ => reply,
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Malformed(error) if error.status == StatusCode::BAD_REQUEST => {
                format!("Bad {}", error.rule)
            }
            Self::Scheme => "Bad URI Scheme In To".into(),
            Self::Contact => "Contact Not Allowed".into(),
            Self::Wildcard => "Contact * Needs Expires 0 And Nothing Else".into(),
            Self::Flows => "One Contact With Reg-ID At A Time".into(),
            Self::OutOfOrder => "CSeq Out Of Order".into(),
            Self::Push => "pn-prid Missing Or Illegible".into(),
            Self::TooManyContacts => "Too Many Contacts".into(),
            _ => self.status().reason().into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extensions(tags) => write!(f, "unknown extensions {}", tags.join(", ")),
            Self::UnknownPath => f.write_str("path without support for it"),
            Self::Malformed(error) => error.fmt(f),
            Self::NotOwner => f.write_str("not the user's own address of record"),
            Self::TooBrief(least) => write!(f, "shorter than {least} seconds"),
            Self::Full => f.write_str("the location store is full"),
            Self::Store => f.write_str("the location store failed"),
            _ => f.write_str(&self.reason()),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::Malformed(error)
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Full => Self::Full,
            CommitError::Failed => Self::Store,
        }
    }
}
