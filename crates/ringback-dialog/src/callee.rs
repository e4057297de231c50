//! What the peer asks for: its INVITE and how we answer it (RFC 3261 §13.3), and requests inside of a call (§12.2.2).

use crate::body::{SDP, description};
use crate::call::{Accepted, Call, Stage, Theirs};
use crate::calls::{Context, Timer};
use crate::dialog::{cseq, from_tag};
use crate::early::wish;
use crate::refusal::Refusal;
use crate::reliable::{Reliable, is_required};
use crate::{CallError, DialogOutput, EndedBy, LocalAudio, Session, timer};
use ringback_message::header::Reason;
use ringback_message::{HeaderId, Method, Request, ResponseBuilder, StatusCode, UriBuf};
use ringback_sdp::SessionDescription;
use ringback_transaction::ServerKey;
use std::time::Duration;

/// RFC 3261 §13.3.1.1: proxies forget a call that shows no sign of life for three minutes.
pub(crate) const STILL_RINGING: Duration = Duration::from_secs(60);

impl Call {
    pub(crate) fn ring(&mut self, cx: &mut Context<'_>) -> Result<(), CallError> {
        let theirs = self.waiting()?;
        match theirs.reliable.is_some() || is_required(&theirs.request) {
            true => self.ring_reliably(cx, None),
            false => self.ring_plainly(cx),
        }
    }

    pub(crate) fn ring_plainly(&mut self, cx: &mut Context<'_>) -> Result<(), CallError> {
        let theirs = self.waiting()?;
        let ringing = self.reply(theirs, StatusCode::RINGING).build()?;
        Self::respond(cx, theirs.key, ringing);
        Self::schedule(cx, Timer::StillRinging, STILL_RINGING);
        Ok(())
    }

    pub(crate) fn answer(&mut self, cx: &mut Context<'_>, audio: LocalAudio) -> Result<(), CallError> {
        let theirs = self.waiting()?;
        if theirs.reliable.as_ref().is_some_and(Reliable::holds_back_answer) {
            if let Some(theirs) = &mut self.theirs {
                theirs.answer_waits = true;
            }
            return Ok(());
        }
        if self.session.is_some() {
            self.accept_call(cx, None)
        } else if let Some(described) = self.describe(cx, audio)? {
            self.accept_call(cx, Some(&described))
        } else {
            Ok(())
        }
    }

    /// Answers what was put off until the PRACK.
    pub(crate) fn answer_now(&mut self, cx: &mut Context<'_>) {
        if let Some(theirs) = &mut self.theirs {
            theirs.answer_waits = false;
        }
        // All of it was described before, and what came from the peer was read; so it can be written.
        let _ = self.accept_call(cx, None);
    }

    /// Begins the session: our answer to the offer in the INVITE, or our offer. `None` when nothing in the offer fits,
    /// so that the call was refused.
    pub(crate) fn describe(
        &mut self,
        cx: &mut Context<'_>,
        audio: LocalAudio,
    ) -> Result<Option<SessionDescription>, CallError> {
        let theirs = self.waiting()?;
        let mut session = audio.negotiate(cx.entropy);
        wish(&mut session, self.wants_hold);
        let described = match description(&theirs.request).ok().flatten() {
            Some(offer) => {
                if let Err(error) = session.receive_offer(&offer) {
                    let refusal = Refusal::of_offer(error, &session, 0);
                    let tag = Some(self.ends.local_tag.as_str());
                    if let Some(response) = refusal.response(&theirs.request, tag, &theirs.contact) {
                        Self::respond(cx, theirs.key, response);
                    }
                    self.end(cx, EndedBy::Us, Some(refusal.status), &error.to_string());
                    return Ok(None);
                }
                session.make_answer()?
            }
            None => session.make_offer()?,
        };
        self.session = Some(session);
        if let Some(dialog) = self.dialogs.first_mut() {
            dialog.holds = self.wants_hold;
        }
        Ok(Some(described))
    }

