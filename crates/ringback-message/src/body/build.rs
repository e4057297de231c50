//! Multiparts in the making.

use crate::edit::{Value, check};
use crate::output::written;
use crate::{HeaderId, InvalidValue};
use bytes::Bytes;
use memchr::memmem;

/// A body and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyBuf {
    /// The value of Content-Type.
    pub content_type: String,
    /// The octets.
    pub bytes: Bytes,
}

impl BodyBuf {
    /// The body as a part of another.
    pub fn into_part(self) -> PartBuf {
        PartBuf::new(&self.content_type, self.bytes)
    }
}

/// One part in the making.
#[derive(Clone, Debug)]
pub struct PartBuf {
    pub(super) lines: Lines,
    body: Bytes,
}

impl PartBuf {
    /// A part of that type.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { lines: Lines::default(), body: body.into() }.header(HeaderId::CONTENT_TYPE, content_type)
    }

    /// Says what the part is for, and how it is to be handled: `session`, `signal;handling=optional` …
    #[must_use]
    pub fn disposition(self, value: &str) -> Self {
        self.header(HeaderId::CONTENT_DISPOSITION, value)
    }

    /// Names the part, so that others can refer to it: `a@b` for `cid:a@b` (RFC 2392).
    #[must_use]
    pub fn id(self, id: &str) -> Self {
        self.header(HeaderId::CONTENT_ID, format_args!("<{id}>"))
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, id: HeaderId, value: impl Value) -> Self {
        self.lines.header(id, value);
        self
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.body
    }
}

/// A multipart in the making (RFC 2046 §5.1).
#[derive(Clone, Debug)]
pub struct MultipartBuf {
    subtype: &'static str,
    parts: Vec<PartBuf>,
}

/// What every boundary begins with; eight digits follow.
const BOUNDARY: &str = "--ringback-";

impl MultipartBuf {
    /// Parts that are independent of one another (RFC 2046 §5.1.3).
    pub fn mixed() -> Self {
        Self { subtype: "mixed", parts: Vec::new() }
    }

    /// The same thing in several ways, the best last (RFC 2046 §5.1.4).
    pub fn alternative() -> Self {
        Self { subtype: "alternative", ..Self::mixed() }
    }

    /// One thing, of which the first part is the root (RFC 2387). The parts name one another by their Content-ID.
    pub fn related() -> Self {
        Self { subtype: "related", ..Self::mixed() }
    }

    /// Adds a part at the end.
    #[must_use]
    pub fn part(mut self, part: PartBuf) -> Self {
        self.parts.push(part);
        self
    }

    /// Ends the building. The boundary is one that occurs in no part, and the same for the same parts.
    ///
    /// # Errors
    /// When there is no part or more than 64, or a header field of one held CR, LF or NUL (rule 84).
    pub fn build(self) -> Result<BodyBuf, InvalidValue> {
        if self.parts.is_empty() || self.parts.len() > super::MAX_PARTS {
            return Err(InvalidValue::Malformed("number of body parts"));
        }
        let boundary = format!("{BOUNDARY}{:08}", self.unused());
        let mut out = Vec::new();
        let mut root = None;
        for part in &self.parts {
            let lines = part.lines.written()?;
            root.get_or_insert(part.lines.content_type.as_str());
            for piece in [boundary.as_bytes(), b"\r\n", lines, b"\r\n", &part.body, b"\r\n"] {
                out.extend_from_slice(piece);
            }
        }
        out.extend_from_slice(boundary.as_bytes());
        out.extend_from_slice(b"--\r\n");
        let mut content_type = format!("multipart/{};boundary={}", self.subtype, &boundary["--".len()..]);
        if let (true, Some(root)) = (self.subtype == "related", root) {
            // RFC 2387 §3.1: what the root is.
            let bare = root.split(';').next().unwrap_or_default().trim();
            content_type.push_str(&format!(";type={}", crate::quote(bare)));
        }
        Ok(BodyBuf { content_type, bytes: out.into() })
    }

