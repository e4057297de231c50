//! Names of header fields.

use super::table::{KNOWN, MULTIPLIER, SHIFT, SLOTS};
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
    pub(super) compact: u8,
    pub(super) kind: Kind,
}

impl HeaderId {
    /// A field that the registry does not name.
    pub const OTHER: Self = Self(0);

    fn known(self) -> Option<&'static Known> {
        KNOWN.get(usize::from(self.0).wrapping_sub(1))
    }

    /// Finds the id for a name in either form and any letter case.
    pub fn from_name(name: &[u8]) -> Self {
        let hash = name.iter().fold(NameHash::default(), |hash, byte| hash.push(byte.to_ascii_lowercase()));
        Self::lookup(hash, name)
    }

    /// The id for a name whose hash was rolled on the way.
    pub(crate) fn lookup(hash: NameHash, name: &[u8]) -> Self {
        let id = Self(SLOTS[(hash.0.wrapping_mul(MULTIPLIER) >> SHIFT) as usize]);
        match id.known() {
            // Nearly all write names as the registry does, and that is compared at once.
            Some(known) if known.name.as_bytes() == name => id,
            Some(known) if known.name.as_bytes().eq_ignore_ascii_case(name) => id,
            Some(known) if name.len() == 1 && known.compact == name[0].to_ascii_lowercase() => id,
            _ => Self::OTHER,
        }
    }

    /// The long form as the registry spells it; empty for `OTHER`.
    pub fn name(self) -> &'static str {
        self.known().map_or("", |known| known.name)
    }

    /// The compact form, where there is one (RFC 3261 §7.3.3).
    pub fn compact(self) -> Option<char> {
        self.known().filter(|known| known.compact != 0).map(|known| known.compact as char)
    }

    /// Whether several values may share a row, separated by commas.
    pub fn is_list(self) -> bool {
        self.known().is_some_and(|known| known.kind == Kind::List)
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

/// The hash of a name, rolled one lower-case byte at a time.
#[derive(Clone, Copy, Default)]
pub(crate) struct NameHash(u32);

impl NameHash {
    #[inline]
    pub(crate) fn push(self, lower: u8) -> Self {
        Self(self.0.wrapping_mul(31).wrapping_add(u32::from(lower)))
    }
}

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
