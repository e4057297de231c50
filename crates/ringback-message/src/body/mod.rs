//! Bodies that have parts (RFC 2046 §5.1, RFC 5621), are pieces of messages (RFC 3420) or wrap them (RFC 3862).
//!
//! ```
//! use ringback_message::body::{MultipartBuf, PartBuf};
//! use ringback_message::{Method, Request};
//!
//! let both = MultipartBuf::mixed()
//!     .part(PartBuf::new("application/sdp", "v=0\r\n").disposition("session"))
//!     .part(PartBuf::new("application/isup;version=itu-t92+", &b"\x01\x00"[..]).disposition("signal;handling=optional"))
//!     .build()?;
//! let invite = Request::builder(Method::INVITE, "sip:bob@example.com").body(&both.content_type, both.bytes).build()?;
//!
//! // Whoever knows SDP alone takes that part, since the other need not be understood.
//! let mine = invite.entity().select(&|part| part.is("application", "sdp"))?;
//! assert_eq!(mine.len(), 1);
//! assert_eq!(mine[0].body(), b"v=0\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: what the parts say, and transfer encodings: bodies in SIP are binary (RFC 5621 §4).

mod build;
mod cpim;
mod fields;
mod multipart;
mod select;
mod sipfrag;

pub use build::{BodyBuf, MultipartBuf, PartBuf};
pub use cpim::{CPIM, Cpim, CpimBuf};
pub use multipart::{MAX_DEPTH, MAX_PARTS, Multipart};
pub use select::NotUnderstood;
pub use sipfrag::{Fragment, FragmentBuf, FragmentStart, SIPFRAG};

use crate::header::{ContentDisposition, ContentId, ContentType, Header};
use crate::lex::Elements;
use crate::message::RawField;
use crate::{HeaderId, Message, ParseError};
use fields::Fields;

/// A body with the fields that describe it: the body of a message, or one part of a multipart (RFC 2045 §2.4).
#[derive(Clone, Copy)]
pub struct Entity<'a> {
    /// Where the fields are: in a message, or before the body itself.
    message: Option<&'a Message>,
    fields: Fields<'a>,
    body: &'a [u8],
    /// How many multiparts it is inside of.
    depth: u8,
}

impl Message {
    /// The body with the fields that describe it.
    pub fn entity(&self) -> Entity<'_> {
        Entity { message: Some(self), fields: Fields::default(), body: self.body(), depth: 0 }
    }
}

impl<'a> Entity<'a> {
    /// A part as it stands between two boundaries.
    fn part(bytes: &'a [u8], depth: u8) -> Self {
        let (fields, body) = Fields::split(bytes);
        Self { message: None, fields, body: body.unwrap_or_default(), depth }
    }

    /// The octets.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The header fields in order: of a message all that it has.
    pub fn fields(&self) -> impl Iterator<Item = RawField<'a>> + use<'a> {
        self.message.into_iter().flat_map(Message::fields).chain(self.fields.iter())
    }

    /// The first value of a field; `None` where it is absent. The offset of an error counts in the value.
    pub fn first<H: Header<'a>>(&self) -> Option<Result<H, ParseError>> {
        let is_it = |field: &RawField<'_>| {
            field.id == H::ID
                && (H::ID != HeaderId::OTHER || field.name.eq_ignore_ascii_case(H::NAME.as_bytes()))
        };
        let row = self.fields().find(is_it)?.value;
        let value = Elements::of(row, H::IS_LIST).next().map_or(row, |(_, value)| value);
        Some(H::parse(value))
    }

    /// What the body is; `None` where that is not said, or not readable.
    pub fn content_type(&self) -> Option<ContentType<'a>> {
        self.first::<ContentType<'a>>()?.ok()
    }

    /// Whether it is said to be `kind/subtype`, in any letter case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.content_type().is_some_and(|own| own.is(kind, subtype))
    }

    /// What the body is for; `None` where that is not said, or not readable.
    pub fn disposition(&self) -> Option<ContentDisposition<'a>> {
        self.first::<ContentDisposition<'a>>()?.ok()
    }

    /// Whether a receiver that does not know the body may pass it over: `handling=optional` (RFC 3261 §20.11).
    pub fn is_optional(&self) -> bool {
        let handling = self.disposition().and_then(|disposition| disposition.params.find("handling"));
        handling.and_then(|param| param.text()).is_some_and(|how| how.eq_ignore_ascii_case("optional"))
    }

    /// What the body is called by others, without angle brackets: `a@b` of `cid:a@b` (RFC 2392).
    pub fn content_id(&self) -> Option<&'a str> {
        let ContentId(id) = self.first::<ContentId<'a>>()?.ok()?;
        id.strip_prefix('<')?.strip_suffix('>')
    }

    /// The parts, when it has some.
    pub fn multipart(&self) -> Option<Result<Multipart<'a>, ParseError>> {
        let kind = self.content_type()?;
        kind.kind.eq_ignore_ascii_case("multipart").then(|| Multipart::within(kind.0, self.body, self.depth))
    }
}

impl std::fmt::Debug for Entity<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = self.fields.iter();
        f.debug_list().entries(fields).entry(&format_args!("{} octets", self.body.len())).finish()
    }
}
