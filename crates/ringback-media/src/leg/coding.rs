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
    /// The last frame in whose place something else was sent, which the coder knows nothing of; empty where there is none.
    passed: Vec<i16>,
    /// The share of our packets that the peer lost of late, 0 to 1.
    loss: f64,
}

/// A peer that loses more than this share of packets needs a coder that follows its losses.
const MUCH_LOST: f64 = 0.02;

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
            passed: Vec::new(),
            loss: 0.0,
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
        if !self.passed.is_empty() {
            // A new coder builds on nothing but what the peer has just heard.
            self.encoder = self.payload.codec.encoder(self.own, &self.payload.described);
            self.encoder.adapt(self.loss);
            let passed = std::mem::take(&mut self.passed);
            self.code(&passed);
        }
        self.code(frame);
        &self.octets
    }

    fn code(&mut self, frame: &[i16]) {
        self.octets.clear();
        let length = frame.len() * self.own as usize / self.rate as usize;
        self.frame.clear();
        match &mut self.converter {
            Some(converter) => converter.convert(frame, length, &mut self.frame),
            None => self.frame.resize(length, 0),
        }
        self.encoder.encode(&self.frame, &mut self.octets);
    }

    /// The peer lost this share of our packets.
    pub(super) fn adapt(&mut self, loss: f64) {
        self.loss = loss;
        self.encoder.adapt(loss);
    }

    /// The format, where what others have coded in it may be sent; not to a peer that loses much.
    pub(super) fn shared(&self) -> Option<&AudioPayload> {
        (self.loss <= MUCH_LOST).then_some(&self.payload)
    }

    /// Something else is sent in place of this frame.
    pub(super) fn pass_over(&mut self, frame: &[i16]) {
        self.passed.clear();
        self.passed.extend_from_slice(frame);
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
