//! All subscriptions of one user agent: the tables, the commands, and who is meant by a message.

use super::content::Package;
use super::context::{Context, Timer};
use super::event::{EventsInput, EventsOutput, Usage, Wish};
use super::key::{SubscriptionKey, WatcherKey};
use super::subscription::Subscription;
use super::watcher::Watcher;
use crate::dialog::to_tag;
use crate::{CallError, SendEnd, SendTag};
use ringback_message::header::{CSeq, CallId};
use ringback_message::{HeaderId, InvalidValue, Method, Request, Response, StatusCode, UriBuf};
use ringback_sansio::{Entropy, Machine, Map, Slab, TimerQueue};
use ringback_transaction::{ServerKey, Timings};
use std::collections::VecDeque;
use std::time::Instant;

/// How subscriptions are set up.
#[derive(Clone, Debug)]
pub struct EventsConfig {
    /// Timer values, the same as those of the transaction layer.
    pub timings: Timings,
    /// What peers may subscribe to; a SUBSCRIBE for anything else is answered 489.
    pub packages: Vec<Package>,
    /// At most so many subscriptions of peers; a further one is answered 503.
    pub max_watchers: usize,
    /// At most so many of one peer, by its From.
    pub max_of_one: usize,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { timings: Timings::default(), packages: Vec::new(), max_watchers: 1_000, max_of_one: 16 }
    }
}

/// All subscriptions of one user agent, its own and those of peers.
///
/// It never touches the transaction layer, as [`Calls`](crate::Calls) does not. A subscription of ours begins with
/// [`subscribe`](Self::subscribe) and ends with exactly one [`SubscriptionEvent::Ended`](super::SubscriptionEvent::Ended);
/// one of a peer comes in through [`subscribed`](Self::subscribed) and ends with exactly one [`WatcherEvent::Gone`](super::WatcherEvent::Gone).
pub struct Subscriptions<E> {
    config: EventsConfig,
    entropy: E,
    own: Slab<Subscription>,
    watchers: Slab<Watcher>,
    /// By our own tag, which is random: a peer can neither guess nor choose it.
    by_tag: Map<String, Usage>,
    senders: Map<SendTag, Usage>,
    timers: TimerQueue<(Usage, Timer, u32)>,
    outputs: VecDeque<EventsOutput>,
    serial: u64,
    now: Option<Instant>,
}

impl<E: Entropy> Subscriptions<E> {
    /// No subscriptions yet.
    pub fn new(config: EventsConfig, entropy: E) -> Self {
        Self {
            config,
            entropy,
            own: Slab::new(),
            watchers: Slab::new(),
            by_tag: Map::default(),
            senders: Map::default(),
            timers: TimerQueue::new(),
            outputs: VecDeque::new(),
            serial: 0,
            now: None,
        }
    }

    /// Subscribes, and stays subscribed until [`unsubscribe`](Self::unsubscribe): it is refreshed in time, and begun anew
    /// where the reason for its end allows that (RFC 6665 §4.1.3), ever more slowly when that happens often. Only a
    /// subscription that never was notified ends with its first failure.
    ///
    /// # Errors
    /// When a value cannot stand in a message.
    pub fn subscribe(&mut self, now: Instant, wish: Wish) -> Result<SubscriptionKey, InvalidValue> {
        let now = self.clamp(now);
        let key = SubscriptionKey(self.own.insert(Subscription::new(wish, now)));
        let begun = self.with_own(now, key, |subscription, cx| {
            subscription.begin(cx).inspect_err(|_| cx.forget_tag(&subscription.ends.local_tag))
        });
        match begun {
            Some(Err(error)) => {
                self.own.remove(key.0);
                Err(error)
            }
            _ => Ok(key),
        }
    }

    /// Takes a subscription back. [`SubscriptionEvent::Ended`](super::SubscriptionEvent::Ended) follows when the notifier
    /// knows of it, or 64·T1 later.
    ///
    /// # Errors
    /// [`CallError::Gone`].
    pub fn unsubscribe(&mut self, now: Instant, key: SubscriptionKey) -> Result<(), CallError> {
        let now = self.clamp(now);
        self.with_own(now, key, Subscription::leave).ok_or(CallError::Gone)
    }

