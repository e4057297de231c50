//! A busy lamp: what somebody is doing at the telephone, as they tell it (RFC 4235).

use crate::dialog_info::{self, Progress};
use crate::subscription::Subscription;
use crate::{Account, RequestFailed, Standing, SubscriptionEvent};
use ringback_ua::Notification;
use std::collections::BTreeMap;

/// More calls than anybody has.
const MOST_CALLS: usize = 64;

/// What somebody is doing at the telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lamp {
    /// Nothing.
    Idle,
    /// It rings at them, or they call somebody who has not answered.
    Ringing,
    /// They talk.
    Busy,
    /// Nobody tells at the moment.
    Unknown,
}

/// A subscription to what somebody is doing at the telephone. Dropping it takes it back.
pub struct BusyLamp {
    subscription: Subscription,
    /// The calls by who tells of them and what they are called there.
    calls: BTreeMap<(u32, String), Progress>,
    shown: Option<Lamp>,
}

impl Account {
    /// Watches what somebody is doing at the telephone, where they or their server tell that.
    ///
    /// # Errors
    /// As those of a subscription.
    pub async fn watch(&self, target: impl Into<String>) -> Result<BusyLamp, RequestFailed> {
        let subscription = self.subscribe(target, "dialog").accept(dialog_info::DIALOG_INFO).start().await?;
        Ok(BusyLamp { subscription, calls: BTreeMap::new(), shown: None })
    }
}

impl BusyLamp {
    /// The next that is different from before; `None` when nobody tells any more. Cancel safe.
    pub async fn next(&mut self) -> Option<Lamp> {
        loop {
            let lamp = match self.subscription.next().await? {
                SubscriptionEvent::Notified(notification) => self.learn(&notification),
                SubscriptionEvent::Lapsed { .. } => {
                    self.calls.clear();
                    Some(Lamp::Unknown)
                }
                SubscriptionEvent::Ended(_) => return None,
            };
            if let Some(lamp) = lamp.filter(|lamp| Some(*lamp) != self.shown) {
                self.shown = Some(lamp);
                return Some(lamp);
            }
        }
    }

    /// What the lamp shows now; `None` where nothing was told.
    fn learn(&mut self, notification: &Notification) -> Option<Lamp> {
        let of = notification.notifier;
        if let Standing::Terminated(_) = notification.standing {
            self.calls.retain(|(teller, _), _| *teller != of);
            return Some(Lamp::Unknown).filter(|_| self.calls.is_empty());
        }
        let told = dialog_info::read(&notification.content.as_ref()?.body)?;
        if told.is_full {
            self.calls.retain(|(teller, _), _| *teller != of);
        }
        for (id, progress) in told.calls {
            match progress {
                Some(progress) if self.calls.len() < MOST_CALLS => {
                    self.calls.insert((of, id), progress);
                }
                Some(_) => {}
                None => drop(self.calls.remove(&(of, id))),
            }
        }
        let has = |progress| self.calls.values().any(|known| *known == progress);
        Some(match (has(Progress::Confirmed), self.calls.is_empty()) {
            (true, _) => Lamp::Busy,
            (false, true) => Lamp::Idle,
            (false, false) => Lamp::Ringing,
        })
    }
}
