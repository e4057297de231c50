//! The levels of a leg's frames, as its packets tell them (RFC 6464).

use crate::activity::Activity;
use crate::level::decibels;
use ringback_rtp::{AudioLevel, Element, Extension};

/// What is told of the frames that are sent.
#[derive(Debug, Default)]
pub(super) struct Levels {
    activity: Activity,
    /// The header extension of the packet that is written.
    octets: Vec<u8>,
}

impl Levels {
    /// The header extension for a frame, under the number `id`.
    pub(super) fn tell(&mut self, id: u8, frame: &[i16]) -> Option<Extension<'_>> {
        let level = decibels(frame);
        self.activity.judge(level);
        let level = AudioLevel { level: level.round() as u8, voice: self.activity.speaks() };
        Extension::compose(&[Element { id, octets: &level.octets() }], &mut self.octets)
    }
}
