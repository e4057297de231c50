//! A stream of the peer.

use super::{PictureCoding, StreamId};
use crate::video::CLOCK;
use crate::video::wish::KeyFrameWish;
use ringback_rtp::repair::{Missing, Order};
use ringback_rtp::rtcp::{ReportBlock, to_middle};
use ringback_rtp::{Place, RemoteSource, RtpPacket, SequenceNumber, Ssrc};
use ringback_sdp::Codec;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: StreamId,
    /// Which size of the picture it is.
    pub(super) rid: Option<Arc<str>>,
    /// How it is coded, as of its last packet.
    pub(super) format: Arc<Codec>,
    pub(super) reception: RemoteSource,
    pub(super) missing: Missing,
    pub(super) wish: KeyFrameWish,
    /// The stream that repairs this one, once it is known.
    pub(super) repair: Option<Ssrc>,
    /// Counts the requests for key frames (RFC 5104 §4.3.1.1).
    pub(super) request: u8,
    /// The last sender report: the middle of its time, and when it came.
    pub(super) last_sr: Option<(u32, Instant)>,
}

impl Incoming {
    pub(super) fn new(now: Instant, id: StreamId, format: Arc<Codec>, packet: &RtpPacket<'_>) -> Self {
        Self {
            id,
            rid: None,
            format,
            reception: RemoteSource::new(packet.ssrc, packet.sequence, now),
            missing: Missing::new(),
            wish: KeyFrameWish::default(),
            repair: None,
            request: 0,
            last_sr: None,
        }
    }

    pub(super) fn ssrc(&self) -> Ssrc {
        self.reception.ssrc
    }

    /// Counts a packet that came in this stream, and says where it stands.
    pub(super) fn arrived(&mut self, now: Instant, origin: Instant, packet: &RtpPacket<'_>) -> Order {
        if self.reception.place(packet.sequence) == Place::Jump {
            return Order::Jump;
        }
        let ticks = now.saturating_duration_since(origin).as_micros() * u128::from(CLOCK) / 1_000_000;
        self.reception.arrived(now, ticks as u32, packet.time);
        self.judge(now, packet.sequence, packet.payload)
    }

    /// Takes a packet that came by whatever way, and says where it stands.
    pub(super) fn judge(&mut self, now: Instant, sequence: SequenceNumber, payload: &[u8]) -> Order {
        let order = self.missing.arrived(now, sequence);
        if self.missing.has_given_up() {
            self.wish.want();
        }
        let is_new = matches!(order, Order::Next | Order::Recovered | Order::Restart);
        if is_new && PictureCoding::of(&self.format).begins_key_frame(payload) {
            self.wish.came();
        }
        order
    }

    /// The block for the next report, where anything came since the last.
    pub(super) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        let (middle, delay) = self
            .last_sr
            .map_or((0, 0), |(middle, at)| (middle, to_middle(now.saturating_duration_since(at))));
        self.reception.is_reportable().then(|| self.reception.report(middle, delay))
    }
}
