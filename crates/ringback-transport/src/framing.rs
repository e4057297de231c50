//! Cutting messages out of a stream (RFC 3261 §18.3, §7.5).

use bytes::{Buf, Bytes, BytesMut};
use ringback_message::{Limits, ParseError, StatusCode, header_end};

/// How much of one message is taken.
#[derive(Clone, Copy, Debug)]
pub struct FramingLimits {
    /// How much of its header section, over datagrams as well.
    pub message: Limits,
    /// The longest body in bytes. A longer Content-Length is refused before anything is allocated for it.
    pub body: usize,
}

impl FramingLimits {
    /// The longest message in bytes.
    pub fn longest(&self) -> usize {
        usize::from(self.message.head) + self.body
    }
}

impl Default for FramingLimits {
    fn default() -> Self {
        Self { message: Limits::DEFAULT, body: 1 << 20 }
    }
}

/// What a stream holds next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The bytes of exactly one message.
    Message(Bytes),
    /// A double CRLF between messages, which asks for a CRLF back (RFC 5626 §4.4.1).
    Ping,
    /// A single CRLF between messages: the answer to our ping.
    Pong,
    /// The framing is lost: nothing behind this can be understood, and the stream has to be closed. The bytes
    /// hold the header section as far as it was read, for a last response.
    Broken(ParseError, Bytes),
}

/// Resumable framing: takes bytes as they come, split anywhere, and gives whole messages (rule 80).
#[derive(Debug)]
pub struct Framer {
    limits: FramingLimits,
    buffer: BytesMut,
    /// How far the search for the end of the header came, so that no byte is searched twice.
    searched: usize,
    /// How long the message is that has begun, once its header section is there.
    length: Option<usize>,
    broken: bool,
    /// We have sent a ping: a CRLF in front is the answer to it, and not the first half of a ping of theirs.
    pong_due: bool,
}

impl Framer {
    /// A stream of which nothing was read yet.
    pub fn new(limits: FramingLimits) -> Self {
        Self { limits, buffer: BytesMut::new(), searched: 0, length: None, broken: false, pong_due: false }
    }

    /// Takes what was read. What follows a broken frame is dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Says that a ping was sent: the next CRLF between messages answers it, without waiting for what follows.
    pub fn expect_pong(&mut self) {
        self.pong_due = true;
    }

    /// Whether a message has begun and not ended: the time to its end is limited (fault 3). The first part of
    /// a keep-alive is no message.
    pub fn is_partial(&self) -> bool {
        !b"\r\n\r\n".starts_with(&self.buffer)
    }

    /// The next whole frame; `None` until more bytes come.
    pub fn poll(&mut self) -> Option<Frame> {
        if let Some(frame) = self.keep_alive() {
            return Some(frame);
        }
        if let Some(length) = self.length {
            return self.cut(length);
        }
        let most = usize::from(self.limits.message.head);
        let from = self.searched.saturating_sub(3);
        let window = &self.buffer[from..self.buffer.len().min(most)];
        let Some(head) = header_end(window).map(|end| from + end) else {
            self.searched = self.buffer.len();
            if self.buffer.len() >= most {
                return Some(self.fail(ParseError::with_status(
                    0,
                    "header section",
                    StatusCode::MESSAGE_TOO_LARGE,
                )));
            }
            return None;
        };
        let length = match content_length(&self.buffer[..head]) {
            Ok(length) if length <= self.limits.body => length,
            Ok(_) => {
                return Some(self.fail(ParseError::with_status(
                    0,
                    "Content-Length",
                    StatusCode::MESSAGE_TOO_LARGE,
                )));
            }
            Err(error) => return Some(self.fail(error)),
        };
        self.length = Some(head + length);
        self.cut(head + length)
    }

    /// Takes the message that is so long, once all of it is there.
    fn cut(&mut self, length: usize) -> Option<Frame> {
        if self.buffer.len() < length {
            return None;
        }
        (self.searched, self.length) = (0, None);
        Some(Frame::Message(self.buffer.split_to(length).freeze()))
    }

    /// Takes line ends before a message; they mean something between messages only (rule 79).
    fn keep_alive(&mut self) -> Option<Frame> {
        match &self.buffer[..] {
            [b'\r', b'\n', ..] if self.pong_due => {
                self.pong_due = false;
                self.buffer.advance(2);
                self.searched = 0;
                Some(Frame::Pong)
            }
            [b'\r', b'\n', b'\r', b'\n', ..] => {
                self.buffer.advance(4);
                self.searched = 0;
                Some(Frame::Ping)
            }
            // One CRLF may be the first half of a ping, so it waits for what follows.
            [b'\r', b'\n', next, ..] if *next != b'\r' => {
                self.buffer.advance(2);
                self.searched = 0;
                Some(Frame::Pong)
            }
            [b'\n', ..] => {
                self.buffer.advance(1);
                self.searched = 0;
                self.keep_alive()
            }
            _ => None,
        }
    }

    fn fail(&mut self, error: ParseError) -> Frame {
        self.broken = true;
        self.searched = 0;
        let head = self.buffer.split().freeze();
        Frame::Broken(error, head.slice(..head.len().min(self.limits.message.head.into())))
    }
}

