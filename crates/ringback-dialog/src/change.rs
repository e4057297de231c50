//! Hold, resume and moves: our re-INVITE inside of a call (RFC 3261 §14.1, RFC 3264 §8.4, RFC 6141).

use crate::body::{SDP, description};
use crate::call::{Call, Ours, Purpose, Side, Stage};
use crate::caller::reason;
use crate::calls::{Context, Timer};
use crate::dialog::{cseq, to_tag};
use crate::early::wish;
use crate::{CallError, CallEvent, EndedBy};
use ringback_message::header::RetryAfter;
use ringback_message::{HeaderId, Method, Response, StatusCode};
use std::time::Duration;

/// How often a change is tried again before it is given up.
pub(crate) const MOST_TRIES: u32 = 10;
/// The same after a move: the peer may have a re-INVITE of its own on its way to where we were, refuses ours for as long as that
/// lasts (64·T1), and must hear of the move after that. Waits take a second on average, so that these outlast it.
const MOST_TRIES_AFTER_A_MOVE: u32 = 64;
/// The longest Retry-After that is waited for instead of giving a change up, in seconds.
pub(crate) const MOST_PATIENCE: u32 = 10;

impl Call {
    pub(crate) fn change(&mut self, cx: &mut Context<'_>, hold: bool) -> Result<(), CallError> {
        if self.stage == Stage::Over || self.hanging_up {
            return Err(CallError::WrongState);
        }
        self.wants_hold = hold;
        self.dialogs.iter_mut().for_each(|dialog| dialog.refused = None);
        self.tries = 0;
        self.settle(cx);
        Ok(())
    }

