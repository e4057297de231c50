//! Changing the sample rate with a polyphase filter, for whole recordings and for sound as it comes.

use std::fmt;

/// Half the length of the filter, in samples of the slower rate.
const HALF: usize = 32;
/// Where the filter cuts, as a share of half the slower rate. It reaches its stop band at that half.
const CUT: f64 = 0.92;
/// Of the Kaiser window: some 80 dB of suppression.
const BETA: f64 = 8.0;
/// Filters that one conversion may need; a bound on memory, which no pair of usual rates comes near.
const MAX_PHASES: u32 = 1_000;

/// Converts recordings from one rate to another.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Rate out over rate in, in lowest terms.
    up: usize,
    down: usize,
    /// How far the filter reaches to either side, in samples of the input.
    reach: usize,
    /// `2 * reach` coefficients for each of `up` phases.
    phases: Vec<Vec<f32>>,
}

/// Two rates that cannot be converted into each other here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedRate {
    /// The rate of the recording in Hz.
    pub from: u32,
    /// The rate that was wanted.
    pub to: u32,
}

impl fmt::Display for UnsupportedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot convert {} Hz to {} Hz; 8000, 16000, 44100 and 48000 Hz can be", self.from, self.to)
    }
}

impl std::error::Error for UnsupportedRate {}

impl Resampler {
    /// A converter between two rates of 4,000 to 192,000 Hz.
    ///
    /// # Errors
    /// [`UnsupportedRate`] when a rate is out of range, or their ratio has no small terms (such as 44,101 to 8,000).
    pub fn new(from: u32, to: u32) -> Result<Self, UnsupportedRate> {
        Self::check(from, to)?;
        let divisor = greatest_common_divisor(from, to);
        let (up, down) = ((to / divisor) as usize, (from / divisor) as usize);
        // The filter gets longer with the ratio when the output is the slower side.
        let reach = HALF * down.div_ceil(up).max(1);
        let slower = (up as f64 / down as f64).min(1.0);
        let phases =
            (0..up).map(|phase| coefficients(phase as f64 / up as f64, reach, CUT * slower)).collect();
        Ok(Self { up, down, reach, phases })
    }

    /// Whether there is a converter between two rates.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn check(from: u32, to: u32) -> Result<(), UnsupportedRate> {
        let are_in_range = [from, to].iter().all(|rate| (4_000..=192_000).contains(rate));
        let converts = are_in_range && to / greatest_common_divisor(from, to) <= MAX_PHASES;
        converts.then_some(()).ok_or(UnsupportedRate { from, to })
    }

    /// Converts a whole recording; its beginning stays where it is in time. Equal rates give a copy.
    pub fn convert(&self, samples: &[i16]) -> Vec<i16> {
        if self.up == self.down {
            return samples.to_vec();
        }
        let length = (samples.len() * self.up).div_ceil(self.down);
        (0..length).map(|n| self.sample(samples, n * self.down)).collect()
    }

    /// The output at `at`, in units of an input sample divided by `up`.
    fn sample(&self, samples: &[i16], at: usize) -> i16 {
        let (base, phase) = (at / self.up, at % self.up);
        // The filter covers `base - reach + 1 ..= base + reach`; outside the recording there is silence.
        let sum: f32 = self.phases[phase]
            .iter()
            .enumerate()
            .filter_map(|(tap, weight)| {
                let index = (base + tap + 1).checked_sub(self.reach)?;
                Some(f32::from(*samples.get(index)?) * weight)
            })
            .sum();
        sum.round() as i16
    }
}

/// Converts sound piece by piece, as a device gives or takes it: what [`Resampler`] makes of the whole, some milliseconds later.
#[derive(Clone, Debug)]
pub struct RunningResampler {
    resampler: Resampler,
    /// The input that outputs to come still need.
    kept: Vec<i16>,
    /// Where the next output is, from the first sample that is kept, in units of an input sample divided by `up`.
    at: usize,
}

impl RunningResampler {
    /// A converter as [`Resampler::new`] makes it.
    ///
    /// # Errors
    /// As there.
    pub fn new(from: u32, to: u32) -> Result<Self, UnsupportedRate> {
        Ok(Self { resampler: Resampler::new(from, to)?, kept: Vec::new(), at: 0 })
    }

    /// Takes a piece, and appends to `out` what can be told by now.
    pub fn convert(&mut self, samples: &[i16], out: &mut impl Extend<i16>) {
        let Resampler { up, down, reach, .. } = self.resampler;
        if up == down {
            out.extend(samples.iter().copied());
            return;
        }
        self.kept.extend_from_slice(samples);
        while self.at / up + reach < self.kept.len() {
            out.extend([self.resampler.sample(&self.kept, self.at)]);
            self.at += down;
        }
        let past = (self.at / up + 1).saturating_sub(reach).min(self.kept.len());
        self.kept.drain(..past);
        self.at -= past * up;
    }
}

