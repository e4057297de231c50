//! Busy lamps: others are told which calls our accounts have (RFC 4235).

use crate::dialog_info::{DIALOG_INFO, Progress, Shown, write};
use crate::node::State;
use ringback_ua::{AccountKey, CallKey, Content, Subscriber, Termination, UaEvent, WatcherKey};
use std::time::Instant;

/// Who watches, and what there is to see.
#[derive(Default)]
pub(crate) struct Lamps {
    calls: Vec<(CallKey, AccountKey, Shown)>,
    watchers: Vec<Lamp>,
    serial: u64,
}

struct Lamp {
    watcher: WatcherKey,
    account: AccountKey,
    entity: String,
    /// Of the next document (RFC 4235 §4.3).
    version: u32,
}

impl Lamps {
    fn content(&mut self, watcher: WatcherKey) -> Option<Content> {
        let calls = &self.calls;
        let lamp = self.watchers.iter_mut().find(|lamp| lamp.watcher == watcher)?;
        let version = lamp.version;
        lamp.version = lamp.version.wrapping_add(1);
        let shown =
            calls.iter().filter(|(_, account, _)| *account == lamp.account).map(|(_, _, shown)| shown);
        Some(Content::new(DIALOG_INFO, write(&lamp.entity, version, shown)))
    }

    /// The account whose calls are others now.
    fn note(
        &mut self,
        event: &UaEvent,
        learn: impl Fn(CallKey) -> Option<(AccountKey, Shown)>,
    ) -> Option<AccountKey> {
        let (call, progress) = match event {
            UaEvent::Incoming(incoming) => {
                let shown = Shown {
                    id: self.next_id(),
                    call_id: incoming.call_id.clone(),
                    is_caller: false,
                    progress: Progress::Early,
                    remote: incoming.from.clone(),
                };
                self.calls.push((incoming.call, incoming.account, shown));
                return Some(incoming.account);
            }
            UaEvent::Trying { call } => (*call, Progress::Trying),
            UaEvent::Ringing { call, .. } | UaEvent::EarlyMedia { call, .. } => (*call, Progress::Early),
            UaEvent::Answered { call, .. } => (*call, Progress::Confirmed),
            UaEvent::Ended { call, .. } => {
                let at = self.calls.iter().position(|(known, _, _)| known == call)?;
                return Some(self.calls.swap_remove(at).1);
            }
            _ => return None,
        };
        if let Some((_, account, shown)) = self.calls.iter_mut().find(|(known, _, _)| *known == call) {
            let is_new = shown.progress != progress;
            shown.progress = progress;
            return is_new.then_some(*account);
        }
        // One of ours: the first that is heard of it.
        let (account, mut shown) = learn(call)?;
        (shown.id, shown.progress) = (self.next_id(), progress);
        self.calls.push((call, account, shown));
        Some(account)
    }

    fn next_id(&mut self) -> String {
        self.serial += 1;
        self.serial.to_string()
    }
}

impl State {
    /// Notes what happens to a call, and tells those who watch.
    pub(crate) fn light(&mut self, now: Instant, event: &UaEvent) {
        let Some(lamps) = &mut self.lamps else { return };
        if let UaEvent::WatcherGone { watcher } = event {
            return lamps.watchers.retain(|lamp| lamp.watcher != *watcher);
        }
        let ua = &self.ua;
        let learn = |call| {
            let account = ua.account_of(call)?;
            let shown = Shown {
                id: String::new(),
                call_id: ua.call_id(call)?.to_owned(),
                is_caller: true,
                progress: Progress::Trying,
                remote: ua.remote(call)?.to_owned(),
            };
            Some((account, shown))
        };
        let Some(changed) = lamps.note(event, learn) else { return };
        let concerned = lamps.watchers.iter().filter(|lamp| lamp.account == changed);
        for watcher in concerned.map(|lamp| lamp.watcher).collect::<Vec<_>>() {
            if let Some(content) = self.lamps.as_mut().and_then(|lamps| lamps.content(watcher)) {
                // One that is gone says so by itself.
                let _ = self.ua.notify(now, watcher, content);
            }
        }
    }

    /// Ends what others have subscribed to, lamps and all else, and takes nothing new.
    pub(crate) fn end_watchers(&mut self, now: Instant, why: &Termination) {
        self.is_leaving = true;
        let lamps = self.lamps.iter().flat_map(|lamps| lamps.watchers.iter().map(|lamp| lamp.watcher));
        for watcher in lamps.chain(self.watchers.keys().copied()).collect::<Vec<_>>() {
            // One that is gone has heard its last word.
            let _ = self.ua.end_subscription(now, watcher, why.clone(), None);
        }
    }

    /// Lets somebody watch. Whether that is a matter of lamps.
    pub(crate) fn lend(&mut self, now: Instant, subscriber: &Subscriber) -> bool {
        let Some(lamps) = &mut self.lamps else { return false };
        if subscriber.package != "dialog" {
            return false;
        }
        let entity = self.ua.account(subscriber.account).map(|account| account.aor.to_string());
        let watcher = subscriber.watcher;
        lamps.watchers.push(Lamp {
            watcher,
            account: subscriber.account,
            entity: entity.unwrap_or_default(),
            version: 0,
        });
        let content = lamps.content(watcher);
        // One that is gone says so by itself.
        let _ = self.ua.accept_subscription(now, watcher, content);
        true
    }
}