    /// Sends the 2xx, with a description unless that was given before.
    fn accept_call(
        &mut self,
        cx: &mut Context<'_>,
        described: Option<&SessionDescription>,
    ) -> Result<(), CallError> {
        let Some(theirs) = &self.theirs else { return Err(CallError::WrongState) };
        let offers = described.is_some() && matches!(description(&theirs.request), Ok(None));
        // What asks for too short a session was refused when it came.
        let _ = self.lifetime.grant(&theirs.request);
        let ok = self.lifetime.tell(self.with_answer_mode(theirs, self.reply(theirs, StatusCode::OK)));
        let ok = match described {
            Some(described) => ok.body(SDP, described.to_bytes()).build()?,
            None => ok.build()?,
        };
        cx.timers.cancel((cx.key, Timer::StillRinging));
        cx.timers.cancel((cx.key, Timer::RepeatRinging));
        self.stage = Stage::Up;
        self.accept(cx, ok, offers);
        self.wind_up(cx);
        if let Some(session) = self.session.as_ref().and_then(Session::of) {
            self.tell_answered(cx, session);
        }
        Ok(())
    }

    pub(crate) fn reject(&mut self, cx: &mut Context<'_>, status: StatusCode) -> Result<(), CallError> {
        let theirs = self.waiting()?;
        if status.class() < 3 {
            return Err(CallError::WrongState);
        }
        let refusal = theirs.request.reply(status, Some(&self.ends.local_tag)).build()?;
        Self::respond(cx, theirs.key, refusal);
        self.end(cx, EndedBy::Us, Some(status), status.reason());
        Ok(())
    }

    /// Refuses the peer's first INVITE for a reason of ours.
    pub(crate) fn refuse(&mut self, cx: &mut Context<'_>, status: StatusCode, by: EndedBy, reason: &str) {
        if let Some(theirs) = &self.theirs {
            let tag = Some(self.ends.local_tag.as_str());
            if let Ok(response) = theirs.request.reply(status, tag).build() {
                Self::respond(cx, theirs.key, response);
            }
        }
        self.end(cx, by, Some(status), reason);
    }

    pub(crate) fn hangup(&mut self, cx: &mut Context<'_>) -> Result<(), CallError> {
        match self.stage {
            Stage::Inviting => {
                if let (false, Some(ours)) = (self.hanging_up, &self.ours) {
                    self.hanging_up = true;
                    cx.outputs.push_back(DialogOutput::Cancel(ours.tag));
                }
                Ok(())
            }
            Stage::Ringing => self.reject(cx, StatusCode::DECLINE),
            // §15: who is called may not say BYE before the ACK to its 2xx.
            Stage::Up if self.theirs.as_ref().is_some_and(|theirs| theirs.is_first) => {
                self.hanging_up = true;
                Ok(())
            }
            Stage::Up => {
                self.break_off(cx, EndedBy::Us, None, "hung up");
                Ok(())
            }
            Stage::Over => Err(CallError::Gone),
        }
    }

    /// Another call has taken the place of this one (RFC 3891 §4).
    pub(crate) fn replaced(&mut self, cx: &mut Context<'_>) {
        match (self.stage, &self.theirs) {
            (Stage::Up, None) => self.break_off(cx, EndedBy::Us, None, "replaced"),
            _ => drop(self.hangup(cx)),
        }
    }

    /// The peer's INVITE, while it waits for its answer.
    pub(crate) fn waiting(&self) -> Result<&Theirs, CallError> {
        match self.theirs.as_deref() {
            Some(theirs) if self.stage == Stage::Ringing => Ok(theirs),
            _ => Err(CallError::WrongState),
        }
    }

    /// Starts a response that creates or refreshes the dialog (§12.1.1).
    pub(crate) fn reply(&self, theirs: &Theirs, status: StatusCode) -> ResponseBuilder {
        let reply = theirs.request.reply(status, Some(&self.ends.local_tag));
        reply
            .copy(&theirs.request, HeaderId::RECORD_ROUTE)
            .header(HeaderId::CONTACT, format_args!("<{}>", theirs.contact))
    }

    /// Sends our 2xx, and again until it is acknowledged (rule 26).
    fn accept(&mut self, cx: &mut Context<'_>, response: ringback_message::Response, offers: bool) {
        let Some(theirs) = &mut self.theirs else { return };
        cx.servers.remove(&theirs.key);
        Self::respond(cx, theirs.key, response.clone());
        theirs.accepted = Some(Accepted { response, gap: cx.timings.t1, offers });
        Self::schedule(cx, Timer::Repeat, cx.timings.t1);
        Self::schedule(cx, Timer::GiveUp, cx.timings.timeout());
    }

