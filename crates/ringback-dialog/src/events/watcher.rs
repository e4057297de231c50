//! One subscription of a peer to a state of ours (RFC 6665 §4.2).

use super::content::{Content, Package};
use super::context::{Context, Timer};
use super::event::{Standing, WatcherEvent};
use super::reason::{Termination, ends_usage};
use super::served::lifetime;
use super::state;
use crate::dialog::{Dialog, Ends, cseq, from_tag};
use crate::{SendEnd, SendTag, field};
use ringback_message::header::{CSeq, Event, MinExpires, RetryAfter};
use ringback_message::{HeaderId, Method, Request, Response, ResponseBuilder, StatusCode, UriBuf};
use ringback_transaction::ServerKey;
use std::time::{Duration, Instant};

/// The shortest and the longest that a subscriber may have us wait with a notification.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// A SUBSCRIBE that waits for the application.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) key: ServerKey,
    pub(crate) request: Request,
    /// Our Contact on the way that it came.
    pub(crate) contact: UriBuf,
    pub(crate) expires: u32,
}

#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) ends: Ends,
    pub(crate) package: Package,
    id: Option<String>,
    dialog: Dialog,
    cseq: u32,
    asked: Option<Asked>,
    until: Instant,
    standing: Standing,
    /// When the peer should try again after the end, in seconds.
    retry_after: Option<u32>,
    content: Option<Content>,
    sending: Option<SendTag>,
    /// Where the last NOTIFY went.
    sent_to: Option<UriBuf>,
    /// Whether the peer has to be told something that is not on its way.
    behind: bool,
    /// Not to be notified before.
    not_before: Option<Instant>,
    /// Whether the last word is on its way.
    closing: bool,
    told: bool,
    over: bool,
}

impl Watcher {
    pub(crate) fn new(
        package: Package,
        ends: Ends,
        dialog: Dialog,
        id: Option<String>,
        asked: Asked,
        now: Instant,
    ) -> Self {
        Self {
            ends,
            package,
            id,
            dialog,
            cseq: 0,
            until: now,
            asked: Some(asked),
            standing: Standing::Pending,
            retry_after: None,
            content: None,
            sending: None,
            sent_to: None,
            behind: false,
            not_before: None,
            closing: false,
            told: false,
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

    // ---- what the application decides

    /// Accepts, and tells the state at once (§4.2.1.2). Whether there was anything to accept.
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, content: Option<Content>) -> bool {
        let Some(asked) = self.asked.take() else { return false };
        cx.cancel(Timer::Decide, 0);
        self.cseq = cx.entropy.below(1 << 30) as u32;
        let reply = self.reply(&asked.request, &asked.contact, asked.expires);
        let Ok(reply) = reply.copy(&asked.request, HeaderId::RECORD_ROUTE).build() else {
            self.refuse_asked(cx, &asked, StatusCode::SERVER_INTERNAL_ERROR);
            return true;
        };
        cx.answer(asked.key, reply);
        self.standing = Standing::Active;
        self.content = content;
        self.last(cx, asked.expires);
        true
    }

    /// Refuses. Whether there was anything to refuse.
    pub(crate) fn refuse(&mut self, cx: &mut Context<'_>, status: StatusCode) -> bool {
        let Some(asked) = self.asked.take() else { return false };
        self.refuse_asked(cx, &asked, status);
        true
    }

    fn refuse_asked(&mut self, cx: &mut Context<'_>, asked: &Asked, status: StatusCode) {
        if let Ok(reply) = asked.request.reply(status, Some(&self.ends.local_tag)).build() {
            cx.answer(asked.key, reply);
        }
        self.vanish(cx);
    }

    /// Tells the peer that the state is another one. Whether there is anybody to tell.
    pub(crate) fn notify(&mut self, cx: &mut Context<'_>, content: Content) -> bool {
        let is_live = !self.closing && self.asked.is_none();
        if is_live && self.content.as_ref() != Some(&content) {
            self.content = Some(content);
            self.send(cx);
        }
        is_live
    }

    /// Ends it, with a last NOTIFY. Whether it was not at its end already.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, why: Termination, retry_after: Option<u32>) -> bool {
        if self.closing || self.asked.is_some() {
            return self.refuse(cx, StatusCode::TEMPORARILY_UNAVAILABLE);
        }
        if why == Termination::Rejected {
            self.content = None;
        }
        self.standing = Standing::Terminated(why);
        self.retry_after = retry_after;
        self.closing = true;
        self.tell_gone(cx);
        cx.cancel(Timer::Lapse, 0);
        cx.cancel(Timer::Pace, 0);
        self.send(cx);
        true
    }

    /// Tells the peer where we are now.
    pub(crate) fn moved(&mut self, cx: &mut Context<'_>) {
        if self.asked.is_none() && !self.closing {
            self.send(cx);
        }
    }

    // ---- what comes

