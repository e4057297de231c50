//! Bundles: media that share one transport (`a=group:BUNDLE`, RFC 9143).
//!
//! A line shares the transport of the first line of its group that is in use, the tagged line. Media packets are
//! told apart by payload type, so lines that share a number stay out of each other's bundle, and so do
//! lines without `a=rtcp-mux`, which RFC 9143 §9.3 requires.

use super::outcome::NegotiatedMedia;
use super::slot::{Acceptance, Slot};
use crate::attribute::{BundleOnly, Group, GroupSemantics, Mid, RtcpMux};
use crate::{Attribute, Media, SessionDescription};

/// The bundles of a description: the lines of each, the tagged line first.
#[derive(Clone, Debug, Default)]
pub(super) struct Bundles(Vec<Vec<usize>>);

impl Bundles {
    /// What an answer makes of the bundles of an offer: what is left of each (RFC 9143 §7.3).
    pub(super) fn answering(
        offer: &SessionDescription,
        accepted: &[Option<Acceptance>],
        can_mux: impl Fn(usize) -> bool,
    ) -> Self {
        let numbers = |line: usize| {
            let accepted = accepted[line].as_ref();
            accepted.into_iter().flat_map(|it| it.formats.iter().map(|format| format.theirs.payload_type()))
        };
        let fits = |line: usize, members: &[usize]| {
            let media = &offer.media[line];
            let is_ours = accepted[line].as_ref().is_some_and(|it| can_mux(it.local));
            // The tagged line has to have a port; those behind it need none.
            is_ours
                && media.get::<RtcpMux>().is_some()
                && (media.port != 0 || !members.is_empty())
                && !members
                    .iter()
                    .any(|member| numbers(*member).any(|known| numbers(line).any(|it| it == known)))
        };
        Self::of(offer, fits)
    }

    /// What the peer has made of the bundles of our offer (RFC 9143 §7.4).
    pub(super) fn answered(
        offer: &SessionDescription,
        answer: &SessionDescription,
        negotiated: &[NegotiatedMedia],
    ) -> Self {
        let offered = Self::of(offer, |_, _| true);
        Self::of(answer, |line, members| {
            let is_offered = |bundle: &&Vec<usize>| {
                bundle.contains(&line) && members.iter().all(|member| bundle.contains(member))
            };
            negotiated[line].is_active()
                && negotiated[line].rtcp_mux
                && offered.0.iter().any(|it| is_offered(&it))
        })
    }

    /// The groups of a description with those of their lines that fit in.
    fn of(description: &SessionDescription, fits: impl Fn(usize, &[usize]) -> bool) -> Self {
        let mut bundles: Vec<Vec<usize>> = Vec::new();
        // Looked up once: a peer may write very many tags.
        let mids: Vec<Option<Mid<'_>>> = description.media.iter().map(Media::get).collect();
        for group in description.all::<Group<'_>>().filter(|it| it.semantics == GroupSemantics::Bundle) {
            let mut members = Vec::new();
            for tag in group.tags() {
                let line = mids.iter().position(|mid| *mid == Some(Mid(tag)));
                // A line is of one bundle at most (RFC 9143 §7).
                let line = line.filter(|line| !bundles.iter().chain([&members]).any(|it| it.contains(line)));
                members.extend(line.filter(|line| fits(*line, &members)));
            }
            if !members.is_empty() {
                bundles.push(members);
            }
        }
        Self(bundles)
    }

    /// The bundle that an offer of ours suggests. Lines that share a transport already share its port.
    pub(super) fn offering(media: &mut [Media], negotiated: &[NegotiatedMedia]) -> Self {
        let before = |line: usize| negotiated.get(line).and_then(|media| media.bundle);
        let (mut members, mut taken): (Vec<usize>, Vec<_>) = (Vec::new(), Vec::new());
        // Whoever is tagged stays so while its line is in use.
        let tagged = (0..media.len()).filter(|line| before(*line) == Some(*line));
        let others = (0..media.len()).filter(|line| before(*line) != Some(*line));
        for line in tagged.chain(others) {
            let Media { port, formats, .. } = &media[line];
            let is_free = !formats.iter().any(|format| taken.contains(format));
            if *port != 0 && is_free && media[line].get::<RtcpMux>().is_some() {
                taken.extend_from_slice(formats);
                members.push(line);
            }
        }
        let is_known = members.iter().any(|line| before(*line).is_some());
        match members.first() {
            Some(tagged) if members.len() > 1 || is_known => {
                let port = media[*tagged].port;
                for line in members.iter().filter(|line| before(**line) == Some(*tagged)) {
                    media[*line].port = port;
                }
                Self(vec![members])
            }
            _ => Self::default(),
        }
    }

    /// The line whose transport a line shares: itself when it is the tagged one.
    pub(super) fn transport(&self, line: usize) -> Option<usize> {
        self.0.iter().find(|members| members.contains(&line)).and_then(|members| members.first().copied())
    }

    /// The lines of a description that say it.
    pub(super) fn attributes(&self, slots: &[Slot]) -> Vec<Attribute> {
        let attribute = |members: &Vec<usize>| {
            let tags: Vec<&str> =
                members.iter().filter_map(|line| slots[*line].mid.as_ref()?.as_str().into()).collect();
            Attribute::composed(&format!("group:BUNDLE {}", tags.join(" ")))
        };
        self.0.iter().map(attribute).collect()
    }
}

/// Whether an offered line is off: one with port zero that is not wanted in a bundle only (RFC 9143 §6).
pub(super) fn is_off(media: &Media, is_bundling: bool) -> bool {
    media.port == 0 && !(is_bundling && media.get::<BundleOnly>().is_some())
}
