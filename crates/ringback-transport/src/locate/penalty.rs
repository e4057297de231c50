//! Targets that did not work lately (RFC 3263 §4.3): whoever looks for a name is given them last, until it is time to probe
//! them again.

use ringback_sansio::{Map, Target};
use std::time::{Duration, Instant};

/// How long a target is avoided after its first failure, and at most.
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(600);
/// A target that worked for so long after it was avoided begins anew.
const FORGIVEN: Duration = Duration::from_secs(300);
/// More targets are not remembered.
const MOST: usize = 4_096;

/// Remembers which targets failed. They are put last and never left out: where all have failed, one of them is still
/// the best guess.
#[derive(Debug, Default)]
pub struct Penalties {
    by_target: Map<Target, Penalty>,
}

#[derive(Clone, Copy, Debug)]
struct Penalty {
    until: Instant,
    lasts: Duration,
}

impl Penalties {
    /// Nobody failed.
    pub fn new() -> Self {
        Self::default()
    }

    /// A target did not work. It is avoided for as long as it asked for (Retry-After; rule 10), else for half a minute,
    /// and twice as long whenever it fails again.
    pub fn failed(&mut self, now: Instant, target: Target, retry_after: Option<Duration>) {
        if let Target::Flow(_) = target {
            return;
        }
        self.by_target.retain(|_, penalty| now < penalty.until + FORGIVEN);
        let before = self.by_target.get(&target).copied();
        if before.is_none() && self.by_target.len() >= MOST {
            return;
        }
        // Several requests that were on their way fail together, and count once.
        let lasts = match before {
            Some(before) if now < before.until => before.lasts,
            Some(before) => (before.lasts * 2).min(LONGEST),
            None => FIRST,
        };
        let until = now + retry_after.map_or(lasts, |asked| asked.min(LONGEST));
        let until = before.map_or(until, |before| before.until.max(until));
        self.by_target.insert(target, Penalty { until, lasts });
    }

    /// Puts those that are to be avoided behind the others.
    pub fn order(&self, now: Instant, targets: &mut [Target]) {
        if !self.by_target.is_empty() {
            targets.sort_by_key(|target| self.is_avoided(now, target));
        }
    }

    /// Whether a target is avoided.
    pub fn is_avoided(&self, now: Instant, target: &Target) -> bool {
        self.by_target.get(target).is_some_and(|penalty| now < penalty.until)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;
    use ringback_sansio::Protocol;

    fn target(host: u8) -> Target {
        Target::Address(Protocol::Udp, format!("192.0.2.{host}:5060").parse().unwrap())
    }

    fn hosts(penalties: &Penalties, now: Instant) -> Vec<u8> {
        let mut targets = [target(1), target(2), target(3)];
        penalties.order(now, &mut targets);
        targets.map(|target| target.peer().ip().to_string().pop().unwrap() as u8 - b'0').to_vec()
    }

    #[test]
    fn what_failed_comes_last_and_is_probed_again() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut penalties = Penalties::new();
        penalties.failed(now, target(1), None);
        penalties.failed(later(1), target(1), None);
        assert_eq!(hosts(&penalties, later(1)), [2, 3, 1]);
        penalties.failed(now, target(2), None);
        assert_eq!(hosts(&penalties, later(1)), [3, 1, 2], "and not left out");
        assert_eq!(hosts(&penalties, later(31)), [1, 2, 3]);
        // The probe fails: twice as long.
        penalties.failed(later(40), target(1), None);
        assert_eq!(hosts(&penalties, later(99)), [2, 3, 1]);
        assert_eq!(hosts(&penalties, later(100)), [1, 2, 3]);
        // It worked for a while.
        penalties.failed(later(500), target(1), None);
        assert_eq!(hosts(&penalties, later(530)), [1, 2, 3]);
    }

    #[test]
    fn rule_10_retry_after_is_honoured_within_reason() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut penalties = Penalties::new();
        penalties.failed(now, target(1), Some(Duration::from_secs(90)));
        penalties.failed(now, target(2), Some(Duration::from_secs(1 << 30)));
        assert_eq!(hosts(&penalties, later(89)), [3, 1, 2]);
        assert_eq!(hosts(&penalties, later(90)), [1, 3, 2]);
        assert_eq!(hosts(&penalties, later(600)), [1, 2, 3]);
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut penalties = Penalties::new();
        for port in 1..=6_000 {
            let to = Target::Address(Protocol::Udp, std::net::SocketAddr::from(([192, 0, 2, 1], port)));
            penalties.failed(now, to, None);
        }
        assert_eq!(penalties.by_target.len(), MOST);
        penalties.failed(now + Duration::from_secs(1_000), target(9), None);
        assert_eq!(penalties.by_target.len(), 1);
    }
}
