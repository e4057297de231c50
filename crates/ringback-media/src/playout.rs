//! From packets to an unbroken stream of samples: jitter buffer, decoder, concealment, change of tempo.

use crate::noise::ComfortNoise;
use crate::voice::Voice;
use crate::{AudioPayload, PlayoutMode};
use ringback_rtp::jitter::{JitterBuffer, JitterConfig, JitterStats, Pace, Pull, Repeated};
use ringback_rtp::rtcp::Bursts;
use ringback_rtp::{AudioLevel, PayloadType, RtpPacket, SequenceNumber};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// More delay than this above the target is worth an audible cut.
const MAX_EXCESS: Duration = Duration::from_millis(200);

/// What a frame of playout is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameKind {
    /// The stream has not begun, pauses, or has ended; what is heard is silence or comfort noise.
    Silence,
    /// Speech exactly as it was decoded.
    Audio,
    /// Speech whose length was changed, or which was joined to something that was made up.
    Altered,
    /// Some of it replaces speech that did not come in time.
    Concealed,
}

/// Samples that are ready, by what they are made of.
#[derive(Clone, Copy, Debug)]
struct Run {
    kind: FrameKind,
    /// The level of what was passed over.
    passed: Option<u8>,
    length: usize,
}

/// The player of one leg.
#[derive(Debug)]
pub(crate) struct Playout {
    /// Samples a second that are given.
    rate: u32,
    mode: PlayoutMode,
    /// Ticks a second of the packets in the jitter buffer.
    clock: u32,
    jitter: JitterBuffer,
    /// The format that is heard now.
    voice: Option<Voice>,
    /// What the peer pauses with, if it has told (RFC 3389).
    noise: Option<ComfortNoise>,
    /// Samples that are ready, and what they are made of.
    ready: VecDeque<i16>,
    runs: VecDeque<Run>,
    /// What is so faint, by what its sender says, that it is passed over.
    faintest: Option<u8>,
    /// The level of the frame that was given last, where all of it was passed over.
    passed: Option<u8>,
    frame: Vec<i16>,
    /// Whether what is missing comes alone or in heaps.
    bursts: Bursts,
    concealed: u64,
    altered: u64,
    /// How much was passed over.
    silent: u64,
}

impl Playout {
    /// A player at `rate` samples a second of packets by a clock of `clock`.
    pub(crate) fn new(now: Instant, rate: u32, clock: u32, mode: PlayoutMode) -> Self {
        Self {
            rate,
            mode,
            clock,
            jitter: buffer(now, clock, mode),
            voice: None,
            noise: None,
            ready: VecDeque::new(),
            runs: VecDeque::new(),
            faintest: None,
            passed: None,
            frame: Vec::new(),
            bursts: Bursts::default(),
            concealed: 0,
            altered: 0,
            silent: 0,
        }
    }

