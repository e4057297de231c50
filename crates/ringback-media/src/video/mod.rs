//! Pictures that are passed on and never decoded: one end of them in a call, and a conference that shows who speaks.

mod coding;
mod h264;
mod leg;
mod line;
mod room;
mod vp8;
mod vp9;
mod wish;

pub use coding::PictureCoding;
pub use leg::{VideoIncoming, VideoLeg, VideoLegConfig, VideoLegEvent, VideoLegStats, VideoTransmit};
pub use room::{Layer, RoomOutput, VideoMode, VideoPartyKey, VideoRoom, VideoRoomStats};

use ringback_rtp::{RtpTime, SequenceNumber};
use ringback_sdp::Codec;
use std::sync::Arc;

/// Ticks a second of the media clock of all pictures (RFC 3551 §5).
const CLOCK: u32 = 90_000;

/// One of the streams of a side, by the order in which they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u8);

/// A packet of a picture, uninterpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoPacket {
    /// Which stream it belongs to, of those that one side sends: several where it sends its picture in several sizes.
    pub stream: StreamId,
    /// What its sender calls that stream (`a=rid`, RFC 8852); `None` where it says nothing.
    pub rid: Option<Arc<str>>,
    /// How it is coded. Its number is that by which it came, and means nothing elsewhere.
    pub format: Arc<Codec>,
    /// Whether it is the last of its picture.
    pub marker: bool,
    /// Its place in its stream.
    pub sequence: SequenceNumber,
    /// When the picture was taken, in ticks of 90 kHz.
    pub time: RtpTime,
    /// What is carried.
    pub payload: Arc<[u8]>,
}

/// Any moment does: a test depends only on what passes after it.
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn start() -> std::time::Instant {
    std::time::Instant::now()
}
