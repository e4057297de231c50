//! Frames that are sent again with later ones (RFC 2198), as many as the losses of the peer ask for.

use ringback_rtp::red::{Block, MAX_OFFSET, MAX_REPEATED_LEN, Redundant};
use ringback_rtp::{PayloadType, RtpTime};
use std::collections::VecDeque;

/// The most frames that are sent again with one: as many in a row may be lost.
const MOST: usize = 2;
/// From this share of lost packets on one frame is repeated, and from that on two.
const ONE: f64 = 0.02;
const TWO: f64 = 0.08;
/// At this share, or below, one less is.
const CLEAN: f64 = 0.005;
/// A payload is never made longer than this: what is fragmented is lost more easily.
const LONGEST: usize = 1_200;

/// What was sent of late, and how much of it is repeated.
#[derive(Debug, Default)]
pub(super) struct Redundancy {
    repeats: usize,
    /// The latest last. They were sent in packets that follow each other, as the receiver numbers them by their places.
    sent: VecDeque<Frame>,
    spare: Vec<u8>,
    payload: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    time: RtpTime,
    payload_type: PayloadType,
    payload: Vec<u8>,
}

impl Redundancy {
    /// The peer lost this share of our packets, 0 to 1, before it has made good for them.
    pub(super) fn adapt(&mut self, loss: f64) {
        self.repeats = match self.repeats {
            _ if loss >= TWO => MOST,
            repeats if loss >= ONE => repeats.max(1),
            repeats if loss <= CLEAN => repeats.saturating_sub(1),
            repeats => repeats,
        };
    }

    /// How many frames are sent again with each.
    pub(super) fn repeats(&self) -> usize {
        self.repeats
    }

    /// Something else is sent, or the format changes: what was before cannot be repeated.
    pub(super) fn clear(&mut self) {
        self.sent.clear();
    }

    /// What the packet of a frame carries, and under which number: `red` where it repeats others.
    pub(super) fn wrap<'a>(
        &'a mut self,
        red: Option<PayloadType>,
        time: RtpTime,
        payload_type: PayloadType,
        payload: &'a [u8],
    ) -> (PayloadType, &'a [u8]) {
        let Some(red) = red else {
            self.clear();
            return (payload_type, payload);
        };
        self.payload.clear();
        // Their places tell the receiver their numbers, so none may be left out between two.
        let (mut first, mut length) = (self.sent.len(), payload.len());
        for frame in self.sent.iter().rev().take(self.repeats) {
            length += frame.payload.len();
            let is_near = (1..=MAX_OFFSET as i32).contains(&time.ticks_since(frame.time));
            if !is_near || frame.payload.len() > MAX_REPEATED_LEN || length > LONGEST {
                break;
            }
            first -= 1;
        }
        let is_repeating = first < self.sent.len();
        if is_repeating {
            let repeated: Vec<Block<'_>> =
                self.sent.iter().skip(first).map(|it| it.repeated_at(time)).collect();
            Redundant::write(&repeated, payload_type, payload, &mut self.payload);
        }
        let mut kept = std::mem::take(&mut self.spare);
        kept.clear();
        kept.extend_from_slice(payload);
        self.sent.push_back(Frame { time, payload_type, payload: kept });
        if self.sent.len() > MOST {
            self.spare = self.sent.pop_front().map(|it| it.payload).unwrap_or_default();
        }
        if is_repeating { (red, &self.payload) } else { (payload_type, payload) }
    }
}

impl Frame {
    fn repeated_at(&self, time: RtpTime) -> Block<'_> {
        let offset = time.ticks_since(self.time).unsigned_abs();
        Block { payload_type: self.payload_type, offset, payload: &self.payload }
    }
}
