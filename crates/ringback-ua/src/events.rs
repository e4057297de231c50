//! Subscriptions: the commands of the application, and where the machine of the dialog layer meets the rest.

use crate::agent::{Hop, UserAgent, bare};
use crate::inspect::{from_address, to_address};
use crate::outgoing::Purpose;
use crate::{AccountKey, CallKey, CommandError, UaEvent};
use ringback_dialog::{
    Content, EventsInput, EventsOutput, Served, SubscriptionEvent, SubscriptionKey, Termination, Usage,
    WatcherEvent, WatcherKey, Wish,
};
use ringback_message::header::AllowEvents;
use ringback_message::{Method, Request, ResponseBuilder, StatusCode, UriBuf};
use ringback_sansio::{Entropy, Machine};
use ringback_transaction::ServerKey;
use std::time::{Duration, Instant};

/// What a subscription is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The event package: `message-summary`.
    pub package: String,
    /// The types that may come: the value of Accept. Empty leaves it to the package.
    pub accept: String,
    /// How long to ask for at a time, in seconds; 0 asks once.
    pub expires: u32,
    /// Whether several may tell, when the request forks (RFC 6665 §5.4.9).
    pub takes_forks: bool,
}

impl Interest {
    /// In a package, for an hour at a time. Only `dialog` has several who may tell (RFC 4235 §3.9).
    pub fn new(package: impl Into<String>) -> Self {
        let package = package.into();
        Self { takes_forks: package == "dialog", package, accept: String::new(), expires: 3_600 }
    }
}

/// A subscription that a peer asks for.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// To accept or refuse it by.
    pub watcher: WatcherKey,
    /// Whose state it is about.
    pub account: AccountKey,
    /// What From says, without tag.
    pub from: String,
    /// What To says.
    pub to: String,
    /// The event package, one of [`UaConfig::packages`](crate::UaConfig::packages).
    pub package: String,
    /// How long it will last unless it is refreshed; 0 asks once.
    pub expires: Duration,
    /// The call of ours that the peer knows, by which it may be known (Target-Dialog, RFC 4538).
    pub call: Option<CallKey>,
    /// The SUBSCRIBE, for all else that it says.
    pub request: Request,
}

impl<E: Entropy> UserAgent<E> {
    /// Subscribes to a state of somebody, and stays subscribed until [`unsubscribe`](Self::unsubscribe). What is told comes as
    /// [`Notified`](UaEvent::Notified), and one [`SubscriptionEnded`](UaEvent::SubscriptionEnded) at the end.
    ///
    /// # Errors
    /// When the account is gone, or target or interest cannot be written.
    pub fn subscribe(
        &mut self,
        now: Instant,
        account: AccountKey,
        target: &UriBuf,
        interest: Interest,
    ) -> Result<SubscriptionKey, CommandError> {
        let now = self.clamp(now);
        let known = self.accounts.get(account.0).ok_or(CommandError::Gone)?;
        if target.as_sip().is_none() && known.account.outbound.is_none() {
            return Err(CommandError::NotSip);
        }
        let Interest { package, accept, expires, takes_forks } = interest;
        let wish = Wish {
            target: target.clone(),
            from: known.account.from(),
            to: format!("<{}>", bare(target)),
            routes: known.routes(),
            package,
            accept,
            expires,
            takes_forks,
        };
        let key = self.events.subscribe(now, wish)?;
        self.usages.insert(Usage::Subscription(key), account);
        self.pump(now);
        Ok(key)
    }

