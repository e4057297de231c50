//! How loud a frame is (RFC 6464 §3).

/// The level of digital silence, and of all that is as faint.
const SILENCE: u8 = 127;

/// How far the root mean square of `samples` is below overload, in whole decibels: 0 is a square wave at full scale, 127
/// is silence.
pub fn level(samples: &[i16]) -> u8 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    if sum == 0.0 {
        return SILENCE;
    }
    let rms = (sum / samples.len() as f64).sqrt();
    // A cast of floats saturates, so that -32768 is 0 as well.
    ((-20.0 * (rms / f64::from(i16::MAX)).log10()).round() as u8).min(SILENCE)
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
