//! G.722 at 64 kbit/s: 16,000 samples a second as two bands of ADPCM, an octet for two samples (ITU-T G.722).
//!
//! On the wire an octet is one tick of a clock of 8,000, by an old mistake that was kept (RFC 3551 §4.5.2).
//!
//! [`Coder`] and [`Decoder`] of [`bands`] are the codec without the filters that split and join the bands, which is what the
//! test sequences of ITU-T G.722 Appendix II feed.

pub mod bands;
mod tables;

use super::{AudioCodec, DamagedPayload};
use bands::{Coder, Decoder};
use ringback_sdp::Codec;

/// The taps of the quadrature mirror filter (table 11), whose second half mirrors the first.
const TAPS: [i32; 12] = [3, -11, -11, 53, 12, -156, 32, 362, -210, -805, 951, 3_876];
/// So many of the latest samples does a filter look at.
const SPAN: usize = 2 * TAPS.len();
const SAMPLE_RATE: u32 = 16_000;

/// G.722.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct G722;

impl AudioCodec for G722 {
    fn description(&self) -> Codec {
        Codec::g722()
    }

    fn sample_rates(&self) -> &[u32] {
        &[SAMPLE_RATE]
    }

    fn ticks(&self, payload: &[u8]) -> Option<u32> {
        u32::try_from(payload.len()).ok().filter(|ticks| *ticks > 0)
    }

    fn encoder(&self, _: u32, _: &Codec) -> Box<dyn super::Encoder> {
        Box::new(G722Encoder { bands: Coder::new(), window: Window::new() })
    }

    fn decoder(&self, _: u32) -> Box<dyn super::Decoder> {
        Box::new(G722Decoder { bands: Decoder::new(), window: Window::new() })
    }
}

#[derive(Debug)]
struct G722Encoder {
    bands: Coder,
    window: Window,
}

impl super::Encoder for G722Encoder {
    fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>) {
        // Of an odd number the last one has no partner; packet times are never odd.
        payload.extend(samples.chunks_exact(2).map(|pair| {
            self.window.push(pair[0].into(), pair[1].into());
            let (even, odd) = self.window.sums();
            let (low, high) = ((even + odd) >> 14, (even - odd) >> 14);
            self.bands.encode(low, high)
        }));
    }
}

#[derive(Debug)]
struct G722Decoder {
    bands: Decoder,
    window: Window,
}

impl super::Decoder for G722Decoder {
    fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Result<(), DamagedPayload> {
        for octet in payload {
            let (low, high) = self.bands.decode(*octet);
            self.window.push(low + high, low - high);
            let (even, odd) = self.window.sums();
            samples.extend([even, odd].map(|sum| bands::saturate(sum >> 11) as i16));
        }
        Ok(())
    }
}

/// The latest samples, twice, so that they lie in one piece wherever the newest is.
#[derive(Debug)]
struct Window {
    samples: [i32; 2 * SPAN],
    at: usize,
}

impl Window {
    fn new() -> Self {
        Self { samples: [0; 2 * SPAN], at: 0 }
    }

    fn push(&mut self, first: i32, second: i32) {
        for sample in [first, second] {
            self.samples[self.at] = sample;
            self.samples[self.at + SPAN] = sample;
            self.at = (self.at + 1) % SPAN;
        }
    }

    /// What the taps of even number make of the newest sample and every second one before it, and those of odd number of the rest.
    fn sums(&self) -> (i32, i32) {
        let (mut even, mut odd) = (0, 0);
        for (pair, tap) in self.samples[self.at..self.at + SPAN].chunks_exact(2).zip(0..) {
            // The oldest pair comes first. Tap 2n meets the second of the n-th newest pair, tap 2n + 1 the first; from the end of
            // the mirrored taps both are a tap of the first half again.
            let (of_first, of_second) = (2 * tap, 2 * tap + 1);
            odd += pair[0] * TAPS[mirrored(of_first)];
            even += pair[1] * TAPS[mirrored(of_second)];
        }
        (even, odd)
    }
}

/// The tap that stands at this place among all 24, the oldest sample's first: the filter is symmetric.
const fn mirrored(place: usize) -> usize {
    if place < TAPS.len() { place } else { SPAN - 1 - place }
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder as _, Encoder as _};
    use super::*;

    fn tone(hertz: f64, length: usize) -> Vec<i16> {
        let step = hertz / f64::from(SAMPLE_RATE) * std::f64::consts::TAU;
        (0..length).map(|n| ((n as f64 * step).sin() * 8_000.0) as i16).collect()
    }

    /// Through both halves, with the delay of both filters taken off.
    fn through(said: &[i16]) -> Vec<i16> {
        let (mut payload, mut heard) = (Vec::new(), Vec::new());
        let mut encoder = G722Encoder { bands: Coder::new(), window: Window::new() };
        encoder.encode(said, &mut payload);
        assert_eq!(G722.ticks(&payload), Some(said.len() as u32 / 2));
        let mut decoder = G722Decoder { bands: Decoder::new(), window: Window::new() };
        decoder.decode(&payload, &mut heard).unwrap();
        assert_eq!(heard.len(), said.len());
        heard.split_off(22)
    }

    #[test]
    fn tones_of_both_bands_come_through() {
        // 4 kHz is where the bands meet. Above, two bits a sample are coarse.
        for (hertz, least) in
            [(300.0, 30.0), (1_000.0, 30.0), (3_000.0, 25.0), (5_000.0, 10.0), (6_500.0, 10.0)]
        {
            let said = tone(hertz, 16_000);
            let heard = through(&said);
            let (mut signal, mut noise) = (0.0, 0.0);
            for (heard, said) in heard.iter().zip(&said).skip(2_000) {
                signal += f64::from(*said).powi(2);
                noise += (f64::from(*heard) - f64::from(*said)).powi(2);
            }
            let ratio = 10.0 * (signal / noise).log10();
            assert!(ratio > least, "{hertz} Hz: {ratio:.1} dB");
        }
    }

    #[test]
    fn silence_and_full_scale_end_in_no_overflow() {
        for sample in [0, i16::MIN, i16::MAX] {
            through(&[sample; 3_200]);
        }
        let square: Vec<i16> = (0..3_200).map(|n| if n / 3 % 2 == 0 { i16::MIN } else { i16::MAX }).collect();
        through(&square);
        let quiet = through(&[0; 3_200]);
        assert!(quiet.iter().all(|sample| sample.unsigned_abs() < 16), "{:?}", quiet.iter().max());
    }

    #[test]
    fn any_octets_decode() {
        let mut decoder = G722Decoder { bands: Decoder::new(), window: Window::new() };
        let (mut seed, mut heard) = (1_u32, Vec::new());
        let octets: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(50_000)
        .collect();
        decoder.decode(&octets, &mut heard).unwrap();
        assert_eq!(heard.len(), 100_000);
    }
}
