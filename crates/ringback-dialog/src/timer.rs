//! Session timers (RFC 4028, rule 41): how long a session lasts without a sign of life, and who gives one.

use crate::call::{Call, Purpose, Stage};
use crate::calls::{Context, Timer};
use crate::change::MOST_TRIES;
use crate::field::{allows, has_token, value};
use crate::refusal::Refusal;
use crate::{EndedBy, SendTag};
use ringback_message::header::{MinSe, Refresher, SessionExpires, Supported};
use ringback_message::{
    HeaderId, Message, Method, Request, RequestBuilder, Response, ResponseBuilder, StatusCode,
};
use std::time::Duration;

/// The option tag of RFC 4028.
const TIMER: &str = "timer";
/// §5: no session may be asked to last shorter, in seconds.
pub(crate) const SHORTEST: u32 = 90;

/// What was agreed about the life of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionTimer {
    /// In seconds.
    pub(crate) interval: u32,
    pub(crate) we_refresh: bool,
}

/// What a call wishes for and has.
#[derive(Clone, Debug)]
pub(crate) struct Lifetime {
    /// How long sessions shall last, in seconds; `None` leaves it to the peer.
    pub(crate) wanted: Option<u32>,
    /// What somebody on the way has told us to be the shortest.
    pub(crate) least: u32,
    pub(crate) agreed: Option<SessionTimer>,
    /// Whether it is time for a sign of life.
    pub(crate) is_due: bool,
    /// Whether the peer takes UPDATE.
    pub(crate) peer_updates: bool,
    /// The UPDATE of ours that waits for its response.
    pub(crate) updating: Option<SendTag>,
    /// Whether a request was tried again after a 422 already.
    raised: bool,
}

impl Lifetime {
    pub(crate) fn new(wanted: Option<u32>) -> Self {
        let wanted = wanted.map(|seconds| seconds.max(SHORTEST));
        Self {
            wanted,
            least: SHORTEST,
            agreed: None,
            is_due: false,
            peer_updates: false,
            updating: None,
            raised: false,
        }
    }

    /// Adds what an INVITE or UPDATE of ours asks for (§7.1, §7.4): the role is the one that we have in this
    /// transaction.
    pub(crate) fn ask(&self, request: RequestBuilder) -> RequestBuilder {
        let request = match (self.agreed, self.wanted) {
            (Some(SessionTimer { interval, we_refresh }), _) => {
                let refresher = Some(if we_refresh { Refresher::Uac } else { Refresher::Uas });
                request.with(SessionExpires::new(interval.max(self.least), refresher))
            }
            (None, Some(wanted)) => request.with(SessionExpires::new(wanted.max(self.least), None)),
            (None, None) => request,
        };
        if self.least > SHORTEST { request.with(MinSe::new(self.least)) } else { request }
    }

