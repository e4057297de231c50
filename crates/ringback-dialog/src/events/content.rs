//! What notifications carry, and which packages we tell of.

use bytes::Bytes;
use std::time::Duration;

/// A body and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The value of Content-Type: `application/dialog-info+xml`.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

impl Content {
    /// A body of this type.
    pub fn new(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.into(), body: body.into() }
    }
}

/// An event package (RFC 6665 §5) that peers may subscribe to at us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The value of Event: `dialog`.
    pub name: String,
    /// What our notifications carry. Who says in Accept that it does not take that is answered 406.
    pub content_type: String,
    /// How long a subscription lasts that does not say it, in seconds.
    pub default_expires: u32,
    /// Shorter ones are answered 423 (but 0, which asks once).
    pub min_expires: u32,
    /// Longer ones are shortened to this.
    pub max_expires: u32,
    /// Notifications of one subscription are at least so far apart; what changes between is told with the next.
    pub interval: Duration,
}

impl Package {
    /// A package with an hour for subscriptions, and a second between notifications.
    pub fn new(name: impl Into<String>, content_type: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            content_type: content_type.into(),
            default_expires: 3_600,
            min_expires: 60,
            max_expires: 3_600,
            interval: Duration::from_secs(1),
        }
    }
}
