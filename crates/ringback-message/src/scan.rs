//! Looking at sixteen octets at once: control characters of a header section, and the marks that divide a URI.
//!
//! Written with the portable vectors of `wide`, which are SSE2 on x86-64 and NEON on 64-bit ARM, both always there.

mod marks;

pub(crate) use marks::{Brackets, Commas, Dividers, END, Marks};
use wide::u8x16;

const BLOCK: usize = 64;

/// Steps from one control character to the next: everything below the space, and DEL.
///
/// Line ends are among them, so whoever cuts a header section into lines has checked every octet of it on the way. Each
/// step is given the same bytes.
pub(crate) struct Controls {
    /// Where the block begins whose bits are in `found`.
    block: usize,
    /// One bit for each control character of the block that was not yet told.
    found: u64,
}

impl Controls {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { block: 0, found: block(bytes, 0, is_control) }
    }

    /// Passes the next one, which is known.
    #[inline(always)]
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        if self.found == 0 {
            self.turn(bytes);
        }
        self.found &= self.found.wrapping_sub(1);
    }

    /// Goes to the next block; says whether there is one.
    fn turn(&mut self, bytes: &[u8]) -> bool {
        if self.block + BLOCK >= bytes.len() {
            return false;
        }
        self.block += BLOCK;
        self.found = block(bytes, self.block, is_control);
        true
    }

    #[inline(always)]
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        while self.found == 0 {
            if !self.turn(bytes) {
                return None;
            }
        }
        let at = self.block + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(at)
    }
}

/// The first places of what divides a URI, or breaks it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UriMarks {
    /// A character that no URI may hold: control characters, space, `<`, `>`, `"`.
    pub(crate) broken: Option<usize>,
    /// The first `@`.
    pub(crate) at: Option<usize>,
    /// The first `?` behind the first `@`, or the first where there is no `@`.
    pub(crate) question: Option<usize>,
}

/// Finds the marks of a URI in one pass that ends at the first character that no URI may hold.
#[inline]
pub(crate) fn uri_marks(uri: &[u8]) -> UriMarks {
    let mut marks = UriMarks::default();
    let mut start = 0;
    while start < uri.len() {
        let octets = sixteen(&uri[start..], b' ');
        let mut found = uri_mark(octets).to_bitmask();
        while found != 0 {
            let place = start + found.trailing_zeros() as usize;
            found &= found - 1;
            match uri.get(place) {
                Some(b'@') if marks.at.is_none() => {
                    marks.at = Some(place);
                    marks.question = None;
                }
                Some(b'@') => {}
                Some(b'?') => marks.question = marks.question.or(Some(place)),
                // What pads the end is no mark.
                None => break,
                Some(_) => {
                    marks.broken = Some(place);
                    return marks;
                }
            }
        }
        start += 16;
    }
    marks
}

/// Marks the octets from `first` on, so many.
#[inline(always)]
fn among(octets: u8x16, first: u8, count: u8) -> u8x16 {
    // The subtraction wraps round for what is below.
    let above = octets - u8x16::splat(first);
    above.min(u8x16::splat(count - 1)).simd_eq(above)
}

/// Where the value of a parameter without quotes ends: at a semicolon, quote, white space, or the end.
#[inline]
pub(crate) fn param_end(text: &[u8]) -> usize {
    let mut start = 0;
    while start < text.len() {
        let octets = sixteen(&text[start..], b' ');
        let is = |octet: u8| octets.simd_eq(u8x16::splat(octet));
        let ends = (octets.min(u8x16::splat(b' ')).simd_eq(octets) | is(b';') | is(b'"')).to_bitmask();
        if ends != 0 {
            return (start + ends.trailing_zeros() as usize).min(text.len());
        }
        start += 16;
    }
    text.len()
}

/// Whether all may stand in a domain name: letters, digits, `-`, `.`, and `_`, which names of containers have.
#[inline]
pub(crate) fn are_hostlike(text: &[u8]) -> bool {
    let like = |octets: u8x16| {
        let is = |octet: u8| octets.simd_eq(u8x16::splat(octet));
        let letters = among(octets | u8x16::splat(0x20), b'a', 26);
        letters | among(octets, b'0', 10) | among(octets, b'-', 2) | is(b'_')
    };
    let Some((first, _)) = text.split_first_chunk::<16>() else {
        return (!like(sixteen(text, b'a'))).to_bitmask() == 0;
    };
    let mut all = like(u8x16::new(*first));
    for octets in text.as_rchunks::<16>().1 {
        all &= like(u8x16::new(*octets));
    }
    (!all).to_bitmask() == 0
}

