//! Payloads that repeat earlier ones (RED, RFC 2198): who misses a packet finds it again in the next.

use crate::PayloadType;
use std::fmt;

/// Earlier payloads in one packet, at most. More than two or three are of no use to anybody.
pub const MAX_REPEATED: usize = 8;
/// The longest payload that can be repeated, in octets: its length has ten bits.
pub const MAX_REPEATED_LEN: usize = 0x3ff;
/// The furthest that a payload can lie back, in ticks: its offset has fourteen bits.
pub const MAX_OFFSET: u32 = 0x3fff;

/// An earlier payload, as a later packet repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// What it is.
    pub payload_type: PayloadType,
    /// How much earlier than that of the packet its time is, in ticks; at most [`MAX_OFFSET`].
    pub offset: u32,
    /// What it carries, at most [`MAX_REPEATED_LEN`] octets.
    pub payload: &'a [u8],
}

/// A payload with earlier ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redundant<'a> {
    repeated: [Option<Block<'a>>; MAX_REPEATED],
    /// What the payload of the packet itself is.
    pub payload_type: PayloadType,
    /// The payload of the packet itself.
    pub payload: &'a [u8],
}

/// Why a payload is none of RFC 2198. The peer's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedError {
    /// Shorter than its headers say.
    Truncated,
    /// It repeats more than [`MAX_REPEATED`] payloads.
    TooMany,
}

impl fmt::Display for RedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("redundant payload shorter than its headers say"),
            Self::TooMany => write!(f, "a payload that repeats more than {MAX_REPEATED} others"),
        }
    }
}

impl std::error::Error for RedError {}

impl<'a> Redundant<'a> {
    /// Reads a payload; nothing is copied.
    ///
    /// # Errors
    /// [`RedError`] when it is none of RFC 2198 §3, or repeats too much.
    pub fn parse(payload: &'a [u8]) -> Result<Self, RedError> {
        let mut headers: [Option<(PayloadType, u32, usize)>; MAX_REPEATED] = [None; MAX_REPEATED];
        let (mut count, mut rest) = (0, payload);
        let payload_type = loop {
            let (first, after) = rest.split_first().ok_or(RedError::Truncated)?;
            let payload_type = PayloadType::from_octet(*first);
            if first & 0x80 == 0 {
                rest = after;
                break payload_type;
            }
            let ([high, middle, low], after) = after.split_first_chunk::<3>().ok_or(RedError::Truncated)?;
            let offset = u32::from(*high) << 6 | u32::from(middle >> 2);
            let length = usize::from(middle & 0x03) << 8 | usize::from(*low);
            *headers.get_mut(count).ok_or(RedError::TooMany)? = Some((payload_type, offset, length));
            count += 1;
            rest = after;
        };
        let mut repeated = [None; MAX_REPEATED];
        for (block, header) in repeated.iter_mut().zip(headers) {
            let Some((payload_type, offset, length)) = header else { break };
            let (payload, after) = rest.split_at_checked(length).ok_or(RedError::Truncated)?;
            *block = Some(Block { payload_type, offset, payload });
            rest = after;
        }
        Ok(Self { repeated, payload_type, payload: rest })
    }

    /// The earlier payloads, as they stand in the packet: the earliest first, where its sender keeps to the order of time.
    pub fn repeated(&self) -> impl DoubleEndedIterator<Item = Block<'a>> + '_ {
        self.repeated.iter().flatten().copied()
    }

    /// Appends a payload with earlier ones before it to `out`. Those that cannot be repeated, for they are too long or lie too far back,
    /// are left out, as are those behind the first [`MAX_REPEATED`].
    pub fn write(repeated: &[Block<'_>], payload_type: PayloadType, payload: &[u8], out: &mut Vec<u8>) {
        let fits = |it: &&Block<'_>| it.offset <= MAX_OFFSET && it.payload.len() <= MAX_REPEATED_LEN;
        let written = || repeated.iter().filter(fits).take(MAX_REPEATED);
        for block in written() {
            // Fourteen bits and ten, as was looked at above.
            let word = block.offset << 10 | block.payload.len() as u32;
            let [_, high, middle, low] = word.to_be_bytes();
            out.extend([0x80 | block.payload_type.number(), high, middle, low]);
        }
        out.push(payload_type.number());
        written().for_each(|block| out.extend(block.payload));
        out.extend(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(number: u8) -> PayloadType {
        PayloadType::new(number).expect("below 128")
    }

    /// RFC 2198 §4: DVI4 behind LPC, 20 ms later.
    #[test]
    fn the_example_of_the_rfc_is_read_as_it_says() {
        let mut payload = vec![0x80 | 7, 0x02, 0x80, 14, 5];
        payload.extend([1; 14]);
        payload.extend([2; 84]);
        let redundant = Redundant::parse(&payload).expect("well-formed");
        assert_eq!((redundant.payload_type, redundant.payload), (number(5), &[2; 84][..]));
        let block = Block { payload_type: number(7), offset: 160, payload: &[1; 14] };
        assert_eq!(redundant.repeated().collect::<Vec<_>>(), [block]);
        let mut written = Vec::new();
        Redundant::write(&[block], number(5), &[2; 84], &mut written);
        assert_eq!(written, payload);
    }

    #[test]
    fn lies_about_length_and_number_are_refused() {
        for cut in [&[][..], &[0x80], &[0x80, 0, 0], &[0x80, 0, 0, 1], &[0x80, 0, 0, 1, 5]] {
            assert_eq!(Redundant::parse(cut), Err(RedError::Truncated), "{cut:?}");
        }
        let mut many = [0x80, 0, 0, 0].repeat(MAX_REPEATED);
        many.push(5);
        assert_eq!(Redundant::parse(&many).map(|it| it.repeated().count()), Ok(MAX_REPEATED));
        let mut more = [0x80, 0, 0, 0].repeat(MAX_REPEATED + 1);
        more.push(5);
        assert_eq!(Redundant::parse(&more), Err(RedError::TooMany));
    }

    #[test]
    fn what_cannot_be_repeated_is_left_out() {
        let long = [0; MAX_REPEATED_LEN + 1];
        let block = |offset, payload| Block { payload_type: number(0), offset, payload };
        let mut written = Vec::new();
        let blocks = [block(MAX_OFFSET + 1, &[1][..]), block(320, &long), block(MAX_OFFSET, &[3])];
        Redundant::write(&blocks, number(0), &[4], &mut written);
        let read = Redundant::parse(&written).expect("what we write can be read");
        assert_eq!(read.repeated().collect::<Vec<_>>(), blocks[2..]);
        assert_eq!(read.payload, [4]);
    }

    proptest! {
        #[test]
        fn whatever_parses_survives_being_written(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(redundant) = Redundant::parse(&octets) {
                let blocks: Vec<_> = redundant.repeated().collect();
                let mut written = Vec::new();
                Redundant::write(&blocks, redundant.payload_type, redundant.payload, &mut written);
                prop_assert_eq!(Redundant::parse(&written), Ok(redundant));
                prop_assert_eq!(written.len(), octets.len());
            }
        }
    }
}
