//! Lines that carry audio between a call and somebody else: the application, another call, or a conference.

use futures::channel::mpsc;
use futures::{FutureExt as _, StreamExt as _};
use ringback_media::{AudioPayload, Coded, RunningResampler};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How many frames may wait between two calls: what a busy machine may be late.
const BETWEEN: usize = 10;
/// How much of a piece is converted at a time, as a part of a second: 10 ms.
const PART: u32 = 100;

/// Sound on a line.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Samples a second.
    pub(crate) rate: u32,
    pub(crate) samples: Vec<i16>,
    /// From a call: the format in which it takes what is coded for many.
    format: Option<AudioPayload>,
    /// To a call: the same as the samples, coded.
    coded: Option<Coded>,
}

impl Piece {
    pub(crate) fn new(rate: u32, samples: Vec<i16>) -> Self {
        Self { rate, samples, format: None, coded: None }
    }

    /// Whether it lasts as long as so many samples at `rate`.
    fn lasts(&self, rate: u32, samples: usize) -> bool {
        self.samples.len() as u64 * u64::from(rate) == samples as u64 * u64::from(self.rate)
    }
}

/// The end of a line that a call will take, once.
#[derive(Clone)]
pub(crate) struct Line(Arc<Mutex<Option<LineEnd>>>);

impl Line {
    pub(crate) fn new(end: LineEnd) -> Self {
        Self(Arc::new(Mutex::new(Some(end))))
    }

    /// `None` when another call has taken it.
    pub(crate) fn take(&self) -> Option<LineEnd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

/// A line between two who both have a pace of their own, such as two calls.
pub(crate) fn between() -> (LineEnd, LineEnd) {
    let (one_hears, other_says) = mpsc::channel(BETWEEN);
    let (other_hears, one_says) = mpsc::channel(BETWEEN);
    let end = |hear, say| LineEnd { is_stale: true, ..LineEnd::new(hear, say, None) };
    (end(one_hears, one_says), end(other_hears, other_says))
}

/// The end of a line, held by a call.
pub(crate) struct LineEnd {
    hear: mpsc::Sender<Piece>,
    say: mpsc::Receiver<Piece>,
    /// The rate at which the other end wants to hear; `None` where it takes any.
    rate: Option<u32>,
    /// What is to be said next, and how much of it was converted.
    piece: Piece,
    at: usize,
    /// What was converted.
    ready: VecDeque<i16>,
    hearing: Way,
    saying: Way,
    /// What coded sound the other end takes.
    format: Option<AudioPayload>,
    /// What was filled in last, coded.
    coded: Option<Coded>,
    /// Whether what waits before we listen is from before the call, which nobody wants to hear late.
    is_stale: bool,
    is_gone: bool,
}

impl LineEnd {
    pub(crate) fn new(hear: mpsc::Sender<Piece>, say: mpsc::Receiver<Piece>, rate: Option<u32>) -> Self {
        let piece = Piece::new(0, Vec::new());
        let (hearing, saying) = (Way::default(), Way::default());
        let ready = VecDeque::new();
        let (format, coded) = (None, None);
        let (is_stale, is_gone) = (false, false);
        Self { hear, say, rate, piece, at: 0, ready, hearing, saying, format, coded, is_stale, is_gone }
    }

    /// The rate at which the other end speaks and wants to hear, where it has one.
    pub(crate) fn rate(&self) -> Option<u32> {
        self.rate
    }

    /// Whether nobody is at the other end any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// The format in which the call at the other end takes what is coded for many.
    pub(crate) fn format(&self) -> Option<&AudioPayload> {
        self.format.as_ref()
    }

    /// What [`fill`](Self::fill) has given last, where the other end has coded it.
    pub(crate) fn take_coded(&mut self) -> Option<Coded> {
        self.coded.take()
    }

    /// Passes on what the call has heard.
    pub(crate) fn hear(&mut self, rate: u32, frame: &[i16]) {
        self.pass(rate, frame, None, None);
    }

    /// The same of a call that takes `format` coded for many.
    pub(crate) fn hear_and_take(&mut self, rate: u32, frame: &[i16], format: Option<&AudioPayload>) {
        self.pass(rate, frame, format.cloned(), None);
    }

    /// The same to a call, where it is coded as well.
    pub(crate) fn hear_coded(&mut self, rate: u32, frame: &[i16], coded: Option<Coded>) {
        self.pass(rate, frame, None, coded);
    }

    fn pass(&mut self, rate: u32, frame: &[i16], format: Option<AudioPayload>, coded: Option<Coded>) {
        let to = self.rate.unwrap_or(rate);
        let mut samples = Vec::with_capacity(frame.len());
        self.hearing.convert(rate, to, frame, &mut samples);
        // Who does not keep up misses it; a delay would never go away again.
        if let Err(error) = self.hear.try_send(Piece { rate: to, samples, format, coded }) {
            self.is_gone |= error.is_disconnected();
        }
    }