/// Marks each CR, LF and NUL.
#[inline(always)]
fn breaks(octets: u8x16) -> u8x16 {
    let is = |octet: u8| octets.simd_eq(u8x16::splat(octet));
    is(b'\r') | is(b'\n') | is(0)
}

/// How many CR, LF and NUL there are.
pub(crate) fn count_breaks(text: &[u8]) -> usize {
    count(text, breaks)
}

/// How many characters below the space there are: no fewer than CR, LF and NUL, and found for less.
pub(crate) fn count_controls(text: &[u8]) -> usize {
    count(text, |octets| octets.min(u8x16::splat(0x1f)).simd_eq(octets))
}

#[inline(always)]
fn count(text: &[u8], test: impl Fn(u8x16) -> u8x16) -> usize {
    let mut count = 0;
    // What is marked is -1 in its place, and a place can count to 255.
    for part in text.chunks(16 * 255) {
        let (chunks, rest) = part.as_chunks::<16>();
        let mut sums = u8x16::ZERO;
        for octets in chunks {
            sums -= test(u8x16::new(*octets));
        }
        sums -= test(sixteen(rest, b' '));
        count += sums.to_array().into_iter().map(usize::from).sum::<usize>();
    }
    count
}

/// Whether there is a CR, LF or NUL.
#[inline]
pub(crate) fn breaks_line(text: &[u8]) -> bool {
    let Some((first, _)) = text.split_first_chunk::<16>() else {
        return breaks(sixteen(text, b' ')).to_bitmask() != 0;
    };
    // What is left over at the front is looked at together with what is behind it.
    let mut found = breaks(u8x16::new(*first));
    for octets in text.as_rchunks::<16>().1 {
        found |= breaks(u8x16::new(*octets));
    }
    found.to_bitmask() != 0
}

/// Marks each octet that divides a URI or breaks it.
#[inline]
fn uri_mark(octets: u8x16) -> u8x16 {
    let is = |octet: u8| octets.simd_eq(u8x16::splat(octet));
    let below = octets.min(u8x16::splat(b' ')).simd_eq(octets);
    below | is(b'"') | is(b'<') | is(b'>') | is(0x7f) | is(b'@') | is(b'?')
}

/// Where the first white space or control character is.
pub(crate) fn space_or_control(text: &[u8]) -> Option<usize> {
    let mut start = 0;
    while start < text.len() {
        let octets = sixteen(&text[start..], b' ');
        let below = octets.min(u8x16::splat(b' ')).simd_eq(octets) | octets.simd_eq(u8x16::splat(0x7f));
        let found = below.to_bitmask();
        if found != 0 {
            return Some(start + found.trailing_zeros() as usize).filter(|at| *at < text.len());
        }
        start += 16;
    }
    None
}

/// The first sixteen octets, or all that there are and `pad` behind them.
#[inline]
fn sixteen(rest: &[u8], pad: u8) -> u8x16 {
    match rest.first_chunk::<16>() {
        Some(octets) => u8x16::new(*octets),
        None => {
            let mut padded = [pad; 16];
            padded[..rest.len()].copy_from_slice(rest);
            u8x16::new(padded)
        }
    }
}

fn is_control(octets: u8x16) -> u8x16 {
    octets.min(u8x16::splat(0x1f)).simd_eq(octets) | octets.simd_eq(u8x16::splat(0x7f))
}

/// Where the colon stands among the first octets of a line.
#[inline(always)]
pub(crate) fn colon(octets: &[u8; 16]) -> Option<usize> {
    let found = u8x16::new(*octets).simd_eq(u8x16::splat(b':')).to_bitmask();
    (found != 0).then(|| found.trailing_zeros() as usize)
}

