//! What a description has that RFC 8866 does not allow, and that is read all the same.

use crate::scan::Line;
use crate::{Bandwidth, Connection, Media, SdpError, SessionDescription};
use std::fmt;

/// Something that is read although the RFC does not allow it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The line, counted from one; the line after the last when something is missing.
    pub line: usize,
    /// Where that line starts, in octets from the start of the description.
    pub offset: usize,
    /// The rule of RFC 8866 §9 that does not hold.
    pub rule: &'static str,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not as RFC 8866 has it: {} at line {}, octet {}", self.rule, self.line, self.offset)
    }
}

/// After so many deviations no more are looked for.
pub const MAX_DEVIATIONS: usize = 256;

impl SessionDescription {
    /// What of a message body deviates from RFC 8866 although [`SessionDescription::parse`] takes it, in the order
    /// of its lines. Nothing means that it is well formed; what attributes mean is not looked at. Of very many the
    /// first [`MAX_DEVIATIONS`] are told.
    ///
    /// # Errors
    /// [`SdpError`] when the description is refused.
    pub fn deviations(body: &[u8]) -> Result<Vec<Deviation>, SdpError> {
        let description = Self::parse(body)?;
        let (mut strict, mut found) = (Strict::default(), Vec::new());
        let (mut line, mut offset) = (1, 0);
        while offset < body.len() && found.len() < MAX_DEVIATIONS {
            let Line { end, next, .. } = Line::at(body, offset);
            let ends_well = body[end..next] == *b"\r\n";
            let broken = match &body[offset..end] {
                [letter, b'=', value @ ..] => [strict.misplaced(*letter), broken_rule(*letter, value)],
                _ => [Some("type=value"), None],
            };
            let broken = broken.into_iter().chain([(!ends_well).then_some("CRLF")]).flatten();
            found.extend(broken.map(|rule| Deviation { line, offset, rule }));
            line += 1;
            offset = next;
        }
        if found.len() >= MAX_DEVIATIONS {
            found.truncate(MAX_DEVIATIONS);
            return Ok(found);
        }
        let mut missing = |rule| found.push(Deviation { line, offset, rule });
        if !strict.has_name {
            missing("session-name-field");
        }
        if !strict.has_time {
            missing("time-field");
        }
        // RFC 8866 §5.7: for the session, or for each medium. One that is off is received nowhere.
        let has_connection = |media: &Media| description.connection_of(media).is_some();
        let is_reachable = |media: &Media| media.port == 0 || has_connection(media);
        let has_any = description.connection.is_some() || description.media.iter().any(has_connection);
        if !has_any || !description.media.iter().all(is_reachable) {
            missing("connection-field");
        }
        Ok(found)
    }
}

#[derive(Default)]
struct Strict {
    in_media: bool,
    /// The place in the order of types that has been reached.
    reached: usize,
    has_name: bool,
    has_time: bool,
}

/// The types of lines in their order (RFC 8866 §9). `r=` and `z=` stand behind any `t=`.
const SESSION: &[u8] = b"vosiuepcbtka";
const MEDIA: &[u8] = b"micbka";

impl Strict {
    /// The rule that a line breaks by the place where it stands.
    fn misplaced(&mut self, letter: u8) -> Option<&'static str> {
        if letter == b'm' {
            (self.in_media, self.reached) = (true, 0);
        }
        self.has_name |= letter == b's';
        self.has_time |= letter == b't';
        let order = if self.in_media { MEDIA } else { SESSION };
        let slot = if matches!(letter, b'r' | b'z') { b't' } else { letter };
        match order.iter().position(|known| *known == slot) {
            Some(place) if place >= self.reached => {
                self.reached = place;
                None
            }
            None if !SESSION.contains(&slot) => Some("type"),
            _ => Some("order of lines"),
        }
    }
}

