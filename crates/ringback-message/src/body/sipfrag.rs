//! Pieces of messages: `message/sipfrag` (RFC 3420).

use super::Entity;
use super::build::Lines;
use super::fields::{Fields, line_end};
use crate::edit::{Value, check};
use crate::header::Header;
use crate::lex::{decimal, is_token, text, trim, trim_end};
use crate::message::RawField;
use crate::{HeaderId, InvalidValue, Method, ParseError, StatusCode, Uri, UriBuf};
use bytes::Bytes;
use memchr::{memchr, memrchr};

/// The media type of fragments.
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// A piece of a message: a start line, header fields and a body, each of which may be missing.
///
/// ```
/// use ringback_message::StatusCode;
/// use ringback_message::body::{Fragment, FragmentBuf};
///
/// let told = FragmentBuf::status(StatusCode::RINGING).build()?;
/// assert_eq!(told, "SIP/2.0 180 Ringing\r\n");
/// assert_eq!(Fragment::parse(&told)?.status(), Some(StatusCode::RINGING));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fragment<'a> {
    start: Option<FragmentStart<'a>>,
    content: Entity<'a>,
    has_body: bool,
}

/// The start line of a fragment.
#[derive(Clone, Debug)]
pub enum FragmentStart<'a> {
    /// Of a request.
    Request {
        /// What is asked for.
        method: Method,
        /// Of whom.
        uri: Uri<'a>,
    },
    /// Of a response.
    Status {
        /// The status.
        status: StatusCode,
        /// The words behind it.
        reason: &'a [u8],
    },
}

impl<'a> Fragment<'a> {
    /// Reads a whole body. Header fields are judged when they are asked for; lines that are none are passed over.
    ///
    /// # Errors
    /// When it is empty, and when its first line is neither start line nor header field.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        if body.is_empty() {
            return Err(ParseError::new(0, "sipfrag"));
        }
        let end = line_end(body, 0);
        let start = start_line(trim_end(&body[..end]))?;
        let behind = if start.is_some() { end } else { 0 };
        let (fields, rest) = Fields::split(&body[behind..]);
        if start.is_none() && fields.begins_broken() {
            return Err(ParseError::new(0, "message-header"));
        }
        let content = Entity { message: None, fields, body: rest.unwrap_or_default(), depth: 0 };
        Ok(Self { start, content, has_body: rest.is_some() })
    }

    /// The start line, where there is one.
    pub fn start(&self) -> Option<&FragmentStart<'a>> {
        self.start.as_ref()
    }

    /// The status, where it is a piece of a response with its start line.
    pub fn status(&self) -> Option<StatusCode> {
        match self.start {
            Some(FragmentStart::Status { status, .. }) => Some(status),
            _ => None,
        }
    }

    /// The header fields in order.
    pub fn fields(&self) -> impl Iterator<Item = RawField<'a>> + use<'a> {
        self.content.fields()
    }

    /// The first value of a field; `None` where it is absent. The offset of an error counts in the value.
    pub fn first<H: Header<'a>>(&self) -> Option<Result<H, ParseError>> {
        self.content.first()
    }

    /// The body with the fields that describe it; `None` where the fragment ends before.
    pub fn body(&self) -> Option<Entity<'a>> {
        self.has_body.then_some(self.content)
    }
}

/// `None` where the line is no start line, and so should be a header field.
fn start_line(line: &[u8]) -> Result<Option<FragmentStart<'_>>, ParseError> {
    let Some(space) = memchr(b' ', line).filter(|space| *space > 0) else { return Ok(None) };
    let (first, rest) = (&line[..space], &line[space + 1..]);
    if first.eq_ignore_ascii_case(b"SIP/2.0") {
        let (code, reason) = rest.split_at(rest.len().min(3));
        let status = decimal::<u16>(code).and_then(StatusCode::new);
        let status = status.filter(|_| matches!(reason, [] | [b' ', ..]));
        let status = status.ok_or(ParseError::new(space + 1, "Status-Code"))?;
        return Ok(Some(FragmentStart::Status { status, reason: trim(reason) }));
    }
    let last = memrchr(b' ', rest).filter(|_| is_token(first));
    let Some((uri, version)) = last.map(|at| (&rest[..at], &rest[at + 1..])) else { return Ok(None) };
    if !version.eq_ignore_ascii_case(b"SIP/2.0") || uri.first() == Some(&b':') {
        return Ok(None);
    }
    let method = Method::new(text(first, 0, "Method")?).map_err(|_| ParseError::new(0, "Method"))?;
    let uri = Uri::parse(uri).map_err(|error| error.shifted(space + 1))?;
    Ok(Some(FragmentStart::Request { method, uri }))
}

/// A fragment in the making.
#[derive(Clone, Debug)]
pub struct FragmentBuf {
    start: Vec<u8>,
    lines: Lines,
    body: Option<Bytes>,
}