    /// Decides on what the peer asks for (§9, Table 2). Remembers it only where that succeeds.
    pub(crate) fn grant(&mut self, request: &Message) -> Result<(), Refusal> {
        check(request)?;
        let supports = has_token::<Supported<'_>>(request, TIMER);
        let asked = asked_of(request);
        let least = value(request).map_or(0, |least: MinSe<'_>| least.seconds).max(SHORTEST);
        let interval = match (asked.map(|(seconds, _)| seconds), self.wanted) {
            // §9: it may be lowered, down to Min-SE, and never raised.
            (Some(asked), Some(ours)) => Some(asked.min(ours.max(least))),
            (Some(asked), None) => Some(asked),
            (None, Some(ours)) if supports => Some(ours.max(least)),
            (None, _) => None,
        };
        let refresher = asked.and_then(|(_, refresher)| refresher);
        let we_refresh = !supports || refresher == Some(Refresher::Uas);
        self.agreed = interval.map(|interval| SessionTimer { interval, we_refresh });
        Ok(())
    }

    /// Adds to our 2xx what was decided.
    pub(crate) fn tell(&self, response: ResponseBuilder) -> ResponseBuilder {
        let Some(SessionTimer { interval, we_refresh }) = self.agreed else { return response };
        let refresher = Some(if we_refresh { Refresher::Uas } else { Refresher::Uac });
        let response = response.with(SessionExpires::new(interval, refresher));
        if we_refresh { response } else { response.header(HeaderId::REQUIRE, TIMER) }
    }

    /// Takes what a 2xx to our INVITE or UPDATE says (§7.2).
    pub(crate) fn take(&mut self, response: &Response) {
        self.raised = false;
        self.is_due = false;
        self.learn(response);
        self.agreed = asked_of(response).map(|(interval, refresher)| SessionTimer {
            interval: interval.max(SHORTEST),
            we_refresh: refresher != Some(Refresher::Uas),
        });
    }

    /// Takes note of whether the peer takes UPDATE.
    pub(crate) fn learn(&mut self, message: &Message) {
        self.peer_updates = allows(message, &Method::UPDATE).unwrap_or(self.peer_updates);
    }

    /// §7.3: takes the shortest time that a 422 names. False when there is no use in trying again.
    pub(crate) fn raise(&mut self, response: &Response) -> bool {
        let Some(MinSe { seconds: least, .. }) = value(response) else { return false };
        if self.raised || least <= self.least {
            return false;
        }
        self.raised = true;
        self.least = least;
        self.wanted = self.wanted.map(|wanted| wanted.max(least));
        true
    }
}

/// Refuses what asks for too short a session (§8.2).
pub(crate) fn check(request: &Message) -> Result<(), Refusal> {
    let is_short = asked_of(request).is_some_and(|(seconds, _)| seconds < SHORTEST);
    // Who does not understand the extension cannot do anything about it.
    match is_short && has_token::<Supported<'_>>(request, TIMER) {
        true => Err(Refusal::too_short(SHORTEST)),
        false => Ok(()),
    }
}

