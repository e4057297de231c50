//! The coder of a leg: from frames of the application to payloads.

use crate::AudioPayload;
use crate::codec::Encoder;
use crate::convert::Converter;

/// What codes the frames of a leg.
#[derive(Debug)]
pub(super) struct Coding {
    payload: AudioPayload,
    encoder: Box<dyn Encoder>,
    /// Samples a second of the frames, and of the coder.
    rate: u32,
    own: u32,
    /// `None` where the rates cannot be converted, which those of a codec and of a leg can.
    converter: Option<Converter>,
    frame: Vec<i16>,
    octets: Vec<u8>,
}

impl Coding {
    /// A coder that has heard nothing, for frames of `rate` samples a second.
    pub(super) fn new(payload: AudioPayload, rate: u32) -> Self {
        let own = payload.codec.sending_rate(rate, &payload.described);
        Self {
            encoder: payload.codec.encoder(own, &payload.described),
            payload,
            rate,
            own,
            converter: Converter::new(rate, own).ok(),
            frame: Vec::new(),
            octets: Vec::new(),
        }
    }

    /// Goes on with another format, unless it is the same.
    pub(super) fn change(&mut self, payload: AudioPayload) {
        if (payload.number, &payload.described) != (self.payload.number, &self.payload.described) {
            *self = Self::new(payload, self.rate);
        }
    }

    /// The payload of a frame; empty where nothing needs to be sent.
    pub(super) fn encode(&mut self, frame: &[i16]) -> &[u8] {
        self.octets.clear();
        let length = frame.len() * self.own as usize / self.rate as usize;
        self.frame.clear();
        match &mut self.converter {
            Some(converter) => converter.convert(frame, length, &mut self.frame),
            None => self.frame.resize(length, 0),
        }
        self.encoder.encode(&self.frame, &mut self.octets);
        &self.octets
    }

    /// The peer lost this share of our packets.
    pub(super) fn adapt(&mut self, loss: f64) {
        self.encoder.adapt(loss);
    }

    pub(super) fn bit_rate(&self) -> Option<u32> {
        self.encoder.bit_rate()
    }

    /// Ticks of the timestamps in so many samples of the frames.
    pub(super) fn ticks(&self, samples: usize) -> u32 {
        let ticks = samples as u64 * u64::from(self.payload.clock_rate()) / u64::from(self.rate);
        ticks as u32
    }
}
