//! One subscription of ours (RFC 6665 §4.1): it is refreshed, and begun anew where the reason for its end allows.

mod notified;

use super::context::{Context, Timer};
use super::event::{SubscriptionEnd, SubscriptionEvent, Wish};
use super::leg::{Leg, refresh_after};
use super::pace::Pace;
use super::reason::{Again, ends_usage};
use crate::dialog::{Dialog, Ends, to_tag};
use crate::{SendEnd, SendTag, caller, field};
use ringback_message::header::{CSeq, Expires, MinExpires, RetryAfter};
use ringback_message::{HeaderId, InvalidValue, Method, Request, RequestBuilder, Response, StatusCode};
use std::time::{Duration, Instant};

/// More notifiers than one request has.
const MOST_LEGS: usize = 16;
/// How often a notifier may ask for a longer subscription before it is taken to be mad.
const MOST_RAISES: u32 = 3;

#[derive(Debug)]
pub(crate) struct Subscription {
    wish: Wish,
    pub(crate) ends: Ends,
    cseq: u32,
    /// How many seconds are asked for.
    asked: u32,
    raises: u32,
    legs: Vec<Leg>,
    /// How many notifiers were heard.
    heard: u32,
    /// Our SUBSCRIBE outside of dialogs that has no final response.
    initial: Option<SendTag>,
    /// What its 2xx said: by whom, for how long, and the dialog that it would make.
    granted: Option<(Option<String>, u32, Option<Dialog>)>,
    /// When it began, this time.
    begun: Instant,
    /// Whether any NOTIFY ever came.
    established: bool,
    /// How the last notifier went while others may still come.
    outcome: Option<(SubscriptionEnd, Again)>,
    pace: Pace,
    /// Whether it waits to begin anew.
    waits: bool,
    leaving: bool,
    over: bool,
}

impl Subscription {
    pub(crate) fn new(wish: Wish, now: Instant) -> Self {
        let ends = Ends {
            call_id: String::new(),
            local: wish.from.clone(),
            local_tag: String::new(),
            remote: wish.to.clone(),
        };
        Self {
            asked: wish.expires,
            wish,
            ends,
            cseq: 0,
            raises: 0,
            legs: Vec::new(),
            heard: 0,
            initial: None,
            granted: None,
            begun: now,
            established: false,
            outcome: None,
            pace: Pace::default(),
            waits: false,
            leaving: false,
            over: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.cseq = CSeq::next_number(self.cseq);
        self.cseq
    }

    /// Subscribes outside of any dialog: what was before counts no more.
    pub(crate) fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), InvalidValue> {
        cx.forget_tag(&self.ends.local_tag);
        self.ends.call_id = format!("{:016x}{:016x}", cx.entropy.next_u64(), cx.entropy.next_u64());
        self.ends.local_tag = cx.new_tag();
        // RFC 3261 §8.1.1.5: arbitrary and below 2^31.
        self.cseq = cx.entropy.below(1 << 30) as u32;
        self.begun = cx.now;
        (self.raises, self.granted, self.outcome, self.waits) = (0, None, None, false);
        self.ask(cx)
    }

    fn ask(&mut self, cx: &mut Context<'_>) -> Result<(), InvalidValue> {
        let number = self.next_cseq();
        let target = &self.wish.target;
        let uri = target.as_sip().map_or(target.as_str(), |sip| sip.without_headers());
        let mut request = Request::builder(Method::SUBSCRIBE, uri).header(HeaderId::MAX_FORWARDS, 70u8);
        for route in &self.wish.routes {
            request = request.header(HeaderId::ROUTE, route.as_str());
        }
        let request = request
            .header(HeaderId::FROM, format_args!("{};tag={}", self.ends.local, self.ends.local_tag))
            .header(HeaderId::TO, self.ends.remote.as_str())
            .header(HeaderId::CALL_ID, self.ends.call_id.as_str())
            .header(HeaderId::CSEQ, CSeq { number, method: Method::SUBSCRIBE });
        let request = self.describe(request, self.asked).build()?;
        self.initial = Some(cx.send(None, request));
        self.wait_for_notify(cx);
        Ok(())
    }

    fn describe(&self, request: RequestBuilder, seconds: u32) -> RequestBuilder {
        let request =
            request.header(HeaderId::EVENT, self.wish.package.as_str()).header(HeaderId::EXPIRES, seconds);
        match self.wish.accept.is_empty() {
            true => request,
            false => request.header(HeaderId::ACCEPT, self.wish.accept.as_str()),
        }
    }

    fn wait_for_notify(&self, cx: &mut Context<'_>) {
        // Timer N (§4.1.2.4).
        cx.set(Timer::First, 0, cx.timings.timeout());
    }

    /// A request is sent once more, with credentials: Timer N counts anew.
    pub(crate) fn sent_again(&mut self, cx: &mut Context<'_>, tag: SendTag) {
        if self.initial == Some(tag) && self.legs.is_empty() {
            self.begun = cx.now;
            self.wait_for_notify(cx);
        } else if let Some(leg) = self.legs.iter().find(|leg| leg.sending == Some(tag)) {
            cx.set(Timer::Silence, leg.number, cx.timings.timeout());
        }
    }