    /// Our address is another one: tells all peers, in the dialogs that there are.
    pub fn moved(&mut self, now: Instant) {
        let now = self.clamp(now);
        let (own, watchers): (Vec<_>, Vec<_>) = (self.own.keys().collect(), self.watchers.keys().collect());
        for key in own {
            self.with_own(now, SubscriptionKey(key), Subscription::moved);
        }
        for key in watchers {
            self.with_watcher(now, WatcherKey(key), Watcher::moved);
        }
    }

    /// Whether a request inside of a dialog is for a subscription.
    pub fn knows(&self, request: &Request) -> bool {
        self.find(request).is_some()
    }

    /// Whether a subscription of ours is not over.
    pub fn has(&self, key: SubscriptionKey) -> bool {
        self.own.contains(key.0)
    }

    /// Whether a subscription of a peer is not over, or its last words are still on their way.
    pub fn has_watcher(&self, key: WatcherKey) -> bool {
        self.watchers.contains(key.0)
    }

    /// What peers may subscribe to.
    pub fn packages(&self) -> &[Package] {
        &self.config.packages
    }

    /// Gives a request that is sent again with credentials the next number of its dialog (rule 24).
    pub fn renumber(&mut self, tag: SendTag, request: &mut Request) {
        let now = self.now;
        let number = match (self.senders.get(&tag).copied(), now) {
            (Some(Usage::Subscription(key)), Some(now)) => self.with_own(now, key, |subscription, cx| {
                subscription.sent_again(cx, tag);
                subscription.next_cseq()
            }),
            (Some(Usage::Watcher(key)), Some(now)) => {
                self.with_watcher(now, key, |watcher, _| watcher.next_cseq())
            }
            _ => None,
        };
        let number = number.or_else(|| crate::dialog::cseq(request).map(CSeq::next_number));
        if let Some(number) = number {
            let cseq = CSeq { number, method: request.method().clone() };
            // A number of at most ten digits has taken the place of another before.
            let _ = request.set(HeaderId::CSEQ, cseq);
        }
    }

    /// How many subscriptions there are: ours, and those of peers.
    pub fn len(&self) -> (usize, usize) {
        (self.own.len(), self.watchers.len())
    }