/// Whether the first `length` octets are the same but for letter case. `lower` has small letters and hyphens only,
/// and `octets` no control characters.
#[inline(always)]
pub(crate) fn same_name(octets: &[u8; 16], lower: &[u8; 16], length: usize) -> bool {
    // Setting the bit that makes letters small turns no other printing character into a letter or hyphen.
    let small = u8x16::new(*octets) | u8x16::splat(0x20);
    let differ = !small.simd_eq(u8x16::new(*lower)).to_bitmask();
    differ & ((1 << length) - 1) == 0
}

/// One bit for each octet of the 64 from `start` that `test` selects; what is behind the end counts as spaces.
#[inline(always)]
fn block(bytes: &[u8], start: usize, test: impl Fn(u8x16) -> u8x16) -> u64 {
    let rest = &bytes[start..];
    let chunk = match rest.first_chunk::<BLOCK>() {
        Some(chunk) => chunk,
        None => &padded(rest),
    };
    let (quarters, _) = chunk.as_chunks::<16>();
    let mut mask = 0;
    for (index, quarter) in quarters.iter().enumerate() {
        mask |= u64::from(test(u8x16::new(*quarter)).to_bitmask()) << (16 * index);
    }
    mask
}

#[inline(never)]
fn padded(rest: &[u8]) -> [u8; BLOCK] {
    let mut padded = [b' '; BLOCK];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn control_characters_are_found_wherever_they_are(bytes in prop::collection::vec(prop_oneof![9 => any::<u8>(), 1 => 0u8..32], 0..300)) {
            let slow: Vec<usize> =
                (0..bytes.len()).filter(|at| bytes[*at] < 0x20 || bytes[*at] == 0x7f).collect();
            let mut controls = Controls::new(&bytes);
            let found: Vec<usize> = std::iter::from_fn(|| controls.next(&bytes)).collect();
            prop_assert_eq!(found, slow);
            prop_assert_eq!(controls.next(&bytes), None);
        }

        #[test]
        fn marks_of_uris_are_the_first_of_their_kind(uri in "[a-z:;%é ]{0,70}[a@?]{0,3}[a-z;=]{0,70}[a?@<\">\x7f]{0,3}[a-z]{0,5}") {
            let bytes = uri.as_bytes();
            let broken = bytes.iter().position(|byte| *byte <= b' ' || b"<>\"\x7f".contains(byte));
            let marks = uri_marks(bytes);
            prop_assert_eq!(marks.broken, broken);
            let uri = &bytes[..broken.unwrap_or(bytes.len())];
            let at = uri.iter().position(|byte| *byte == b'@');
            let from = at.unwrap_or(0);
            prop_assert_eq!(marks.at, at);
            let question = uri[from..].iter().position(|byte| *byte == b'?');
            prop_assert_eq!(marks.question, question.map(|offset| from + offset));
            let end = bytes.iter().position(|byte| *byte <= b' ' || b";\"".contains(byte));
            prop_assert_eq!(param_end(bytes), end.unwrap_or(bytes.len()));
            prop_assert!(!breaks_line(bytes));
            let space = bytes.iter().position(|byte| *byte <= b' ' || *byte == 0x7f);
            prop_assert_eq!(space_or_control(bytes), space);
        }
    }

    #[test]
    fn many_line_breaks_are_counted() {
        for length in [0, 1, 15, 16, 17, 4080, 4081, 9000] {
            assert_eq!(count_breaks(&vec![b'\n'; length]), length);
        }
    }

    #[test]
    fn line_breaks_are_seen_at_every_place() {
        for octet in [b'\r', b'\n', 0] {
            for place in 0..40 {
                let mut text = [b'a'; 40];
                text[place] = octet;
                assert_eq!((count_breaks(&text), count_breaks(&text[..place])), (1, 0));
                assert!(breaks_line(&text) && breaks_line(&text[..=place]) && !breaks_line(&text[..place]));
            }
        }
    }

    #[test]
    fn names_are_compared_without_case_up_to_their_length() {
        assert!(same_name(b"MAX-forwardS: 70", b"max-forwards\0\0\0\0", 12));
        assert!(!same_name(b"MAX_forwardS: 70", b"max-forwards\0\0\0\0", 12));
        assert_eq!(colon(b"To: <sip:alice@b"), Some(2));
        assert_eq!(colon(b"Proxy-Authorizat"), None);
    }
}
