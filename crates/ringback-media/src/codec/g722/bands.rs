//! The two bands of G.722 without the filters that split and join them (ITU-T G.722 §6.2, blocks 1 to 6).

use super::tables::{ILB, Q2, Q6, QM2, QM4, QM6, WH, WL};

/// What the lower and the upper band may not leave (LIMIT of block 6).
const LIMIT: std::ops::RangeInclusive<i32> = -16_384..=16_383;

/// Codes samples of both bands.
#[derive(Clone, Debug)]
pub struct Coder {
    low: Band,
    high: Band,
}

impl Default for Coder {
    fn default() -> Self {
        Self::new()
    }
}

impl Coder {
    /// As after a reset.
    pub fn new() -> Self {
        Self { low: Band::low(), high: Band::high() }
    }

    /// The octet for a sample of each band, -16,384 to 16,383.
    pub fn encode(&mut self, low: i32, high: i32) -> u8 {
        let low = self.low.quantize_low(low);
        self.low.adapt_low(low);
        let high = self.high.quantize_high(high);
        self.high.adapt_high(high);
        (high << 6 | low) as u8
    }
}

/// Decodes octets to samples of both bands.
#[derive(Clone, Debug)]
pub struct Decoder {
    low: Band,
    high: Band,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// As after a reset.
    pub fn new() -> Self {
        Self { low: Band::low(), high: Band::high() }
    }

    /// The samples of the lower and the upper band, -16,384 to 16,383.
    pub fn decode(&mut self, octet: u8) -> (i32, i32) {
        let (low, high) = (usize::from(octet & 0x3f), usize::from(octet >> 6));
        let of_low = self.low.estimate + ((self.low.scale * QM6[low]) >> 15);
        self.low.adapt_low(low);
        let of_high = self.high.estimate + ((self.high.scale * QM2[high]) >> 15);
        self.high.adapt_high(high);
        let limit = |sample: i32| sample.clamp(*LIMIT.start(), *LIMIT.end());
        (limit(of_low), limit(of_high))
    }
}

/// What adapts in a band: the scale of its quantizer, and the predictor.
#[derive(Clone, Debug)]
struct Band {
    /// DET: the scale of the quantizer.
    scale: i32,
    /// NB: its logarithm.
    log_scale: i32,
    /// S: what is predicted.
    estimate: i32,
    /// SZ: the part of it that the zeroes of the predictor make.
    from_zeroes: i32,
    /// A: the poles of the predictor.
    poles: [i32; 2],
    /// B: its zeroes.
    zeroes: [i32; 6],
    /// P: the latest two sums of difference and `from_zeroes`.
    partial: [i32; 2],
    /// R: the latest reconstructed sample.
    reconstructed: i32,
    /// D: the latest six differences.
    differences: [i32; 6],
}

impl Band {
    fn low() -> Self {
        Self::of_scale(32)
    }

    fn high() -> Self {
        Self::of_scale(8)
    }

    fn of_scale(scale: i32) -> Self {
        Self {
            scale,
            log_scale: 0,
            estimate: 0,
            from_zeroes: 0,
            poles: [0; 2],
            zeroes: [0; 6],
            partial: [0; 2],
            reconstructed: 0,
            differences: [0; 6],
        }
    }

    /// SUBTRA and QUANTL of block 1L.
    fn quantize_low(&self, sample: i32) -> usize {
        let difference = saturate(sample - self.estimate);
        let magnitude = magnitude(difference);
        let level = Q6[1..].iter().take_while(|level| magnitude >= (*level * self.scale) >> 12).count() + 1;
        // ILN and ILP: from the lowest level on, codes fall from 63 and from 61; of those above four, two are shared.
        match (difference < 0, level) {
            (true, 1) => 63,
            (true, 2) => 62,
            (true, level) => 34 - level,
            (false, level) => 62 - level,
        }
    }

    /// SUBTRA and QUANTH of block 1H.
    fn quantize_high(&self, sample: i32) -> usize {
        let difference = saturate(sample - self.estimate);
        let is_outer = magnitude(difference) >= (Q2 * self.scale) >> 12;
        match (difference < 0, is_outer) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        }
    }

    /// INVQAL, LOGSCL and SCALEL: blocks 2L and 3L, and the predictor.
    fn adapt_low(&mut self, code: usize) {
        let code = code >> 2;
        let difference = (self.scale * QM4[code]) >> 15;
        self.log_scale = (((self.log_scale * 127) >> 7) + WL[code]).clamp(0, 18_432);
        self.scale = self.scale_of(8);
        self.predict(difference);
    }

    /// INVQAH, LOGSCH and SCALEH: blocks 2H and 3H, and the predictor.
    fn adapt_high(&mut self, code: usize) {
        let difference = (self.scale * QM2[code]) >> 15;
        self.log_scale = (((self.log_scale * 127) >> 7) + WH[code]).clamp(0, 22_528);
        self.scale = self.scale_of(10);
        self.predict(difference);
    }

    /// The scale by its logarithm.
    fn scale_of(&self, offset: i32) -> i32 {
        let fraction = ILB[(self.log_scale >> 6 & 31) as usize];
        let shift = offset - (self.log_scale >> 11);
        let scale = if shift < 0 { fraction << -shift } else { fraction >> shift };
        scale << 2
    }

    /// Block 4: takes the difference of this sample and predicts the next.
    fn predict(&mut self, difference: i32) {
        let reconstructed = saturate(self.estimate + difference);
        let partial = saturate(self.from_zeroes + difference);
        let [first, second] = self.poles;
        let agrees = |earlier: i32| (partial < 0) == (earlier < 0);
        let [before, earlier] = self.partial.map(agrees);

        // UPPOL2
        let leaning = saturate(first << 2);
        let leaning = if before { (-leaning).min(i16::MAX.into()) } else { leaning };
        let turn = (leaning >> 7) + if earlier { 128 } else { -128 };
        let second = (turn + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1
        let first = if before { 192 } else { -192 } + ((first * 32_640) >> 15);
        let bound = saturate(15_360 - second);
        self.poles = [first.clamp(-bound, bound), second];
        // UPZERO
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeroes.iter_mut().zip(&self.differences) {
            let agrees = (difference < 0) == (*earlier < 0);
            *zero = saturate(if agrees { step } else { -step } + ((*zero * 32_640) >> 15));
        }

        // DELAYA
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.partial = [partial, self.partial[0]];
        let reconstructed_before = std::mem::replace(&mut self.reconstructed, reconstructed);

        // FILTEP, FILTEZ and PREDIC
        let part = |weight: i32, sample: i32| (weight * saturate(sample << 1)) >> 15;
        let from_poles =
            saturate(part(self.poles[0], reconstructed) + part(self.poles[1], reconstructed_before));
        let zeroes = self.zeroes.iter().zip(&self.differences);
        self.from_zeroes = saturate(zeroes.map(|(zero, difference)| part(*zero, *difference)).sum());
        self.estimate = saturate(from_poles + self.from_zeroes);
    }
}

/// How far from zero, where -1 is as near as 0.
fn magnitude(difference: i32) -> i32 {
    if difference < 0 { !difference } else { difference }
}

/// The nearest that sixteen bits hold.
pub(super) fn saturate(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}
