//! Event subscriptions (RFC 6665, rule 39): ours, and those of peers who watch us.
//!
//! A subscription is a usage in a dialog of its own, as RFC 6665 §4.5.2 wants it; only that of REFER lives in a call
//! ([`crate::transfer`]), and reads and writes Subscription-State by the same [`state`].

mod content;
mod context;
mod event;
mod key;
mod leg;
mod pace;
mod reason;
mod served;
mod state;
mod subscription;
mod table;
mod watcher;

pub use content::{Content, Package};
pub use event::{
    EventsInput, EventsOutput, Notification, Served, Standing, SubscriptionEnd, SubscriptionEvent, Usage,
    WatcherEvent, Wish,
};
pub use key::{SubscriptionKey, WatcherKey};
pub use reason::Termination;
pub(crate) use state::{told, value as state_value};
pub use table::{EventsConfig, Subscriptions};
