//! Where the audio that is sent comes from.

use crate::file::OpusPlayer;
use crate::resample::{RunningResampler, UnsupportedRate};
use crate::tones::{Cadence, Sounding};
use std::collections::VecDeque;
use std::sync::Arc;

/// The peak of a sine at 0 dBm0: full load is 3.14 dB above it (ITU-T G.711 table 5).
const PEAK_AT_0_DBM0: f64 = 22_800.0;
/// How much of a recording is converted at a time, as a part of a second: 10 ms.
const PIECE: u32 = 100;

/// An endless supply of samples, at whatever rate is asked for.
#[derive(Clone, Debug)]
pub struct AudioSource {
    kind: Kind,
    /// The way from the rate of the recording to the one that was asked for, where they differ.
    way: Option<Way>,
}

#[derive(Clone, Debug)]
enum Kind {
    Silence,
    Recording {
        samples: Arc<[i16]>,
        rate: u32,
        repeats: bool,
        /// Samples taken.
        at: u64,
    },
    Tone {
        hertz: f64,
        peak: f64,
        /// Where the sine is, 0 to 1.
        phase: f64,
    },
    Cadence(Sounding),
    Opus(OpusPlayer),
}

#[derive(Clone, Debug)]
struct Way {
    to: u32,
    resampler: RunningResampler,
    ready: VecDeque<i16>,
}

impl AudioSource {
    /// Nothing but silence.
    pub fn silence() -> Self {
        Self::of(Kind::Silence)
    }

    /// A recording of `rate` samples a second, then silence. A rate that [cannot be converted](Self::converts) is silence when another is
    /// asked for.
    pub fn once(samples: Arc<[i16]>, rate: u32) -> Self {
        Self::of(Kind::Recording { samples, rate, repeats: false, at: 0 })
    }

    /// A recording of `rate` samples a second over and over; an empty one is silence.
    pub fn repeat(samples: Arc<[i16]>, rate: u32) -> Self {
        Self::of(Kind::Recording { samples, rate, repeats: true, at: 0 })
    }

    /// A sine of so many Hz (below half the rate that is asked for), so many decibels above 0 dBm0 (so mostly negative; at most 3).
    pub fn tone(hertz: f64, level: f64) -> Self {
        let peak = PEAK_AT_0_DBM0 * 10f64.powf(level.min(3.0) / 20.0);
        Self::of(Kind::Tone { hertz, peak, phase: 0.0 })
    }

    /// Sounds and pauses, over and over: a [tone of a country](crate::Country::cadence), or one's own.
    pub fn cadence(cadence: Cadence) -> Self {
        Self::of(Kind::Cadence(Sounding::new(cadence)))
    }

    pub(crate) fn opus(player: OpusPlayer) -> Self {
        Self::of(Kind::Opus(player))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, way: None }
    }

    /// Whether a recording of such a rate can be given at every rate of a codec.
    ///
    /// # Errors
    /// [`UnsupportedRate`] with one at which it cannot.
    pub fn converts(rate: u32) -> Result<(), UnsupportedRate> {
        [8_000, 16_000, 24_000, 48_000].into_iter().try_for_each(|to| crate::Resampler::check(rate, to))
    }

    /// Fills `out` with what comes next, at `rate` samples a second.
    pub fn fill(&mut self, rate: u32, out: &mut [i16]) {
        let own = match &self.kind {
            Kind::Recording { rate, .. } => *rate,
            Kind::Opus(player) => player.rate(),
            Kind::Silence | Kind::Tone { .. } | Kind::Cadence(_) => rate,
        };
        if own == rate {
            self.way = None;
            return self.kind.fill(rate, out);
        }
        if self.way.as_ref().is_none_or(|way| way.to != rate) {
            let resampler = RunningResampler::new(own, rate).ok();
            self.way = resampler.map(|resampler| Way { to: rate, resampler, ready: VecDeque::new() });
        }
        let Some(way) = &mut self.way else { return out.fill(0) };
        let mut piece = vec![0; (own / PIECE).max(1) as usize];
        while way.ready.len() < out.len() {
            self.kind.fill(own, &mut piece);
            way.resampler.convert(&piece, &mut way.ready);
        }
        let length = out.len();
        for (sample, ready) in out.iter_mut().zip(way.ready.drain(..length)) {
            *sample = ready;
        }
    }

    /// Whether only silence is left, but for some milliseconds that a conversion holds back.
    pub fn is_finished(&self) -> bool {
        match &self.kind {
            Kind::Silence => true,
            Kind::Recording { samples, repeats, at, .. } => {
                samples.is_empty() || (!repeats && *at >= samples.len() as u64)
            }
            Kind::Opus(player) => player.is_finished(),
            Kind::Tone { .. } | Kind::Cadence(_) => false,
        }
    }
}

