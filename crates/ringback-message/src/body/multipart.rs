//! The parts of `multipart` bodies (RFC 2046 §5.1).

use super::Entity;
use super::fields::line_end;
use crate::header::MediaType;
use crate::lex::{trim_end, unquote};
use crate::{ParseError, StatusCode};
use smallvec::SmallVec;
use std::borrow::Cow;

pub use crate::limits::{MAX_DEPTH, MAX_PARTS};

/// A body taken apart at its boundaries; the parts borrow from it.
#[derive(Clone, Debug)]
pub struct Multipart<'a> {
    subtype: &'a str,
    start: Option<Cow<'a, str>>,
    parts: SmallVec<[Entity<'a>; 4]>,
    is_closed: bool,
}

impl<'a> Multipart<'a> {
    /// Takes apart `body`, of which `kind` is the Content-Type.
    ///
    /// What stands before the first and behind the last boundary is no part, and a body that ends without a closing
    /// delimiter ends its last part. Lines may end with LF alone. The cost is linear in the length of the body.
    ///
    /// # Errors
    /// When there is no boundary parameter that RFC 2046 §5.1.1 permits, and when the boundary never occurs: 400. When
    /// there are more than 64 parts: 413.
    pub fn parse(kind: MediaType<'a>, body: &'a [u8]) -> Result<Self, ParseError> {
        Self::within(kind, body, 0)
    }

    /// The same, inside of `depth` others: at most three.
    pub(super) fn within(kind: MediaType<'a>, body: &'a [u8], depth: u8) -> Result<Self, ParseError> {
        let too_large = |rule| ParseError::with_status(0, rule, StatusCode::REQUEST_ENTITY_TOO_LARGE);
        if usize::from(depth) >= MAX_DEPTH {
            return Err(too_large("depth of multiparts"));
        }
        let param = kind.params.find("boundary").and_then(|param| param.value);
        let boundary = param.map(unquote).filter(|text| is_boundary(text));
        let boundary = boundary.ok_or(ParseError::new(0, "boundary"))?;
        let start = kind.params.find("start").and_then(|param| param.text());
        let mut found = Self { subtype: kind.subtype, start, parts: SmallVec::new(), is_closed: false };

        let (mut at, mut part) = (0, None);
        while at < body.len() && !found.is_closed {
            let next = line_end(body, at);
            if let Some(delimiter) = delimiter(&body[at..next], &boundary) {
                if let Some(start) = part {
                    found.add(&body[start..before_break(body, start, at)], depth, &too_large)?;
                }
                found.is_closed = delimiter == Delimiter::Close;
                part = Some(next);
            }
            at = next;
        }
        if let Some(start) = part.filter(|_| !found.is_closed) {
            found.add(&body[start..], depth, &too_large)?;
        }
        if found.parts.is_empty() {
            return Err(ParseError::new(0, "body-part"));
        }
        Ok(found)
    }

    fn add(
        &mut self,
        bytes: &'a [u8],
        depth: u8,
        too_large: &dyn Fn(&'static str) -> ParseError,
    ) -> Result<(), ParseError> {
        if self.parts.len() == MAX_PARTS {
            return Err(too_large("number of body parts"));
        }
        self.parts.push(Entity::part(bytes, depth + 1));
        Ok(())
    }

    /// The parts in order, at least one.
    pub fn parts(&self) -> &[Entity<'a>] {
        &self.parts
    }

    /// What the parts are to each other: `mixed`, `related`, `alternative` …
    pub fn subtype(&self) -> &'a str {
        self.subtype
    }

    /// Whether the closing delimiter is there. Where it is not, the last part may have been cut off.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The part that a `related` body is about: the one that its parameter `start` names, else the first (RFC 2387 §3.2).
    pub fn root(&self) -> Option<&Entity<'a>> {
        let named = self.start.as_deref().map(|start| start.trim_start_matches('<').trim_end_matches('>'));
        let is_named = |part: &&Entity<'a>| named.is_some() && part.content_id() == named;
        self.parts.iter().find(is_named).or(self.parts.first())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Next,
    Close,
}

/// What a whole line is, its line end included. White space may stand behind the boundary, nothing else.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<Delimiter> {
    let behind = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match trim_end(behind) {
        b"" => Some(Delimiter::Next),
        b"--" => Some(Delimiter::Close),
        _ => None,
    }
}

/// Where a part ends of which the delimiter begins at `end`: the line break between belongs to the delimiter.
fn before_break(body: &[u8], start: usize, end: usize) -> usize {
    let part = &body[start..end];
    let part = part.strip_suffix(b"\n").map_or(part, |part| part.strip_suffix(b"\r").unwrap_or(part));
    start + part.len()
}

