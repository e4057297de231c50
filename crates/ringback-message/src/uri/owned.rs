//! URIs that outlive their message.

use super::{SipUri, Uri};
use crate::ParseError;
use bytes::Bytes;
use std::fmt;
use std::str::FromStr;

/// An owned URI: checked once, cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UriBuf(Bytes);

impl UriBuf {
    /// Checks and copies.
    ///
    /// # Errors
    /// As [`Uri::parse`].
    pub fn new(text: &str) -> Result<Self, ParseError> {
        Uri::parse(text.as_bytes())?;
        Ok(Self::from_checked(text))
    }

    pub(super) fn from_checked(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The URI, taken apart.
    pub fn as_uri(&self) -> Uri<'_> {
        Uri::parse(&self.0).expect("parsed when it was made")
    }

    /// The `sip` or `sips` URI, where it is one.
    pub fn as_sip(&self) -> Option<SipUri<'_>> {
        self.as_uri().as_sip().copied()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("parsed when it was made")
    }

    /// The same URI without parameters and headers: what registrars and dialogs compare.
    pub fn without_params(&self) -> Self {
        match self.as_sip() {
            Some(uri) => Self::from_checked(uri.bare()),
            None => self.clone(),
        }
    }
}

impl FromStr for UriBuf {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::new(text)
    }
}

impl AsRef<[u8]> for UriBuf {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for UriBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UriBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