    pub(crate) fn repeat_answer(&mut self, cx: &mut Context<'_>) {
        let Some(theirs) = &mut self.theirs else { return };
        let Some(accepted) = &mut theirs.accepted else { return };
        accepted.gap = accepted.gap.saturating_mul(2).min(cx.timings.t2);
        Self::respond(cx, theirs.key, accepted.response.clone());
        let gap = accepted.gap;
        Self::schedule(cx, Timer::Repeat, gap);
    }

    pub(crate) fn give_up_on_ack(&mut self, cx: &mut Context<'_>) {
        if self.owed.is_some() {
            return self.break_off(cx, EndedBy::Us, None, "the offer was not answered in time");
        }
        self.drop_theirs(cx);
        self.break_off(cx, EndedBy::Network, None, "no ACK came");
    }

    pub(crate) fn on_ack(&mut self, cx: &mut Context<'_>, ack: &Request) {
        let is_theirs =
            self.dialogs.first().is_some_and(|dialog| dialog.remote_tag.as_deref() == from_tag(ack));
        let number = cseq(ack);
        let offers = match self.theirs.as_deref() {
            Some(Theirs { number: of, accepted: Some(accepted), .. }) if is_theirs && number == Some(*of) => {
                accepted.offers
            }
            _ => return,
        };
        self.drop_theirs(cx);
        if offers && let Err(reason) = self.take_late_answer(cx, ack) {
            // Rule 46.
            self.break_off(cx, EndedBy::Us, None, &reason);
        } else if self.hanging_up {
            self.break_off(cx, EndedBy::Us, None, "hung up");
        } else {
            self.show_identity();
            self.refer_at_last(cx);
            self.dial_at_last(cx);
            self.write_at_last(cx);
            self.settle(cx);
        }
    }

    fn take_late_answer(&mut self, cx: &mut Context<'_>, ack: &Request) -> Result<(), String> {
        let answer = description(ack).map_err(|error| error.to_string())?;
        let answer = answer.ok_or("the ACK carries no answer")?;
        let session = self.session.as_mut().ok_or("there is no session")?;
        session.receive_answer(&answer).map_err(|error| error.to_string())?;
        match (&self.told, Session::of(session)) {
            (None, Some(session)) => {
                self.tell_answered(cx, session);
            }
            _ => self.tell_change(cx),
        }
        Ok(())
    }

    /// Rule 14: the INVITE is taken back; the 487 carries the tag of the answer to the CANCEL.
    pub(crate) fn on_cancelled(&mut self, cx: &mut Context<'_>, tag: Option<&str>, cancel: &Request) {
        let Ok(theirs) = self.waiting() else { return };
        let tag = tag.unwrap_or(&self.ends.local_tag);
        if let Ok(response) = theirs.request.reply(StatusCode::REQUEST_TERMINATED, Some(tag)).build() {
            Self::respond(cx, theirs.key, response);
        }
        let reason = told_reason(cancel).unwrap_or_else(|| "cancelled".to_owned());
        self.end(cx, EndedBy::Peer, Some(StatusCode::REQUEST_TERMINATED), &reason);
    }

    /// The transaction of the peer's INVITE is over before we answered.
    pub(crate) fn on_caller_lost(&mut self, cx: &mut Context<'_>) {
        self.end(cx, EndedBy::Network, None, "the caller cannot be reached");
    }

