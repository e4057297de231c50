//! Digits as the tones of a telephone, for peers that take and send no telephone events (ITU-T Q.23, Q.24).

use std::collections::VecDeque;
use std::time::Duration;

/// The low tones by row of the keys, and the high ones by column (ITU-T Q.23 §1).
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Samples at 8 kHz that are judged at a time: 12.75 ms, which tells the tones apart and lets a digit of 40 ms have two of them.
const BLOCK: usize = 102;
/// The faintest tone that counts, as a root mean square: some 36 dB below overload.
const FAINTEST: f64 = 500.0;
/// The high tone may be so many times stronger than the low one (4 dB), and the low one than the high one (8 dB), as powers.
const HIGH_OVER_LOW: f64 = 2.5;
const LOW_OVER_HIGH: f64 = 6.3;
/// A tone is so many times stronger than the others of its group (6 dB).
const ABOVE_OTHERS: f64 = 4.0;
/// Both tones make up so much of all that is heard; speech spreads more.
const OF_ALL: f64 = 0.75;

/// The peak of each tone when they are sent: together some 7 dB below 0 dBm0.
const PEAK: f64 = 5_000.0;
/// Between two digits.
const PAUSE: Duration = Duration::from_millis(70);
/// Digits that may wait.
const MAX_DIGITS: usize = 256;

/// Hears digits in sound.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    rate: u32,
    block: Vec<f64>,
    length: usize,
    /// What the last block was, and what was told and has not ended.
    last: Option<char>,
    told: Option<char>,
}

impl DtmfDetector {
    /// A detector for sound of `rate` samples a second.
    pub fn new(rate: u32) -> Self {
        let length = BLOCK * rate as usize / 8_000;
        Self { rate, block: Vec::with_capacity(length), length: length.max(BLOCK), last: None, told: None }
    }

    /// Takes sound, and appends to `digits` those that begin in it. A digit has to last for two blocks, some 40 ms.
    pub fn hear(&mut self, samples: &[i16], digits: &mut Vec<char>) {
        for sample in samples {
            self.block.push(f64::from(*sample));
            if self.block.len() == self.length {
                let now = digit_in(&self.block, self.rate);
                self.block.clear();
                // A digit begins and ends with two blocks that agree, so that no single one makes two digits of one.
                if now == self.last && now != self.told {
                    self.told = now;
                    digits.extend(now);
                }
                self.last = now;
            }
        }
    }

    /// The digit that sounds, from two blocks after its beginning to two after its end.
    pub fn sounding(&self) -> Option<char> {
        self.told
    }
}

/// The digit whose tones a block is made of.
fn digit_in(block: &[f64], rate: u32) -> Option<char> {
    let energy: f64 = block.iter().map(|it| it * it).sum();
    if energy < FAINTEST * FAINTEST * block.len() as f64 {
        return None;
    }
    let power = |hertz: &f64| goertzel(block, *hertz, rate);
    let (rows, columns) = (ROWS.each_ref().map(power), COLUMNS.each_ref().map(power));
    let (row, low) = strongest(&rows)?;
    let (column, high) = strongest(&columns)?;
    let is_balanced = high <= low * HIGH_OVER_LOW && low <= high * LOW_OVER_HIGH;
    // A tone alone has a power of half its samples times its energy.
    let share = (low + high) * 2.0 / (block.len() as f64 * energy);
    (is_balanced && share >= OF_ALL).then_some(KEYS[row][column])
}

/// Which of a group stands out, and how strong it is.
fn strongest(powers: &[f64; 4]) -> Option<(usize, f64)> {
    let (at, most) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let others = powers.iter().enumerate().filter(|(other, _)| *other != at);
    others.map(|(_, power)| *power).all(|power| power * ABOVE_OTHERS < most).then_some((at, most))
}

/// The power of one frequency in a block.
fn goertzel(block: &[f64], hertz: f64, rate: u32) -> f64 {
    let turn = 2.0 * (hertz / f64::from(rate) * std::f64::consts::TAU).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in block {
        (one, two) = (sample + turn * one - two, one);
    }
    one * one + two * two - turn * one * two
}

/// Says digits as tones, in place of what is said otherwise.
#[derive(Clone, Debug, Default)]
pub struct DtmfSender {
    waiting: VecDeque<(char, Duration)>,
    /// The tones that sound, for how many more samples, and then for how many there is silence.
    sounding: Option<(f64, f64)>,
    left: u32,
    pause: u32,
    /// Samples of the digit so far.
    at: u32,
}

impl DtmfSender {
    /// Nothing to say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues a digit that sounds for `length`; says whether it did: it has to be one of `0`-`9`, `*`, `#`, `A`-`D`, and at most 256 may wait.
    pub fn push(&mut self, digit: char, length: Duration) -> bool {
        let fits = tones_of(digit).is_some() && self.waiting.len() < MAX_DIGITS;
        if fits {
            self.waiting.push_back((digit, length));
        }
        fits
    }

