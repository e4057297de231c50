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
    /// From a call: how loud it is by what its sender says, where it was passed over for being so faint.
    level: Option<u8>,
    /// To a call: the same as the samples, coded.
    coded: Option<Coded>,
    /// To a call: what is so faint that nobody needs it decoded.
    faintest: Option<u8>,
}

impl Piece {
    pub(crate) fn new(rate: u32, samples: Vec<i16>) -> Self {
        Self { rate, samples, format: None, level: None, coded: None, faintest: None }
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
    /// How loud what was filled in last is, where all of it was passed over.
    level: Option<u8>,
    /// What the other end does not need decoded.
    faintest: Option<u8>,
    /// Whether what waits before we listen is from before the call, which nobody wants to hear late.
    is_stale: bool,
    is_gone: bool,
}

impl LineEnd {
    pub(crate) fn new(hear: mpsc::Sender<Piece>, say: mpsc::Receiver<Piece>, rate: Option<u32>) -> Self {
        let piece = Piece::new(0, Vec::new());
        let (hearing, saying) = (Way::default(), Way::default());
        let ready = VecDeque::new();
        let (format, coded, level, faintest) = (None, None, None, None);
        let (is_stale, is_gone) = (false, false);
        Self {
            hear,
            say,
            rate,
            piece,
            at: 0,
            ready,
            hearing,
            saying,
            format,
            coded,
            level,
            faintest,
            is_stale,
            is_gone,
        }
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

    /// How faint, in decibels below overload, what a call hears has to be by what its sender says that the other end does not need it;
    /// `None` where it needs all.
    pub(crate) fn faintest(&self) -> Option<u8> {
        self.faintest
    }

    /// How loud what [`fill`](Self::fill) has given last is by what its sender says, where all of it was passed over.
    pub(crate) fn level(&self) -> Option<u8> {
        self.level
    }

    /// Passes on what the call has heard.
    pub(crate) fn hear(&mut self, rate: u32, frame: &[i16]) {
        self.pass(rate, frame, |_| {});
    }

    /// The same of a call that takes `format` coded for many; `level` says how loud it is where it was passed over.
    pub(crate) fn hear_and_take(
        &mut self,
        rate: u32,
        frame: &[i16],
        format: Option<&AudioPayload>,
        level: Option<u8>,
    ) {
        self.pass(rate, frame, |piece| (piece.format, piece.level) = (format.cloned(), level));
    }

    /// The same to a call, where it is coded as well, and needs not decode what is so faint.
    pub(crate) fn hear_coded(
        &mut self,
        rate: u32,
        frame: &[i16],
        coded: Option<Coded>,
        faintest: Option<u8>,
    ) {
        self.pass(rate, frame, |piece| (piece.coded, piece.faintest) = (coded, faintest));
    }

    fn pass(&mut self, rate: u32, frame: &[i16], add: impl FnOnce(&mut Piece)) {
        let to = self.rate.unwrap_or(rate);
        let mut piece = Piece::new(to, Vec::with_capacity(frame.len()));
        self.hearing.convert(rate, to, frame, &mut piece.samples);
        add(&mut piece);
        // Who does not keep up misses it; a delay would never go away again.
        if let Err(error) = self.hear.try_send(piece) {
            self.is_gone |= error.is_disconnected();
        }
    }

    /// Fills `out` with what is to be said, and silence where there is nothing.
    pub(crate) fn fill(&mut self, rate: u32, out: &mut [i16]) {
        if std::mem::take(&mut self.is_stale) {
            while self.next_piece().is_some() {}
        }
        self.coded = None;
        // Who is loud in a part of it is loud.
        let mut level = (!self.ready.is_empty()).then_some(self.piece.level);
        let mut pieces = 0;
        while self.ready.len() < out.len() {
            if self.at == self.piece.samples.len() {
                let Some(mut piece) = self.next_piece() else { break };
                pieces += 1;
                self.format = piece.format.take();
                // Two pieces for one frame, or one for two: what is coded does not fit.
                let coded = piece.coded.take().filter(|_| piece.lasts(rate, out.len()));
                self.coded = coded.filter(|_| pieces == 1);
                self.faintest = piece.faintest;
                level = Some(match level {
                    Some(before) => before.zip(piece.level).map(|(one, other)| one.min(other)),
                    None => piece.level,
                });
                (self.piece, self.at) = (piece, 0);
                continue;
            }
            let part = (self.piece.rate / PART).max(1) as usize;
            let end = (self.at + part).min(self.piece.samples.len());
            let part = self.piece.samples.get(self.at..end).unwrap_or_default();
            self.saying.convert(self.piece.rate, rate, part, &mut self.ready);
            self.at = end;
        }
        self.level = level.flatten();
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
        call.hear_and_take(8_000, &[7; 160], Some(&format), None);
        room.fill(16_000, &mut frame);
        coders.begin(&[900; 320]);
        let coded = room.format().and_then(|format| coders.code(format));
        assert!(coded.is_some());
        room.hear_coded(16_000, &[900; 320], coded.clone(), None);
        call.fill(8_000, &mut heard);
        assert!(call.take_coded().is_some() && call.take_coded().is_none());
        // Frames of another length get samples alone.
        room.hear_coded(16_000, &[900; 320], coded, None);
        call.fill(8_000, &mut heard[..80]);
        assert!(call.take_coded().is_none());
    }

    #[test]
    fn what_a_call_has_passed_over_comes_with_its_level() {
        let (mut call, mut room) = between();
        let (mut frame, mut heard) = ([0; 160], [0; 160]);
        call.fill(8_000, &mut heard);
        room.fill(8_000, &mut frame);
        room.hear_coded(8_000, &frame, None, Some(55));
        call.fill(8_000, &mut heard);
        assert_eq!(call.faintest(), Some(55));
        for (levels, expected) in
            [([Some(60), Some(70)], Some(60)), ([Some(60), None], None), ([None, None], None)]
        {
            for level in levels {
                call.hear_and_take(8_000, &[0; 80], None, level);
            }
            room.fill(8_000, &mut frame);
            assert_eq!(room.level(), expected);
        }
        room.fill(8_000, &mut frame);
        assert_eq!(room.level(), None, "nothing has come");
        room.hear_coded(8_000, &frame, None, None);
        call.fill(8_000, &mut heard);
        assert_eq!(call.faintest(), None);
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
