//! How loud a frame is (RFC 6464 §3).

/// The level of digital silence, and of all that is as faint.
const SILENCE: f32 = 127.0;

/// How far the root mean square of `samples` is below overload, in whole decibels: 0 is a square wave at full scale, 127
/// is silence.
pub fn level(samples: &[i16]) -> u8 {
    decibels(samples).round() as u8
}

/// The same before it is rounded: 0 to 127.
pub(crate) fn decibels(samples: &[i16]) -> f32 {
    // Eight sums side by side, which the machine adds in one go. A square fits 31 bits and so many of them 64.
    let mut sums = [0_u64; 8];
    let (chunks, rest) = samples.as_chunks::<8>();
    for chunk in chunks {
        for (sum, sample) in sums.iter_mut().zip(chunk) {
            *sum += u64::from(i32::from(*sample).unsigned_abs().pow(2));
        }
    }
    let rest: u64 = rest.iter().map(|it| u64::from(i32::from(*it).unsigned_abs().pow(2))).sum();
    let sum = sums.iter().sum::<u64>() + rest;
    if sum == 0 {
        return SILENCE;
    }
    let rms = (sum as f32 / samples.len() as f32).sqrt();
    (-20.0 * (rms / f32::from(i16::MAX)).log10()).clamp(0.0, SILENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_from_overload_down_to_silence() {
        assert_eq!(level(&[]), 127);
        assert_eq!(level(&[0; 160]), 127);
        assert_eq!(level(&[i16::MIN, i16::MAX]), 0);
        assert_eq!(level(&[3277, -3277]), 20);
        assert_eq!(level(&[1, -1]), 90);
    }
}
