//! Wanting a key frame: who asks often is heard seldom, and it is asked for until it comes.

use std::time::{Duration, Instant};

/// Requests for the same stream go no more often.
const THROTTLE: Duration = Duration::from_millis(300);
/// The longest time between two requests.
const LONGEST: Duration = Duration::from_secs(3);
/// After so many requests without an answer nobody is asked any more, until it is wanted anew.
const MAX_TIMES: u32 = 12;

/// Whether a key frame of a stream is wanted, and when that is to be said.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyFrameWish {
    is_wanted: bool,
    asked: Option<Instant>,
    times: u32,
}

impl KeyFrameWish {
    /// One is wanted. Wishes while it is under way are the same wish.
    pub(super) fn want(&mut self) {
        if !self.is_wanted {
            (self.is_wanted, self.times) = (true, 0);
        }
    }

    /// One has come.
    pub(super) fn came(&mut self) {
        self.is_wanted = false;
    }

    /// Whether to ask now.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        if self.poll_timeout(now).is_none_or(|due| due > now) {
            return false;
        }
        if self.times >= MAX_TIMES {
            self.is_wanted = false;
            return false;
        }
        (self.asked, self.times) = (Some(now), self.times + 1);
        true
    }

    /// Whether what was asked last was asked for the first time.
    pub(super) fn is_first(&self) -> bool {
        self.times <= 1
    }

    /// When to ask next; `now` where that has come.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let pause = (THROTTLE * 2u32.pow(self.times.saturating_sub(1).min(5))).min(LONGEST);
        self.is_wanted.then(|| self.asked.map_or(now, |asked| (asked + pause).max(now)))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_until_it_comes() {
        let start = Instant::now();
        let mut wish = KeyFrameWish::default();
        assert!(!wish.poll(start));
        wish.want();
        let asked: Vec<u32> =
            (0..4_000).filter(|step| wish.poll(start + Duration::from_millis(u64::from(*step)))).collect();
        assert_eq!(asked, [0, 300, 900, 2_100]);
        wish.came();
        assert_eq!(wish.poll_timeout(start), None);
    }

    #[test]
    fn many_wishes_are_few_requests() {
        let start = Instant::now();
        let mut wish = KeyFrameWish::default();
        let mut asked = 0;
        for step in 0..3_000 {
            let now = start + Duration::from_millis(step);
            wish.want();
            asked += u32::from(wish.poll(now));
            // Each is answered at once, and each time the next one wants another.
            wish.came();
        }
        assert_eq!(asked, 10);
    }

    #[test]
    fn who_never_answers_is_left_alone_until_somebody_wants_it_anew() {
        let mut now = Instant::now();
        let mut wish = KeyFrameWish::default();
        wish.want();
        let mut asked = 0;
        while let Some(due) = wish.poll_timeout(now) {
            now = due;
            asked += u32::from(wish.poll(now));
        }
        assert_eq!(asked, MAX_TIMES);
        wish.want();
        assert!(wish.poll(now) && !wish.poll(now + THROTTLE / 2) && wish.poll(now + THROTTLE));
    }
}
