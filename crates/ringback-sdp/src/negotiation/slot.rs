//! The `m=` lines of a session, and what stands in them.

use super::formats::{self, Numbers, Shared};
use super::local::LocalMedia;
use crate::{Attribute, Codec, Direction, Media, MediaKind, Word};

/// One of our media and whether we want it.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) media: LocalMedia,
    /// Whether the next offer is to add a line for it, if it has none.
    pub(super) is_wanted: bool,
}

impl Wish {
    pub(super) fn new(media: LocalMedia) -> Self {
        Self { media, is_wanted: true }
    }

    /// The direction that we wish for now.
    ///
    /// What the peer wishes plays no part, so that of two holds each side ends its own
    /// (RFC 6337 §5.3).
    pub(super) fn direction(&self, is_holding: bool) -> Direction {
        if is_holding { self.media.direction.held() } else { self.media.direction }
    }
}

/// One `m=` line. Lines are never removed or reordered, so it is known by its place.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Which of our media stands here; none when the line is switched off.
    pub(super) local: Option<usize>,
    pub(super) kind: MediaKind,
    pub(super) numbers: Numbers,
    protocol: Word,
    /// The formats that the line had last: a line that is switched off must still have some.
    formats: Vec<Word>,
}

impl Slot {
    /// A new line of ours.
    pub(super) fn offering(local: usize, media: &LocalMedia) -> Self {
        Self {
            local: Some(local),
            kind: media.kind.clone(),
            numbers: Numbers::default(),
            protocol: RTP_AVP,
            formats: Vec::new(),
        }
    }

    /// The line with which a line of the peer is answered. `known` is what stood in its place before.
    pub(super) fn answering(known: Option<&Self>, theirs: &Media, local: Option<usize>) -> Self {
        Self {
            local,
            kind: theirs.kind.clone(),
            numbers: known.map(|known| known.numbers.clone()).unwrap_or_default(),
            protocol: theirs.protocol.clone(),
            formats: theirs.formats.clone(),
        }
    }

    /// Puts one of our media where there was none.
    pub(super) fn reuse(&mut self, local: usize) {
        self.local = Some(local);
        if !is_plain_rtp(&self.protocol) {
            self.protocol = RTP_AVP;
        }
    }

    /// The line for one of our media, without a direction.
    pub(super) fn media(&mut self, local: &LocalMedia, codecs: &[Codec]) -> Media {
        let mut media = Media::new(self.kind.clone(), local.port, self.protocol.clone(), Vec::new());
        for codec in codecs {
            media.push_codec(codec);
        }
        if let Some(ptime) = local.ptime {
            media.attributes.push(Attribute::composed(&format!("ptime:{}", ptime.as_millis())));
        }
        if local.rtcp_mux {
            media.attributes.push(Attribute::composed("rtcp-mux"));
        }
        self.formats.clone_from(&media.formats);
        media
    }

    /// The line with port zero: refused or switched off. Its formats mean nothing, but the grammar wants one
    /// (RFC 3264 §6, §8.2).
    pub(super) fn disabled_media(&self) -> Media {
        let formats = match self.formats.is_empty() {
            true => vec![Word::from_static("0")],
            false => self.formats.clone(),
        };
        Media::new(self.kind.clone(), 0, self.protocol.clone(), formats)
    }
}

/// An offered line that one of our media can have.
#[derive(Debug)]
pub(super) struct Acceptance {
    pub(super) local: usize,
    pub(super) formats: Vec<Shared>,
}

impl Acceptance {
    pub(super) fn new(local: usize, ours: &LocalMedia, theirs: &Media) -> Option<Self> {
        if ours.port == 0 || ours.kind != theirs.kind || !is_plain_rtp(&theirs.protocol) {
            return None;
        }
        let formats = formats::shared(&theirs.codecs(), &ours.codecs);
        (!formats.is_empty()).then_some(Self { local, formats })
    }
}

const RTP_AVP: Word = Word::from_static("RTP/AVP");

/// RTP without encryption. RTP/AVPF may be answered by a side that sends no feedback early (RFC 4585 §3.3).
/// Secure profiles are not, for they must not be taken without their keys.
fn is_plain_rtp(protocol: &Word) -> bool {
    protocol.matches("RTP/AVP") || protocol.matches("RTP/AVPF")
}
