//! Reliable provisional responses (RFC 3262, rule 40): ours, which are repeated until the peer's PRACK comes, and those
//! of the peer, which we acknowledge in the early dialog that they belong to.

use crate::body::{SDP, description};
use crate::call::{Call, Purpose, Stage, Theirs};
use crate::calls::{Context, Timer};
use crate::dialog::cseq;
use crate::early::wish;
use crate::field::{has_token, value};
use crate::refusal::Refusal;
use crate::{CallError, DialogOutput, EndedBy, LocalAudio};
use ringback_message::header::{CSeq, RAck, RSeq, Require, Supported};
use ringback_message::{HeaderId, Message, Method, Request, Response, StatusCode, UriBuf};
use ringback_sdp::{OfferAnswer, SessionDescription};
use ringback_transaction::ServerKey;
use std::time::{Duration, Instant};

/// The option tag of RFC 3262.
pub(crate) const RELIABLE: &str = "100rel";

/// A reliable provisional response of ours.
#[derive(Clone, Debug)]
pub(crate) struct Reliable {
    rseq: u32,
    response: Response,
    gap: Duration,
    gives_up: Instant,
    pub(crate) acknowledged: bool,
    /// Whether it carries an offer, so that the PRACK must carry the answer.
    offers: bool,
}

impl Reliable {
    /// Rule 40: whether a 2xx has to wait for the PRACK.
    pub(crate) fn holds_back_answer(&self) -> bool {
        !self.acknowledged && !self.response.body().is_empty()
    }
}

/// Whether a message says that its sender understands reliable provisional responses.
fn is_supported(request: &Message) -> bool {
    has_token::<Supported<'_>>(request, RELIABLE) || is_required(request)
}

/// Whether a message can only be understood by who understands them.
pub(crate) fn is_required(message: &Message) -> bool {
    has_token::<Require<'_>>(message, RELIABLE)
}

// ---- the side that is called

impl Call {
    /// Rings, and has the caller acknowledge that. With `audio` our description goes along, so that both sides are
    /// ready to talk before the answer. An ordinary 180 where the caller does not understand reliable ones.
    pub(crate) fn ring_reliably(
        &mut self,
        cx: &mut Context<'_>,
        audio: Option<LocalAudio>,
    ) -> Result<(), CallError> {
        let theirs = self.waiting()?;
        if !is_supported(&theirs.request) {
            return self.ring_plainly(cx);
        }
        // §3: a second one waits until the first is acknowledged; until then that one is repeated anyway.
        if theirs.reliable.as_ref().is_some_and(|reliable| !reliable.acknowledged) {
            return Ok(());
        }
        let leaves_offer = matches!(description(&theirs.request), Ok(None));
        let described = match audio {
            Some(audio) if self.session.is_none() => match self.describe(cx, audio)? {
                Some(described) => Some(described),
                // Refused, and over.
                None => return Ok(()),
            },
            // §5: the first reliable response makes the offer. Nothing is to be said before we have one.
            None if leaves_offer && self.session.is_none() => return Ok(()),
            _ => None,
        };
        let Some(theirs) = &self.theirs else { return Err(CallError::WrongState) };
        // §3: arbitrary at first, and below 2^31.
        let rseq = match &theirs.reliable {
            Some(last) => last.rseq.wrapping_add(1),
            None => cx.entropy.below(1 << 30) as u32 + 1,
        };
        let mut ringing =
            self.reply(theirs, StatusCode::RINGING).header(HeaderId::REQUIRE, RELIABLE).with(RSeq(rseq));
        let offers = leaves_offer && described.is_some();
        if let Some(described) = described {
            ringing = ringing.body(SDP, described.to_bytes());
        }
        let response = ringing.build()?;
        Self::respond(cx, theirs.key, response.clone());
        let gap = cx.timings.t1;
        let gives_up = cx.now + cx.timings.timeout();
        if let Some(theirs) = &mut self.theirs {
            theirs.reliable = Some(Reliable { rseq, response, gap, gives_up, acknowledged: false, offers });
        }
        Self::schedule(cx, Timer::RepeatRinging, gap);
        Self::schedule(cx, Timer::StillRinging, crate::callee::STILL_RINGING);
        Ok(())
    }

    /// Says it once more: T1 doubling, without the cap of T2, and not for ever (§3).
    pub(crate) fn repeat_ringing(&mut self, cx: &mut Context<'_>) {
        let Some(theirs) = &mut self.theirs else { return };
        let Some(reliable) = theirs.reliable.as_mut().filter(|reliable| !reliable.acknowledged) else {
            return;
        };
        if cx.now < reliable.gives_up {
            reliable.gap = reliable.gap.saturating_mul(2);
            let next = (cx.now + reliable.gap).min(reliable.gives_up);
            Self::respond(cx, theirs.key, reliable.response.clone());
            cx.timers.set((cx.key, Timer::RepeatRinging), next);
            return;
        }
        if self.stage == Stage::Ringing {
            self.refuse(cx, StatusCode::SERVER_TIMEOUT, EndedBy::Network, "no PRACK came");
        }
    }