impl Kind {
    fn fill(&mut self, rate: u32, out: &mut [i16]) {
        match self {
            Self::Silence => out.fill(0),
            Self::Recording { samples, repeats, at, .. } => {
                let from = *at;
                *at += out.len() as u64;
                for (n, sample) in (from..).zip(out) {
                    let index = if *repeats { n.checked_rem(samples.len() as u64) } else { Some(n) };
                    let index = index.and_then(|it| usize::try_from(it).ok());
                    *sample = index.and_then(|it| samples.get(it)).copied().unwrap_or(0);
                }
            }
            Self::Opus(player) => player.fill(out),
            Self::Cadence(sounding) => sounding.fill(rate, out),
            Self::Tone { hertz, peak, phase } => {
                let step = *hertz / f64::from(rate);
                for sample in out {
                    *sample = ((*phase * std::f64::consts::TAU).sin() * *peak) as i16;
                    *phase = (*phase + step).fract();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(source: &mut AudioSource, length: usize) -> Vec<i16> {
        let mut out = vec![1; length];
        source.fill(8_000, &mut out);
        out
    }

    #[test]
    fn a_recording_is_followed_by_silence_or_by_itself() {
        let samples: Arc<[i16]> = [1, 2, 3].into();
        let mut once = AudioSource::once(samples.clone(), 8_000);
        assert_eq!((taken(&mut once, 2), once.is_finished()), (vec![1, 2], false));
        assert_eq!((taken(&mut once, 3), once.is_finished()), (vec![3, 0, 0], true));
        let mut repeated = AudioSource::repeat(samples, 8_000);
        assert_eq!(taken(&mut repeated, 4), [1, 2, 3, 1]);
        assert_eq!((taken(&mut repeated, 3), repeated.is_finished()), (vec![2, 3, 1], false));
        assert_eq!(taken(&mut AudioSource::repeat([].into(), 8_000), 2), [0, 0]);
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

    #[test]
    fn a_recording_is_given_at_any_rate_in_its_own_time() {
        let mut tone = AudioSource::tone(440.0, -10.0);
        for (own, asked) in [(8_000, 48_000), (44_100, 16_000), (11_025, 8_000), (48_000, 8_000)] {
            let mut recording = vec![0; own as usize];
            tone.fill(own, &mut recording);
            let mut source = AudioSource::once(recording.into(), own);
            let mut given = Vec::new();
            while !source.is_finished() {
                let mut frame = vec![0; asked as usize / 50];
                source.fill(asked, &mut frame);
                given.extend(frame);
            }
            let crossings = given.windows(2).filter(|it| it[0] < 0 && it[1] >= 0).count();
            assert!((438..=442).contains(&crossings), "{own} at {asked}: {crossings}");
            assert!(given.len().abs_diff(asked as usize) <= asked as usize / 25, "{own} at {asked}");
        }
        assert!(AudioSource::converts(44_101).is_err() && AudioSource::converts(22_050).is_ok());
    }
}
