//! The message: bytes, where its lines are, and what was changed.

use crate::header::Header;
use crate::index::{Indexer, Start};
use crate::lex::{Elements, decimal, trim};
use crate::overlay::Overlay;
use crate::seen::Seen;
use crate::{HeaderId, Limits, Method, ParseError, StatusCode, Uri};
use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt;
use std::ops::Deref;

/// A SIP message, received or built.
///
/// Reading finds the lines and judges none of their values; a value is parsed when it is asked for, so an
/// element never rejects what it does not look at (RFC 3261 §16.3). Changes are an overlay: a changed line
/// lives beside the received bytes, and every accessor sees the message as changed. Lines that nobody
/// touches leave as they came, spelling, order and folding included.
///
/// ```
/// use ringback_message::{Message, Method, header::{Via, To}};
///
/// let text = "OPTIONS sip:bob@example.com SIP/2.0\r\n\
///             v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
///             To: Bob <sip:bob@example.com>\r\n\r\n";
/// let message = Message::parse(text.as_bytes().to_vec())?;
/// assert_eq!(message.method(), Some(&Method::OPTIONS));
/// let via: Via = message.first().expect("there is one")?;
/// assert_eq!(via.branch(), Some("z9hG4bK1"));
/// let to = message.first::<To>().expect("there is one")?;
/// assert_eq!(&*to.display(), b"Bob");
/// assert_eq!(&message.render()[..], text.as_bytes());
/// assert_eq!(message.as_received(), text);
/// # Ok::<(), ringback_message::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Message {
    pub(crate) received: Bytes,
    /// Lines that were added or changed, each whole with its CRLF.
    pub(crate) overlay: Overlay,
    pub(crate) start: StartLine,
    pub(crate) fields: SmallVec<[Field; 32]>,
    /// Which of them there may be.
    pub(crate) seen: Seen,
    pub(crate) body: Bytes,
    version_ok: bool,
    /// How many values a row that was received may hold.
    elements: u16,
    defect: Option<ParseError>,
}

/// Which bytes a span counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Received,
    Overlay,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) source: Source,
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl Span {
    /// The header section is at most 64 KiB, checked before spans are made, so offsets fit.
    pub(crate) fn new(source: Source, start: usize, end: usize) -> Self {
        Self { source, start: start as u16, end: end as u16 }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum StartLine {
    Request { method: Method, uri: Span, line: Span },
    Response { status: StatusCode, reason: Span, line: Span },
}

/// Where one header field is: its name is `[line, name)`, its value without outer white space
/// `[value, value_end)`, and behind its line end, at `end`, the next line begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) line: u16,
    pub(crate) name: u16,
    pub(crate) value: u16,
    pub(crate) value_end: u16,
    pub(crate) end: u16,
    pub(crate) id: HeaderId,
    pub(crate) source: Source,
}

impl Field {
    /// The places in the order of the fields of the structure.
    pub(crate) fn new(source: Source, places: [usize; 5], id: HeaderId) -> Self {
        let [line, name, value, value_end, end] = places.map(|place| place as u16);
        Self { line, name, value, value_end, end, id, source }
    }

    /// A line that is no header field: it has no name.
    pub(crate) fn broken(line: usize, end: usize) -> Self {
        Self::new(Source::Received, [line, line, line, end, end], HeaderId::OTHER)
    }
}

/// One header field as it stands in a message.
#[derive(Clone, Copy)]
pub struct RawField<'a> {
    /// Which field it is.
    pub id: HeaderId,
    /// The name as written: long or compact, in any letter case.
    pub name: &'a [u8],
    /// The value as written, without outer white space. Folded lines keep their CRLF.
    pub value: &'a [u8],
}

impl<'a> RawField<'a> {
    /// The values of the row: the elements of its comma list, where the field is one, else the whole row.
    pub fn values(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Elements::of(self.value, self.id.is_list()).map(|(_, value)| value)
    }
}

impl fmt::Debug for RawField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", String::from_utf8_lossy(self.name), String::from_utf8_lossy(self.value))
    }
}

