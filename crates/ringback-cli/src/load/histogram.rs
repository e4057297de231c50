//! Durations by the thousand, kept in little room, and their percentiles.
//!
//! Buckets grow with what they hold: 64 to each doubling, so that a percentile is at most 1.6 % above the value that was
//! measured, from a microsecond to hours.

use std::time::Duration;

/// Buckets to each doubling.
const STEPS: u64 = 64;

/// How often which duration was seen, in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    /// Grows as far as it is needed.
    buckets: Vec<u64>,
    count: u64,
    /// In microseconds.
    longest: u64,
}

/// What a report says of one step of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Percentiles {
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Histogram {
    /// Counts one.
    pub(crate) fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket_of(micros);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.longest = self.longest.max(micros);
    }

    /// Counts all of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (own, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += others;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// What `share` of all, from 0 to 1, did not take longer than. `None` when there is none.
    pub(crate) fn percentile(&self, share: f64) -> Option<Duration> {
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(last_of(bucket).min(self.longest)))
    }

    /// The ones that a report has. `None` when nothing was counted.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        Some(Percentiles {
            p50: self.percentile(0.5)?,
            p90: self.percentile(0.9)?,
            p99: self.percentile(0.99)?,
            longest: Duration::from_micros(self.longest),
        })
    }

    /// The same in `bars` equal parts from nothing to `end`, for a drawing; what is longer stands in the last one.
    pub(crate) fn bars(&self, bars: usize, end: Duration) -> Vec<u64> {
        let end = u64::try_from(end.as_micros()).unwrap_or(u64::MAX).max(1);
        let mut drawn = vec![0; bars.max(1)];
        let last = drawn.len() - 1;
        for (bucket, count) in self.buckets.iter().enumerate() {
            let bar = u128::from(last_of(bucket)) * drawn.len() as u128 / u128::from(end);
            drawn[usize::try_from(bar).unwrap_or(last).min(last)] += count;
        }
        drawn
    }
}

/// Below 64 a bucket for each microsecond, above it 64 for each doubling.
fn bucket_of(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let doublings = u64::from(micros.ilog2() - STEPS.ilog2());
    (STEPS * (doublings + 1) + (micros >> doublings) - STEPS) as usize
}

/// The largest value that falls into a bucket.
fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    let first = u128::from(bucket % STEPS + STEPS) << doublings;
    u64::try_from(first + (1 << doublings) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        values.into_iter().for_each(|micros| histogram.record(Duration::from_micros(micros)));
        histogram
    }

    #[test]
    fn each_value_is_in_the_bucket_that_ends_at_most_a_64th_above_it() {
        let near_powers = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in (0..5_000).chain(near_powers).chain([u64::MAX]) {
            let last = last_of(bucket_of(value));
            assert!(last >= value && last - value <= value / STEPS, "{value}: {last}");
            assert_eq!(bucket_of(last), bucket_of(value), "{value}");
            if last < u64::MAX {
                assert_eq!(bucket_of(last + 1), bucket_of(value) + 1, "{value}");
            }
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let all = of(1..=1_000).percentiles().unwrap();
        let near = |found: Duration, exact: u64| {
            let found = found.as_micros() as u64;
            assert!(found >= exact && found <= exact + exact / STEPS + 1, "{found} for {exact}");
        };
        near(all.p50, 500);
        near(all.p90, 900);
        near(all.p99, 990);
        assert_eq!(all.longest, Duration::from_micros(1_000));
    }

    #[test]
    fn one_value_is_all_its_percentiles_and_none_has_none() {
        let one = Duration::from_micros(123_457);
        let all = of([123_457]).percentiles().unwrap();
        assert_eq!([all.p50, all.p90, all.p99, all.longest], [one; 4]);
        assert_eq!(Histogram::default().percentiles(), None);
    }

    #[test]
    fn merged_ones_tell_what_one_would_have_told() {
        let mut merged = of((0..500).map(|it| it * 7));
        merged.merge(&of((500..1_000).map(|it| it * 7)));
        let whole = of((0..1_000).map(|it| it * 7));
        assert_eq!(merged.percentiles(), whole.percentiles());
        assert_eq!((merged.count(), merged.buckets), (1_000, whole.buckets));
    }

    #[test]
    fn bars_hold_every_value_once() {
        let bars = of([0, 10, 99, 100, 5_000]).bars(10, Duration::from_micros(100));
        assert_eq!(bars, [1, 1, 0, 0, 0, 0, 0, 0, 0, 3]);
    }
}
