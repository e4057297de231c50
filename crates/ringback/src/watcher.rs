//! Subscriptions of others to a state of ours (RFC 6665 §4.2).

use crate::CommandError;
use crate::endpoint::Endpoint;
use bytes::Bytes;
use ringback_message::StatusCode;
use ringback_ua::{Content, Subscriber, Termination, WatcherKey};
use std::time::Duration;
use tokio::sync::watch;

/// A subscription that somebody asks for. Dropping it refuses.
pub struct IncomingSubscription {
    endpoint: Endpoint,
    /// `None` once it was decided.
    arrival: Option<(Box<Subscriber>, watch::Receiver<bool>)>,
}

impl IncomingSubscription {
    pub(crate) fn new(
        endpoint: Endpoint,
        subscriber: Box<Subscriber>,
        is_gone: watch::Receiver<bool>,
    ) -> Self {
        Self { endpoint, arrival: Some((subscriber, is_gone)) }
    }

    fn subscriber(&self) -> &Subscriber {
        &self.arrival.as_ref().expect("it is taken only by methods that consume it").0
    }

    /// Who asks, as the From field says.
    pub fn from(&self) -> &str {
        &self.subscriber().from
    }

    /// Whose state it is about, as the To field says.
    pub fn to(&self) -> &str {
        &self.subscriber().to
    }

    /// The event package, one of those that the endpoint [notifies](crate::EndpointBuilder::notifies).
    pub fn package(&self) -> &str {
        &self.subscriber().package
    }

    /// Whether it comes from who knows a call that we have, mostly because it is the other side of that (RFC 4538).
    pub fn knows_a_call(&self) -> bool {
        self.subscriber().call.is_some()
    }

    /// Accepts, and tells the state as it is now.
    ///
    /// # Errors
    /// When it was not decided within eight seconds.
    pub fn accept(mut self, content_type: &str, body: impl Into<Bytes>) -> Result<Watcher, CommandError> {
        let (subscriber, is_gone) = self.arrival.take().expect("it is taken only by methods that consume it");
        let key = subscriber.watcher;
        let content = Content::new(content_type, body);
        self.endpoint.inner.command(|state, now| state.ua.accept_subscription(now, key, Some(content)))?;
        Ok(Watcher { endpoint: self.endpoint.clone(), key, is_gone, ended: false })
    }

    /// Refuses with a status of 300 to 699: 403, or 603 where nobody shall know why.
    ///
    /// # Errors
    /// When it was not decided within eight seconds.
    pub fn reject(mut self, status: StatusCode) -> Result<(), CommandError> {
        let (subscriber, _) = self.arrival.take().expect("it is taken only by methods that consume it");
        let key = subscriber.watcher;
        self.endpoint.inner.command(|state, now| state.ua.refuse_subscription(now, key, status))
    }
}

impl Drop for IncomingSubscription {
    fn drop(&mut self) {
        if let Some((subscriber, _)) = self.arrival.take() {
            let (key, status) = (subscriber.watcher, StatusCode::TEMPORARILY_UNAVAILABLE);
            // Gone means that it was decided already.
            let _ = self.endpoint.inner.command(|state, now| state.ua.refuse_subscription(now, key, status));
        }
    }
}

/// Somebody who is told a state of ours. Dropping it ends the subscription for good.
pub struct Watcher {
    endpoint: Endpoint,
    key: WatcherKey,
    is_gone: watch::Receiver<bool>,
    ended: bool,
}

impl Watcher {
    /// Tells that the state is another one, whole. What follows faster than once a second is told by the newest.
    ///
    /// # Errors
    /// When the watcher is gone.
    pub fn notify(&self, content_type: &str, body: impl Into<Bytes>) -> Result<(), CommandError> {
        let (key, content) = (self.key, Content::new(content_type, body));
        self.endpoint.inner.command(|state, now| state.ua.notify(now, key, content))
    }

    /// Ends the subscription and says why, and when to try again where that makes sense.
    ///
    /// # Errors
    /// When the watcher is gone.
    pub fn end(mut self, why: Termination, retry_after: Option<Duration>) -> Result<(), CommandError> {
        self.ended = true;
        let key = self.key;
        let after = retry_after.map(|after| u32::try_from(after.as_secs()).unwrap_or(u32::MAX));
        self.endpoint.inner.command(|state, now| state.ua.end_subscription(now, key, why, after))
    }

    /// Waits until the watcher leaves, does not refresh, or is not there any more. Cancel safe.
    pub async fn gone(&mut self) {
        // An endpoint that is gone has no watchers.
        let _ = self.is_gone.wait_for(|is_gone| *is_gone).await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if !self.ended {
            let key = self.key;
            // Gone means that it is over.
            let _ = self
                .endpoint
                .inner
                .command(|state, now| state.ua.end_subscription(now, key, Termination::NoResource, None));
        }
    }
}
