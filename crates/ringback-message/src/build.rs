//! Messages from scratch.

use crate::edit::Value;
use crate::header::Header;
use crate::lex::{trim_end, trim_start};
use crate::limits::{MAX_FIELDS, MAX_HEADER_BYTES};
use crate::message::{Field, Message, Request, Response, Source, Span, StartLine};
use crate::output::unfold;
use crate::scan::{count_breaks, count_controls, space_or_control};
use crate::write::{Answer, status_line};
use crate::{HeaderId, InvalidValue, Method, Output, StatusCode};
use bytes::Bytes;
use smallvec::SmallVec;

/// A request in the making.
///
/// ```
/// use ringback_message::{HeaderId, Method, Request};
///
/// let options = Request::builder(Method::OPTIONS, "sip:bob@example.com")
///     .header(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
///     .header(HeaderId::MAX_FORWARDS, 70u8)
///     .header(HeaderId::FROM, "<sip:alice@example.com>;tag=1")
///     .header(HeaderId::TO, "<sip:bob@example.com>")
///     .header(HeaderId::CALL_ID, "abc")
///     .header(HeaderId::CSEQ, format_args!("{} OPTIONS", 1))
///     .build()?;
/// assert!(options.validate().is_ok());
/// # Ok::<(), ringback_message::InvalidValue>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestBuilder(Box<Builder>);

/// A response in the making.
#[derive(Clone, Debug)]
pub struct ResponseBuilder(Box<Builder>);

#[derive(Clone, Debug)]
struct Builder {
    start: StartLine,
    /// The header section, and room for more of it.
    room: Vec<u8>,
    /// How long the header section is.
    length: usize,
    fields: SmallVec<[Field; 32]>,
    body: Bytes,
    /// How many line breaks there should be among the written bytes: two characters for each.
    breaks: usize,
    fault: Option<InvalidValue>,
    /// One bit for each field whose value holds what was read from a message, folds perhaps.
    unfolding: [u64; MAX_FIELDS / 64],
}

/// Most header sections are shorter.
const USUAL: usize = 1024;

