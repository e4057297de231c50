//! One pass over a message that finds its lines and judges none of their values.

use crate::lex::{decimal, is_lws, is_token, trim, trim_end, trim_start};
use crate::message::{Field, Source, Span, StartLine};
use crate::scan::{self, Controls};
use crate::{HeaderId, Limits, Method, ParseError, StatusCode};
use bytes::Bytes;
use smallvec::SmallVec;

/// What a start line says.
pub(crate) struct Start {
    pub(crate) line: StartLine,
    pub(crate) version_ok: bool,
    /// What is wrong with it that does not keep the message from being answered.
    pub(crate) defect: Option<ParseError>,
}

/// What header fields say about the message as a whole.
pub(crate) struct Fields {
    /// Where the body begins.
    pub(crate) body: usize,
    /// What is wrong that does not keep the message from being answered.
    pub(crate) defect: Option<ParseError>,
    /// How many rows of Content-Length there are, and which one is the last.
    pub(crate) lengths: (u16, usize),
}

/// Finds the places in a header section, from its first byte on.
pub(crate) struct Indexer {
    lines: Lines,
    /// Where the next line begins.
    at: usize,
}

impl Indexer {
    /// Reads the start line of a message that fills `buf`.
    ///
    /// # Errors
    /// When it cannot even be told whether this is a request or a response.
    #[inline(always)]
    pub(crate) fn start(buf: &Bytes, limits: &Limits) -> Result<(Self, Start), ParseError> {
        let mut lines = Lines { controls: Controls::new(buf), stray: None };
        let (end, at) = lines.next(buf);
        if end == buf.len() {
            return Err(ParseError::new(0, "SIP-message"));
        }
        if at > usize::from(limits.head) {
            return Err(ParseError::with_status(0, "start line", StatusCode::MESSAGE_TOO_LARGE));
        }
        let start = start_line(buf, end, at, limits)?;
        Ok((Self { lines, at }, start))
    }

    /// Reads the header fields of the same message.
    #[inline(always)]
    pub(crate) fn fields(
        mut self,
        bytes: &[u8],
        limits: &Limits,
        fields: &mut SmallVec<[Field; 32]>,
    ) -> Fields {
        let mut at = self.at;
        let (mut defect, mut lengths) = (None, (0, 0));
        let (most, head) = (usize::from(limits.fields), usize::from(limits.head));
        let may_be_long = bytes.len() > head;
        loop {
            if at == bytes.len() {
                defect.get_or_insert(ParseError::new(at, "end of header"));
                break;
            }
            let (mut end, mut next) = self.lines.next(bytes);
            if end == at {
                if next > head {
                    return Fields { body: bytes.len(), defect: Some(too_large(at)), lengths };
                }
                at = next;
                break;
            }
            // Rule 61: a line that begins with white space continues the one before.
            while matches!(bytes.get(next), Some(b' ' | b'\t')) {
                (end, next) = self.lines.next(bytes);
            }
            if (may_be_long && next > head) || fields.len() == most {
                // What follows stays unread: the message is answered by what was found so far.
                return Fields { body: bytes.len(), defect: Some(too_large(at)), lengths };
            }
            let Some(rest) = bytes.get(at..) else { break };
            let Some(line) = rest.get(..end - at) else { break };
            match header_line(line, rest.first_chunk(), at, next) {
                Some(field) => {
                    if field.id == HeaderId::CONTENT_LENGTH {
                        lengths = (lengths.0 + 1, fields.len());
                    }
                    fields.push(field);
                }
                None => {
                    defect.get_or_insert(ParseError::new(at, "message-header"));
                    fields.push(Field::broken(at, next));
                }
            }
            at = next;
        }
        if let Some(stray) = self.lines.stray {
            defect.get_or_insert(ParseError::new(stray, "control character"));
        }
        Fields { body: at, defect, lengths }
    }
}

#[cold]
fn too_large(at: usize) -> ParseError {
    ParseError::with_status(at, "header section", StatusCode::MESSAGE_TOO_LARGE)
}

/// Cuts a header section into lines.
struct Lines {
    controls: Controls,
    /// The first control character that is no line end, no tab and not escaped by a backslash (`quoted-pair`).
    stray: Option<usize>,
}

