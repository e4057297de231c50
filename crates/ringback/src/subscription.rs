//! Subscriptions of ours to a state of somebody else (RFC 6665).

use crate::endpoint::Endpoint;
use crate::{CommandError, RequestFailed};
use ringback_message::UriBuf;
use ringback_ua::{AccountKey, Interest, SubscriptionEnd, SubscriptionEvent, SubscriptionKey};
use std::time::Duration;
use tokio::sync::broadcast;

/// Describes a subscription before it begins.
pub struct SubscriptionBuilder {
    endpoint: Endpoint,
    account: AccountKey,
    target: String,
    interest: Interest,
}

impl SubscriptionBuilder {
    pub(crate) fn new(endpoint: Endpoint, account: AccountKey, target: String, package: String) -> Self {
        Self { endpoint, account, target, interest: Interest::new(package) }
    }

    /// A type that notifications may carry, such as `application/pidf+xml`. Without any it is left to the package.
    #[must_use]
    pub fn accept(mut self, content_type: &str) -> Self {
        if !self.interest.accept.is_empty() {
            self.interest.accept.push_str(", ");
        }
        self.interest.accept.push_str(content_type);
        self
    }

    /// For how long to ask at a time, in whole seconds; an hour by default. Zero asks once.
    #[must_use]
    pub fn expires(mut self, expires: Duration) -> Self {
        self.interest.expires = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// Whether several may tell their state, where the request forks. By default only for `dialog`.
    #[must_use]
    pub fn takes_forks(mut self, takes: bool) -> Self {
        self.interest.takes_forks = takes;
        self
    }

    /// Subscribes. What comes of it is told by [`Subscription::next`].
    ///
    /// # Errors
    /// When the target is no SIP URI, or a value cannot stand in a message.
    pub async fn start(self) -> Result<Subscription, RequestFailed> {
        let target = UriBuf::new(&self.target).map_err(RequestFailed::Target)?;
        let (account, interest) = (self.account, self.interest);
        let command = self.endpoint.inner.command(|state, now| {
            let key = state.ua.subscribe(now, account, &target, interest)?;
            Ok((key, state.watch(key)))
        });
        let (key, events) = command.map_err(RequestFailed::Command)?;
        Ok(Subscription { endpoint: self.endpoint, key, events, over: false })
    }
}

/// A subscription that is kept: refreshed in time, and begun anew where the notifier's reason for its end allows that.
/// Dropping it takes it back.
pub struct Subscription {
    endpoint: Endpoint,
    key: SubscriptionKey,
    events: broadcast::Receiver<SubscriptionEvent>,
    over: bool,
}

impl Subscription {
    /// What happens next; `None` after [`SubscriptionEvent::Ended`]. Whoever does not ask for a long time misses the oldest.
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<SubscriptionEvent> {
        if self.over {
            return None;
        }
        loop {
            match self.events.recv().await {
                Ok(event) => {
                    self.over = matches!(event, SubscriptionEvent::Ended(_));
                    return Some(event);
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "notifications that nobody took");
                }
                Err(broadcast::error::RecvError::Closed) => {
                    self.over = true;
                    return None;
                }
            }
        }
    }

    /// Takes it back, and waits until the notifier has said its last word: how it ended. Dropping it does not wait.
    pub async fn unsubscribe(mut self) -> Option<SubscriptionEnd> {
        let key = self.key;
        // Gone means that it is over, and the reason waits.
        let _: Result<(), CommandError> =
            self.endpoint.inner.command(|state, now| state.ua.unsubscribe(now, key));
        loop {
            match self.next().await? {
                SubscriptionEvent::Ended(why) => return Some(why),
                SubscriptionEvent::Notified(_) | SubscriptionEvent::Lapsed { .. } => {}
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let (key, over) = (self.key, self.over);
        self.endpoint.inner.command(|state, now| {
            if !over {
                // Gone means that it is over.
                let _ = state.ua.unsubscribe(now, key);
            }
            state.subscriptions.remove(&key);
        });
    }
}