    /// A request with our tag in To.
    pub(crate) fn on_request(
        &mut self,
        cx: &mut Context<'_>,
        key: ServerKey,
        contact: UriBuf,
        request: Request,
    ) {
        let from = from_tag(&request);
        let at = self.dialogs.iter().position(|dialog| dialog.remote_tag.as_deref() == from);
        let is_bye = *request.method() == Method::BYE;
        // Calls that are over, and forks that were turned away, know BYE only.
        let is_current = self.stage != Stage::Over && (self.stage != Stage::Up || at == Some(0));
        let Some(at) = at.filter(|_| is_current || is_bye) else {
            return Self::respond_plain(cx, key, &request, StatusCode::CALL_DOES_NOT_EXIST);
        };
        if !cseq(&request).is_some_and(|number| self.dialogs[at].accepts(number)) {
            return Self::respond_plain(cx, key, &request, StatusCode::SERVER_INTERNAL_ERROR);
        }
        self.learn_identity(cx, &request);
        match *request.method() {
            Method::BYE => self.on_bye(cx, key, &request, is_current),
            Method::INVITE => self.on_reinvite(cx, key, contact, request),
            Method::UPDATE => self.on_update(cx, key, at, &contact, &request),
            Method::REFER => self.on_refer(cx, key, &contact, &request),
            Method::NOTIFY => self.on_notify(cx, key, &request),
            Method::PRACK => self.on_prack(cx, key, &contact, &request),
            Method::INFO => Self::on_info(cx, key, &request),
            _ => cx.outputs.push_back(DialogOutput::Unhandled(key, cx.key, request)),
        }
    }

    fn on_bye(&mut self, cx: &mut Context<'_>, key: ServerKey, bye: &Request, is_current: bool) {
        Self::respond_plain(cx, key, bye, StatusCode::OK);
        if !is_current {
            return;
        }
        match (self.stage, &self.theirs, &self.ours) {
            // Rule 33: what waits for an answer gets one.
            (Stage::Ringing, Some(theirs), _) => {
                let tag = Some(self.ends.local_tag.as_str());
                if let Ok(response) = theirs.request.reply(StatusCode::REQUEST_TERMINATED, tag).build() {
                    Self::respond(cx, theirs.key, response);
                }
            }
            (Stage::Inviting, _, Some(ours)) => {
                cx.outputs.push_back(DialogOutput::Cancel(ours.tag));
                // A 2xx that is on its way all the same is to be turned away.
                self.dialogs.clear();
            }
            _ => {}
        }
        let reason = told_reason(bye).unwrap_or_else(|| "hung up".to_owned());
        self.end(cx, EndedBy::Peer, None, &reason);
    }

    fn on_reinvite(&mut self, cx: &mut Context<'_>, key: ServerKey, contact: UriBuf, request: Request) {
        let result = self.try_reinvite(cx, key, &contact, &request);
        if let Err(Some(response)) = result.map_err(|refusal| refusal.response(&request, None, &contact)) {
            Self::respond(cx, key, response);
        }
    }

    fn try_reinvite(
        &mut self,
        cx: &mut Context<'_>,
        key: ServerKey,
        contact: &UriBuf,
        request: &Request,
    ) -> Result<(), Refusal> {
        self.make_way(cx)?;
        timer::check(request)?;
        let offer = read_offer(request)?;
        let described = match &offer {
            Some(offer) => self.answer_offer(cx, 0, offer)?,
            // Rule 46: a full offer, whatever was agreed before.
            None => {
                self.apply_hold();
                let session = self.session.as_mut().ok_or_else(unready)?;
                session.make_offer().map_err(|error| Refusal::of_offer(error, session, 0))?
            }
        };
        let number = cseq(request).unwrap_or_default();
        let theirs = Theirs::new(key, number, request.clone(), contact.clone(), false);
        self.lifetime.learn(request);
        // What asks for too short a session was refused before.
        let _ = self.lifetime.grant(request);
        let ok = self.lifetime.tell(self.reply(&theirs, StatusCode::OK));
        let ok = ok.body(SDP, described.to_bytes()).build();
        let ok = ok.map_err(|_| unready())?;
        if let Some(dialog) = self.dialogs.first_mut() {
            dialog.refresh(request);
        }
        self.theirs = Some(Box::new(theirs));
        self.accept(cx, ok, offer.is_none());
        self.wind_up(cx);
        if offer.is_some() {
            self.tell_change(cx);
        }
        Ok(())
    }

