//! The offer/answer machine of one session (RFC 3264; RFC 6337 for how SIP uses it).
//!
//! Not here: which SIP messages carry offers and answers, and when a refused offer is tried again; that belongs
//! to the dialog.

mod bundle;
mod dtls;
mod error;
mod extensions;
mod feedback;
mod formats;
mod ice;
mod local;
mod outcome;
mod path;
mod security;
mod simulcast;
mod slot;

pub use dtls::{DtlsRole, LocalDtls, NegotiatedDtls};
pub use error::NegotiationError;
pub use extensions::{HeaderExtension, NegotiatedExtension};
pub use feedback::{FeedbackKind, FeedbackSet};
pub use ice::{IceCredentials, LocalIce, MAX_CANDIDATES, NegotiatedIce};
pub use local::{LocalMedia, Origin};
pub use outcome::{MediaAddress, NegotiatedMedia};
pub use security::{LocalCrypto, LocalSrtp, NegotiatedCrypto, SrtpPolicy};
pub use simulcast::{REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID};

use crate::attribute::{AttributeValue as _, RtcpExtendedReports};
use crate::{Attribute, Connection, Direction, MAX_MEDIA, Media, SessionDescription};
use bundle::Bundles;
use outcome::Formats;
use security::Protection;
use slot::{Acceptance, Slot, Wish};
use std::net::IpAddr;
use std::sync::Arc;

/// Who owes whom an answer (RFC 3264 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegotiationState {
    /// Nobody: offers may go either way.
    Stable,
    /// The peer owes us one.
    HaveLocalOffer,
    /// We owe the peer one.
    HaveRemoteOffer,
}

/// Offer and answer for one session, from the first exchange to the last.
///
/// Commands that change our side ([`OfferAnswer::set_direction`], [`OfferAnswer::hold`] and so on) take effect in
/// the next offer or answer. Clone the machine where one offer gets several answers, as in a forked call.
#[derive(Clone, Debug)]
pub struct OfferAnswer {
    origin: Origin,
    /// The address in `c=`.
    address: IpAddr,
    wishes: Vec<Wish>,
    is_holding: bool,
    is_bundling: bool,
    slots: Vec<Slot>,
    pending: Pending,
    /// The description that was handed out last, whatever became of it: its version is the one to count from.
    sent: Option<Arc<SessionDescription>>,
    agreed: Option<Agreement>,
    negotiated: Vec<NegotiatedMedia>,
}

/// Descriptions are shared with what is agreed and what was sent last: a call that is up has no more than two.
#[derive(Clone, Debug)]
enum Pending {
    Nothing,
    /// Our offer and the slots as they are once it is answered.
    Local(Arc<SessionDescription>, Vec<Slot>),
    Remote(Arc<SessionDescription>),
}

#[derive(Clone, Debug)]
struct Agreement {
    local: Arc<SessionDescription>,
    remote: Arc<SessionDescription>,
}

impl OfferAnswer {
    /// A session that has not been described yet. Our media are numbered in the order given.
    ///
    /// When we make the first offer, each gets an `m=` line. When the peer does, those for which it has none
    /// stay unused until the peer adds a line or [`OfferAnswer::enable_media`] wants one.
    pub fn new(origin: Origin, local: Vec<LocalMedia>) -> Self {
        Self {
            address: origin.address,
            origin,
            wishes: local.into_iter().map(Wish::new).collect(),
            is_holding: false,
            is_bundling: false,
            slots: Vec::new(),
            pending: Pending::Nothing,
            sent: None,
            agreed: None,
            negotiated: Vec::new(),
        }
    }

    /// Who owes whom an answer.
    pub fn state(&self) -> NegotiationState {
        match self.pending {
            Pending::Nothing => NegotiationState::Stable,
            Pending::Local(..) => NegotiationState::HaveLocalOffer,
            Pending::Remote(_) => NegotiationState::HaveRemoteOffer,
        }
    }

    /// What is agreed, one entry for each `m=` line. Empty before the first exchange is complete.
    pub fn negotiated(&self) -> &[NegotiatedMedia] {
        &self.negotiated
    }

    /// Our description of the agreed session.
    pub fn local_description(&self) -> Option<&SessionDescription> {
        self.agreed.as_ref().map(|agreed| &*agreed.local)
    }