impl Message {
    /// Indexes a message that fills a datagram, or one that a stream's framing cut out.
    ///
    /// A body shorter than the datagram ends where Content-Length says and the rest is dropped (rule 78);
    /// without Content-Length it is all the rest (rule 77). What is wrong but does not keep the
    /// message from being answered is left for [`validate`](Self::validate) to report.
    ///
    /// # Errors
    /// When it cannot be told whether this is a request or a response, or the start line is longer than a header
    /// section may be.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, ParseError> {
        Self::index(bytes.into(), &Limits::DEFAULT)
    }

    /// Indexes a message as [`parse`](Self::parse) does, and takes no more than these limits. Where one is passed,
    /// [`validate`](Self::validate) says so; fields beyond it are not read.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_with(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self, ParseError> {
        Self::index(bytes.into(), limits)
    }

    /// Inlined, so that usual limits are constants in its loops.
    #[inline(always)]
    fn index(received: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        let (indexer, Start { line, version_ok, defect }) = Indexer::start(&received, limits)?;
        let mut message = Self {
            received,
            overlay: Overlay::default(),
            start: line,
            fields: SmallVec::new(),
            seen: Seen::default(),
            body: Bytes::new(),
            version_ok,
            elements: limits.elements,
            defect,
        };
        let found = indexer.fields(&message.received, limits, &mut message.fields);
        message.seen = Seen::of(&message.fields);
        message.defect = message.defect.or(found.defect);
        message.body = message.received.slice(found.body..);
        let length = match found.lengths {
            (0, _) => return Ok(message),
            (1, at) => message.fields.get(at).map_or(Ok(0), |field| message.length_in(field)).map(Some),
            _ => message.content_length(),
        };
        match length {
            Ok(Some(length)) if length <= message.body.len() => message.body.truncate(length),
            Ok(Some(_)) => {
                message.defect.get_or_insert(ParseError::new(message.received.len(), "Content-Length"));
            }
            Ok(None) => {}
            Err(error) => {
                message.defect.get_or_insert(error);
            }
        }
        Ok(message)
    }

    /// What Content-Length says. Several that differ, signs and overflow are refused (rule 76).
    pub(crate) fn content_length(&self) -> Result<Option<usize>, ParseError> {
        let mut found = None;
        for field in self.fields.iter().filter(|field| field.id == HeaderId::CONTENT_LENGTH) {
            let length = self.length_in(field)?;
            if found.is_some_and(|found| found != length) {
                return Err(ParseError::new(field.value.into(), "Content-Length"));
            }
            found = Some(length);
        }
        Ok(found)
    }

    #[inline]
    fn length_in(&self, field: &Field) -> Result<usize, ParseError> {
        let length = decimal::<u32>(self.value(field)).map(|length| length as usize);
        length.ok_or(ParseError::new(field.value.into(), "Content-Length"))
    }

    /// The first fault that indexing found, which [`validate`](Self::validate) reports.
    pub(crate) fn defect(&self) -> Option<ParseError> {
        self.defect
    }

    pub(crate) fn version_ok(&self) -> bool {
        self.version_ok
    }

    /// A message whose places are known, for it was just written. The body is among its bytes too.
    pub(crate) fn written(
        received: Bytes,
        start: StartLine,
        fields: SmallVec<[Field; 32]>,
        body: Bytes,
    ) -> Self {
        let elements = Limits::WIDEST.elements;
        Self {
            received,
            overlay: Overlay::default(),
            start,
            seen: Seen::of(&fields),
            fields,
            body,
            version_ok: true,
            elements,
            defect: None,
        }
    }

    fn source(&self, source: Source) -> &[u8] {
        match source {
            Source::Received => &self.received,
            Source::Overlay => self.overlay.as_slice(),
        }
    }

    pub(crate) fn span(&self, span: Span) -> &[u8] {
        &self.source(span.source)[usize::from(span.start)..usize::from(span.end)]
    }

    pub(crate) fn value(&self, field: &Field) -> &[u8] {
        &self.source(field.source)[usize::from(field.value)..usize::from(field.value_end)]
    }

    pub(crate) fn line(&self, field: &Field) -> &[u8] {
        &self.source(field.source)[usize::from(field.line)..usize::from(field.end)]
    }

    /// The rows of a field, each with its name and line end.
    pub(crate) fn lines_of(&self, id: HeaderId) -> impl Iterator<Item = &[u8]> {
        self.candidates(id).iter().filter(move |field| field.id == id).map(|field| self.line(field))
    }

    pub(crate) fn name(&self, field: &Field) -> &[u8] {
        &self.source(field.source)[usize::from(field.line)..usize::from(field.name)]
    }

    /// Whether this is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The method of a request; `None` for a response.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The Request-URI of a request as it stands; `None` for a response.
    pub fn request_uri_bytes(&self) -> Option<&[u8]> {
        match &self.start {
            StartLine::Request { uri, .. } => Some(self.span(*uri)),
            StartLine::Response { .. } => None,
        }
    }

    /// The status of a response; `None` for a request.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(*status),
        }
    }

    /// The first value of a field: of `Via` the topmost, whether values share a row or not.
    ///
    /// `None` when the field is absent, an error when its first value is out of its grammar; the offset then
    /// counts in the message as received.
    pub fn first<'a, H: Header<'a>>(&'a self) -> Option<Result<H, ParseError>> {
        self.candidates(H::ID)
            .iter()
            .find(|field| self.is_named(field, H::ID, H::NAME) && !self.holds_nothing(field))
            .map(|field| self.parse_first(field))
    }

    /// The rows among which those of a field are: none where there is none, for sure.
    #[inline(always)]
    fn candidates(&self, id: HeaderId) -> &[Field] {
        if self.seen.may_have(id) { &self.fields } else { &[] }
    }

    /// Whether a row is a list without values, where the grammar has such lists: no encoding is taken, nothing is
    /// supported (RFC 3261 §20.1, §20.5).
    #[inline(always)]
    fn holds_nothing(&self, field: &Field) -> bool {
        field.value == field.value_end && field.id.may_be_empty()
    }

    /// Whether a row is of a field; one that the registry lacks is known by its name.
    #[inline(always)]
    pub(crate) fn is_named(&self, field: &Field, id: HeaderId, name: &str) -> bool {
        field.id == id && (id != HeaderId::OTHER || self.name(field).eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The first value of a row.
    pub(crate) fn parse_first<'a, H: Header<'a>>(&'a self, field: &Field) -> Result<H, ParseError> {
        let row = self.value(field);
        if H::IS_LIST
            && let Some(value) = H::alone(row)
        {
            return Ok(value);
        }
        let (at, value) = Elements::of(row, H::IS_LIST).next().unwrap_or((0, row));
        H::parse(value).map_err(|error| error.shifted(usize::from(field.value) + at))
    }

    /// The first value of a field that must be there.
    ///
    /// # Errors
    /// When it is absent or out of its grammar.
    pub fn require<'a, H: Header<'a>>(&'a self) -> Result<H, ParseError> {
        self.first().unwrap_or(Err(ParseError::new(0, H::NAME)))
    }

    /// All values of a field in order, across rows and comma lists. Of a row that holds more than its
    /// [limit](Limits::elements) those behind it are left out, and an error comes last.
    pub fn all<'a, H: Header<'a>>(&'a self) -> impl Iterator<Item = Result<H, ParseError>> + use<'a, H> {
        let fields = self.candidates(H::ID).iter();
        let (id, name, is_list) = (H::ID, H::NAME, H::IS_LIST);
        let mut located = Located { message: self, fields, id, name, is_list, row: None, refused: None };
        std::iter::from_fn(move || match located.next() {
            Some((offset, value)) => Some(H::parse(value).map_err(|error| error.shifted(offset))),
            None => located.refused.take().map(Err),
        })
    }

    /// All values of a field in order as they stand, comma lists taken apart where the field is one. Of a row that
    /// holds more than its [limit](Limits::elements), which [`validate`](Self::validate) refuses, those behind it are
    /// left out.
    pub fn values(&self, id: HeaderId) -> impl Iterator<Item = &[u8]> {
        self.located(id).map(|(_, value)| value)
    }

    fn located(&self, id: HeaderId) -> Located<'_> {
        let fields = self.candidates(id).iter();
        Located { message: self, fields, id, name: "", is_list: id.is_list(), row: None, refused: None }
    }

    /// Whether a row of this length may hold more values than its limit. A value and its comma take two octets, an empty
    /// one takes one, and that is how they count.
    #[inline(always)]
    pub(crate) fn may_be_crowded(&self, length: u16) -> bool {
        usize::from(length) >= 2 * usize::from(self.elements)
    }

    /// Refuses a row of a comma list that was received and holds more values than its limit, at the first of those.
    #[cold]
    pub(crate) fn check_row(&self, field: &Field) -> Result<(), ParseError> {
        if field.source == Source::Overlay || !self.may_be_crowded(field.value_end - field.value) {
            return Ok(());
        }
        let mut left = 2 * usize::from(self.elements);
        for (at, value) in Elements::new(self.value(field)) {
            let weight = if value.is_empty() { 1 } else { 2 };
            if weight > left {
                return Err(ParseError::new(usize::from(field.value) + at, "list elements"));
            }
            left -= weight;
        }
        Ok(())
    }

    /// Whether the field is there.
    pub fn has(&self, id: HeaderId) -> bool {
        self.candidates(id).iter().any(|field| field.id == id)
    }

    /// The value of the first row of a field that the registry does not name, by name in any letter case.
    pub fn other(&self, name: &str) -> Option<&[u8]> {
        let others = self.candidates(HeaderId::OTHER);
        let mut fields = others.iter().filter(|field| field.id == HeaderId::OTHER);
        fields
            .find(|field| self.name(field).eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| self.value(field))
    }

    /// Every header field in order, one for each row.
    pub fn fields(&self) -> impl Iterator<Item = RawField<'_>> {
        self.fields.iter().map(|field| RawField {
            id: field.id,
            name: self.name(field),
            value: self.value(field),
        })
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The bytes as they were received or built, whatever was changed since: for those who keep a record of what was
    /// on the wire. Bytes of a datagram behind the body are among them.
    pub fn as_received(&self) -> &Bytes {
        &self.received
    }

    /// A copy that shares no bytes with the buffer it was read from, for keeping a small message that pins a
    /// large buffer.
    pub fn detach(&self) -> Self {
        let copy = Self::parse_with(self.render(), &Limits::WIDEST);
        Self { elements: self.elements, ..copy.expect("a message that was read can be read again") }
    }
}

/// The values of a field with their places in its source, in order.
struct Located<'a> {
    message: &'a Message,
    fields: std::slice::Iter<'a, Field>,
    id: HeaderId,
    /// The name, for a field that the registry lacks.
    name: &'static str,
    is_list: bool,
    /// Where the value of the row begins that is gone through, and what is left of it.
    row: Option<(usize, Elements<'a>)>,
    /// That a row held too many.
    refused: Option<ParseError>,
}

impl<'a> Iterator for Located<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((start, elements)) = &mut self.row {
                if let Some((at, value)) = elements.next() {
                    return Some((*start + at, value));
                }
                self.row = None;
            }
            let (message, id, name) = (self.message, self.id, self.name);
            let field = self.fields.find(|field| message.is_named(field, id, name))?;
            if message.holds_nothing(field) {
                continue;
            }
            let mut value = message.value(field);
            if self.is_list && message.may_be_crowded(field.value_end - field.value) {
                value = self.uncrowded(field, value);
            }
            self.row = Some((field.value.into(), Elements::of(value, self.is_list)));
        }
    }
}

