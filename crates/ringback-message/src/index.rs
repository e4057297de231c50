//! One pass over a message that finds its lines and judges none of their values.

use crate::header::id::NameHash;
use crate::lex::{NAME, decimal, is_lws, is_token, trim};
use crate::message::{Field, Source, Span, StartLine};
use crate::{HeaderId, Method, ParseError, StatusCode};
use bytes::Bytes;
use smallvec::SmallVec;

/// The longest header section, start line and empty line included, in bytes: offsets are sixteen bits wide.
pub const MAX_HEADER_BYTES: usize = 65_535;
/// The most header fields in one message (fault 7).
pub const MAX_FIELDS: usize = 256;

/// Where the lines of a header section are.
pub(crate) struct Index {
    pub(crate) start: StartLine,
    pub(crate) version_ok: bool,
    pub(crate) fields: SmallVec<[Field; 32]>,
    /// Where the body begins.
    pub(crate) body: usize,
    /// The first thing found wrong that does not keep the message from being answered.
    pub(crate) defect: Option<ParseError>,
}

/// Indexes a message that fills `buf` from its first byte.
///
/// # Errors
/// When it cannot even be told whether this is a request or a response.
pub(crate) fn index(buf: &Bytes) -> Result<Index, ParseError> {
    let bytes: &[u8] = buf;
    let line_end = memchr::memchr(b'\n', bytes).ok_or(ParseError::new(0, "SIP-message"))?;
    if line_end >= MAX_HEADER_BYTES {
        return Err(ParseError::with_status(0, "start line", StatusCode::MESSAGE_TOO_LARGE));
    }
    let mut defect = None;
    let (start, version_ok) = start_line(buf, line_end, &mut defect)?;
    let mut fields: SmallVec<[Field; 32]> = SmallVec::new();
    let mut at = line_end + 1;
    loop {
        match bytes.get(at..) {
            Some([b'\r', b'\n', ..]) => {
                at += 2;
                break;
            }
            Some([b'\n', ..]) => {
                at += 1;
                break;
            }
            None | Some([]) => {
                defect.get_or_insert(ParseError::new(at, "end of header"));
                break;
            }
            Some(_) => {}
        }
        let (field, next) = header_line(bytes, at, &mut defect);
        if next > MAX_HEADER_BYTES || fields.len() == MAX_FIELDS {
            // What follows stays unread: the message is answered by what was found so far.
            defect = Some(ParseError::with_status(at, "header section", StatusCode::MESSAGE_TOO_LARGE));
            at = bytes.len();
            break;
        }
        fields.push(field);
        at = next;
    }
    Ok(Index { start, version_ok, fields, body: at, defect })
}

/// Reads one header field from `at`, folded lines included, and returns where the next one begins.
fn header_line(bytes: &[u8], at: usize, defect: &mut Option<ParseError>) -> (Field, usize) {
    let mut hash = NameHash::default();
    let mut name_end = at;
    while let Some(byte) = bytes.get(name_end) {
        let lower = NAME[*byte as usize];
        if lower == 0 {
            break;
        }
        hash = hash.push(lower);
        name_end += 1;
    }
    // Rule 62: white space may stand before the colon.
    let mut colon = name_end;
    while matches!(bytes.get(colon), Some(b' ' | b'\t')) {
        colon += 1;
    }
    let well_formed = name_end > at && bytes.get(colon) == Some(&b':');
    let mut next = line_end(bytes, if well_formed { colon } else { at });
    // Rule 61: a line that begins with white space continues the one before.
    while matches!(bytes.get(next), Some(b' ' | b'\t')) {
        next = line_end(bytes, next);
    }
    if !well_formed {
        defect.get_or_insert(ParseError::new(at, "message-header"));
        let field = Field::new(Source::Received, at, at, at, next, HeaderId::OTHER);
        return (field, next);
    }
    let mut value = colon + 1;
    while matches!(bytes.get(value), Some(byte) if value < next && is_lws(*byte)) {
        value += 1;
    }
    let id = HeaderId::lookup(hash, &bytes[at..name_end]);
    (Field::new(Source::Received, at, name_end, value.min(next), next, id), next)
}

/// Where the line that holds `at` ends, its line feed included.
fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |offset| at + offset + 1)
}

fn start_line(
    buf: &Bytes,
    line_end: usize,
    defect: &mut Option<ParseError>,
) -> Result<(StartLine, bool), ParseError> {
    let bytes: &[u8] = buf;
    let mut end = line_end;
    while end > 0 && bytes[end - 1] == b'\r' {
        end -= 1;
    }
    let line = &bytes[..end];
    if line.len() > 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return status_line(line, line_end + 1);
    }
    let method_end = memchr::memchr(b' ', line).ok_or(ParseError::new(0, "Request-Line"))?;
    let method = Method::from_slice(&line[..method_end], buf)?;
    let trimmed = trim(line).len();
    let version = memchr::memrchr(b' ', &line[..trimmed]).filter(|at| *at > method_end);
    let version = version.ok_or(ParseError::new(method_end, "Request-Line"))? + 1;
    let name = &line[version..trimmed];
    if name.len() < 5 || !name[..4].eq_ignore_ascii_case(b"SIP/") {
        return Err(ParseError::new(version, "SIP-Version"));
    }
    let uri = trim(&line[method_end..version]);
    let uri_start = uri.as_ptr() as usize - line.as_ptr() as usize;
    let exact = uri_start == method_end + 1 && uri_start + uri.len() + 1 == version && trimmed == line.len();
    if !exact || uri.is_empty() {
        // RFC 4475 §3.1.2.8 to 10: superfluous white space may be answered with 400.
        defect.get_or_insert(ParseError::new(method_end, "Request-Line"));
    }
    let uri = Span::new(Source::Received, uri_start, uri_start + uri.len());
    let start = StartLine::Request { method, uri, line: Span::new(Source::Received, 0, line_end + 1) };
    Ok((start, name[4..].eq(b"2.0")))
}

fn status_line(line: &[u8], next: usize) -> Result<(StartLine, bool), ParseError> {
    let space = memchr::memchr(b' ', line).ok_or(ParseError::new(0, "Status-Line"))?;
    let code_end =
        line[space + 1..].iter().position(|byte| *byte == b' ').map_or(line.len(), |at| space + 1 + at);
    let digits = &line[space + 1..code_end];
    let status = decimal::<u16>(digits).filter(|_| digits.len() == 3).and_then(StatusCode::new);
    let status = status.ok_or(ParseError::new(space + 1, "Status-Code"))?;
    if !is_token(&line[4..space]) {
        return Err(ParseError::new(4, "SIP-Version"));
    }
    // Rule 75: the reason phrase may be missing, with or without its space.
    let reason = Span::new(Source::Received, (code_end + 1).min(line.len()), line.len());
    let whole = Span::new(Source::Received, 0, next);
    Ok((StartLine::Response { status, reason, line: whole }, line[4..space].eq(b"2.0")))
}

/// Finds the end of a header section: the offset behind its empty line. For framing on streams.
pub fn header_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'\n', &bytes[at..])? + 1;
        match bytes.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            _ => {}
        }
    }
}
