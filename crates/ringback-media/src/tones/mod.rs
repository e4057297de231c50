//! The tones that tell a caller how far a call is (ITU-T E.180, E.182), as they sound in each country.

mod table;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use table::COUNTRIES;

/// The most steps of a cadence of one's own.
const MAX_STEPS: usize = 64;
/// How loud one tone is, and each of two together, as decibels above 0 dBm0 (ITU-T E.180 §2: -10 ± 5 as a whole).
const ALONE: f64 = -10.0;
const OF_TWO: f64 = -13.0;
/// The peak of a sine at 0 dBm0 (ITU-T G.711 table 5).
const PEAK_AT_0_DBM0: f64 = 22_800.0;

/// What a tone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// A number may be dialled.
    Dial,
    /// It rings at the other side.
    RingBack,
    /// The other side is talking to somebody else.
    Busy,
    /// There is no way to it at the moment.
    Congestion,
    /// To somebody who talks: another call comes.
    CallWaiting,
    /// Something is wrong with the number, or an announcement follows.
    SpecialInformation,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Dial,
        Self::RingBack,
        Self::Busy,
        Self::Congestion,
        Self::CallWaiting,
        Self::SpecialInformation,
    ];

    /// Its name: `ring-back`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::RingBack => "ring-back",
            Self::Busy => "busy",
            Self::Congestion => "congestion",
            Self::CallWaiting => "call-waiting",
            Self::SpecialInformation => "special-information",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no tone, or no country, of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTone(String);

impl fmt::Display for UnknownTone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals = Signal::ALL.map(Signal::name).join(", ");
        write!(f, "`{}` is neither a tone ({signals}) nor a country whose tones are known", self.0)
    }
}

impl std::error::Error for UnknownTone {}

impl FromStr for Signal {
    type Err = UnknownTone;

    fn from_str(text: &str) -> Result<Self, UnknownTone> {
        let named = Self::ALL.into_iter().find(|signal| signal.name() == text);
        named.ok_or_else(|| UnknownTone(text.to_owned()))
    }
}

/// A part of a cadence: a sound, or none, for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    sound: Sound,
    /// 0 is for ever.
    millis: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sound {
    None,
    One(u16),
    Two(u16, u16),
    /// The second is how often the strength of the first goes up and down in a second.
    Modulated(u16, u16),
}

impl Step {
    /// Silence for so many milliseconds; 0 is for ever.
    pub const fn silence(millis: u16) -> Self {
        Self { sound: Sound::None, millis }
    }

    /// One tone of so many Hz.
    pub const fn tone(hertz: u16, millis: u16) -> Self {
        Self { sound: Sound::One(hertz), millis }
    }

    /// Two tones at once.
    pub const fn pair(low: u16, high: u16, millis: u16) -> Self {
        Self { sound: Sound::Two(low, high), millis }
    }

    /// A tone whose strength goes up and down `by` times a second, to nothing.
    pub const fn modulated(hertz: u16, by: u16, millis: u16) -> Self {
        Self { sound: Sound::Modulated(hertz, by), millis }
    }

    /// How long it is, in samples; none when it does not end.
    fn samples(self, rate: u32) -> Option<u64> {
        (self.millis > 0).then(|| u64::from(self.millis) * u64::from(rate) / 1_000)
    }

    /// The sample that is `at` samples behind the beginning.
    fn sample(self, at: u64, rate: u32) -> i16 {
        // All frequencies are whole numbers, so that each sound repeats every second.
        let seconds = (at % u64::from(rate)) as f64 / f64::from(rate);
        let sine = |hertz: u16| (f64::from(hertz) * seconds * std::f64::consts::TAU).sin();
        let peak = |level: f64| PEAK_AT_0_DBM0 * 10_f64.powf(level / 20.0);
        let sum = match self.sound {
            Sound::None => return 0,
            Sound::One(hertz) => sine(hertz) * peak(ALONE),
            Sound::Two(low, high) => (sine(low) + sine(high)) * peak(OF_TWO),
            Sound::Modulated(hertz, by) => sine(hertz) * f64::midpoint(1.0, sine(by)) * peak(ALONE),
        };
        sum as i16
    }
}

