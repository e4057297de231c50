//! Fields that are one word with parameters: Event, Subscription-State, Replaces and their kin.

use super::feature::{Feature, features};
use super::{Header, HeaderId, displayed_as_written};
use crate::lex::{Cursor, text};
use crate::{Output, Params, ParseError, Value};
use std::ops::Deref;

/// One word and the parameters behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valued<'a> {
    /// The word, as written; with its quotes, where it has some.
    pub value: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

/// What the word of a field may be.
type Take = for<'a> fn(&mut Cursor<'a>, &'static str) -> Result<&'a str, ParseError>;

impl<'a> Valued<'a> {
    fn parse(value: &'a [u8], rule: &'static str, take: Take) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        let value = take(&mut cursor, rule)?;
        let params = Params::take(&mut cursor, rule)?;
        cursor.finish(rule)?;
        Ok(Self { value, params })
    }

    /// Whether the word is this one, in any letter case.
    pub fn is(&self, value: &str) -> bool {
        self.value.eq_ignore_ascii_case(value)
    }

    /// The value of a parameter that is a whole number.
    fn number(&self, name: &str) -> Option<u32> {
        super::numbers::delta_seconds(self.params.value(name)?.as_bytes())
    }
}

impl Value for Valued<'_> {
    fn write(&self, out: &mut Output) {
        // Words in quotes may hold folds.
        out.extend_unfolded(self.value.as_bytes());
        self.params.write(out);
    }
}

displayed_as_written!(Valued<'_>);

fn token<'a>(cursor: &mut Cursor<'a>, rule: &'static str) -> Result<&'a str, ParseError> {
    cursor.token(rule)
}

/// The only word of fields that say all in their parameters.
fn star<'a>(cursor: &mut Cursor<'a>, rule: &'static str) -> Result<&'a str, ParseError> {
    match cursor.token(rule)? {
        star @ "*" => Ok(star),
        _ => Err(cursor.error(rule)),
    }
}

/// A Call-ID: whatever there is before a semicolon or white space.
fn call_id<'a>(cursor: &mut Cursor<'a>, rule: &'static str) -> Result<&'a str, ParseError> {
    let start = cursor.at;
    let word = cursor.take_while(|byte| byte > b' ' && byte != b';' && byte != b',' && byte != 0x7f);
    if word.is_empty() { Err(cursor.error(rule)) } else { text(word, start, rule) }
}

fn token_or_quoted<'a>(cursor: &mut Cursor<'a>, rule: &'static str) -> Result<&'a str, ParseError> {
    let start = cursor.at;
    if cursor.peek() == Some(b'"') { text(cursor.quoted(rule)?, start, rule) } else { cursor.token(rule) }
}

macro_rules! valued {
    ($($(#[$doc:meta])* $name:ident $id:ident $rule:literal $take:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(pub Valued<'a>);

        impl<'a> $name<'a> {
            /// The word alone; parameters are put in with [`with`](Self::with).
            pub fn new(value: &'a str) -> Self {
                Self(Valued { value, params: Params::default() })
            }

            /// The same word with these parameters.
            #[must_use]
            pub fn with(self, params: Params<'a>) -> Self {
                Self(Valued { params, ..self.0 })
            }
        }

        impl<'a> Header<'a> for $name<'a> {
            const ID: HeaderId = HeaderId::$id;
            fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
                Valued::parse(value, $rule, $take).map(Self)
            }
        }

        impl Value for $name<'_> {
            fn write(&self, out: &mut Output) {
                self.0.write(out);
            }
        }

        displayed_as_written!($name<'_>);

        impl<'a> Deref for $name<'a> {
            type Target = Valued<'a>;
            fn deref(&self) -> &Valued<'a> {
                &self.0
            }
        }
    )*};
}