impl Lines {
    /// Where the next line ends, and where the one behind it begins.
    #[inline(always)]
    fn next(&mut self, bytes: &[u8]) -> (usize, usize) {
        while let Some(at) = self.controls.next(bytes) {
            match bytes.get(at..) {
                Some([b'\r', b'\n', ..]) => {
                    self.controls.pass(bytes);
                    return (at, at + 2);
                }
                Some([b'\n', ..]) => return (at, at + 1),
                _ => self.note(bytes, at),
            }
        }
        (bytes.len(), bytes.len())
    }

    #[cold]
    fn note(&mut self, bytes: &[u8], at: usize) {
        let escaped = at > 0 && bytes[at - 1] == b'\\';
        if self.stray.is_none() && !escaped && bytes[at] != b'\t' {
            self.stray = Some(at);
        }
    }
}

/// Finds name and value in a line that begins at `at`, folded lines included. `None` for what is no header field.
/// `block` are the first octets from there on, behind the end of the line too.
#[inline(always)]
fn header_line(line: &[u8], block: Option<&[u8; 16]>, at: usize, next: usize) -> Option<Field> {
    let colon = match block.and_then(scan::colon) {
        Some(colon) => colon,
        None => memchr::memchr(b':', line)?,
    };
    let value = line.get(colon + 1..)?;
    // Rule 62: white space may stand before the colon.
    let name = trim_end(line.get(..colon)?);
    let id = match block {
        Some(block) => HeaderId::recognise(name, block),
        None => HeaderId::from_name(name),
    };
    if id == HeaderId::OTHER && !is_token(name) {
        return None;
    }
    let value = match value {
        // What nearly all write.
        [b' ', value @ ..] if value.first().is_some_and(|octet| *octet > b' ') => value,
        _ => trim_start(value),
    };
    let start = at + line.len() - value.len();
    let end = start + trim_end(value).len();
    Some(Field::new(Source::Received, [at, at + name.len(), start, end, next], id))
}

fn start_line(buf: &Bytes, end: usize, next: usize, limits: &Limits) -> Result<Start, ParseError> {
    let line = &buf[..end];
    let mut defect = None;
    if line.len() > 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return status_line(line, next);
    }
    let method_end = line.iter().position(|byte| *byte == b' ');
    let method_end = method_end.ok_or(ParseError::new(0, "Request-Line"))?;
    let method = Method::from_slice(&line[..method_end], buf)?;
    let (uri, version_ok) = match line.strip_suffix(b" SIP/2.0") {
        Some(rest) if rest.len() > method_end => (method_end + 1..rest.len(), true),
        _ => {
            let trimmed = trim(line).len();
            let version = memchr::memrchr(b' ', &line[..trimmed]).filter(|at| *at > method_end);
            let version = version.ok_or(ParseError::new(method_end, "Request-Line"))?;
            let name = &line[version + 1..trimmed];
            if name.len() < 5 || !name[..4].eq_ignore_ascii_case(b"SIP/") {
                return Err(ParseError::new(version + 1, "SIP-Version"));
            }
            if trimmed != line.len() {
                defect.get_or_insert(ParseError::new(method_end, "Request-Line"));
            }
            (method_end + 1..version, name[4..].eq(b"2.0"))
        }
    };
    let exact = trim(&line[uri.clone()]);
    if exact.len() != uri.len() || uri.is_empty() {
        // RFC 4475 §3.1.2.8 to 10: superfluous white space may be answered with 400.
        defect.get_or_insert(ParseError::new(method_end, "Request-Line"));
    }
    if uri.len() > usize::from(limits.uri) {
        defect = Some(ParseError::with_status(uri.start, "Request-URI", StatusCode::REQUEST_URI_TOO_LONG));
    }
    let lead = line[uri.clone()].iter().take_while(|byte| is_lws(**byte)).count().min(uri.len());
    let uri = Span::new(Source::Received, uri.start + lead, uri.start + lead + exact.len());
    let line = StartLine::Request { method, uri, line: Span::new(Source::Received, 0, next) };
    Ok(Start { line, version_ok, defect })
}

fn status_line(line: &[u8], next: usize) -> Result<Start, ParseError> {
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
    let version_ok = line[4..space].eq(b"2.0");
    let line = StartLine::Response { status, reason, line: Span::new(Source::Received, 0, next) };
    Ok(Start { line, version_ok, defect: None })
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
