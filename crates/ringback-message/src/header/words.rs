//! Fields that are one word, one line of text for people, or a list of words that are no option tags.

use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{is_token, text, trim};
use crate::scan::space_or_control;
use crate::{Output, ParseError, Value};
use std::borrow::Cow;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident $id:ident $rule:literal $is:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(pub &'a str);

        impl<'a> Header<'a> for $name<'a> {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                let word = trim(value);
                if $is(word) { text(word, 0, $rule).map(Self) } else { Err(ParseError::new(0, $rule)) }
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

/// Whatever has no white space in it.
fn is_word(word: &[u8]) -> bool {
    !word.is_empty() && space_or_control(word).is_none()
}

/// `namespace "." priority` (RFC 4412 §3.1).
fn is_priority(word: &[u8]) -> bool {
    is_token(word) && word.iter().filter(|byte| **byte == b'.').count() == 1
}

fn is_message_id(word: &[u8]) -> bool {
    matches!(word, [b'<', inner @ .., b'>'] if is_word(inner))
}

words! {
    /// A call that is returned or answered by this one: its Call-ID (RFC 3261 §20.21).
    InReplyTo IN_REPLY_TO "callid" is_word;
    /// The version of MIME, `1.0` (RFC 3261 §20.24).
    MimeVersion MIME_VERSION "MIME-Version" is_token;
    /// How urgent the request is for its sender: `emergency`, `urgent`, `normal`, `non-urgent` (RFC 3261 §20.26).
    Priority PRIORITY "priority-value" is_token;
    /// A language of the body (RFC 3261 §20.13).
    ContentLanguage CONTENT_LANGUAGE "language-tag" is_token;
    /// An event package that is supported (RFC 6665 §8.2.2).
    AllowEvents ALLOW_EVENTS "event-type" is_token;
    /// Names the state that was published (RFC 3903 §11.3.1).
    SipEtag SIP_ETAG "entity-tag" is_token;
    /// Which published state a PUBLISH is about (RFC 3903 §11.3.2).
    SipIfMatch SIP_IF_MATCH "entity-tag" is_token;
    /// Suppresses notifications of the state that is named, or of any with `*` (RFC 5839 §6.2).
    SuppressIfMatch SUPPRESS_IF_MATCH "entity-tag" is_token;
    /// A namespace and priority that the request claims (RFC 4412 §3.1).
    ResourcePriority RESOURCE_PRIORITY "r-value" is_priority;
    /// A namespace and priority that is understood (RFC 4412 §3.2).
    AcceptResourcePriority ACCEPT_RESOURCE_PRIORITY "r-value" is_priority;
    /// How the caller wants the request to be handled: `proxy`, `no-fork`, `queue` … (RFC 3841 §9.1).
    RequestDisposition REQUEST_DISPOSITION "directive" is_token;
    /// What the body is called by others, with its angle brackets (RFC 8262 §4).
    ContentId CONTENT_ID "msg-id" is_message_id;
}

macro_rules! priorities {
    ($($name:ident)*) => {$(
        impl<'a> $name<'a> {
            /// What stands before the dot: `wps`.
            pub fn namespace(&self) -> &'a str {
                self.0.split_once('.').map_or(self.0, |(namespace, _)| namespace)
            }

            /// What stands behind the dot: `0`.
            pub fn priority(&self) -> &'a str {
                self.0.split_once('.').map_or("", |(_, priority)| priority)
            }
        }
    )*};
}

priorities! { ResourcePriority AcceptResourcePriority }

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident $id:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(pub &'a [u8]);

        impl<'a> $name<'a> {
            /// A line of text.
            pub fn new(text: &'a str) -> Self {
                Self(text.as_bytes())
            }

            /// The text; what is not UTF-8 is replaced.
            pub fn text(&self) -> Cow<'a, str> {
                String::from_utf8_lossy(self.0)
            }
        }

        impl<'a> Header<'a> for $name<'a> {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                Ok(Self(trim(value)))
            }
        }

        impl Value for $name<'_> {
            fn write(&self, out: &mut Output) {
                out.extend_unfolded(self.0);
            }
        }

        displayed_as_written!($name<'_>);
    )*};
}

texts! {
    /// Whom the sender belongs to (RFC 3261 §20.25).
    Organization ORGANIZATION;
    /// What the call is about (RFC 3261 §20.36).
    Subject SUBJECT;
    /// The software of a user agent client (RFC 3261 §20.41).
    UserAgent USER_AGENT;
    /// The software of a server (RFC 3261 §20.35).
    Server SERVER;
}

/// The kinds of privacy that the caller wants (RFC 3323 §4.2, RFC 3325 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy<'a>(&'a str);

impl<'a> Privacy<'a> {
    /// The kinds in order: `id`, `header`, `critical` …
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split([';', ',']).map(str::trim)
    }

    /// Whether a kind is among them, in any letter case.
    pub fn has(&self, kind: &str) -> bool {
        self.iter().any(|own| own.eq_ignore_ascii_case(kind))
    }
}

impl<'a> Header<'a> for Privacy<'a> {
    const ID: HeaderId = HeaderId::PRIVACY;

    fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        let privacy = Self(text(trim(value), 0, "priv-value")?);
        if privacy.iter().all(|kind| is_token(kind.as_bytes())) {
            Ok(privacy)
        } else {
            Err(ParseError::new(0, "priv-value"))
        }
    }
}

impl Value for Privacy<'_> {
    fn write(&self, out: &mut Output) {
        out.extend_unfolded(self.0.as_bytes());
    }
}

displayed_as_written!(Privacy<'_>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_and_phrases_are_not() {
        assert_eq!(Priority::parse(b" emergency "), Ok(Priority("emergency")));
        assert!(Priority::parse(b"non urgent").is_err() && Priority::parse(b"").is_err());
        assert_eq!(InReplyTo::parse(b"70710@saturn.bell-tel.com").unwrap().0, "70710@saturn.bell-tel.com");
        assert_eq!(ContentId::parse(b"<target123@atlanta.example.com>").unwrap().0.len(), 31);
        assert!(ContentId::parse(b"target123").is_err());
        let priority = ResourcePriority::parse(b"dsn.flash-override").unwrap();
        assert_eq!((priority.namespace(), priority.priority()), ("dsn", "flash-override"));
        assert!(ResourcePriority::parse(b"dsn").is_err());
    }

    #[test]
    fn lines_of_text_may_be_anything() {
        let subject = Subject::parse("Tür\r\n auf".as_bytes()).unwrap();
        assert_eq!(subject.to_string(), "Tür   auf", "a fold is not written again");
        assert_eq!(Server::parse(b"").unwrap().text(), "");
    }

    #[test]
    fn privacy_is_a_list_of_its_own_kind() {
        let privacy = Privacy::parse(b"id; critical").unwrap();
        assert!(privacy.has("ID") && privacy.has("critical") && !privacy.has("none"));
        assert!(Privacy::parse(b"id;;x").is_err());
    }
}
