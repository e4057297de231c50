//! Which packets of a stream have been: its roll-over counter and its replay window (RFC 3711 §3.3).

use crate::Refused;

/// Streams of a context; a peer that uses more is not heard. None is ever pushed out, for what is forgotten can be
/// replayed.
pub const MAX_SOURCES: usize = 64;
/// Streams that a context has room for from the start.
const USUAL_SOURCES: usize = 2;
/// Packets that may come late. RFC 3711 §3.3.2 asks for 64 at least.
pub const WINDOW: u64 = 128;

/// The packets behind the newest that have been, bit 0 for the newest itself.
#[derive(Clone, Copy, Debug)]
struct Seen {
    newest: u64,
    bits: u128,
}

impl Seen {
    fn check(&self, index: u64) -> Result<(), Refused> {
        match self.newest.checked_sub(index) {
            None => Ok(()),
            Some(behind) if behind >= WINDOW => Err(Refused::TooOld),
            Some(behind) if self.bits >> behind & 1 == 1 => Err(Refused::Replayed),
            Some(_) => Ok(()),
        }
    }

    fn note(&mut self, index: u64) {
        match self.newest.checked_sub(index) {
            None => {
                let ahead = u32::try_from(index - self.newest).unwrap_or(u32::MAX);
                self.bits = self.bits.checked_shl(ahead).unwrap_or(0) | 1;
                self.newest = index;
            }
            Some(behind) if behind < WINDOW => self.bits |= 1 << behind,
            Some(_) => {}
        }
    }
}

/// The streams of one direction. Nothing is noted of a packet before it has proved to be genuine.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    known: Vec<(u32, Seen)>,
}

/// A packet that may be new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    slot: Option<usize>,
    ssrc: u32,
    pub(crate) index: u64,
}

impl Streams {
    /// Room for those that there usually are. There are thousands of contexts where media is relayed, and hardly one with more.
    pub(crate) fn new() -> Self {
        Self { known: Vec::with_capacity(USUAL_SOURCES) }
    }

    /// Judges a packet of RTP, whose index has to be guessed from sixteen bits.
    pub(crate) fn guess(&self, ssrc: u32, sequence: u16) -> Result<Candidate, Refused> {
        let slot = self.slot(ssrc);
        let index = match slot.and_then(|slot| self.known.get(slot)) {
            Some((_, seen)) => nearest(seen.newest, sequence).ok_or(Refused::TooOld)?,
            None => u64::from(sequence),
        };
        self.candidate(slot, ssrc, index)
    }

    /// Judges a packet of RTCP, which says its index.
    pub(crate) fn exact(&self, ssrc: u32, index: u64) -> Result<Candidate, Refused> {
        self.candidate(self.slot(ssrc), ssrc, index)
    }

    fn slot(&self, ssrc: u32) -> Option<usize> {
        self.known.iter().position(|(it, _)| *it == ssrc)
    }

    fn candidate(&self, slot: Option<usize>, ssrc: u32, index: u64) -> Result<Candidate, Refused> {
        match slot.and_then(|slot| self.known.get(slot)) {
            Some((_, seen)) => seen.check(index)?,
            None if self.known.len() >= MAX_SOURCES => return Err(Refused::TooManySources),
            None => {}
        }
        Ok(Candidate { slot, ssrc, index })
    }

    /// Notes a packet that is genuine.
    pub(crate) fn note(&mut self, candidate: Candidate) {
        match candidate.slot.and_then(|slot| self.known.get_mut(slot)) {
            Some((_, seen)) => seen.note(candidate.index),
            None => self.known.push((candidate.ssrc, Seen { newest: candidate.index, bits: 1 })),
        }
    }
}

/// The 48 bits to which the sixteen belong: those nearest to the newest packet (RFC 3711 §3.3.1). `None` when they lie
/// before the first packet or behind the last that there can be.
fn nearest(newest: u64, sequence: u16) -> Option<u64> {
    let distance = sequence.wrapping_sub(newest as u16) as i16;
    newest.checked_add_signed(i64::from(distance)).filter(|index| *index < 1 << 48)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn the_roll_over_counter_is_guessed_the_shorter_way_round() {
        for (newest, sequence, index) in [
            (0xffff, 0, Some(0x1_0000)),
            (0x1_0000, 0xffff, Some(0xffff)),
            (0x1_8000, 0x8001, Some(0x1_8001)),
            (5, 0xfff0, None),
            ((1 << 48) - 1, 0, None),
        ] {
            assert_eq!(nearest(newest, sequence), index, "{newest:x} {sequence:x}");
        }
    }

    #[test]
    fn no_stream_is_pushed_out_by_others() {
        let mut streams = Streams::new();
        for ssrc in 0..MAX_SOURCES as u32 {
            let candidate = streams.guess(ssrc, 1).unwrap();
            streams.note(candidate);
        }
        assert_eq!(streams.guess(9_999, 1).unwrap_err(), Refused::TooManySources);
        assert_eq!(streams.guess(0, 1).unwrap_err(), Refused::Replayed);
        assert!(streams.guess(0, 2).is_ok());
    }

    proptest! {
        /// The window against a set that remembers everything.
        #[test]
        fn every_packet_passes_once(steps in proptest::collection::vec(-200i64..200, 1..300)) {
            let (mut streams, mut model, mut at) = (Streams::new(), HashSet::new(), 1_000i64);
            let mut newest = 0;
            for step in steps {
                at = (at + step).max(0);
                let index = at as u64;
                let fresh = !model.contains(&index) && newest < index + WINDOW;
                let judged = streams.exact(7, index);
                prop_assert_eq!(judged.is_ok(), fresh || model.is_empty());
                if let Ok(candidate) = judged {
                    streams.note(candidate);
                    model.insert(index);
                    newest = newest.max(index);
                }
            }
        }
    }
}