    /// Sends a re-INVITE when the session is not as it should be and nothing stands in the way. Called whenever
    /// something has come to an end.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        if self.stage != Stage::Up {
            return self.settle_early(cx);
        }
        // Rule 34: the retry is dropped when the need for it is gone.
        let changes = self.wants_hold != self.holds || self.whereabouts.audio;
        let is_due = changes || self.lifetime.is_due || self.whereabouts.is_news();
        let is_needed = !self.hanging_up && is_due;
        let is_busy = self.lifetime.updating.is_some() || self.has_offered(0);
        let is_free = self.ours.is_none() && self.owed.is_none() && self.theirs.is_none() && !is_busy;
        if !is_needed || !is_free || cx.timers.deadline((cx.key, Timer::Glare)).is_some() {
            return;
        }
        if !changes && self.lifetime.peer_updates {
            return self.refresh_by_update(cx);
        }
        self.apply_hold();
        self.apply_description();
        let offer = self.session.as_mut().map(|session| match changes {
            true => session.make_offer(),
            // Rule 41: a sign of life leaves the description as it is.
            false => session.repeat_offer(),
        });
        let Some(offer) = offer else { return };
        let number = self.next_cseq();
        let request = offer.map_err(CallError::from).and_then(|offer| {
            let dialog = self.dialogs.first().ok_or(CallError::WrongState)?;
            let (hop, invite) = dialog.request(&self.ends, Method::INVITE, number);
            let invite = self.lifetime.ask(invite.header(HeaderId::SUPPORTED, "timer"));
            Ok((hop, invite.body(SDP, offer.to_bytes()).build()?))
        });
        match request {
            Ok((hop, invite)) => {
                let tag = self.send(cx, Purpose::Reinvite, Some(hop), invite);
                self.ours = Some(Ours { tag, offers: true });
                self.whereabouts.sent();
            }
            Err(error) => self.refuse_change(cx, StatusCode::NOT_ACCEPTABLE_HERE, &error.to_string()),
        }
    }

    /// Lets the next description say what the application wants.
    pub(crate) fn apply_hold(&mut self) {
        if let Some(session) = &mut self.session {
            wish(session, self.wants_hold);
        }
    }

    pub(crate) fn on_change_response(&mut self, cx: &mut Context<'_>, response: &Response) {
        let status = response.status();
        if status.is_provisional() || (status.is_success() && self.repeat_ack(cx, response)) {
            return;
        }
        self.ours = None;
        if status.is_success() {
            self.on_changed(cx, response);
            return;
        }
        if self.stage == Stage::Over {
            return;
        }
        self.roll_back();
        let retry_after = response.first::<RetryAfter<'_>>().and_then(Result::ok).map(|after| after.seconds);
        match (status, retry_after) {
            (StatusCode::SESSION_INTERVAL_TOO_SMALL, _) if self.lifetime.raise(response) => self.settle(cx),
            (StatusCode::REQUEST_PENDING, _) if self.tries < self.most_tries() => {
                let wait = self.glare_wait(cx);
                self.try_again(cx, wait);
            }
            (StatusCode::SERVER_INTERNAL_ERROR, Some(seconds))
                if self.tries < MOST_TRIES && seconds <= MOST_PATIENCE =>
            {
                self.try_again(cx, Duration::from_secs(seconds.into()));
            }
            // Rule 31: a request that was sent later has overtaken ours. The peer must hear of a move all the same.
            (StatusCode::SERVER_INTERNAL_ERROR, None)
                if self.whereabouts.is_news() && self.tries < MOST_TRIES =>
            {
                self.try_again(cx, cx.timings.t2);
            }
            // Rules 32 and 35: these say that the peer knows nothing of the call.
            (StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT, _) => {
                self.break_off(cx, EndedBy::Peer, Some(status), &reason(response));
            }
            _ => self.refuse_change(cx, status, &reason(response)),
        }
    }

    /// No final response came to our re-INVITE.
    pub(crate) fn on_change_lost(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        self.ours = None;
        if self.stage == Stage::Over {
            return;
        }
        self.roll_back();
        match status {
            StatusCode::REQUEST_TIMEOUT => {
                self.break_off(cx, EndedBy::Network, Some(status), "no answer within the call");
            }
            // A network that was just joined may take a while until it carries anything.
            _ if self.whereabouts.is_news() && self.tries < MOST_TRIES => self.try_again(cx, cx.timings.t2),
            _ => self.refuse_change(cx, status, "cannot be reached"),
        }
    }

    fn on_changed(&mut self, cx: &mut Context<'_>, response: &Response) {
        let tag = to_tag(response);
        let Some(at) = self.dialogs.iter().position(|dialog| dialog.remote_tag.as_deref() == tag) else {
            self.roll_back();
            return;
        };
        let mut dialog = self.dialogs.remove(at);
        dialog.refresh(response);
        self.whereabouts.accepted();
        self.lifetime.take(response);
        let number = cseq(response).unwrap_or(self.cseq);
        self.acknowledge(cx, &mut dialog, number, None);
        self.dialogs.insert(at, dialog);
        if self.stage == Stage::Over {
            return;
        }
        self.wind_up(cx);
        let answered = match (description(response), &mut self.session) {
            (Ok(Some(answer)), Some(session)) => {
                session.receive_answer(&answer).map_err(|error| error.to_string())
            }
            (Ok(_), _) => Err("the answer describes no session".to_owned()),
            (Err(error), _) => Err(error.to_string()),
        };
        match answered {
            Ok(()) => {
                self.redescribed(true);
                self.tell_change(cx);
                self.settle(cx);
            }
            Err(reason) => {
                self.roll_back();
                self.refuse_change(cx, StatusCode::NOT_ACCEPTABLE_HERE, &reason);
            }
        }
    }

    /// Rule 35: the offer is taken back, and all is as before.
    fn roll_back(&mut self) {
        if let Some(session) = &mut self.session {
            session.rollback();
            wish(session, self.holds);
        }
    }

    fn refuse_change(&mut self, cx: &mut Context<'_>, status: StatusCode, reason: &str) {
        // A sign of life that was refused is no news; the session ends when its time is over.
        self.lifetime.is_due = false;
        let was_news = self.whereabouts.give_up() || self.before.is_some();
        self.redescribed(false);
        if self.wants_hold == self.holds && !was_news {
            return;
        }
        self.wants_hold = self.holds;
        Self::tell(cx, CallEvent::ChangeRefused(status, reason.to_owned()));
    }

    fn most_tries(&self) -> u32 {
        if self.whereabouts.is_news() { MOST_TRIES_AFTER_A_MOVE } else { MOST_TRIES }
    }

    pub(crate) fn try_again(&mut self, cx: &mut Context<'_>, wait: Duration) {
        self.tries += 1;
        Self::schedule(cx, Timer::Glare, wait);
    }

    /// Rule 34: who owns the Call-ID waits 2.1 to 4 seconds, the other side 0 to 2, in steps of 10 ms.
    pub(crate) fn glare_wait(&self, cx: &mut Context<'_>) -> Duration {
        let steps = match self.side {
            Side::Caller => 210 + cx.entropy.below(191),
            Side::Callee => cx.entropy.below(201),
        };
        Duration::from_millis(10 * steps)
    }
}
