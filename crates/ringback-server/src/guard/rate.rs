//! So much in so much time.

use std::time::{Duration, Instant};

/// So many at once, and one more each interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) interval: Duration,
    pub(crate) burst: u32,
}

impl Allowance {
    /// `None` where any number is allowed.
    pub(crate) fn per_second(rate: u32, burst: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(rate)?;
        Some(Self { interval, burst })
    }
}

/// What was used of an allowance: when all of it will be free again (the generic cell rate algorithm, ITU-T I.371).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used(Option<Instant>);

impl Used {
    /// Takes one; says whether there was one left.
    pub(crate) fn take(&mut self, now: Instant, allowance: Allowance) -> bool {
        let free_at = self.0.map_or(now, |at| at.max(now));
        if !Self::has_left(free_at, now, allowance) {
            return false;
        }
        self.0 = Some(free_at + allowance.interval);
        true
    }

    /// Whether there is none left.
    pub(crate) fn is_up(&self, now: Instant, allowance: Allowance) -> bool {
        self.0.is_some_and(|at| !Self::has_left(at, now, allowance))
    }

    fn has_left(free_at: Instant, now: Instant, allowance: Allowance) -> bool {
        let used = free_at.saturating_duration_since(now);
        used + allowance.interval <= allowance.interval.saturating_mul(allowance.burst)
    }

    /// Whether nothing of it is used.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.0.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_comes_back_one_by_one() {
        let start = Instant::now();
        let allowance = Allowance::per_second(10, 3).unwrap();
        let mut used = Used::default();
        let taken = |used: &mut Used, after: u64| {
            let now = start + Duration::from_millis(after);
            (0..10).filter(|_| used.take(now, allowance)).count()
        };
        assert_eq!(taken(&mut used, 0), 3);
        assert!(used.is_up(start, allowance) && !used.is_idle(start));
        assert_eq!(taken(&mut used, 99), 0);
        assert_eq!(taken(&mut used, 100), 1);
        assert_eq!(taken(&mut used, 350), 2);
        assert_eq!(taken(&mut used, 60_000), 3);
        assert!(used.is_idle(start + Duration::from_secs(120)));
        assert!(Allowance::per_second(0, 3).is_none());
    }
}
