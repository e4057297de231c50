//! Which codecs are spoken, and in which order they are offered.

use super::{AudioCodec, G722, L16, Opus};
use crate::Law;
use ringback_sdp::Codec;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The codecs of one side, best first.
///
/// ```
/// use ringback_media::AudioCodecs;
/// let codecs: AudioCodecs = "g722,pcma".parse()?;
/// let offered: Vec<String> = codecs.offer().iter().map(|codec| codec.to_string()).collect();
/// assert_eq!(offered, ["9 G722/8000", "8 PCMA/8000", "13 CN/8000", "101 telephone-event/8000"]);
/// # Ok::<(), ringback_media::UnknownCodec>(())
/// ```
#[derive(Clone, Debug)]
pub struct AudioCodecs {
    codecs: Arc<[Arc<dyn AudioCodec>]>,
    offers_redundancy: bool,
}

/// A word that names no codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCodec(pub String);

impl fmt::Display for UnknownCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        write!(f, "there is no codec `{}`; there are {}", self.0, known.join(", "))
    }
}

impl std::error::Error for UnknownCodec {}

type Make = fn() -> Arc<dyn AudioCodec>;

/// The number that the first format of repetition wishes for.
const FIRST_OF_REDUNDANCY: u8 = 112;

/// What there is, by the words that choose it.
const KNOWN: [(&str, Make); 7] = [
    ("opus", || Arc::new(Opus::default())),
    ("g722", || Arc::new(G722)),
    ("pcmu", || Arc::new(Law::Mu)),
    ("pcma", || Arc::new(Law::A)),
    ("l16", || Arc::new(L16::WIDE)),
    ("l16/8000", || Arc::new(L16::NARROW)),
    ("l16/48000", || Arc::new(L16::FULL)),
];

impl Default for AudioCodecs {
    /// Opus, G.722 and both laws of G.711.
    fn default() -> Self {
        Self::new([
            Arc::new(Opus::default()) as Arc<dyn AudioCodec>,
            Arc::new(G722),
            Arc::new(Law::Mu),
            Arc::new(Law::A),
        ])
    }
}

impl FromStr for AudioCodecs {
    type Err = UnknownCodec;

    /// Reads words with commas between them, such as `opus,g722,pcma`, best first, in any letter case.
    fn from_str(words: &str) -> Result<Self, UnknownCodec> {
        let one = |word: &str| {
            let word = word.trim();
            let known = KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            known.map(|(_, make)| make()).ok_or_else(|| UnknownCodec(word.to_owned()))
        };
        words.split(',').map(one).collect::<Result<Vec<_>, _>>().map(Self::new)
    }
}

impl AudioCodecs {
    /// These and no others, best first.
    pub fn new(codecs: impl IntoIterator<Item = Arc<dyn AudioCodec>>) -> Self {
        Self { codecs: codecs.into_iter().collect(), offers_redundancy: false }
    }

    /// The same, and offers to repeat earlier frames with later ones where packets are lost (RED, RFC 2198). Without, it is done with
    /// who offers it.
    #[must_use]
    pub fn redundant(self) -> Self {
        Self { offers_redundancy: true, ..self }
    }

    /// Whether repetition is offered.
    pub fn offers_redundancy(&self) -> bool {
        self.offers_redundancy
    }

    /// Both laws of G.711 alone.
    pub fn g711() -> Self {
        Self::new([Arc::new(Law::Mu) as Arc<dyn AudioCodec>, Arc::new(Law::A)])
    }

    /// The codecs, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn AudioCodec>> {
        self.codecs.iter()
    }

    /// What an offer says: the codecs, comfort noise where one of them has its clock, and telephone events for each clock, since
    /// they share the timestamps of the speech beside them (RFC 4733 §2.1).
    pub fn offer(&self) -> Vec<Codec> {
        let mut offer: Vec<Codec> = self.iter().map(|codec| codec.description()).collect();
        let mut clocks: Vec<u32> = Vec::new();
        for codec in &offer {
            if !clocks.contains(&codec.clock_rate()) {
                clocks.push(codec.clock_rate());
            }
        }
        let noise = Codec::comfort_noise();
        offer.extend(clocks.contains(&noise.clock_rate()).then_some(noise));
        offer.extend(clocks.into_iter().map(Codec::telephone_event_beside));
        offer
    }

    /// The formats that repeat frames of each codec (RFC 2198), behind [those](Self::offer).
    pub fn redundancy(&self) -> Vec<Codec> {
        let codecs = self.iter().map(|codec| codec.description());
        // Where a number is taken the negotiation finds another.
        codecs
            .zip(FIRST_OF_REDUNDANCY..=127)
            .filter_map(|(it, number)| Codec::redundancy_of(&it, number).ok())
            .collect()
    }

    /// The codec that a description is of.
    pub fn find(&self, description: &Codec) -> Option<&Arc<dyn AudioCodec>> {
        self.iter().find(|codec| codec.description().matches(description))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offer_has_events_for_each_clock() {
        let offer: Vec<String> = AudioCodecs::default().offer().iter().map(ToString::to_string).collect();
        assert_eq!(
            offer,
            [
                "111 opus/48000/2",
                "9 G722/8000",
                "0 PCMU/8000",
                "8 PCMA/8000",
                "13 CN/8000",
                "110 telephone-event/48000",
                "101 telephone-event/8000"
            ]
        );
    }

    #[test]
    fn words_choose_and_order() {
        let codecs: AudioCodecs = "PCMA, l16,Opus".parse().unwrap();
        let offer: Vec<String> = codecs.offer().iter().map(ToString::to_string).collect();
        assert_eq!(offer[..3], ["8 PCMA/8000", "118 L16/16000", "111 opus/48000/2"]);
        assert!(codecs.find(&Codec::opus()).is_some() && codecs.find(&Codec::pcmu()).is_none());
        let error = "opus,g729".parse::<AudioCodecs>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no codec `g729`; there are opus, g722, pcmu, pcma, l16, l16/8000, l16/48000"
        );
        assert!("".parse::<AudioCodecs>().is_err());
    }
}
