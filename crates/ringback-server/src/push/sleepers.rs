//! Which devices are being woken and who waits for them, which are awake, and which have to be woken to stay registered.

use ringback_proxy::{Device, Token};
use ringback_registrar::{Aor, BindingKey};
use ringback_sansio::Map;
use smallvec::SmallVec;
use std::collections::BTreeMap;
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
    /// The bindings whose devices are to be woken for them to go on, and when, the next one first. The number tells those of one instant
    /// apart.
    refreshes: BTreeMap<(Instant, u64), Bound>,
    /// The same by binding.
    refresh_at: Map<Bound, (Instant, u64)>,
    refreshed: u64,
}

/// A binding: whose, and which.
pub(super) type Bound = (Aor, BindingKey);

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

    /// Sets when the device of a binding is to be woken for that to go on, or that it is not; says whether it is the next one.
    pub(super) fn refresh(&mut self, bound: &Bound, at: Option<Instant>) -> bool {
        if let Some(before) = self.refresh_at.remove(bound) {
            self.refreshes.remove(&before);
        }
        let Some(at) = at else { return false };
        self.refreshed += 1;
        let at = (at, self.refreshed);
        self.refresh_at.insert(bound.clone(), at);
        self.refreshes.insert(at, bound.clone());
        self.refreshes.first_key_value().is_some_and(|(first, _)| *first == at)
    }

    pub(super) fn next_refresh(&self) -> Option<Instant> {
        self.refreshes.first_key_value().map(|((at, _), _)| *at)
    }

    /// A binding whose device is to be woken now.
    pub(super) fn due(&mut self, now: Instant) -> Option<Bound> {
        let first = self.refreshes.first_entry().filter(|first| first.key().0 <= now)?;
        let bound = first.remove();
        self.refresh_at.remove(&bound);
        Some(bound)
    }

    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_that_come_and_go_leave_nothing_behind() {
        let now = Instant::now();
        let bob = Aor::parse("sip:bob@example.com").unwrap();
        let bound = |number: u32| {
            let contact = ringback_message::UriBuf::new(&format!("sip:bob@h;pn-prid={number}")).unwrap();
            (bob.clone(), BindingKey::Contact(contact))
        };
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        let mut sleepers = Sleepers::default();
        assert!(sleepers.refresh(&bound(1), at(9)));
        assert!(!sleepers.refresh(&bound(2), at(9)), "another one comes first");
        assert!(sleepers.refresh(&bound(2), at(5)));
        assert!(sleepers.refresh(&bound(2), at(5)), "the same again");
        assert_eq!((sleepers.refreshes.len(), sleepers.refresh_at.len()), (2, 2));
        assert_eq!(sleepers.due(now), None);
        assert_eq!(sleepers.due(now + Duration::from_secs(5)), Some(bound(2)));
        assert_eq!(sleepers.next_refresh(), at(9));
        assert!(!sleepers.refresh(&bound(1), None));
        assert_eq!((sleepers.refreshes.len(), sleepers.refresh_at.len()), (0, 0));
        for number in 0..100 {
            sleepers.refresh(&bound(number), at(9));
            sleepers.refresh(&bound(number), None);
        }
        assert!(sleepers.refreshes.is_empty() && sleepers.refresh_at.is_empty());
    }
}
