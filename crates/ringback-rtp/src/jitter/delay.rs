//! How much delay the network asks for: NetEQ's idea of a forgetting histogram of relative delays.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back the fastest packet is looked for. Long enough to bridge bursts, short enough to follow drift.
const WINDOW: Duration = Duration::from_secs(2);
/// Only the greatest delay of this span enters the histogram, so that dense packets do not outvote rare spikes.
const RESAMPLE: Duration = Duration::from_millis(500);
/// The weight that a bucket keeps at each step.
const FORGET: f64 = 0.983;
/// Lets the first samples count for more.
const START_WEIGHT: f64 = 2.0;
/// The share of spans whose delay the target covers.
const QUANTILE: f64 = 0.95;
const BUCKETS: usize = 100;
/// Bounds the search window against a peer that sends thousands of packets a second.
const MAX_WINDOW: usize = 512;

/// Estimates the delay that lets nearly all packets arrive before they are played.
#[derive(Clone, Debug)]
pub(super) struct DelayEstimate {
    /// Ticks of the media clock in a bucket of 5 ms.
    bucket: i64,
    /// Transit times that may still become the least of the window, growing from front to back.
    window: VecDeque<(Instant, i64)>,
    histogram: [f64; BUCKETS],
    samples: u32,
    /// When the running span began, and its greatest relative delay.
    span: Option<(Instant, i64)>,
}

impl DelayEstimate {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            bucket: i64::from(clock_rate / 200).max(1),
            window: VecDeque::new(),
            histogram: [0.0; BUCKETS],
            samples: 0,
            span: None,
        }
    }

    /// Takes the transit time of a packet, arrival less timestamp in ticks with an arbitrary zero; returns how
    /// much later it came than the fastest one.
    pub(super) fn arrived(&mut self, now: Instant, transit: i64) -> i64 {
        while self.window.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.window.pop_front();
        }
        while self.window.back().is_some_and(|(_, slower)| *slower >= transit) {
            self.window.pop_back();
        }
        if self.window.len() < MAX_WINDOW {
            self.window.push_back((now, transit));
        }
        let relative = transit - self.fastest().unwrap_or(transit);
        let (begin, greatest) = self.span.unwrap_or((now, 0));
        self.span = Some((begin, greatest.max(relative)));
        if now.saturating_duration_since(begin) >= RESAMPLE {
            self.sample(greatest.max(relative));
            self.span = Some((now, 0));
        }
        relative
    }

    /// The transit time of the fastest packet in the window.
    pub(super) fn fastest(&self) -> Option<i64> {
        self.window.front().map(|(_, transit)| *transit)
    }

    /// The delay, in ticks, that covers [`QUANTILE`] of what was seen; `None` before the first span is over.
    pub(super) fn target(&self) -> Option<i64> {
        if self.samples == 0 {
            return None;
        }
        let mut covered = 0.0;
        let index = self.histogram.iter().position(|share| {
            covered += share;
            covered >= QUANTILE
        });
        Some((index.unwrap_or(BUCKETS - 1) as i64 + 1) * self.bucket)
    }

    /// Time starts anew, what was learnt about the network stays.
    pub(super) fn restart(&mut self) {
        self.window.clear();
        self.span = None;
    }

    fn sample(&mut self, relative: i64) {
        self.samples = self.samples.saturating_add(1);
        // Begins as the plain mean of few samples and becomes the forgetting one.
        let forget = FORGET.min(1.0 - START_WEIGHT / (f64::from(self.samples) + 1.0)).max(0.0);
        let index = usize::try_from(relative / self.bucket).unwrap_or(0).min(BUCKETS - 1);
        for share in &mut self.histogram {
            *share *= forget;
        }
        self.histogram[index] += 1.0 - forget;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Twenty milliseconds between packets, `delay` in ticks of 8 kHz.
    fn fed(delays: impl Iterator<Item = i64>) -> DelayEstimate {
        let begin = start();
        let mut estimate = DelayEstimate::new(8_000);
        for (packet, delay) in (0..).zip(delays) {
            estimate.arrived(begin + Duration::from_millis(20) * packet, delay);
        }
        estimate
    }

    #[test]
    fn a_steady_network_asks_for_the_least() {
        assert_eq!(fed(std::iter::repeat_n(777, 500)).target(), Some(40));
    }

    #[test]
    fn jitter_asks_for_its_upper_end() {
        // 0 to 60 ms in a fixed order.
        let target = fed((0..1_000).map(|packet| packet * 37 % 60 * 8)).target();
        assert_eq!(target, Some(480));
    }

    #[test]
    fn a_lone_spike_is_forgotten() {
        let spiky =
            |quiet: i64| fed((0..1_000 + quiet).map(|packet| if packet == 1_000 { 1_600 } else { 0 }));
        assert_eq!(spiky(1_500).target(), Some(40));
    }

    #[test]
    fn the_window_stays_small() {
        let begin = start();
        let mut estimate = DelayEstimate::new(8_000);
        for packet in 0..10_000 {
            estimate.arrived(begin, packet);
        }
        assert!(estimate.window.len() <= MAX_WINDOW);
    }
}
