//! Changing the length of a frame by one pitch period without changing its pitch (the idea of WSOLA and NetEQ).

use crate::pitch::{self, MIN_PERIOD, Pitch};

/// Frames must repeat this well for a period to be cut or doubled unheard.
const VOICED: f64 = 0.85;
/// A mean square below this is background, where any cut does.
const QUIET: i64 = 100 * 100;

/// Cuts one pitch period out of `frame`; says whether it did. Only speech that repeats itself, or near silence,
/// can be shortened unheard.
pub(crate) fn shorten(frame: &mut Vec<i16>, scale: usize) -> bool {
    let Some(Pitch { period, .. }) = repetition(frame, scale) else { return false };
    // From the first period into the second, then on from there.
    let (first, second) = frame.split_at_mut(period);
    pitch::fade_into(first, &mut second[..period]);
    frame.drain(..period);
    true
}

/// Doubles one pitch period of `frame`; says whether it did.
pub(crate) fn lengthen(frame: &mut Vec<i16>, scale: usize) -> bool {
    let Some(Pitch { period, .. }) = repetition(frame, scale) else { return false };
    // The first period, then a bridge from what follows it back to its beginning, then the rest as it was.
    let mut bridge = frame[..period].to_vec();
    pitch::fade_into(&frame[period..2 * period], &mut bridge);
    frame.splice(period..period, bridge);
    true
}

/// Halves `frame` whatever it is, its first half fading into its second; says whether it did. It can be heard.
pub(crate) fn cut(frame: &mut Vec<i16>) -> bool {
    let half = frame.len() / 2;
    let (first, second) = frame.split_at_mut(half);
    pitch::fade_into(first, second);
    frame.drain(..half);
    half > 0
}

/// The period at the beginning of the frame, if cutting there is allowed.
fn repetition(frame: &[i16], scale: usize) -> Option<Pitch> {
    let longest = frame.len() / 2;
    let pitch = pitch::find(frame, frame.len() - longest, longest.min(pitch::MAX_PERIOD * scale), scale)?;
    // The search compares the end of the frame; the join is at its beginning, and has to hold there too.
    let (a, b) = (&frame[..pitch.period], &frame[pitch.period..2 * pitch.period]);
    let difference: i64 = a.iter().zip(b).map(|(a, b)| (i64::from(*a) - i64::from(*b)).pow(2)).sum();
    let energy: i64 = a.iter().chain(b).map(|it| i64::from(*it).pow(2)).sum();
    let quiet = energy / (2 * pitch.period as i64) < QUIET;
    let repeats = pitch.correlation >= VOICED && difference * 4 <= energy;
    (pitch.period >= MIN_PERIOD * scale && (quiet || repeats)).then_some(pitch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(length: usize) -> Vec<i16> {
        // 160 Hz: fifty samples a period.
        (0..length).map(|n| ((n as f64 / 50.0 * std::f64::consts::TAU).sin() * 8_000.0) as i16).collect()
    }

    fn roughest_step(samples: &[i16]) -> i32 {
        samples.windows(2).map(|it| (i32::from(it[1]) - i32::from(it[0])).abs()).max().unwrap_or(0)
    }

    #[test]
    fn a_tone_loses_or_gains_a_period_and_stays_smooth() {
        let natural = roughest_step(&tone(160));
        let mut shorter = tone(160);
        assert!(shorten(&mut shorter, 1));
        assert_eq!(shorter.len(), 110);
        assert!(roughest_step(&shorter) <= natural + 60, "{}", roughest_step(&shorter));
        let mut longer = tone(160);
        assert!(lengthen(&mut longer, 1));
        assert_eq!(longer.len(), 210);
        assert!(roughest_step(&longer) <= natural + 60, "{}", roughest_step(&longer));
        // Both ends stay where they were, so that the neighbours fit.
        assert_eq!((longer[0], longer[209]), (tone(160)[0], tone(160)[159]));
        assert_eq!(shorter[109], tone(160)[159]);
    }

    #[test]
    fn noise_is_left_alone_and_silence_is_not() {
        let mut seed = 1u32;
        let mut noise: Vec<i16> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as i16
        })
        .take(160)
        .collect();
        assert!(!shorten(&mut noise, 1) && !lengthen(&mut noise, 1));
        assert_eq!(noise.len(), 160);
        let mut silence = vec![0; 160];
        assert!(shorten(&mut silence, 1));
        assert!(silence.len() < 160);
    }

    #[test]
    fn frames_too_short_for_a_period_are_left_alone() {
        assert!(!shorten(&mut vec![0; 60], 1) && !lengthen(&mut Vec::new(), 1));
    }
}
