//! Inputs of the machine targets: a readable script, so that a corpus file is a test that can be read.
//!
//! Acts are separated by lines that hold `---`. The first line of an act says what happens, the rest is its message:
//!
//! ```text
//! udp
//! INVITE sip:bob@example.com SIP/2.0
//! …
//! ---
//! wait 500
//! ---
//! answer 0 180
//! ```

use std::time::Duration;

/// More acts than this are not played: a longer script finds nothing that several shorter ones would not.
const MAX_ACTS: usize = 64;

/// One act.
#[derive(Debug)]
pub(super) struct Act<'a> {
    pub(super) verb: &'a str,
    pub(super) words: Vec<&'a str>,
    pub(super) message: &'a [u8],
}

impl Act<'_> {
    /// The number in the given place, 0 where there is none.
    pub(super) fn number(&self, place: usize) -> u64 {
        self.words.get(place).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// The time that an act `wait MILLISECONDS` lets pass, an hour at most.
    pub(super) fn pause(&self) -> Duration {
        Duration::from_millis(self.number(0).min(3_600_000))
    }
}

/// The acts of a script; what is no text in a first line is passed over.
pub(super) fn acts(input: &[u8]) -> impl Iterator<Item = Act<'_>> {
    split(input).take(MAX_ACTS).filter_map(|act| {
        let end = act.iter().position(|byte| *byte == b'\n').unwrap_or(act.len());
        let mut words = std::str::from_utf8(&act[..end]).ok()?.split_ascii_whitespace();
        let verb = words.next()?;
        Some(Act { verb, words: words.collect(), message: act.get(end + 1..).unwrap_or_default() })
    })
}

fn split(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    const BREAK: &[u8] = b"---\n";
    let mut rest = Some(input);
    std::iter::from_fn(move || {
        let here = rest.take()?;
        let at = here.windows(BREAK.len()).position(|window| window == BREAK);
        let Some(at) = at else { return Some(here) };
        rest = Some(&here[at + BREAK.len()..]);
        Some(&here[..at])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_read_with_their_words_and_messages() {
        let acts: Vec<Act<'_>> = acts(b"udp\nINVITE\r\n\r\n---\nwait 500\n---\nanswer 0 180").collect();
        assert_eq!((acts[0].verb, acts[0].message), ("udp", &b"INVITE\r\n\r\n"[..]));
        assert_eq!(acts[1].pause(), Duration::from_millis(500));
        assert_eq!((acts[2].verb, acts[2].number(1)), ("answer", 180));
    }
}
