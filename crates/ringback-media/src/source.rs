//! Where the audio that is sent comes from.

use std::sync::Arc;

/// The rate of everything that is sent, in Hz.
const RATE: f64 = 8_000.0;
/// The peak of a sine at 0 dBm0: full load is 3.14 dB above it (ITU-T G.711 table 5).
const PEAK_AT_0_DBM0: f64 = 22_800.0;

/// An endless supply of samples at 8 kHz.
#[derive(Clone, Debug)]
pub struct AudioSource {
    kind: Kind,
    /// Samples handed out.
    at: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Silence,
    Recording { samples: Arc<[i16]>, repeats: bool },
    Tone { step: f64, peak: f64 },
}

impl AudioSource {
    /// Nothing but silence.
    pub fn silence() -> Self {
        Self { kind: Kind::Silence, at: 0 }
    }

    /// A recording at 8 kHz, then silence.
    pub fn once(samples: Arc<[i16]>) -> Self {
        Self { kind: Kind::Recording { samples, repeats: false }, at: 0 }
    }

    /// A recording at 8 kHz over and over; an empty one is silence.
    pub fn repeat(samples: Arc<[i16]>) -> Self {
        Self { kind: Kind::Recording { samples, repeats: true }, at: 0 }
    }

    /// A sine of so many Hz (below 4,000), so many decibels above 0 dBm0 (so mostly negative; at most 3).
    pub fn tone(hertz: f64, level: f64) -> Self {
        let peak = PEAK_AT_0_DBM0 * 10f64.powf(level.min(3.0) / 20.0);
        Self { kind: Kind::Tone { step: hertz / RATE, peak }, at: 0 }
    }

    /// Fills `out` with what comes next.
    pub fn fill(&mut self, out: &mut [i16]) {
        let from = self.at;
        self.at += out.len() as u64;
        for (n, sample) in (from..).zip(out) {
            *sample = match &self.kind {
                Kind::Silence => 0,
                Kind::Recording { samples, repeats } => {
                    let index = if *repeats { n.checked_rem(samples.len() as u64) } else { Some(n) };
                    index.and_then(|it| samples.get(usize::try_from(it).ok()?)).copied().unwrap_or(0)
                }
                Kind::Tone { step, peak } => {
                    (((n as f64 * step).fract() * std::f64::consts::TAU).sin() * peak) as i16
                }
            };
        }
    }

    /// Whether only silence is left.
    pub fn is_finished(&self) -> bool {
        match &self.kind {
            Kind::Silence => true,
            Kind::Recording { samples, repeats } => {
                samples.is_empty() || (!repeats && self.at >= samples.len() as u64)
            }
            Kind::Tone { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(source: &mut AudioSource, length: usize) -> Vec<i16> {
        let mut out = vec![1; length];
        source.fill(&mut out);
        out
    }

    #[test]
    fn a_recording_is_followed_by_silence_or_by_itself() {
        let samples: Arc<[i16]> = [1, 2, 3].into();
        let mut once = AudioSource::once(samples.clone());
        assert_eq!((taken(&mut once, 2), once.is_finished()), (vec![1, 2], false));
        assert_eq!((taken(&mut once, 3), once.is_finished()), (vec![3, 0, 0], true));
        let mut repeated = AudioSource::repeat(samples);
        assert_eq!(taken(&mut repeated, 4), [1, 2, 3, 1]);
        assert_eq!((taken(&mut repeated, 3), repeated.is_finished()), (vec![2, 3, 1], false));
        assert_eq!(taken(&mut AudioSource::repeat([].into()), 2), [0, 0]);
        assert_eq!(taken(&mut AudioSource::silence(), 2), [0, 0]);
    }

    #[test]
    fn a_tone_has_its_pitch_and_level() {
        let samples = taken(&mut AudioSource::tone(1_000.0, 0.0), 8_000);
        let crossings = samples.windows(2).filter(|it| it[0] < 0 && it[1] >= 0).count();
        assert!((998..=1_000).contains(&crossings), "{crossings}");
        let rms = (samples.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>() / 8_000.0).sqrt();
        // As loud as the digital milliwatt of the standard.
        assert!((15_000.0..16_500.0).contains(&rms), "{rms}");
    }
}
