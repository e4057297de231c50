//! Messages from scratch.

use crate::edit::{Value, check};
use crate::message::{Message, Request, Response};
use crate::{HeaderId, InvalidValue, Method, StatusCode};
use bytes::Bytes;

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
pub struct RequestBuilder(Builder);

/// A response in the making.
#[derive(Clone, Debug)]
pub struct ResponseBuilder(Builder);

#[derive(Clone, Debug)]
struct Builder {
    head: Vec<u8>,
    body: Bytes,
    fault: Option<InvalidValue>,
}

impl Builder {
    fn new() -> Self {
        Self { head: Vec::with_capacity(512), body: Bytes::new(), fault: None }
    }

    fn header(&mut self, name: &str, value: impl Value) {
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        let start = self.head.len();
        value.write(&mut self.head);
        if let Err(fault) = check(&self.head[start..]) {
            self.fault.get_or_insert(fault);
        }
        self.head.extend_from_slice(b"\r\n");
    }

    fn other(&mut self, name: &str, value: impl Value) {
        if !crate::lex::is_token(name.as_bytes()) {
            self.fault.get_or_insert(InvalidValue::Malformed("header name"));
        }
        self.header(name, value);
    }

    /// Copies every row of a field as it stands, folding and spelling of the name included.
    fn copy(&mut self, from: &Message, id: HeaderId) {
        for field in from.fields.iter().filter(|field| field.id == id) {
            let line = from.line(field);
            self.head.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                self.head.extend_from_slice(b"\r\n");
            }
        }
    }

    fn body(&mut self, content_type: &str, body: Bytes) {
        self.header(HeaderId::CONTENT_TYPE.name(), content_type);
        self.body = body;
    }

    fn build(mut self) -> Result<Message, InvalidValue> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let length = self.body.len();
        self.header(HeaderId::CONTENT_LENGTH.name(), length);
        self.head.extend_from_slice(b"\r\n");
        if self.head.len() > crate::index::MAX_HEADER_BYTES {
            return Err(InvalidValue::TooLong);
        }
        self.head.extend_from_slice(&self.body);
        Message::parse(self.head).map_err(|error| InvalidValue::Malformed(error.rule))
    }
}

macro_rules! builders {
    ($($name:ident $kind:ident)*) => {$(
        impl $name {
            /// Adds a header field at the end.
            #[must_use]
            pub fn header(mut self, id: HeaderId, value: impl Value) -> Self {
                self.0.header(id.name(), value);
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
        let mut builder = Builder::new();
        if uri.is_empty() || uri.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            builder.fault = Some(InvalidValue::Malformed("Request-URI"));
        }
        builder.head.extend_from_slice(method.as_str().as_bytes());
        builder.head.push(b' ');
        builder.head.extend_from_slice(uri);
        builder.head.extend_from_slice(b" SIP/2.0\r\n");
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
        let mut builder = Builder::new();
        if let Err(fault) = check(reason.as_bytes()) {
            builder.fault = Some(fault);
        }
        builder.head.extend_from_slice(format!("SIP/2.0 {status} {reason}\r\n").as_bytes());
        builder.copy(self, HeaderId::VIA);
        builder.copy(self, HeaderId::FROM);
        match to_tag {
            Some(tag)
                if !self
                    .first::<crate::header::To<'_>>()
                    .is_some_and(|to| to.is_ok_and(|to| to.params.has("tag"))) =>
            {
                if let Some(to) = self.values(HeaderId::TO).next() {
                    let unfolded: Vec<u8> = to
                        .iter()
                        .map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte })
                        .collect();
                    // NUL can stand in a quoted display name; it was read, so it may be written back.
                    builder.head.extend_from_slice(b"To: ");
                    builder.head.extend_from_slice(&unfolded);
                    builder.head.extend_from_slice(b";tag=");
                    builder.head.extend_from_slice(tag.as_bytes());
                    builder.head.extend_from_slice(b"\r\n");
                    if !crate::lex::is_token(tag.as_bytes()) {
                        builder.fault.get_or_insert(InvalidValue::Malformed("tag"));
                    }
                }
            }
            _ => builder.copy(self, HeaderId::TO),
        }
        builder.copy(self, HeaderId::CALL_ID);
        builder.copy(self, HeaderId::CSEQ);
        if status == StatusCode::TRYING {
            builder.copy(self, HeaderId::TIMESTAMP);
        }
        ResponseBuilder(builder)
    }
}
