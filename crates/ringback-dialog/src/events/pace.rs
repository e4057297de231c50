//! How long to wait before subscribing again, so that no notifier can make us hurry.

use super::reason::Again;
use ringback_sansio::Entropy;
use std::time::{Duration, Instant};

/// The first interval after a failure, and the longest; as for registrations (RFC 5626 §4.5).
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);
/// The longest that a notifier may ask us to wait.
const LONGEST_ASKED: Duration = Duration::from_secs(86_400);
/// Who lasts for so long is no failure.
const LASTED: Duration = Duration::from_secs(60);

/// How often it went wrong in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    failures: u32,
}

impl Pace {
    /// When to begin again what began at `begun`; `None` is never.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        begun: Instant,
        again: Again,
        entropy: &mut dyn Entropy,
    ) -> Option<Duration> {
        if now.saturating_duration_since(begun) >= LASTED {
            self.failures = 0;
        }
        let at_once = again == Again::AtOnce && self.failures == 0;
        let longest = FIRST_WAIT.saturating_mul(1 << self.failures.min(6)).min(LONGEST_WAIT);
        // Between half of it and all of it, so that those who lost it together do not come back together.
        let wait = longest.saturating_mul(500 + entropy.below(501) as u32) / 1000;
        self.failures = self.failures.saturating_add(1);
        match again {
            Again::Never => None,
            Again::AtOnce if at_once => Some(Duration::ZERO),
            Again::AtOnce | Again::Later => Some(wait),
            Again::After(seconds) => {
                let asked = Duration::from_secs(seconds.into()).min(LONGEST_ASKED);
                // Whoever says "at once" again and again is not obeyed.
                Some(if self.failures > 1 { asked.max(wait) } else { asked })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sansio::SeededEntropy;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn who_ends_it_again_and_again_is_asked_ever_less_often() {
        let (mut pace, now, mut entropy) = (Pace::default(), Instant::now(), SeededEntropy::new(1));
        let mut waits = |now, begun, again| pace.next(now, begun, again, &mut entropy);
        assert_eq!(waits(now, now, Again::AtOnce), Some(Duration::ZERO));
        let second = waits(now, now, Again::AtOnce).unwrap();
        assert!((30..=60).contains(&second.as_secs()), "{second:?}");
        assert!(waits(now, now, Again::After(1)).unwrap().as_secs() >= 60);
        assert_eq!(waits(now + LASTED, now, Again::AtOnce), Some(Duration::ZERO));
        assert_eq!(waits(now, now, Again::Never), None);
        assert_eq!(waits(now + LASTED, now, Again::After(u32::MAX)), Some(LONGEST_ASKED));
    }
}
