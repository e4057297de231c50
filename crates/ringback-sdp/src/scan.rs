//! Cutting a body into lines, and finding the octets that no line may hold, in one pass.

/// A line of a body, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where its end begins: at CRLF, LF, a CR that is the very last octet, or the end of the body.
    pub(crate) end: usize,
    /// Where the next line begins.
    pub(crate) next: usize,
    /// Whether it holds a NUL or a CR.
    pub(crate) is_torn: bool,
}

impl Line {
    /// The line that begins at an offset.
    pub(crate) fn at(body: &[u8], start: usize) -> Self {
        let (mut at, mut is_torn) = (start, false);
        loop {
            at = low_octet(body, at);
            match (body.get(at), body.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => return Self { end: at, next: at + 2, is_torn },
                (Some(b'\n'), _) | (Some(b'\r'), None) => return Self { end: at, next: at + 1, is_torn },
                (None, _) => return Self { end: at, next: at, is_torn },
                (Some(octet), _) => is_torn |= matches!(octet, 0 | b'\r'),
            }
            at += 1;
        }
    }
}

/// The first octet below 16 at or behind an offset, else the end. NUL, LF and CR are below 16, and beside them
/// only what texts hardly ever have.
fn low_octet(body: &[u8], mut at: usize) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Eight octets a step. Taking 16 from each sets the top bit of those below 16; it may also set that of an octet
    // behind one of them, by a borrow, but the first bit that is set is always right.
    while let Some(octets) = body.get(at..).and_then(<[u8]>::first_chunk) {
        let octets = u64::from_le_bytes(*octets);
        let low = octets.wrapping_sub(EACH * 16) & !octets & (EACH * 0x80);
        if low != 0 {
            return at + low.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().position(|octet| *octet < 16).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(body: &[u8]) -> Vec<(usize, bool)> {
        let (mut at, mut lines) = (0, Vec::new());
        while at < body.len() {
            let line = Line::at(body, at);
            lines.push((line.end, line.is_torn));
            at = line.next;
        }
        lines
    }

    #[test]
    fn lines_end_at_lf_with_or_without_cr_and_at_the_end() {
        assert_eq!(lines(b"a\r\nbb\n\n"), [(1, false), (5, false), (6, false)]);
        assert_eq!(lines(b"a\r"), [(1, false)]);
        assert_eq!(lines(b"a\tb\rc\r\r\nd\0e"), [(6, true), (11, true)]);
        assert_eq!(lines(b"a\r\r"), [(2, true)]);
    }

    proptest! {
        #[test]
        fn eight_octets_a_step_find_what_one_a_step_finds(body in prop::collection::vec(prop_oneof![4 => any::<u8>(), 1 => 0u8..20], 0..60), at in 0usize..64) {
            let slow = (at..body.len()).find(|at| body[*at] < 16).unwrap_or(body.len().max(at));
            prop_assert_eq!(low_octet(&body, at), slow);
        }
    }
}