valued! {
    /// An encoding that may be answered with (RFC 3261 §20.2).
    AcceptEncoding ACCEPT_ENCODING "encoding" token;
    /// A language that may be answered with (RFC 3261 §20.3).
    AcceptLanguage ACCEPT_LANGUAGE "language" token;
    /// What the body is for (RFC 3261 §20.11).
    ContentDisposition CONTENT_DISPOSITION "disp-type" token;
    /// The event package that a subscription or notification is about (RFC 6665 §8.2.1).
    Event EVENT "event-type" token;
    /// How a subscription stands (RFC 6665 §8.2.3).
    SubscriptionState SUBSCRIPTION_STATE "substate-value" token;
    /// An INFO package that is taken (RFC 6086 §5.2.3).
    RecvInfo RECV_INFO "info-package-type" token;
    /// The package that an INFO belongs to (RFC 6086 §5.2.3).
    InfoPackage INFO_PACKAGE "info-package-type" token;
    /// Whether REFER makes a subscription (RFC 4488).
    ReferSub REFER_SUB "Refer-Sub" token;
    /// Whether the called device answers by itself (RFC 5373 §4.1).
    AnswerMode ANSWER_MODE "answer-mode-value" token;
    /// As Answer-Mode, over what its user prefers (RFC 5373 §4.1).
    PrivAnswerMode PRIV_ANSWER_MODE "answer-mode-value" token;
    /// A security mechanism that the client knows (RFC 3329 §2.2).
    SecurityClient SECURITY_CLIENT "mechanism-name" token;
    /// A security mechanism that the server knows (RFC 3329 §2.2).
    SecurityServer SECURITY_SERVER "mechanism-name" token;
    /// The server's list, returned by the client under protection (RFC 3329 §2.2).
    SecurityVerify SECURITY_VERIFY "mechanism-name" token;
    /// The call that an INVITE takes the place of (RFC 3891 §6.1).
    Replaces REPLACES "callid" call_id;
    /// The call that an INVITE joins (RFC 3911 §7.1).
    Join JOIN "callid" call_id;
    /// The dialog whose parties may make this request (RFC 4538 §7).
    TargetDialog TARGET_DIALOG "callid" call_id;
    /// A set of features that the callee should have (RFC 3841 §9.2).
    AcceptContact ACCEPT_CONTACT "ac-value" star;
    /// A set of features that the callee should not have (RFC 3841 §9.2).
    RejectContact REJECT_CONTACT "rc-value" star;
    /// What a proxy on the path can do (RFC 6809 §6.3).
    FeatureCaps FEATURE_CAPS "fc-value" star;
    /// Data for the other user's application (RFC 7433 §4.1).
    UserToUser USER_TO_USER "uui-value" token_or_quoted;
    /// Which access network is in use (RFC 7315 §5.4).
    PAccessNetworkInfo P_ACCESS_NETWORK_INFO "access-type" token;
    /// Which network is visited (RFC 7315 §5.3).
    PVisitedNetworkId P_VISITED_NETWORK_ID "vnetwork-spec" token_or_quoted;
    /// Why a location could not be used (RFC 6442 §4.3).
    GeolocationError GEOLOCATION_ERROR "location-error-code" token;
    /// Whether proxies may route by the location: `yes` or `no` (RFC 6442 §4.2).
    GeolocationRouting GEOLOCATION_ROUTING "geoloc-routing-value" token;
    /// What names a session from end to end (RFC 7989 §5).
    SessionId SESSION_ID "sess-uuid" token;
}

impl<'a> Event<'a> {
    /// What tells apart subscriptions of one package in a dialog.
    pub fn id(&self) -> Option<&'a str> {
        self.params.value("id")
    }
}

impl<'a> SubscriptionState<'a> {
    /// Whether the subscription has ended.
    pub fn is_terminated(&self) -> bool {
        self.is("terminated")
    }

    /// Why it ended.
    pub fn reason(&self) -> Option<&'a str> {
        self.params.value("reason")
    }

    /// How long it still lasts, in seconds.
    pub fn expires(&self) -> Option<u32> {
        self.number("expires")
    }

    /// When to try again, in seconds.
    pub fn retry_after(&self) -> Option<u32> {
        self.number("retry-after")
    }
}

impl ContentDisposition<'_> {
    /// Whether a recipient that does not know the body may leave it aside (`handling=optional`); by default it may not.
    pub fn is_optional(&self) -> bool {
        self.params.value("handling").is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
    }
}

