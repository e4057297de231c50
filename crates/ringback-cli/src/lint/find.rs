//! What deviates in a message and in the descriptions that it carries.

use ringback_message::header::ContentType;
use ringback_message::{Deviation, HeaderId, Message, Severity};
use ringback_sdp::SessionDescription;

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is read all the same.
    Accepted,
    /// It passes, and who needs this value refuses it.
    Unreadable,
    /// It is refused.
    Refused,
}

/// One deviation, wherever it was found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// Where it begins in the input, in octets.
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) rule: &'static str,
    pub(super) what: &'static str,
    pub(super) section: &'static str,
    pub(super) help: Option<&'static str>,
    pub(super) fate: Fate,
    /// The response to a request that is refused.
    pub(super) status: Option<u16>,
}

impl Finding {
    fn new(deviation: Deviation, is_request: bool, base: usize) -> Self {
        let refused = deviation.severity == Severity::Refused;
        Self {
            offset: base + deviation.offset as usize,
            length: deviation.length as usize,
            rule: deviation.rule,
            what: deviation.what,
            section: deviation.section,
            help: deviation.help,
            fate: match deviation.severity {
                Severity::Tolerated => Fate::Accepted,
                Severity::Unreadable => Fate::Unreadable,
                Severity::Refused => Fate::Refused,
            },
            status: (refused && is_request).then(|| deviation.status.as_u16()),
        }
    }
}

/// Whether the first line is a start line, or was meant to be one.
pub(super) fn looks_like_sip(bytes: &[u8]) -> bool {
    let bytes = &bytes[line_ends(bytes)..];
    let first = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = first.rsplit(|byte| *byte == b' ').filter(|word| !word.is_empty());
    first.starts_with(b"SIP/") || words.next().is_some_and(|last| last.starts_with(b"SIP/"))
}

/// How many octets of line ends stand before a start line, where they mean nothing (RFC 3261 §7.5).
fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// What deviates in a SIP message and in the descriptions in its body, in order.
pub(super) fn in_message(bytes: &[u8]) -> Vec<Finding> {
    let base = line_ends(bytes);
    let text = &bytes[base..];
    let is_request = !text.starts_with(b"SIP/");
    let message = match Message::parse(text.to_vec()) {
        Ok(message) => message,
        Err(error) => return vec![Finding::new(error.into(), is_request, base)],
    };
    let mut findings: Vec<Finding> =
        message.deviations().into_iter().map(|it| Finding::new(it, is_request, base)).collect();
    let body_at = base + body_start(&message);
    for (at, description) in descriptions(&message) {
        let start = body_at + at;
        findings.extend(in_description(description).into_iter().map(|finding| Finding {
            offset: finding.offset + start,
            // A message is not refused for its body: who reads the body refuses that.
            fate: if finding.fate == Fate::Refused { Fate::Unreadable } else { finding.fate },
            ..finding
        }));
    }
    findings
}

/// What deviates in a session description.
pub(super) fn in_description(bytes: &[u8]) -> Vec<Finding> {
    let finding = |offset: usize, rule, what, fate| Finding {
        offset,
        length: line_length(bytes, offset),
        rule,
        what,
        section: "RFC 8866 §9",
        help: None,
        fate,
        status: None,
    };
    match SessionDescription::deviations(bytes) {
        Err(error) => {
            vec![finding(error.offset, error.rule, "this line cannot be read", Fate::Refused)]
        }
        Ok(deviations) => deviations
            .into_iter()
            .map(|it| {
                let what = match it.rule {
                    _ if it.offset >= bytes.len() => "a line is missing that belongs into each description",
                    "CRLF" => "the line does not end in CRLF",
                    "order of lines" => "a line of this type stands further up",
                    "type" => "no line of a description has this type",
                    "type=value" => "a line is a letter, an equals sign and a value",
                    _ => "the line is not as this rule has it",
                };
                finding(it.offset, it.rule, what, Fate::Accepted)
            })
            .collect(),
    }
}

/// The length of the line at `offset`, without its end.
fn line_length(bytes: &[u8], offset: usize) -> usize {
    let rest = bytes.get(offset..).unwrap_or_default();
    rest.iter().take_while(|byte| !matches!(byte, b'\r' | b'\n')).count()
}

fn body_start(message: &Message) -> usize {
    // The body is the tail of what is rendered, and what is rendered was read.
    message.rendered_len() - message.body().len()
}

/// The descriptions in a body, alone or among other parts, and where they stand in it.
fn descriptions(message: &Message) -> Vec<(usize, &[u8])> {
    let Some(Ok(media)) = message.first::<ContentType<'_>>() else { return Vec::new() };
    let body = &message.body()[..];
    let is_encoded = message.has(HeaderId::CONTENT_ENCODING);
    if media.is("application", "sdp") && !is_encoded {
        return vec![(0, body)];
    }
    let boundary = media.params.find("boundary").and_then(|boundary| boundary.text());
    match boundary {
        Some(boundary) if media.kind.eq_ignore_ascii_case("multipart") && !is_encoded => {
            parts(body, boundary.as_bytes())
        }
        _ => Vec::new(),
    }
}

/// The parts of a multipart body that are descriptions (RFC 2046 §5.1.1).
fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<(usize, &'a [u8])> {
    let (mut found, mut at, mut part) = (Vec::new(), 0, None);
    while at < body.len() {
        let end =
            body[at..].iter().position(|byte| *byte == b'\n').map_or(body.len(), |length| at + length + 1);
        let line = &body[at..end];
        let delimits = line.strip_prefix(b"--").is_some_and(|rest| rest.starts_with(boundary));
        if delimits && let Some(start) = part.replace(end) {
            // The line end before a delimiter belongs to it, but nobody writes two so that the last line has one.
            let text = &body[start..at];
            let shorter = text.strip_suffix(b"\r\n").filter(|shorter| shorter.ends_with(b"\r\n"));
            found.extend(description(start, shorter.unwrap_or(text)));
        }
        at = end;
    }
    found
}

/// The body of a part with its own header, where it is a description.
fn description(start: usize, part: &[u8]) -> Option<(usize, &[u8])> {
    let header = part.windows(4).position(|window| window == b"\r\n\r\n")?;
    let names_it = part[..header].to_ascii_lowercase();
    let is_description = names_it.windows(15).any(|window| window == b"application/sdp");
    is_description.then(|| (start + header + 4, &part[header + 4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_among_other_parts_are_found_where_they_stand() {
        let body = b"preamble\r\n--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x\r\nContent-Type: application/SDP\r\n\r\n\
            v=0\r\n--x--\r\n";
        let found = parts(body, b"x");
        assert_eq!(found.len(), 1);
        let (at, text) = found[0];
        assert_eq!((text, &body[at..at + 3]), (&b"v=0\r\n"[..], &b"v=0"[..]));
    }

    #[test]
    fn sip_is_told_by_its_first_line() {
        for text in [
            "SIP/2.0 200 OK\r\n",
            "INVITE sip:a@b SIP/2.0\r\n",
            "\r\nBYE sip:a@b SIP/2.0",
            "X y SIP/7.0 \r\n",
        ] {
            assert!(looks_like_sip(text.as_bytes()), "{text:?}");
        }
        for text in ["", "\r\n\r\n", "GET / HTTP/1.1\r\n", "\u{80}\u{1}"] {
            assert!(!looks_like_sip(text.as_bytes()), "{text:?}");
        }
    }
}
