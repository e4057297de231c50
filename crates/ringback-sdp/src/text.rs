//! The two kinds of text that an SDP line is made of.
//!
//! Whoever holds one of these types may write it into a line: neither can end that line early.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A run of visible characters without white space: the `token` and `non-ws-string` of RFC 8866 §9, in UTF-8.
///
/// Never empty, no white space, no control character.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Word(Cow<'static, str>);

impl Word {
    /// Takes a text as it stands.
    ///
    /// # Errors
    /// [`InvalidText`] when it is empty or holds white space or a control character.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        match text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            true => Err(InvalidText),
            false => Ok(Self(Cow::Owned(text.to_owned()))),
        }
    }

    /// A word known when the program is written; the caller vouches for its characters.
    pub(crate) const fn from_static(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the same but for the case of ASCII letters.
    pub fn matches(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<u64> for Word {
    fn from(number: u64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// The rest of a line: the `byte-string` of RFC 8866 §9, any octets but NUL, CR and LF.
///
/// Octets and not characters, because `a=charset` may put other encodings than UTF-8 here (RFC 8866 §6.10).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ByteString(Vec<u8>);

impl ByteString {
    /// Takes octets as they stand.
    ///
    /// # Errors
    /// [`InvalidText`] when there is a NUL, CR or LF among them.
    pub fn new(octets: impl Into<Vec<u8>>) -> Result<Self, InvalidText> {
        let octets = octets.into();
        match octets.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
            true => Err(InvalidText),
            false => Ok(Self(octets)),
        }
    }

    /// A text made of [`Word`]s, numbers and blanks only.
    pub(crate) fn composed(text: String) -> Self {
        debug_assert!(!text.contains(['\0', '\r', '\n']), "words hold no control characters");
        Self(text.into_bytes())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Display for ByteString {
    /// Octets that are not UTF-8 show as U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// A text that cannot stand where it was meant to stand in an SDP line. The caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidText;

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text holds characters that an SDP line cannot carry there")
    }
}

impl Error for InvalidText {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_ends_a_line_gets_into_a_text() {
        for bad in ["", "a b", "a\r", "a\n", "\u{0}", "a\tb", "\u{85}"] {
            assert_eq!(Word::new(bad), Err(InvalidText), "{bad:?}");
        }
        for bad in ["\r", "x\ny", "\0"] {
            assert_eq!(ByteString::new(bad), Err(InvalidText), "{bad:?}");
        }
        assert_eq!(ByteString::new(" ").map(|text| text.as_bytes().to_vec()), Ok(vec![b' ']));
    }

    #[test]
    fn other_encodings_than_utf8_are_kept() {
        let latin1 = ByteString::new([b'n', 0xe9]).unwrap();
        assert_eq!(
            (latin1.as_str(), latin1.as_bytes(), latin1.to_string().as_str()),
            (None, &b"n\xe9"[..], "n\u{fffd}")
        );
    }
}
