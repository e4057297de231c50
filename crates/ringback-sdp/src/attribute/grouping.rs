//! Which media belong together and what they are for (RFC 5888, RFC 9143, RFC 8830, RFC 4574, RFC 4796).

use super::macros::{is_token, property, split_word, word, words};
use super::{AttributeError, AttributeValue};
use std::fmt;

/// `a=group`: media that belong together, by their [`Mid`] (RFC 5888 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// In which way.
    pub semantics: GroupSemantics<'a>,
    /// Their tags, with blanks between them. Empty for a group that has come to nothing.
    pub tags: &'a str,
}

/// In which way media belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupSemantics<'a> {
    /// They share one transport (RFC 9143).
    Bundle,
    /// They are played in step (RFC 5888 §7).
    LipSync,
    /// They carry the same flow (RFC 5888 §8).
    FlowIdentification,
    /// Another one.
    Other(&'a str),
}

impl<'a> GroupSemantics<'a> {
    /// The word.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Bundle => "BUNDLE",
            Self::LipSync => "LS",
            Self::FlowIdentification => "FID",
            Self::Other(word) => word,
        }
    }
}

impl<'a> Group<'a> {
    /// The tags, first to last.
    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.tags.split_ascii_whitespace()
    }

    /// Whether a medium is of the group.
    pub fn has(&self, mid: &str) -> bool {
        self.tags().any(|tag| tag == mid)
    }
}

impl<'a> AttributeValue<'a> for Group<'a> {
    const NAME: &'static str = "group";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let (semantics, tags) = split_word(value);
        let semantics = match semantics {
            "BUNDLE" => GroupSemantics::Bundle,
            "LS" => GroupSemantics::LipSync,
            "FID" => GroupSemantics::FlowIdentification,
            other if is_token(other) => GroupSemantics::Other(other),
            _ => return Err(AttributeError::new("semantics")),
        };
        match tags.split_ascii_whitespace().all(is_token) {
            true => Ok(Self { semantics, tags: tags.trim_end() }),
            false => Err(AttributeError::new("identification-tag")),
        }
    }
}

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.semantics.as_str())?;
        if self.tags.is_empty() { Ok(()) } else { write!(f, " {}", self.tags) }
    }
}

word! {
    /// `a=mid`: the name of a medium within its description (RFC 5888 §4).
    Mid, "mid", is_token;
    /// `a=label`: a name of a medium for use outside the description (RFC 4574 §4).
    Label, "label", is_token;
}

property! {
    /// `a=bundle-only`: the medium is wanted in a bundle or not at all (RFC 9143 §6).
    BundleOnly, "bundle-only";
}

words! {
    "content",
    /// `a=content`: what is to be seen or heard (RFC 4796 §5). Of several the first is read.
    Content {
        /// Slides of a presentation.
        Slides = "slides",
        /// A speaker.
        Speaker = "speaker",
        /// Sign language.
        SignLanguage = "sl",
        /// The main stream.
        Main = "main",
        /// A second stream.
        Alternative = "alt",
    }
}

/// `a=msid`: the stream and the track of a medium (RFC 8830 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msid<'a> {
    /// The stream, `-` for none.
    pub stream: &'a str,
    /// The track, when the writer names it.
    pub track: Option<&'a str>,
}

impl<'a> AttributeValue<'a> for Msid<'a> {
    const NAME: &'static str = "msid";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let (stream, track) = split_word(value);
        let track = Some(track.trim_end()).filter(|track| !track.is_empty());
        match is_token(stream) && track.is_none_or(is_token) {
            true => Ok(Self { stream, track }),
            false => Err(AttributeError::new("msid-value")),
        }
    }
}

impl fmt::Display for Msid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stream)?;
        self.track.map_or(Ok(()), |track| write!(f, " {track}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    /// RFC 5888 §7, RFC 9143 §9.
    #[test]
    fn groups_name_their_media() {
        let lip_sync = round::<Group<'_>>("LS 1 2");
        assert_eq!(lip_sync.semantics, GroupSemantics::LipSync);
        assert!(lip_sync.has("2") && !lip_sync.has("12"));
        assert_eq!(round::<Group<'_>>("BUNDLE foo bar zen").tags().last(), Some("zen"));
        assert_eq!(round::<Group<'_>>("BUNDLE").tags().count(), 0);
        assert_eq!(round::<Group<'_>>("FEC-FR S1 R1").semantics, GroupSemantics::Other("FEC-FR"));
        assert!(Group::parse("").is_err() && Group::parse("LS a:b").is_err());
    }

    /// RFC 8830 §2, RFC 4574 §5, RFC 4796 §6.
    #[test]
    fn media_have_names_and_purposes() {
        assert_eq!(round::<Msid<'_>>("examplefoo examplebar").track, Some("examplebar"));
        assert_eq!(round::<Msid<'_>>("-"), Msid { stream: "-", track: None });
        assert_eq!((round::<Mid<'_>>("audio").0, round::<Label<'_>>("1").0), ("audio", "1"));
        assert_eq!(round::<Content>("slides"), Content::Slides);
        assert!(Mid::parse("a b").is_err());
    }
}
