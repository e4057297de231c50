//! From packets to an unbroken stream of samples: jitter buffer, decoder, concealment, change of tempo.

use crate::conceal::Concealer;
use crate::{Law, stretch};
use ringback_rtp::jitter::{JitterBuffer, JitterConfig, JitterStats, Pace, Pull};
use ringback_rtp::{RtpPacket, SequenceNumber};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// G.711 is sampled 8,000 times a second.
const RATE: u32 = 8_000;
/// Concealed in one go: 20 ms.
const FRAME: usize = 160;
/// More delay than this above the target is worth an audible cut.
const MAX_EXCESS: Duration = Duration::from_millis(200);

/// What a frame of playout is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameKind {
    /// The stream has not begun, pauses, or has ended.
    Silence,
    /// Speech exactly as it was decoded.
    Audio,
    /// Speech whose length was changed, or which was joined to something that was made up.
    Altered,
    /// Some of it replaces speech that did not come in time.
    Concealed,
}

/// The player of one leg.
#[derive(Clone, Debug)]
pub(crate) struct Playout {
    jitter: JitterBuffer,
    concealer: Concealer,
    /// Samples that are ready, and what they are made of.
    ready: VecDeque<i16>,
    runs: VecDeque<(FrameKind, usize)>,
    frame: Vec<i16>,
    /// The last frame was made up.
    in_gap: bool,
    concealed: u64,
    altered: u64,
}

impl Playout {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            jitter: JitterBuffer::new(now, JitterConfig::speech(RATE)),
            concealer: Concealer::new(),
            ready: VecDeque::new(),
            runs: VecDeque::new(),
            frame: Vec::new(),
            in_gap: false,
            concealed: 0,
            altered: 0,
        }
    }

    /// Takes a packet of speech, one octet a sample.
    pub(crate) fn insert(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        self.jitter.insert(now, packet, packet.payload.len() as u32);
    }

    /// Notes a packet that is no speech.
    pub(crate) fn skip(&mut self, sequence: SequenceNumber) {
        self.jitter.skip(sequence);
    }

    /// Another speaker, or another clock.
    pub(crate) fn reset(&mut self) {
        self.jitter.reset();
        self.concealer.reset();
        self.in_gap = false;
    }

    /// Fills `out`. `law` decodes a payload type; `expects` says whether the peer should be sending.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        expects: bool,
        law: impl Fn(ringback_rtp::PayloadType) -> Option<Law>,
        out: &mut [i16],
    ) -> FrameKind {
        if !expects {
            self.jitter.rest();
        }
        while self.ready.len() < out.len() {
            // What is ready is played before what is pulled.
            let kind = self.pull(now + span(self.ready.len() as u64), &law);
            self.runs.push_back((kind, self.frame.len()));
            self.ready.extend(&self.frame);
        }
        let length = out.len();
        for (sample, ready) in out.iter_mut().zip(self.ready.drain(..length)) {
            *sample = ready;
        }
        self.consume(length)
    }

    pub(crate) fn stats(&self) -> JitterStats {
        self.jitter.stats()
    }

    /// How much was made up.
    pub(crate) fn concealed(&self) -> Duration {
        span(self.concealed)
    }

    /// How much was stretched, shortened or joined.
    pub(crate) fn altered(&self) -> Duration {
        span(self.altered)
    }

    /// Makes the samples that are played at `at` in `self.frame`; never none.
    fn pull(&mut self, at: Instant, law: impl Fn(ringback_rtp::PayloadType) -> Option<Law>) -> FrameKind {
        self.frame.clear();
        match self.jitter.pull(at) {
            Pull::Frame { payload, payload_type, pace, .. } if !payload.is_empty() => {
                // A number that was agreed on when the packet came may be gone since.
                match law(payload_type) {
                    Some(law) => law.decode_into(payload, &mut self.frame),
                    None => self.frame.resize(payload.len(), 0),
                }
                self.concealer.hear(&mut self.frame);
                let altered = self.change_tempo(pace) | std::mem::take(&mut self.in_gap);
                self.altered += if altered { self.frame.len() as u64 } else { 0 };
                if altered { FrameKind::Altered } else { FrameKind::Audio }
            }
            Pull::Lost | Pull::Underrun => {
                self.frame.resize(FRAME, 0);
                self.concealer.conceal(&mut self.frame);
                self.in_gap = true;
                self.concealed += FRAME as u64;
                FrameKind::Concealed
            }
            Pull::Silence | Pull::Frame { .. } => {
                self.frame.resize(FRAME, 0);
                FrameKind::Silence
            }
        }
    }

    fn change_tempo(&mut self, pace: Pace) -> bool {
        match pace {
            Pace::Keep => false,
            Pace::Stretch => stretch::lengthen(&mut self.frame),
            Pace::Shorten if stretch::shorten(&mut self.frame) => true,
            Pace::Shorten => {
                // Speech that does not repeat itself: better a slip in it than a delay that stays.
                let JitterStats { delay, target, .. } = self.jitter.stats();
                delay > target + MAX_EXCESS && stretch::cut(&mut self.frame)
            }
        }
    }

    /// The worst of what the next `length` samples are made of.
    fn consume(&mut self, mut length: usize) -> FrameKind {
        let mut worst = None;
        while length > 0 {
            let Some((kind, left)) = self.runs.front_mut() else { break };
            let used = length.min(*left);
            length -= used;
            *left -= used;
            worst = match (worst, *kind) {
                (Some(FrameKind::Audio), FrameKind::Silence)
                | (Some(FrameKind::Silence), FrameKind::Audio) => Some(FrameKind::Altered),
                (worst, kind) => worst.max(Some(kind)),
            };
            if *left == 0 {
                self.runs.pop_front();
            }
        }
        worst.unwrap_or(FrameKind::Silence)
    }
}

fn span(samples: u64) -> Duration {
    Duration::from_micros(samples.saturating_mul(1_000_000 / u64::from(RATE)))
}
