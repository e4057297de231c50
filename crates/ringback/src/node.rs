//! The user agent behind its lock, and who waits for its events.

use crate::account::Registration;
use crate::disturb::MissedCall;
use crate::incoming::{Arrival, ReceivedMessage};
use crate::lamps::Lamps;
use crate::publication::PublicationState;
use ringback_message::{Message, StatusCode};
use ringback_net::{CloseReason, Core, Flow, LocateError, OsEntropy, Outbox, Target, Worker};
use ringback_sansio::{Machine as _, Map};
use ringback_transaction::Key;
use ringback_ua::{
    AccountKey, CallKey, MessageId, PublicationKey, Receipt, ReceiptWish, RequestKey, Subscriber,
    SubscriptionEvent, SubscriptionKey, Token, UaEvent, UaInput, UaOutput, UserAgent, WatcherKey,
};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// How many events of one call may wait for its task, which does little between them.
const EVENTS: usize = 64;

/// What came back for a single request.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) response: Option<ringback_message::Response>,
}

/// One user agent, driven by the network and commanded by the application.
pub(crate) struct Node {
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) ua: UserAgent<OsEntropy>,
    /// Boxed, for a channel has room for 32 as long as it lives.
    pub(crate) calls: Map<CallKey, mpsc::Sender<Box<UaEvent>>>,
    pub(crate) requests: Map<RequestKey, oneshot::Sender<Reply>>,
    pub(crate) accounts: Map<AccountKey, watch::Sender<Registration>>,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) messages: mpsc::Sender<ReceivedMessage>,
    /// Who waits to hear what became of a message.
    pub(crate) receipts: Map<MessageId, mpsc::Sender<Receipt>>,
    /// What senders of messages are being told, and what they are told when they have heard that: requests on their way
    /// together may overtake each other, and "displayed" must not be the first word.
    telling: Map<RequestKey, (ReceiptWish, Option<Receipt>)>,
    /// Whether senders of messages are told that those have come.
    pub(crate) tells_receipts: bool,
    /// Calls that were refused because an account must not be disturbed.
    pub(crate) missed: mpsc::Sender<MissedCall>,
    pub(crate) subscriptions: Map<SubscriptionKey, broadcast::Sender<SubscriptionEvent>>,
    pub(crate) publications: Map<PublicationKey, watch::Sender<PublicationState>>,
    /// Whether each subscription of others is gone.
    pub(crate) watchers: Map<WatcherKey, watch::Sender<bool>>,
    pub(crate) subscribers: mpsc::Sender<(Box<Subscriber>, watch::Receiver<bool>)>,
    pub(crate) lamps: Option<Lamps>,
    /// How many subscriptions of others are not over, with their last words.
    pub(crate) watched: watch::Sender<usize>,
    /// Whether nobody may subscribe any more.
    pub(crate) is_leaving: bool,
}

impl Node {
    pub(crate) fn new(
        ua: UserAgent<OsEntropy>,
        arrivals: mpsc::Sender<Arrival>,
        messages: mpsc::Sender<ReceivedMessage>,
        missed: mpsc::Sender<MissedCall>,
        subscribers: mpsc::Sender<(Box<Subscriber>, watch::Receiver<bool>)>,
        lamps: Option<Lamps>,
    ) -> Self {
        let state = State {
            ua,
            calls: Map::default(),
            requests: Map::default(),
            accounts: Map::default(),
            arrivals,
            messages,
            receipts: Map::default(),
            telling: Map::default(),
            tells_receipts: true,
            missed,
            subscriptions: Map::default(),
            publications: Map::default(),
            watchers: Map::default(),
            subscribers,
            lamps,
            watched: watch::Sender::new(0),
            is_leaving: false,
        };
        Self { state: Mutex::new(state) }
    }

    /// Tells nobody that a message has come.
    pub(crate) fn without_receipts(self) -> Self {
        self.lock().tells_receipts = false;
        self
    }

    /// Runs one command and collects what it wants sent.
    pub(crate) fn with<R>(
        &self,
        now: Instant,
        out: &mut Outbox<Key>,
        command: impl FnOnce(&mut State) -> R,
    ) -> R {
        let mut state = self.lock();
        let result = command(&mut state);
        state.drain(now, out);
        result
    }

    /// A thread that panicked in here has left a state that is still whole between two inputs.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A channel for the events of a call.
    pub(crate) fn follow(&mut self, call: CallKey) -> mpsc::Receiver<Box<UaEvent>> {
        let (sender, receiver) = mpsc::channel(EVENTS);
        self.calls.insert(call, sender);
        receiver
    }