impl FragmentBuf {
    /// One without a start line: header fields, a body.
    pub fn fields() -> Self {
        Self { start: Vec::new(), lines: Lines::default(), body: None }
    }

    /// One that begins with the start line of a response, with the usual words for its status.
    pub fn status(status: StatusCode) -> Self {
        Self::started(format_args!("SIP/2.0 {status} {}", status.reason()))
    }

    /// One that begins with the start line of a request.
    pub fn request(method: &Method, uri: &UriBuf) -> Self {
        Self::started(format_args!("{method} {uri} SIP/2.0"))
    }

    fn started(line: std::fmt::Arguments<'_>) -> Self {
        Self { start: line.to_string().into_bytes(), ..Self::fields() }
    }

    /// Adds a header field at the end.
    #[must_use]
    pub fn header(mut self, id: HeaderId, value: impl Value) -> Self {
        self.lines.header(id, value);
        self
    }

    /// Sets the body and what it is.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self.header(HeaderId::CONTENT_TYPE, content_type)
    }

    /// Ends the building.
    ///
    /// # Errors
    /// When nothing was put in, or a value held CR, LF or NUL (rule 84).
    pub fn build(self) -> Result<Bytes, InvalidValue> {
        check(&self.start)?;
        let mut out = self.start.clone();
        if !out.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(self.lines.written()?);
        if let Some(body) = self.body {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(&body);
        }
        if out.is_empty() { Err(InvalidValue::Malformed("sipfrag")) } else { Ok(out.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{CallId, Contact};

    /// What is left of a fragment: start line, number of fields, body.
    fn read(text: &str) -> Result<(String, usize, Option<String>), ParseError> {
        let fragment = Fragment::parse(text.as_bytes())?;
        let start = match fragment.start() {
            Some(FragmentStart::Request { method, uri }) => format!("{method} {uri}"),
            Some(FragmentStart::Status { status, reason }) => {
                format!("{status} {}", String::from_utf8_lossy(reason))
            }
            None => String::new(),
        };
        let body = fragment.body().map(|it| String::from_utf8_lossy(it.body()).into_owned());
        Ok((start, fragment.fields().count(), body))
    }

    #[test]
    fn every_piece_may_be_missing() {
        for (text, start, fields, body) in [
            // RFC 3420 §2.1 and §2.2.
            ("SIP/2.0 603 Declined\r\n", "603 Declined", 0, None),
            ("INVITE sip:alice@atlanta.com SIP/2.0\r\n", "INVITE sip:alice@atlanta.com", 0, None),
            ("SIP/2.0 200", "200 ", 0, None),
            ("SIP/2.0 200 OK\n\n", "200 OK", 0, Some("")),
            ("From: Alice <sip:a@b>\r\nCall-ID: x\r\n", "", 2, None),
            ("Subject : to SIP/2.0\r\n", "", 1, None),
            ("INVITE sip:a@b SIP/2.0\r\nc: text/plain\r\n\r\nhi", "INVITE sip:a@b", 1, Some("hi")),
            ("\r\nbody", "", 0, Some("body")),
            ("SIP/2.0 200 OK\r\nno field\r\n", "200 OK", 0, None),
        ] {
            let body = body.map(str::to_owned);
            assert_eq!(read(text), Ok((start.to_owned(), fields, body)), "{text}");
        }
    }

    #[test]
    fn what_is_no_piece_of_a_message_is_refused() {
        for (text, offset) in [
            ("", 0),
            ("SIP/2.0 20\r\n", 8),
            ("SIP/2.0 2000 OK\r\n", 8),
            ("SIP/2.0 099 No\r\n", 8),
            ("hello", 0),
            ("INVITE sip: SIP/2.0\r\n", 11),
        ] {
            assert_eq!(
                Fragment::parse(text.as_bytes()).map(|_| ()).map_err(|error| error.offset),
                Err(offset),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_built_is_read() {
        let uri = "sip:bob@example.com".parse().unwrap();
        let built = FragmentBuf::request(&Method::INVITE, &uri)
            .header(HeaderId::CALL_ID, "abc")
            .header(HeaderId::CONTACT, "<sip:a@b>")
            .body("text/plain", "hi")
            .build()
            .unwrap();
        let fragment = Fragment::parse(&built).unwrap();
        assert_eq!(fragment.first::<CallId<'_>>().unwrap().unwrap().0, "abc");
        assert!(fragment.first::<Contact<'_>>().unwrap().is_ok());
        assert!(fragment.body().is_some_and(|body| body.is("text", "plain") && body.body() == b"hi"));
        assert_eq!(fragment.status(), None);
        assert_eq!(
            FragmentBuf::fields().header(HeaderId::SUBJECT, "a\r\nb: c").build(),
            Err(InvalidValue::ControlCharacter)
        );
        assert!(FragmentBuf::fields().build().is_err());
    }
}
