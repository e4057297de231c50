//! Which feedback both sides understand (RFC 4585 §4.2, RFC 5104 §7).

use super::local::LocalMedia;
use crate::attribute::RtcpFeedback;
use crate::{Attribute, Codec, Media};
use std::time::Duration;

/// Reports are not held back for longer than this, whatever a peer asks for (`trr-int`).
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);

/// A kind of feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackKind {
    /// Which packets did not come: `nack` (RFC 4585 §6.2.1).
    Nack,
    /// That the picture is broken: `nack pli` (RFC 4585 §6.3.1).
    PictureLoss,
    /// That a whole picture is wanted: `ccm fir` (RFC 5104 §4.3.1).
    FullIntraRequest,
    /// How much may be sent: `ccm tmmbr` (RFC 5104 §4.2.1).
    RateRequest,
    /// How much comes through: `goog-remb` (draft-alvestrand-rmcat-remb).
    MaximumRate,
    /// When packets came: `transport-cc` (draft-holmer-rmcat-transport-wide-cc-extensions).
    Transport,
}

impl FeedbackKind {
    /// All that are known here.
    pub const ALL: [Self; 6] = [
        Self::Nack,
        Self::PictureLoss,
        Self::FullIntraRequest,
        Self::RateRequest,
        Self::MaximumRate,
        Self::Transport,
    ];

    /// How it is written: kind and parameters.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Nack => ("nack", ""),
            Self::PictureLoss => ("nack", "pli"),
            Self::FullIntraRequest => ("ccm", "fir"),
            Self::RateRequest => ("ccm", "tmmbr"),
            Self::MaximumRate => ("goog-remb", ""),
            Self::Transport => ("transport-cc", ""),
        }
    }

    fn is(self, line: &RtcpFeedback<'_>) -> bool {
        let (kind, parameter) = self.words();
        // TMMBR may have parameters of its own (RFC 5104 §7.3).
        line.kind == kind && line.parameters.split_ascii_whitespace().next().unwrap_or("") == parameter
    }
}

/// The feedback of a medium: which kinds, and how often reports go that have nothing else to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedbackSet {
    kinds: u8,
    interval: Option<Duration>,
}

impl FeedbackSet {
    /// These kinds.
    pub fn of(kinds: impl IntoIterator<Item = FeedbackKind>) -> Self {
        let kinds = kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8);
        Self { kinds, interval: None }
    }

    /// Whether a kind is among them.
    pub fn has(self, kind: FeedbackKind) -> bool {
        self.kinds & (1 << kind as u8) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.kinds == 0
    }

    /// The kinds.
    pub fn iter(self) -> impl Iterator<Item = FeedbackKind> {
        FeedbackKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    /// The least time between two reports without feedback that the peer wants (`trr-int`), five seconds at most.
    pub fn least_interval(self) -> Option<Duration> {
        self.interval
    }

    /// What one description says of all of these formats; those that only accompany others do not count.
    fn stated(media: &Media, codecs: &[Codec]) -> Self {
        let mut formats = codecs.iter().filter(|codec| !codec.is_companion()).peekable();
        if formats.peek().is_none() {
            return Self::default();
        }
        let lines: Vec<RtcpFeedback<'_>> = media.all().collect();
        let mut common = u8::MAX;
        for format in formats {
            let own = || lines.iter().filter(|line| line.applies_to(format.payload_type()));
            let kinds = FeedbackKind::ALL.into_iter().filter(|kind| own().any(|line| kind.is(line)));
            common &= Self::of(kinds).kinds;
        }
        let interval = lines.iter().find(|line| line.kind == "trr-int").and_then(|line| {
            line.parameters.trim().parse().ok().map(|it| Duration::from_millis(it).min(LONGEST_INTERVAL))
        });
        Self { kinds: common, interval }
    }

    /// What both sides understand; each has its own numbers for the formats.
    pub(super) fn agreed(ours: &Media, receive: &[Codec], theirs: &Media, send: &[Codec]) -> Self {
        let (own, other) = (Self::stated(ours, receive), Self::stated(theirs, send));
        Self { kinds: own.kinds & other.kinds, interval: other.interval }
    }
}

/// Says in an offer what we understand, whatever the format.
pub(super) fn offer(local: &LocalMedia, media: &mut Media) {
    for kind in local.feedback.iter() {
        push(media, "*", kind);
    }
}

/// Says in an answer what both of us understand: for all formats where the offer says it so, else for each.
pub(super) fn answer(local: &LocalMedia, theirs: &Media, codecs: &[Codec], media: &mut Media) {
    media.attributes.retain(|attribute| attribute.name() != "rtcp-fb");
    let lines: Vec<RtcpFeedback<'_>> = theirs.all().collect();
    for kind in local.feedback.iter() {
        if lines.iter().any(|line| line.payload_type.is_none() && kind.is(line)) {
            push(media, "*", kind);
            continue;
        }
        for codec in codecs.iter().filter(|codec| !codec.is_companion()) {
            let number = codec.payload_type();
            if lines.iter().any(|line| line.payload_type == Some(number) && kind.is(line)) {
                push(media, &number.to_string(), kind);
            }
        }
    }
}

fn push(media: &mut Media, format: &str, kind: FeedbackKind) {
    let (kind, parameter) = kind.words();
    let blank = if parameter.is_empty() { "" } else { " " };
    media.attributes.push(Attribute::composed(&format!("rtcp-fb:{format} {kind}{blank}{parameter}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        use crate::attribute::AttributeValue as _;
        for kind in FeedbackKind::ALL {
            let (word, parameter) = kind.words();
            let text = format!("* {word} {parameter}");
            let line = RtcpFeedback::parse(text.trim_end()).unwrap();
            let found: Vec<_> = FeedbackKind::ALL.into_iter().filter(|it| it.is(&line)).collect();
            assert_eq!(found, [kind]);
            assert!(FeedbackSet::of([kind]).iter().eq([kind]));
        }
        let with_parameters = RtcpFeedback::parse("98 ccm tmmbr smaxpr=120").unwrap();
        assert!(FeedbackKind::RateRequest.is(&with_parameters));
    }
}
