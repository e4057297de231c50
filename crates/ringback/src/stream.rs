//! The audio of a call in the hands of the application, frame by frame, and calls that are connected with each other.

use crate::CommandError;
use futures::channel::mpsc;
use futures::{FutureExt as _, Sink, Stream, StreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// How many frames may wait for an application: two seconds of what is heard.
const WAITING: usize = 100;
/// How many frames may wait between two calls: what a busy machine may be late.
const BETWEEN: usize = 10;

/// What a call hears, as a [`Stream`] of frames, and what it says, as a [`Sink`] of them: samples at 8 kHz. Made by
/// [`Audio::stream`](crate::Audio::stream); `split` of [`StreamExt`](futures::StreamExt) takes the two apart.
///
/// A frame is heard every 20 ms, or as often as was agreed, from when the audio flows until the call ends, which ends the
/// stream. Who does not read for two seconds misses what comes then. What is said may be of any length. It is played at
/// the pace of the call, one piece after the other; where there is nothing, silence is. The sink is ready again when there is
/// room for another piece.
pub struct AudioStream {
    heard: mpsc::Receiver<Vec<i16>>,
    said: mpsc::Sender<Vec<i16>>,
}

impl Stream for AudioStream {
    type Item = Vec<i16>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Vec<i16>>> {
        self.heard.poll_next_unpin(cx)
    }
}

/// Every error is [`CommandError::Gone`]: the call is over, or was never made.
impl Sink<Vec<i16>> for AudioStream {
    type Error = CommandError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CommandError>> {
        self.said.poll_ready(cx).map_err(|_| CommandError::Gone)
    }

    fn start_send(mut self: Pin<&mut Self>, samples: Vec<i16>) -> Result<(), CommandError> {
        self.said.start_send(samples).map_err(|_| CommandError::Gone)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CommandError>> {
        // The call takes it when its time has come; nobody has to push.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CommandError>> {
        self.said.close_channel();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for AudioStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioStream").finish_non_exhaustive()
    }
}

/// The end of a line that a call will take, once.
#[derive(Clone)]
pub(crate) struct Line(Arc<Mutex<Option<LineEnd>>>);

impl Line {
    fn new(end: LineEnd) -> Self {
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

/// A line from a call to the application.
pub(crate) fn to_application() -> (Line, AudioStream) {
    let (hear, heard) = mpsc::channel(WAITING);
    let (said, say) = mpsc::channel(WAITING);
    (Line::new(LineEnd::new(hear, say, false)), AudioStream { heard, said })
}

/// A line from one call to another.
pub(crate) fn between_calls() -> (Line, Line) {
    let (one_hears, other_says) = mpsc::channel(BETWEEN);
    let (other_hears, one_says) = mpsc::channel(BETWEEN);
    let one = LineEnd::new(one_hears, one_says, true);
    (Line::new(one), Line::new(LineEnd::new(other_hears, other_says, true)))
}

/// The end of a line, held by a call.
pub(crate) struct LineEnd {
    hear: mpsc::Sender<Vec<i16>>,
    say: mpsc::Receiver<Vec<i16>>,
    /// What is to be said next, and how much of it was.
    piece: Vec<i16>,
    at: usize,
    /// Whether what waits before we listen is from before the call, which nobody wants to hear late.
    is_stale: bool,
}

impl LineEnd {
    fn new(hear: mpsc::Sender<Vec<i16>>, say: mpsc::Receiver<Vec<i16>>, is_stale: bool) -> Self {
        Self { hear, say, piece: Vec::new(), at: 0, is_stale }
    }

    /// Passes on what the call has heard.
    pub(crate) fn hear(&mut self, frame: &[i16]) {
        // Who does not keep up misses it; a delay would never go away again.
        let _ = self.hear.try_send(frame.to_vec());
    }

    /// Fills `out` with what is to be said, and silence where there is nothing.
    pub(crate) fn fill(&mut self, out: &mut [i16]) {
        if std::mem::take(&mut self.is_stale) {
            while self.next_piece().is_some() {}
        }
        for sample in out {
            while self.at == self.piece.len() {
                let Some(piece) = self.next_piece() else { break };
                (self.piece, self.at) = (piece, 0);
            }
            *sample = self.piece.get(self.at).copied().unwrap_or(0);
            self.at += usize::from(self.at < self.piece.len());
        }
    }

    /// What waits, without waiting for it.
    fn next_piece(&mut self) -> Option<Vec<i16>> {
        self.say.next().now_or_never().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_are_said_one_after_the_other_and_then_silence() {
        let (line, mut stream) = to_application();
        let mut end = line.take().unwrap();
        for piece in [vec![1, 2, 3], vec![], vec![4, 5, 6, 7]] {
            stream.said.try_send(piece).unwrap();
        }
        let mut frames = [[9; 4]; 3];
        frames.iter_mut().for_each(|frame| end.fill(frame));
        assert_eq!(frames, [[1, 2, 3, 4], [5, 6, 7, 0], [0; 4]]);
    }

    #[test]
    fn a_line_is_for_one_call_and_its_end_is_the_end_of_the_stream() {
        let (line, mut stream) = to_application();
        let mut end = line.clone().take().unwrap();
        assert!(line.take().is_none());
        end.hear(&[1, 2]);
        drop(end);
        assert_eq!(stream.next().now_or_never(), Some(Some(vec![1, 2])));
        assert_eq!(stream.next().now_or_never(), Some(None));
        assert!(stream.said.try_send(vec![1]).is_err());
    }

    #[test]
    fn a_call_that_joins_late_does_not_hear_what_was_said_before() {
        let (one, other) = between_calls();
        let (mut one, mut other) = (one.take().unwrap(), other.take().unwrap());
        (0..100).for_each(|_| one.hear(&[1, 1]));
        let mut frame = [9; 2];
        other.fill(&mut frame);
        assert_eq!(frame, [0, 0]);
        one.hear(&[2, 3]);
        other.fill(&mut frame);
        assert_eq!(frame, [2, 3]);
    }
}