    /// A SUBSCRIBE in the dialog: it refreshes, or takes back (§4.2.1.4).
    pub(crate) fn on_subscribe(
        &mut self,
        cx: &mut Context<'_>,
        key: ServerKey,
        contact: &UriBuf,
        request: &Request,
    ) {
        let is_theirs = self.dialog.remote_tag.as_deref() == from_tag(request);
        if !is_theirs || self.closing || self.asked.is_some() {
            return cx.respond(key, request, StatusCode::CALL_DOES_NOT_EXIST);
        }
        if !cseq(request).is_some_and(|number| self.dialog.accepts(number)) {
            return cx.respond(key, request, StatusCode::SERVER_INTERNAL_ERROR);
        }
        let event = field::value::<Event<'_>>(request);
        if event.is_none_or(|event| event.value != self.package.name) {
            return cx.respond(key, request, StatusCode::BAD_EVENT);
        }
        // Another id is another subscription (§4.5.1), and those have dialogs of their own here.
        if event.and_then(|event| event.id()) != self.id.as_deref() {
            return cx.respond(key, request, StatusCode::CALL_DOES_NOT_EXIST);
        }
        let Some(seconds) = lifetime(&self.package, request) else {
            let reply = request.reply(StatusCode::INTERVAL_TOO_BRIEF, None);
            if let Ok(reply) = reply.with(MinExpires(self.package.min_expires)).build() {
                cx.answer(key, reply);
            }
            return;
        };
        self.dialog.refresh(request);
        if let Ok(reply) = self.reply(request, contact, seconds).build() {
            cx.answer(key, reply);
            self.last(cx, seconds);
        }
    }

    pub(crate) fn on_response(&mut self, cx: &mut Context<'_>, tag: SendTag, response: &Response) {
        let status = response.status();
        if self.sending != Some(tag) || status.is_provisional() {
            return;
        }
        self.sending = None;
        if status.is_success() {
            self.dialog.refresh(response);
        } else if ends_usage(status) || self.closing && !self.behind {
            return self.vanish(cx);
        } else if let (false, Some(after)) = (self.closing, field::value::<RetryAfter<'_>>(response)) {
            // §4.2.2: whoever says when is told then; else the next state will do.
            self.behind = true;
            let after = Duration::from_secs(after.seconds.into()).clamp(SHORTEST_WAIT, LONGEST_WAIT);
            self.not_before = Some(cx.now + after);
        }
        self.go_on(cx);
    }

    pub(crate) fn on_ended(&mut self, cx: &mut Context<'_>, tag: SendTag, end: SendEnd) {
        if self.sending == Some(tag) && end != SendEnd::Completed {
            self.sending = None;
            match self.sent_to.as_ref() == Some(&self.dialog.remote_target) {
                // §4.2.2: who does not answer is not there any more.
                true => self.vanish(cx),
                // The peer has moved meanwhile, and told us.
                false => self.send(cx),
            }
        }
    }

    // ---- what time brings

    pub(crate) fn on_timer(&mut self, cx: &mut Context<'_>, timer: Timer) {
        match timer {
            Timer::Decide => drop(self.refuse(cx, StatusCode::TEMPORARILY_UNAVAILABLE)),
            Timer::Lapse => drop(self.close(cx, Termination::Timeout, None)),
            Timer::Pace => self.send(cx),
            _ => {}
        }
    }

    // ---- steps

    fn reply(&self, request: &Request, contact: &UriBuf, seconds: u32) -> ResponseBuilder {
        request
            .reply(StatusCode::OK, Some(&self.ends.local_tag))
            .header(HeaderId::CONTACT, format_args!("<{contact}>"))
            .header(HeaderId::EXPIRES, seconds)
    }

    /// It lasts for so many seconds from now; the peer hears the state at once.
    fn last(&mut self, cx: &mut Context<'_>, seconds: u32) {
        self.until = cx.now + Duration::from_secs(seconds.into());
        self.not_before = None;
        if seconds == 0 {
            self.close(cx, Termination::Timeout, None);
        } else {
            cx.set(Timer::Lapse, 0, Duration::from_secs(seconds.into()));
            self.send(cx);
        }
    }

    /// Tells how it stands, one NOTIFY at a time and not faster than the package wants.
    fn send(&mut self, cx: &mut Context<'_>) {
        if self.sending.is_some() {
            self.behind = true;
            return;
        }
        if let Some(at) = self.not_before.filter(|at| *at > cx.now && !self.closing) {
            self.behind = true;
            return cx.set(Timer::Pace, 0, at - cx.now);
        }
        let seconds = match self.closing {
            true => self.retry_after,
            false => {
                let left = self.until.saturating_duration_since(cx.now);
                Some(u32::try_from(left.as_secs()).unwrap_or(u32::MAX))
            }
        };
        let number = self.next_cseq();
        let (hop, notify) = self.dialog.request(&self.ends, Method::NOTIFY, number);
        let event = match &self.id {
            Some(id) => format!("{};id={id}", self.package.name),
            None => self.package.name.clone(),
        };
        let notify = notify
            .header(HeaderId::EVENT, event)
            .header(HeaderId::SUBSCRIPTION_STATE, state::value(&self.standing, seconds));
        let notify = match &self.content {
            Some(content) => notify.body(&content.content_type, content.body.clone()),
            None => notify,
        };
        match notify.build() {
            Ok(notify) => {
                self.behind = false;
                self.not_before = Some(cx.now + self.package.interval);
                self.sent_to = Some(self.dialog.remote_target.clone());
                self.sending = Some(cx.send(Some(hop), notify));
            }
            // Only what the application gave can be at fault: nobody can be told that.
            Err(_) => self.vanish(cx),
        }
    }

    /// A NOTIFY is over.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        if self.behind {
            self.send(cx);
        } else if self.closing {
            self.vanish(cx);
        }
    }

    fn tell_gone(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.told, true) {
            cx.tell_watcher(WatcherEvent::Gone);
        }
    }

    /// Nothing more is said to the peer (rule 32).
    fn vanish(&mut self, cx: &mut Context<'_>) {
        self.closing = true;
        self.over = true;
        cx.forget_tag(&self.ends.local_tag);
        for timer in [Timer::Decide, Timer::Lapse, Timer::Pace] {
            cx.cancel(timer, 0);
        }
        self.tell_gone(cx);
    }
}