    /// Fills `out` with what is to be said, and silence where there is nothing.
    pub(crate) fn fill(&mut self, rate: u32, out: &mut [i16]) {
        if std::mem::take(&mut self.is_stale) {
            while self.next_piece().is_some() {}
        }
        self.coded = None;
        let mut pieces = 0;
        while self.ready.len() < out.len() {
            if self.at == self.piece.samples.len() {
                let Some(mut piece) = self.next_piece() else { break };
                pieces += 1;
                self.format = piece.format.take();
                // Two pieces for one frame, or one for two: what is coded does not fit.
                let coded = piece.coded.take().filter(|_| piece.lasts(rate, out.len()));
                self.coded = coded.filter(|_| pieces == 1);
                (self.piece, self.at) = (piece, 0);
                continue;
            }
            let part = (self.piece.rate / PART).max(1) as usize;
            let end = (self.at + part).min(self.piece.samples.len());
            let part = self.piece.samples.get(self.at..end).unwrap_or_default();
            self.saying.convert(self.piece.rate, rate, part, &mut self.ready);
            self.at = end;
        }
        let length = out.len().min(self.ready.len());
        for (sample, ready) in out.iter_mut().zip(self.ready.drain(..length)) {
            *sample = ready;
        }
        out[length..].fill(0);
    }

    /// What waits, without waiting for it.
    fn next_piece(&mut self) -> Option<Piece> {
        self.say.next().now_or_never().flatten()
    }
}

/// The conversion from one rate to another, whichever they are at the moment.
#[derive(Default)]
struct Way {
    rates: (u32, u32),
    /// `None` between equal rates, and between such as cannot be converted.
    resampler: Option<RunningResampler>,
}

impl Way {
    fn convert(&mut self, from: u32, to: u32, samples: &[i16], out: &mut impl Extend<i16>) {
        if self.rates != (from, to) {
            self.rates = (from, to);
            self.resampler = if from == to { None } else { RunningResampler::new(from, to).ok() };
        }
        match &mut self.resampler {
            Some(resampler) => resampler.convert(samples, out),
            None if from == to => out.extend(samples.iter().copied()),
            // The rates of calls and of streams all convert into each other.
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_media::{AudioFormat, CommonCoders, Law};

    #[test]
    fn a_line_is_for_one_call() {
        let (one, _other) = between();
        let line = Line::new(one);
        assert!(line.clone().take().is_some());
        assert!(line.take().is_none());
    }

    #[test]
    fn a_call_that_joins_late_does_not_hear_what_was_said_before() {
        let (mut one, mut other) = between();
        (0..100).for_each(|_| one.hear(8_000, &[1, 1]));
        let mut frame = [9; 2];
        other.fill(8_000, &mut frame);
        assert_eq!(frame, [0, 0]);
        one.hear(8_000, &[2, 3]);
        other.fill(8_000, &mut frame);
        assert_eq!(frame, [2, 3]);
        assert!(!one.is_gone());
        drop(other);
        one.hear(8_000, &[2, 3]);
        assert!(one.is_gone());
    }

    #[test]
    fn what_is_coded_comes_with_the_frame_that_it_says() {
        let (mut call, mut room) = between();
        let format = AudioFormat::new(Law::A).send;
        let mut coders = CommonCoders::new(16_000);
        let (mut frame, mut heard) = ([0; 320], [0; 160]);
        call.fill(8_000, &mut heard);
        room.fill(16_000, &mut frame);
        assert!(room.format().is_none());
        call.hear_and_take(8_000, &[7; 160], Some(&format));
        room.fill(16_000, &mut frame);
        coders.begin(&[900; 320]);
        let coded = room.format().and_then(|format| coders.code(format));
        assert!(coded.is_some());
        room.hear_coded(16_000, &[900; 320], coded.clone());
        call.fill(8_000, &mut heard);
        assert!(call.take_coded().is_some() && call.take_coded().is_none());
        // Frames of another length get samples alone.
        room.hear_coded(16_000, &[900; 320], coded);
        call.fill(8_000, &mut heard[..80]);
        assert!(call.take_coded().is_none());
    }

    #[test]
    fn ends_of_different_rates_understand_each_other() {
        let (mut narrow, mut wide) = between();
        let mut frame = [0; 960];
        wide.fill(48_000, &mut frame);
        for _ in 0..5 {
            narrow.hear(8_000, &[1_000; 160]);
            wide.fill(48_000, &mut frame);
        }
        assert!(frame.iter().all(|sample| *sample == 1_000), "{frame:?}");
        let mut frame = [0; 160];
        narrow.fill(8_000, &mut frame);
        for _ in 0..5 {
            wide.hear(48_000, &[500; 960]);
            narrow.fill(8_000, &mut frame);
        }
        assert!(frame.iter().all(|sample| *sample == 500), "{frame:?}");
    }
}