impl Builder {
    /// `start` has yet to be told.
    fn new(write: impl Fn(&mut Output<'_>)) -> Box<Self> {
        let nothing = Span::new(Source::Received, 0, 0);
        let start = StartLine::Response { status: StatusCode::OK, reason: nothing, line: nothing };
        let (fields, body, unfolding) = (SmallVec::new(), Bytes::new(), [0; MAX_FIELDS / 64]);
        // Allocators are slower to find zeroed room.
        let mut room = Vec::with_capacity(USUAL);
        room.resize(USUAL, b' ');
        let mut builder =
            Box::new(Self { start, room, length: 0, fields, body, breaks: 2, fault: None, unfolding });
        builder.write(write);
        builder
    }

    /// Appends what `write` writes, and says what it says; and whether folds may be in it.
    #[inline(always)]
    fn write<R>(&mut self, write: impl Fn(&mut Output<'_>) -> R) -> (R, bool) {
        let mut out = Output::new(&mut self.room, self.length);
        let said = write(&mut out);
        let (end, unfolds) = (out.at(), out.unfolds());
        if end > self.room.len() {
            self.write_again(end, &|out| {
                write(out);
            });
        }
        self.length = end;
        (said, unfolds)
    }

    /// Makes room, and writes what had too little of it.
    #[cold]
    #[inline(never)]
    fn write_again(&mut self, end: usize, write: &dyn Fn(&mut Output<'_>)) {
        self.room.resize(2 * end, b' ');
        write(&mut Output::new(&mut self.room, self.length));
    }

    fn head(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }

    fn header(&mut self, id: HeaderId, value: impl Value) {
        let (begin, length) = id.beginning();
        self.line(id, |out| out.extend_padded(begin, length), value);
    }

    fn other(&mut self, name: &str, value: impl Value) {
        if !crate::lex::is_token(name.as_bytes()) {
            self.fault.get_or_insert(InvalidValue::Malformed("header name"));
        }
        let begin = |out: &mut Output<'_>| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
        };
        self.line(HeaderId::from_name(name.as_bytes()), begin, value);
    }

    /// Writes a line; `begin` writes name, colon and space.
    #[inline(always)]
    fn line(&mut self, id: HeaderId, begin: impl Fn(&mut Output<'_>), value: impl Value) {
        let line = self.length;
        let ((start, end), unfolds) = self.write(|out| {
            begin(out);
            let start = out.at();
            value.write(out);
            let end = out.at();
            out.extend_from_slice(b"\r\n");
            (start, end)
        });
        let written = trim_start(self.room.get(start..end).unwrap_or_default());
        let value = end - written.len();
        self.breaks += 2;
        if unfolds && let Some(bits) = self.unfolding.get_mut(self.fields.len() / 64) {
            *bits |= 1 << (self.fields.len() % 64);
        }
        self.field([line, start - 2, value, value + trim_end(written).len(), end + 2], id);
    }

    fn field(&mut self, places: [usize; 5], id: HeaderId) {
        // Too many of them, or too far behind, are found out in the end.
        self.fields.push(Field::new(Source::Received, places, id));
    }

    /// Copies every row of a field as it stands, folding and spelling of the name included.
    fn copy(&mut self, from: &Message, id: HeaderId) {
        for field in from.fields.iter().filter(|field| field.id == id) {
            let line = from.line(field);
            let start = self.length;
            self.write(|out| {
                out.extend_from_slice(line);
                if !line.ends_with(b"\n") {
                    out.extend_from_slice(b"\r\n");
                }
            });
            self.breaks += count_breaks(self.room.get(start..self.length).unwrap_or_default());
            let place = |place: u16| start + usize::from(place - field.line);
            let places = [start, place(field.name), place(field.value), place(field.value_end), self.length];
            self.field(places, id);
        }
    }

    fn body(&mut self, content_type: &str, body: Bytes) {
        self.header(HeaderId::CONTENT_TYPE, content_type);
        self.body = body;
    }

    /// Makes spaces of the folds in values that were read from messages.
    #[cold]
    fn unfold(&mut self) {
        for (index, field) in self.fields.iter().enumerate() {
            let unfolds = self.unfolding.get(index / 64).is_some_and(|bits| bits >> (index % 64) & 1 == 1);
            let value = usize::from(field.name)..usize::from(field.end).saturating_sub("\r\n".len());
            if unfolds && let Some(value) = self.room.get_mut(value) {
                unfold(value);
            }
        }
    }

    fn build(mut self: Box<Self>) -> Result<Message, InvalidValue> {
        let length = self.body.len();
        self.header(HeaderId::CONTENT_LENGTH, length);
        self.write(|out| out.extend_from_slice(b"\r\n"));
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.length > MAX_HEADER_BYTES || self.fields.len() > MAX_FIELDS {
            return Err(InvalidValue::TooLong);
        }
        let breaks = self.breaks + 2;
        // Rule 84: a value that holds a line break or NUL is found by their number.
        if count_controls(self.head()) != breaks {
            self.unfold();
            if count_breaks(self.head()) != breaks {
                return Err(InvalidValue::ControlCharacter);
            }
        }
        let head = self.head();
        // Room for just that, so that it becomes `Bytes` as it is.
        let mut bytes = Vec::with_capacity(head.len() + length);
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(&self.body);
        Ok(Message::written(Bytes::from(bytes), self.start, self.fields, self.body))
    }
}

impl Answer for Builder {
    fn add(&mut self, id: HeaderId, value: &[u8]) {
        self.header(id, value);
    }

    fn take(&mut self, from: &Message, id: HeaderId) {
        self.copy(from, id);
    }

    fn fail(&mut self, fault: InvalidValue) {
        self.fault.get_or_insert(fault);
    }
}

macro_rules! builders {
    ($($name:ident $kind:ident)*) => {$(
        impl $name {
            /// Adds a header field at the end.
            #[must_use]
            pub fn header(mut self, id: HeaderId, value: impl Value) -> Self {
                self.0.header(id, value);
                self
            }

            /// Adds a typed value at the end.
            ///
            /// ```
            /// use ringback_message::{Method, Request, header::{CSeq, CallId, MaxForwards}};
            ///
            /// let options = Request::builder(Method::OPTIONS, "sip:bob@example.com")
            ///     .with(MaxForwards(70))
            ///     .with(CallId("a84b4c76e66710"))
            ///     .with(CSeq { number: 1, method: Method::OPTIONS })
            ///     .build()?;
            /// assert!(options.require::<CSeq>().is_ok());
            /// # Ok::<(), ringback_message::InvalidValue>(())
            /// ```
            #[must_use]
            pub fn with<'a, H: Header<'a> + Value>(mut self, value: H) -> Self {
                match H::ID {
                    HeaderId::OTHER => self.0.other(H::NAME, value),
                    id => self.0.header(id, value),
                }
                self
            }

            /// Adds a header field that the registry may not name.
            #[must_use]
            pub fn other(mut self, name: &str, value: impl Value) -> Self {
                self.0.other(name, value);
                self
            }

            /// Copies every row of a field from another message, as it stands there.
            #[must_use]
            pub fn copy(mut self, from: &Message, id: HeaderId) -> Self {
                self.0.copy(from, id);
                self
            }

            /// Sets the body. Content-Length is written by [`build`](Self::build) in any case.
            #[must_use]
            pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
                self.0.body(content_type, body.into());
                self
            }

            /// Sets the body and leaves Content-Type to [`header`](Self::header).
            #[must_use]
            pub fn content(mut self, body: impl Into<Bytes>) -> Self {
                self.0.body = body.into();
                self
            }

            /// Ends the building.
            ///
            /// # Errors
            /// When a value held CR, LF or NUL (rule 84), a name or the URI was malformed, or the header is
            /// longer than 64 KiB.
            pub fn build(self) -> Result<$kind, InvalidValue> {
                self.0.build().map($kind)
            }
        }
    )*};
}

builders! {
    RequestBuilder Request
    ResponseBuilder Response
}

impl Request {
    /// Starts a request. `uri` is text, bytes or a [`UriBuf`](crate::UriBuf).
    pub fn builder(method: Method, uri: impl AsRef<[u8]>) -> RequestBuilder {
        let uri = uri.as_ref();
        let mut builder = Builder::new(|out| {
            method.write(out);
            out.push(b' ');
            out.extend_from_slice(uri);
            out.extend_from_slice(b" SIP/2.0\r\n");
        });
        let start = method.as_str().len() + 1;
        let uri_span = Span::new(Source::Received, start, (start + uri.len()).min(MAX_HEADER_BYTES));
        let line = Span::new(Source::Received, 0, builder.length.min(MAX_HEADER_BYTES));
        builder.start = StartLine::Request { method, uri: uri_span, line };
        if uri.is_empty() || space_or_control(uri).is_some() {
            builder.fault = Some(InvalidValue::Malformed("Request-URI"));
        }
        RequestBuilder(builder)
    }

    /// Starts a response to this request (RFC 3261 §8.2.6.2): every Via, From, To with `to_tag` where it
    /// has no tag yet, Call-ID and CSeq are copied. Also Timestamp into a 100.
    ///
    /// Works on requests that lack some of them, as far as they go (RFC 4475 §3.3.1).
    pub fn reply(&self, status: StatusCode, to_tag: Option<&str>) -> ResponseBuilder {
        self.reply_with(status, status.reason(), to_tag)
    }

    /// As [`reply`](Self::reply), with a reason phrase of one's own.
    pub fn reply_with(&self, status: StatusCode, reason: &str, to_tag: Option<&str>) -> ResponseBuilder {
        let mut builder = begin_response(status, reason);
        self.answer(&mut *builder, status, to_tag);
        ResponseBuilder(builder)
    }
}

impl Response {
    /// Starts a response that answers no request at hand, with the reason phrase of its status: for relays and tests.
    /// What answers a request is made by [`Request::reply`].
    pub fn builder(status: StatusCode) -> ResponseBuilder {
        ResponseBuilder(begin_response(status, status.reason()))
    }
}

fn begin_response(status: StatusCode, reason: &str) -> Box<Builder> {
    let mut builder = Builder::new(status_line(status, reason));
    let start = "SIP/2.0 200 ".len();
    let reason = Span::new(Source::Received, start, (start + reason.len()).min(MAX_HEADER_BYTES));
    let line = Span::new(Source::Received, 0, builder.length.min(MAX_HEADER_BYTES));
    builder.start = StartLine::Response { status, reason, line };
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_has_the_places_that_reading_it_finds() {
        let request = Request::builder(Method::INVITE, "sip:bob@example.com")
            .header(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
            .header(HeaderId::FROM, " <sip:alice@example.com>;tag=1 ")
            .header(HeaderId::TO, "Bob <sip:bob@example.com>")
            .header(HeaderId::CALL_ID, "abc")
            .header(HeaderId::CSEQ, format_args!("{} INVITE", 1))
            .other("X-Empty", "")
            .body("application/sdp", "v=0\r\n")
            .build()
            .unwrap();
        let folded = "To: Bob\r\n <sip:bob@example.com>\r\nv:SIP/2.0/UDP 192.0.2.7\n";
        let text = String::from_utf8(request.render().to_vec()).unwrap();
        let text = text.replace("To: Bob <sip:bob@example.com>\r\n", folded);
        let received = Request::try_from(Message::parse(text.into_bytes()).unwrap()).unwrap();
        let response = received.reply(StatusCode::RINGING, Some("b0b")).build().unwrap();
        let unanswered = received.reply_with(StatusCode::OK, "", None).build().unwrap();
        for built in [&request.0, &received.0, &response.0, &unanswered.0] {
            let read = Message::parse(built.render()).unwrap();
            assert_eq!(format!("{:?}", built.start), format!("{:?}", read.start));
            assert_eq!(format!("{:?}", built.fields), format!("{:?}", read.fields));
            assert_eq!(built.body, read.body);
            assert!(built.is_pristine() && built.defect().is_none() && read.defect().is_none());
        }
    }
}
