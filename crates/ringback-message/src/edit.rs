//! Changes to a message.

use crate::header::Header;
use crate::lex::{Elements, trim, trim_end, trim_start};
use crate::message::{Field, Message, Request, Source, Span, StartLine};
use crate::output::written;
use crate::scan::breaks_line;
use crate::{HeaderId, InvalidValue, Output, UriBuf};
use bytes::Bytes;
use std::fmt;

/// What can be written as a header value.
///
/// Text, bytes, numbers, typed values and `format_args!` all can; none may hold CR, LF or NUL (rule 84).
pub trait Value {
    /// Appends the value.
    fn write(&self, out: &mut Output);
}

macro_rules! displayed {
    ($($type:ty),*) => {$(impl Value for $type {
        fn write(&self, out: &mut Output) {
            use std::fmt::Write as _;
            let _ = write!(out, "{self}");
        }
    })*};
}
displayed!(fmt::Arguments<'_>);

macro_rules! numbers {
    ($($type:ty),*) => {$(impl Value for $type {
        fn write(&self, out: &mut Output) {
            out.push_number(*self as u64);
        }
    })*};
}
numbers!(u8, u16, u32, u64, usize);

macro_rules! bytes {
    ($($type:ty),*) => {$(impl Value for $type {
        fn write(&self, out: &mut Output) {
            out.extend_from_slice(self.as_ref());
        }
    })*};
}
bytes!(str, String, [u8], Vec<u8>, Bytes, UriBuf);

impl Value for crate::Method {
    fn write(&self, out: &mut Output) {
        match self.padded() {
            Some((name, length)) => out.extend_padded(name, length),
            None => out.extend_from_slice(self.as_str().as_bytes()),
        }
    }
}

/// Several values in one row, separated by commas.
///
/// ```
/// use ringback_message::{HeaderId, List, Method, Request};
///
/// let options = Request::builder(Method::OPTIONS, "sip:bob@example.com")
///     .header(HeaderId::ALLOW, List(&[Method::INVITE, Method::ACK, Method::BYE]))
///     .build()?;
/// assert_eq!(options.values(HeaderId::ALLOW).count(), 3);
/// # Ok::<(), ringback_message::InvalidValue>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct List<'a, T>(pub &'a [T]);

impl<T: Value> Value for List<'_, T> {
    fn write(&self, out: &mut Output) {
        for (index, value) in self.0.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            value.write(out);
        }
    }
}

impl<T: Value + ?Sized> Value for &T {
    fn write(&self, out: &mut Output) {
        (**self).write(out);
    }
}

impl Message {
    /// Puts a value before all others of its field: a Via or Record-Route on its way through a proxy. A field
    /// that is not there yet goes to the top of the header.
    ///
    /// # Errors
    /// When the value holds CR, LF or NUL, or the header would pass 64 KiB. The message is then unchanged.
    pub fn push_front(&mut self, id: HeaderId, value: impl Value) -> Result<(), InvalidValue> {
        let at = self.fields.iter().position(|field| field.id == id).unwrap_or(0);
        let field = self.write_line(id, id.name(), value)?;
        self.fields.insert(at, field);
        Ok(())
    }

    /// Adds a value behind all others of its field, or at the end of the header.
    ///
    /// # Errors
    /// As [`push_front`](Self::push_front).
    pub fn push(&mut self, id: HeaderId, value: impl Value) -> Result<(), InvalidValue> {
        let at = self.fields.iter().rposition(|field| field.id == id).map_or(self.fields.len(), |at| at + 1);
        let field = self.write_line(id, id.name(), value)?;
        self.fields.insert(at, field);
        Ok(())
    }

    /// Adds a field that the registry may not name, at the end of the header.
    ///
    /// # Errors
    /// When the name is no token, else as [`push_front`](Self::push_front).
    pub fn push_other(&mut self, name: &str, value: impl Value) -> Result<(), InvalidValue> {
        if !crate::lex::is_token(name.as_bytes()) {
            return Err(InvalidValue::Malformed("header name"));
        }
        let field = self.write_line(HeaderId::from_name(name.as_bytes()), name, value)?;
        self.fields.push(field);
        Ok(())
    }

    /// Makes `value` the only value of a field, in the place of the first one.
    ///
    /// # Errors
    /// As [`push_front`](Self::push_front).
    pub fn set(&mut self, id: HeaderId, value: impl Value) -> Result<(), InvalidValue> {
        let field = self.write_line(id, id.name(), value)?;
        let Some(at) = self.fields.iter().position(|field| field.id == id) else {
            self.fields.push(field);
            return Ok(());
        };
        self.fields[at] = field;
        if self.fields[at + 1..].iter().any(|field| field.id == id) {
            let mut index = 0;
            self.fields.retain(|field| {
                index += 1;
                index <= at + 1 || field.id != id
            });
        }
        Ok(())
    }

