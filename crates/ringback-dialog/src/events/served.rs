//! Which SUBSCRIBEs of peers are put before the application, and what the others are answered.

use super::content::Package;
use super::context::Timer;
use super::event::Served;
use super::key::WatcherKey;
use super::table::Subscriptions;
use super::watcher::{Asked, Watcher};
use crate::dialog::{Dialog, Ends};
use crate::field;
use ringback_message::header::{Accept, AllowEvents, CallId, Event, Expires, From, MinExpires, To};
use ringback_message::{HeaderId, Request, ResponseBuilder, StatusCode, UriBuf};
use ringback_sansio::Entropy;
use ringback_transaction::ServerKey;
use std::time::Instant;

impl<E: Entropy> Subscriptions<E> {
    /// Takes a SUBSCRIBE without To tag, which passed the inspection of RFC 3261 §8.2. `contact` is how we are reached over
    /// the flow that it came by. The application accepts or refuses what comes of it within 16·T1, or it is answered 480.
    /// `None` when it was refused: a package that is none of ours (489), a type that it does not carry (406), too short
    /// (423), malformed (400), too many (503).
    pub fn subscribed(
        &mut self,
        now: Instant,
        key: ServerKey,
        contact: UriBuf,
        request: Request,
    ) -> Option<Served> {
        let now = self.clamp(now);
        let tag = self.tag();
        match self.judge(&request, &tag) {
            Ok((package, ends, dialog, id, expires)) => {
                let name = package.name.clone();
                let asked = Asked { key, request, contact, expires };
                let watcher = Watcher::new(package, ends, dialog, id, asked, now);
                let watcher = self.insert_watcher(tag, watcher);
                self.with_watcher(now, watcher, |_, cx| {
                    cx.set(Timer::Decide, 0, cx.timings.t1.saturating_mul(16));
                });
                Some(Served { watcher, package: name, expires })
            }
            Err(reply) => {
                if let Ok(reply) = reply.build() {
                    self.answer(key, reply);
                }
                None
            }
        }
    }

    fn judge(
        &self,
        request: &Request,
        tag: &str,
    ) -> Result<(Package, Ends, Dialog, Option<String>, u32), ResponseBuilder> {
        let refuse = |status| request.reply(status, Some(tag));
        let event = field::value::<Event<'_>>(request);
        let package = event.and_then(|event| self.packages().iter().find(|it| it.name == event.value));
        let (Some(package), Some(event)) = (package, event) else {
            let names = self.packages().iter().map(|package| AllowEvents(&package.name));
            let mut reply = refuse(StatusCode::BAD_EVENT);
            for name in names {
                reply = reply.with(name);
            }
            return Err(reply);
        };
        if !takes(request, &package.content_type) {
            return Err(refuse(StatusCode::NOT_ACCEPTABLE));
        }
        let expires = lifetime(package, request)
            .ok_or_else(|| refuse(StatusCode::INTERVAL_TOO_BRIEF).with(MinExpires(package.min_expires)))?;
        let malformed = |_| refuse(StatusCode::BAD_REQUEST);
        let from = request.require::<From<'_>>().map_err(malformed)?;
        let to = request.require::<To<'_>>().map_err(malformed)?;
        let call_id = request.require::<CallId<'_>>().map_err(malformed)?.0.to_owned();
        let dialog = Dialog::of_request(request).ok_or_else(|| refuse(StatusCode::BAD_REQUEST))?;
        let ends = Ends { call_id, local: to.address(), local_tag: tag.to_owned(), remote: from.address() };
        if self.is_full_for(&ends.remote) {
            return Err(refuse(StatusCode::SERVICE_UNAVAILABLE).header(HeaderId::RETRY_AFTER, 60u8));
        }
        Ok((package.clone(), ends, dialog, event.id().map(str::to_owned), expires))
    }

    /// Accepts a subscription, and tells its state as far as it is known.
    ///
    /// # Errors
    /// [`Gone`](crate::CallError::Gone); [`WrongState`](crate::CallError::WrongState) when it was accepted before.
    pub fn accept(
        &mut self,
        now: Instant,
        key: WatcherKey,
        content: Option<super::Content>,
    ) -> Result<(), crate::CallError> {
        self.watcher_command(now, key, |watcher, cx| watcher.accept(cx, content))
    }

    /// Refuses a subscription with a status of 300 or above.
    ///
    /// # Errors
    /// [`Gone`](crate::CallError::Gone); [`WrongState`](crate::CallError::WrongState) when it was accepted before, or the
    /// status is below 300.
    pub fn refuse(
        &mut self,
        now: Instant,
        key: WatcherKey,
        status: StatusCode,
    ) -> Result<(), crate::CallError> {
        self.watcher_command(now, key, |watcher, cx| status.class() > 2 && watcher.refuse(cx, status))
    }

    /// Tells a watcher that the state is another one, whole. States that follow each other faster than the package wants are
    /// told by the newest.
    ///
    /// # Errors
    /// [`Gone`](crate::CallError::Gone); [`WrongState`](crate::CallError::WrongState) before it was accepted.
    pub fn notify(
        &mut self,
        now: Instant,
        key: WatcherKey,
        content: super::Content,
    ) -> Result<(), crate::CallError> {
        self.watcher_command(now, key, |watcher, cx| watcher.notify(cx, content))
    }

    /// Ends a subscription, with a last NOTIFY that says why, and in how many seconds to try again where that makes sense.
    ///
    /// # Errors
    /// [`Gone`](crate::CallError::Gone); [`WrongState`](crate::CallError::WrongState) when it is ending already.
    pub fn close(
        &mut self,
        now: Instant,
        key: WatcherKey,
        why: super::Termination,
        retry_after: Option<u32>,
    ) -> Result<(), crate::CallError> {
        self.watcher_command(now, key, |watcher, cx| watcher.close(cx, why, retry_after))
    }
}

/// How long a subscription lasts, in seconds (RFC 6665 §4.2.1.1): only ever shorter than what was asked for (rule 39).
/// `None` is too short.
pub(crate) fn lifetime(package: &Package, request: &Request) -> Option<u32> {
    let asked = field::value::<Expires>(request).map_or(package.default_expires, |expires| expires.0);
    (asked == 0 || asked >= package.min_expires).then_some(asked.min(package.max_expires))
}

/// Whether the peer takes this type; who says nothing takes what the package has.
fn takes(request: &Request, content_type: &str) -> bool {
    let Some((kind, subtype)) = content_type.split_once('/') else { return true };
    let mut ranges = request.all::<Accept<'_>>().peekable();
    ranges.peek().is_none() || ranges.flatten().any(|range| range.covers(kind, subtype))
}