    /// Whether there is nothing to say.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.left == 0 && self.pause == 0
    }

    /// Puts the tones into a frame of `rate` samples a second; the frame is not touched where there is nothing to say.
    pub fn say(&mut self, rate: u32, frame: &mut [i16]) {
        let samples = |span: Duration| (span.as_secs_f64() * f64::from(rate)) as u32;
        for sample in frame {
            if self.left == 0 && self.pause == 0 {
                let Some((digit, length)) = self.waiting.pop_front() else { return };
                self.sounding = tones_of(digit);
                (self.left, self.pause, self.at) = (samples(length), samples(PAUSE), 0);
            }
            *sample = 0;
            if self.left > 0 {
                let (low, high) = self.sounding.unwrap_or_default();
                let turns = f64::from(self.at) / f64::from(rate) * std::f64::consts::TAU;
                *sample = (((low * turns).sin() + (high * turns).sin()) * PEAK) as i16;
                self.left -= 1;
                self.at += 1;
            } else {
                self.pause -= 1;
            }
        }
    }
}

/// The low and the high tone of a digit.
fn tones_of(digit: char) -> Option<(f64, f64)> {
    KEYS.iter().zip(ROWS).find_map(|(keys, low)| {
        keys.iter().zip(COLUMNS).find(|(key, _)| **key == digit).map(|(_, high)| (low, high))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::AudioCodec as _;
    use crate::{G722, Law};
    use ringback_sansio::{Entropy as _, SeededEntropy};

    const ALL: &str = "123A456B789C*0#D";

    fn said(digits: &str, rate: u32, length: Duration) -> Vec<i16> {
        let mut sender = DtmfSender::new();
        assert!(digits.chars().all(|digit| sender.push(digit, length)));
        let mut sound = Vec::new();
        while !sender.is_idle() {
            let mut frame = vec![0; rate as usize / 50];
            sender.say(rate, &mut frame);
            sound.extend(frame);
        }
        sound
    }

    fn heard(sound: &[i16], rate: u32) -> String {
        let (mut detector, mut digits) = (DtmfDetector::new(rate), Vec::new());
        sound.chunks(rate as usize / 50).for_each(|frame| detector.hear(frame, &mut digits));
        digits.into_iter().collect()
    }

    #[test]
    fn all_digits_are_heard_at_every_rate_and_length() {
        for rate in [8_000, 16_000, 48_000] {
            for length in [50, 100, 250] {
                let sound = said(ALL, rate, Duration::from_millis(length));
                assert_eq!(heard(&sound, rate), ALL, "{rate} Hz, {length} ms");
            }
        }
        assert_eq!(
            heard(&said("1122", 8_000, Duration::from_millis(60)), 8_000),
            "1122",
            "the same digit twice"
        );
    }

    #[test]
    fn digits_survive_a_codec_noise_and_another_level() {
        let sound = said(ALL, 8_000, Duration::from_millis(80));
        let coded: Vec<i16> = sound.iter().map(|it| Law::Mu.decode(Law::Mu.encode(*it / 4))).collect();
        assert_eq!(heard(&coded, 8_000), ALL);
        let mut random = SeededEntropy::new(3);
        let noisy: Vec<i16> = sound.iter().map(|it| it + random.below(1_601) as i16 - 800).collect();
        assert_eq!(heard(&noisy, 8_000), ALL);
        let wide = said(ALL, 16_000, Duration::from_millis(80));
        let (mut octets, mut back) = (Vec::new(), Vec::new());
        G722.encoder(16_000, &G722.description()).encode(&wide, &mut octets);
        G722.decoder(16_000).decode(&octets, &mut back).unwrap();
        assert_eq!(heard(&back, 16_000), ALL);
    }

    #[test]
    fn tones_alone_silence_and_a_voice_are_no_digits() {
        let tone = |hertz: f64| -> Vec<i16> {
            let step = hertz / 8_000.0 * std::f64::consts::TAU;
            (0..16_000).map(|n| ((f64::from(n) * step).sin() * 9_000.0) as i16).collect()
        };
        for hertz in ROWS.into_iter().chain(COLUMNS) {
            assert_eq!(heard(&tone(hertz), 8_000), "", "{hertz} Hz");
        }
        assert_eq!(heard(&[0; 16_000], 8_000), "");
        // Harmonics of a gliding pitch, which meet pairs of tones on their way.
        let mut phase = 0.0;
        let voice: Vec<i16> = (0..160_000)
            .map(|n| {
                let t = f64::from(n) / 8_000.0;
                phase += (140.0 + 60.0 * (t * 1.3).sin()) / 8_000.0;
                let sum: f64 = (1..16)
                    .map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k))
                    .sum();
                (sum * 8_000.0) as i16
            })
            .collect();
        assert_eq!(heard(&voice, 8_000), "");
    }

    #[test]
    fn what_is_no_digit_and_what_is_too_much_is_not_taken() {
        let mut sender = DtmfSender::new();
        assert!(!sender.push('x', PAUSE));
        assert_eq!((0..300).filter(|_| sender.push('1', PAUSE)).count(), MAX_DIGITS);
        let mut frame = [7; 10];
        DtmfSender::new().say(8_000, &mut frame);
        assert_eq!(frame, [7; 10]);
    }
}
