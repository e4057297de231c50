//! When feedback may go: at once, or with the next report (RFC 4585 §3.5).

use super::Interval;
use ringback_sansio::{Entropy as _, SeededEntropy};
use std::time::{Duration, Instant};

/// When the reports and the feedback of one side go, in a session of two.
///
/// Feedback goes at once, unless some has gone at once since the last time that a report could have gone; then it waits for the next
/// such time, so that all that is said keeps to the bandwidth of RTCP. Reports that have nothing to add go no more often than
/// the interval that was agreed on (`a=rtcp-fb:* trr-int`).
#[derive(Clone, Debug)]
pub struct FeedbackTiming {
    interval: Interval,
    random: SeededEntropy,
    /// `T_rr_interval`.
    least_interval: Duration,
    /// The same, drawn anew for each report.
    current_interval: Duration,
    tp: Instant,
    tn: Instant,
    t_rr_last: Option<Instant>,
    allow_early: bool,
}

/// What may go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// The feedback that waits, with as little else as there can be.
    Feedback,
    /// A report, with the feedback that waits.
    Report,
}

impl FeedbackTiming {
    /// For a session of so many bits a second, of which a twentieth is for RTCP. Reports go every `least_interval` on average; zero lets
    /// them go as often as the bandwidth allows.
    pub fn new(now: Instant, bandwidth: u32, least_interval: Duration, random: SeededEntropy) -> Self {
        let mut interval = Interval::new((f64::from(bandwidth) / 8.0 / 20.0).max(1.0));
        // RFC 3550 §6.2: between two that know of each other nothing has to be waited for at the beginning.
        (interval.least, interval.members) = (Duration::ZERO, 2);
        let mut timing = Self {
            interval,
            random,
            least_interval,
            current_interval: Duration::ZERO,
            tp: now,
            tn: now,
            t_rr_last: None,
            allow_early: true,
        };
        timing.tn = now + timing.draw();
        timing
    }

    /// Counts an RTCP packet of either side, of so many octets.
    pub fn saw_packet(&mut self, length: usize) {
        self.interval.saw_packet(length);
    }

    /// Whether we and the other side send media.
    pub fn set_senders(&mut self, we_sent: bool, they_sent: bool) {
        self.interval.we_sent = we_sent;
        self.interval.senders = u32::from(we_sent) + u32::from(they_sent);
    }

    /// What may go now. What is not [`Due::Nothing`] has to be sent.
    pub fn poll(&mut self, now: Instant, has_feedback: bool) -> Due {
        if now >= self.tn {
            // RFC 3550 §6.3.6: the interval is considered again.
            let due = self.tp + self.draw();
            if due > now {
                self.tn = due;
            } else {
                (self.tp, self.allow_early) = (now, true);
                let is_time = self.t_rr_last.is_none_or(|last| now >= last + self.current_interval);
                if is_time || has_feedback {
                    self.reported(now);
                    return Due::Report;
                }
                self.tn = now + self.draw();
            }
        }
        if has_feedback && self.allow_early {
            self.allow_early = false;
            // RFC 4585 §3.5.2: the next report waits for twice as long.
            self.tn = self.tp + self.draw() * 2;
            return Due::Feedback;
        }
        Due::Nothing
    }

    /// When to [`poll`](Self::poll) next.
    pub fn poll_timeout(&self, has_feedback: bool) -> Instant {
        match self.t_rr_last {
            _ if has_feedback && self.allow_early => self.tp,
            _ if has_feedback => self.tn,
            // What would be left out needs no time of its own.
            Some(last) => self.tn.max(last + self.current_interval),
            None => self.tn,
        }
    }

    fn reported(&mut self, now: Instant) {
        self.interval.initial = false;
        self.t_rr_last = Some(now);
        // RFC 4585 §3.5.3: half to one and a half of it.
        let spread = 0.5 + self.random.below(1 << 16) as f64 / f64::from(1 << 16);
        self.current_interval = self.least_interval.mul_f64(spread);
        self.tn = now + self.draw();
    }

    fn draw(&mut self) -> Duration {
        self.interval.draw(&mut self.random)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(1);

    /// What goes within so many milliseconds, where there is feedback at these.
    fn run(least: Duration, feedback: impl Fn(u32) -> bool, steps: u32) -> Vec<(u32, Due)> {
        let start = Instant::now();
        let mut timing = FeedbackTiming::new(start, 1_000_000, least, SeededEntropy::new(3));
        timing.set_senders(true, true);
        let (mut went, mut waits) = (Vec::new(), false);
        for step in 0..steps {
            waits |= feedback(step);
            let now = start + STEP * step;
            match timing.poll(now, waits) {
                Due::Nothing => assert!(timing.poll_timeout(waits) > now),
                due => {
                    went.push((step, due));
                    timing.saw_packet(100);
                    waits = false;
                }
            }
        }
        went
    }

    #[test]
    fn feedback_goes_at_once_when_there_is_little_of_it() {
        let went = run(Duration::from_secs(1), |step| step % 500 == 499, 20_000);
        for at in (499..20_000).step_by(500) {
            assert!(went.iter().any(|(step, _)| *step == at), "{at}: {went:?}");
        }
    }

    #[test]
    fn feedback_all_the_time_keeps_to_the_bandwidth_and_reports_go_as_well() {
        let went = run(Duration::from_secs(1), |_| true, 60_000);
        // A twentieth of 1 Mbit/s are 6,250 octets a second; two members send packets of 128 octets with their heads.
        let limit = 60 * 6_250 / 128;
        assert!((500..=limit).contains(&went.len()), "{} packets", went.len());
        assert!(went.iter().filter(|(_, due)| *due == Due::Report).count() > 200);
    }

    #[test]
    fn without_feedback_reports_keep_to_what_was_agreed() {
        let went = run(Duration::from_secs(2), |_| false, 60_000);
        assert!((25..=35).contains(&went.len()), "{} reports", went.len());
        assert!(went.iter().all(|(_, due)| *due == Due::Report));
    }
}