    /// Takes a packet of speech that plays for `ticks` of a clock of `clock`, and is as loud as its sender says.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        packet: &RtpPacket<'_>,
        ticks: u32,
        clock: u32,
        level: Option<AudioLevel>,
    ) {
        if clock != self.clock {
            // RFC 7160: times of two clocks have no order, so the buffer begins anew.
            self.clock = clock;
            self.jitter = buffer(now, clock, self.mode);
        }
        self.noise = None;
        self.jitter.insert_with_level(now, packet, ticks, level);
    }

    /// Takes what a packet of speech repeats of an earlier one, and says whether that had not come.
    pub(crate) fn recover(&mut self, now: Instant, repeated: &Repeated<'_>) -> bool {
        self.jitter.recover(now, repeated)
    }

    /// Passes over packets that are this faint or fainter, as their sender says, from now on.
    pub(crate) fn pass_over(&mut self, faintest: Option<u8>) {
        self.faintest = faintest;
    }

    /// The level of the frame that was given last, where all of it was passed over.
    pub(crate) fn passed(&self) -> Option<u8> {
        self.passed
    }

    /// Takes a packet of comfort noise: the peer pauses, and this is what is heard meanwhile.
    pub(crate) fn pause(&mut self, sequence: SequenceNumber, description: &[u8]) {
        self.noise.get_or_insert_with(ComfortNoise::new).describe(description);
        self.jitter.skip(sequence);
    }

    /// Notes a packet that is no speech.
    pub(crate) fn skip(&mut self, sequence: SequenceNumber) {
        self.jitter.skip(sequence);
    }

    /// Another speaker, or another clock.
    pub(crate) fn reset(&mut self) {
        self.jitter.reset();
        self.voice = None;
        self.noise = None;
    }

    /// Fills `out`. `receive` is what was agreed on; `expects` says whether the peer should be sending.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        expects: bool,
        receive: &[AudioPayload],
        out: &mut [i16],
    ) -> FrameKind {
        if !expects {
            self.jitter.rest();
            self.noise = None;
        }
        while self.ready.len() < out.len() {
            // What is ready is played before what is pulled.
            let (kind, passed) = self.pull(now + span(self.ready.len() as u64, self.rate), receive);
            match kind {
                FrameKind::Altered => self.altered += self.frame.len() as u64,
                FrameKind::Concealed => self.concealed += self.frame.len() as u64,
                FrameKind::Silence | FrameKind::Audio => {}
            }
            self.silent += if passed.is_some() { self.frame.len() as u64 } else { 0 };
            if self.frame.is_empty() {
                // A frame that a converter holds back as a whole; no codec has such short ones.
                self.frame.push(0);
            }
            self.runs.push_back(Run { kind, passed, length: self.frame.len() });
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

    /// Whether what is missing comes alone or in heaps.
    pub(crate) fn bursts(&self) -> &Bursts {
        &self.bursts
    }

    /// How much was made up.
    pub(crate) fn concealed(&self) -> Duration {
        span(self.concealed, self.rate)
    }

    /// How much was passed over.
    pub(crate) fn passed_over(&self) -> Duration {
        span(self.silent, self.rate)
    }

    /// How much was stretched, shortened or joined.
    pub(crate) fn altered(&self) -> Duration {
        span(self.altered, self.rate)
    }

    /// Makes the samples that are played at `at` in `self.frame`, and says what they are, and how loud where they were passed over.
    fn pull(&mut self, at: Instant, receive: &[AudioPayload]) -> (FrameKind, Option<u8>) {
        self.frame.clear();
        let JitterStats { delay, target, .. } = self.jitter.stats();
        let rests = match self.jitter.pull(at) {
            Pull::Frame { payload, payload_type, pace, level, .. } if !payload.is_empty() => {
                let voice = voice_of(&mut self.voice, payload_type, receive, self.rate);
                // A number that was agreed on when the packet came may be gone since.
                let Some(voice) = voice else { return self.silence() };
                self.bursts.came();
                let level =
                    level.map(|it| it.level).filter(|it| self.faintest.is_some_and(|most| *it >= most));
                let (kind, is_pausing) = if level.is_some() {
                    (voice.pass_over(payload), voice.is_pause(payload))
                } else {
                    let kind =
                        voice.play(payload, pace, pace == Pace::Shorten && delay > target + MAX_EXCESS);
                    (kind, voice.is_pausing())
                };
                voice.give(self.rate, &mut self.frame);
                if is_pausing {
                    self.jitter.rest();
                }
                return (kind, level);
            }
            Pull::Lost { next } => {
                let Some(voice) = &mut self.voice else { return self.silence() };
                self.bursts.missed();
                let next = next.filter(|(number, _)| *number == voice.number()).map(|(_, payload)| payload);
                let kind = voice.conceal(voice.step(), next);
                voice.give(self.rate, &mut self.frame);
                return (kind, None);
            }
            Pull::Underrun => {
                self.bursts.missed();
                false
            }
            Pull::Silence | Pull::Frame { .. } => true,
        };
        let Some(voice) = &mut self.voice else { return self.silence() };
        let kind = if rests { voice.rest(self.noise.as_mut()) } else { voice.conceal(voice.step(), None) };
        voice.give(self.rate, &mut self.frame);
        (kind, None)
    }

    /// Twenty milliseconds of it.
    fn silence(&mut self) -> (FrameKind, Option<u8>) {
        self.frame.resize(self.rate as usize / 50, 0);
        (FrameKind::Silence, None)
    }

    /// The worst of what the next `length` samples are made of.
    fn consume(&mut self, mut length: usize) -> FrameKind {
        let mut worst = None;
        // The loudest of what was passed over, unless there is something else beside it.
        self.passed = self.runs.front().and_then(|run| run.passed);
        while length > 0 {
            let Some(Run { kind, passed, length: left }) = self.runs.front_mut() else { break };
            let used = length.min(*left);
            length -= used;
            *left -= used;
            self.passed = self.passed.zip(*passed).map(|(one, other)| one.min(other));
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

/// The decoder of a payload type: the one that is there, or a new one, where it was agreed on.
fn voice_of<'a>(
    voice: &'a mut Option<Voice>,
    number: PayloadType,
    receive: &[AudioPayload],
    rate: u32,
) -> Option<&'a mut Voice> {
    if voice.as_ref().is_none_or(|voice| voice.number() != number) {
        let payload = receive.iter().find(|it| it.number == number)?;
        *voice = Some(Voice::new(payload.clone(), rate));
    }
    voice.as_mut()
}

fn buffer(now: Instant, clock: u32, mode: PlayoutMode) -> JitterBuffer {
    let config = match mode {
        PlayoutMode::Adaptive => JitterConfig::speech(clock),
        PlayoutMode::Fixed(delay) => JitterConfig::fixed(clock, delay),
    };
    JitterBuffer::new(now, config)
}

fn span(samples: u64, rate: u32) -> Duration {
    Duration::from_nanos(samples.saturating_mul(1_000_000_000) / u64::from(rate.max(1)))
}