    /// A channel for what happens to a subscription of ours.
    pub(crate) fn watch(&mut self, subscription: SubscriptionKey) -> broadcast::Receiver<SubscriptionEvent> {
        let (sender, receiver) = broadcast::channel(EVENTS);
        self.subscriptions.insert(subscription, sender);
        receiver
    }

    /// Tells the sender of a message what became of it, after what that is being told already.
    pub(crate) fn tell(&mut self, now: Instant, wish: &ReceiptWish, receipt: Receipt) {
        if !wish.wants(receipt) {
            return;
        }
        if let Some((_, next)) = self.telling.values_mut().find(|(told, _)| told == wish) {
            *next = Some(receipt);
            return;
        }
        // Who cannot be told does without.
        if let Ok(Some(request)) = self.ua.tell_receipt(now, wish, receipt) {
            self.telling.insert(request, (wish.clone(), None));
        }
    }

    fn drain(&mut self, now: Instant, out: &mut Outbox<Key>) {
        while let Some(output) = self.ua.poll() {
            match output {
                UaOutput::Transmit { key, to, bytes } => out.send(key, to, bytes),
                UaOutput::Resolve(token, hop) => out.resolve(token.to_bits(), hop),
                UaOutput::Unavailable(to, after) => out.avoid(to, after),
                UaOutput::Keep(flow, every) => out.keep(flow, every),
                UaOutput::Forget(flow) => out.forget(flow),
                UaOutput::Event(event) => self.event(now, event),
            }
        }
        let (_, watched) = self.ua.subscriptions();
        self.watched.send_if_modified(|seen| std::mem::replace(seen, watched) != watched);
    }

    fn event(&mut self, now: Instant, event: UaEvent) {
        self.light(now, &event);
        match event {
            UaEvent::Registered { account, expires } => {
                self.registration(account, Registration::Active { expires });
            }
            UaEvent::RegistrationFailed { account, status, reason, retry_in } => {
                self.registration(account, Registration::Failed { status, reason, retry_in });
            }
            UaEvent::Unregistered { account } => self.registration(account, Registration::Removed),
            UaEvent::Incoming(incoming) => {
                let call = incoming.call;
                let events = self.follow(call);
                if self.arrivals.try_send(Arrival { incoming, events }).is_err() {
                    // Nobody takes calls, or not fast enough.
                    self.calls.remove(&call);
                    let _ = self.ua.reject(now, call, StatusCode::TEMPORARILY_UNAVAILABLE);
                }
            }
            UaEvent::Trying { call }
            | UaEvent::Ringing { call, .. }
            | UaEvent::Redirected { call, .. }
            | UaEvent::EarlyMedia { call, .. }
            | UaEvent::Offered { call, .. }
            | UaEvent::Answered { call, .. }
            | UaEvent::SessionChanged { call, .. }
            | UaEvent::TransferRequested { call, .. }
            | UaEvent::TransferProgress { call, .. }
            | UaEvent::TransferEnded { call, .. }
            | UaEvent::Connected { call, .. }
            | UaEvent::Digit { call, .. }
            | UaEvent::DigitsSent { call, .. }
            | UaEvent::MessageSent { call, .. }
            | UaEvent::ChangeRefused { call, .. } => {
                if let Some(sender) = self.calls.get(&call)
                    && sender.try_send(Box::new(event)).is_err()
                {
                    // Its task is gone, or a peer changes the session faster than anybody can follow.
                    self.calls.remove(&call);
                    let _ = self.ua.hangup(now, call);
                }
            }
            UaEvent::Ended { call, .. } => {
                if let Some(sender) = self.calls.remove(&call) {
                    let _ = sender.try_send(Box::new(event));
                }
            }
            UaEvent::MessageReceived { account: _, from, content_type, body, call, wish } => {
                let call_id = call.and_then(|call| self.ua.call_id(call)).map(str::to_owned);
                let message = ReceivedMessage { from, content_type, body, call_id, wish: wish.clone() };
                // An application that does not read its messages loses the newest.
                let is_delivered = self.messages.try_send(message).is_ok();
                if let Some(wish) = wish.filter(|_| is_delivered && self.tells_receipts) {
                    self.tell(now, &wish, Receipt::Delivered);
                }
            }
            UaEvent::Receipt { message, receipt, .. } => {
                if let Some(sender) = self.receipts.get(&message) {
                    // Who tells the same again and again is not heard to the end.
                    let _ = sender.try_send(receipt);
                }
            }
            UaEvent::TurnedAway(call) => {
                // An application that does not ask misses the newest.
                let _ = self.missed.try_send(MissedCall::new(call));
            }
            UaEvent::Reply { request, status, reason, response } => {
                if let Some((wish, Some(next))) = self.telling.remove(&request) {
                    self.tell(now, &wish, next);
                }
                if let Some(sender) = self.requests.remove(&request) {
                    let _ = sender.send(Reply { status, reason, response });
                }
            }
            UaEvent::Notified { subscription, notification } => {
                self.subscription(subscription, SubscriptionEvent::Notified(notification));
            }
            UaEvent::SubscriptionLapsed { subscription, why, retry_in } => {
                self.subscription(subscription, SubscriptionEvent::Lapsed { why, retry_in });
            }
            UaEvent::SubscriptionEnded { subscription, why } => {
                self.subscription(subscription, SubscriptionEvent::Ended(why));
                self.subscriptions.remove(&subscription);
            }
            UaEvent::SubscriptionRequested(subscriber) => self.subscriber(now, subscriber),
            UaEvent::WatcherGone { watcher } => {
                if let Some(sender) = self.watchers.remove(&watcher) {
                    sender.send_replace(true);
                }
            }
            UaEvent::Published { publication, expires } => {
                self.publication(publication, PublicationState::Active { expires });
            }
            UaEvent::PublicationFailed { publication, status, reason, retry_in } => {
                self.publication(publication, PublicationState::Failed { status, reason, retry_in });
                if retry_in.is_none() {
                    self.publications.remove(&publication);
                }
            }
            UaEvent::Unpublished { publication } => {
                self.publication(publication, PublicationState::Removed);
                self.publications.remove(&publication);
            }
            other => tracing::debug!(?other, "an event that nobody here knows"),
        }
    }

