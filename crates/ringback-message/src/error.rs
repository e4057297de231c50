//! What can be wrong with a message, and whose fault it is.

use crate::StatusCode;
use std::fmt;

/// Why a message or a header value was refused. The peer's fault, never ours.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Byte offset where parsing stopped: in the message where a message was read, in the value where a
    /// lone value was.
    pub offset: u32,
    /// What was broken: a grammar rule as RFC 3261 §25.1 names it, or the header field.
    pub rule: &'static str,
    /// The response that a server element sends for it.
    pub status: StatusCode,
}

impl ParseError {
    /// A fault answered with 400.
    pub fn new(offset: usize, rule: &'static str) -> Self {
        Self::with_status(offset, rule, StatusCode::BAD_REQUEST)
    }

    /// A fault answered with `status`.
    pub fn with_status(offset: usize, rule: &'static str, status: StatusCode) -> Self {
        Self { offset: u32::try_from(offset).unwrap_or(u32::MAX), rule, status }
    }

    /// The same fault in a message that holds the value at `start`.
    pub(crate) fn shifted(self, start: usize) -> Self {
        Self { offset: self.offset.saturating_add(u32::try_from(start).unwrap_or(u32::MAX)), ..self }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad {} at byte {}", self.rule, self.offset)
    }
}

impl std::error::Error for ParseError {}

/// Why a value cannot be put into a message. The caller's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidValue {
    /// It holds a CR, LF or NUL, which would end the line or the message early (header injection).
    ControlCharacter,
    /// It is not what the place asks for, such as a method that is no token.
    Malformed(&'static str),
    /// The header section would pass 64 KiB.
    TooLong,
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlCharacter => f.write_str("value holds CR, LF or NUL"),
            Self::Malformed(what) => write!(f, "not a valid {what}"),
            Self::TooLong => f.write_str("header section longer than 64 KiB"),
        }
    }
}

impl std::error::Error for InvalidValue {}
