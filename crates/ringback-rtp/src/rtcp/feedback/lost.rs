//! Generic NACK: which packets did not come (RFC 4585 §6.2.1).

use super::{transport_format, write_transport};
use crate::rtcp::word;
use crate::{SequenceNumber, Ssrc};

/// Groups of seventeen that one packet of ours names at most.
const MAX_GROUPS: usize = 64;

/// The packets that a receiver misses.
#[derive(Clone, Copy, Debug)]
pub struct Nacks<'a> {
    octets: &'a [u8],
}

impl<'a> Nacks<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The packets in the order in which they are named; up to seventeen for each four octets.
    pub fn iter(self) -> impl Iterator<Item = SequenceNumber> + 'a {
        self.octets.chunks_exact(4).flat_map(|group| {
            let group = word(group, 0);
            let (first, following) = ((group >> 16) as u16, group as u16);
            let behind = (0..16).filter(move |bit| following & (1 << bit) != 0);
            std::iter::once(first)
                .chain(behind.map(move |bit| first.wrapping_add(bit + 1)))
                .map(SequenceNumber)
        })
    }
}

/// Appends a NACK for packets of `media`, best in the order of their numbers. Nothing is appended where none is missed, and what does not
/// fit into 64 groups of seventeen is left out.
pub fn write_nack(
    out: &mut Vec<u8>,
    sender: Ssrc,
    media: Ssrc,
    lost: impl IntoIterator<Item = SequenceNumber>,
) {
    let mut groups: Vec<(SequenceNumber, u16)> = Vec::new();
    for sequence in lost {
        let is_full = groups.len() == MAX_GROUPS;
        let last = groups.last_mut().map(|(first, following)| (sequence.distance_from(*first), following));
        match last {
            Some((0, _)) => {}
            Some((distance @ 1..=16, following)) => *following |= 1 << (distance - 1),
            _ if is_full => break,
            _ => groups.push((sequence, 0)),
        }
    }
    if groups.is_empty() {
        return;
    }
    write_transport(out, transport_format::NACK, sender, media, |out| {
        for (first, following) in groups {
            out.extend(first.0.to_be_bytes());
            out.extend(following.to_be_bytes());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::Feedback;
    use super::super::tests::{read_back, round};
    use super::*;
    use proptest::prelude::*;

    fn read(compound: &[u8]) -> Vec<u16> {
        match read_back(compound) {
            (Ssrc(1), Ssrc(2), Feedback::Nack(lost)) => lost.iter().map(|it| it.0).collect(),
            other => panic!("a NACK was written: {other:?}"),
        }
    }

    #[test]
    fn one_group_names_seventeen_packets_also_where_numbers_wrap() {
        let lost: Vec<u16> = (65_530..=65_535).chain(0..=10).collect();
        let written =
            round(|out| write_nack(out, Ssrc(1), Ssrc(2), lost.iter().map(|it| SequenceNumber(*it))));
        assert_eq!(written.len(), 8 + 16);
        assert_eq!(read(&written), lost);
    }

    #[test]
    fn nothing_is_written_where_nothing_is_missed() {
        let mut out = Vec::new();
        write_nack(&mut out, Ssrc(1), Ssrc(2), []);
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_missed_is_read_again(first in any::<u16>(), steps in prop::collection::vec(1u16..40, 1..60)) {
            let mut at = first;
            let lost: Vec<u16> = steps.into_iter().map(|step| { at = at.wrapping_add(step); at }).collect();
            let written =
                round(|out| write_nack(out, Ssrc(1), Ssrc(2), lost.iter().map(|it| SequenceNumber(*it))));
            prop_assert_eq!(read(&written), lost);
        }
    }
}
