//! What goes into the subscriptions and what comes out.

use super::content::Content;
use super::key::{SubscriptionKey, WatcherKey};
use super::reason::Termination;
use crate::{SendEnd, SendTag};
use ringback_message::{Request, Response, StatusCode, UriBuf};
use ringback_transaction::ServerKey;
use std::fmt;
use std::time::Duration;

/// What we want to be told of.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whose state: the Request-URI. Its headers are not used (rule 83).
    pub target: UriBuf,
    /// The value of From, without tag.
    pub from: String,
    /// The value of To.
    pub to: String,
    /// The proxies to visit: the rows of Route, topmost first.
    pub routes: Vec<String>,
    /// The event package: `message-summary`.
    pub package: String,
    /// The types that a notification may carry: the value of Accept. Empty leaves it to the package.
    pub accept: String,
    /// How long to ask for at a time, in seconds; 0 asks once.
    pub expires: u32,
    /// Whether several may answer, when the request forks. It depends on the package (RFC 6665 §5.4.9): for `dialog` they may,
    /// for `message-summary` they may not.
    pub takes_forks: bool,
}

/// What the layer below tells the subscriptions.
#[derive(Clone, Debug)]
pub enum EventsInput {
    /// A SUBSCRIBE or NOTIFY with a To tag came that [`Subscriptions::knows`](super::Subscriptions::knows). `contact` is how we
    /// are reached over the flow that it came by.
    Request {
        /// Its server transaction.
        key: ServerKey,
        /// Our Contact towards the peer.
        contact: UriBuf,
        /// The request.
        request: Request,
    },
    /// A response to what [`EventsOutput::Send`] asked for.
    Response(SendTag, Response),
    /// Nothing more will come for this tag. Exactly once for each.
    Ended(SendTag, SendEnd),
}

/// Whose a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Usage {
    /// Of a subscription of ours.
    Subscription(SubscriptionKey),
    /// Of a subscription of a peer.
    Watcher(WatcherKey),
}

/// What the subscriptions ask for and report, in causal order.
#[derive(Clone, Debug)]
pub enum EventsOutput {
    /// Send a request in a transaction. It lacks Via and Contact, which depend on the way that it takes.
    Send {
        /// Names it in [`EventsInput`]. These tags are not those of calls.
        tag: SendTag,
        /// Whose it is.
        usage: Usage,
        /// The URI of the next hop; `None` for a SUBSCRIBE outside of dialogs, whose way [`Wish`] tells.
        hop: Option<UriBuf>,
        /// The request.
        request: Request,
    },
    /// Respond in a server transaction. When it is over already, there is nobody to answer any more.
    Respond(ServerKey, Response),
    /// Something happened to a subscription of ours.
    Subscription(SubscriptionKey, SubscriptionEvent),
    /// Something happened to a subscription of a peer.
    Watcher(WatcherKey, WatcherEvent),
}

/// How a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was accepted.
    Active,
    /// Somebody has to decide whether it is allowed.
    Pending,
    /// It has ended.
    Terminated(Termination),
}

/// What a notifier told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Which of the notifiers that a forked request has reached, counted from 0 as they were heard.
    pub notifier: u32,
    /// How the subscription stands with it.
    pub standing: Standing,
    /// The state; `None` where it told nothing new.
    pub content: Option<Content>,
}

/// What happens to a subscription of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionEvent {
    /// A notifier told something.
    Notified(Notification),
    /// No notifier is left for now, and we subscribe again by ourselves.
    Lapsed {
        /// Why.
        why: SubscriptionEnd,
        /// When.
        retry_in: Duration,
    },
    /// It is over. Exactly once for each.
    Ended(SubscriptionEnd),
}

/// How a subscription of ours ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionEnd {
    /// We took it back.
    Unsubscribed,
    /// The notifier ended it.
    Terminated(Termination),
    /// A SUBSCRIBE was refused; 408 when it was not answered, 503 when nobody could be reached.
    Refused(StatusCode, String),
    /// It was accepted, and no notification came within 64·T1 (Timer N).
    Silent,
    /// It ran out before it could be refreshed.
    Expired,
}

impl fmt::Display for SubscriptionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsubscribed => f.write_str("taken back"),
            Self::Terminated(reason) => write!(f, "ended by the notifier: {reason}"),
            Self::Refused(status, reason) => write!(f, "refused: {status} {reason}"),
            Self::Silent => f.write_str("no notification came"),
            Self::Expired => f.write_str("it could not be refreshed in time"),
        }
    }
}

/// A subscription of a peer that waits for our decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its name.
    pub watcher: WatcherKey,
    /// The event package, one of ours.
    pub package: String,
    /// How long it will last unless it is refreshed, in seconds; 0 asks once.
    pub expires: u32,
}

/// What happens to a subscription of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatcherEvent {
    /// It is over: taken back, not refreshed, refused, ended by us, or nobody is there any more. Exactly once for each.
    Gone,
}