    /// Takes a subscription back.
    ///
    /// # Errors
    /// [`CommandError::Gone`] when it is over already.
    pub fn unsubscribe(&mut self, now: Instant, key: SubscriptionKey) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let result = self.events.unsubscribe(now, key);
        self.pump(now);
        result.map_err(CommandError::from)
    }

    /// Accepts a subscription of a peer, and tells it the state as far as it is known.
    ///
    /// # Errors
    /// [`CommandError::Gone`]; [`CommandError::WrongState`] when it was accepted before.
    pub fn accept_subscription(
        &mut self,
        now: Instant,
        watcher: WatcherKey,
        content: Option<Content>,
    ) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let result = self.events.accept(now, watcher, content);
        self.pump(now);
        result.map_err(CommandError::from)
    }

    /// Refuses a subscription of a peer with a status of 300 or above.
    ///
    /// # Errors
    /// [`CommandError::Gone`]; [`CommandError::WrongState`] when it was accepted before.
    pub fn refuse_subscription(
        &mut self,
        now: Instant,
        watcher: WatcherKey,
        status: StatusCode,
    ) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let result = self.events.refuse(now, watcher, status);
        self.pump(now);
        result.map_err(CommandError::from)
    }

    /// Tells a watcher that the state is another one, whole. States that follow each other faster than the package wants are
    /// told by the newest.
    ///
    /// # Errors
    /// [`CommandError::Gone`]; [`CommandError::WrongState`] before it was accepted.
    pub fn notify(
        &mut self,
        now: Instant,
        watcher: WatcherKey,
        content: Content,
    ) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let result = self.events.notify(now, watcher, content);
        self.pump(now);
        result.map_err(CommandError::from)
    }

    /// Ends a subscription of a peer, and says why and in how many seconds to try again where that makes sense.
    ///
    /// # Errors
    /// [`CommandError::Gone`]; [`CommandError::WrongState`] when it is ending already.
    pub fn end_subscription(
        &mut self,
        now: Instant,
        watcher: WatcherKey,
        why: Termination,
        retry_after: Option<u32>,
    ) -> Result<(), CommandError> {
        let now = self.clamp(now);
        let result = self.events.close(now, watcher, why, retry_after);
        self.pump(now);
        result.map_err(CommandError::from)
    }

    /// How many subscriptions there are: ours, and those of peers.
    pub fn subscriptions(&self) -> (usize, usize) {
        self.events.len()
    }

    // ---- the glue

    /// Whether a request with a To tag is for a subscription.
    pub(crate) fn is_of_subscription(&self, request: &Request) -> bool {
        matches!(*request.method(), Method::SUBSCRIBE | Method::NOTIFY) && self.events.knows(request)
    }

    pub(crate) fn on_subscribe(
        &mut self,
        now: Instant,
        key: ServerKey,
        contact: UriBuf,
        account: AccountKey,
        request: Request,
    ) {
        let asked = request.clone();
        let call = self.calls.target_dialog(&asked);
        if let Some(Served { watcher, package, expires }) = self.events.subscribed(now, key, contact, request)
        {
            self.usages.insert(Usage::Watcher(watcher), account);
            self.tell(UaEvent::SubscriptionRequested(Box::new(Subscriber {
                watcher,
                account,
                from: from_address(&asked),
                to: to_address(&asked),
                package,
                expires: Duration::from_secs(expires.into()),
                call,
                request: asked,
            })));
        }
    }

    pub(crate) fn on_subscription_request(
        &mut self,
        now: Instant,
        key: ServerKey,
        contact: UriBuf,
        request: Request,
    ) {
        self.events.handle(now, EventsInput::Request { key, contact, request });
    }

    pub(crate) fn on_events(&mut self, now: Instant, output: EventsOutput) {
        match output {
            EventsOutput::Send { tag, usage, hop, request } => {
                let account = self.usages.get(&usage).copied();
                let hop = match (hop, account) {
                    (Some(uri), _) => Hop::Uri(uri, None),
                    (None, Some(account)) => self.first_hop(account, &request),
                    (None, None) => Hop::Nowhere,
                };
                self.dispatch(now, Purpose::Event(tag, usage), account, hop, request);
            }
            EventsOutput::Respond(key, response) => self.respond(now, key, response),
            EventsOutput::Subscription(subscription, event) => match event {
                SubscriptionEvent::Notified(notification) => {
                    self.tell(UaEvent::Notified { subscription, notification });
                }
                SubscriptionEvent::Lapsed { why, retry_in } => {
                    self.tell(UaEvent::SubscriptionLapsed { subscription, why, retry_in });
                }
                SubscriptionEvent::Ended(why) => {
                    self.usages.remove(&Usage::Subscription(subscription));
                    self.tell(UaEvent::SubscriptionEnded { subscription, why });
                }
            },
            EventsOutput::Watcher(watcher, WatcherEvent::Gone) => {
                self.forget_usage(Usage::Watcher(watcher));
                self.tell(UaEvent::WatcherGone { watcher });
            }
        }
    }

    /// Lets go of the account of a subscription that is gone for good.
    pub(crate) fn forget_usage(&mut self, usage: Usage) {
        let is_there = match usage {
            Usage::Subscription(key) => self.events.has(key),
            Usage::Watcher(key) => self.events.has_watcher(key),
        };
        if !is_there {
            self.usages.remove(&usage);
        }
    }

    /// Says in an answer what may be subscribed to here (RFC 6665 §8.2.2).
    pub(crate) fn with_packages(&self, mut reply: ResponseBuilder) -> ResponseBuilder {
        for package in self.events.packages() {
            reply = reply.with(AllowEvents(&package.name));
        }
        reply
    }

    /// A SUBSCRIBE inside of a call: that would be a second usage of its dialog, which RFC 6665 §4.5.2 has done away with.
    pub(crate) fn refuse_sharing(request: &Request, tag: &str) -> ResponseBuilder {
        request.reply_with(StatusCode::FORBIDDEN, "Subscribe Outside of the Call", Some(tag))
    }
}
