//! Changes of the session before the call is answered: our offer in UPDATE (RFC 3311) and in PRACK (RFC 3262 §5), each in
//! the early dialog whose first exchange is done (RFC 6337 §2.2).

use crate::body::{SDP, description};
use crate::call::{Call, Purpose, Stage};
use crate::caller::reason;
use crate::calls::{Context, Timer};
use crate::change::{MOST_PATIENCE, MOST_TRIES};
use crate::dialog::Dialog;
use crate::{CallEvent, EndedBy, SendTag, Session};
use ringback_message::header::RetryAfter;
use ringback_message::{Method, RequestBuilder, Response, StatusCode};
use ringback_sdp::{NegotiationState, OfferAnswer};
use std::time::Duration;

/// An offer of ours in UPDATE or PRACK that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) tag: SendTag,
    /// Whether it holds the peer.
    hold: bool,
}

impl Call {
    /// Whether an offer that went in UPDATE or PRACK waits in the dialog for its answer (rule 45).
    pub(crate) fn has_offered(&self, at: usize) -> bool {
        self.dialogs.get(at).is_some_and(|dialog| dialog.offered.is_some())
    }

    /// Brings every early dialog to what the application wants, where that can be offered now. Where it cannot, the
    /// answer of the call says it, or a re-INVITE after that.
    pub(crate) fn settle_early(&mut self, cx: &mut Context<'_>) {
        if self.hanging_up || cx.timers.deadline((cx.key, Timer::Glare)).is_some() {
            return;
        }
        for at in 0..self.dialogs.len() {
            if self.dialogs[at].updates && self.may_offer(at) {
                self.offer_by_update(cx, at);
            }
        }
    }

    /// RFC 3311 §5.1: the first exchange has to be complete, and nothing else may be under way.
    fn may_offer(&self, at: usize) -> bool {
        let dialog = &self.dialogs[at];
        let (is_ready, session) = match self.stage {
            Stage::Inviting => (dialog.agreed, dialog.preview.as_deref()),
            Stage::Ringing => {
                let reliable = self.theirs.as_ref().and_then(|theirs| theirs.reliable.as_ref());
                (reliable.is_some_and(|reliable| reliable.acknowledged), self.session.as_ref())
            }
            Stage::Up | Stage::Over => (false, None),
        };
        let is_agreed = |session: &OfferAnswer| {
            session.state() == NegotiationState::Stable && Session::of(session).is_some()
        };
        dialog.holds != self.wants_hold
            && dialog.refused != Some(self.wants_hold)
            && dialog.offered.is_none()
            && is_ready
            && session.is_some_and(is_agreed)
    }

    fn offer_by_update(&mut self, cx: &mut Context<'_>, at: usize) {
        let number = self.next_cseq();
        let (hop, update) = self.dialogs[at].request(&self.ends, Method::UPDATE, number);
        let Some(update) = self.with_offer(at, update).and_then(|update| update.build().ok()) else {
            // What was read can be written, and we have an address; if not, all stays as it was.
            return self.withdraw(at);
        };
        let tag = self.send(cx, Purpose::Update, Some(hop), update);
        self.dialogs[at].offered = Some(Offered { tag, hold: self.wants_hold });
    }

    /// Adds an offer of what the application wants to a PRACK, where it wants something else than was agreed.
    pub(crate) fn with_offer_due(&mut self, at: usize, prack: RequestBuilder) -> (RequestBuilder, bool) {
        if self.hanging_up || !self.may_offer(at) {
            return (prack, false);
        }
        match self.with_offer(at, prack.clone()) {
            Some(offering) => (offering, true),
            None => {
                self.withdraw(at);
                (prack, false)
            }
        }
    }

    /// The PRACK with our offer is on its way.
    pub(crate) fn offered_by_prack(&mut self, at: usize, tag: SendTag) {
        self.dialogs[at].offered = Some(Offered { tag, hold: self.wants_hold });
    }

    fn with_offer(&mut self, at: usize, request: RequestBuilder) -> Option<RequestBuilder> {
        let hold = self.wants_hold;
        let session = self.session_of(at)?;
        wish(session, hold);
        let offer = session.make_offer().ok()?;
        Some(request.body(SDP, offer.to_bytes()))
    }

    /// What is negotiated in a dialog: before the answer each fork has its own.
    pub(crate) fn session_of(&mut self, at: usize) -> Option<&mut OfferAnswer> {
        match self.stage {
            Stage::Inviting => self.dialogs.get_mut(at)?.preview.as_deref_mut(),
            _ => self.session.as_mut(),
        }
    }

    /// Takes the offer back; what was agreed stays in force (RFC 3311 §5.1, RFC 6141 §3.4).
    fn withdraw(&mut self, at: usize) {
        let holds = self.dialogs[at].holds;
        if let Some(session) = self.session_of(at) {
            session.rollback();
            wish(session, holds);
        }
    }