/// The time that is asked for or agreed on, in seconds, and who refreshes.
fn asked_of(message: &Message) -> Option<(u32, Option<Refresher>)> {
    value(message).map(|asked: SessionExpires<'_>| (asked.seconds, asked.refresher()))
}

impl Call {
    /// Winds the clocks of the session up again. The refresher acts at half time; both sides take the peer for gone
    /// shortly before the time is over (§10).
    pub(crate) fn wind_up(&mut self, cx: &mut Context<'_>) {
        let Some(SessionTimer { interval, we_refresh }) = self.lifetime.agreed else {
            cx.timers.cancel((cx.key, Timer::Refresh));
            cx.timers.cancel((cx.key, Timer::Expire));
            return;
        };
        match we_refresh {
            true => Self::schedule(cx, Timer::Refresh, Duration::from_secs(u64::from(interval) / 2)),
            false => {
                cx.timers.cancel((cx.key, Timer::Refresh));
            }
        }
        let margin = (interval / 3).min(32);
        Self::schedule(cx, Timer::Expire, Duration::from_secs(u64::from(interval - margin)));
    }

    /// Half of the time is over.
    pub(crate) fn on_refresh_due(&mut self, cx: &mut Context<'_>) {
        self.lifetime.is_due = true;
        self.tries = 0;
        self.settle(cx);
    }

    /// The time is over, and no sign of life came.
    pub(crate) fn on_session_expired(&mut self, cx: &mut Context<'_>) {
        if self.stage == Stage::Up {
            self.break_off(cx, EndedBy::Network, None, "the session has expired");
        }
    }

    /// Gives a sign of life by UPDATE, without describing anything.
    pub(crate) fn refresh_by_update(&mut self, cx: &mut Context<'_>) {
        let number = self.next_cseq();
        let Some(dialog) = self.dialogs.first() else { return };
        let (hop, update) = dialog.request(&self.ends, Method::UPDATE, number);
        let update = self.lifetime.ask(update.header(HeaderId::SUPPORTED, TIMER));
        if let Ok(update) = update.build() {
            let tag = self.send(cx, Purpose::Update, Some(hop), update);
            self.lifetime.updating = Some(tag);
            self.whereabouts.sent();
        }
    }

    pub(crate) fn on_update_response(&mut self, cx: &mut Context<'_>, response: &Response) {
        let status = response.status();
        if status.is_provisional() {
            return;
        }
        self.lifetime.updating = None;
        if self.stage != Stage::Up {
            return;
        }
        if status.is_success() {
            self.tries = 0;
            self.whereabouts.accepted();
            self.lifetime.take(response);
            if let Some(dialog) = self.dialogs.first_mut() {
                dialog.refresh(response);
            }
            self.wind_up(cx);
            return self.settle(cx);
        }
        match status {
            // Rule 32.
            StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                let reason = crate::caller::reason(response);
                self.break_off(cx, EndedBy::Peer, Some(status), &reason);
            }
            StatusCode::SESSION_INTERVAL_TOO_SMALL if self.lifetime.raise(response) => self.settle(cx),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                self.lifetime.peer_updates = false;
                self.settle(cx);
            }
            // Rule 41: glare does not end the call.
            StatusCode::REQUEST_PENDING | StatusCode::SERVER_INTERNAL_ERROR if self.tries < MOST_TRIES => {
                let wait = self.glare_wait(cx);
                self.try_again(cx, wait);
            }
            // The session lives for as long as was agreed, and then ends.
            _ => {
                self.lifetime.is_due = false;
                // Where we are may be told by re-INVITE still.
                self.lifetime.peer_updates &= !self.whereabouts.is_news();
                self.settle(cx);
            }
        }
    }

    /// No response came to our UPDATE.
    pub(crate) fn on_update_lost(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        self.lifetime.updating = None;
        match (self.stage, status) {
            (Stage::Up, StatusCode::REQUEST_TIMEOUT) => {
                self.break_off(cx, EndedBy::Network, Some(status), "no answer within the call");
            }
            (Stage::Up, _) if self.whereabouts.is_news() && self.tries < MOST_TRIES => {
                self.try_again(cx, cx.timings.t2);
            }
            _ => {
                self.lifetime.is_due = false;
                self.whereabouts.give_up();
                self.settle(cx);
            }
        }
    }

    /// §7.3: asks for a longer session, as a 422 to our first INVITE wants. False when that was done before.
    pub(crate) fn ask_for_longer(&mut self, cx: &mut Context<'_>, response: &Response) -> bool {
        if self.hanging_up || !self.lifetime.raise(response) {
            return false;
        }
        let (wanted, least) = (self.lifetime.wanted, self.lifetime.least);
        self.invite_again(cx, |invite: &mut Request| {
            if let Some(wanted) = wanted {
                invite.set(HeaderId::SESSION_EXPIRES, wanted)?;
            }
            invite.set(HeaderId::MIN_SE, least)
        })
    }

    /// Sends our first INVITE once more, changed: the same call, the next number, another transaction.
    pub(crate) fn invite_again(
        &mut self,
        cx: &mut Context<'_>,
        change: impl FnOnce(&mut Request) -> Result<(), ringback_message::InvalidValue>,
    ) -> bool {
        let (Some(mut invite), Some(ours)) = (self.invite.clone(), self.ours.clone()) else { return false };
        let number = self.next_cseq();
        let cseq = ringback_message::header::CSeq { number, method: Method::INVITE };
        if change(&mut invite).and_then(|()| invite.set(HeaderId::CSEQ, cseq)).is_err() {
            return false;
        }
        // What was early in the last attempt is gone with it.
        self.dialogs.clear();
        self.invite = Some(invite.clone());
        let tag = self.send(cx, Purpose::Invite, None, *invite);
        self.ours = Some(crate::call::Ours { tag, ..ours });
        true
    }
}
