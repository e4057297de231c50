//! Tones by their frequencies and by the length of each sound and pause.

use super::*;
use crate::AudioSource;

const RATES: [u32; 4] = [8_000, 16_000, 44_100, 48_000];

fn heard(cadence: Cadence, rate: u32, seconds: u32) -> Vec<i16> {
    let mut source = AudioSource::cadence(cadence);
    let mut sound = Vec::new();
    for _ in 0..seconds * 50 {
        let mut frame = vec![0; rate as usize / 50];
        source.fill(rate, &mut frame);
        sound.extend(frame);
    }
    assert!(!source.is_finished());
    sound
}

/// How much of the power of a sound is at one frequency (Goertzel).
fn share(sound: &[i16], hertz: u16, rate: u32) -> f64 {
    let turn = 2.0 * (f64::from(hertz) / f64::from(rate) * std::f64::consts::TAU).cos();
    let (mut one, mut two, mut energy) = (0.0, 0.0, 0.0);
    for sample in sound {
        let sample = f64::from(*sample);
        (one, two) = (sample + turn * one - two, one);
        energy += sample * sample;
    }
    (one * one + two * two - turn * one * two) * 2.0 / (sound.len() as f64 * energy)
}

#[test]
fn all_countries_have_all_tones_with_their_frequencies_at_every_rate() {
    assert!(Country::all().count() >= 40);
    for country in Country::all() {
        for signal in Signal::ALL {
            let cadence = country.cadence(signal);
            assert!(Cadence::new(cadence.steps().to_vec()).is_some(), "{} {signal}", country.code());
            for rate in RATES {
                let sound = heard(cadence.clone(), rate, 6);
                let mut from = 0;
                for step in cadence.steps() {
                    let length = step.samples(rate).unwrap_or(u64::from(rate)) as usize;
                    let Some(part) = sound.get(from..from + length) else { break };
                    let at = format!("{} {signal} at {rate}: {step:?}", country.code());
                    let parts = match step.sound {
                        Sound::None => {
                            assert!(part.iter().all(|sample| *sample == 0), "{at}");
                            from += length;
                            continue;
                        }
                        Sound::One(hertz) => share(part, hertz, rate),
                        Sound::Two(low, high) => share(part, low, rate) + share(part, high, rate),
                        Sound::Modulated(hertz, by) => [hertz - by, hertz, hertz + by]
                            .iter()
                            .map(|hertz| share(part, *hertz, rate))
                            .sum(),
                    };
                    assert!((0.85..1.15).contains(&parts), "{at}: {parts}");
                    from += length;
                }
            }
        }
    }
}

#[test]
fn sounds_and_pauses_are_as_long_as_they_are_to_the_sample() {
    for rate in [8_000, 48_000] {
        let sound = heard(Country::of("de").unwrap().cadence(Signal::RingBack), rate, 11);
        let second = rate as usize;
        for (from, to, is_loud) in [(0, 1, true), (1, 5, false), (5, 6, true), (6, 10, false), (10, 11, true)]
        {
            let part = &sound[from * second..to * second];
            // A sine is nothing for one sample at most, at its zero.
            let quiet = part.windows(2).filter(|two| two == &[0, 0]).count();
            assert_eq!(quiet, if is_loud { 0 } else { part.len() - 1 }, "{from} to {to} at {rate}");
        }
    }
}

#[test]
fn two_tones_together_are_as_loud_as_one_alone_and_none_is_cut_off() {
    let power = |country: &str| {
        let sound = heard(Country::of(country).unwrap().cadence(Signal::Dial), 8_000, 1);
        assert!(sound.iter().all(|sample| i32::from(*sample).abs() < 12_000));
        (sound.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>() / sound.len() as f64).sqrt()
    };
    let (alone, together) = (power("de"), power("us"));
    assert!((alone / together - 1.0).abs() < 0.05, "{alone} {together}");
    // 10 dB below the digital milliwatt.
    assert!((4_900.0..5_300.0).contains(&alone), "{alone}");
}

#[test]
fn a_cadence_goes_on_at_the_same_time_at_another_rate() {
    let mut source = AudioSource::cadence(Country::of("fr").unwrap().cadence(Signal::Busy));
    let mut first = vec![0; 8_000 * 3 / 10];
    source.fill(8_000, &mut first);
    let mut second = vec![0; 48_000 / 2];
    source.fill(48_000, &mut second);
    // 0.5 s of sound, of which 0.2 s are left, and then 0.5 s of silence.
    let left = 48_000 * 2 / 10;
    assert!(second[..left].windows(2).all(|two| two != [0, 0]));
    assert!(second[left..].iter().all(|sample| *sample == 0));
}

#[test]
fn countries_are_found_by_code_and_by_locale() {
    assert_eq!(Country::of("DE").map(Country::code), Some("de"));
    assert_eq!(Country::of("uk").map(Country::code), Some("gb"));
    assert_eq!(Country::recommended().code(), "itu");
    for (locale, code) in [
        ("de_AT.UTF-8", Some("at")),
        ("en_US", Some("us")),
        ("C.UTF-8", None),
        ("ca_ES@valencia", Some("es")),
    ] {
        assert_eq!(Country::of_locale(locale).map(Country::code), code, "{locale}");
    }
    assert!("xx".parse::<&Country>().is_err() && "ring-back".parse::<Signal>() == Ok(Signal::RingBack));
    let codes: Vec<&str> = Country::all().map(Country::code).collect();
    assert!(codes.is_sorted_by(|a, b| a < b), "each once and in order");
}

#[test]
fn cadences_of_ones_own_are_heard_and_those_without_time_refused() {
    let own = Cadence::new(vec![Step::pair(600, 800, 30), Step::silence(0)]).unwrap();
    let sound = heard(own, 8_000, 1);
    assert!(sound[..240].iter().any(|sample| *sample != 0) && sound[240..].iter().all(|sample| *sample == 0));
    for wrong in [vec![], vec![Step::silence(0), Step::tone(425, 10)], vec![Step::tone(425, 1)]] {
        assert_eq!(Cadence::new(wrong), None);
    }
    assert_eq!(Cadence::new(vec![Step::tone(425, 10); 65]), None);
}
