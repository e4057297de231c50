//! The start line (RFC 3261 §7.1, §7.2).

use super::scan::Fault;
use super::{Found, uri};
use crate::Message;
use crate::message::StartLine;

const REQUEST: &str = "RFC 3261 §7.1";
const RESPONSE: &str = "RFC 3261 §7.2";

pub(super) fn check(message: &Message, found: &mut Found) {
    let bytes = &message.received[..];
    let (StartLine::Request { line, .. } | StartLine::Response { line, .. }) = &message.start;
    let whole = &bytes[..usize::from(line.end)];
    let line = whole.strip_suffix(b"\n").unwrap_or(whole);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match &message.start {
        StartLine::Request { method, uri, .. } => {
            let (start, end) = (usize::from(uri.start), usize::from(uri.end));
            let gap = method.as_str().len();
            if start != gap + 1 {
                note_space(found, gap, start - gap);
            }
            if start == end {
                let fault = Fault::new("Request-URI", "there is none").by(REQUEST);
                found.note(start, 0, fault);
            } else {
                uri::check(&bytes[start..end], start, uri::Place::Request, found);
            }
            let rest = &line[end.min(line.len())..];
            let lead = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if lead != 1 {
                note_space(found, end, lead);
            }
            let version = rest[lead..].trim_ascii_end();
            let trail = rest.len() - lead - version.len();
            if trail > 0 {
                note_space(found, line.len() - trail, trail);
            }
            check_version(version, end + lead, found);
        }
        StartLine::Response { reason, .. } => {
            let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            check_version(&line[..space], 0, found);
            let code_end = line[space..].iter().skip(1).position(|byte| *byte == b' ');
            if code_end.is_none() {
                let fault = Fault::new("Status-Line", "the space behind the code is missing");
                let fault = fault.by(RESPONSE).help("write a space there, also where no reason follows");
                found.note(line.len(), 0, fault);
            }
            let reason = usize::from(reason.start).min(line.len())..line.len();
            check_reason(&line[reason.clone()], reason.start, found);
        }
    }
}

fn note_space(found: &mut Found, at: usize, length: usize) {
    let fault = Fault::new("Request-Line", "one space stands between its parts, and none at its ends");
    found.note(at, length, fault.by(REQUEST).help("write a single space"));
}

fn check_version(version: &[u8], at: usize, found: &mut Found) {
    if version == b"SIP/2.0" {
        return;
    }
    let fault = match version.eq_ignore_ascii_case(b"SIP/2.0") {
        true => Fault::new("SIP-Version", "it is written in capitals").help("write `SIP/2.0`"),
        false => Fault::new("SIP-Version", "the version is not SIP/2.0").help("write `SIP/2.0`"),
    };
    found.note(at, version.len(), fault.by(REQUEST));
}

/// `*(reserved / unreserved / escaped / UTF8-NONASCII / UTF8-CONT / SP / HTAB)`.
fn check_reason(reason: &[u8], at: usize, found: &mut Found) {
    let odd = reason.iter().position(|byte| byte.is_ascii_graphic() && !uri::is_uric(*byte) && *byte != b'%');
    if let Some(odd) = odd {
        let fault = Fault::new("Reason-Phrase", "this character has to be escaped here");
        found.note(at + odd, 1, fault.by(RESPONSE).help("write `%` and its two hexadecimal digits"));
    }
    if let Some(bad) = uri::bad_escape(reason) {
        let fault = Fault::new("Reason-Phrase", "two hexadecimal digits belong behind `%`");
        found.note(at + bad, 1, fault.by(RESPONSE).help("write `%25`"));
    }
}
