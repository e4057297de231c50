//! Header extensions of RTP packets, and the numbers they go by (RFC 8285 §5 to §7).

use crate::attribute::{AttributeValue as _, Extmap};
use crate::{Attribute, Direction, Media};

/// Extensions of a line that are looked at; nobody describes so many in earnest.
const MAX_EXTENSIONS: usize = 64;
/// The numbers that a header of one octet has. No more are offered.
const NUMBERS: std::ops::RangeInclusive<u8> = 1..=14;

/// A header extension that we understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderExtension {
    /// What it is called, a URI.
    pub uri: String,
    /// Which way it goes, from our view, where media flow both ways.
    pub direction: Direction,
}

impl HeaderExtension {
    /// One that goes both ways.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), direction: Direction::SendRecv }
    }
}

/// A header extension that both sides understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedExtension {
    /// The number of its elements, both ways: 1 to 255.
    pub id: u8,
    /// What it is called.
    pub uri: String,
    /// Which way it goes, from our view.
    pub direction: Direction,
    /// What else the peer says of it, such as `vad=off`.
    pub attributes: String,
}

/// The numbers that extensions have had at one `m=` line since the session began: none changes its meaning (RFC 8285 §7).
#[derive(Clone, Debug, Default)]
pub(super) struct Ids(Vec<(u8, String)>);

impl Ids {
    fn learn(&mut self, agreed: &[NegotiatedExtension]) {
        for NegotiatedExtension { id, uri, .. } in agreed {
            // Bounded: there are 255 numbers.
            self.0.retain(|(known, _)| known != id);
            self.0.push((*id, uri.clone()));
        }
    }

    /// Offers extensions; `all` are those of all our lines, so that one means the same at each of them, as it has to in a bundle
    /// (RFC 9143 §7.1.2).
    pub(super) fn offer(&self, ours: &[HeaderExtension], all: &[&str], media: &mut Media) {
        let mut used: Vec<u8> = self.0.iter().map(|(id, _)| *id).collect();
        for extension in ours {
            let known = self.0.iter().rev().find(|(_, uri)| *uri == extension.uri).map(|(id, _)| *id);
            let place = all.iter().position(|uri| *uri == extension.uri);
            let wish = place.and_then(|place| u8::try_from(place + 1).ok()).filter(|id| NUMBERS.contains(id));
            let fresh = || wish.into_iter().chain(NUMBERS).find(|id| !used.contains(id));
            // Where no number is left it is not offered.
            let Some(id) = known.or_else(fresh) else { continue };
            used.push(id);
            push(media, id, extension.direction, &extension.uri, "");
        }
    }

    /// Answers what is offered of ours, by the numbers of the offer, and says what is agreed on.
    pub(super) fn answer(
        &mut self,
        ours: &[HeaderExtension],
        theirs: &Media,
        media: &mut Media,
    ) -> Vec<NegotiatedExtension> {
        let mut agreed: Vec<NegotiatedExtension> = Vec::new();
        for offered in theirs.all::<Extmap<'_>>().take(MAX_EXTENSIONS) {
            let Some(own) = ours.iter().find(|own| own.uri == offered.uri) else { continue };
            let is_taken = |id: u8| agreed.iter().any(|it| it.id == id);
            // A number beyond 255 is none: which one it gets is ours to say.
            let id = match u8::try_from(offered.id) {
                Ok(id) => Some(id),
                Err(_) => NUMBERS.into_iter().find(|id| !is_taken(*id) && !is_offered(theirs, *id)),
            };
            let Some(id) = id.filter(|id| !is_taken(*id)) else { continue };
            let direction = Direction::answer_to(offered.direction.unwrap_or_default(), own.direction);
            if direction == Direction::Inactive || agreed.iter().any(|it| it.uri == offered.uri) {
                continue;
            }
            push(media, id, direction, offered.uri, offered.attributes);
            agreed.push(NegotiatedExtension {
                id,
                uri: offered.uri.to_owned(),
                direction,
                attributes: offered.attributes.to_owned(),
            });
        }
        self.learn(&agreed);
        agreed
    }

    /// What the answer to an offer of ours leaves of it.
    pub(super) fn answered(&mut self, ours: &Media, theirs: &Media) -> Vec<NegotiatedExtension> {
        let mut agreed: Vec<NegotiatedExtension> = Vec::new();
        for answered in theirs.all::<Extmap<'_>>().take(MAX_EXTENSIONS) {
            let is_same = |own: &Extmap<'_>| own.id == answered.id && own.uri == answered.uri;
            let own = ours.all::<Extmap<'_>>().find(is_same);
            let (Some(own), Ok(id)) = (own, u8::try_from(answered.id)) else { continue };
            let theirs = answered.direction.unwrap_or_default().reversed();
            let direction = own.direction.unwrap_or_default().and(theirs);
            if direction != Direction::Inactive && !agreed.iter().any(|it| it.id == id) {
                let (uri, attributes) = (answered.uri.to_owned(), answered.attributes.to_owned());
                agreed.push(NegotiatedExtension { id, uri, direction, attributes });
            }
        }
        self.learn(&agreed);
        agreed
    }
}

fn is_offered(media: &Media, id: u8) -> bool {
    media.all::<Extmap<'_>>().take(MAX_EXTENSIONS).any(|it| it.id == u16::from(id))
}

fn push(media: &mut Media, id: u8, direction: Direction, uri: &str, attributes: &str) {
    // Which way the media go says the line; only what is narrower is said here.
    let direction = Some(direction).filter(|it| *it != Direction::SendRecv);
    let extmap = Extmap { id: id.into(), direction, uri, attributes };
    media.attributes.push(Attribute::composed(&format!("{}:{extmap}", Extmap::NAME)));
}
