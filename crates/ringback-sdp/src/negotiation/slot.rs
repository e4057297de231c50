//! The `m=` lines of a session, and what stands in them.

use super::extensions::Ids;
use super::formats::{self, Numbers, Shared};
use super::ice::IceCredentials;
use super::local::LocalMedia;
use super::outcome::NegotiatedMedia;
use super::security::{self, Protection, SrtpPolicy};
use super::{dtls, feedback};
use crate::attribute::Mid;
use crate::{Attribute, Codec, Direction, Media, MediaKind, SessionDescription, Word};

/// One of our media and whether we want it.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) media: LocalMedia,
    /// Whether the next offer is to add a line for it, if it has none.
    pub(super) is_wanted: bool,
    /// With what our next offer begins ICE anew.
    pub(super) restart: Option<IceCredentials>,
}

impl Wish {
    pub(super) fn new(media: LocalMedia) -> Self {
        Self { media, is_wanted: true, restart: None }
    }

    /// The credentials of an offer made now.
    pub(super) fn offered_ice(&self) -> Option<&IceCredentials> {
        let ice = self.media.ice.as_ref()?;
        Some(self.restart.as_ref().unwrap_or(&ice.credentials))
    }

    /// Takes the credentials that an exchange has ended with.
    pub(super) fn settle_ice(&mut self, used: &IceCredentials) {
        let Some(ice) = &mut self.media.ice else { return };
        ice.spare.retain(|spare| spare != used);
        ice.credentials.clone_from(used);
        self.restart.take_if(|restart| restart == used);
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
    pub(super) extensions: Ids,
    /// Its name, once either side has given it one (`a=mid`).
    pub(super) mid: Option<Word>,
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
            extensions: Ids::default(),
            mid: None,
            protocol: security::protocol(media),
            formats: Vec::new(),
        }
    }

    /// The line with which a line of the peer is answered. `known` is what stood in its place before; where it
    /// was of another type, that stream has ended and its numbers with it.
    pub(super) fn answering(known: Option<&Self>, theirs: &Media, local: Option<usize>) -> Self {
        let known = known.filter(|known| known.kind == theirs.kind);
        Self {
            local,
            kind: theirs.kind.clone(),
            numbers: known.map(|known| known.numbers.clone()).unwrap_or_default(),
            extensions: known.map(|known| known.extensions.clone()).unwrap_or_default(),
            mid: theirs.get::<Mid<'_>>().and_then(|mid| Word::new(mid.0).ok()),
            protocol: theirs.protocol.clone(),
            formats: theirs.formats.clone(),
        }
    }

    /// Puts one of our media where there was none.
    pub(super) fn reuse(&mut self, local: usize, media: &LocalMedia) {
        self.local = Some(local);
        if self.kind != media.kind {
            let mid = self.mid.take();
            *self = Self { mid, ..Self::offering(local, media) };
        }
        if !security::is_plain(&self.protocol) || media.srtp.policy == SrtpPolicy::Require {
            self.protocol = security::protocol(media);
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
        if local.extended_reports {
            media.attributes.push(Attribute::composed("rtcp-xr:rcvr-rtt=all voip-metrics"));
        }
        feedback::offer(local, &mut media);
        self.name(&mut media);
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
        let mut media = Media::new(self.kind.clone(), 0, self.protocol.clone(), formats);
        self.name(&mut media);
        media
    }

    /// Lines that have a name keep it, in answers too (RFC 5888 §9.1).
    fn name(&self, media: &mut Media) {
        if let Some(mid) = &self.mid {
            media.attributes.push(Attribute::composed(&format!("mid:{mid}")));
        }
    }
}

/// Gives a name to each line that has none.
pub(super) fn name_all(slots: &mut [Slot]) {
    for line in 0..slots.len() {
        if slots[line].mid.is_none() {
            let is_free = |name: &Word| !slots.iter().any(|slot| slot.mid.as_ref() == Some(name));
            // Its number, unless the peer has called another line so.
            let names = (line as u64..).map(Word::from);
            slots[line].mid = names.take(slots.len() + 1).find(is_free);
        }
    }
}

/// An offered line that one of our media can have.
#[derive(Debug)]
pub(super) struct Acceptance {
    pub(super) local: usize,
    pub(super) formats: Vec<Shared>,
    pub(super) protection: Protection,
}

impl Acceptance {
    /// `known` is what stood in the place of the line before, and `agreed` what it had come to.
    pub(super) fn new(
        local: usize,
        ours: &LocalMedia,
        offer: &SessionDescription,
        theirs: &Media,
        known: Option<&Slot>,
        agreed: Option<&NegotiatedMedia>,
    ) -> Option<Self> {
        if ours.port == 0 || ours.kind != theirs.kind {
            return None;
        }
        let was_secure = known.is_some_and(|slot| {
            slot.local.is_some() && (security::is_secure(&slot.protocol) || dtls::is_dtls(&slot.protocol))
        });
        let before = agreed.filter(|agreed| agreed.local == Some(local)).and_then(|it| it.dtls.as_ref());
        let protection = Protection::answering(ours, offer, theirs, was_secure, before)?;
        let formats = formats::shared(&theirs.codecs(), &ours.codecs);
        (!formats.is_empty()).then_some(Self { local, formats, protection })
    }
}
