//! Where values are written.

use crate::scan::breaks_line;
use arrayvec::ArrayVec;
use std::fmt;

/// Bytes of a header section in the making. What a proxy adds on one hop fits without an allocation.
#[derive(Clone, Default)]
pub struct Output {
    /// The bytes, as long as they are few.
    short: ArrayVec<u8, { Output::INLINE }>,
    /// All the bytes, once it has a capacity.
    long: Vec<u8>,
}

impl Output {
    /// So many bytes are kept in place: Via, Record-Route, Max-Forwards and a Request-URI of usual lengths.
    const INLINE: usize = 256;

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { short: ArrayVec::new(), long: Vec::with_capacity(capacity) }
    }

    /// Appends bytes.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if self.long.capacity() > 0 {
            self.long.extend_from_slice(bytes);
        } else if self.short.try_extend_from_slice(bytes).is_err() {
            self.grow(bytes);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: &[u8]) {
        self.long.reserve(2 * (self.short.len() + bytes.len()));
        self.long.extend_from_slice(&self.short);
        self.long.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    /// Appends a number in decimal digits.
    pub fn push_number(&mut self, number: u64) {
        let digit = |number: u64| b'0' + (number % 10) as u8;
        match number {
            0..10 => self.push(digit(number)),
            10..100 => self.extend_from_slice(&[digit(number / 10), digit(number)]),
            100..1000 => self.extend_from_slice(&[digit(number / 100), digit(number / 10), digit(number)]),
            _ => {
                let mut digits = [0; 20];
                let (mut at, mut rest) = (digits.len(), number);
                while rest > 0 {
                    at -= 1;
                    digits[at] = digit(rest);
                    rest /= 10;
                }
                self.extend_from_slice(&digits[at..]);
            }
        }
    }

    /// Appends what was read from a message: folds and NUL, which may not be written (rule 84), become spaces.
    pub fn extend_unfolded(&mut self, bytes: &[u8]) {
        if !breaks_line(bytes) {
            return self.extend_from_slice(bytes);
        }
        for byte in bytes {
            self.push(if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte });
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        if self.long.capacity() > 0 { &self.long } else { &self.short }
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.short.truncate(length);
        self.long.truncate(length);
    }

    /// Appends some of the bytes that are there once more.
    pub(crate) fn extend_from_within(&mut self, range: std::ops::Range<usize>) {
        let again = self.as_slice()[range].to_vec();
        self.extend_from_slice(&again);
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_when_they_become_many() {
        let mut out = Output::default();
        let mut all = Vec::new();
        for round in 0..100u8 {
            out.push(round);
            out.extend_from_slice(b"abc");
            all.extend([round, b'a', b'b', b'c']);
            assert_eq!(out.as_slice(), all);
        }
        out.extend_from_within(0..4);
        assert_eq!(&out.as_slice()[400..], &all[..4]);
        out.truncate(3);
        assert_eq!((out.as_slice(), out.len()), (&all[..3], 3));
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for number in [0, 7, 10, 42, 99, 100, 105, 999, 1000, 4_294_967_295, u64::MAX] {
            let mut out = Output::default();
            out.push_number(number);
            assert_eq!(out.as_slice(), number.to_string().as_bytes());
        }
    }
}
