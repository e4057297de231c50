//! Packet loss concealment for codecs that have none of their own, after ITU-T G.711 Appendix I, without its delay.
//!
//! Appendix I holds every sample back by 3.75 ms, so that the end of the last good frame can still be bent towards
//! what replaces the next one. Here that join is made inside the replacement, which starts from the mirrored end of
//! the good signal. Good frames therefore pass at once and, unless they follow a gap, sample for sample.

use crate::pitch::{self, MAX_PERIOD, fade_into};

/// Samples in 10 ms, the step of the algorithm. All lengths are for 8 kHz; other rates have a multiple of them, the `scale`.
const STEP: usize = 80;
/// How much of the end is compared in the search for the pitch: 20 ms.
const WINDOW: usize = 160;
/// What has to be remembered: three of the longest periods and a quarter of one. The search needs less.
const HISTORY: usize = 3 * MAX_PERIOD + MAX_PERIOD / 4;
/// From here on there is only silence: 60 ms.
const FADED_OUT: usize = 6 * STEP;
/// 4 ms of overlap more for each 10 ms of gap, when the signal returns.
const OVERLAP_PER_STEP: usize = 32;

/// Replaces missing speech by what was heard before it.
#[derive(Clone, Debug)]
pub struct Concealer {
    scale: usize,
    /// The last samples played, [`HISTORY`] of them at 8 kHz.
    history: Vec<i16>,
    gap: Option<Gap>,
}

/// The synthesis during one gap.
#[derive(Clone, Debug)]
struct Gap {
    scale: usize,
    period: usize,
    /// How many periods are repeated: one, two, three.
    periods: usize,
    /// What is repeated; its end leads into its beginning.
    cycle: Vec<i16>,
    /// The next sample of the cycle.
    next: usize,
    /// What was heard before the gap.
    before: Vec<i16>,
    /// Samples made so far.
    made: usize,
}

impl Concealer {
    /// Nothing heard yet; a gap now is silence. `rate` is in Hz, a multiple of 8,000.
    pub fn new(rate: u32) -> Self {
        let scale = pitch::scale(rate);
        Self { scale, history: vec![0; HISTORY * scale], gap: None }
    }

    /// Takes a frame that came. After a gap its beginning is faded in over what was made up; otherwise it is not
    /// touched.
    pub fn hear(&mut self, frame: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            let step = STEP * self.scale;
            let steps = (gap.made / step).saturating_sub(1);
            let overlap = gap.period / 4 + steps * OVERLAP_PER_STEP * self.scale;
            let overlap = overlap.min(step).min(frame.len());
            let mut tail = vec![0; overlap];
            gap.fill(&mut tail);
            fade_into(&tail, frame);
        }
        self.remember(frame);
    }

    /// Makes up a frame in place of a missing one. The longer the gap, the fainter; silence after 60 ms.
    pub fn conceal(&mut self, out: &mut [i16]) {
        let gap = self.gap.get_or_insert_with(|| Gap::new(&self.history, self.scale));
        gap.fill(out);
        self.remember(out);
    }

    /// Forgets what was heard, as for another speaker.
    pub fn reset(&mut self) {
        self.history.fill(0);
        self.gap = None;
    }

    fn remember(&mut self, samples: &[i16]) {
        let new = &samples[samples.len().saturating_sub(self.history.len())..];
        self.history.drain(..new.len());
        self.history.extend_from_slice(new);
    }
}

impl Gap {
    fn new(history: &[i16], scale: usize) -> Self {
        let longest = MAX_PERIOD * scale;
        let pitch = pitch::find(history, WINDOW * scale, longest, scale);
        let period = pitch.map_or(longest, |pitch| pitch.period);
        let before = history.to_vec();
        let mut gap = Self { scale, period, periods: 1, cycle: Vec::new(), next: 0, before, made: 0 };
        gap.build();
        gap
    }

    /// The last periods before the gap, their last quarter period faded into what preceded them, so that the end
    /// leads into the beginning.
    fn build(&mut self) {
        let (length, quarter) = (self.periods * self.period, self.period / 4);
        let from = self.before.len() - length;
        self.cycle.clear();
        self.cycle.extend_from_slice(&self.before[from..]);
        let mut lead = self.before[from - quarter..from].to_vec();
        fade_into(&self.cycle[length - quarter..], &mut lead);
        self.cycle[length - quarter..].copy_from_slice(&lead);
    }

    fn fill(&mut self, out: &mut [i16]) {
        let mut rest = out;
        while !rest.is_empty() {
            let step = STEP * self.scale;
            if self.made >= FADED_OUT * self.scale {
                rest.fill(0);
                return;
            }
            let (part, after) = rest.split_at_mut((step - self.made % step).min(rest.len()));
            self.step(part);
            rest = after;
        }
    }