    /// The peer's description of the agreed session.
    pub fn remote_description(&self) -> Option<&SessionDescription> {
        self.agreed.as_ref().map(|agreed| &*agreed.remote)
    }

    /// Our media, by their numbers.
    pub fn local_media(&self) -> impl ExactSizeIterator<Item = &LocalMedia> {
        self.wishes.iter().map(|wish| &wish.media)
    }

    /// Whether a description is the one that the peer sent last: the same session and the same version. Then
    /// nothing has to be negotiated, though an offer is still owed an answer (RFC 3264 §8, RFC 4028 §7.4).
    pub fn is_refresh(&self, remote: &SessionDescription) -> bool {
        self.remote_description().is_some_and(|known| known.origin == remote.origin)
    }

    /// Makes an offer: all our codecs for all media that are in use or wanted, whatever was agreed before
    /// (RFC 3264 §8; RFC 3261 §14.2 for a re-INVITE without one).
    ///
    /// # Errors
    /// [`NegotiationError::OfferPending`], [`NegotiationError::AnswerOwed`],
    /// [`NegotiationError::TooManyMedia`] or [`NegotiationError::UnspecifiedAddress`].
    pub fn make_offer(&mut self) -> Result<SessionDescription, NegotiationError> {
        match self.pending {
            Pending::Nothing => {}
            Pending::Local(..) => return Err(NegotiationError::OfferPending),
            Pending::Remote(_) => return Err(NegotiationError::AnswerOwed),
        }
        let (slots, media, bundles) = self.offered()?;
        let offer = Arc::new(self.describe(media, bundles.attributes(&slots)));
        self.sent = Some(offer.clone());
        self.pending = Pending::Local(offer.clone(), slots);
        Ok((*offer).clone())
    }

    /// Makes an offer that repeats our description of the agreed session, so that nothing changes (RFC 4028 §7.4).
    /// Before anything is agreed it is what [`OfferAnswer::make_offer`] says.
    ///
    /// # Errors
    /// As [`OfferAnswer::make_offer`].
    pub fn repeat_offer(&mut self) -> Result<SessionDescription, NegotiationError> {
        let (Pending::Nothing, Some(agreed)) = (&self.pending, &self.agreed) else {
            return self.make_offer();
        };
        let (mut media, attributes) = (agreed.local.media.clone(), agreed.local.attributes.clone());
        media.iter_mut().for_each(dtls::reopen);
        let offer = Arc::new(self.describe(media, attributes));
        self.sent = Some(offer.clone());
        self.pending = Pending::Local(offer.clone(), self.slots.clone());
        Ok((*offer).clone())
    }

    /// What [`OfferAnswer::make_offer`] would say now, for the answer to OPTIONS and for the body of a 488.
    ///
    /// # Errors
    /// [`NegotiationError::TooManyMedia`] or [`NegotiationError::UnspecifiedAddress`].
    pub fn capabilities(&self) -> Result<SessionDescription, NegotiationError> {
        let (slots, media, bundles) = self.offered()?;
        Ok(self.describe(media, bundles.attributes(&slots)))
    }

    /// Takes an offer of the peer; [`OfferAnswer::make_answer`] answers it.
    ///
    /// # Errors
    /// [`NegotiationError::Glare`], [`NegotiationError::AnswerOwed`], [`NegotiationError::MediaRemoved`],
    /// [`NegotiationError::TooManyMedia`], or [`NegotiationError::NotAcceptable`] when there are media and all
    /// would have to be refused. What was agreed before stays in force.
    ///
    /// A medium is refused when nothing of ours fits it, when it is not RTP in clear or with keys that we can use, when it has no address, a
    /// multicast one, or the address and port of one of our own media, which would be a loop.
    pub fn receive_offer(&mut self, offer: &SessionDescription) -> Result<(), NegotiationError> {
        match self.pending {
            Pending::Nothing => {}
            Pending::Local(..) => return Err(NegotiationError::Glare),
            Pending::Remote(_) => return Err(NegotiationError::AnswerOwed),
        }
        if offer.media.len() > MAX_MEDIA {
            return Err(NegotiationError::TooManyMedia);
        }
        // An offer of another session comes through a back-to-back user agent that has put somebody
        // else on the line; who that is knows nothing of our old media.
        let same_session = |agreed: &Agreement| agreed.remote.origin.is_same_session(&offer.origin);
        if offer.media.len() < self.slots.len() && self.agreed.as_ref().is_some_and(same_session) {
            return Err(NegotiationError::MediaRemoved);
        }
        self.accepted(offer)?;
        self.pending = Pending::Remote(Arc::new(offer.clone()));
        Ok(())
    }