    /// Rule 34: whether a re-INVITE may begin now.
    fn make_way(&mut self, cx: &mut Context<'_>) -> Result<(), Refusal> {
        match self.theirs.as_deref() {
            Some(Theirs { accepted: None, .. }) => {
                return Err(Refusal::later(cx.entropy.below(11) as u32));
            }
            Some(Theirs { accepted: Some(Accepted { offers: true, .. }), .. }) => {
                return Err(Refusal::plain(StatusCode::REQUEST_PENDING));
            }
            // RFC 5407 §3.1.4: the peer is further than its ACK, which is late or lost.
            Some(Theirs { accepted: Some(_), .. }) => self.drop_theirs(cx),
            None => {}
        }
        if self.hanging_up {
            self.break_off(cx, EndedBy::Us, None, "hung up");
            return Err(Refusal::plain(StatusCode::CALL_DOES_NOT_EXIST));
        }
        match self.ours.is_some() || self.owed.is_some() || self.has_offered(0) {
            true => Err(Refusal::plain(StatusCode::REQUEST_PENDING)),
            false => Ok(()),
        }
    }

    fn on_update(
        &mut self,
        cx: &mut Context<'_>,
        key: ServerKey,
        at: usize,
        contact: &UriBuf,
        request: &Request,
    ) {
        let result = timer::check(request).and_then(|()| read_offer(request)).and_then(|offer| match offer {
            // Rule 45: our own offer, or ours in an INVITE that is not answered, comes first.
            Some(_) if self.owes_us_answer(at) => Err(Refusal::plain(StatusCode::REQUEST_PENDING)),
            Some(offer) => self.answer_offer(cx, at, &offer).map(Some),
            None => Ok(None),
        });
        let response = match &result {
            Ok(answer) => {
                let ok = request
                    .reply(StatusCode::OK, None)
                    .header(HeaderId::CONTACT, format_args!("<{contact}>"));
                // RFC 4028 §9: inside of early dialogs there is no session yet that could expire.
                let is_up = self.stage == Stage::Up && self.lifetime.grant(request).is_ok();
                let ok = if is_up { self.lifetime.tell(ok) } else { ok };
                match answer {
                    Some(answer) => ok.body(SDP, answer.to_bytes()).build().ok(),
                    None => ok.build().ok(),
                }
            }
            Err(refusal) => refusal.response(request, None, contact),
        };
        if result.is_ok() {
            self.dialogs[at].refresh(request);
        }
        if let Some(response) = response {
            Self::respond(cx, key, response);
        }
        if result.is_ok() && self.stage == Stage::Up {
            self.wind_up(cx);
        }
        if result.is_ok_and(|answer| answer.is_some()) {
            self.tell_early(cx, at);
        }
    }

    /// Whether an offer waits for its answer, ours or that in the 2xx.
    fn owes_us_answer(&self, at: usize) -> bool {
        match self.stage {
            // An early dialog that has its answer is free for the next offer.
            Stage::Inviting => !self.dialogs[at].agreed,
            _ => self.ours.is_some() || self.owed.is_some(),
        }
    }

    pub(crate) fn answer_offer(
        &mut self,
        cx: &mut Context<'_>,
        at: usize,
        offer: &SessionDescription,
    ) -> Result<SessionDescription, Refusal> {
        let seconds = cx.entropy.below(11) as u32;
        let hold = self.wants_hold;
        // Rule 45: without a session the first offer still waits for its answer.
        let session = self.session_of(at).ok_or_else(|| Refusal::later(seconds))?;
        wish(session, hold);
        let answered = session.receive_offer(offer).and_then(|()| session.make_answer());
        let answer = answered.map_err(|error| {
            if !matches!(error, ringback_sdp::NegotiationError::Glare) {
                session.rollback();
            }
            Refusal::of_offer(error, session, seconds)
        })?;
        if let Some(dialog) = self.dialogs.get_mut(at) {
            dialog.holds = hold;
        }
        Ok(answer)
    }
}

/// The offer in a request; 400 when it cannot be read.
fn read_offer(request: &Request) -> Result<Option<SessionDescription>, Refusal> {
    description(request).map_err(|error| Refusal::because(StatusCode::BAD_REQUEST, &error.to_string()))
}

/// Why the peer says that it ends something (RFC 3326).
fn told_reason(request: &Request) -> Option<String> {
    let reason = request.first::<Reason<'_>>()?.ok()?;
    reason.text().map(std::borrow::Cow::into_owned)
}

fn unready() -> Refusal {
    Refusal::plain(StatusCode::SERVER_INTERNAL_ERROR)
}
