//! Finding the pitch of speech by normalised cross-correlation, and joining pieces of it without a click.

/// The shortest period that is looked for: 200 Hz at 8 kHz, as all here. Other rates are a multiple of that, the `scale`.
pub(crate) const MIN_PERIOD: usize = 40;
/// The longest: 66 Hz, as ITU-T G.711 Appendix I has it; deep voices go below 90 Hz.
pub(crate) const MAX_PERIOD: usize = 120;

/// A period and how well the signal repeats after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pitch {
    /// In samples, [`MIN_PERIOD`]..=[`MAX_PERIOD`] times the scale.
    pub(crate) period: usize,
    /// -1.0..=1.0; above about 0.8 the signal is voiced.
    pub(crate) correlation: f64,
}

/// How many times 8,000 Hz a rate is.
pub(crate) fn scale(rate: u32) -> usize {
    (rate / 8_000).max(1) as usize
}

/// The period after which the end of `samples` repeats itself best, comparing its last `window` samples. The
/// longest period tried is `longest`; `samples` has to hold `window + longest`, else the answer is `None`.
pub(crate) fn find(samples: &[i16], window: usize, longest: usize, scale: usize) -> Option<Pitch> {
    let shortest = MIN_PERIOD * scale;
    if samples.len() < window + longest || longest < shortest {
        return None;
    }
    // Every second lag at 8 kHz first, then the neighbours of the best; Appendix I decimates in the same way.
    let step = 2 * scale;
    let at = |period: usize| (period, correlate(samples, window, period, scale));
    let coarse = best((shortest..=longest).step_by(step).map(at))?;
    let fine = coarse.period.saturating_sub(step - 1).max(shortest)..=(coarse.period + step - 1).min(longest);
    best(fine.map(|period| (period, correlate(samples, window, period, 1))))
}

fn best(candidates: impl Iterator<Item = (usize, f64)>) -> Option<Pitch> {
    candidates
        .map(|(period, correlation)| Pitch { period, correlation })
        .reduce(|best, it| if it.correlation > best.correlation { it } else { best })
}

/// How much every `step`-th of the last `window` samples looks like that `period` earlier, -1.0..=1.0; 0.0 for silence.
fn correlate(samples: &[i16], window: usize, period: usize, step: usize) -> f64 {
    let end = samples.len();
    let (now, then) = (&samples[end - window..], &samples[end - window - period..end - period]);
    let (mut cross, mut energy_now, mut energy_then) = (0i64, 0i64, 0i64);
    for (a, b) in now.iter().zip(then).step_by(step) {
        let (a, b) = (i64::from(*a), i64::from(*b));
        cross += a * b;
        energy_now += a * a;
        energy_then += b * b;
    }
    match energy_now == 0 || energy_then == 0 {
        true => 0.0,
        false => cross as f64 / (energy_now as f64 * energy_then as f64).sqrt(),
    }
}

/// Overlap-add: fades from `old` into `new`, in place of `new`. As many samples as the shorter has.
pub(crate) fn fade_into(old: &[i16], new: &mut [i16]) {
    let length = old.len().min(new.len());
    for (n, (old, new)) in old.iter().zip(new.iter_mut()).enumerate() {
        *new = mix(*old, *new, n + 1, length + 1);
    }
}

/// `part` of `whole` of `new`, the rest of `old`.
fn mix(old: i16, new: i16, part: usize, whole: usize) -> i16 {
    let (part, whole) = (part as i32, whole as i32);
    ((i32::from(old) * (whole - part) + i32::from(new) * part) / whole) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sawtooth(period: usize, length: usize) -> Vec<i16> {
        (0..length).map(|n| ((n % period) as i32 * 16_000 / period as i32 - 8_000) as i16).collect()
    }

    #[test]
    fn periods_are_found_to_the_sample() {
        for period in [41, 57, 80, 99, 119] {
            let pitch = find(&sawtooth(period, 400), 160, MAX_PERIOD, 1).expect("enough samples");
            // Twice a short period is as good a period.
            assert_eq!(pitch.period % period, 0, "{pitch:?}");
            assert!(pitch.correlation > 0.999);
        }
        for scale in [2, 3, 6] {
            let period = 77 * scale + 1;
            let samples = sawtooth(period, 400 * scale);
            let pitch = find(&samples, 160 * scale, MAX_PERIOD * scale, scale).expect("enough samples");
            assert_eq!(pitch.period, period);
        }
    }

    #[test]
    fn silence_and_short_histories_have_no_pitch() {
        assert_eq!(find(&[0; 400], 160, MAX_PERIOD, 1).map(|it| it.correlation), Some(0.0));
        assert_eq!(find(&[1; 279], 160, MAX_PERIOD, 1), None);
    }

    #[test]
    fn fades_start_near_the_old_and_end_near_the_new() {
        let mut new = [1_000; 9];
        fade_into(&[0; 9], &mut new);
        assert_eq!(new, [100, 200, 300, 400, 500, 600, 700, 800, 900]);
    }
}
