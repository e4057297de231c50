//! Which nonce counts were used, in bounded memory.

use crate::nonce::NonceId;
use std::collections::BTreeMap;
use std::time::Duration;

/// The nonce counts that were accepted, so that none is accepted twice (RFC 7616 §3.4, `nc`).
///
/// Only nonces with which somebody proved a password are remembered, and only until they expire: an attacker
/// without a password cannot fill it. When it is full of live nonces it takes no further ones.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    seen: BTreeMap<NonceId, Counts>,
    capacity: usize,
}

/// The highest count and which of the 64 up to it were used; bit 0 is the highest.
#[derive(Clone, Copy, Debug)]
struct Counts {
    highest: u32,
    used: u64,
}

impl ReplayWindow {
    /// A window that remembers at most `capacity` nonces.
    pub fn new(capacity: usize) -> Self {
        Self { seen: BTreeMap::new(), capacity }
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Forgets nonces that are past their lifetime.
    pub fn expire(&mut self, now_unix: Duration, lifetime: Duration) {
        // Oldest first. One from the future, after the clock went back, waits behind them.
        while let Some(oldest) = self.seen.first_entry() {
            if oldest.key().is_fresh(now_unix, lifetime) {
                break;
            }
            oldest.remove();
        }
    }

    /// Takes note of a count; `false` when it was used before, is too old to tell, or there is no room.
    /// Counts may come out of order by up to 63 and may skip.
    pub(crate) fn accept(
        &mut self,
        now_unix: Duration,
        lifetime: Duration,
        nonce: NonceId,
        count: u32,
    ) -> bool {
        if let Some(counts) = self.seen.get_mut(&nonce) {
            return counts.accept(count);
        }
        if self.seen.len() >= self.capacity {
            self.expire(now_unix, lifetime);
        }
        if self.seen.len() >= self.capacity {
            return false;
        }
        self.seen.insert(nonce, Counts { highest: count, used: 1 });
        true
    }

    /// Uses a nonce up, for an answer that has no count; `false` when it was used before.
    pub(crate) fn exhaust(&mut self, now_unix: Duration, lifetime: Duration, nonce: NonceId) -> bool {
        if self.seen.contains_key(&nonce) || !self.accept(now_unix, lifetime, nonce, u32::MAX) {
            return false;
        }
        self.seen.insert(nonce, Counts { highest: u32::MAX, used: u64::MAX });
        true
    }
}

impl Counts {
    fn accept(&mut self, count: u32) -> bool {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let Some(bit) = 1u64.checked_shl(behind) else { return false };
        let new = self.used & bit == 0;
        self.used |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ringback_sansio::SeededEntropy;
    use std::collections::BTreeSet;

    const LIFETIME: Duration = Duration::from_secs(60);

    fn nonce(seconds: u64) -> NonceId {
        NonceId::new(Duration::from_secs(seconds), &mut SeededEntropy::new(seconds))
    }

    #[test]
    fn fault_14_counts_may_skip_but_not_repeat_or_wrap() {
        let now = Duration::from_secs(100);
        let mut window = ReplayWindow::new(8);
        let mut accept = |count| window.accept(now, LIFETIME, nonce(100), count);
        assert!(accept(1) && !accept(1), "used twice");
        assert!(accept(200) && accept(199) && !accept(199), "out of order once");
        assert!(!accept(100), "too old to tell");
        assert!(accept(u32::MAX) && !accept(u32::MAX) && !accept(1), "no way round");
    }

    #[test]
    fn an_answer_without_count_uses_its_nonce_up() {
        let now = Duration::from_secs(100);
        let mut window = ReplayWindow::new(8);
        assert!(window.exhaust(now, LIFETIME, nonce(100)));
        assert!(!window.exhaust(now, LIFETIME, nonce(100)));
        assert!(!window.accept(now, LIFETIME, nonce(100), 7));
        assert!(window.accept(now, LIFETIME, nonce(99), 7));
        assert!(!window.exhaust(now, LIFETIME, nonce(99)));
    }

    #[test]
    fn fault_14_a_full_window_drops_the_expired_and_never_the_live() {
        let mut window = ReplayWindow::new(2);
        assert!(window.accept(Duration::from_secs(1), LIFETIME, nonce(1), 1));
        assert!(window.accept(Duration::from_secs(50), LIFETIME, nonce(50), 1));
        assert!(!window.accept(Duration::from_secs(60), LIFETIME, nonce(60), 1), "full of live ones");
        assert!(window.accept(Duration::from_secs(60), LIFETIME, nonce(1), 2), "those go on");
        assert!(window.accept(Duration::from_secs(62), LIFETIME, nonce(62), 1), "the first one expired");
        assert_eq!(window.len(), 2);
    }

    proptest! {
        #[test]
        fn no_count_is_accepted_twice(counts in prop::collection::vec(1u32..200, 1..200)) {
            let mut window = ReplayWindow::new(1);
            let mut used = BTreeSet::new();
            for count in counts {
                let within = used.last().is_none_or(|highest: &u32| count + 64 > *highest);
                let accepted = window.accept(Duration::from_secs(1), LIFETIME, nonce(1), count);
                prop_assert_eq!(accepted, within && used.insert(count));
            }
        }
    }
}
