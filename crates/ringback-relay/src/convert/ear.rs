//! From the payloads of one format to samples.

use crate::formats::KNOWN;
use ringback_media::{AudioCodec, Concealer, Decoder};
use ringback_sdp::Codec;
use std::sync::Arc;
use std::time::Duration;

/// More audio is in no packet; a decoder that is given a datagram of 64 KiB would be at it for long.
const LONGEST: Duration = Duration::from_millis(120);

/// Hears one format.
#[derive(Debug)]
pub(super) struct Ear {
    number: u8,
    clock: u32,
    codec: Arc<dyn AudioCodec>,
    decoder: Box<dyn Decoder>,
    /// Samples a second that it gives.
    pub(super) rate: u32,
    concealer: Concealer,
    /// What the last payload played for, in ticks.
    step: u32,
}

impl Ear {
    /// For sound that is sent on at `wanted` samples a second at best; nothing where we do not know the format.
    pub(super) fn new(codec: &Codec, wanted: u32) -> Option<Self> {
        let known = KNOWN.find(codec)?;
        let rates = known.sample_rates();
        let rate = *rates.iter().find(|rate| **rate >= wanted).or(rates.last())?;
        Some(Self {
            number: codec.payload_type(),
            clock: codec.clock_rate(),
            codec: known.clone(),
            decoder: known.decoder(rate),
            rate,
            concealer: Concealer::new(rate),
            step: codec.clock_rate() / 50,
        })
    }

    /// The payload type.
    pub(super) fn number(&self) -> u8 {
        self.number
    }

    /// Ticks a second of its timestamps.
    pub(super) fn clock(&self) -> u32 {
        self.clock
    }

    pub(super) fn hears(&self, codec: &Codec) -> bool {
        (self.number, self.clock) == (codec.payload_type(), codec.clock_rate())
    }

    /// Appends the samples of a payload, and says how many ticks they are; nothing for what cannot be decoded.
    pub(super) fn hear(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Option<u32> {
        let ticks = self.codec.ticks(payload)?;
        let most = u128::from(self.clock) * LONGEST.as_millis() / 1_000;
        let begin = samples.len();
        if u128::from(ticks) > most || self.decoder.decode(payload, samples).is_err() {
            return None;
        }
        self.concealer.hear(samples.get_mut(begin..)?);
        self.step = ticks;
        Some(ticks)
    }

    /// Appends what replaces one packet, and says how many ticks that is; `next` is the payload behind it, where it is here.
    pub(super) fn conceal(&mut self, next: Option<&[u8]>, samples: &mut Vec<i16>) -> u32 {
        let length = u64::from(self.step) * u64::from(self.rate) / u64::from(self.clock.max(1));
        // A step is at most the longest packet.
        let (begin, length) = (samples.len(), length as usize);
        if !self.decoder.conceal(length, next, samples) {
            samples.resize(begin + length, 0);
            if let Some(made) = samples.get_mut(begin..) {
                self.concealer.conceal(made);
            }
        }
        self.step
    }
}
