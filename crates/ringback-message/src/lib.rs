//! SIP message syntax: lossless, indexed, typed on demand.
//!
//! A [`Message`] is the bytes that were received, the places of its header fields, and what was changed since.
//! Reading it finds lines and judges none of their values; a value is parsed when somebody asks for it
//! ([`Message::first`], [`Message::all`]). Changes are an overlay, so lines that nobody touches leave exactly as
//! they came, in their order and spelling, and unknown header fields survive.
//!
//! ```
//! use ringback_message::{HeaderId, Message, Request, StatusCode, header::{MaxForwards, Via}};
//!
//! let bytes = b"INVITE sip:bob@example.com SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n\
//!     From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\n\
//!     Call-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
//!
//! // What a proxy does, in five lines.
//! let mut invite = Request::try_from(Message::parse(&bytes[..])?).expect("it is a request");
//! invite.validate()?;
//! let hops = invite.require::<MaxForwards>()?.0;
//! invite.set(HeaderId::MAX_FORWARDS, hops - 1)?;
//! invite.push_front(HeaderId::VIA, "SIP/2.0/UDP proxy.example.com;branch=z9hG4bKb")?;
//! invite.set_uri("sip:bob@192.0.2.4")?;
//! assert!(invite.render().starts_with(b"INVITE sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP proxy"));
//!
//! // And what a user agent does.
//! let ringing = invite.reply(StatusCode::RINGING, Some("b0b")).build()?;
//! assert_eq!(ringing.all::<Via>().count(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading is tolerant. [`Message::deviations`] tells what of a message its RFCs do not allow, with the section that says so,
//! and [`Policy::Strict`] refuses it.
//!
//! A link becomes a request without its writer deciding what only we decide, and numbers become addresses:
//!
//! ```
//! use ringback_message::{Method, Request, SipUriBuf, TelUriBuf, Uri};
//!
//! let link = SipUriBuf::new("example.com").user("bob").header("Subject", "lunch?").header("Via", "x").build()?;
//! assert_eq!(link.as_str(), "sip:bob@example.com?Subject=lunch?&Via=x");
//! let invite = Request::to_uri(Method::INVITE, &link.as_sip().expect("it is a sip URI")).build()?;
//! assert!(invite.render().starts_with(b"INVITE sip:bob@example.com SIP/2.0\r\nSubject: lunch?\r\nContent-Length"));
//!
//! let number = TelUriBuf::global("+1-201-555-0123").build()?;
//! let Uri::Tel(number) = number.as_uri() else { unreachable!("it was built as one") };
//! assert_eq!(number.to_sip("example.com")?.as_str(), "sip:+1-201-555-0123@example.com;user=phone");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All that a peer can send has a bound ([`Limits`]): 64 KiB of header section and 256 fields (513), 64 values in a row
//! (400), 8 KiB of Request-URI (414), 64 parameters behind a value (400). [`Message::validate`] says which was passed;
//! up to there time and memory grow with the length of what is read, whatever it holds.
//!
//! Not here: what bodies say, their frame apart (see [`body`] and `ringback-sdp`), framing on streams and sending (`ringback-transport`), what digest
//! credentials prove (`ringback-auth`).
//!
//! Sources: RFC 3261 §7, §19, §20, §25; RFC 3581 (`rport`); RFC 3966 (`tel`), RFC 8141 and RFC 5031 (`urn`); RFC 2046, 2387
//! and 5621 (multiparts), RFC 3420 (fragments);
//! RFC 4475 for what to make of odd messages.

pub mod body;
mod build;
mod edit;
mod error;
pub mod header;
mod index;
mod lex;
mod limits;
mod lint;
mod message;
mod method;
mod output;
mod overlay;
mod params;
mod quick;
mod render;
mod scan;
mod seen;
mod status;
mod uri;
mod validate;
mod write;

pub use build::{RequestBuilder, ResponseBuilder};
pub use edit::{List, Value};
pub use error::{InvalidValue, ParseError};
pub use header::HeaderId;
pub use index::header_end;
pub use limits::{Limits, MAX_ELEMENTS, MAX_FIELDS, MAX_HEADER_BYTES, MAX_PARAMS, MAX_URI_BYTES};
pub use lint::{Deviation, MAX_DEVIATIONS, Policy, Severity};
pub use message::{Message, RawField, Request, Response};
pub use method::Method;
pub use output::Output;
pub use params::{Param, Params, ParamsBuf, quote};
pub use status::StatusCode;
pub use uri::{
    Host, OtherUri, PhoneContext, Service, SipUri, SipUriBuf, TelUri, TelUriBuf, Uri, UriBuf, UriParam,
    UrnUri, escape_user, unescape,
};
pub use validate::Routing;
pub use write::Fields;
