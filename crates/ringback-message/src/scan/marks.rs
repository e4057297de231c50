//! From one mark of a value to the next.

use super::{among, sixteen};
use std::marker::PhantomData;
use wide::u8x16;

/// Which octets [`Marks`] stop at.
pub(crate) trait Stops {
    /// One bit for each of them.
    fn among(octets: u8x16) -> u32;
}

/// What divides Via, addresses and URIs: all but the usual characters of tokens.
pub(crate) struct Dividers;

impl Stops for Dividers {
    #[inline(always)]
    fn among(octets: u8x16) -> u32 {
        let is = |octet: u8| octets.simd_eq(u8x16::splat(octet));
        // Between `*` and `9` are also comma and slash; before the small letters are underscore and backtick.
        let letters = among(octets, b'_', 28) | among(octets, b'A', 26);
        let others = among(octets, b'*', 16) & !(is(b',') | is(b'/'));
        (letters | others | is(b'%')).to_bitmask() ^ 0xffff
    }
}

/// The commas of a list, and what commas do not separate within: quotes and angle brackets.
#[derive(Clone)]
pub(crate) struct Commas;

impl Stops for Commas {
    #[inline(always)]
    fn among(octets: u8x16) -> u32 {
        let is = |octet: u8| octets.simd_eq(u8x16::splat(octet));
        (is(b',') | is(b'"') | is(b'<') | is(b'>')).to_bitmask()
    }
}

/// What ends the pieces of an address: quotes, angle brackets, white space, backslashes; also what is no printing
/// character of ASCII.
pub(crate) struct Brackets;

impl Stops for Brackets {
    #[inline(always)]
    fn among(octets: u8x16) -> u32 {
        let is = |octet: u8| octets.simd_eq(u8x16::splat(octet));
        let ends = is(b'"') | is(b'<') | is(b'>') | is(b'\\');
        ends.to_bitmask() | (among(octets, b'!', b'~' - b' ').to_bitmask() ^ 0xffff)
    }
}

/// Steps through a value from one mark to the next.
#[derive(Clone)]
pub(crate) struct Marks<'a, S> {
    pub(crate) bytes: &'a [u8],
    /// Where the 64 octets begin whose bits are in `found`.
    block: usize,
    /// One bit for each mark that was not yet told.
    found: u64,
    stops: PhantomData<S>,
}

/// What [`Marks`] say is at the end of a value.
pub(crate) const END: u8 = 0;

const BLOCK: usize = 64;

impl<'a, S: Stops> Marks<'a, S> {
    /// Begins at `start`, which is at most the length of the value.
    #[inline(always)]
    pub(crate) fn new(bytes: &'a [u8], start: usize) -> Self {
        let mut marks = Self { bytes, block: start, found: 0, stops: PhantomData };
        marks.look();
        marks
    }

    /// None.
    #[inline(always)]
    pub(crate) fn none(bytes: &'a [u8]) -> Self {
        Self { bytes, block: bytes.len(), found: 0, stops: PhantomData }
    }

    /// The next mark and its place; at the end the length of the value and [`END`], which may also stand before.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> (usize, u8) {
        while self.found == 0 {
            self.block += BLOCK;
            if self.block >= self.bytes.len() {
                return (self.bytes.len(), END);
            }
            self.look();
        }
        let at = self.block + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        (at, self.bytes.get(at).copied().unwrap_or(END))
    }

    /// Leaves out what is before and at a place.
    pub(crate) fn go_on_behind(&mut self, at: usize) {
        self.block = at + 1;
        self.look();
    }

    #[inline]
    fn look(&mut self) {
        let rest = self.bytes.get(self.block..).unwrap_or_default();
        let (lanes, tail) = rest.as_chunks::<16>();
        let (mut found, mut behind) = (0, 0);
        for lane in lanes.iter().take(BLOCK / 16) {
            found |= u64::from(S::among(u8x16::new(*lane))) << behind;
            behind += 16;
        }
        if behind < BLOCK && !tail.is_empty() {
            let last = match self.bytes.last_chunk::<16>() {
                // What is left over is looked at together with what is before it.
                Some(last) => S::among(u8x16::new(*last)) >> (16 - tail.len()),
                None => S::among(sixteen(tail, b' ')) & ((1 << tail.len()) - 1),
            };
            found |= u64::from(last) << behind;
        }
        self.found = found;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told<S: Stops>(bytes: &[u8], start: usize) -> Vec<usize> {
        let mut marks = Marks::<S>::new(bytes, start);
        std::iter::from_fn(|| {
            let (at, octet) = marks.next();
            assert_eq!(octet, bytes.get(at).copied().unwrap_or(END));
            (at < bytes.len()).then_some(at)
        })
        .collect()
    }

    proptest! {
        #[test]
        fn marks_are_told_in_order(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'a')], 0..200), start in 0usize..9) {
            let start = start.min(bytes.len());
            let slow = |is_mark: fn(u8) -> bool| -> Vec<usize> {
                (start..bytes.len()).filter(|at| is_mark(bytes[*at])).collect()
            };
            let divides = |octet: u8| !octet.is_ascii_alphanumeric() && !b"-.+*_%`".contains(&octet);
            prop_assert_eq!(told::<Dividers>(&bytes, start), slow(divides));
            prop_assert_eq!(told::<Commas>(&bytes, start), slow(|octet| b",\"<>".contains(&octet)));
            let ends = |octet: u8| !octet.is_ascii_graphic() || b"\"<>\\".contains(&octet);
            prop_assert_eq!(told::<Brackets>(&bytes, start), slow(ends));
            prop_assert_eq!(Marks::<Commas>::none(&bytes).next(), (bytes.len(), END));
        }
    }
}
