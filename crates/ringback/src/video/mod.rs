//! The pictures of a call, packet by packet: in the hands of the application, or of a conference that passes them on.

mod hall;
mod task;

pub(crate) use hall::Hall;
pub(crate) use task::{Told, VideoTask};

use crate::CommandError;
use crate::endpoint::Inner;
use crate::port::Port;
use futures::channel::mpsc;
use futures::{Sink, Stream, StreamExt as _};
use hall::Seat;
use ringback_media::{StreamId, VideoLegStats, VideoPacket};
use ringback_sdp::{
    Codec, FeedbackKind, FeedbackSet, HeaderExtension, LocalMedia, REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID,
};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// How many packets may wait for an application, or for a call: some seconds of a picture.
const WAITING: usize = 1_024;
/// The first number for a format whose number is not fixed (RFC 3551 §3), and how many there are.
const NUMBERS: std::ops::RangeInclusive<u8> = 96..=127;
/// Browsers, phones and we can all show this profile of H.264 (RFC 7742 §6.2).
const H264: &str = "profile-level-id=42e01f;packetization-mode=1";
/// The feedback that is understood.
const FEEDBACK: [FeedbackKind; 5] = [
    FeedbackKind::Nack,
    FeedbackKind::PictureLoss,
    FeedbackKind::FullIntraRequest,
    FeedbackKind::RateRequest,
    FeedbackKind::MaximumRate,
];

/// The pictures of one call. Nothing is decoded here: packets come and go as they are, whoever codes and shows them.
///
/// Encryption, ICE, reports, and what was lost and is sent again are seen to, as for the audio of the call.
#[derive(Clone)]
pub struct Video {
    formats: Vec<Codec>,
    end: Arc<Mutex<Option<VideoEnd>>>,
}

/// What happens to the pictures of a call.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum VideoEvent {
    /// The other side takes these formats, best first, and may be sent pictures; none says that it takes none any more.
    Agreed(Vec<Codec>),
    /// A packet came. What was lost is asked for and comes late, if it does.
    Packet(VideoPacket),
    /// The other side can show nothing before a picture comes that needs no other.
    KeyFrameWanted,
    /// So many bits a second come through to the other side, or are wanted by it.
    Estimate(u64),
    /// One of the streams of the other side is over.
    StreamEnded(StreamId),
    /// The call is over; nothing comes after this.
    Ended(Box<VideoLegStats>),
}

/// What is said to the pictures of a call.
#[derive(Debug)]
pub(crate) enum VideoCommand {
    /// Sends a packet in one of the streams that the other side sees.
    Packet(usize, VideoPacket),
    RequestKeyFrame(StreamId),
}

/// Who handles the packets of a call.
pub(crate) struct VideoEnd {
    pub(crate) said: mpsc::Receiver<VideoCommand>,
    ear: Ear,
}

enum Ear {
    Application(mpsc::Sender<VideoEvent>),
    Conference(Seat),
}

impl Video {
    /// Hands the packets to the application, for one call. [`formats`](Self::formats) says which ones it can code and show.
    ///
    /// ```
    /// use futures::{SinkExt as _, StreamExt as _};
    /// use ringback::{Audio, CallError, IncomingCall, Video, VideoEvent};
    ///
    /// /// Shows the other side itself.
    /// async fn mirror(incoming: IncomingCall) -> Result<(), Box<dyn std::error::Error>> {
    ///     let (video, mut stream) = Video::stream();
    ///     let _call = incoming.answer_with_video(Audio::echo(), video).await?;
    ///     while let Some(event) = stream.next().await {
    ///         match event {
    ///             VideoEvent::Packet(packet) => stream.send(packet).await?,
    ///             VideoEvent::KeyFrameWanted => stream.request_key_frame(Default::default()),
    ///             _ => {}
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn stream() -> (Self, VideoStream) {
        let (hear, heard) = mpsc::channel(WAITING);
        let (say, said) = mpsc::channel(WAITING);
        let video = Self::to(VideoEnd { said, ear: Ear::Application(hear) });
        (video, VideoStream { heard, say })
    }

    fn to(end: VideoEnd) -> Self {
        Self { formats: Self::usual(), end: Arc::new(Mutex::new(Some(end))) }
    }

    /// VP8, and H.264 as browsers speak it.
    fn usual() -> Vec<Codec> {
        let vp8 = Codec::new(96, "VP8", 90_000).expect("in its range");
        let h264 = Codec::new(98, "H264", 90_000).and_then(|it| it.with_fmtp(H264)).expect("in its range");
        vec![vp8, h264]
    }

    /// Which formats may come and go, best first, instead of VP8 and H.264. Their numbers are wishes; for what is sent again (RFC 4588)
    /// formats of their own are added.
    #[must_use]
    pub fn formats(mut self, formats: Vec<Codec>) -> Self {
        self.formats = formats;
        self
    }

    /// Opens a socket for it. `None` when a call has it already.
    pub(crate) async fn open(self, inner: &Inner) -> io::Result<Option<OpenVideo>> {
        let Some(end) = self.take() else { return Ok(None) };
        let port = inner.open_beside().await?;
        let local = LocalMedia {
            feedback: FeedbackSet::of(FEEDBACK),
            header_extensions: [RTP_STREAM_ID, REPAIRED_RTP_STREAM_ID].map(HeaderExtension::new).into(),
            takes_sizes: true,
            srtp: port.local.srtp.clone(),
            dtls: port.local.dtls.clone(),
            ice: port.local.ice.clone(),
            ..LocalMedia::video(port.local.rtp.port(), with_repairs(&self.formats))
        };
        Ok(Some(OpenVideo { port: Box::new(port), end, local }))
    }

