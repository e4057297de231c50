//! What can be wrong with a challenge, with credentials, and with answering.

use ringback_message::InvalidValue;
use std::fmt;

/// Why a challenge or credentials cannot be used. The peer's doing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestError {
    /// Another scheme than Digest. Basic is forbidden in SIP (RFC 3261 §22).
    NotDigest,
    /// A hash function that this crate does not have.
    UnknownAlgorithm,
    /// No quality of protection that this crate has.
    UnknownQop,
    /// This parameter is missing.
    Missing(&'static str),
    /// A parameter is there twice, so that two readers could see two things.
    Repeated,
    /// This parameter is out of its grammar.
    Malformed(&'static str),
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDigest => f.write_str("scheme is not Digest"),
            Self::UnknownAlgorithm => f.write_str("unknown digest algorithm"),
            Self::UnknownQop => f.write_str("unknown quality of protection"),
            Self::Missing(name) => write!(f, "{name} is missing"),
            Self::Repeated => f.write_str("a parameter is repeated"),
            Self::Malformed(name) => write!(f, "{name} is malformed"),
        }
    }
}

impl std::error::Error for DigestError {}

/// Why a request cannot be sent again with credentials.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The response is no challenge, or holds none that can be read.
    NoChallenge(Option<DigestError>),
    /// ACK and CANCEL cannot be sent again (RFC 3261 §22.1).
    Method,
    /// There is no password for any realm that was asked for.
    NoCredentials,
    /// The credentials were sent and refused.
    Refused,
    /// The credentials do not fit into the request.
    Unwritable(InvalidValue),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChallenge(None) => f.write_str("no challenge in the response"),
            Self::NoChallenge(Some(error)) => write!(f, "no challenge that can be answered: {error}"),
            Self::Method => f.write_str("ACK and CANCEL cannot be sent again with credentials"),
            Self::NoCredentials => f.write_str("no credentials for the realm"),
            Self::Refused => f.write_str("credentials were refused"),
            Self::Unwritable(error) => write!(f, "credentials cannot be written: {error}"),
        }
    }
}

impl std::error::Error for AuthError {}

impl From<InvalidValue> for AuthError {
    fn from(error: InvalidValue) -> Self {
        Self::Unwritable(error)
    }
}
