//! The two kinds of text that an SDP line is made of.
//!
//! Whoever holds one of these types may write it into a line: neither can end that line early.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// A piece of UTF-8 text. Those that were read from one body share its one copy, so that reading a description
/// allocates for its lists and not for its words.
#[derive(Clone)]
pub(crate) enum Text {
    /// Known when the program is written.
    Static(&'static str),
    /// A part of a longer text. Both ends stand between characters.
    Shared { whole: Arc<str>, start: u32, end: u32 },
}

impl Text {
    /// A text of its own.
    ///
    /// Texts have at most 4 GiB; what lies behind is cut off (no description comes near, see
    /// [`crate::MAX_SIZE`]).
    pub(crate) fn owned(text: &str) -> Self {
        let end = u32::try_from(text.len()).unwrap_or_else(|_| floor(text, u32::MAX));
        Self::Shared { whole: Arc::from(text), start: 0, end }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared { whole, start, end } => &whole[*start as usize..*end as usize],
        }
    }

    /// The part from one offset to another, both between characters.
    pub(crate) fn part(&self, from: usize, to: usize) -> Self {
        match self {
            Self::Static(text) => Self::Static(&text[from..to]),
            Self::Shared { whole, start, .. } => {
                let end = *start + to as u32;
                Self::Shared { whole: Arc::clone(whole), start: *start + from as u32, end }
            }
        }
    }
}

/// The last place between characters up to a limit.
fn floor(text: &str, limit: u32) -> u32 {
    (0..=limit).rev().find(|at| text.is_char_boundary(*at as usize)).unwrap_or(0)
}

/// A run of visible characters without white space: the `token` and `non-ws-string` of RFC 8866 §9, in UTF-8.
///
/// Never empty, no white space, no control character.
#[derive(Clone)]
pub struct Word(Text);

impl Word {
    /// Takes a text as it stands.
    ///
    /// # Errors
    /// [`InvalidText`] when it is empty or holds white space or a control character.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        if is_word(text) { Ok(Self(Text::owned(text))) } else { Err(InvalidText) }
    }

    /// A word known when the program is written; the caller vouches for its characters.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Text::Static(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether both are the same but for the case of ASCII letters.
    pub fn matches(&self, other: &str) -> bool {
        self.as_str().eq_ignore_ascii_case(other)
    }
}

/// Whether a text may be a [`Word`].
fn is_word(text: &str) -> bool {
    // In ASCII white space and control characters are all that is not visible.
    match text.bytes().all(|octet| octet.is_ascii_graphic()) {
        true => !text.is_empty(),
        false => !text.chars().any(|c| c.is_whitespace() || c.is_control()),
    }
}

/// The words of a line, between blanks.
pub(crate) struct Words<'a> {
    line: &'a Text,
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a Text) -> Self {
        Self { line, text: line.as_str(), at: 0 }
    }
}

impl Iterator for Words<'_> {
    type Item = Result<Word, InvalidText>;

    fn next(&mut self) -> Option<Self::Item> {
        let octets = self.text.as_bytes();
        let mut start = self.at;
        while *octets.get(start)? == b' ' {
            start += 1;
        }
        // One look at each octet; only what is not visible ASCII is looked at again.
        let (mut end, mut is_plain) = (start, true);
        while let Some(octet) = octets.get(end).filter(|octet| **octet != b' ') {
            is_plain &= octet.is_ascii_graphic();
            end += 1;
        }
        self.at = end;
        Some(match is_plain || is_word(&self.text[start..end]) {
            true => Ok(Word(self.line.part(start, end))),
            false => Err(InvalidText),
        })
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for Word {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Self::new(text)
    }
}

impl From<u64> for Word {
    fn from(number: u64) -> Self {
        Self(Text::owned(&number.to_string()))
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Word {}

impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// The rest of a line: the `byte-string` of RFC 8866 §9, any octets but NUL, CR and LF.
///
/// Octets and not characters, because `a=charset` may put other encodings than UTF-8 here (RFC 8866 §6.10).
#[derive(Clone)]
pub struct ByteString(Octets);

#[derive(Clone)]
enum Octets {
    Text(Text),
    /// Whatever is not UTF-8.
    Other(Arc<[u8]>),
}

impl ByteString {
    /// Takes octets as they stand.
    ///
    /// # Errors
    /// [`InvalidText`] when there is a NUL, CR or LF among them.
    pub fn new(octets: impl Into<Vec<u8>>) -> Result<Self, InvalidText> {
        let octets = octets.into();
        match memchr::memchr3(0, b'\r', b'\n', &octets) {
            Some(_) => Err(InvalidText),
            None => Ok(Self::checked(&octets)),
        }
    }

    /// Octets known to hold no NUL, CR or LF.
    pub(crate) fn checked(octets: &[u8]) -> Self {
        Self(match std::str::from_utf8(octets) {
            Ok(text) => Octets::Text(Text::owned(text)),
            Err(_) => Octets::Other(Arc::from(octets)),
        })
    }

    /// A text known to hold no NUL, CR or LF.
    pub(crate) fn from_text(text: Text) -> Self {
        Self(Octets::Text(text))
    }

    /// A text made of [`Word`]s, numbers and blanks only.
    pub(crate) fn composed(text: &str) -> Self {
        debug_assert!(!text.contains(['\0', '\r', '\n']), "words hold no control characters");
        Self(Octets::Text(Text::owned(text)))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Octets::Text(text) => text.as_str().as_bytes(),
            Octets::Other(octets) => octets,
        }
    }

    /// The text, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.text().map(Text::as_str)
    }

    pub(crate) fn text(&self) -> Option<&Text> {
        match &self.0 {
            Octets::Text(text) => Some(text),
            Octets::Other(_) => None,
        }
    }
}

impl Default for ByteString {
    fn default() -> Self {
        Self(Octets::Text(Text::Static("")))
    }
}

impl PartialEq for ByteString {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ByteString {}

impl Hash for ByteString {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for ByteString {
    /// Octets that are not UTF-8 show as U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
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