    /// Whether nothing is left of any subscription.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
            && self.watchers.is_empty()
            && self.by_tag.is_empty()
            && self.senders.is_empty()
            && self.timers.is_empty()
    }

    pub(crate) fn tag(&mut self) -> String {
        format!("{:016x}", self.entropy.next_u64())
    }

    pub(crate) fn insert_watcher(&mut self, tag: String, watcher: Watcher) -> WatcherKey {
        let key = WatcherKey(self.watchers.insert(watcher));
        self.by_tag.insert(tag, Usage::Watcher(key));
        key
    }

    /// Whether this peer, or all of them, have as many subscriptions as they may.
    pub(crate) fn is_full_for(&self, remote: &str) -> bool {
        let is_theirs = |(_, watcher): &(_, &Watcher)| watcher.ends.remote == remote;
        self.watchers.len() >= self.config.max_watchers
            || self.watchers.iter().filter(is_theirs).count() >= self.config.max_of_one
    }

    pub(crate) fn answer(&mut self, key: ServerKey, response: Response) {
        self.outputs.push_back(EventsOutput::Respond(key, response));
    }

    pub(crate) fn watcher_command(
        &mut self,
        now: Instant,
        key: WatcherKey,
        act: impl FnOnce(&mut Watcher, &mut Context<'_>) -> bool,
    ) -> Result<(), CallError> {
        let now = self.clamp(now);
        match self.with_watcher(now, key, act) {
            Some(true) => Ok(()),
            Some(false) => Err(CallError::WrongState),
            None => Err(CallError::Gone),
        }
    }

    fn with_own<R>(
        &mut self,
        now: Instant,
        key: SubscriptionKey,
        act: impl FnOnce(&mut Subscription, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let subscription = self.own.get_mut(key.0)?;
        let mut cx = Context {
            now,
            timings: &self.config.timings,
            entropy: &mut self.entropy,
            usage: Usage::Subscription(key),
            outputs: &mut self.outputs,
            timers: &mut self.timers,
            senders: &mut self.senders,
            by_tag: &mut self.by_tag,
            serial: &mut self.serial,
        };
        let result = act(subscription, &mut cx);
        if subscription.is_over() {
            self.own.remove(key.0);
        }
        Some(result)
    }

    pub(crate) fn with_watcher<R>(
        &mut self,
        now: Instant,
        key: WatcherKey,
        act: impl FnOnce(&mut Watcher, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let watcher = self.watchers.get_mut(key.0)?;
        let mut cx = Context {
            now,
            timings: &self.config.timings,
            entropy: &mut self.entropy,
            usage: Usage::Watcher(key),
            outputs: &mut self.outputs,
            timers: &mut self.timers,
            senders: &mut self.senders,
            by_tag: &mut self.by_tag,
            serial: &mut self.serial,
        };
        let result = act(watcher, &mut cx);
        if watcher.is_over() {
            self.watchers.remove(key.0);
        }
        Some(result)
    }

    /// The subscription whose tag of ours this is, if the Call-ID is right too.
    fn find(&self, request: &Request) -> Option<Usage> {
        let usage = *self.by_tag.get(to_tag(request)?)?;
        let ends = match usage {
            Usage::Subscription(key) => &self.own.get(key.0)?.ends,
            Usage::Watcher(key) => &self.watchers.get(key.0)?.ends,
        };
        let call_id = request.first::<CallId<'_>>()?.ok()?.0;
        (ends.call_id == call_id).then_some(usage)
    }

    fn on_request(&mut self, now: Instant, key: ServerKey, contact: &UriBuf, request: &Request) {
        let status = match (self.find(request), request.method()) {
            (Some(Usage::Subscription(usage)), &Method::NOTIFY) => {
                self.with_own(now, usage, |subscription, cx| subscription.on_notify(cx, key, request));
                return;
            }
            (Some(Usage::Watcher(usage)), &Method::SUBSCRIBE) => {
                self.with_watcher(now, usage, |watcher, cx| watcher.on_subscribe(cx, key, contact, request));
                return;
            }
            // Each subscription has a dialog of its own here.
            (Some(_), _) => StatusCode::FORBIDDEN,
            // Rule 23.
            (None, _) => StatusCode::CALL_DOES_NOT_EXIST,
        };
        if let Ok(response) = request.reply(status, None).build() {
            self.answer(key, response);
        }
    }

    fn on_response(&mut self, now: Instant, tag: SendTag, response: &Response) {
        match self.senders.get(&tag).copied() {
            Some(Usage::Subscription(key)) => {
                self.with_own(now, key, |subscription, cx| subscription.on_response(cx, tag, response));
            }
            Some(Usage::Watcher(key)) => {
                self.with_watcher(now, key, |watcher, cx| watcher.on_response(cx, tag, response));
            }
            None => {}
        }
    }

    fn on_ended(&mut self, now: Instant, tag: SendTag, end: SendEnd) {
        match self.senders.remove(&tag) {
            Some(Usage::Subscription(key)) => {
                self.with_own(now, key, |subscription, cx| subscription.on_ended(cx, tag, end));
            }
            Some(Usage::Watcher(key)) => {
                self.with_watcher(now, key, |watcher, cx| watcher.on_ended(cx, tag, end));
            }
            None => {}
        }
    }

    /// An earlier `now` than one already seen is treated as that one.
    pub(crate) fn clamp(&mut self, now: Instant) -> Instant {
        let now = self.now.map_or(now, |seen| seen.max(now));
        self.now = Some(now);
        now
    }
}

impl<E: Entropy> Machine for Subscriptions<E> {
    type Input = EventsInput;
    type Output = EventsOutput;

    fn handle(&mut self, now: Instant, input: EventsInput) {
        let now = self.clamp(now);
        match input {
            EventsInput::Request { key, contact, request } => self.on_request(now, key, &contact, &request),
            EventsInput::Response(tag, response) => self.on_response(now, tag, &response),
            EventsInput::Ended(tag, end) => self.on_ended(now, tag, end),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.clamp(now);
        while let Some((usage, timer, number)) = self.timers.pop_expired(now) {
            match usage {
                Usage::Subscription(key) => {
                    self.with_own(now, key, |subscription, cx| subscription.on_timer(cx, timer, number));
                }
                Usage::Watcher(key) => {
                    self.with_watcher(now, key, |watcher, cx| watcher.on_timer(cx, timer));
                }
            }
        }
    }

    fn poll(&mut self) -> Option<EventsOutput> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl<E> std::fmt::Debug for Subscriptions<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (own, watchers) = (self.own.len(), self.watchers.len());
        write!(f, "Subscriptions {{ own: {own}, watchers: {watchers} }}")
    }
}