/// One to seventy characters, the last of them no space. More characters occur than the RFC permits; what would break a
/// line does not.
fn is_boundary(text: &[u8]) -> bool {
    (1..=70).contains(&text.len())
        && !text.ends_with(b" ")
        && text.iter().all(|byte| (b' '..0x7f).contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{ContentType, Header as _};

    fn parts_of(kind: &str, body: &str) -> Result<(Vec<String>, bool), ParseError> {
        let kind = ContentType::parse(kind.as_bytes()).unwrap();
        let read = Multipart::parse(kind.0, body.as_bytes())?;
        let text = |part: &Entity<'_>| String::from_utf8(part.body().to_vec()).unwrap();
        Ok((read.parts().iter().map(text).collect(), read.is_closed()))
    }

    #[test]
    fn rule_82_boundaries_are_whole_lines() {
        for (kind, body, parts, closed) in [
            (
                "multipart/mixed;boundary=b",
                "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
                &["one", "two"][..],
                true,
            ),
            // The examples of RFC 2046 §5.1.1: preamble, epilogue, an implicit and an explicit type.
            (
                "multipart/mixed; boundary=\"simple boundary\"",
                "the preamble\r\n--simple boundary\r\n\r\nno\r\nend\r\n--simple boundary\r\nContent-type: text/plain; charset=us-ascii\r\n\r\nan end\r\n\r\n--simple boundary--\r\n\r\nthe epilogue\r\n--simple boundary\r\n\r\nx",
                &["no\r\nend", "an end\r\n"],
                true,
            ),
            // Text that looks like one: inside of a line, longer, or too short.
            (
                "multipart/mixed;boundary=b",
                "--b\n\nx--b\n --b\n--bb\n--b-\n-b\n--b--x\n--b--",
                &["x--b\n --b\n--bb\n--b-\n-b\n--b--x"],
                true,
            ),
            ("multipart/mixed;boundary=b", "--b \t\r\n\r\none\r\n--b--  \r\n", &["one"], true),
            (
                "multipart/mixed;boundary=b",
                "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n",
                &["one", "two\r\n"],
                false,
            ),
            ("multipart/mixed;boundary=b", "--b\r\n--b\r\n\r\n\r\n--b--", &["", ""], true),
            ("multipart/mixed;boundary=\"a\\\"b:c?\"", "--a\"b:c?\r\n\r\nx\r\n--a\"b:c?--", &["x"], true),
            ("multipart/mixed;boundary=--b", "----b\r\n\r\nx\r\n----b--", &["x"], true),
        ] {
            let parts = parts.iter().map(ToString::to_string).collect();
            assert_eq!(parts_of(kind, body), Ok((parts, closed)), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_taken_apart_is_refused() {
        for kind in ["boundary", "boundary=\"\"", "x=y", "boundary=\"b \"", "boundary=\"\u{7}\""] {
            let error = parts_of(&format!("multipart/mixed;{kind}"), "--b\r\n\r\nx\r\n--b--").unwrap_err();
            assert_eq!((error.rule, error.status), ("boundary", StatusCode::BAD_REQUEST), "{kind}");
        }
        let long = "b".repeat(71);
        assert!(parts_of(&format!("multipart/mixed;boundary={long}"), &format!("--{long}\r\n\r\n")).is_err());
        for body in ["", "--b--", "b", "--c\r\n\r\n--c--", " --b\r\n\r\nx"] {
            assert!(parts_of("multipart/mixed;boundary=b", body).is_err(), "{body}");
        }
    }

    #[test]
    fn rule_81_parts_are_counted() {
        let body = |count: usize| "--b\r\n\r\nx\r\n".repeat(count) + "--b--";
        assert_eq!(parts_of("multipart/mixed;boundary=b", &body(MAX_PARTS)).unwrap().0.len(), MAX_PARTS);
        let error = parts_of("multipart/mixed;boundary=b", &body(MAX_PARTS + 1)).unwrap_err();
        assert_eq!(error.status, StatusCode::REQUEST_ENTITY_TOO_LARGE);
    }

    #[test]
    fn rule_81_multiparts_nest_four_deep() {
        let nest = |depth: usize| {
            (0..depth).fold("Content-Type: text/plain\r\n\r\nx".to_owned(), |inner, level| {
                format!("Content-Type: multipart/mixed;boundary=b{level}\r\n\r\n--b{level}\r\n{inner}\r\n--b{level}--")
            })
        };
        let innermost = |text: &str| {
            let mut entity = Entity::part(text.as_bytes(), 0);
            while let Some(inner) = entity.multipart() {
                entity = inner?.parts()[0];
            }
            Ok::<_, ParseError>(entity.body().to_vec())
        };
        assert_eq!(innermost(&nest(MAX_DEPTH)), Ok(b"x".to_vec()));
        let error = innermost(&nest(MAX_DEPTH + 1)).unwrap_err();
        assert_eq!((error.rule, error.status), ("depth of multiparts", StatusCode::REQUEST_ENTITY_TOO_LARGE));
    }

    #[test]
    fn parts_say_what_they_are() {
        let kind = "multipart/related;boundary=b;start=\"<two@x>\"";
        let body = "--b\r\nc: text/html\r\n\r\n1\r\n--b\r\nContent-ID: <two@x>\r\nContent-Type: application/sdp\r\nContent-Disposition: session;handling=Optional\r\n\r\n2\r\n--b--";
        let kind = ContentType::parse(kind.as_bytes()).unwrap();
        let read = Multipart::parse(kind.0, body.as_bytes()).unwrap();
        let root = read.root().unwrap();
        assert_eq!((root.body(), root.content_id()), (&b"2"[..], Some("two@x")));
        assert!(
            root.is_optional() && root.is("application", "SDP") && root.disposition().unwrap().is("session")
        );
        assert!(read.parts()[0].is("text", "html") && !read.parts()[0].is_optional());
        assert_eq!(read.subtype(), "related");
    }
}
