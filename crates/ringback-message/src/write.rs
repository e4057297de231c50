//! Messages written straight to their bytes.

use crate::edit::Value;
use crate::header::Header;
use crate::limits::MAX_HEADER_BYTES;
use crate::output::unfold;
use crate::scan::{count_breaks, count_controls, space_or_control};
use crate::{HeaderId, InvalidValue, Message, Method, Output, Request, Response, StatusCode};
use smallvec::SmallVec;

/// The header fields of a message that is being written.
///
/// A message may be written more than once until it has room enough, so whoever adds fields adds the same ones each time.
pub struct Fields<'a> {
    out: Output<'a>,
    /// How many octets there should be among the written ones that break lines: two for each line.
    breaks: usize,
    fault: Option<InvalidValue>,
    /// Whether each value is searched for folds that became part of it.
    unfolding: bool,
}

impl Fields<'_> {
    /// Adds a header field at the end.
    pub fn header(&mut self, id: HeaderId, value: impl Value) -> &mut Self {
        let (begin, length) = id.beginning();
        self.out.extend_padded(begin, length);
        self.value(value);
        self
    }

    /// Adds a typed value at the end.
    pub fn with<'a, H: Header<'a> + Value>(&mut self, value: H) -> &mut Self {
        match H::ID {
            HeaderId::OTHER => self.other(H::NAME, value),
            id => self.header(id, value),
        }
    }

    /// Adds a header field that the registry may not name.
    pub fn other(&mut self, name: &str, value: impl Value) -> &mut Self {
        if !crate::lex::is_token(name.as_bytes()) {
            self.fail(InvalidValue::Malformed("header name"));
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        self.value(value);
        self
    }

    /// Copies every row of a field from another message, as it stands there.
    pub fn copy(&mut self, from: &Message, id: HeaderId) -> &mut Self {
        for line in from.lines_of(id) {
            self.out.extend_from_slice(line);
            self.breaks += count_breaks(line);
            if !line.ends_with(b"\n") {
                self.out.extend_from_slice(b"\r\n");
                self.breaks += 2;
            }
        }
        self
    }

    #[inline(always)]
    fn value(&mut self, value: impl Value) {
        if self.unfolding {
            self.unfolded(&|out| value.write(out));
        } else {
            value.write(&mut self.out);
        }
        self.out.extend_from_slice(b"\r\n");
        self.breaks += 2;
    }

    #[cold]
    fn unfolded(&mut self, write: &dyn Fn(&mut Output<'_>)) {
        let start = self.out.at();
        self.out.begin_value();
        write(&mut self.out);
        if self.out.unfolds() {
            unfold(self.out.written_from(start));
        }
    }

    pub(crate) fn fail(&mut self, fault: InvalidValue) {
        self.fault.get_or_insert(fault);
    }
}

/// Where the fields of an answer go.
pub(crate) trait Answer {
    fn add(&mut self, id: HeaderId, value: &[u8]);
    fn take(&mut self, from: &Message, id: HeaderId);
    fn fail(&mut self, fault: InvalidValue);
}

impl Answer for Fields<'_> {
    fn add(&mut self, id: HeaderId, value: &[u8]) {
        self.header(id, value);
    }

    fn take(&mut self, from: &Message, id: HeaderId) {
        self.copy(from, id);
    }

    fn fail(&mut self, fault: InvalidValue) {
        Fields::fail(self, fault);
    }
}

/// What the header of most messages is shorter than.
const USUAL: usize = 1024;
/// What nearly all are shorter than.
const LONG: usize = 2_000;

