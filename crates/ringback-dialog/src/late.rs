//! Media that are somebody else's (RFC 3725): the peer of one call is described to the peer of another, so that the two
//! hear each other and we only signal. For that an offer in a 2xx waits for its answer until the other peer has said what
//! that is, and what we have described once may become something else.

use crate::body::description;
use crate::call::{Call, Stage};
use crate::calls::{Calls, Context, Timer};
use crate::dialog::{Dialog, cseq};
use crate::early::wish;
use crate::{CallError, CallEvent, CallKey, EndedBy, LocalAudio, Session};
use ringback_message::Response;
use ringback_sansio::Entropy;
use ringback_sdp::{Host, LocalMedia, LocalSrtp, MediaKind, NegotiationError, SessionDescription};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How a call of ours begins to be described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// By us, in the INVITE.
    Offer(LocalAudio),
    /// By us, and the peer is held from the beginning.
    HeldOffer(LocalAudio),
    /// By the peer; we answer with this in the ACK.
    Answer(LocalAudio),
    /// By the peer, and [`Calls::answer_offer`] answers when it is known with what.
    /// [`CallEvent::Offered`](crate::CallEvent::Offered) tells what is offered.
    LaterAnswer,
}

/// An offer in a 2xx whose ACK waits for our answer.
#[derive(Debug)]
pub(crate) struct Owed {
    number: u32,
    offer: SessionDescription,
}

/// What we had described before something else, which the peer may refuse.
#[derive(Debug)]
pub(crate) struct Before {
    address: IpAddr,
    media: Option<LocalMedia>,
}

impl Before {
    /// Our address has changed; what is gone back to has it, too.
    pub(crate) fn moved(&mut self, from: IpAddr, to: IpAddr) {
        if self.address == from {
            self.address = to;
        }
    }
}

impl LocalAudio {
    /// The audio that somebody describes, as another may describe it in their place. `None` where there is none, where it is
    /// encrypted, and where its address is a name.
    fn of(description: &SessionDescription) -> Option<Self> {
        let is_audio = |media: &&ringback_sdp::Media| media.kind == MediaKind::AUDIO && media.port != 0;
        let media =
            description.media.iter().find(is_audio).filter(|media| media.protocol.matches("RTP/AVP"))?;
        let Host::Address(ip) = description.connection_of(media)?.host()? else { return None };
        let audio = Self {
            rtp: SocketAddr::new(ip, media.port),
            codecs: media.codecs(),
            ptime: media.ptime().unwrap_or(USUAL),
            rtcp_mux: media.rtcp_mux(),
            extended_reports: false,
            header_extensions: Vec::new(),
            offers_redundancy: false,
            srtp: LocalSrtp::default(),
            dtls: None,
            ice: None,
            video: None,
            text: None,
        };
        (!audio.codecs.is_empty() && !ip.is_unspecified()).then_some(audio)
    }
}

/// How much audio a packet has that does not say so.
const USUAL: Duration = Duration::from_millis(20);

impl Session {
    /// The peer's audio as another may be told it in their place, to connect the two without us between them. `None` where
    /// there is none, where it is encrypted, and where its address is a name.
    pub fn passed_on(&self) -> Option<LocalAudio> {
        if self.audio.crypto.is_some() || self.audio.dtls.is_some() || self.audio.send.is_empty() {
            return None;
        }
        Some(LocalAudio {
            rtp: self.remote_rtp()?,
            codecs: self.audio.send.clone(),
            ptime: self.ptime(),
            rtcp_mux: self.audio.rtcp_mux,
            extended_reports: self.audio.extended_reports,
            header_extensions: Vec::new(),
            offers_redundancy: false,
            srtp: LocalSrtp::default(),
            dtls: None,
            ice: None,
            video: None,
            text: None,
        })
    }
}

impl<E: Entropy> Calls<E> {
    /// Answers what the peer has offered ([`Opening::LaterAnswer`]), which has to be done within 64·T1 or the call is ended.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless an offer waits; [`CallError::Negotiation`] when it cannot be answered with this: it
    /// waits still then.
    pub fn answer_offer(&mut self, now: Instant, key: CallKey, audio: LocalAudio) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.answer_late(cx, audio))
    }

    /// Describes other audio to the peer than before, another address, other codecs, and holds it or not.
    /// [`CallEvent::Changed`](crate::CallEvent::Changed) follows where that makes a difference to us, or
    /// [`ChangeRefused`](crate::CallEvent::ChangeRefused), and then all is as before.
    ///
    /// # Errors
    /// [`CallError::WrongState`] unless the call is up; [`CallError::Negotiation`] when it is the peer's own audio.
    pub fn redescribe(
        &mut self,
        now: Instant,
        key: CallKey,
        audio: LocalAudio,
        hold: bool,
    ) -> Result<(), CallError> {
        self.command(now, key, |call, cx| call.redescribe(cx, audio, hold))
    }
}