    /// Fills a part that does not cross a boundary of 10 ms.
    fn step(&mut self, part: &mut [i16]) {
        let begin = self.made;
        let quarter = self.period / 4;
        let (step, faded_out) = (STEP * self.scale, FADED_OUT * self.scale);
        if begin == 0 {
            self.repeat(part);
            let mirrored: Vec<i16> = self.before.iter().rev().skip(1).take(quarter).copied().collect();
            fade_into(&mirrored, part);
        } else if begin == step || begin == 2 * step {
            // One period more, so that the ear does not hear the same over and over.
            let mut old = vec![0; quarter.min(part.len())];
            let next = self.next;
            self.repeat(&mut old);
            self.next = next % self.period;
            self.periods += 1;
            self.build();
            self.repeat(part);
            fade_into(&old, part);
        } else {
            self.repeat(part);
        }
        for (n, sample) in (begin..).zip(part.iter_mut()) {
            // A fifth less for every 10 ms after the first.
            let faded = n.saturating_sub(step).min(faded_out - step);
            let left = (faded_out - step - faded) as i32;
            *sample = (i32::from(*sample) * left / (faded_out - step) as i32) as i16;
        }
        self.made += part.len();
    }

    /// Goes on with the cycle.
    fn repeat(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = self.cycle[self.next];
            self.next = (self.next + 1) % self.cycle.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A voice of sorts: 125 Hz (64 samples) with a strong second harmonic.
    fn voice(from: usize, length: usize) -> Vec<i16> {
        (from..from + length)
            .map(|n| {
                let phase = n as f64 / 64.0 * std::f64::consts::TAU;
                (phase.sin() * 6_000.0 + (2.0 * phase).sin() * 3_000.0) as i16
            })
            .collect()
    }

    fn power(samples: &[i16]) -> f64 {
        samples.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>() / samples.len() as f64
    }

    #[test]
    fn without_a_gap_nothing_is_touched() {
        let mut concealer = Concealer::new(8_000);
        for n in 0..50 {
            let mut frame = voice(n * 160, 160);
            concealer.hear(&mut frame);
            assert_eq!(frame, voice(n * 160, 160));
        }
    }

    #[test]
    fn a_lost_frame_of_a_voice_goes_on_in_phase() {
        let mut concealer = Concealer::new(8_000);
        for n in 0..4 {
            concealer.hear(&mut voice(n * 160, 160));
        }
        let mut made = [0; 160];
        concealer.conceal(&mut made);
        let truth = voice(640, 160);
        // The first 10 ms are at full power and should be nearly the truth once the join is over.
        let error: Vec<i16> = made[16..80].iter().zip(&truth[16..80]).map(|(a, b)| a - b).collect();
        assert!(power(&error) < power(&truth[16..80]) / 100.0, "{} of {}", power(&error), power(&truth));
        let mut after = voice(800, 160);
        concealer.hear(&mut after);
        assert_eq!(after[80..], voice(880, 80), "10 ms after the gap all is as it was");
        let steps =
            made.windows(2).chain(after.windows(2)).map(|it| (i32::from(it[1]) - i32::from(it[0])).abs());
        let natural = truth.windows(2).map(|it| (i32::from(it[1]) - i32::from(it[0])).abs()).max();
        assert!(steps.max() <= natural.map(|it| it * 2), "no click");
    }

    #[test]
    fn power_falls_by_a_fifth_every_ten_milliseconds_and_ends_after_sixty() {
        let mut concealer = Concealer::new(8_000);
        concealer.hear(&mut voice(0, 640));
        let mut made = [0; 560];
        concealer.conceal(&mut made);
        let rms: Vec<f64> = made.chunks(80).map(|it| power(it).sqrt()).collect();
        assert!(rms[1..6].windows(2).all(|it| it[1] < it[0]), "{rms:?}");
        let expected = power(&voice(0, 640)).sqrt();
        for (step, level) in [(1, 0.9), (2, 0.7), (3, 0.5), (4, 0.3), (5, 0.1)] {
            assert!((rms[step] / expected - level).abs() < 0.12, "step {step}: {rms:?} of {expected}");
        }
        assert_eq!(made[480..], [0; 80]);
    }

    #[test]
    fn a_gap_before_anything_was_heard_is_silence() {
        let mut made = [1; 480];
        Concealer::new(8_000).conceal(&mut made);
        assert_eq!(made, [0; 480]);
    }

    proptest! {
        #[test]
        fn the_size_of_the_steps_does_not_matter(
            heard in prop::collection::vec(any::<i16>(), 400), cuts in prop::collection::vec(1usize..200, 1..12)
        ) {
            let mut concealer = Concealer::new(8_000);
            concealer.hear(&mut heard.clone());
            let length: usize = cuts.iter().sum();
            let mut parts = Vec::new();
            let mut whole_steps = concealer.clone();
            for cut in cuts {
                // Only cuts at steps of 10 ms leave the joins whole, as in every real frame size.
                let mut part = vec![0; cut.div_ceil(80) * 80];
                concealer.conceal(&mut part);
                parts.extend(part);
            }
            let mut whole = vec![0; parts.len()];
            whole_steps.conceal(&mut whole);
            prop_assert!(parts.len() >= length);
            prop_assert_eq!(parts, whole);
        }
    }
}
