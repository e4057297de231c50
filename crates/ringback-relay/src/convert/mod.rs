//! Audio and digits between two sides that do not speak the same (RFC 3550 §7.2: a translator).
//!
//! Packets are converted as they come, in their order: one that is missing is waited for until two behind it are here, and then it
//! is made up as the decoder can. Who listens gets packets as long as he asks for, and the coder hears of his losses. Nothing is held back for a clock of ours; who listens has a buffer for that. Packets that the
//! other side understands pass as they are until the first comes that has to be converted. The sender keeps his name (SSRC), and
//! his reports tell the listener's time.

mod digits;
mod ear;
mod line;
mod mouth;
mod order;
mod way;

pub(crate) use way::Taken;

use crate::{Side, SideFormats};
use ringback_media::AudioSource;
use std::time::Duration;
use way::Way;

/// Both directions of a medium that is converted.
#[derive(Debug)]
pub(crate) struct Conversion {
    /// From the caller to the callee, and back.
    ways: [Way; 2],
}

impl Conversion {
    /// For what both sides send and take.
    pub(crate) fn new([caller, callee]: [SideFormats; 2]) -> Self {
        let there = Way::new(caller.sends, callee.takes, callee.ptime);
        let back = Way::new(callee.sends, caller.takes, caller.ptime);
        Self { ways: [there, back] }
    }

    /// It goes on with what both sides send and take now.
    pub(crate) fn renew(&mut self, [caller, callee]: [SideFormats; 2]) {
        let [there, back] = &mut self.ways;
        there.renew(caller.sends, callee.takes, callee.ptime);
        back.renew(callee.sends, caller.takes, caller.ptime);
    }

    /// Whether anything has to be converted for sure, whatever comes.
    pub(crate) fn is_due(&self) -> bool {
        self.ways.iter().any(Way::is_due)
    }

    /// Whether this packet of a side has to be converted.
    pub(crate) fn wants(&self, side: Side, packet: &[u8]) -> bool {
        self.way(side).wants(packet)
    }

    /// Takes an RTP packet of a side.
    pub(crate) fn take(&mut self, side: Side, packet: &mut [u8]) -> Taken {
        self.ways[side.index()].take(packet)
    }

    /// Makes the next packet of music for who listens to a side that sends nothing; `gap` is for how long, where the music begins, and
    /// `seed` is random. Says how much audio that is; none where nothing is spoken that we know.
    pub(crate) fn music(
        &mut self,
        side: Side,
        source: &mut AudioSource,
        gap: Option<Duration>,
        seed: u32,
    ) -> Option<Duration> {
        self.ways[side.index()].music(source, gap, seed)
    }

    /// A side sends again, so long after the music had its end.
    pub(crate) fn resume(&mut self, side: Side, gap: Duration) {
        self.ways[side.index()].resume(gap);
    }

    /// Puts the next packet for who listens to a side at the begin of `buffer`, and says how long it is.
    pub(crate) fn poll(&mut self, side: Side, buffer: &mut [u8]) -> Option<usize> {
        self.ways[side.index()].poll(buffer)
    }

    /// Rewrites what the reports of a side say of what it sends (RFC 3550 §7.2), and heeds what they say of what it hears.
    pub(crate) fn report(&mut self, side: Side, packet: &mut [u8]) {
        self.ways[side.other().index()].heed(packet);
        self.way(side).report(packet);
    }

    fn way(&self, side: Side) -> &Way {
        &self.ways[side.index()]
    }
}

#[cfg(test)]
mod tests;