    pub(crate) fn on_prack(
        &mut self,
        cx: &mut Context<'_>,
        key: ServerKey,
        contact: &UriBuf,
        prack: &Request,
    ) {
        let named = rack(prack);
        let matched = match self.theirs.as_deref() {
            Some(Theirs { number, is_first: true, reliable: Some(reliable), .. }) => {
                !reliable.acknowledged && named == Some((reliable.rseq, *number))
            }
            _ => false,
        };
        if !matched {
            return Self::respond_plain(cx, key, prack, StatusCode::CALL_DOES_NOT_EXIST);
        }
        let mut offers = false;
        if let Some(reliable) = self.theirs.as_mut().and_then(|theirs| theirs.reliable.as_mut()) {
            reliable.acknowledged = true;
            offers = reliable.offers;
        }
        cx.timers.cancel((cx.key, Timer::RepeatRinging));
        if let Err(refusal) = self.take_prack(cx, key, offers, prack) {
            if let Some(response) = refusal.response(prack, None, contact) {
                Self::respond(cx, key, response);
            }
            if offers && self.stage == Stage::Ringing {
                let reason = "the PRACK carries no answer that can be used";
                self.refuse(cx, StatusCode::NOT_ACCEPTABLE_HERE, EndedBy::Us, reason);
            }
            return;
        }
        if self.theirs.as_ref().is_some_and(|theirs| theirs.answer_waits) {
            self.answer_now(cx);
        } else {
            self.settle(cx);
        }
    }

    /// RFC 6337 §2.2: the PRACK answers our offer, or makes another offer when the first was answered.
    fn take_prack(
        &mut self,
        cx: &mut Context<'_>,
        key: ServerKey,
        offers: bool,
        prack: &Request,
    ) -> Result<(), Refusal> {
        let malformed =
            |error: &dyn std::fmt::Display| Refusal::because(StatusCode::BAD_REQUEST, &error.to_string());
        let described = description(prack).map_err(|error| malformed(&error))?;
        let answer = match (offers, described) {
            (true, Some(answer)) => {
                let session = self.session.as_mut().ok_or_else(|| malformed(&"No session"))?;
                session.receive_answer(&answer).map_err(|error| malformed(&error))?;
                None
            }
            (true, None) => return Err(malformed(&"No answer")),
            (false, Some(offer)) => Some(self.answer_offer(cx, 0, &offer)?),
            (false, None) => None,
        };
        let ok = prack.reply(StatusCode::OK, None);
        let ok = match &answer {
            Some(answer) => ok.body(SDP, answer.to_bytes()).build(),
            None => ok.build(),
        };
        Self::respond(cx, key, ok.map_err(|error| malformed(&error))?);
        Ok(())
    }
}

// ---- the side that calls

impl Call {
    /// Whether a reliable provisional response is the next one of its dialog, which is remembered (§4).
    pub(crate) fn is_next(&mut self, at: usize, rseq: u32) -> bool {
        let dialog = &mut self.dialogs[at];
        let is_next = dialog.rseq.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if is_next {
            dialog.rseq = Some(rseq);
        }
        is_next
    }

    /// Takes what a reliable provisional response describes, which counts (rule 44), and acknowledges it.
    pub(crate) fn on_reliable(&mut self, cx: &mut Context<'_>, at: usize, response: &Response) {
        let offers = self.ours.as_ref().is_some_and(|ours| ours.offers);
        let is_first = !self.dialogs[at].agreed;
        let hold = self.wants_hold;
        let (agreed, answer) = match (description(response), &self.session) {
            (Ok(Some(described)), Some(session)) if is_first => {
                agree(session.clone(), offers, hold, &described)
            }
            (Err(_), _) if is_first => (Err(()), None),
            _ => (Ok(None), None),
        };
        let is_usable = agreed.is_ok();
        if let Ok(Some(session)) = agreed {
            let dialog = &mut self.dialogs[at];
            dialog.preview = Some(Box::new(session));
            dialog.agreed = true;
            dialog.holds = hold && !offers;
        }
        self.prack(cx, at, response, answer.as_ref());
        self.tell_preview(cx, at);
        // Nothing can come of this call where the description is of no use; what ends it is the 487.
        if let (false, false, Some(ours)) = (is_usable, self.hanging_up, &self.ours) {
            self.hanging_up = true;
            cx.outputs.push_back(DialogOutput::Cancel(ours.tag));
        }
        self.settle(cx);
    }

    /// Acknowledges a reliable response: with our answer where it offered, and with our next offer where we want
    /// something else than was agreed.
    fn prack(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        response: &Response,
        answer: Option<&SessionDescription>,
    ) {
        let Some(RSeq(rseq)) = value(response) else { return };
        let cseq = CSeq { number: cseq(response).unwrap_or(self.cseq), method: Method::INVITE };
        let next = self.next_cseq();
        let (hop, prack) = self.dialogs[at].request(&self.ends, Method::PRACK, next);
        let prack = prack.with(RAck { response: rseq, cseq });
        let (prack, offers) = match answer {
            Some(answer) => (prack.body(SDP, answer.to_bytes()), false),
            None => self.with_offer_due(at, prack),
        };
        // What came from the peer was read, so it can be written; if not, the peer will give up by itself.
        if let Ok(prack) = prack.build() {
            let tag = self.send(cx, Purpose::Prack, Some(hop), prack);
            if offers {
                self.offered_by_prack(at, tag);
            }
        }
    }
}

/// The session that a reliable response leaves, and our answer where it made the offer.
fn agree(
    mut session: OfferAnswer,
    offers: bool,
    hold: bool,
    described: &SessionDescription,
) -> (Result<Option<OfferAnswer>, ()>, Option<SessionDescription>) {
    if offers {
        let taken = session.receive_answer(described);
        return (taken.map(|()| Some(session)).map_err(drop), None);
    }
    wish(&mut session, hold);
    match session.receive_offer(described).and_then(|()| session.make_answer()) {
        Ok(answer) => (Ok(Some(session)), Some(answer)),
        Err(_) => (Err(()), None),
    }
}

/// The two numbers of RAck, where it is about an INVITE: those of the response and of its request.
fn rack(prack: &Request) -> Option<(u32, u32)> {
    let RAck { response, cseq } = value(prack)?;
    (cseq.method == Method::INVITE).then_some((response, cseq.number))
}
