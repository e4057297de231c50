//! What one user of a flow watches, and who watches it.

use super::agent::Agent;
use ringback_message::{StatusCode, UriBuf};
use ringback_ua::{
    CommandError, Content, Interest, Notification, Standing, SubscriptionEnd, SubscriptionKey, Termination,
    UaEvent, WatcherKey,
};
use std::collections::BTreeMap;
use std::time::Instant;

/// How long a subscription lasts at a time, in seconds: the shortest that a notifier takes.
const LASTS: u32 = 60;

/// A subscription of ours, and what was heard of it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) key: SubscriptionKey,
    pub(super) peer: String,
    /// What each notifier told last: who it is, and how it is.
    pub(super) told: BTreeMap<u32, (String, String)>,
    /// Whether no notifier is left, and it begins anew by itself.
    pub(super) lapsed: bool,
    pub(super) leaving: bool,
    pub(super) ended: bool,
    /// Why it lapsed or ended, each time.
    pub(super) reasons: Vec<SubscriptionEnd>,
}

/// All of one user.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) own: Vec<Watched>,
    watchers: Vec<WatcherKey>,
    gone: Vec<WatcherKey>,
    /// What whoever watches is told.
    pub(super) state: String,
    refuses: Option<StatusCode>,
}

impl Default for Watching {
    fn default() -> Self {
        Self { own: Vec::new(), watchers: Vec::new(), gone: Vec::new(), state: "idle".into(), refuses: None }
    }
}

impl Watching {
    /// The live subscription to somebody, or the first.
    fn live(&mut self, to: Option<&str>) -> Option<&mut Watched> {
        self.own.iter_mut().find(|own| !own.ended && !own.leaving && to.is_none_or(|to| own.peer == to))
    }
}

impl Agent {
    pub(super) fn subscribe(&mut self, now: Instant, to: &str, target: &UriBuf) -> Result<(), CommandError> {
        let interest = Interest { expires: LASTS, ..Interest::new("dialog") };
        let key = self.ua.subscribe(now, self.account, target, interest)?;
        self.watching.own.push(Watched {
            key,
            peer: to.to_owned(),
            told: BTreeMap::new(),
            lapsed: false,
            leaving: false,
            ended: false,
            reasons: Vec::new(),
        });
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, now: Instant, from: Option<&str>) -> Result<(), CommandError> {
        let own = self.watching.live(from).ok_or(CommandError::WrongState)?;
        own.leaving = true;
        self.ua.unsubscribe(now, own.key)
    }

    /// Takes back all that is left.
    pub(super) fn unsubscribe_all(&mut self, now: Instant) {
        while self.unsubscribe(now, None).is_ok() {}
    }

    /// Is otherwise, and tells all who watch.
    pub(super) fn tell(&mut self, now: Instant, state: &str) {
        state.clone_into(&mut self.watching.state);
        let content = self.content();
        for watcher in self.watching.watchers.clone() {
            // Whoever is gone is told nothing.
            let _ = self.ua.notify(now, watcher, content.clone());
        }
    }

    /// Ends all subscriptions of others.
    pub(super) fn dismiss(&mut self, now: Instant, why: &Termination) -> Result<(), CommandError> {
        let watchers = std::mem::take(&mut self.watching.watchers);
        if watchers.is_empty() {
            return Err(CommandError::WrongState);
        }
        for watcher in watchers {
            // Whoever is gone meanwhile need not be told.
            let _ = self.ua.end_subscription(now, watcher, why.clone(), None);
        }
        Ok(())
    }

    pub(super) fn refuse_subscriptions(&mut self, status: StatusCode) {
        self.watching.refuses = Some(status);
    }

    fn content(&self) -> Content {
        Content::new("text/plain", format!("{} {}", self.name, self.watching.state))
    }

    /// What concerns no subscription is left alone.
    pub(super) fn heard_of_watching(&mut self, now: Instant, event: &UaEvent) {
        match event {
            UaEvent::SubscriptionRequested(subscriber) => {
                let watcher = subscriber.watcher;
                let content = self.content();
                let done = match self.watching.refuses {
                    Some(status) => self.ua.refuse_subscription(now, watcher, status),
                    None => {
                        self.watching.watchers.push(watcher);
                        self.ua.accept_subscription(now, watcher, Some(content))
                    }
                };
                if let Err(error) = done {
                    self.faults.push(format!("{watcher:?} cannot be decided: {error}"));
                }
            }
            UaEvent::WatcherGone { watcher } => {
                if self.watching.gone.contains(watcher) {
                    self.faults.push(format!("{watcher:?} went twice"));
                }
                self.watching.gone.push(*watcher);
                self.watching.watchers.retain(|known| known != watcher);
            }
            UaEvent::Notified { subscription, notification } => {
                self.of(*subscription, |own| own.notified(notification));
            }
            UaEvent::SubscriptionLapsed { subscription, why, .. } => self.of(*subscription, |own| {
                own.lapsed = true;
                own.told.clear();
                own.reasons.push(why.clone());
                true
            }),
            UaEvent::SubscriptionEnded { subscription, why } => self.of(*subscription, |own| {
                own.told.clear();
                own.reasons.push(why.clone());
                !std::mem::replace(&mut own.ended, true)
            }),
            _ => {}
        }
    }

    /// Notes what happens to a subscription of ours; nothing does when it is over, or where `note` says so.
    fn of(&mut self, key: SubscriptionKey, note: impl Fn(&mut Watched) -> bool) {
        let own = self.watching.own.iter_mut().find(|own| own.key == key);
        let is_right = own.is_some_and(|own| !own.ended && note(own));
        if !is_right {
            self.faults.push(format!("{key:?} was told of out of turn"));
        }
    }
}

impl Watched {
    fn notified(&mut self, notification: &Notification) -> bool {
        self.lapsed = false;
        if let Standing::Terminated(_) = notification.standing {
            self.told.remove(&notification.notifier);
            return true;
        }
        let text = notification.content.as_ref().and_then(|content| std::str::from_utf8(&content.body).ok());
        let Some((who, state)) = text.and_then(|text| text.split_once(' ')) else { return false };
        self.told.insert(notification.notifier, (who.to_owned(), state.to_owned()));
        true
    }
}
