//! From samples to the payloads of one format.

use crate::formats::KNOWN;
use ringback_media::{AudioCodec, Encoder};
use ringback_sdp::Codec;
use std::sync::Arc;
use std::time::Duration;

/// Speaks one format.
#[derive(Debug)]
pub(super) struct Mouth {
    pub(super) number: u8,
    pub(super) clock: u32,
    encoder: Box<dyn Encoder>,
    /// Samples a second that it takes.
    pub(super) rate: u32,
    /// How much goes into a packet.
    packet: Duration,
    /// What does not fill a packet yet.
    waiting: Vec<i16>,
}

/// The best rate at which a format can be spoken, for sound of `wanted` samples a second; nothing where we do not know it.
pub(super) fn best_rate(codec: &Codec, wanted: u32) -> Option<u32> {
    Some(KNOWN.find(codec)?.sending_rate(wanted, codec))
}

/// The highest rate that a format has.
pub(super) fn highest_rate(codec: &Codec) -> Option<u32> {
    let known: &Arc<dyn AudioCodec> = KNOWN.find(codec)?;
    known.sample_rates().last().copied()
}

impl Mouth {
    /// For sound of `rate` samples a second, which [`best_rate`] gave, in packets of `ptime` as far as the format has them; the
    /// listener loses such a share of them.
    pub(super) fn new(codec: &Codec, rate: u32, ptime: Duration, loss: f64) -> Option<Self> {
        let known = KNOWN.find(codec)?;
        let mut encoder = known.encoder(rate, codec);
        if loss > 0.0 {
            encoder.adapt(loss);
        }
        let (number, clock) = (codec.payload_type(), codec.clock_rate());
        let packet = known.packet_time(ptime);
        Some(Self { number, clock, encoder, rate, packet, waiting: Vec::new() })
    }

    /// The listener has lost such a share of the packets of late.
    pub(super) fn adapt(&mut self, loss: f64) {
        self.encoder.adapt(loss);
    }

    /// How much goes into a packet.
    pub(super) fn packet(&self) -> Duration {
        self.packet
    }

    /// Samples in a packet.
    pub(super) fn frame(&self) -> usize {
        (u128::from(self.rate) * self.packet.as_millis() / 1_000) as usize
    }

    /// Ticks in a packet.
    pub(super) fn step(&self) -> u32 {
        (u128::from(self.clock) * self.packet.as_millis() / 1_000) as u32
    }

    /// Ticks of what waits.
    pub(super) fn waits(&self) -> u32 {
        (self.waiting.len() as u64 * u64::from(self.clock) / u64::from(self.rate.max(1))) as u32
    }

    /// Where samples are put.
    pub(super) fn take(&mut self) -> &mut Vec<i16> {
        &mut self.waiting
    }

    /// Forgets what waits: what comes next does not follow it.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Appends the payload of the next packet, which may be none in a pause; false where there is too little for one.
    pub(super) fn speak(&mut self, payload: &mut Vec<u8>) -> bool {
        let length = self.frame();
        let Some(frame) = self.waiting.get(..length) else { return false };
        self.encoder.encode(frame, payload);
        self.waiting.drain(..length);
        true
    }
}