    /// Answers the offer that was received. From here on the answer is agreed.
    ///
    /// # Errors
    /// [`NegotiationError::NoOffer`], [`NegotiationError::UnspecifiedAddress`], or
    /// [`NegotiationError::NotAcceptable`] when our media have changed since the offer came.
    pub fn make_answer(&mut self) -> Result<SessionDescription, NegotiationError> {
        let Pending::Remote(offer) = &self.pending else { return Err(NegotiationError::NoOffer) };
        if self.address.is_unspecified() {
            return Err(NegotiationError::UnspecifiedAddress);
        }
        let offer = offer.clone();
        let mut slots = Vec::with_capacity(offer.media.len());
        let mut media = Vec::with_capacity(offer.media.len());
        let mut negotiated = Vec::with_capacity(offer.media.len());
        let (accepted, bundles) = self.accepted(&offer)?;
        let port_of = |line: usize| accepted[line].as_ref().map(|it| self.wishes[it.local].media.port);
        let shared_ports: Vec<_> =
            (0..accepted.len()).map(|line| bundles.transport(line).and_then(port_of)).collect();
        for (index, (theirs, acceptance)) in offer.media.iter().zip(accepted).enumerate() {
            let mut slot =
                Slot::answering(self.slots.get(index), theirs, acceptance.as_ref().map(|it| it.local));
            let Some(Acceptance { local, formats, protection }) = acceptance else {
                media.push(slot.disabled_media());
                negotiated.push(NegotiatedMedia::disabled(theirs.kind.clone()));
                slots.push(slot);
                continue;
            };
            let wish = &self.wishes[local];
            let offered = outcome::remote_direction(&offer, theirs);
            let (send, receive) = formats::answered(formats);
            let mut ours = slot.media(&wish.media, &receive);
            let extensions = slot.extensions.answer(&wish.media.header_extensions, theirs, &mut ours);
            if !theirs.rtcp_mux() {
                ours.attributes.retain(|attribute| attribute.name() != "rtcp-mux");
            }
            // RFC 3611 §5.2: who does not name them in the offer gets none, and need not be told of them.
            if theirs.get::<RtcpExtendedReports<'_>>().is_none() {
                ours.attributes.retain(|attribute| attribute.name() != RtcpExtendedReports::NAME);
            }
            feedback::answer(&wish.media, theirs, &receive, &mut ours);
            let sizes = match wish.media.takes_sizes {
                true => simulcast::answer(theirs, &receive, &extensions, &mut ours),
                false => Vec::new(),
            };
            protection.write(&wish.media, &mut ours);
            let ice = match bundles.transport(index) {
                Some(_) => ice::Answering::None,
                None => ice::answering(
                    wish.media.ice.as_ref().filter(|_| ours.rtcp_mux()),
                    &offer,
                    theirs,
                    self.ice_of(index, local),
                ),
            };
            if ice == ice::Answering::Spent {
                return Err(NegotiationError::NotAcceptable);
            }
            ice::answer(wish.media.ice.as_ref(), &mut ours, &ice);
            ours.set_direction(Direction::answer_to(offered, wish.direction(self.is_holding)));
            ours.port = shared_ports[index].unwrap_or(ours.port);
            slot.numbers.learn(&theirs.codecs());
            slot.numbers.learn(&receive);
            let mut agreed = NegotiatedMedia::agreed(local, &ours, &offer, theirs, Formats { send, receive });
            agreed.sizes = sizes;
            agreed.header_extensions = extensions;
            protection.enter(&mut agreed);
            if let ice::Answering::Agreed(ice) = ice {
                agreed.ice = Some(ice);
            }
            if let Some(tagged) = bundles.transport(index) {
                agreed.share(tagged, &offer);
            }
            negotiated.push(agreed);
            media.push(ours);
            slots.push(slot);
        }
        let answer = Arc::new(self.describe(media, bundles.attributes(&slots)));
        self.sent = Some(answer.clone());
        // What the first offer has no line for stays unused; a medium that was added later still waits its turn.
        let is_first = self.agreed.is_none();
        self.settle(|local| is_first || slots.iter().any(|slot| slot.local == Some(local)));
        self.agree(Agreement { local: answer.clone(), remote: offer }, slots, negotiated);
        Ok((*answer).clone())
    }

    /// Takes the peer's answer to our offer.
    ///
    /// # Errors
    /// [`NegotiationError::NoOffer`], [`NegotiationError::AnswerMismatch`], or
    /// [`NegotiationError::NotAcceptable`] when the answer accepts media but shares no codec with us in any.
    /// After the latter two the offer is still pending, and [`OfferAnswer::rollback`] withdraws it.
    pub fn receive_answer(&mut self, answer: &SessionDescription) -> Result<(), NegotiationError> {
        let Pending::Local(offer, slots) = &self.pending else { return Err(NegotiationError::NoOffer) };
        let same_kinds = offer.media.iter().zip(&answer.media).all(|(ours, theirs)| ours.kind == theirs.kind);
        if offer.media.len() != answer.media.len() || !same_kinds {
            return Err(NegotiationError::AnswerMismatch);
        }
        let (offer, mut slots) = (offer.clone(), slots.clone());
        let offered: Vec<Option<usize>> = slots.iter().map(|slot| slot.local).collect();
        let mut negotiated = Vec::with_capacity(slots.len());
        for (line, ((slot, ours), theirs)) in
            slots.iter_mut().zip(&offer.media).zip(&answer.media).enumerate()
        {
            let is_usable =
                ours.port != 0 && theirs.port != 0 && theirs.protocol.matches(ours.protocol.as_str());
            let formats = match is_usable && !self.is_harmful(answer, theirs) {
                true => formats::shared(&theirs.codecs(), &ours.codecs()),
                false => Vec::new(),
            };
            let protect = |local: usize| {
                let before = self.dtls_of(line, local);
                Protection::answered(&self.wishes[local].media, ours, answer, theirs, before)
            };
            let usable = slot.local.filter(|_| !formats.is_empty());
            let Some((local, protection)) = usable.and_then(|local| Some((local, protect(local)?))) else {
                slot.local = None;
                negotiated.push(NegotiatedMedia::disabled(ours.kind.clone()));
                continue;
            };
            slot.numbers.learn(&theirs.codecs());
            slot.numbers.learn(&ours.codecs());
            let (send, receive) = formats.into_iter().map(|it| (it.theirs, it.ours)).unzip();
            let mut agreed = NegotiatedMedia::agreed(local, ours, answer, theirs, Formats { send, receive });
            agreed.header_extensions = slot.extensions.answered(ours, theirs);
            protection.enter(&mut agreed);
            let before = self.ice_of(line, local);
            agreed.ice = ice::answered(ours, answer, theirs, before);
            negotiated.push(agreed);
        }
        let accepts =
            offer.media.iter().zip(&answer.media).any(|(ours, theirs)| ours.port != 0 && theirs.port != 0);
        if accepts && !negotiated.iter().any(NegotiatedMedia::is_active) {
            return Err(NegotiationError::NotAcceptable);
        }
        let bundles = Bundles::answered(&offer, answer, &negotiated);
        for (line, media) in negotiated.iter_mut().enumerate() {
            if let Some(tagged) = bundles.transport(line) {
                media.share(tagged, answer);
            }
        }
        self.settle(|local| offered.contains(&Some(local)));
        self.agree(Agreement { local: offer, remote: Arc::new(answer.clone()) }, slots, negotiated);
        Ok(())
    }

    /// Forgets the offer that is pending, ours or the peer's, as after 488, 491 or any other refusal. What was
    /// agreed before stays in force (RFC 6141 §3.4).
    pub fn rollback(&mut self) {
        self.pending = Pending::Nothing;
    }

    /// Holds the peer: from the next exchange on nothing is received (RFC 3264 §8.4).
    pub fn hold(&mut self) {
        self.is_holding = true;
    }

    /// Ends our hold. The peer's own hold, if there is one, is the peer's to end.
    pub fn resume(&mut self) {
        self.is_holding = false;
    }

    /// Whether we hold the peer or are about to.
    pub fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Whether media may share one transport (`a=group:BUNDLE`, RFC 9143): then offers suggest it and answers take
    /// part in it. Whoever wants this has to tell packets apart by their payload types. Off at first, and with it
    /// bundles that the peer offers are left, which it must expect.
    pub fn set_bundling(&mut self, is_bundling: bool) {
        self.is_bundling = is_bundling;
    }

    /// Wishes for a direction of one of our media; a hold restricts it further. False when there is no such
    /// medium.
    pub fn set_direction(&mut self, local: usize, direction: Direction) -> bool {
        self.change(local, |media| media.direction = direction)
    }

    /// Moves one of our media to another port; zero switches it off, and after the next exchange only
    /// [`OfferAnswer::enable_media`] or an offer of the peer brings it back. False when there is no such medium.
    pub fn set_local_port(&mut self, local: usize, port: u16) -> bool {
        self.change(local, |media| media.port = port)
    }

    /// Puts another medium in the place of one of ours, such as one with other codecs. False when there is no such medium.
    pub fn set_local_media(&mut self, local: usize, media: LocalMedia) -> bool {
        self.change(local, |old| *old = media)
    }

    /// Where our media are received, as the next description says.
    pub fn local_address(&self) -> IpAddr {
        self.address
    }

    /// Moves all our media to another address.
    pub fn set_local_address(&mut self, address: IpAddr) {
        self.address = address;
    }

    /// Adds a medium, which the next offer will have, and gives its number.
    pub fn add_media(&mut self, media: LocalMedia) -> usize {
        self.wishes.push(Wish::new(media));
        self.wishes.len() - 1
    }

    /// Wants one of our media in the next offer although the peer has no line for it, or had refused it. False
    /// when there is no such medium.
    pub fn enable_media(&mut self, local: usize) -> bool {
        self.wishes.get_mut(local).map(|wish| wish.is_wanted = true).is_some()
    }

    fn change(&mut self, local: usize, change: impl FnOnce(&mut LocalMedia)) -> bool {
        self.wishes.get_mut(local).map(|wish| change(&mut wish.media)).is_some()
    }

    /// The slots, `m=` lines and bundles of an offer made now.
    fn offered(&self) -> Result<(Vec<Slot>, Vec<Media>, Bundles), NegotiationError> {
        if self.address.is_unspecified() {
            return Err(NegotiationError::UnspecifiedAddress);
        }
        let mut slots = self.slots.clone();
        for (local, wish) in self.wishes.iter().enumerate() {
            if !wish.is_wanted || wish.media.port == 0 || slots.iter().any(|slot| slot.local == Some(local)) {
                continue;
            }
            // RFC 3264 §8.1: a line that was switched off may be used again, even for another type. Peers cope
            // better with a new line, so that is done only where there is no room for one.
            let is_full = slots.len() >= MAX_MEDIA;
            let is_unused = |slot: &&mut Slot| slot.local.is_none();
            let same_kind = |slot: &Slot| slot.kind == wish.media.kind;
            let fits = slots.iter().any(|slot| slot.local.is_none() && same_kind(slot));
            match slots.iter_mut().filter(is_unused).find(|slot| same_kind(slot) || (is_full && !fits)) {
                Some(slot) => slot.reuse(local, &wish.media),
                None => slots.push(Slot::offering(local, &wish.media)),
            }
        }
        if slots.len() > MAX_MEDIA {
            return Err(NegotiationError::TooManyMedia);
        }
        let extensions = self.extensions();
        let line =
            |(line, slot): (usize, &mut Slot)| match slot.local.map(|local| (local, &self.wishes[local])) {
                Some((local, wish)) if wish.media.port != 0 && !wish.media.codecs.is_empty() => {
                    let codecs = wish.media.offered_codecs(slot.numbers.know_redundancy());
                    let mut media = slot.media(&wish.media, &slot.numbers.assign(&codecs));
                    slot.extensions.offer(&wish.media.header_extensions, &extensions, &mut media);
                    security::offer(&wish.media, &mut media, self.dtls_of(line, local));
                    if !self.is_bundling {
                        ice::offer(wish, &mut media, self.ice_of(line, local));
                    }
                    media.set_direction(wish.direction(self.is_holding));
                    media
                }
                _ => {
                    slot.local = None;
                    slot.disabled_media()
                }
            };
        if self.is_bundling {
            slot::name_all(&mut slots);
        }
        let mut media: Vec<Media> = slots.iter_mut().enumerate().map(line).collect();
        let bundles = match self.is_bundling {
            true => Bundles::offering(&mut media, &self.negotiated),
            false => Bundles::default(),
        };
        Ok((slots, media, bundles))
    }

    /// The header extensions of all our lines.
    fn extensions(&self) -> Vec<&str> {
        let mut all = Vec::new();
        for extension in self.wishes.iter().flat_map(|wish| &wish.media.header_extensions) {
            if !all.contains(&extension.uri.as_str()) {
                all.push(extension.uri.as_str());
            }
        }
        all
    }

    /// What is accepted of each line of an offer, and of its bundles.
    fn accepted(
        &self,
        offer: &SessionDescription,
    ) -> Result<(Vec<Option<Acceptance>>, Bundles), NegotiationError> {
        let mut taken: Vec<usize> = Vec::new();
        let mut accepted = Vec::with_capacity(offer.media.len());
        for (index, theirs) in offer.media.iter().enumerate() {
            let elsewhere: Vec<usize> = (self.slots.iter().take(offer.media.len()).enumerate())
                .filter(|(other, _)| *other != index)
                .filter_map(|(_, slot)| slot.local)
                .chain(taken.iter().copied())
                .collect();
            let own = self.slots.get(index).and_then(|slot| slot.local);
            let acceptance = match bundle::is_off(theirs, self.is_bundling) || self.is_harmful(offer, theirs)
            {
                true => None,
                false => (own.into_iter().chain(0..self.wishes.len()))
                    .filter(|local| !elsewhere.contains(local))
                    .find_map(|local| {
                        let ours = &self.wishes[local].media;
                        let agreed = self.negotiated.get(index);
                        Acceptance::new(local, ours, offer, theirs, self.slots.get(index), agreed)
                    }),
            };
            taken.extend(acceptance.as_ref().map(|it| it.local));
            accepted.push(acceptance);
        }
        let bundles = match self.is_bundling {
            true => Bundles::answering(offer, &accepted, |local| self.wishes[local].media.rtcp_mux),
            false => Bundles::default(),
        };
        // What is wanted in a bundle only, and is in none, is refused.
        for (line, (theirs, acceptance)) in offer.media.iter().zip(&mut accepted).enumerate() {
            if theirs.port == 0 && bundles.transport(line).is_none() {
                *acceptance = None;
            }
        }
        let is_asked = offer.media.iter().any(|media| media.port != 0);
        match is_asked && accepted.iter().all(Option::is_none) {
            true => Err(NegotiationError::NotAcceptable),
            false => Ok((accepted, bundles)),
        }
    }

    /// Whether sending to where a medium wants it would hurt: many hosts, or ourselves in a loop. A medium that
    /// does not say where it wants it is of no use either.
    fn is_harmful(&self, remote: &SessionDescription, media: &Media) -> bool {
        let Some(host) = remote.connection_of(media).and_then(Connection::host) else { return true };
        let is_ours = host == crate::Host::Address(self.address)
            && self.wishes.iter().any(|wish| wish.media.port == media.port);
        is_ours || outcome::is_multicast(&host)
    }

    /// Our description with these media. The version counts up when anything is not as it was in the
    /// last description that was sent, and only then (RFC 3264 §8).
    fn describe(&self, media: Vec<Media>, attributes: Vec<Attribute>) -> SessionDescription {
        let version = |version| self.origin.field(version);
        let (last, number) = match self.sent.as_deref() {
            Some(sent) => (Some(sent), sent.origin.session_version.as_str().parse().expect("we wrote a u64")),
            None => (None, FIRST_VERSION),
        };
        let mut description = SessionDescription::new(version(number), Some(Connection::new(self.address)));
        description.media = media;
        description.attributes = attributes;
        if last.is_some_and(|last| *last != description) {
            description.origin = version(number + 1);
        }
        description
    }

    /// Wants those media no longer that have got a line or were refused one.
    fn settle(&mut self, is_settled: impl Fn(usize) -> bool) {
        for (local, wish) in self.wishes.iter_mut().enumerate() {
            wish.is_wanted &= !is_settled(local);
        }
    }

    fn agree(&mut self, agreement: Agreement, slots: Vec<Slot>, negotiated: Vec<NegotiatedMedia>) {
        for media in &negotiated {
            if let (Some(local), Some(ice)) = (media.local, &media.ice) {
                self.wishes[local].settle_ice(&ice.local);
            }
        }
        self.slots = slots;
        self.negotiated = negotiated;
        self.agreed = Some(agreement);
        self.pending = Pending::Nothing;
    }
}

/// Far enough from the end of `u64` that counting by one never gets there.
const FIRST_VERSION: u64 = 1;
