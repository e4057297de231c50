//! Percent escapes (RFC 3261 §19.1.2).

use std::borrow::Cow;

/// The octets that escaped text stands for. A `%` without two hex digits stands for itself.
pub fn unescape(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return text.as_bytes().into();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (octet, used) = octet_at(bytes, at);
        out.push(octet);
        at += used;
    }
    out.into()
}

/// What may stand in a component beside `unreserved` (RFC 3261 §25.1).
pub(super) const USER: &[u8] = b"&=+$,;?/";
pub(super) const PASSWORD: &[u8] = b"&=+$,";
pub(super) const PARAM: &[u8] = b"[]/:&+$";
pub(super) const HEADER: &[u8] = b"[]/?:+$";

/// Text for octets in the user part of a URI: what may not stand there is escaped.
pub fn escape_user(octets: &[u8]) -> String {
    escape_but(octets, USER)
}

/// Text for octets in a component that may hold `unescaped` beside `unreserved`.
pub(super) fn escape_but(octets: &[u8], unescaped: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(octets.len());
    for octet in octets {
        if is_unreserved(*octet) || unescaped.contains(octet) {
            out.push(*octet as char);
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
    out
}

pub(super) fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&octet)
}

/// One octet of escaped text and how many bytes spelled it.
fn octet_at(bytes: &[u8], at: usize) -> (u8, usize) {
    let digit = |index: usize| bytes.get(index).and_then(|byte| (*byte as char).to_digit(16));
    match (bytes[at], digit(at + 1), digit(at + 2)) {
        (b'%', Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
        (byte, _, _) => (byte, 1),
    }
}

/// The octets for comparison: an escape of an unreserved character equals the character, an escape of a
/// reserved one does not (RFC 3261 §19.1.4).
fn comparable(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let (octet, used) = octet_at(bytes, at);
        at += used;
        Some((octet, used == 3 && !is_unreserved(octet)))
    })
}

/// Compares component text under the escaping rules, case-sensitively.
pub(super) fn same(a: &str, b: &str) -> bool {
    if !a.contains('%') && !b.contains('%') {
        return a == b;
    }
    comparable(a).eq(comparable(b))
}

/// Compares component text under the escaping rules, without regard to case.
pub(super) fn same_ignoring_case(a: &str, b: &str) -> bool {
    let lower = |(octet, escaped): (u8, bool)| (octet.to_ascii_lowercase(), escaped);
    comparable(a).map(lower).eq(comparable(b).map(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes_exactly_once_and_keeps_what_is_no_escape() {
        assert_eq!(&*unescape("value%25%34%31"), b"value%41");
        assert_eq!(&*unescape("100%"), b"100%");
        assert_eq!(&*unescape("%Z5"), b"%Z5");
        assert_eq!(&*unescape("null-%00-null"), b"null-\0-null");
    }

    #[test]
    fn user_text_survives_both_ways() {
        let octets: Vec<u8> = (0..=255).collect();
        assert_eq!(&*unescape(&escape_user(&octets)), &octets[..]);
    }
}
