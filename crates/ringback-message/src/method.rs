//! Request methods.

use crate::lex::{is_token, pad};
use crate::{InvalidValue, ParseError};
use bytes::Bytes;
use std::fmt;

/// A request method: a case-sensitive token (RFC 3261 §7.1).
///
/// Methods that this crate does not know keep their bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Method(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Known(Known),
    Other(Bytes),
}

macro_rules! methods {
    ($($constant:ident $variant:ident $name:literal $doc:literal)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        enum Known { $($variant),* }

        impl Method {
            $(#[doc = $doc] pub const $constant: Self = Self(Repr::Known(Known::$variant));)*

            fn known(name: &[u8]) -> Option<Known> {
                $(if name == $name.as_bytes() { return Some(Known::$variant); })*
                None
            }

            /// The token of a known method with spaces behind it, and its length.
            pub(crate) fn padded(&self) -> Option<(&'static [u8; 16], usize)> {
                static NAMES: &[([u8; 16], usize)] = &[$((pad($name.as_bytes()), $name.len())),*];
                match &self.0 {
                    Repr::Known(known) => NAMES.get(*known as usize).map(|(name, length)| (name, *length)),
                    Repr::Other(_) => None,
                }
            }

            /// The token as it stands in the start line.
            pub fn as_str(&self) -> &str {
                match &self.0 {
                    $(Repr::Known(Known::$variant) => $name,)*
                    Repr::Other(name) => std::str::from_utf8(name).expect("a token is ASCII: checked on the way in"),
                }
            }
        }
    };
}

methods! {
    INVITE Invite "INVITE" "Starts or changes a session (RFC 3261)."
    ACK Ack "ACK" "Confirms a final response to INVITE (RFC 3261)."
    BYE Bye "BYE" "Ends a session (RFC 3261)."
    CANCEL Cancel "CANCEL" "Takes back a pending INVITE (RFC 3261)."
    REGISTER Register "REGISTER" "Binds contacts to an address of record (RFC 3261)."
    OPTIONS Options "OPTIONS" "Asks for capabilities (RFC 3261)."
    MESSAGE Message "MESSAGE" "Carries an instant message (RFC 3428)."
    INFO Info "INFO" "Carries application data inside a dialog (RFC 6086)."
    UPDATE Update "UPDATE" "Changes a session before it is answered (RFC 3311)."
    PRACK Prack "PRACK" "Confirms a reliable provisional response (RFC 3262)."
    SUBSCRIBE Subscribe "SUBSCRIBE" "Asks for notifications (RFC 6665)."
    NOTIFY Notify "NOTIFY" "Notifies of an event (RFC 6665)."
    REFER Refer "REFER" "Asks the recipient to contact a third party (RFC 3515)."
    PUBLISH Publish "PUBLISH" "Publishes event state (RFC 3903)."
}

impl Method {
    /// Reads a method out of a buffer, sharing its bytes when the method is unknown.
    pub(crate) fn from_slice(name: &[u8], owner: &Bytes) -> Result<Self, ParseError> {
        if let Some(known) = Self::known(name) {
            return Ok(Self(Repr::Known(known)));
        }
        if !is_token(name) {
            return Err(ParseError::new(0, "Method"));
        }
        Ok(Self(Repr::Other(owner.slice_ref(name))))
    }

    /// The method of this name, if there is a constant for it.
    pub(crate) fn known_by(name: &[u8]) -> Option<Self> {
        Self::known(name).map(|known| Self(Repr::Known(known)))
    }

    /// The method of a name that was read as a token.
    pub(crate) fn from_token(name: &[u8]) -> Self {
        Self(Self::known(name).map_or_else(|| Repr::Other(Bytes::copy_from_slice(name)), Repr::Known))
    }

    /// The method of this name.
    ///
    /// # Errors
    /// When `name` is not a token.
    pub fn new(name: &str) -> Result<Self, InvalidValue> {
        match Self::known(name.as_bytes()) {
            Some(known) => Ok(Self(Repr::Known(known))),
            None if is_token(name.as_bytes()) => {
                Ok(Self(Repr::Other(Bytes::copy_from_slice(name.as_bytes()))))
            }
            None => Err(InvalidValue::Malformed("method")),
        }
    }

    /// Whether this crate has a constant for it.
    pub fn is_known(&self) -> bool {
        matches!(self.0, Repr::Known(_))
    }

    /// Whether a request of this method may create a dialog (RFC 3261 §12, 6665, 3515).
    pub fn creates_dialog(&self) -> bool {
        matches!(self.0, Repr::Known(Known::Invite | Known::Subscribe | Known::Refer))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive_tokens() {
        assert_eq!(Method::new("INVITE"), Ok(Method::INVITE));
        assert_ne!(Method::new("invite"), Ok(Method::INVITE));
        assert_eq!(Method::new("RE%47IST%45R").map(|method| method.to_string()), Ok("RE%47IST%45R".into()));
        assert_eq!(Method::new("IN VITE"), Err(InvalidValue::Malformed("method")));
        assert_eq!(Method::new(""), Err(InvalidValue::Malformed("method")));
    }
}