/// Reads Content-Length without indexing the rest. On a stream it must be there (rule 77), and doubled or
/// malformed it is refused (rule 76, fault 5).
fn content_length(head: &[u8]) -> Result<usize, ParseError> {
    let mut found: Option<usize> = None;
    let mut offset = 0;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if let Some(value) = strip_name(line) {
            let digits = value.trim_ascii();
            let number = std::str::from_utf8(digits)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let number = number.and_then(|text| text.parse::<u32>().ok()).map(|length| length as usize);
            if number.is_none() || (found.is_some() && found != number) {
                return Err(ParseError::new(offset, "Content-Length"));
            }
            found = number;
        }
        offset += line.len();
    }
    found.ok_or(ParseError::new(0, "Content-Length"))
}

fn strip_name(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    let named = name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l");
    named.then(|| &line[colon + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO: &[u8] = b"\r\n\r\nOPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP b\r\nl: 4\r\n\r\n\r\n\r\n\r\n\r\nBYE sip:a SIP/2.0\r\nContent-Length : 0\r\n\r\n\r\nx: y";

    fn limits(head: u16, body: usize) -> FramingLimits {
        FramingLimits { message: Limits { head, ..Limits::default() }, body }
    }

    fn frames(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut framer = Framer::new(FramingLimits::default());
        let mut frames = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            frames.extend(std::iter::from_fn(|| framer.poll()));
        }
        frames
    }

    #[test]
    fn rule_79_keep_alives_count_between_messages_only() {
        let whole = frames(&[TWO]);
        assert_eq!(whole.len(), 5);
        assert!(matches!((&whole[0], &whole[2], &whole[4]), (Frame::Ping, Frame::Ping, Frame::Pong)));
        assert!(matches!(&whole[1], Frame::Message(bytes) if bytes.ends_with(b"l: 4\r\n\r\n\r\n\r\n")));
        assert!(matches!(&whole[3], Frame::Message(bytes) if bytes.starts_with(b"BYE")));
    }

    #[test]
    fn rule_80_every_split_gives_the_same_frames() {
        let whole = frames(&[TWO]);
        for at in 0..TWO.len() {
            assert_eq!(frames(&[&TWO[..at], &TWO[at..]]), whole, "split at {at}");
        }
        let bytes: Vec<&[u8]> = TWO.chunks(1).collect();
        assert_eq!(frames(&bytes), whole, "octet by octet");
    }

    #[test]
    fn rules_76_and_77_lengths_that_lose_the_framing() {
        for length in [
            "",
            "Content-Length: -1\r\n",
            "l: +5\r\n",
            "l: 1e3\r\n",
            "l: 2147483648000\r\n",
            "l: 1\r\nContent-Length: 2\r\n",
        ] {
            let head = format!("BYE sip:a SIP/2.0\r\n{length}\r\n");
            let found = frames(&[head.as_bytes()]);
            assert!(
                matches!(&found[..], [Frame::Broken(error, _)] if error.rule == "Content-Length"),
                "{length}"
            );
        }
        let found = frames(&[b"BYE sip:a SIP/2.0\r\nl: 99999999\r\n\r\n"]);
        assert!(
            matches!(&found[..], [Frame::Broken(error, _)] if error.status == StatusCode::MESSAGE_TOO_LARGE)
        );
    }

    #[test]
    fn rule_81_a_header_without_end_is_cut_off() {
        let mut framer = Framer::new(limits(1_000, 10));
        let mut broken = false;
        for _ in 0..2_000 {
            framer.push(b"x");
            broken |= matches!(framer.poll(), Some(Frame::Broken(..)));
            assert!(framer.buffer.len() <= 1_001);
        }
        assert!(broken && !framer.is_partial());
    }

    #[test]
    fn a_header_just_within_its_limit_passes() {
        let head = |bytes: usize| {
            let rest = "BYE sip:a SIP/2.0\r\nl: 0\r\ns: \r\n\r\n".len();
            format!("BYE sip:a SIP/2.0\r\nl: 0\r\ns: {}\r\n\r\n", "x".repeat(bytes - rest))
        };
        for (bytes, fits) in [(999, true), (1_000, true), (1_001, false), (1_002, false)] {
            let mut framer = Framer::new(limits(1_000, 10));
            framer.push(head(bytes).as_bytes());
            let frame = framer.poll();
            match fits {
                true => assert!(matches!(frame, Some(Frame::Message(..))), "{bytes}"),
                false => assert!(
                    matches!(frame, Some(Frame::Broken(error, _)) if error.status == StatusCode::MESSAGE_TOO_LARGE)
                ),
            }
        }
    }

    /// A header section is read once, however many pieces its body comes in.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the cost is what is measured")]
    fn octets_of_a_body_cost_nothing_of_the_header() {
        let time = |lines: usize| {
            let head = format!("BYE sip:a SIP/2.0\r\nl: 9000\r\n{}\r\n", "a:\r\n".repeat(lines));
            let mut framer = Framer::new(FramingLimits::default());
            framer.push(head.as_bytes());
            let start = std::time::Instant::now();
            for _ in 0..8_000 {
                framer.push(b"x");
                assert_eq!(framer.poll(), None);
            }
            start.elapsed()
        };
        let best = |lines| (0..5).map(|_| time(lines)).min().unwrap();
        let (small, large) = (best(100), best(15_000));
        assert!(large < small * 10, "{small:?} and {large:?}");
    }

    proptest! {
        #[test]
        fn rule_56_noise_never_panics(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut framer = Framer::new(limits(200, 50));
            for chunk in &chunks {
                framer.push(chunk);
                while let Some(frame) = framer.poll() {
                    if let Frame::Message(bytes) = frame { prop_assert!(bytes.len() <= 251); }
                }
            }
        }
    }
}
