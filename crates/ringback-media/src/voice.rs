//! One payload format of the peer on its way to samples: its decoder, what fills its gaps, and the way to the rate that is played.

use crate::codec::{Decoder, rate_among};
use crate::conceal::Concealer;
use crate::convert::Converter;
use crate::noise::ComfortNoise;
use crate::playout::FrameKind;
use crate::{AudioPayload, pitch, stretch};
use ringback_rtp::PayloadType;
use ringback_rtp::jitter::Pace;

/// What comes in by one payload type.
#[derive(Debug)]
pub(crate) struct Voice {
    payload: AudioPayload,
    decoder: Box<dyn Decoder>,
    /// Samples a second of the decoder.
    rate: u32,
    concealer: Concealer,
    /// `None` where the decoder's rate cannot be converted, which no rate of a codec and of a leg is.
    converter: Option<Converter>,
    frame: Vec<i16>,
    /// The last frame was made up, and by whom.
    gap: Option<Maker>,
    /// The sender has said that it pauses, and the decoder makes what is heard.
    is_pausing: bool,
    /// The last payload that was passed over; empty when it was decoded.
    passed: Vec<u8>,
}

/// Who makes up what did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Codec,
    Concealer,
}

impl Voice {
    /// A decoder that has heard nothing, for a player at `rate`.
    pub(crate) fn new(payload: AudioPayload, rate: u32) -> Self {
        let own = rate_among(payload.codec.sample_rates(), rate);
        Self {
            decoder: payload.codec.decoder(own),
            payload,
            rate: own,
            concealer: Concealer::new(own),
            converter: Converter::new(own, rate).ok(),
            frame: Vec::new(),
            gap: None,
            is_pausing: false,
            passed: Vec::new(),
        }
    }

    /// The payload type that it decodes.
    pub(crate) fn number(&self) -> PayloadType {
        self.payload.number
    }

    /// Decodes a payload; `cut` says whether a slip is better than the delay that there is.
    pub(crate) fn play(&mut self, payload: &[u8], pace: Pace, cut: bool) -> FrameKind {
        self.frame.clear();
        if !self.passed.is_empty() {
            // A decoder that has heard nothing of late builds on what was long ago; a packet makes good for it.
            let passed = std::mem::take(&mut self.passed);
            if self.decoder.decode(&passed, &mut self.frame).is_ok() {
                self.concealer.hear(&mut self.frame);
            }
            self.frame.clear();
        }
        if self.decoder.decode(payload, &mut self.frame).is_err() || self.frame.is_empty() {
            return self.conceal(self.length_of(payload), None);
        }
        self.is_pausing = self.decoder.is_pause(payload);
        self.concealer.hear(&mut self.frame);
        let is_joined = self.gap.take().is_some();
        let is_altered = self.change_tempo(pace, cut) || is_joined;
        if is_altered { FrameKind::Altered } else { FrameKind::Audio }
    }

    /// Plays silence in place of a payload that is not worth decoding.
    pub(crate) fn pass_over(&mut self, payload: &[u8]) -> FrameKind {
        self.passed.clear();
        self.passed.extend_from_slice(payload);
        self.gap = None;
        // What pauses after it is no more than what was passed over.
        self.is_pausing = false;
        self.frame.clear();
        self.frame.resize(self.length_of(payload), 0);
        FrameKind::Silence
    }

    /// Whether the last payload was passed over.
    pub(crate) fn is_passing(&self) -> bool {
        !self.passed.is_empty()
    }

    /// Whether the sender pauses after this payload.
    pub(crate) fn is_pause(&self, payload: &[u8]) -> bool {
        self.decoder.is_pause(payload)
    }

    /// Makes up `length` samples; `next` is the payload behind them, where it is here.
    pub(crate) fn conceal(&mut self, length: usize, next: Option<&[u8]>) -> FrameKind {
        self.frame.clear();
        if self.is_passing() {
            self.frame.resize(length, 0);
            return FrameKind::Silence;
        }
        if self.decoder.conceal(length, next, &mut self.frame) {
            self.gap = Some(Maker::Codec);
            return FrameKind::Concealed;
        }
        self.frame.resize(length, 0);
        self.concealer.conceal(&mut self.frame);
        self.gap = Some(Maker::Concealer);
        FrameKind::Concealed
    }

    /// What is heard while nothing should come: the end of what was made up, the noise that was described, what the codec makes of
    /// a pause, or silence.
    pub(crate) fn rest(&mut self, noise: Option<&mut ComfortNoise>) -> FrameKind {
        let length = self.step();
        if self.gap == Some(Maker::Codec) && !self.is_pausing {
            // Codecs do not fade as fast as the other concealment, which is silent by now.
            let kind = self.conceal(length, None);
            self.gap = None;
            let left = |n: usize| (length - n) as i32;
            for (n, sample) in self.frame.iter_mut().enumerate() {
                *sample = (i32::from(*sample) * left(n.min(length)) / length.max(1) as i32) as i16;
            }
            return kind;
        }
        self.gap = None;
        self.frame.clear();
        if let Some(noise) = noise {
            noise.make(length, &mut self.frame);
        } else if !(self.is_pausing && self.decoder.conceal(length, None, &mut self.frame)) {
            self.frame.resize(length, 0);
        }
        FrameKind::Silence
    }

    /// Whether the sender has said that it pauses.
    pub(crate) fn is_pausing(&self) -> bool {
        self.is_pausing
    }

    /// Samples in 20 ms, which are concealed in one go.
    pub(crate) fn step(&self) -> usize {
        self.rate as usize / 50
    }

    /// Gives the frame at the rate of the player.
    pub(crate) fn give(&mut self, rate: u32, out: &mut Vec<i16>) {
        let length = self.frame.len() * rate as usize / self.rate as usize;
        match &mut self.converter {
            Some(converter) => converter.convert(&self.frame, length, out),
            None => out.resize(out.len() + length, 0),
        }
    }

    fn change_tempo(&mut self, pace: Pace, cut: bool) -> bool {
        let scale = pitch::scale(self.rate);
        match pace {
            Pace::Keep => false,
            Pace::Stretch => stretch::lengthen(&mut self.frame, scale),
            Pace::Shorten => {
                stretch::shorten(&mut self.frame, scale) || (cut && stretch::cut(&mut self.frame))
            }
        }
    }

    /// Samples that a payload should have been.
    fn length_of(&self, payload: &[u8]) -> usize {
        let clock = self.payload.codec.description().clock_rate().max(1);
        let ticks = self.payload.codec.ticks(payload).unwrap_or(clock / 50);
        let samples = u64::from(ticks) * u64::from(self.rate) / u64::from(clock);
        usize::try_from(samples).unwrap_or(0).max(1)
    }
}
