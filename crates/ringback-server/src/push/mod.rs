//! Waking phones that sleep (RFC 8599): a request for one waits in the proxy, a push notification service is told, and when the phone
//! has registered again the request goes to where it is then.
//!
//! Whoever handles messages only takes notes: that a device is waited for, or has registered. Notifications are sent by a thread of its
//! own, which also wakes phones whose registration is about to end. What has to go on in another shard than the one that is locked
//! waits in a list until it is not. A server without providers has none of this, and its bindings are not looked at for it.

mod config;
mod sender;
mod sleepers;
mod worker;

pub use config::{ProviderConfig, PushConfig};
pub use sender::{PushFailure, PushNotification, PushSender, PushSent};
pub(crate) use worker::{Worker, start};

use crate::core::{Out, ServerCore};
use crate::shard::Node;
use ringback_message::header::From;
use ringback_message::{HeaderId, Request};
use ringback_proxy::{Branch, Device, Token};
use ringback_registrar::{Aor, Binding, BindingKey, Change};
use serde::{Deserialize, Serialize};
use sleepers::{Place, Sleepers};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// What push notifications did, and who waits for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushStats {
    /// Notifications that a service took.
    pub accepted: u64,
    /// Notifications that no service took, the last try included.
    pub failed: u64,
    /// Notifications for which there was no room.
    pub no_room: u64,
    /// Requests that went on because their phone had registered.
    pub woken: u64,
    /// Requests that wait for a phone.
    pub waiting: usize,
}

/// A notification to be sent.
#[derive(Debug)]
pub(crate) struct Order {
    device: Arc<Device>,
    notification: PushNotification,
}

/// Notifications that wait to be sent.
pub(crate) type Orders = mpsc::Receiver<Order>;

/// Everything that is known of phones that sleep.
#[derive(Debug)]
pub(crate) struct Push {
    config: PushConfig,
    sleepers: Mutex<Sleepers>,
    orders: mpsc::Sender<Order>,
    /// Requests that go on, or are over where there is no branch, as soon as their shard can be locked.
    ready: Mutex<VecDeque<(Place, Option<Arc<Branch>>)>>,
    ready_count: AtomicUsize,
    /// Told when another device is the next one to be woken for its registration.
    sooner: Notify,
    accepted: AtomicU64,
    failed: AtomicU64,
    no_room: AtomicU64,
    woken: AtomicU64,
}

impl Push {
    /// Nothing where no provider is configured.
    pub(crate) fn new(config: &PushConfig) -> Option<(Arc<Self>, Orders)> {
        if !config.is_on() {
            return None;
        }
        let (orders, waits) = mpsc::channel(config.queue);
        let push = Self {
            config: config.clone(),
            sleepers: Mutex::default(),
            orders,
            ready: Mutex::default(),
            ready_count: AtomicUsize::new(0),
            sooner: Notify::new(),
            accepted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            no_room: AtomicU64::new(0),
            woken: AtomicU64::new(0),
        };
        Some((Arc::new(push), waits))
    }

    /// The device that a binding leads to, where it can be woken.
    pub(crate) fn device(&self, aor: &Aor, binding: &Binding) -> Option<Arc<Device>> {
        let push = binding.push()?;
        self.config.provider(&push.provider)?;
        Some(Arc::new(Device {
            aor: aor.as_str().into(),
            provider: push.provider.into(),
            param: push.param.map(Into::into),
            prid: push.prid.into(),
        }))
    }

    /// Whether a device has registered so lately that it is awake (RFC 8599 §5.6.2: then it need not be woken).
    pub(crate) fn is_awake(&self, now: Instant, device: &Device) -> bool {
        self.sleepers().is_awake(now, device, self.config.awake())
    }

    /// A binding was made or refreshed: who waited for its device goes on, to `branch`.
    fn registered(&self, now: Instant, aor: &Aor, binding: &Binding, branch: impl FnOnce() -> Branch) {
        // One that was a device before, under the same key, is left to be found out when it is due.
        let Some(device) = self.device(aor, binding) else { return };
        // A registration that is shorter than the time before its end is refreshed half way.
        let half = now + binding.expires_at.saturating_duration_since(now) / 2;
        self.plan_refresh(aor, binding.key(), self.refresh_at(&device, binding, half));
        let mut sleepers = self.sleepers();
        sleepers.awake(now, &device, self.config.awake());
        let places = sleepers.take(&device);
        drop(sleepers);
        if !places.is_empty() {
            self.woken.fetch_add(places.len() as u64, Ordering::Relaxed);
            let branch = Arc::new(branch());
            self.make_ready(places.into_iter().map(|place| (place, Some(branch.clone()))));
        }
    }

    /// Remembers when a device has to be woken for a registration to go on that was made before this server started: one that has
    /// not much time left at once.
    pub(crate) fn restored(&self, now: Instant, aor: &Aor, binding: &Binding) {
        if let Some(device) = self.device(aor, binding) {
            let at = self.refresh_at(&device, binding, now);
            self.plan_refresh(aor, binding.key(), at);
        }
    }

    /// When a device has to be woken for its registration to go on (RFC 8599 §5.5), and not before `least`; nothing where it need not.
    fn refresh_at(&self, device: &Device, binding: &Binding, least: Instant) -> Option<Instant> {
        let before = self.config.refresh();
        let wants = self.config.provider(&device.provider).is_some_and(|(_, provider)| provider.refresh);
        let is_ours = wants && before > Duration::ZERO && !binding.refreshes_itself();
        let at = binding.expires_at.checked_sub(before).map_or(least, |at| at.max(least));
        is_ours.then_some(at)
    }