impl Call {
    /// The 2xx makes the offer, and it is not known yet what the answer is.
    pub(crate) fn on_offered(&mut self, cx: &mut Context<'_>, mut dialog: Dialog, response: &Response) {
        let number = cseq(response).unwrap_or(self.cseq);
        let offer = description(response).ok().flatten();
        let Some((audio, offer)) = offer.and_then(|offer| Some((LocalAudio::of(&offer)?, offer))) else {
            self.acknowledge(cx, &mut dialog, number, None);
            self.dialogs = vec![dialog];
            return self.break_off(cx, EndedBy::Us, None, "the answer offers nothing that can be passed on");
        };
        self.dialogs = vec![dialog];
        self.stage = Stage::Up;
        self.owed = Some(Box::new(Owed { number, offer }));
        Self::schedule(cx, Timer::GiveUp, cx.timings.timeout());
        Self::tell(cx, CallEvent::Offered(audio));
    }

    fn answer_late(&mut self, cx: &mut Context<'_>, audio: LocalAudio) -> Result<(), CallError> {
        let owed = self.owed.as_ref().ok_or(CallError::WrongState)?;
        let mut session = audio.negotiate(cx.entropy);
        wish(&mut session, self.wants_hold);
        session.receive_offer(&owed.offer)?;
        let answer = session.make_answer()?;
        let agreed = Session::of(&session).ok_or(CallError::WrongState)?;
        self.session = Some(session);
        self.acknowledge_owed(cx, Some(&answer));
        self.tell_answered(cx, agreed);
        self.wind_up(cx);
        self.dial_at_last(cx);
        self.write_at_last(cx);
        self.settle(cx);
        Ok(())
    }

    /// Sends the ACK that waited for our answer; without one where there is none and the call ends.
    pub(crate) fn acknowledge_owed(&mut self, cx: &mut Context<'_>, answer: Option<&SessionDescription>) {
        let Some(owed) = self.owed.take() else { return };
        cx.timers.cancel((cx.key, Timer::GiveUp));
        if let Some(mut dialog) = self.dialogs.first().cloned() {
            self.acknowledge(cx, &mut dialog, owed.number, answer);
            self.dialogs[0] = dialog;
        }
    }

    fn redescribe(&mut self, cx: &mut Context<'_>, audio: LocalAudio, hold: bool) -> Result<(), CallError> {
        let is_free = self.stage == Stage::Up && !self.hanging_up && self.owed.is_none();
        let told = self.told.as_ref().filter(|_| is_free).ok_or(CallError::WrongState)?;
        if told.remote_rtp() == Some(audio.rtp) {
            // To whom its own audio is described, it would hear itself.
            return Err(CallError::Negotiation(NegotiationError::NotAcceptable));
        }
        // Not at once: an offer of ours may be under way, whose answer is about what that has said.
        self.wanted = Some(Box::new(audio));
        self.whereabouts.moved(true);
        self.wants_hold = hold;
        self.tries = 0;
        self.settle(cx);
        Ok(())
    }

    /// Lets the next offer describe what the application wants, where that is something else than before.
    pub(crate) fn apply_description(&mut self) {
        let (Some(session), Some(audio)) = (&mut self.session, self.wanted.take()) else { return };
        let before =
            Before { address: session.local_address(), media: session.local_media().next().cloned() };
        session.set_local_address(audio.rtp.ip());
        // Pictures that there are stay as they are.
        if let Some(video) = audio.video.as_deref() {
            let place = session.local_media().position(|media| media.kind == MediaKind::VIDEO);
            if !place.is_some_and(|place| session.set_local_media(place, video.clone())) {
                session.add_media(video.clone());
            }
        }
        session.set_local_media(0, audio.media());
        // Where one such change follows another before the first was heard, all of it is taken back.
        self.before.get_or_insert_with(|| Box::new(before));
    }

    /// The peer has agreed to what we describe now, or not: then it is as before.
    pub(crate) fn redescribed(&mut self, is_agreed: bool) {
        if is_agreed && self.wanted.is_some() {
            return;
        }
        if !is_agreed {
            self.wanted = None;
        }
        if let (Some(before), Some(session), false) = (self.before.take(), &mut self.session, is_agreed) {
            session.set_local_address(before.address);
            if let Some(media) = before.media {
                session.set_local_media(0, media);
            }
        }
    }
}