    /// A response to an UPDATE or a PRACK that offered. False when it is about something else.
    pub(crate) fn on_offer_response(
        &mut self,
        cx: &mut Context<'_>,
        tag: SendTag,
        purpose: Purpose,
        response: &Response,
    ) -> bool {
        let Some((at, offered)) = self.find_offered(tag) else { return false };
        let status = response.status();
        if status.is_provisional() {
            return true;
        }
        self.dialogs[at].offered = None;
        if self.stage == Stage::Over {
            return true;
        }
        if !status.is_success() {
            self.on_offer_refused(cx, at, response);
            return true;
        }
        if purpose == Purpose::Update {
            // Rule 30: not by the answer to PRACK.
            self.dialogs[at].refresh(response);
        }
        let answer = description(response).ok().flatten();
        let taken = self.session_of(at).zip(answer).map(|(session, answer)| session.receive_answer(&answer));
        match taken {
            Some(Ok(())) => {
                self.tries = 0;
                self.dialogs[at].holds = offered.hold;
                self.tell_early(cx, at);
                self.settle(cx);
            }
            Some(Err(error)) => {
                self.give_offer_up(cx, at, StatusCode::NOT_ACCEPTABLE_HERE, &error.to_string())
            }
            None => {
                self.give_offer_up(
                    cx,
                    at,
                    StatusCode::NOT_ACCEPTABLE_HERE,
                    "the answer describes no session",
                );
            }
        }
        true
    }

    fn on_offer_refused(&mut self, cx: &mut Context<'_>, at: usize, response: &Response) {
        let status = response.status();
        let after = response.first::<RetryAfter<'_>>().and_then(Result::ok).map(|after| after.seconds);
        match (status, after) {
            // Rule 32; before the answer it is the INVITE that decides.
            (StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT, _) if self.stage == Stage::Up => {
                self.break_off(cx, EndedBy::Peer, Some(status), &reason(response));
            }
            (StatusCode::REQUEST_PENDING, _) if self.tries < MOST_TRIES => {
                self.withdraw(at);
                let wait = self.glare_wait(cx);
                self.try_again(cx, wait);
            }
            (StatusCode::SERVER_INTERNAL_ERROR, Some(seconds))
                if self.tries < MOST_TRIES && seconds <= MOST_PATIENCE =>
            {
                self.withdraw(at);
                self.try_again(cx, Duration::from_secs(seconds.into()));
            }
            // The answer, or a re-INVITE behind it, will say it.
            (StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED, _) => {
                self.dialogs[at].updates = false;
                self.withdraw(at);
                self.settle(cx);
            }
            _ => self.give_offer_up(cx, at, status, &reason(response)),
        }
    }

    /// No final response came to an UPDATE or PRACK with our offer. False when it carried none.
    pub(crate) fn on_offer_lost(&mut self, cx: &mut Context<'_>, tag: SendTag, status: StatusCode) -> bool {
        let Some((at, _)) = self.find_offered(tag) else { return false };
        self.dialogs[at].offered = None;
        match (self.stage, status) {
            (Stage::Over, _) => {}
            (Stage::Up, StatusCode::REQUEST_TIMEOUT) => {
                self.break_off(cx, EndedBy::Network, Some(status), "no answer within the call");
            }
            _ => self.give_offer_up(cx, at, status, "no answer came to the offer"),
        }
        true
    }

    fn give_offer_up(&mut self, cx: &mut Context<'_>, at: usize, status: StatusCode, reason: &str) {
        self.withdraw(at);
        let (wish, holds) = (self.wants_hold, self.dialogs[at].holds);
        self.dialogs[at].refused = Some(wish);
        // Rule 27: what one fork refuses the others may have agreed to, or may still. Whoever answers decides.
        let is_refused = |dialog: &Dialog| dialog.refused == Some(wish) && dialog.holds != wish;
        // Once it is up, the others are turned away.
        let asked = if self.stage == Stage::Up { 1 } else { self.dialogs.len() };
        if wish != holds && self.dialogs[..asked].iter().all(is_refused) {
            self.wants_hold = holds;
            Self::tell(cx, CallEvent::ChangeRefused(status, reason.to_owned()));
        }
        self.settle(cx);
    }

    fn find_offered(&self, tag: SendTag) -> Option<(usize, Offered)> {
        let mut dialogs = self.dialogs.iter().enumerate();
        dialogs.find_map(|(at, dialog)| Some((at, dialog.offered.filter(|offered| offered.tag == tag)?)))
    }

    /// Tells of what was agreed in a dialog after its first exchange.
    pub(crate) fn tell_early(&mut self, cx: &mut Context<'_>, at: usize) {
        if self.stage == Stage::Up {
            return self.tell_change(cx);
        }
        if self.stage == Stage::Inviting {
            return self.tell_preview(cx, at);
        }
        if let Some(session) = self.session_of(at).and_then(|session| Session::of(session)) {
            Self::tell(cx, CallEvent::EarlyMedia(session));
        }
    }
}

/// Lets the next description say whether we hold.
pub(crate) fn wish(session: &mut OfferAnswer, hold: bool) {
    match hold {
        true => session.hold(),
        false => session.resume(),
    }
}