    fn subscription(&self, subscription: SubscriptionKey, event: SubscriptionEvent) {
        if let Some(sender) = self.subscriptions.get(&subscription) {
            // Nobody listens any more when it was dropped.
            let _ = sender.send(event);
        }
    }

    fn subscriber(&mut self, now: Instant, subscriber: Box<Subscriber>) {
        let watcher = subscriber.watcher;
        if self.is_leaving {
            let _ = self.ua.refuse_subscription(now, watcher, StatusCode::TEMPORARILY_UNAVAILABLE);
            return;
        }
        if self.lend(now, &subscriber) {
            return;
        }
        let (sender, receiver) = watch::channel(false);
        self.watchers.insert(watcher, sender);
        if self.subscribers.try_send((subscriber, receiver)).is_err() {
            // Nobody takes subscriptions, or not fast enough.
            let _ = self.ua.refuse_subscription(now, watcher, StatusCode::TEMPORARILY_UNAVAILABLE);
        }
    }

    fn publication(&self, publication: PublicationKey, state: PublicationState) {
        if let Some(sender) = self.publications.get(&publication) {
            sender.send_replace(state);
        }
    }

    fn registration(&mut self, account: AccountKey, state: Registration) {
        if let Some(sender) = self.accounts.get(&account) {
            sender.send_replace(state);
        }
    }
}

impl Core for Node {
    type Tag = Key;

    fn received(&self, now: Instant, flow: Flow, message: Message, out: &mut Outbox<Key>) {
        self.with(now, out, |state| state.ua.handle(now, UaInput::Message(flow, message)));
    }

    fn failed(&self, now: Instant, tag: Key, reason: CloseReason, out: &mut Outbox<Key>) {
        self.with(now, out, |state| state.ua.handle(now, UaInput::Failed(tag, reason)));
    }

    fn resolved(
        &self,
        now: Instant,
        token: u64,
        found: Result<&[Target], LocateError>,
        out: &mut Outbox<Key>,
    ) {
        let input = UaInput::Resolved(Token::from_bits(token), found.map(<[_]>::to_vec));
        self.with(now, out, |state| state.ua.handle(now, input));
    }

    fn closed(&self, now: Instant, flow: Flow, reason: CloseReason, out: &mut Outbox<Key>) {
        self.with(now, out, |state| state.ua.handle(now, UaInput::Closed(flow, reason)));
    }

    fn mapped(&self, _: Instant, flow: Flow, address: SocketAddr, _: &mut Outbox<Key>) {
        if address != flow.local {
            tracing::info!(own = %flow.local, seen = %address, "behind a NAT: the server sees another address");
        }
    }

    fn handle_timeout(&self, now: Instant, _: Worker, out: &mut Outbox<Key>) {
        self.with(now, out, |state| state.ua.handle_timeout(now));
    }

    fn poll_timeout(&self, _: Worker) -> Option<Instant> {
        self.lock().ua.poll_timeout()
    }
}