/// Appends a message to `bytes`; leaves them as they were where it fails.
fn append(
    bytes: &mut Vec<u8>,
    body: &[u8],
    start: impl Fn(&mut Output<'_>),
    fields: impl Fn(&mut Fields<'_>),
) -> Result<(), InvalidValue> {
    let begin = bytes.len();
    let written = head(bytes, body.len(), &start, &fields);
    match written {
        Ok(()) => bytes.extend_from_slice(body),
        Err(_) => bytes.truncate(begin),
    }
    written
}

/// Appends start line and header.
#[inline(always)]
fn head(
    bytes: &mut Vec<u8>,
    body: usize,
    start: &impl Fn(&mut Output<'_>),
    fields: &impl Fn(&mut Fields<'_>),
) -> Result<(), InvalidValue> {
    let begin = bytes.len();
    // A buffer that is used again has room for messages like the last ones.
    let spare = bytes.capacity() - begin;
    let (mut room, mut unfolding) = (spare.clamp(USUAL, LONG), false);
    loop {
        bytes.resize(begin + room, b' ');
        let out = Output::new(bytes.get_mut(begin..).unwrap_or_default(), 0);
        let mut head = Fields { out, breaks: 4, fault: None, unfolding };
        start(&mut head.out);
        fields(&mut head);
        head.header(HeaderId::CONTENT_LENGTH, body);
        head.out.extend_from_slice(b"\r\n");
        let (length, unfolds) = (head.out.at(), head.out.unfolds());
        let (breaks, fault) = (head.breaks, head.fault);
        if let Some(fault) = fault {
            return Err(fault);
        }
        if length > MAX_HEADER_BYTES {
            return Err(InvalidValue::TooLong);
        }
        if length > room {
            room = length;
            continue;
        }
        bytes.truncate(begin + length);
        let written = bytes.get(begin..).unwrap_or_default();
        // Rule 84: a value that holds a line break or NUL is found by their number.
        if count_controls(written) == breaks || count_breaks(written) == breaks {
            return Ok(());
        }
        if unfolding || !unfolds {
            return Err(InvalidValue::ControlCharacter);
        }
        unfolding = true;
    }
}

impl Request {
    /// Appends a request to `bytes`, without the index that a [`Message`] has: for those who only send it. `fields` adds
    /// the header fields; Content-Length is written in any case.
    ///
    /// ```
    /// use ringback_message::{HeaderId, Method, Request, header::{CSeq, MaxForwards}};
    ///
    /// let mut bytes = Vec::new();
    /// Request::write(&mut bytes, &Method::OPTIONS, "sip:bob@example.com", b"", |fields| {
    ///     fields
    ///         .header(HeaderId::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
    ///         .with(MaxForwards(70))
    ///         .header(HeaderId::FROM, "<sip:alice@example.com>;tag=1")
    ///         .header(HeaderId::TO, "<sip:bob@example.com>")
    ///         .header(HeaderId::CALL_ID, "abc")
    ///         .with(CSeq { number: 1, method: Method::OPTIONS });
    /// })?;
    /// assert!(bytes.starts_with(b"OPTIONS sip:bob@example.com SIP/2.0\r\nVia: "));
    /// assert!(bytes.ends_with(b"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"));
    /// # Ok::<(), ringback_message::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    /// When a value holds CR, LF or NUL (rule 84), a name or the URI is malformed, or the header is longer than 64 KiB.
    /// `bytes` are then as they were.
    pub fn write(
        bytes: &mut Vec<u8>,
        method: &Method,
        uri: impl AsRef<[u8]>,
        body: &[u8],
        fields: impl Fn(&mut Fields<'_>),
    ) -> Result<(), InvalidValue> {
        let uri = uri.as_ref();
        if uri.is_empty() || space_or_control(uri).is_some() {
            return Err(InvalidValue::Malformed("Request-URI"));
        }
        let start = |out: &mut Output<'_>| {
            method.write(out);
            out.push(b' ');
            out.extend_from_slice(uri);
            out.extend_from_slice(b" SIP/2.0\r\n");
        };
        append(bytes, body, start, fields)
    }

    /// Appends a response to this request to `bytes`: what [`reply_with`](Self::reply_with) would build, and then what
    /// `fields` adds.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_reply(
        &self,
        bytes: &mut Vec<u8>,
        (status, reason): (StatusCode, &str),
        to_tag: Option<&str>,
        body: &[u8],
        fields: impl Fn(&mut Fields<'_>),
    ) -> Result<(), InvalidValue> {
        append(bytes, body, status_line(status, reason), |out| {
            self.answer(out, status, to_tag);
            fields(out);
        })
    }

    /// Adds what each response to this request has (RFC 3261 §8.2.6.2).
    pub(crate) fn answer(&self, out: &mut impl Answer, status: StatusCode, to_tag: Option<&str>) {
        out.take(self, HeaderId::VIA);
        out.take(self, HeaderId::FROM);
        match to_tag {
            Some(tag) if !self.has_to_tag() => {
                if let Some(to) = self.values(HeaderId::TO).next() {
                    // Folds were read, and NUL can stand in a quoted display name; neither may be written.
                    let mut tagged = SmallVec::<[u8; 128]>::from_slice(to);
                    unfold(&mut tagged);
                    tagged.extend_from_slice(b";tag=");
                    tagged.extend_from_slice(tag.as_bytes());
                    out.add(HeaderId::TO, &tagged);
                    if !crate::lex::is_token(tag.as_bytes()) {
                        out.fail(InvalidValue::Malformed("tag"));
                    }
                }
            }
            _ => out.take(self, HeaderId::TO),
        }
        out.take(self, HeaderId::CALL_ID);
        out.take(self, HeaderId::CSEQ);
        if status == StatusCode::TRYING {
            out.take(self, HeaderId::TIMESTAMP);
        }
    }

    fn has_to_tag(&self) -> bool {
        // Without a parameter there is none, which is seen at once.
        let told = |to: &[u8]| {
            let start = memchr::memchr(b';', to).unwrap_or(to.len());
            to[start..].windows(3).any(|three| three.eq_ignore_ascii_case(b"tag"))
        };
        // An empty one counts here: a second one beside it would tell nobody anything.
        self.values(HeaderId::TO).next().is_some_and(told)
            && self.first::<crate::header::To<'_>>().is_some_and(|to| to.is_ok_and(|to| to.params.has("tag")))
    }
}

impl Response {
    /// Appends a response that answers no request at hand to `bytes`, with the reason phrase of its status: for relays and
    /// tests. What answers a request is written by [`Request::write_reply`].
    ///
    /// # Errors
    /// As [`Request::write`].
    pub fn write(
        bytes: &mut Vec<u8>,
        status: StatusCode,
        body: &[u8],
        fields: impl Fn(&mut Fields<'_>),
    ) -> Result<(), InvalidValue> {
        append(bytes, body, status_line(status, status.reason()), fields)
    }
}

/// Writes the first line of a response.
pub(crate) fn status_line(status: StatusCode, reason: &str) -> impl Fn(&mut Output<'_>) {
    move |out| {
        out.extend_from_slice(b"SIP/2.0 ");
        out.push_number(status.as_u16().into());
        out.push(b' ');
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{From, NameAddr};

    fn request(text: &str) -> Request {
        Request::try_from(Message::parse(text.as_bytes().to_vec()).unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_is_what_would_be_built() {
        let received = request(
            "INVITE sip:x SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK1\r\nTo: Bob\r\n <sip:b@c>\r\nFrom: <sip:a@b>;tag=1\r\nTimestamp: 5\r\ni: 7\r\nCSeq: 1 INVITE\r\n\r\n",
        );
        for (status, reason, tag) in
            [(100, "Trying", None), (180, "Ringing", Some("b0b")), (200, "", Some("x"))]
        {
            let status = StatusCode::new(status).unwrap();
            let mut bytes = b"before".to_vec();
            received
                .write_reply(&mut bytes, (status, reason), tag, b"body", |fields| {
                    fields.header(HeaderId::SERVER, "s").other("X-A", 1u8);
                })
                .unwrap();
            let built =
                received.reply_with(status, reason, tag).header(HeaderId::SERVER, "s").other("X-A", 1u8);
            let built = built.content("body").build().unwrap().render();
            assert_eq!(bytes, [b"before", &built[..]].concat());
        }
    }

    #[test]
    fn rule_84_nothing_that_ends_a_line_is_written_and_folds_become_spaces() {
        let folded = NameAddr::parse(b"Alice\r\n A. <sip:a@b>;tag=1").unwrap();
        let write = |text: &str| {
            let mut bytes = b"before".to_vec();
            let written = Response::write(&mut bytes, StatusCode::OK, b"", |fields| {
                fields.with(From(folded)).header(HeaderId::SUBJECT, text);
            });
            written.map(|()| bytes.split_off(6)).map_err(|error| (error, bytes))
        };
        let text = String::from_utf8(write("hello").unwrap()).unwrap();
        assert_eq!(
            text,
            "SIP/2.0 200 OK\r\nFrom: Alice   A. <sip:a@b>;tag=1\r\nSubject: hello\r\nContent-Length: 0\r\n\r\n"
        );
        for text in ["a\r\nX: y", "a\n", "\0"] {
            assert_eq!(write(text), Err((InvalidValue::ControlCharacter, b"before".to_vec())), "{text:?}");
        }
    }

    #[test]
    fn long_messages_are_written_whole_and_too_long_ones_not_at_all() {
        for length in [1, 900, 1_000, 1_100, 5_000, 60_000] {
            let (mut bytes, long) = (Vec::new(), "x".repeat(length));
            Response::write(&mut bytes, StatusCode::OK, b"b", |fields| {
                fields.header(HeaderId::SUBJECT, &long);
            })
            .unwrap();
            let expected = format!("SIP/2.0 200 OK\r\nSubject: {long}\r\nContent-Length: 1\r\n\r\nb");
            assert!(bytes == expected.as_bytes(), "{length}");
        }
        let (mut bytes, long) = (Vec::new(), "x".repeat(MAX_HEADER_BYTES));
        let written = Response::write(&mut bytes, StatusCode::OK, b"", |fields| {
            fields.header(HeaderId::SUBJECT, &long);
        });
        assert_eq!((written, bytes.len()), (Err(InvalidValue::TooLong), 0));
        assert!(Request::write(&mut bytes, &Method::ACK, "sip:a b", b"", |_| {}).is_err());
        let named = Request::write(&mut bytes, &Method::ACK, "sip:a", b"", |fields| {
            fields.other("bad name", "x");
        });
        assert_eq!((named, bytes.len()), (Err(InvalidValue::Malformed("header name")), 0));
    }
}
