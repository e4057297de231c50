//! Names of subscriptions.

use super::subscription::Subscription;
use super::watcher::Watcher;
use std::fmt;

/// Names one subscription of ours, through all dialogs and new beginnings. It finds nothing after
/// [`SubscriptionEvent::Ended`](super::SubscriptionEvent::Ended).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionKey(pub(crate) ringback_sansio::Key<Subscription>);

impl fmt::Debug for SubscriptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subscription {:?}", self.0)
    }
}

/// Names one subscription of a peer to a state of ours. It finds nothing after
/// [`WatcherEvent::Gone`](super::WatcherEvent::Gone).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatcherKey(pub(crate) ringback_sansio::Key<Watcher>);

impl fmt::Debug for WatcherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watcher {:?}", self.0)
    }
}