impl<'a> Located<'a> {
    /// The part of a row that its limit leaves.
    #[cold]
    fn uncrowded(&mut self, field: &Field, value: &'a [u8]) -> &'a [u8] {
        let Err(error) = self.message.check_row(field) else { return value };
        self.refused.get_or_insert(error);
        let kept = trim(&value[..error.offset as usize - usize::from(field.value)]);
        kept.strip_suffix(b",").unwrap_or(kept)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.render()))
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $test:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub(crate) Message);

        impl Deref for $name {
            type Target = Message;
            fn deref(&self) -> &Message {
                &self.0
            }
        }

        impl std::ops::DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Message {
                &mut self.0
            }
        }

        impl From<$name> for Message {
            fn from(kind: $name) -> Message {
                kind.0
            }
        }

        impl TryFrom<Message> for $name {
            /// The message, given back.
            type Error = Message;
            fn try_from(message: Message) -> Result<Self, Message> {
                if message.is_request() == $test { Ok(Self(message)) } else { Err(message) }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

kinds! {
    /// A message that is a request.
    Request true
    /// A message that is a response.
    Response false
}

impl Request {
    /// The method.
    pub fn method(&self) -> &Method {
        self.0.method().expect("a request has a method: checked when it was made")
    }

    /// The Request-URI.
    ///
    /// # Errors
    /// When it is out of its grammar; where it is longer than 8 KiB, to be answered with 414.
    pub fn uri(&self) -> Result<Uri<'_>, ParseError> {
        Uri::requested(self.uri_bytes()).map_err(|error| error.shifted(self.method().as_str().len() + 1))
    }

    /// The Request-URI as it stands.
    pub fn uri_bytes(&self) -> &[u8] {
        match &self.0.start {
            StartLine::Request { uri, .. } => self.0.span(*uri),
            StartLine::Response { .. } => b"",
        }
    }
}

impl Response {
    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.0.status().expect("a response has a status: checked when it was made")
    }

    /// The reason phrase as it stands; may be empty, and is not always UTF-8.
    pub fn reason(&self) -> &[u8] {
        match &self.0.start {
            StartLine::Response { reason, .. } => trim(self.0.span(*reason)),
            StartLine::Request { .. } => b"",
        }
    }
}
