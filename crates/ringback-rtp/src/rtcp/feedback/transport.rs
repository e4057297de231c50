//! When packets came, whatever their stream: transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use super::{transport_format, write_transport};
use crate::rtcp::{RtcpError, word};
use crate::{SequenceNumber, Ssrc};

/// Packets that one feedback may be about. The number in its head may be 65,535, for which four octets are enough; nobody who
/// tells several times a second has so many to tell of.
pub const MAX_STATUSES: usize = 8_192;
/// The reference time counts 64 ms, each of which has so many ticks of 250 µs.
const TICKS_IN_REFERENCE: i64 = 256;
/// The most packets that one chunk of equal statuses is for.
const MAX_RUN: usize = 0x1fff;

/// How a packet is told of (§3.1.1).
mod symbol {
    pub(super) const MISSING: u8 = 0;
    pub(super) const SMALL: u8 = 1;
    pub(super) const LARGE: u8 = 2;
}

/// Which packets came, and when.
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    /// The first packet that it is about, by the number that the whole transport counts.
    pub first: SequenceNumber,
    /// Counts up with each feedback, so that lost ones are noticed.
    pub number: u8,
    statuses: usize,
    /// The time that the first difference counts from, in ticks of 250 µs of the receiver's clock.
    reference: i64,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// `None` where it is about too many packets.
    pub(super) fn parse(octets: &'a [u8]) -> Result<Option<Self>, RtcpError> {
        let (head, rest) = octets.split_first_chunk::<8>().ok_or(RtcpError::Truncated)?;
        let statuses = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if statuses > MAX_STATUSES {
            return Ok(None);
        }
        // Shifted up and back again, so that the sign of the 24-bit number is kept.
        let time = word(head, 4);
        let reference = i64::from((time & 0xffff_ff00) as i32 >> 8) * TICKS_IN_REFERENCE;
        let (mut covered, mut end) = (0, 0);
        while covered < statuses {
            let chunk = rest.get(end..end + 2).ok_or(RtcpError::Truncated)?;
            covered += Chunk::new(chunk).len();
            end += 2;
        }
        let (chunks, deltas) = rest.split_at_checked(end).ok_or(RtcpError::Truncated)?;
        let first = SequenceNumber(u16::from_be_bytes([head[0], head[1]]));
        let told = Self { first, number: head[7], statuses, reference, chunks, deltas };
        let needed: usize = told.symbols().map(octets_of).sum();
        if deltas.len() < needed { Err(RtcpError::Truncated) } else { Ok(Some(told)) }
    }

    /// How many packets it is about.
    pub fn len(self) -> usize {
        self.statuses
    }

    /// Whether it is about none.
    pub fn is_empty(self) -> bool {
        self.statuses == 0
    }

    /// Each packet, and when it came in ticks of 250 µs of the receiver's clock; `None` of one that did not.
    pub fn iter(self) -> impl Iterator<Item = (SequenceNumber, Option<i64>)> + 'a {
        let (mut next, mut at, mut deltas) = (self.first, self.reference, self.deltas);
        self.symbols().map(move |symbol| {
            let sequence = next;
            next = next.next();
            let (delta, rest) = match (symbol, deltas) {
                (symbol::SMALL, [delta, rest @ ..]) => (Some(i64::from(*delta)), rest),
                (symbol::LARGE, [high, low, rest @ ..]) => {
                    (Some(i64::from(i16::from_be_bytes([*high, *low]))), rest)
                }
                (_, rest) => (None, rest),
            };
            deltas = rest;
            at += delta.unwrap_or(0);
            (sequence, delta.map(|_| at))
        })
    }

    fn symbols(self) -> impl Iterator<Item = u8> + 'a {
        self.chunks.chunks_exact(2).flat_map(|chunk| Chunk::new(chunk).symbols()).take(self.statuses)
    }
}

/// A chunk of statuses (§3.1.3, §3.1.4).
#[derive(Clone, Copy, Debug)]
struct Chunk(u16);