    /// The smallest number of which no boundary is in a part: `n` places where one could be cannot use up `n + 1` numbers.
    fn unused(&self) -> usize {
        let finder = memmem::Finder::new(BOUNDARY);
        let texts = || self.parts.iter().flat_map(|part| [part.lines.out.as_slice(), &part.body]);
        let places = |text| finder.find_iter(text);
        let mut used = vec![false; texts().map(|text| places(text).count()).sum::<usize>() + 1];
        for text in texts() {
            for at in places(text) {
                let digits = text.get(at + BOUNDARY.len()..).and_then(<[u8]>::first_chunk::<8>);
                let number = digits.and_then(|digits| crate::lex::decimal::<usize>(digits));
                if let Some(used) = number.and_then(|number| used.get_mut(number)) {
                    *used = true;
                }
            }
        }
        used.iter().position(|used| !used).unwrap_or_default()
    }
}

/// Header fields in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    pub(super) out: Vec<u8>,
    content_type: String,
    fault: Option<InvalidValue>,
}

impl Lines {
    pub(super) fn header(&mut self, id: HeaderId, value: impl Value) {
        let text = self.line(id.name(), value);
        if id == HeaderId::CONTENT_TYPE {
            self.content_type = text;
        }
    }

    /// A field by a name that is no header field of SIP: a token.
    pub(super) fn named(&mut self, name: &str, value: impl Value) {
        self.line(name, value);
    }

    pub(super) fn refuse(&mut self, fault: InvalidValue) {
        self.fault = self.fault.or(Some(fault));
    }

    fn line(&mut self, name: &str, value: impl Value) -> String {
        let (fault, text) = written(
            |out| value.write(out),
            |text| {
                for piece in [name.as_bytes(), b": ", text, b"\r\n"] {
                    self.out.extend_from_slice(piece);
                }
                (check(text).err(), String::from_utf8_lossy(text).into_owned())
            },
        );
        self.fault = self.fault.or(fault);
        text
    }

    /// The lines, without the empty one behind them.
    pub(super) fn written(&self) -> Result<&[u8], InvalidValue> {
        self.fault.map_or(Ok(self.out.as_slice()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Multipart;
    use super::*;
    use crate::header::{ContentType, Header as _};

    #[test]
    fn what_is_built_is_read() {
        let built = MultipartBuf::related()
            .part(PartBuf::new("application/sdp", "v=0\r\n").id("sdp@x").disposition("session"))
            .part(PartBuf::new("text/plain", ""))
            .build()
            .unwrap();
        assert_eq!(
            built.content_type,
            "multipart/related;boundary=ringback-00000000;type=\"application/sdp\""
        );
        assert_eq!(
            built.bytes,
            "--ringback-00000000\r\nContent-Type: application/sdp\r\nContent-ID: <sdp@x>\r\nContent-Disposition: session\r\n\r\nv=0\r\n\r\n--ringback-00000000\r\nContent-Type: text/plain\r\n\r\n\r\n--ringback-00000000--\r\n"
        );
        let kind = ContentType::parse(built.content_type.as_bytes()).unwrap();
        let read = Multipart::parse(kind.0, &built.bytes).unwrap();
        let parts: Vec<_> = read.parts().iter().map(|part| (part.body(), part.content_id())).collect();
        assert_eq!(parts, [(&b"v=0\r\n"[..], Some("sdp@x")), (b"", None)]);
        assert!(read.is_closed());
    }

    #[test]
    fn no_part_holds_the_boundary() {
        let text = "--ringback-00000000\r\n\r\n--ringback-00000002--\r\n--ringback-1";
        let inner = MultipartBuf::mixed().part(PartBuf::new("text/plain", text)).build().unwrap();
        assert_eq!(inner.content_type, "multipart/mixed;boundary=ringback-00000001");
        let outer = MultipartBuf::mixed().part(inner.into_part()).build().unwrap();
        assert_eq!(outer.content_type, "multipart/mixed;boundary=ringback-00000003");
        let kind = ContentType::parse(outer.content_type.as_bytes()).unwrap();
        let read = Multipart::parse(kind.0, &outer.bytes).unwrap();
        let inner = read.parts()[0].multipart().unwrap().unwrap();
        assert_eq!(inner.parts()[0].body(), text.as_bytes());
    }

    #[test]
    fn rule_84_fields_of_parts_stay_in_their_lines() {
        let evil = PartBuf::new("text/plain\r\n\r\nx", "");
        assert_eq!(MultipartBuf::mixed().part(evil).build(), Err(InvalidValue::ControlCharacter));
        assert!(MultipartBuf::mixed().build().is_err(), "a multipart has a part");
    }
}