impl ReferSub<'_> {
    /// Whether a subscription is wanted: anything but `false`.
    pub fn is_wanted(&self) -> bool {
        !self.is("false")
    }
}

macro_rules! dialogs {
    ($($name:ident $to:literal $from:literal)*) => {$(
        impl<'a> $name<'a> {
            /// The Call-ID of the dialog.
            pub fn call_id(&self) -> &'a str {
                self.value
            }

            #[doc = concat!("The parameter `", $to, "`: in the dialog of the recipient its own tag.")]
            pub fn to_tag(&self) -> Option<&'a str> {
                self.params.value($to)
            }

            #[doc = concat!("The parameter `", $from, "`: in the dialog of the recipient that of its peer.")]
            pub fn from_tag(&self) -> Option<&'a str> {
                self.params.value($from)
            }
        }
    )*};
}

dialogs! {
    Replaces "to-tag" "from-tag"
    Join "to-tag" "from-tag"
    TargetDialog "local-tag" "remote-tag"
}

impl Replaces<'_> {
    /// Whether only a dialog that is not confirmed yet may be replaced.
    pub fn is_early_only(&self) -> bool {
        self.params.has("early-only")
    }
}

macro_rules! feature_sets {
    ($($name:ident)*) => {$(
        impl<'a> $name<'a> {
            /// The features of the set (RFC 3840 §9).
            pub fn features(&self) -> impl Iterator<Item = Feature<'a>> + use<'a> {
                features(self.params)
            }
        }
    )*};
}

feature_sets! { AcceptContact RejectContact FeatureCaps }

impl AcceptContact<'_> {
    /// Whether contacts that do not match are left out (RFC 3841 §7.2.4).
    pub fn is_required(&self) -> bool {
        self.params.has("require")
    }

    /// Whether each feature of the set must be told by the contact (RFC 3841 §7.2.4).
    pub fn is_explicit(&self) -> bool {
        self.params.has("explicit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_and_events() {
        let state = SubscriptionState::parse(b"terminated;reason=noresource;retry-after=9").unwrap();
        assert!(state.is_terminated());
        assert_eq!(
            (state.reason(), state.retry_after(), state.expires()),
            (Some("noresource"), Some(9), None)
        );
        let event = Event::parse(b"refer;id=93809824").unwrap();
        assert_eq!((event.value, event.id()), ("refer", Some("93809824")));
        assert!(Event::parse(b"").is_err() && Event::parse(b"a b").is_err());
    }

    #[test]
    fn dialogs_are_named_by_call_id_and_tags() {
        let replaces =
            Replaces::parse(b"98732@sip.example.com\r\n ;from-tag=r33th4x0r ;to-tag=ff87ff;early-only");
        let replaces = replaces.unwrap();
        assert_eq!(replaces.call_id(), "98732@sip.example.com");
        assert_eq!((replaces.to_tag(), replaces.from_tag()), (Some("ff87ff"), Some("r33th4x0r")));
        assert!(replaces.is_early_only());
        let target =
            TargetDialog::parse(b"fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544");
        assert_eq!(target.unwrap().from_tag(), Some("6544"));
    }

    #[test]
    fn words_that_are_given_are_demanded() {
        assert!(AcceptContact::parse(b"*;mobility=\"fixed\";require;explicit").unwrap().is_required());
        assert!(AcceptContact::parse(b"sip:a@b").is_err());
        assert!(ContentDisposition::parse(b"session;handling=Optional").unwrap().is_optional());
        assert!(!ReferSub::parse(b"false").unwrap().is_wanted());
        let network = PVisitedNetworkId::parse(b"\"Visited network number 1\"").unwrap();
        assert_eq!(network.to_string(), "\"Visited network number 1\"");
        assert_eq!(UserToUser::parse(b"56a390f3d2b7;encoding=hex").unwrap().value, "56a390f3d2b7");
    }

    #[test]
    fn built_values_are_written_as_they_are_read() {
        let params = Params::parse(b";id=7").unwrap();
        assert_eq!(Event::new("refer").with(params).to_string(), "refer;id=7");
    }
}
