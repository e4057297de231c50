//! Names of header fields.

use super::table::{KNOWN, LOWER, MULTIPLIER, SHIFT, SLOTS};
use crate::lex::pad;
use crate::scan;
use std::fmt;

/// The name of a header field of the IANA registry, or [`OTHER`](Self::OTHER).
///
/// Long and compact form have one id. A field that the registry does not know has `OTHER` and is told apart
/// by its name in the message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderId(pub(super) u8);

/// How often a field occurs and how its values share rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Comma-separated values may share a row (RFC 3261 §7.3.1).
    List,
    /// At most one value in a message.
    One,
    /// One value a row, any number of rows; commas belong to the value.
    Many,
}

pub(super) struct Known {
    pub(super) name: &'static str,
    /// The name, a colon and a space.
    pub(super) begin: &'static str,
    pub(super) compact: u8,
    pub(super) kind: Kind,
}

impl HeaderId {
    /// A field that the registry does not name.
    pub const OTHER: Self = Self(0);

    /// Its place in tables of all fields, below 256.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    const fn known(self) -> Option<&'static Known> {
        match self.0 {
            id if id == 0 || id as usize > KNOWN.len() => None,
            id => Some(&KNOWN[id as usize - 1]),
        }
    }

    /// Finds the id for a name in either form and any letter case.
    pub fn from_name(name: &[u8]) -> Self {
        let mut block = [0; 16];
        let short = name.len().min(16);
        block[..short].copy_from_slice(&name[..short]);
        // Comparing sixteen octets at once relies on there being no control characters.
        let clean = !name.iter().any(u8::is_ascii_control);
        if clean { Self::recognise(name, &block) } else { Self::OTHER }
    }

    /// The id for a name without control characters; `block` begins with it, whatever follows behind.
    #[inline(always)]
    pub(crate) fn recognise(name: &[u8], block: &[u8; 16]) -> Self {
        let length = name.len();
        if length < 2 {
            return name.first().map_or(Self::OTHER, |letter| Self::compact_form(*letter));
        }
        let (first, middle, telling) = (name[0], name[length / 2], name[length - 2]);
        // These four tell all the names of the registry apart; the table is made so, and what is not in it is
        // found out by the comparison.
        let key = u32::from_le_bytes([length as u8, first | 0x20, middle | 0x20, telling | 0x20]);
        let id = SLOTS[(key.wrapping_mul(MULTIPLIER) >> SHIFT) as usize];
        let index = usize::from(id.wrapping_sub(1));
        let (Some(known), Some(lower)) = (KNOWN.get(index), LOWER.get(index)) else { return Self::OTHER };
        let same = known.name.len() == length
            && scan::same_name(block, lower, length.min(16))
            && (length <= 16 || known.name.as_bytes()[16..].eq_ignore_ascii_case(&name[16..]));
        if same { Self(id) } else { Self::OTHER }
    }

    fn compact_form(letter: u8) -> Self {
        let index = usize::from((letter | 0x20).wrapping_sub(b'a'));
        if letter.is_ascii_alphabetic() { Self(COMPACT[index]) } else { Self::OTHER }
    }

    /// The long form as the registry spells it; empty for `OTHER`.
    pub const fn name(self) -> &'static str {
        match self.known() {
            Some(known) => known.name,
            None => "",
        }
    }

    /// What a line with this field begins with, its length, and what the length of the name is.
    #[inline]
    pub(crate) fn beginning(self) -> (&'static [u8; 32], usize) {
        let (text, length) = &BEGINNINGS[self.index()];
        (text, usize::from(*length))
    }

    /// The compact form, where there is one (RFC 3261 §7.3.3).
    pub fn compact(self) -> Option<char> {
        self.known().filter(|known| known.compact != 0).map(|known| known.compact as char)
    }

    /// Whether several values may share a row, separated by commas.
    pub const fn is_list(self) -> bool {
        matches!(self.known(), Some(Known { kind: Kind::List, .. }))
    }

    /// Whether it may be a list of no values.
    pub(crate) const fn may_be_empty(self) -> bool {
        matches!(
            self,
            Self::ACCEPT
                | Self::ACCEPT_ENCODING
                | Self::ACCEPT_LANGUAGE
                | Self::ALLOW
                | Self::RECV_INFO
                | Self::SUPPORTED
        )
    }

    /// Whether a message may hold it once only.
    pub fn is_single(self) -> bool {
        self.known().is_some_and(|known| known.kind == Kind::One)
    }

    /// Every field of the registry.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=KNOWN.len()).map(|id| Self(id as u8))
    }
}

impl fmt::Debug for HeaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::OTHER { "OTHER" } else { self.name() })
    }
}

impl fmt::Display for HeaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of each field, a colon and a space, padded with more of them, and how long that is.
static BEGINNINGS: [([u8; 32], u8); 256] = {
    let mut beginnings = [(pad(b": "), 2); 256];
    let mut index = 0;
    while index < KNOWN.len() {
        let begin = KNOWN[index].begin.as_bytes();
        beginnings[index + 1] = (pad(begin), begin.len() as u8);
        index += 1;
    }
    beginnings
};

/// The id of each letter that is a compact form, 0 where there is none.
const COMPACT: [u8; 26] = {
    let mut ids = [0; 26];
    let mut index = 0;
    while index < KNOWN.len() {
        let letter = KNOWN[index].compact;
        if letter != 0 {
            ids[(letter - b'a') as usize] = index as u8 + 1;
        }
        index += 1;
    }
    ids
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_each_form() {
        for id in HeaderId::all() {
            assert_eq!(HeaderId::from_name(id.name().as_bytes()), id);
            assert_eq!(HeaderId::from_name(id.name().to_ascii_uppercase().as_bytes()), id);
            if let Some(compact) = id.compact() {
                assert_eq!(
                    HeaderId::from_name(compact.to_string().as_bytes()),
                    id,
                    "rule 63: compact {compact}"
                );
            }
        }
        assert_eq!(HeaderId::from_name(b"X-Unknown"), HeaderId::OTHER);
        assert_eq!(HeaderId::from_name(b""), HeaderId::OTHER);
        assert_eq!(HeaderId::from_name(b"C%6Fntact"), HeaderId::OTHER);
    }

    #[test]
    fn rule_64_dates_and_credentials_are_no_lists() {
        for id in [
            HeaderId::DATE,
            HeaderId::WWW_AUTHENTICATE,
            HeaderId::PROXY_AUTHENTICATE,
            HeaderId::AUTHORIZATION,
        ] {
            assert!(!id.is_list());
        }
        for id in [HeaderId::VIA, HeaderId::ROUTE, HeaderId::RECORD_ROUTE, HeaderId::CONTACT, HeaderId::ALLOW]
        {
            assert!(id.is_list());
        }
    }
}
