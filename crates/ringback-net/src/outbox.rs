//! What a core wants done.

use bytes::Bytes;
use ringback_sansio::{Flow, Target};
use ringback_transport::locate::{NextHop, Question};
use std::time::Duration;

/// Collects sends and questions during a call of a [`Core`](crate::Core).
#[derive(Debug)]
pub struct Outbox<T> {
    pub(crate) sends: Vec<(Option<T>, Target, Bytes)>,
    pub(crate) questions: Vec<(u64, NextHop)>,
    pub(crate) looked_up: Vec<(u64, Question)>,
    /// Flows to be kept, and how often; those without an interval are to be kept no longer.
    pub(crate) kept: Vec<(Flow, Option<Duration>)>,
    /// Targets that did not work, and how long they ask to be left alone.
    pub(crate) avoided: Vec<(Target, Option<Duration>)>,
}

impl<T> Outbox<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            sends: Vec::new(),
            questions: Vec::new(),
            looked_up: Vec::new(),
            kept: Vec::new(),
            avoided: Vec::new(),
        }
    }

    /// Sends `bytes` to `to`. When they cannot arrive, `tag` comes back in [`Core::failed`](crate::Core::failed).
    pub fn send(&mut self, tag: Option<T>, to: Target, bytes: Bytes) {
        self.sends.push((tag, to, bytes));
    }

    /// Asks for the addresses of a name; `token` comes back in [`Core::resolved`](crate::Core::resolved).
    pub fn resolve(&mut self, token: u64, hop: NextHop) {
        self.questions.push((token, hop));
    }

    /// Asks for records of a name; `token` comes back in [`Core::answered`](crate::Core::answered).
    pub fn look_up(&mut self, token: u64, question: Question) {
        self.looked_up.push((token, question));
    }

    /// Keeps a flow open from now on (RFC 5626 §4.4). When it is lost, [`Core::closed`](crate::Core::closed) tells.
    pub fn keep(&mut self, flow: Flow, every: Duration) {
        self.kept.push((flow, Some(every)));
    }

    /// Keeps a flow of datagrams no longer.
    pub fn forget(&mut self, flow: Flow) {
        self.kept.push((flow, None));
    }

    /// Has names lead elsewhere for a while: this target did not work, or asks to be left alone for so long (RFC 3263 §4.3).
    pub fn avoid(&mut self, target: Target, retry_after: Option<Duration>) {
        self.avoided.push((target, retry_after));
    }

    /// Adds all that another one holds.
    pub fn append(&mut self, mut other: Self) {
        self.sends.append(&mut other.sends);
        self.questions.append(&mut other.questions);
        self.looked_up.append(&mut other.looked_up);
        self.kept.append(&mut other.kept);
        self.avoided.append(&mut other.avoided);
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
            && self.questions.is_empty()
            && self.looked_up.is_empty()
            && self.kept.is_empty()
            && self.avoided.is_empty()
    }

    /// What was put in to be sent so far, in order, for those who keep a record of it.
    pub fn sends(&self) -> impl Iterator<Item = (&Target, &Bytes)> {
        self.sends.iter().map(|(_, to, bytes)| (to, bytes))
    }
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self::new()
    }
}
