//! What notifiers tell: which NOTIFY is one of a subscription of ours, and of whom.

use super::{MOST_LEGS, Subscription};
use crate::dialog::{Dialog, from_tag};
use crate::events::content::Content;
use crate::events::context::{Context, Timer};
use crate::events::event::{Notification, Standing, SubscriptionEnd, SubscriptionEvent};
use crate::events::leg::Leg;
use crate::events::state::{Told, told};
use crate::field;
use ringback_message::header::Event;
use ringback_message::{HeaderId, Request, StatusCode};
use ringback_transaction::ServerKey;

impl Subscription {
    /// A NOTIFY with our tag in To. It may come before the answer to our SUBSCRIBE, and from several (rule 39).
    pub(crate) fn on_notify(&mut self, cx: &mut Context<'_>, key: ServerKey, notify: &Request) {
        let (at, told) = match self.admit(cx, notify) {
            Ok(admitted) => admitted,
            Err(status) => return cx.respond(key, notify, status),
        };
        cx.respond(key, notify, StatusCode::OK);
        cx.cancel(Timer::First, 0);
        self.established = true;
        let leg = &mut self.legs[at];
        leg.dialog.refresh(notify);
        cx.cancel(Timer::Silence, leg.number);
        let content = content(notify);
        let notification = Notification { notifier: leg.number, standing: told.standing.clone(), content };
        cx.tell_subscription(SubscriptionEvent::Notified(notification));
        if let Standing::Terminated(reason) = told.standing {
            let again = reason.again(told.retry_after);
            return self.end_leg(cx, at, SubscriptionEnd::Terminated(reason), again);
        }
        if let Some(seconds) = told.expires {
            self.grant(cx, at, seconds.min(self.asked));
        }
        if self.leaving && self.legs[at].sending.is_none() && !self.legs[at].left {
            self.refresh(cx, at);
        }
    }

    /// Whether a NOTIFY is one of this subscription, and of which notifier.
    fn admit(&mut self, cx: &mut Context<'_>, notify: &Request) -> Result<(usize, Told), StatusCode> {
        let event: Event<'_> = field::value(notify).ok_or(StatusCode::BAD_REQUEST)?;
        // §8.2.1: compared byte by byte. We ask without an id.
        if event.value != self.wish.package {
            return Err(StatusCode::BAD_EVENT);
        }
        if event.id().is_some() {
            return Err(StatusCode::CALL_DOES_NOT_EXIST);
        }
        let told = told(notify).ok_or(StatusCode::BAD_REQUEST)?;
        let by = from_tag(notify);
        if let Some(at) = self.legs.iter().position(|leg| leg.dialog.remote_tag.as_deref() == by) {
            let number = crate::dialog::cseq(notify).ok_or(StatusCode::BAD_REQUEST)?;
            return match self.legs[at].dialog.accepts(number) {
                true => Ok((at, told)),
                false => Err(StatusCode::SERVER_INTERNAL_ERROR),
            };
        }
        let is_late = cx.now > self.begun + cx.timings.timeout();
        let may_come = match self.legs.is_empty() {
            true => !self.waits,
            false => self.wish.takes_forks && self.legs.len() < MOST_LEGS && !is_late,
        };
        if !may_come {
            return Err(StatusCode::CALL_DOES_NOT_EXIST);
        }
        let mut dialog = Dialog::of_request(notify).ok_or(StatusCode::BAD_REQUEST)?;
        let mut seconds = self.asked;
        if let Some((tag, granted, made)) = &self.granted
            && tag.as_deref() == by
        {
            seconds = *granted;
            // Proxies of RFC 3265 put themselves on the way of the SUBSCRIBE only.
            if let (true, Some(made)) = (dialog.route_set.is_empty(), made) {
                dialog.route_set.clone_from(&made.route_set);
            }
        }
        let number = self.heard;
        self.heard = self.heard.wrapping_add(1);
        self.legs.push(Leg { number, dialog, sending: None, sent_to: None, left: false, until: cx.now });
        let at = self.legs.len() - 1;
        self.grant(cx, at, seconds);
        Ok((at, told))
    }
}

fn content(notify: &Request) -> Option<Content> {
    if notify.body().is_empty() {
        return None;
    }
    let content_type = notify.values(HeaderId::CONTENT_TYPE).next().map(String::from_utf8_lossy);
    Some(Content::new(content_type.unwrap_or_default(), notify.body().clone()))
}