impl Chunk {
    fn new(octets: &[u8]) -> Self {
        Self(octets.first_chunk::<2>().map_or(0, |it| u16::from_be_bytes(*it)))
    }

    fn len(self) -> usize {
        match self.0 >> 14 {
            0 | 1 => usize::from(self.0 & 0x1fff),
            2 => 14,
            _ => 7,
        }
    }

    fn symbols(self) -> impl Iterator<Item = u8> {
        (0..self.len()).map(move |at| match self.0 >> 14 {
            0 | 1 => (self.0 >> 13 & 3) as u8,
            2 => (self.0 >> (13 - at) & 1) as u8,
            _ => (self.0 >> (12 - 2 * at) & 3) as u8,
        })
    }
}

/// How many octets of differences a packet has. The fourth status is not used.
fn octets_of(symbol: u8) -> usize {
    match symbol {
        symbol::SMALL => 1,
        symbol::LARGE => 2,
        _ => 0,
    }
}

/// Appends a feedback about the packets from `first` on: when each came, in ticks of 250 µs of our clock, or that it did not. `number`
/// counts up with each feedback.
///
/// What is left out: packets beyond [`MAX_STATUSES`], and those from the first on that came eight seconds or more before or after the
/// one before them. Nothing is appended where no packet came. How many were told of is returned.
pub fn write_transport_feedback(
    out: &mut Vec<u8>,
    sender: Ssrc,
    media: Ssrc,
    number: u8,
    first: SequenceNumber,
    arrivals: &[Option<i64>],
) -> usize {
    let arrivals = &arrivals[..arrivals.len().min(MAX_STATUSES)];
    let Some(earliest) = arrivals.iter().flatten().next() else { return 0 };
    let reference = earliest.div_euclid(TICKS_IN_REFERENCE);
    let mut at = reference * TICKS_IN_REFERENCE;
    let (mut symbols, mut deltas) = (Vec::with_capacity(arrivals.len()), Vec::new());
    for arrival in arrivals {
        let Some(arrival) = arrival else {
            symbols.push(symbol::MISSING);
            continue;
        };
        let delta = arrival.saturating_sub(at);
        if let Ok(small) = u8::try_from(delta) {
            symbols.push(symbol::SMALL);
            deltas.push(small);
        } else if let Ok(large) = i16::try_from(delta) {
            symbols.push(symbol::LARGE);
            deltas.extend(large.to_be_bytes());
        } else {
            break;
        }
        at = *arrival;
    }
    write_transport(out, transport_format::TRANSPORT, sender, media, |out| {
        out.extend(first.0.to_be_bytes());
        out.extend((symbols.len() as u16).to_be_bytes());
        out.extend((((reference as u32 & 0xff_ffff) << 8) | u32::from(number)).to_be_bytes());
        write_chunks(out, &symbols);
        out.extend(deltas);
    });
    symbols.len()
}