    /// Takes it back.
    pub(crate) fn leave(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        if self.waits {
            return self.finish(cx, SubscriptionEnd::Unsubscribed);
        }
        for at in (0..self.legs.len()).rev() {
            cx.cancel(Timer::Refresh, self.legs[at].number);
            if self.legs[at].sending.is_none() {
                self.refresh(cx, at);
            }
        }
        // Where no notifier is known yet it is taken back from the first that tells something (§4.1.2.3).
    }

    /// Tells all notifiers where we are now.
    pub(crate) fn moved(&mut self, cx: &mut Context<'_>) {
        for at in (0..self.legs.len()).rev() {
            if self.legs[at].sending.is_none() {
                self.refresh(cx, at);
            }
        }
    }

    /// Asks a notifier to go on, or to stop (§4.1.2.2, §4.1.2.3).
    fn refresh(&mut self, cx: &mut Context<'_>, at: usize) {
        let seconds = if self.leaving { 0 } else { self.asked };
        let number = self.next_cseq();
        let (hop, request) = self.legs[at].dialog.request(&self.ends, Method::SUBSCRIBE, number);
        // What came from the peer was read, so it can be written; if not, the subscription runs out.
        let Ok(request) = self.describe(request, seconds).build() else { return };
        let leg = &mut self.legs[at];
        leg.left = self.leaving;
        leg.sent_to = Some(leg.dialog.remote_target.clone());
        leg.sending = Some(cx.send(Some(hop), request));
        cx.set(Timer::Silence, leg.number, cx.timings.timeout());
    }

    // ---- what comes

    pub(crate) fn on_response(&mut self, cx: &mut Context<'_>, tag: SendTag, response: &Response) {
        if response.status().is_provisional() {
        } else if self.initial == Some(tag) {
            self.initial = None;
            self.on_answer(cx, response);
        } else if let Some(at) = self.legs.iter().position(|leg| leg.sending == Some(tag)) {
            self.legs[at].sending = None;
            self.on_refresh_answer(cx, at, response);
        }
    }

    pub(crate) fn on_ended(&mut self, cx: &mut Context<'_>, tag: SendTag, end: SendEnd) {
        let (status, reason) = match end {
            SendEnd::Completed => return,
            SendEnd::TimedOut => (StatusCode::REQUEST_TIMEOUT, "no answer"),
            SendEnd::Unreachable => (StatusCode::SERVICE_UNAVAILABLE, "cannot be reached"),
        };
        let why = SubscriptionEnd::Refused(status, reason.to_owned());
        if self.initial == Some(tag) {
            self.initial = None;
            self.not_accepted(cx, why, Again::Later);
        } else if let Some(at) = self.legs.iter().position(|leg| leg.sending == Some(tag)) {
            let leg = &mut self.legs[at];
            leg.sending = None;
            if leg.sent_to.as_ref() != Some(&leg.dialog.remote_target) {
                // The notifier has moved meanwhile, and told us.
                return self.refresh(cx, at);
            }
            match ends_usage(status) {
                true => self.end_leg(cx, at, why, Again::Later),
                false => self.put_off(cx, at),
            }
        }
    }

    fn on_answer(&mut self, cx: &mut Context<'_>, response: &Response) {
        let status = response.status();
        if status.is_success() {
            let seconds = self.granted_by(response);
            let by = to_tag(response).map(str::to_owned);
            for at in (0..self.legs.len()).rev() {
                if self.legs[at].dialog.remote_tag == by {
                    self.grant(cx, at, seconds);
                }
            }
            let dialog = Dialog::of_response(response);
            self.granted = Some((by, seconds, dialog));
            if let (true, Some((why, again))) = (self.legs.is_empty(), self.outcome.take()) {
                self.settle(cx, why, again);
            }
            return;
        }
        if self.raise(status, response) && self.ask(cx).is_ok() {
            return;
        }
        let why = SubscriptionEnd::Refused(status, caller::reason(response));
        self.not_accepted(cx, why, Again::after_status(status, retry_after(response)));
    }

    /// Our SUBSCRIBE outside of dialogs failed; a notifier may have told something all the same.
    fn not_accepted(&mut self, cx: &mut Context<'_>, why: SubscriptionEnd, again: Again) {
        if self.legs.is_empty() {
            let (why, again) = self.outcome.take().unwrap_or((why, again));
            self.settle(cx, why, again);
        }
    }

    fn on_refresh_answer(&mut self, cx: &mut Context<'_>, at: usize, response: &Response) {
        let status = response.status();
        let leg = &mut self.legs[at];
        if status.is_success() {
            leg.dialog.refresh(response);
            if status == StatusCode::NO_NOTIFICATION {
                cx.cancel(Timer::Silence, leg.number);
            }
            if !leg.left {
                let seconds = self.granted_by(response);
                self.grant(cx, at, seconds);
                if self.leaving {
                    self.refresh(cx, at);
                }
            }
        } else if !leg.left && self.raise(status, response) {
            self.refresh(cx, at);
        } else if ends_usage(status) {
            let why = SubscriptionEnd::Refused(status, caller::reason(response));
            self.end_leg(cx, at, why, Again::after_status(status, retry_after(response)));
        } else {
            self.put_off(cx, at);
        }
    }

