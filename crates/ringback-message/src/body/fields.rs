//! Header fields that stand in a body: those of a part of a multipart, or of a fragment.

use crate::lex::{is_token, trim, trim_end};
use crate::limits::MAX_FIELDS;
use crate::message::RawField;
use crate::{HeaderId, header_end};
use memchr::memchr;

/// Lines of header fields, read when they are asked for. At most 256 of them are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields at the start of `bytes` and what is behind their empty line; `None` where there is no such line.
    pub(super) fn split(bytes: &'a [u8]) -> (Self, Option<&'a [u8]>) {
        let (head, body) = match bytes {
            [b'\r', b'\n', body @ ..] | [b'\n', body @ ..] => (&bytes[..0], Some(body)),
            _ => match header_end(bytes) {
                Some(end) => (&bytes[..end], Some(&bytes[end..])),
                None => (bytes, None),
            },
        };
        (Self(head), body)
    }

    /// The fields in order. Lines that are none are passed over.
    pub(super) fn iter(self) -> impl Iterator<Item = RawField<'a>> + use<'a> {
        self.lines().flatten().take(MAX_FIELDS)
    }

    /// Whether the first line is no header field.
    pub(super) fn begins_broken(self) -> bool {
        self.lines().next().is_some_and(|field| field.is_none())
    }

    /// Every line with its continuations; `None` for one that is no header field.
    fn lines(self) -> impl Iterator<Item = Option<RawField<'a>>> + use<'a> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = at;
            let rest = self.0.get(start..)?;
            if matches!(rest, [] | [b'\n', ..] | [b'\r', b'\n', ..]) {
                return None;
            }
            loop {
                at = line_end(self.0, at);
                // Rule 61: a line that begins with white space continues the one before.
                if !matches!(self.0.get(at), Some(b' ' | b'\t')) {
                    break;
                }
            }
            Some(field(&self.0[start..at]))
        })
    }
}

/// Where the line behind the one at `at` begins.
pub(super) fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1)
}

fn field(line: &[u8]) -> Option<RawField<'_>> {
    let (name, value) = line.split_at(memchr(b':', line)?);
    let name = trim_end(name);
    is_token(name).then(|| RawField { id: HeaderId::from_name(name), name, value: trim(&value[1..]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        Fields::split(text.as_bytes()).0.iter().map(|field| format!("{field:?}")).collect()
    }

    #[test]
    fn fields_are_read_up_to_the_empty_line() {
        assert_eq!(names("c: a/b\r\nX-y :\tz\r\n\r\nno: field"), ["c: a/b", "X-y: z"]);
        assert_eq!(names("\r\nbody: x"), [""; 0]);
        assert_eq!(
            names("Content-Type: a/b;\n x=y\nno field\nSubject: s"),
            ["Content-Type: a/b;\n x=y", "Subject: s"]
        );
        assert_eq!(Fields::split(b"a: b\n\nx").1, Some(&b"x"[..]));
        assert_eq!(Fields::split(b"a: b\n").1, None);
    }

    #[test]
    fn more_fields_than_a_message_may_have_are_not_read() {
        assert_eq!(names(&"a: b\r\n".repeat(300)).len(), MAX_FIELDS);
    }
}