/// The rule that a line breaks within itself.
fn broken_rule(letter: u8, value: &[u8]) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(value) else { return None };
    // No line but `m=` has more words than these.
    let words: Vec<&str> = text.split(' ').take(7).collect();
    let number = |text: &&str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let (rule, holds) = match letter {
        b'v' => ("proto-version", text == "0"),
        b'o' => (
            "origin-field",
            matches!(words[..], [_, _, _, network, kind, address] if is_address(network, kind, address)),
        ),
        b's' => ("session-name-field", !text.is_empty()),
        b'c' => (
            "connection-field",
            matches!(words[..], [network, kind, address] if is_address(network, kind, address)),
        ),
        b'b' => {
            let line = crate::ByteString::checked(value);
            ("bandwidth-field", Bandwidth::parse(&line).is_some_and(|it| it.to_string() == text))
        }
        b't' => ("time-field", words.len() == 2 && words.iter().all(number)),
        b'm' => ("media-field", words.len() > 3 && text.split(' ').all(|word| !word.is_empty())),
        b'a' => {
            let name = text.split(':').next().unwrap_or_default();
            ("attribute", crate::attribute::is_token(name) && !text.ends_with(&format!("{name}:")))
        }
        b'i' | b'u' | b'e' | b'p' | b'k' => ("text", !text.is_empty()),
        _ => return None,
    };
    (!holds).then_some(rule)
}

/// Whether an address is of its type, where the network is the Internet.
fn is_address(network: &str, kind: &str, address: &str) -> bool {
    let word = |text: &str| crate::Word::new(text).ok();
    match (word(network), word(kind), word(address)) {
        (Some(network_type), Some(address_type), Some(address)) => {
            let connection = Connection { network_type, address_type, address };
            !connection.network_type.matches("IN") || connection.host().is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\nt=0 0\r\n\
        a=tool:x\r\nm=audio 1 RTP/AVP 0\r\ni=x\r\na=sendrecv\r\n";

    fn rules(text: &str) -> Vec<(usize, &'static str)> {
        let deviations = SessionDescription::deviations(text.as_bytes()).unwrap();
        deviations.iter().map(|it| (it.line, it.rule)).collect()
    }

    #[test]
    fn a_well_formed_description_has_none() {
        assert_eq!(rules(GOOD), []);
        assert_eq!(SessionDescription::deviations(b"").unwrap_err().rule, "proto-version");
    }

    #[test]
    fn very_many_are_not_all_told() {
        assert_eq!(
            rules(&GOOD.replacen("a=tool", &format!("{}a=tool", "\n".repeat(5000)), 1)).len(),
            MAX_DEVIATIONS
        );
    }

    #[test]
    fn each_liberty_is_named_with_its_line() {
        type Found = &'static [(usize, &'static str)];
        #[rustfmt::skip]
        let table: &[(&str, &str, Found)] = &[
            ("b=AS:64\r\n", "b=AS:64\n", &[(5, "CRLF")]),
            ("a=sendrecv\r\n", "a=sendrecv", &[(10, "CRLF")]),
            ("t=0 0\r\n", "", &[(10, "time-field")]),
            ("t=0 0\r\n", "t=0 0\r\nr=7d 1h 0\r\n", &[]),
            ("s=-\r\n", "", &[(10, "session-name-field")]),
            ("s=-\r\n", "s=\r\n", &[(3, "session-name-field")]),
            ("c=IN IP4 192.0.2.1\r\n", "", &[(10, "connection-field")]),
            ("c=IN IP4 192", "c=IN IP7 192", &[(4, "connection-field")]),
            ("c=IN IP4", "c=IN  IP4", &[(4, "connection-field")]),
            ("AS:64", "AS:x", &[(5, "bandwidth-field")]),
            ("AVP 0", "AVP", &[(8, "media-field")]),
            ("AVP 0", "AVP 0 ", &[(8, "media-field")]),
            ("i=x\r\na=sendrecv", "a=sendrecv\r\ni=x", &[(10, "order of lines")]),
            ("a=tool", "q=x\r\na=tool", &[(7, "type")]),
            ("a=tool:x", "a=to ol:x", &[(7, "attribute")]),
            ("a=tool:x", "\r\na=tool:x", &[(7, "type=value")]),
        ];
        for (from, to, expected) in table {
            let text = GOOD.replacen(from, to, 1);
            assert_eq!(rules(&text), *expected, "{from:?} as {to:?}");
        }
    }
}
