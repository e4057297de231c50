//! What a subscription needs from the table that it is in: time, chance, timers, and whom to tell.

use super::event::{EventsOutput, SubscriptionEvent, Usage, WatcherEvent};
use crate::SendTag;
use ringback_message::{Request, Response, StatusCode, UriBuf};
use ringback_sansio::{Entropy, Map, TimerQueue};
use ringback_transaction::{ServerKey, Timings};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a subscription waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// For the first NOTIFY (Timer N).
    First,
    /// To begin anew.
    Again,
    /// To refresh one of the dialogs.
    Refresh,
    /// For the NOTIFY that follows a SUBSCRIBE in a dialog (Timer N).
    Silence,
    /// For the end of what was granted.
    Expire,
    /// For the application to decide.
    Decide,
    /// For a peer to refresh.
    Lapse,
    /// To notify no faster than that.
    Pace,
}

/// What a subscription needs from the table that it is in.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) timings: &'a Timings,
    pub(crate) entropy: &'a mut dyn Entropy,
    pub(super) usage: Usage,
    pub(super) outputs: &'a mut VecDeque<EventsOutput>,
    pub(super) timers: &'a mut TimerQueue<(Usage, Timer, u32)>,
    pub(super) senders: &'a mut Map<SendTag, Usage>,
    pub(super) by_tag: &'a mut Map<String, Usage>,
    pub(super) serial: &'a mut u64,
}

impl Context<'_> {
    pub(crate) fn send(&mut self, hop: Option<UriBuf>, request: Request) -> SendTag {
        *self.serial += 1;
        let tag = SendTag(*self.serial);
        self.senders.insert(tag, self.usage);
        self.outputs.push_back(EventsOutput::Send { tag, usage: self.usage, hop, request });
        tag
    }

    pub(crate) fn answer(&mut self, key: ServerKey, response: Response) {
        self.outputs.push_back(EventsOutput::Respond(key, response));
    }

    /// Responds without anything special; what cannot be built is left to the transaction's end.
    pub(crate) fn respond(&mut self, key: ServerKey, request: &Request, status: StatusCode) {
        if let Ok(response) = request.reply(status, None).build() {
            self.answer(key, response);
        }
    }

    pub(crate) fn tell_subscription(&mut self, event: SubscriptionEvent) {
        if let Usage::Subscription(key) = self.usage {
            self.outputs.push_back(EventsOutput::Subscription(key, event));
        }
    }

    pub(crate) fn tell_watcher(&mut self, event: WatcherEvent) {
        if let Usage::Watcher(key) = self.usage {
            self.outputs.push_back(EventsOutput::Watcher(key, event));
        }
    }

    /// `number` tells timers of one kind apart.
    pub(crate) fn set(&mut self, timer: Timer, number: u32, after: Duration) {
        self.timers.set((self.usage, timer, number), self.now + after);
    }

    pub(crate) fn cancel(&mut self, timer: Timer, number: u32) {
        self.timers.cancel((self.usage, timer, number));
    }

    /// A tag of ours by which we are found.
    pub(crate) fn new_tag(&mut self) -> String {
        let tag = format!("{:016x}", self.entropy.next_u64());
        self.by_tag.insert(tag.clone(), self.usage);
        tag
    }

    pub(crate) fn forget_tag(&mut self, tag: &str) {
        self.by_tag.remove(tag);
    }
}