/// Sounds and pauses, over and over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cadence(Cow<'static, [Step]>);

impl Cadence {
    /// One's own: of 1 to 64 steps, of which each lasts for at least ten milliseconds or, as the last, for ever. None for anything
    /// else, as there would be nothing to hear.
    pub fn new(steps: Vec<Step>) -> Option<Self> {
        let (last, others) = steps.split_last()?;
        let fits = steps.len() <= MAX_STEPS
            && others.iter().all(|step| step.millis >= 10)
            && (last.millis == 0 || last.millis >= 10);
        fits.then_some(Self(steps.into()))
    }

    /// Its steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// A cadence that sounds.
#[derive(Clone, Debug)]
pub(crate) struct Sounding {
    cadence: Cadence,
    /// Which step, and how many samples of it are over.
    step: usize,
    at: u64,
    rate: u32,
}

impl Sounding {
    pub(crate) fn new(cadence: Cadence) -> Self {
        Self { cadence, step: 0, at: 0, rate: 0 }
    }

    pub(crate) fn fill(&mut self, rate: u32, out: &mut [i16]) {
        if self.rate != rate {
            // Goes on at the same time of its step.
            self.at =
                self.at.checked_mul(rate.into()).and_then(|at| at.checked_div(self.rate.into())).unwrap_or(0);
            self.rate = rate;
        }
        for sample in out {
            let Some(step) = self.cadence.0.get(self.step) else { return };
            *sample = step.sample(self.at, rate);
            self.at += 1;
            if step.samples(rate).is_some_and(|samples| self.at >= samples) {
                self.at = 0;
                self.step = (self.step + 1) % self.cadence.0.len();
            }
        }
    }
}

/// A country and its tones.
#[derive(Debug)]
pub struct Country {
    code: &'static str,
    dial: &'static [Step],
    ring_back: &'static [Step],
    busy: &'static [Step],
    congestion: &'static [Step],
    call_waiting: &'static [Step],
    special_information: &'static [Step],
}

impl Country {
    /// The one of a code of ISO 3166, in capitals or not: `de`. `itu` is what ITU-T E.180 recommends.
    pub fn of(code: &str) -> Option<&'static Self> {
        // What everybody says, and what the standard says.
        let code = if code.eq_ignore_ascii_case("uk") { "gb" } else { code };
        COUNTRIES.iter().find(|country| country.code.eq_ignore_ascii_case(code))
    }

    /// The one of a locale, as the environment names it: `de_AT.UTF-8` is Austria. None where it names no country, or one
    /// whose tones are not known.
    pub fn of_locale(locale: &str) -> Option<&'static Self> {
        let (_, rest) = locale.split_once('_')?;
        let end = rest.find(['.', '@']).unwrap_or(rest.len());
        Self::of(&rest[..end])
    }

    /// What is recommended where a country has nothing else.
    pub fn recommended() -> &'static Self {
        Self::of("itu").expect("it stands in the table")
    }

    /// All whose tones are known, by their codes.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        COUNTRIES.iter()
    }

    /// Its code: `de`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// How it tells something.
    pub fn cadence(&self, signal: Signal) -> Cadence {
        Cadence(Cow::Borrowed(match signal {
            Signal::Dial => self.dial,
            Signal::RingBack => self.ring_back,
            Signal::Busy => self.busy,
            Signal::Congestion => self.congestion,
            Signal::CallWaiting => self.call_waiting,
            Signal::SpecialInformation => self.special_information,
        }))
    }
}

impl FromStr for &'static Country {
    type Err = UnknownTone;

    fn from_str(code: &str) -> Result<Self, UnknownTone> {
        Country::of(code).ok_or_else(|| UnknownTone(code.to_owned()))
    }
}

#[cfg(test)]
mod tests;