    fn plan_refresh(&self, aor: &Aor, key: BindingKey, at: Option<Instant>) {
        let is_next = self.sleepers().refresh(&(aor.clone(), key), at);
        if is_next {
            self.sooner.notify_one();
        }
    }

    /// Waits until some device is to be woken for its registration.
    async fn until_refresh(&self) {
        loop {
            let next = self.sleepers().next_refresh();
            match next {
                Some(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at.into()) => return,
                        () = self.sooner.notified() => {}
                    }
                }
                None => self.sooner.notified().await,
            }
        }
    }

    /// Sends a notification; says whether there was room for it.
    fn order(&self, device: &Arc<Device>, request: &Request) -> bool {
        let from = request.first::<From<'_>>().and_then(Result::ok);
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let notification = PushNotification {
            method: request.method().to_string(),
            call_id: request.values(HeaderId::CALL_ID).next().map(text),
            from: from.as_ref().map(|from| from.uri.as_str().to_owned()),
            from_name: from.as_ref().map(|from| text(&from.display())).filter(|name| !name.is_empty()),
            ..self.notification(device)
        };
        let order = Order { device: device.clone(), notification };
        let has_room = self.orders.try_send(order).is_ok();
        if !has_room {
            self.no_room.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }

    /// One that says of no request.
    fn notification(&self, device: &Device) -> PushNotification {
        let provider = self.config.provider(&device.provider).map_or(&*device.provider, |(name, _)| name);
        PushNotification {
            provider: provider.to_owned(),
            param: device.param.as_deref().map(str::to_owned),
            prid: device.prid.to_string(),
            aor: device.aor.to_string(),
            method: "REGISTER".into(),
            call_id: None,
            from: None,
            from_name: None,
        }
    }

    fn make_ready(&self, new: impl Iterator<Item = (Place, Option<Arc<Branch>>)>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.extend(new);
        self.ready_count.store(ready.len(), Ordering::Release);
    }

    fn next_ready(&self) -> Option<(Place, Option<Arc<Branch>>)> {
        if self.ready_count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ready.pop_front();
        self.ready_count.store(ready.len(), Ordering::Release);
        next
    }

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stats(&self) -> PushStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        PushStats {
            accepted: read(&self.accepted),
            failed: read(&self.failed),
            no_room: read(&self.no_room),
            woken: read(&self.woken),
            waiting: self.sleepers().len(),
        }
    }
}

impl ServerCore {
    /// A request in this shard waits for a device.
    pub(crate) fn wake(
        &self,
        now: Instant,
        index: usize,
        node: &mut Node,
        token: Token,
        device: &Arc<Device>,
    ) {
        let is_waited_for = match (self.locations.push(), node.proxy.asleep(token)) {
            (Some(push), Some(request)) => {
                let is_news = push.sleepers().wait(now, device, (index, token));
                let is_asked = !is_news || push.order(device, request);
                if !is_asked {
                    push.sleepers().forget((index, token));
                }
                is_asked
            }
            _ => false,
        };
        if !is_waited_for {
            node.proxy.woken(now, &mut node.transactions, token, None);
        }
    }

    /// A request in this shard waits no longer.
    pub(crate) fn forget(&self, index: usize, token: Token) {
        if let Some(push) = self.locations.push() {
            push.sleepers().forget((index, token));
        }
    }

    /// Bindings were made or refreshed, and are answered for. Who waited for them goes on with [`wake_ready`](Self::wake_ready).
    pub(crate) fn have_registered(&self, now: Instant, changes: &[Change]) {
        let Some(push) = self.locations.push() else { return };
        for change in changes {
            match change {
                Change::Put(aor, binding) => {
                    push.registered(now, aor, binding, || self.locations.branch(binding));
                }
                Change::Remove(aor, key) => push.plan_refresh(aor, key.clone(), None),
            }
        }
    }

    /// Has those go on whose phones have woken up, whatever their shard. Not to be called with a shard locked.
    pub(crate) fn wake_ready(&self, now: Instant, out: &mut Out) {
        let Some(push) = self.locations.push() else { return };
        while let Some(((index, token), branch)) = push.next_ready() {
            self.with_shard_alone(now, index, out, |node| {
                node.proxy.woken(now, &mut node.transactions, token, branch.as_deref());
            });
        }
    }

    /// The next notification for a registration that is about to end, unless it is gone.
    fn refresh_order(&self, now: Instant, push: &Push) -> Option<Order> {
        let (aor, key) = push.sleepers().due(now)?;
        let device = self.locations.with(&aor, |locations| {
            let bindings = locations.lookup(now, &aor);
            push.device(&aor, bindings.into_iter().find(|binding| key.is_of(binding))?)
        })?;
        Some(Order { notification: push.notification(&device), device })
    }

    /// A notification was sent, or could not be.
    fn pushed(
        &self,
        now: Instant,
        push: &Push,
        order: &Order,
        outcome: &Result<(), PushFailure>,
        out: &mut Out,
    ) {
        let Err(failure) = outcome else {
            push.accepted.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let count = push.failed.fetch_add(1, Ordering::Relaxed) + 1;
        // A service that is down must not fill the log.
        if count <= 20 || count.is_power_of_two() {
            tracing::warn!(
                provider = %order.notification.provider,
                aor = %order.device.aor,
                count,
                "a phone was not woken: {failure}"
            );
        }
        if order.notification.call_id.is_some() {
            let places = push.sleepers().take(&order.device);
            push.make_ready(places.into_iter().map(|place| (place, None)));
            self.wake_ready(now, out);
        }
    }
}
