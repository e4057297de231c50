//! Which devices are being woken and who waits for them, which are awake, and which have to be woken to stay registered.

use ringback_proxy::{Device, Token};
use ringback_sansio::Map;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A device that did not wake up within so long is sent another notification for the next request.
const AGAIN: Duration = Duration::from_secs(5);
/// Of how many devices it is remembered that they are awake. The others are woken, which does no harm.
const MOST_AWAKE: usize = 100_000;

/// A request that waits: the shard, and its token there.
pub(super) type Place = (usize, Token);

#[derive(Debug, Default)]
pub(super) struct Sleepers {
    waiting: Map<Arc<Device>, Waits>,
    devices: Map<Place, Arc<Device>>,
    /// When each registered last, of those that did so lately.
    awake: Map<Arc<Device>, Instant>,
    /// When each is to be woken for its registration to go on, the next one first.
    refreshes: BTreeSet<(Instant, Arc<Device>)>,
    /// The same by device.
    refresh_at: Map<Arc<Device>, Instant>,
}

#[derive(Debug)]
struct Waits {
    places: SmallVec<[Place; 1]>,
    pushed_at: Instant,
}

impl Sleepers {
    /// A request waits for a device; says whether that is to be sent a notification.
    pub(super) fn wait(&mut self, now: Instant, device: &Arc<Device>, place: Place) -> bool {
        self.devices.insert(place, device.clone());
        if let Some(waits) = self.waiting.get_mut(device) {
            waits.places.push(place);
            let is_silent = now.saturating_duration_since(waits.pushed_at) >= AGAIN;
            if is_silent {
                waits.pushed_at = now;
            }
            return is_silent;
        }
        let places = SmallVec::from_iter([place]);
        self.waiting.insert(device.clone(), Waits { places, pushed_at: now });
        true
    }

    /// A request waits no longer.
    pub(super) fn forget(&mut self, place: Place) {
        let Some(device) = self.devices.remove(&place) else { return };
        if let Some(waits) = self.waiting.get_mut(&device) {
            waits.places.retain(|own| *own != place);
            if waits.places.is_empty() {
                self.waiting.remove(&device);
            }
        }
    }

    /// A device registered, or cannot be woken; gives who waited for it.
    pub(super) fn take(&mut self, device: &Arc<Device>) -> SmallVec<[Place; 1]> {
        let places = self.waiting.remove(device).map(|waits| waits.places).unwrap_or_default();
        for place in &places {
            self.devices.remove(place);
        }
        places
    }

    /// A device has registered, and is taken to be awake for so long.
    pub(super) fn awake(&mut self, now: Instant, device: &Arc<Device>, awake_for: Duration) {
        if self.awake.len() >= MOST_AWAKE {
            self.awake.retain(|_, at| now.saturating_duration_since(*at) < awake_for);
        }
        if self.awake.len() < MOST_AWAKE && awake_for > Duration::ZERO {
            self.awake.insert(device.clone(), now);
        }
    }

    pub(super) fn is_awake(&mut self, now: Instant, device: &Device, awake_for: Duration) -> bool {
        let Some(at) = self.awake.get(device) else { return false };
        let is = now.saturating_duration_since(*at) < awake_for;
        if !is {
            self.awake.remove(device);
        }
        is
    }

    /// Sets when a device is to be woken for its registration to go on, or that it is not; says whether it is the next one.
    pub(super) fn refresh(&mut self, device: &Arc<Device>, at: Option<Instant>) -> bool {
        let before = match at {
            Some(at) => self.refresh_at.insert(device.clone(), at),
            None => self.refresh_at.remove(device),
        };
        if let Some(before) = before {
            self.refreshes.remove(&(before, device.clone()));
        }
        let Some(at) = at else { return false };
        self.refreshes.insert((at, device.clone()));
        self.refreshes.first().is_some_and(|(first, own)| *first == at && own == device)
    }

    pub(super) fn next_refresh(&self) -> Option<Instant> {
        self.refreshes.first().map(|(at, _)| *at)
    }

    /// A device that is to be woken now for its registration to go on.
    pub(super) fn due(&mut self, now: Instant) -> Option<Arc<Device>> {
        self.refreshes.first().filter(|(at, _)| *at <= now)?;
        let (_, device) = self.refreshes.pop_first()?;
        self.refresh_at.remove(&device);
        Some(device)
    }

    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }
}
