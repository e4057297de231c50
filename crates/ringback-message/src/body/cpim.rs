//! Wrapped instant messages: `message/cpim` (RFC 3862), with fields of other namespaces such as those of receipts (RFC 5438).

use super::Entity;
use super::build::{Lines, PartBuf};
use super::fields::Fields;
use crate::edit::Value;
use crate::lex::is_token;
use crate::{InvalidValue, ParseError};
use bytes::Bytes;

/// The media type of wrapped messages.
pub const CPIM: &str = "message/cpim";

/// A wrapped message: fields about it, and what it is with fields of its own.
///
/// ```
/// use ringback_message::body::{Cpim, CpimBuf, PartBuf};
///
/// let wrapped = CpimBuf::new(PartBuf::new("text/plain", "Lunch?"))
///     .field("From", "Alice <sip:alice@example.com>")
///     .field("NS", "imdn <urn:ietf:params:imdn>")
///     .field("imdn.Message-ID", "34jk324j")
///     .build()?;
/// let read = Cpim::parse(&wrapped)?;
/// assert_eq!(read.field("From"), Some(&b"Alice <sip:alice@example.com>"[..]));
/// assert_eq!(read.field_in("urn:ietf:params:imdn", "Message-ID"), Some(&b"34jk324j"[..]));
/// assert!(read.content().is("text", "plain"));
/// assert_eq!(read.content().body(), b"Lunch?");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cpim<'a> {
    about: Entity<'a>,
    content: Entity<'a>,
}

impl<'a> Cpim<'a> {
    /// Reads a whole body. Fields are judged when they are asked for; lines that are none are passed over.
    ///
    /// # Errors
    /// When it does not begin with a field, or nothing follows the fields (RFC 3862 §2.1).
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (fields, rest) = Fields::split(body);
        if fields.iter().next().is_none() || fields.begins_broken() {
            return Err(ParseError::new(0, "message-metadata"));
        }
        let rest = rest.ok_or(ParseError::new(body.len(), "encapsulated-message"))?;
        let (own, octets) = Fields::split(rest);
        let octets = octets.ok_or(ParseError::new(body.len(), "encapsulated-message"))?;
        let entity = |fields, body| Entity { message: None, fields, body, depth: 0 };
        Ok(Self { about: entity(fields, &[]), content: entity(own, octets) })
    }

    /// The first value of a field, by its whole name: `From`, `DateTime`, `imdn.Message-ID`.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        let mut fields = self.about.fields();
        fields.find(|field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
    }

    /// The first value of a field of a namespace, whatever prefix the sender has given that (RFC 3862 §3.4).
    pub fn field_in(&self, namespace: &str, name: &str) -> Option<&'a [u8]> {
        let spaces = self.about.fields().filter(|field| field.name.eq_ignore_ascii_case(b"NS"));
        let prefix = spaces.filter_map(|field| declared(field.value)).find(|(_, uri)| *uri == namespace)?.0;
        self.field(&format!("{prefix}.{name}"))
    }

    /// What was wrapped, with the fields that describe it.
    pub fn content(&self) -> Entity<'a> {
        self.content
    }
}

/// Prefix and URI of a namespace: `imdn <urn:ietf:params:imdn>`.
fn declared(value: &[u8]) -> Option<(&str, &str)> {
    let (prefix, uri) = std::str::from_utf8(value).ok()?.split_once('<')?;
    Some((prefix.trim(), uri.split_once('>')?.0.trim()))
}

/// A wrapped message in the making.
#[derive(Clone, Debug)]
pub struct CpimBuf {
    lines: Lines,
    content: PartBuf,
}

impl CpimBuf {
    /// Wraps this.
    pub fn new(content: PartBuf) -> Self {
        Self { lines: Lines::default(), content }
    }

    /// Adds a field about the message at the end, by its whole name.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Value) -> Self {
        match is_token(name.as_bytes()) {
            true => self.lines.named(name, value),
            false => self.lines.refuse(InvalidValue::Malformed("header name")),
        }
        self
    }

    /// Ends the building.
    ///
    /// # Errors
    /// When there is no field, a name is no token, or a value held CR, LF or NUL.
    pub fn build(self) -> Result<Bytes, InvalidValue> {
        let (about, own) = (self.lines.written()?, self.content.lines.written()?);
        if about.is_empty() {
            return Err(InvalidValue::Malformed("message-metadata"));
        }
        Ok([about, b"\r\n", own, b"\r\n", self.content.octets()].concat().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_read() {
        let wrapped =
            CpimBuf::new(PartBuf::new("text/plain;charset=utf-8", "a\r\n\r\nb").disposition("render"))
                .field("From", "<im:alice@example.com>")
                .field("DateTime", format_args!("{}", "2026-11-30T20:00:00Z"))
                .build()
                .unwrap();
        assert_eq!(
            wrapped,
            "From: <im:alice@example.com>\r\nDateTime: 2026-11-30T20:00:00Z\r\n\r\nContent-Type: text/plain;charset=utf-8\r\nContent-Disposition: render\r\n\r\na\r\n\r\nb"
        );
        let read = Cpim::parse(&wrapped).unwrap();
        assert_eq!(read.field("datetime"), Some(&b"2026-11-30T20:00:00Z"[..]));
        assert_eq!((read.content().body(), read.field("To")), (&b"a\r\n\r\nb"[..], None));
    }

    #[test]
    fn a_prefix_is_what_the_sender_calls_a_namespace() {
        let text = b"NS: x <urn:one>\r\nNS: Y  < urn:two >\r\nx.Id: 1\r\ny.Id: 2\r\n\r\n\r\nbody";
        let read = Cpim::parse(text).unwrap();
        assert_eq!(read.field_in("urn:one", "Id"), Some(&b"1"[..]));
        assert_eq!(read.field_in("urn:two", "id"), Some(&b"2"[..]));
        assert_eq!(read.field_in("urn:three", "Id"), None);
        assert_eq!(read.content().body(), b"body");
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for text in ["", "no field", "From: a\r\n", "From: a\r\n\r\n", "From: a\r\n\r\nContent-Type: a/b\r\n"]
        {
            assert!(Cpim::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(Cpim::parse(b"From: a\r\n\r\n\r\n").unwrap().content().body().is_empty());
    }

    #[test]
    fn rule_84_fields_about_a_message_stay_in_their_lines() {
        let plain = || CpimBuf::new(PartBuf::new("text/plain", ""));
        assert_eq!(plain().field("To", "a\r\nNS: b").build(), Err(InvalidValue::ControlCharacter));
        assert!(plain().field("To: x\r\nNS", "b").build().is_err());
        assert!(plain().build().is_err(), "there is something to say about it");
    }
}