    /// Makes a typed value the only one of its field, in the place of the first one, or at the end of the header.
    ///
    /// ```
    /// use ringback_message::{Message, header::{MaxForwards, SessionExpires}};
    ///
    /// let mut message = Message::parse(&b"OPTIONS sip:a@b SIP/2.0\r\nMax-Forwards: 70\r\n\r\n"[..])?;
    /// message.put(MaxForwards(69))?;
    /// message.put(SessionExpires::new(1800, None))?;
    /// assert_eq!(
    ///     &message.render()[..],
    ///     b"OPTIONS sip:a@b SIP/2.0\r\nMax-Forwards: 69\r\nSession-Expires: 1800\r\n\r\n"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`push_front`](Self::push_front), and where the name of a field of one's own is no token.
    pub fn put<'a, H: Header<'a> + Value>(&mut self, value: H) -> Result<(), InvalidValue> {
        if H::ID != HeaderId::OTHER {
            return self.set(H::ID, value);
        }
        if !crate::lex::is_token(H::NAME.as_bytes()) {
            return Err(InvalidValue::Malformed("header name"));
        }
        let field = self.write_line(H::ID, H::NAME, value)?;
        let at = self.fields.iter().position(|own| self.is_named(own, H::ID, H::NAME));
        self.remove_other(H::NAME);
        self.fields.insert(at.unwrap_or(self.fields.len()), field);
        Ok(())
    }

    /// Removes every row of a field and says how many there were.
    pub fn remove(&mut self, id: HeaderId) -> usize {
        let before = self.fields.len();
        self.fields.retain(|field| field.id != id);
        before - self.fields.len()
    }

    /// Removes the rows of a field whose value `keep` does not want, and says how many there were.
    pub fn retain(&mut self, id: HeaderId, mut keep: impl FnMut(&[u8]) -> bool) -> usize {
        let before = self.fields.len();
        let mut fields = std::mem::take(&mut self.fields);
        fields.retain(|field| field.id != id || keep(self.value(field)));
        self.fields = fields;
        before - self.fields.len()
    }

    /// Removes every row of a field that the registry does not name.
    pub fn remove_other(&mut self, name: &str) -> usize {
        let before = self.fields.len();
        let mut fields = std::mem::take(&mut self.fields);
        fields.retain(|field| !self.name(field).eq_ignore_ascii_case(name.as_bytes()));
        self.fields = fields;
        before - self.fields.len()
    }

    /// Removes the first value of a field, and only that when others share its row: the topmost Via of a
    /// response, the Route that names us. Says whether there was one.
    pub fn pop_front(&mut self, id: HeaderId) -> bool {
        let Some(at) = self.fields.iter().position(|field| field.id == id) else { return false };
        let rest = self.rest_of_list(&self.fields[at]);
        match rest {
            None => {
                self.fields.remove(at);
            }
            Some(rest) => self.fields[at] = self.copy_line(at, &[], rest),
        }
        true
    }

    /// Removes the last value of a field, and only that when others share its row.
    pub fn pop_back(&mut self, id: HeaderId) -> bool {
        let Some(at) = self.fields.iter().rposition(|field| field.id == id) else { return false };
        let field = self.fields[at];
        let value = self.value(&field);
        let last = if id.is_list() { Elements::new(value).last().map_or(0, |(offset, _)| offset) } else { 0 };
        if last == 0 {
            self.fields.remove(at);
            return true;
        }
        let kept = trim(&value[..last]);
        let kept = field.value..field.value + kept.strip_suffix(b",").unwrap_or(kept).len() as u16;
        self.fields[at] = self.copy_line(at, &[], kept);
        true
    }

    /// Puts `value` in the place of the first value of a field; others that share its row stay.
    ///
    /// # Errors
    /// As [`push_front`](Self::push_front); also when the field is not there.
    pub fn replace_front(&mut self, id: HeaderId, value: impl Value) -> Result<(), InvalidValue> {
        let at = self.fields.iter().position(|field| field.id == id);
        let at = at.ok_or(InvalidValue::Malformed("field to replace"))?;
        let rest = self.rest_of_list(&self.fields[at]);
        let Some(rest) = rest else {
            self.fields[at] = self.write_line(id, id.name(), value)?;
            return Ok(());
        };
        self.fields[at] = written(
            |out| {
                value.write(out);
                out.extend_from_slice(b", ");
            },
            |text| {
                check(text)?;
                self.reserve(text.len() + usize::from(rest.end - rest.start) + id.name().len() + 4)?;
                Ok(self.copy_line(at, text, rest.clone()))
            },
        )?;
        Ok(())
    }

