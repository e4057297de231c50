//! Publications: a state of ours that a server tells to others (RFC 3903).

use crate::endpoint::Endpoint;
use crate::{CommandError, RequestFailed};
use bytes::Bytes;
use ringback_message::{StatusCode, UriBuf};
use ringback_ua::{AccountKey, Content, PublicationKey};
use std::time::Duration;
use tokio::sync::watch;

/// How a publication is doing.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum PublicationState {
    /// It is on its way.
    Pending,
    /// The server has it, and it is refreshed before it expires.
    Active {
        /// For how long the server keeps it.
        expires: Duration,
    },
    /// It was refused, or nobody answered.
    Failed {
        /// What the server said; 408 when nothing came, 503 when it could not be reached.
        status: StatusCode,
        /// Why.
        reason: String,
        /// When it is tried again; `None` when it is not, and the publication is over.
        retry_in: Option<Duration>,
    },
    /// It was taken back.
    Removed,
}

/// Describes a publication before it is made.
pub struct PublicationBuilder {
    endpoint: Endpoint,
    account: AccountKey,
    target: String,
    package: String,
    content: Content,
    expires: Duration,
}

impl PublicationBuilder {
    pub(crate) fn new(
        endpoint: Endpoint,
        account: AccountKey,
        target: String,
        package: String,
        content: Content,
    ) -> Self {
        Self { endpoint, account, target, package, content, expires: Duration::from_secs(3_600) }
    }

    /// Whose state it is; our own by default.
    #[must_use]
    pub fn of(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// For how long to publish at a time; an hour by default.
    #[must_use]
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    /// Publishes, and waits for the server's answer.
    ///
    /// # Errors
    /// When the target is no SIP URI, or the server refuses or does not answer. What could be tried again is given up then.
    pub async fn start(self) -> Result<Publication, RequestFailed> {
        let target = UriBuf::new(&self.target).map_err(RequestFailed::Target)?;
        let Self { endpoint, account, package, content, expires, .. } = self;
        let command = endpoint.inner.command(|state, now| {
            let key = state.ua.publish(now, account, &target, &package, content, expires)?;
            let (sender, receiver) = watch::channel(PublicationState::Pending);
            state.publications.insert(key, sender);
            Ok((key, receiver))
        });
        let (key, state) = command.map_err(RequestFailed::Command)?;
        let mut publication = Publication { endpoint, key, state };
        match publication.changed().await {
            Some(PublicationState::Failed { status, reason, .. }) => {
                Err(RequestFailed::Refused(status, reason))
            }
            Some(_) => Ok(publication),
            None => Err(RequestFailed::Shutdown),
        }
    }
}

/// A state that a server has. It is kept fresh, and published anew when the server has lost it. Dropping it takes it back.
pub struct Publication {
    endpoint: Endpoint,
    key: PublicationKey,
    state: watch::Receiver<PublicationState>,
}

impl Publication {
    /// How it is doing.
    pub fn state(&self) -> PublicationState {
        self.state.borrow().clone()
    }

    /// Waits until something happens to it, and says how it is then; `None` when it is over. Cancel safe.
    pub async fn changed(&mut self) -> Option<PublicationState> {
        self.state.changed().await.ok()?;
        Some(self.state.borrow_and_update().clone())
    }

    /// Publishes another state in its place.
    ///
    /// # Errors
    /// When it is over, or the content cannot stand in a message.
    pub fn change(&self, content_type: &str, body: impl Into<Bytes>) -> Result<(), CommandError> {
        let (key, content) = (self.key, Content::new(content_type, body));
        self.endpoint.inner.command(|state, now| state.ua.republish(now, key, content))
    }

    /// Takes it back, and waits until the server knows. Dropping it does not wait.
    pub async fn remove(mut self) {
        let key = self.key;
        let is_there = self.endpoint.inner.command(|state, now| state.ua.unpublish(now, key)).is_ok();
        while is_there && self.changed().await.is_some() {}
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let key = self.key;
        self.endpoint.inner.command(|state, now| {
            // Gone means that it is over.
            let _ = state.ua.unpublish(now, key);
            state.publications.remove(&key);
        });
    }
}