    pub(crate) fn take(&self) -> Option<VideoEnd> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Video {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Video").field("formats", &self.formats).finish_non_exhaustive()
    }
}

/// Pictures with a socket.
pub(crate) struct OpenVideo {
    pub(crate) port: Box<Port>,
    pub(crate) end: VideoEnd,
    /// What the description of the call says.
    pub(crate) local: LocalMedia,
}

impl VideoEnd {
    /// The other side can show nothing more in one of the streams that it sees.
    pub(crate) fn key_frame_wanted(&mut self, line: usize) {
        match &self.ear {
            Ear::Application(_) => self.tell(VideoEvent::KeyFrameWanted),
            Ear::Conference(seat) => seat.key_frame_wanted(line),
        }
    }

    /// Tells it to whoever handles the packets. Who does not keep up misses it.
    pub(crate) fn tell(&mut self, event: VideoEvent) {
        match &mut self.ear {
            Ear::Application(ear) => {
                if ear.try_send(event).is_err_and(|error| error.is_full()) {
                    tracing::trace!("the application does not read the pictures of its call");
                }
            }
            Ear::Conference(seat) => seat.tell(event),
        }
    }
}

/// Each format with a number of its own, and one for what is sent again of it.
fn with_repairs(formats: &[Codec]) -> Vec<Codec> {
    let fixed: Vec<u8> =
        formats.iter().map(Codec::payload_type).filter(|number| !NUMBERS.contains(number)).collect();
    let mut numbers = NUMBERS.filter(|number| !fixed.contains(number));
    let mut all = Vec::with_capacity(formats.len() * 2);
    for format in formats.iter().filter(|format| !format.is_retransmission()) {
        let of = match NUMBERS.contains(&format.payload_type()) {
            true => numbers.next(),
            false => Some(format.payload_type()),
        };
        let Some((of, repair)) = of.zip(numbers.next()) else { break };
        let numbered = Codec::new(of, format.name(), format.clock_rate());
        let numbered =
            numbered.and_then(|it| format.fmtp().map_or(Ok(it.clone()), |fmtp| it.with_fmtp(fmtp)));
        // What is made of parts of a format is one.
        all.extend(numbered);
        all.extend(Codec::retransmission(repair, of));
    }
    all
}

/// What comes of the pictures of a call, as a [`Stream`] of events, and what goes, as a [`Sink`] of packets. Made by [`Video::stream`].
///
/// Who does not read some seconds of pictures misses what comes then. Of a packet that is sent, the format has to be one that
/// [was agreed on](VideoEvent::Agreed), whatever its number; sequence numbers and timestamps have to go on from packet to packet.
pub struct VideoStream {
    heard: mpsc::Receiver<VideoEvent>,
    say: mpsc::Sender<VideoCommand>,
}

impl VideoStream {
    /// Wants a picture of the other side that needs no other. It is asked for until one comes, and not too often, however often
    /// this is called.
    pub fn request_key_frame(&mut self, stream: StreamId) {
        // A full line has packets to send; who wants it that much asks again.
        let _ = self.say.try_send(VideoCommand::RequestKeyFrame(stream));
    }
}

impl Stream for VideoStream {
    type Item = VideoEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<VideoEvent>> {
        self.heard.poll_next_unpin(cx)
    }
}

/// Every error is [`CommandError::Gone`]: the call is over, or was never made.
impl Sink<VideoPacket> for VideoStream {
    type Error = CommandError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), CommandError>> {
        self.say.poll_ready(cx).map_err(|_| CommandError::Gone)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: VideoPacket) -> Result<(), CommandError> {
        self.say.start_send(VideoCommand::Packet(0, packet)).map_err(|_| CommandError::Gone)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CommandError>> {
        // The call takes it at once; nobody has to push.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), CommandError>> {
        self.say.close_channel();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for VideoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_gets_a_number_and_one_for_what_is_sent_again() {
        let vp9 = Codec::new(96, "VP9", 90_000).unwrap();
        let h261 = Codec::new(31, "H261", 90_000).unwrap();
        let all = with_repairs(&[Video::usual(), vec![vp9, h261]].concat());
        let numbers: Vec<_> = all.iter().map(|it| (it.name(), it.payload_type(), it.repairs())).collect();
        assert_eq!(
            numbers,
            [
                ("VP8", 96, None),
                ("rtx", 97, Some(96)),
                ("H264", 98, None),
                ("rtx", 99, Some(98)),
                ("VP9", 100, None),
                ("rtx", 101, Some(100)),
                ("H261", 31, None),
                ("rtx", 102, Some(31))
            ]
        );
        assert!(all[2].fmtp().is_some_and(|fmtp| fmtp.contains("42e01f")));
    }

    #[test]
    fn the_pictures_are_for_one_call() {
        let (video, _stream) = Video::stream();
        assert!(video.clone().take().is_some() && video.take().is_none());
    }
}