    /// The part of a list's row behind its first value, as a range in the field's source.
    fn rest_of_list(&self, field: &Field) -> Option<std::ops::Range<u16>> {
        if !field.id.is_list() {
            return None;
        }
        let value = self.value(field);
        let (second, _) = Elements::new(value).nth(1)?;
        Some(field.value + second as u16..field.value + value.len() as u16)
    }

    /// Writes the line of field `at` anew: `lead`, then a part of its old value.
    fn copy_line(&mut self, at: usize, lead: &[u8], rest: std::ops::Range<u16>) -> Field {
        let field = self.fields[at];
        let line = self.overlay.len();
        let rest = usize::from(rest.start)..usize::from(rest.end);
        self.overlay.extend_from_slice(field.id.name().as_bytes());
        let name = self.overlay.len();
        self.overlay.extend_from_slice(b": ");
        let value = self.overlay.len();
        self.overlay.extend_from_slice(lead);
        match field.source {
            Source::Received => self.overlay.extend_from_slice(&self.received[rest]),
            Source::Overlay => self.overlay.extend_from_within(rest),
        }
        let value_end = self.overlay.len();
        self.overlay.extend_from_slice(b"\r\n");
        Field::new(Source::Overlay, [line, name, value, value_end, value_end + 2], field.id)
    }

    fn write_line(&mut self, id: HeaderId, name: &str, value: impl Value) -> Result<Field, InvalidValue> {
        self.seen.add(id);
        let line = self.overlay.len();
        let start = name.len() + ": ".len();
        written(
            |out| {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
                value.write(out);
            },
            |text| {
                let value = text.get(start..).unwrap_or_default();
                check(value)?;
                self.reserve(text.len() + "\r\n".len())?;
                self.overlay.extend_from_slice(text);
                self.overlay.extend_from_slice(b"\r\n");
                let written = trim_start(value);
                let at = line + start + value.len() - written.len();
                let end = at + trim_end(written).len();
                Ok(Field::new(Source::Overlay, [line, line + name.len(), at, end, self.overlay.len()], id))
            },
        )
    }

    /// Keeps the overlay, whose offsets are sixteen bits wide, within its bounds.
    fn reserve(&self, more: usize) -> Result<(), InvalidValue> {
        let fits = self.overlay.len() + more <= crate::limits::MAX_HEADER_BYTES;
        if fits && self.fields.len() < crate::limits::MAX_FIELDS + 64 {
            Ok(())
        } else {
            Err(InvalidValue::TooLong)
        }
    }

    /// Puts `body` in the place of the body and Content-Length right. Content-Type is set when `content_type`
    /// is given and removed with an empty body.
    ///
    /// # Errors
    /// As [`push_front`](Self::push_front).
    pub fn set_body(
        &mut self,
        content_type: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Result<(), InvalidValue> {
        let body = body.into();
        match content_type {
            Some(content_type) => self.set(HeaderId::CONTENT_TYPE, content_type)?,
            None if body.is_empty() => {
                self.remove(HeaderId::CONTENT_TYPE);
            }
            None => {}
        }
        self.set(HeaderId::CONTENT_LENGTH, body.len())?;
        self.body = body;
        Ok(())
    }
}

impl Request {
    /// Puts `uri` in the start line.
    ///
    /// # Errors
    /// When it holds white space or control characters.
    pub fn set_uri(&mut self, uri: impl AsRef<[u8]>) -> Result<(), InvalidValue> {
        let uri = uri.as_ref();
        if uri.is_empty() || uri.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(InvalidValue::Malformed("Request-URI"));
        }
        self.0.reserve(uri.len() + 64)?;
        let message = &mut self.0;
        let StartLine::Request { method, .. } = &message.start else { return Ok(()) };
        let method = method.clone();
        let begin = message.overlay.len();
        message.overlay.extend_from_slice(method.as_str().as_bytes());
        message.overlay.extend_from_slice(b" ");
        let start = message.overlay.len();
        message.overlay.extend_from_slice(uri);
        let end = message.overlay.len();
        message.overlay.extend_from_slice(b" SIP/2.0\r\n");
        let line = Span::new(Source::Overlay, begin, message.overlay.len());
        message.start = StartLine::Request { method, uri: Span::new(Source::Overlay, start, end), line };
        Ok(())
    }
}

/// Rule 84: nothing that ends a line gets into one.
pub(crate) fn check(value: &[u8]) -> Result<(), InvalidValue> {
    if breaks_line(value) { Err(InvalidValue::ControlCharacter) } else { Ok(()) }
}
