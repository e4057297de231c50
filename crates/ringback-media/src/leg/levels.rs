//! The levels of a leg's frames, as its packets tell them (RFC 6464), and what is passed over by those of the peer.

use super::AudioLeg;
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

impl AudioLeg {
    /// Plays silence in place of packets that are `faintest` or fainter from now on, as their sender says (RFC 6464), without decoding
    /// them; for who is not heard anyway, as in a large conference. `None` decodes all.
    pub fn pass_over(&mut self, faintest: Option<u8>) {
        self.playout.pass_over(faintest);
    }

    /// How loud the frame that [`next_frame`](Self::next_frame) gave last is by what its sender says, where all of it was
    /// [passed over](Self::pass_over).
    pub fn passed_over(&self) -> Option<u8> {
        self.playout.passed()
    }
}
