//! Frames of one rate into frames of another, as many samples as are asked for.

use crate::resample::{RunningResampler, UnsupportedRate};
use std::collections::VecDeque;

/// Converts sound that comes in frames and goes in frames.
#[derive(Clone, Debug)]
pub(crate) struct Converter {
    /// `None` between equal rates.
    resampler: Option<RunningResampler>,
    ready: VecDeque<i16>,
    /// Whether anything has come out yet.
    runs: bool,
}

impl Converter {
    /// A converter between two rates.
    pub(crate) fn new(from: u32, to: u32) -> Result<Self, UnsupportedRate> {
        let resampler = (from != to).then(|| RunningResampler::new(from, to)).transpose()?;
        Ok(Self { resampler, ready: VecDeque::new(), runs: false })
    }

    /// Takes a frame, and appends `length` samples to `out`, which have to be as long.
    pub(crate) fn convert(&mut self, frame: &[i16], length: usize, out: &mut Vec<i16>) {
        let Some(resampler) = &mut self.resampler else {
            out.extend_from_slice(frame);
            return;
        };
        resampler.convert(frame, &mut self.ready);
        if !self.runs {
            // What the filter holds back is missing at the beginning, and at no time later.
            self.runs = true;
            (self.ready.len()..length).for_each(|_| self.ready.push_front(0));
        }
        out.extend(self.ready.drain(..length.min(self.ready.len())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_gives_a_frame() {
        for (from, to) in [
            (8_000, 48_000),
            (48_000, 8_000),
            (8_000, 16_000),
            (16_000, 8_000),
            (44_100, 48_000),
            (8_000, 8_000),
        ] {
            let mut converter = Converter::new(from, to).unwrap();
            let (taken, given) = (from as usize / 50, to as usize / 50);
            let mut out = Vec::new();
            for n in 1..=200 {
                converter.convert(&vec![1_000; taken], given, &mut out);
                assert_eq!(out.len(), n * given, "{from} to {to}");
            }
            // After the delay of the filter there is nothing but what went in.
            assert!(out[given..].iter().all(|sample| *sample == 1_000), "{from} to {to}");
            assert!(converter.ready.len() <= given / 4, "{from} to {to}: {} wait", converter.ready.len());
        }
    }
}
