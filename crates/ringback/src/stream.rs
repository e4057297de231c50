//! The audio of a call in the hands of the application, frame by frame.

use crate::CommandError;
use crate::line::{Line, LineEnd, Piece};
use futures::channel::mpsc;
use futures::{Sink, Stream, StreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How many frames may wait for an application: two seconds of what is heard.
const WAITING: usize = 100;

/// What a call hears, as a [`Stream`] of frames, and what it says, as a [`Sink`] of them. Made by
/// [`Audio::stream`](crate::Audio::stream), at 8 kHz, or [`Audio::stream_at`](crate::Audio::stream_at); `split` of
/// [`StreamExt`](futures::StreamExt) takes the two apart.
///
/// A frame is heard every 20 ms, or as often as was agreed, from when the audio flows until the call ends, which ends the
/// stream. Who does not read for two seconds misses what comes then. What is said may be of any length. It is played at
/// the pace of the call, one piece after the other; where there is nothing, silence is. The sink is ready again when there is
/// room for another piece.
pub struct AudioStream {
    heard: mpsc::Receiver<Piece>,
    said: mpsc::Sender<Piece>,
    rate: u32,
}

impl AudioStream {
    /// Samples a second of what is heard and said.
    pub fn rate(&self) -> u32 {
        self.rate
    }
}

impl Stream for AudioStream {
    type Item = Vec<i16>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Vec<i16>>> {
        self.heard.poll_next_unpin(cx).map(|piece| piece.map(|piece| piece.samples))
    }
}

/// Every error is [`CommandError::Gone`]: the call is over, or was never made.
impl Sink<Vec<i16>> for AudioStream {
    type Error = CommandError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CommandError>> {
        self.said.poll_ready(cx).map_err(|_| CommandError::Gone)
    }

    fn start_send(mut self: Pin<&mut Self>, samples: Vec<i16>) -> Result<(), CommandError> {
        let rate = self.rate;
        self.said.start_send(Piece::new(rate, samples)).map_err(|_| CommandError::Gone)
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

/// A line from a call to the application, which speaks and hears at `rate`.
pub(crate) fn to_application(rate: u32) -> (Line, AudioStream) {
    let (hear, heard) = mpsc::channel(WAITING);
    let (said, say) = mpsc::channel(WAITING);
    (Line::new(LineEnd::new(hear, say, Some(rate))), AudioStream { heard, said, rate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn piece(samples: &[i16]) -> Piece {
        Piece::new(8_000, samples.to_vec())
    }

    #[test]
    fn pieces_of_any_length_are_said_one_after_the_other_and_then_silence() {
        let (line, mut stream) = to_application(8_000);
        let mut end = line.take().unwrap();
        for samples in [&[1, 2, 3][..], &[], &[4, 5, 6, 7]] {
            stream.said.try_send(piece(samples)).unwrap();
        }
        let mut frames = [[9; 4]; 3];
        frames.iter_mut().for_each(|frame| end.fill(8_000, frame));
        assert_eq!(frames, [[1, 2, 3, 4], [5, 6, 7, 0], [0; 4]]);
    }

    #[test]
    fn the_end_of_the_line_is_the_end_of_the_stream() {
        let (line, mut stream) = to_application(8_000);
        let mut end = line.take().unwrap();
        end.hear(8_000, &[1, 2]);
        drop(end);
        assert_eq!(stream.next().now_or_never(), Some(Some(vec![1, 2])));
        assert_eq!(stream.next().now_or_never(), Some(None));
        assert!(stream.said.try_send(piece(&[1])).is_err());
    }

    #[test]
    fn the_application_hears_at_its_rate_whatever_the_call_has() {
        let (line, mut stream) = to_application(16_000);
        let mut end = line.take().unwrap();
        for _ in 0..10 {
            end.hear(8_000, &[100; 160]);
        }
        let heard: usize =
            std::iter::from_fn(|| stream.next().now_or_never().flatten()).map(|it| it.len()).sum();
        assert!((3_000..=3_200).contains(&heard), "{heard} samples of 200 ms");
        assert_eq!(stream.rate(), 16_000);
    }
}