    /// A refresh failed in a way that may pass: what was granted before still holds (§4.1.2.2).
    fn put_off(&mut self, cx: &mut Context<'_>, at: usize) {
        let leg = &self.legs[at];
        cx.cancel(Timer::Silence, leg.number);
        if leg.left {
            self.end_leg(cx, at, SubscriptionEnd::Unsubscribed, Again::Never);
        } else if self.leaving {
            self.refresh(cx, at);
        } else {
            let left = leg.until.saturating_duration_since(cx.now);
            if left > Duration::from_secs(10) {
                cx.set(Timer::Refresh, leg.number, left / 2);
            }
        }
    }

    /// 423: whether it says how long is long enough.
    fn raise(&mut self, status: StatusCode, response: &Response) -> bool {
        let least = field::value::<MinExpires>(response).map(|least| least.0);
        match least {
            Some(least)
                if status == StatusCode::INTERVAL_TOO_BRIEF
                    && self.asked != 0
                    && least > self.asked
                    && self.raises < MOST_RAISES =>
            {
                self.asked = least;
                self.raises += 1;
                true
            }
            _ => false,
        }
    }

    /// Rule 39: what a notifier grants is never longer than what was asked for.
    fn granted_by(&self, response: &Response) -> u32 {
        field::value::<Expires>(response).map_or(self.asked, |told| told.0.min(self.asked))
    }

    fn grant(&mut self, cx: &mut Context<'_>, at: usize, seconds: u32) {
        let leg = &mut self.legs[at];
        if self.asked == 0 {
            // It was asked once, and the last word is to come.
            return cx.set(Timer::Expire, leg.number, cx.timings.timeout());
        }
        let lasts = Duration::from_secs(seconds.max(1).into());
        leg.until = cx.now + lasts;
        cx.set(Timer::Expire, leg.number, lasts);
        if !self.leaving && leg.sending.is_none() {
            let after = refresh_after(seconds, cx.entropy);
            cx.set(Timer::Refresh, leg.number, after);
        }
    }

    // ---- what time brings

    pub(crate) fn on_timer(&mut self, cx: &mut Context<'_>, timer: Timer, number: u32) {
        let at = self.legs.iter().position(|leg| leg.number == number);
        match (timer, at) {
            // It could be written before, so it can be now.
            (Timer::Again, _) => drop(self.begin(cx)),
            (Timer::First, _) if self.legs.is_empty() => {
                self.initial = None;
                self.settle(cx, SubscriptionEnd::Silent, Again::Later);
            }
            (Timer::Refresh, Some(at)) if self.legs[at].sending.is_none() => self.refresh(cx, at),
            (Timer::Silence, Some(at)) => self.end_leg(cx, at, SubscriptionEnd::Silent, Again::Later),
            (Timer::Expire, Some(at)) => self.end_leg(cx, at, SubscriptionEnd::Expired, Again::AtOnce),
            _ => {}
        }
    }

    // ---- the end

    /// Rule 32: one notifier is gone, and nothing else.
    fn end_leg(&mut self, cx: &mut Context<'_>, at: usize, why: SubscriptionEnd, again: Again) {
        let leg = self.legs.swap_remove(at);
        for timer in [Timer::Refresh, Timer::Silence, Timer::Expire] {
            cx.cancel(timer, leg.number);
        }
        if !self.legs.is_empty() {
        } else if self.wish.takes_forks && self.initial.is_some() {
            // Others may still tell something.
            self.outcome = Some((why, again));
            cx.set(Timer::First, 0, cx.timings.timeout());
        } else {
            self.settle(cx, why, again);
        }
    }

    /// Nobody is left who tells anything: begins anew, or ends.
    fn settle(&mut self, cx: &mut Context<'_>, why: SubscriptionEnd, again: Again) {
        cx.cancel(Timer::First, 0);
        if self.leaving {
            return self.finish(cx, SubscriptionEnd::Unsubscribed);
        }
        let may_begin = self.established && self.wish.expires != 0;
        let wait = self.pace.next(cx.now, self.begun, again, cx.entropy).filter(|_| may_begin);
        let Some(retry_in) = wait else { return self.finish(cx, why) };
        cx.forget_tag(&self.ends.local_tag);
        self.waits = true;
        self.initial = None;
        cx.set(Timer::Again, 0, retry_in);
        cx.tell_subscription(SubscriptionEvent::Lapsed { why, retry_in });
    }

    fn finish(&mut self, cx: &mut Context<'_>, why: SubscriptionEnd) {
        cx.forget_tag(&self.ends.local_tag);
        cx.cancel(Timer::First, 0);
        cx.cancel(Timer::Again, 0);
        if !std::mem::replace(&mut self.over, true) {
            cx.tell_subscription(SubscriptionEvent::Ended(why));
        }
    }
}

fn retry_after(response: &Response) -> Option<u32> {
    field::value::<RetryAfter<'_>>(response).map(|after| after.seconds)
}