/// A windowed sinc, shifted by `fraction` of a sample, with a sum of one so that a constant stays what it is.
fn coefficients(fraction: f64, reach: usize, cut: f64) -> Vec<f32> {
    let taps: Vec<f64> = (0..2 * reach)
        .map(|tap| {
            let distance = tap as f64 + 1.0 - reach as f64 - fraction;
            sinc(distance * cut) * kaiser(distance / reach as f64)
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|it| (it / sum) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// The Kaiser window over -1.0..=1.0.
fn kaiser(x: f64) -> f64 {
    bessel(BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel(BETA)
}

/// The modified Bessel function of order zero, by its series.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    (1..40).fold(1.0, |sum, k| {
        term *= quarter / f64::from(k * k);
        sum + term
    })
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, seconds: f64) -> Vec<i16> {
        let length = (f64::from(rate) * seconds) as usize;
        let step = hertz / f64::from(rate) * std::f64::consts::TAU;
        (0..length).map(|n| ((n as f64 * step).sin() * 10_000.0) as i16).collect()
    }

    /// Signal to noise in decibels, away from the ends.
    fn quality(got: &[i16], truth: &[i16]) -> f64 {
        let inner = 200..got.len().min(truth.len()) - 200;
        let power = |it: f64| it * it;
        let noise: f64 = inner.clone().map(|n| power(f64::from(got[n]) - f64::from(truth[n]))).sum();
        let signal: f64 = inner.map(|n| power(f64::from(truth[n]))).sum();
        10.0 * (signal / noise.max(1e-9)).log10()
    }

    #[test]
    fn tones_survive_every_usual_rate() {
        for from in [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
            for to in [8_000, 16_000, 48_000] {
                let resampler = Resampler::new(from, to).expect("usual rates");
                for hertz in [300.0, 1_000.0, 3_000.0] {
                    let got = resampler.convert(&tone(from, hertz, 0.25));
                    let decibels = quality(&got, &tone(to, hertz, 0.25));
                    assert!(decibels > 55.0, "{hertz} Hz from {from} to {to}: {decibels:.1} dB");
                }
            }
        }
    }

    #[test]
    fn what_the_slower_rate_cannot_hold_is_gone() {
        let resampler = Resampler::new(48_000, 8_000).expect("usual rates");
        for hertz in [4_100.0, 5_000.0, 7_000.0, 15_000.0] {
            let got = resampler.convert(&tone(48_000, hertz, 0.25));
            let peak = got[100..got.len() - 100].iter().map(|it| it.unsigned_abs()).max();
            assert!(peak.is_some_and(|it| it < 40), "{hertz} Hz leaves {peak:?} of 10000");
        }
    }

    #[test]
    fn odd_ratios_are_refused_by_name() {
        let error = Resampler::new(44_101, 8_000).expect_err("no small terms");
        assert_eq!(
            error.to_string(),
            "cannot convert 44101 Hz to 8000 Hz; 8000, 16000, 44100 and 48000 Hz can be"
        );
        assert!(Resampler::new(0, 8_000).is_err() && Resampler::new(8_000, 1_000_000).is_err());
    }

    #[test]
    fn equal_rates_and_constants_change_nothing() {
        let samples = tone(8_000, 440.0, 0.1);
        assert_eq!(Resampler::new(8_000, 8_000).map(|it| it.convert(&samples)), Ok(samples));
        let constant = Resampler::new(44_100, 8_000).map(|it| it.convert(&[1_234; 4_410]));
        assert!(constant.is_ok_and(|it| it.len() == 800 && it[50..750].iter().all(|it| *it == 1_234)));
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let sound: Vec<i16> = (0..4_000_i32).map(|n| ((n * n * 7) % 20_001 - 10_000) as i16).collect();
        for (from, to) in [(48_000, 8_000), (8_000, 48_000), (44_100, 8_000), (8_000, 44_100), (8_000, 8_000)]
        {
            let whole = Resampler::new(from, to).unwrap().convert(&sound);
            for length in [1, 7, 160, 441] {
                let (mut running, mut out) = (RunningResampler::new(from, to).unwrap(), Vec::new());
                sound.chunks(length).for_each(|piece| running.convert(piece, &mut out));
                assert_eq!(out, whole[..out.len()], "{from} to {to} by {length}");
                // What is missing lies within the reach of the filter.
                let late = (whole.len() - out.len()) as f64 / f64::from(to);
                assert!(late < 0.01, "{late} s of {from} to {to}");
            }
        }
    }
}
