//! The floors: what the same work costs without what makes it SIP.

use crate::Runner;
use bytes::Bytes;
use std::hint::black_box;

/// All rows of the floors.
pub(crate) fn runners() -> Vec<Runner> {
    vec![
        Runner { task: "T1", who: "httparse (floor)", run: lines },
        Runner { task: "T5", who: "splice (floor)", run: splice },
    ]
}

/// Header lines alone, as HTTP has them: no start line of SIP, no names recognised, no folding.
fn lines(message: &Bytes, count: u32) -> Option<()> {
    let head = &message[memchr::memchr(b'\n', message)? + 1..];
    for _ in 0..count {
        let mut headers = [httparse::EMPTY_HEADER; 128];
        black_box(httparse::parse_headers(black_box(head), &mut headers).ok()?);
    }
    Some(())
}

/// Two lines put behind the start line, nothing checked and nothing else changed.
fn splice(message: &Bytes, count: u32) -> Option<()> {
    for _ in 0..count {
        let line = memchr::memchr(b'\n', black_box(message))? + 1;
        let hops = memchr::memmem::find(message, b"\r\nMax-Forwards: ").unwrap_or(line);
        let mut out = Vec::with_capacity(message.len() + 128);
        out.extend_from_slice(&message[..line]);
        out.extend_from_slice(
            b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK77aa01ff\r\nRecord-Route: <sip:192.0.2.1;lr>\r\n",
        );
        out.extend_from_slice(&message[line..hops.max(line)]);
        out.extend_from_slice(&message[hops.max(line)..]);
        black_box(out);
    }
    Some(())
}
