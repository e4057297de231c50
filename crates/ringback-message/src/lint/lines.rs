//! Lines: how they end, how they go on, and what may stand in any of them (RFC 3261 §7).

use super::Found;
use super::scan::Fault;
use crate::Message;

pub(super) fn check(message: &Message, head: usize, found: &mut Found) {
    let bytes = &message.received[..];
    let mut at = 0;
    // Start line, lines of fields, and the empty line.
    loop {
        if found.is_full() {
            return;
        }
        let Some(length) = memchr::memchr(b'\n', &bytes[at..]) else {
            end_is_missing(found, bytes.len());
            break;
        };
        let end = at + length;
        let line = &bytes[at..end];
        let line = line.strip_suffix(b"\r").unwrap_or_else(|| {
            let fault = Fault::new("CRLF", "the line ends in LF alone").by("RFC 3261 §7");
            found.note(end, 1, fault.help("end each line with CRLF"));
            line
        });
        check_line(line, at, at >= head, found);
        if at >= head {
            break;
        }
        at = end + 1;
        if at == bytes.len() {
            end_is_missing(found, at);
            break;
        }
    }
    for field in message.fields.iter().filter(|field| field.name == field.line) {
        let (start, end) = (usize::from(field.line), usize::from(field.end));
        let text = bytes[start..end].trim_ascii_end();
        let fault = match memchr::memchr(b':', text) {
            None => Fault::new("message-header", "no colon stands in this line"),
            Some(_) => Fault::new("message-header", "what stands before the colon is no name of a field"),
        };
        found.note(start, text.len(), fault.by("RFC 3261 §7.3.1").refused());
    }
}

fn end_is_missing(found: &mut Found, at: usize) {
    let fault = Fault::new("end of header", "the empty line behind the header fields is missing");
    found.note(at, 0, fault.by("RFC 3261 §7").help("end the header section with CRLF CRLF").refused());
}

fn check_line(line: &[u8], at: usize, is_last: bool, found: &mut Found) {
    if let Err(error) = std::str::from_utf8(line) {
        let fault = Fault::new("TEXT-UTF8char", "this is no UTF-8").by("RFC 3261 §7");
        found.note(at + error.valid_up_to(), error.error_len().unwrap_or(1), fault);
    }
    let escaped = |index: usize| index > 0 && line[index - 1] == b'\\';
    let odd = line
        .iter()
        .enumerate()
        .find(|(index, byte)| byte.is_ascii_control() && **byte != b'\t' && !escaped(*index));
    if let Some((index, _)) = odd {
        let fault = Fault::new("control character", "no control character stands in a line");
        found.note(at + index, 1, fault.help("escape it in a quoted string, or leave it out"));
    }
    let trimmed = line.trim_ascii_end().len();
    // Spaces at the end of a start line are told of with it; an empty value may have some behind its colon.
    if at > 0 && trimmed < line.len() && !is_last && !line[..trimmed].ends_with(b":") {
        let what = match trimmed {
            0 => "a line with nothing but white space",
            _ => "white space at the end of a line",
        };
        found.note(
            at + trimmed,
            line.len() - trimmed,
            Fault::new("message-header", what).help("leave it out"),
        );
    }
}
