//! Wall-clock time without reading a clock.

use std::time::{Duration, Instant};

/// One moment on both clocks, from which wall time follows by arithmetic.
///
/// The driver makes it once. A step of the system clock afterwards does not reach the machines, so timers
/// and lifetimes are immune to it; a driver that wants to follow the step hands in a new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// The moment on the monotonic clock.
    pub at: Instant,
    /// The same moment as time since 1970-01-01T00:00:00Z.
    pub unix: Duration,
}

impl Epoch {
    /// The wall-clock time at `now`, since 1970-01-01T00:00:00Z.
    pub fn unix(&self, now: Instant) -> Duration {
        match now.checked_duration_since(self.at) {
            Some(later) => self.unix.saturating_add(later),
            None => self.unix.saturating_sub(self.at.saturating_duration_since(now)),
        }
    }

    /// The monotonic moment of a wall-clock time, where it can be expressed.
    pub fn instant(&self, unix: Duration) -> Option<Instant> {
        match unix.checked_sub(self.unix) {
            Some(later) => self.at.checked_add(later),
            None => self.at.checked_sub(self.unix.saturating_sub(unix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn wall_time_follows_the_monotonic_clock_both_ways() {
        let at = Instant::now();
        let epoch = Epoch { at, unix: Duration::from_secs(1_000) };
        assert_eq!(epoch.unix(at + Duration::from_secs(5)), Duration::from_secs(1_005));
        assert_eq!(epoch.instant(Duration::from_secs(1_005)), Some(at + Duration::from_secs(5)));
        assert_eq!(epoch.unix(at), Duration::from_secs(1_000));
    }
}