fn write_chunks(out: &mut Vec<u8>, mut symbols: &[u8]) {
    while let Some(first) = symbols.first() {
        let run = symbols.iter().take(MAX_RUN).take_while(|symbol| *symbol == first).count();
        // Packed into one bit each, fourteen fit into a chunk, and seven of two bits.
        let short = symbols.iter().take(14).take_while(|symbol| **symbol != symbol::LARGE).count();
        let (chunk, taken) = if run >= 14 || run == symbols.len() || (run >= 7 && short < 14) {
            ((u16::from(*first) << 13) | run as u16, run)
        } else if short == 14.min(symbols.len()) {
            let bits = symbols.iter().take(14).zip((0..14).rev());
            (bits.fold(0x8000, |chunk, (symbol, bit)| chunk | (u16::from(*symbol) << bit)), short)
        } else {
            let pairs = symbols.iter().take(7).zip((0..7).rev());
            let chunk =
                pairs.fold(0xc000, |chunk, (symbol, pair)| chunk | (u16::from(*symbol) << (2 * pair)));
            (chunk, symbols.len().min(7))
        };
        out.extend(chunk.to_be_bytes());
        symbols = symbols.get(taken..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Feedback;
    use super::super::tests::{read_back, round};
    use super::*;
    use proptest::prelude::*;

    fn written(first: u16, arrivals: &[Option<i64>]) -> Vec<u8> {
        round(|out| {
            let told = write_transport_feedback(out, Ssrc(1), Ssrc(2), 7, SequenceNumber(first), arrivals);
            assert!(told > 0);
        })
    }

    fn read(compound: &[u8]) -> (u8, Vec<(u16, Option<i64>)>) {
        match read_back(compound) {
            (Ssrc(1), Ssrc(2), Feedback::Transport(told)) => {
                (told.number, told.iter().map(|(sequence, at)| (sequence.0, at)).collect())
            }
            other => panic!("transport feedback was written: {other:?}"),
        }
    }

    #[test]
    fn all_kinds_of_chunks_are_understood() {
        // Fourteen packets in one bit each, nine that are missing as a run, seven in two bits each.
        let octets = [
            0xff,
            0xfe,
            0,
            30,
            0,
            0,
            1,
            7, // 65534 and on, 30 packets, 64 ms, the seventh
            0b1010_0000,
            0b0000_0001, // the first of fourteen and the last
            0b0000_0000,
            9, // nine missing
            0b1101_1000,
            0b0000_0000, // small, large, five missing
            4,
            8,
            4,
            0xff,
            0xf8, // differences: 1 ms, 2 ms, 1 ms, -2 ms
            0,
            0,
            0,
        ];
        let told = TransportFeedback::parse(&octets).expect("whole").expect("few");
        let came: Vec<_> = told.iter().filter_map(|(sequence, at)| Some((sequence.0, at?))).collect();
        assert_eq!(told.iter().count(), 30);
        assert_eq!(came, [(65_534, 260), (11, 268), (21, 272), (22, 264)]);
        for length in 0..octets.len() - 3 {
            assert!(TransportFeedback::parse(&octets[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn four_octets_cannot_tell_of_more_packets_than_anybody_sends() {
        let many = [0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff];
        assert!(TransportFeedback::parse(&many).expect("not ours to judge").is_none());
    }

    #[test]
    fn what_came_much_later_is_left_for_the_next() {
        let mut out = Vec::new();
        let arrivals = [Some(5), None, Some(40_000)];
        let told = write_transport_feedback(&mut out, Ssrc(1), Ssrc(2), 0, SequenceNumber(0), &arrivals);
        assert_eq!(told, 2);
        assert_eq!(
            write_transport_feedback(&mut Vec::new(), Ssrc(1), Ssrc(2), 0, SequenceNumber(0), &[None]),
            0
        );
    }

    proptest! {
        #[test]
        fn arrivals_are_read_again(
            first in any::<u16>(), begin in 0i64..1_000_000_000,
            steps in prop::collection::vec(prop_oneof![
                3 => Just(None), 6 => (0i64..256).prop_map(Some), 1 => (-3_000i64..3_000).prop_map(Some)
            ], 1..300)
        ) {
            let mut at = begin;
            let mut arrivals: Vec<Option<i64>> =
                steps.into_iter().map(|step| step.map(|step| { at += step; at })).collect();
            arrivals.push(Some(at));
            let (number, told) = read(&written(first, &arrivals));
            // The reference time has 24 bits, which wrap after twelve days.
            let wrap = (1i64 << 24) * TICKS_IN_REFERENCE;
            let expected: Vec<_> = (0..).zip(&arrivals)
                .map(|(n, at)| (first.wrapping_add(n), at.map(|at| at.rem_euclid(wrap)))).collect();
            let told: Vec<_> =
                told.into_iter().map(|(number, at)| (number, at.map(|at| at.rem_euclid(wrap)))).collect();
            prop_assert_eq!((number, told), (7, expected));
        }
    }
}
