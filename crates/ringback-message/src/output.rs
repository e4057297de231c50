//! Where values are written.

use crate::scan::breaks_line;
use std::fmt;

/// Where the bytes of a value go.
///
/// It has room for so much; what goes beyond is only counted, and the value is written once more where there is more
/// room. So a [`Value`](crate::Value) writes the same each time.
pub struct Output<'a> {
    room: &'a mut [u8],
    /// How many bytes were written, room or not.
    at: usize,
    /// Whether some of them were read from a message, where folds and NUL may be.
    unfolds: bool,
}

impl<'a> Output<'a> {
    /// Goes on at place `at` of the room.
    #[inline]
    pub(crate) fn new(room: &'a mut [u8], at: usize) -> Self {
        Self { room, at, unfolds: false }
    }

    /// Where the next byte goes.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Appends bytes.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        if let Some(place) = self.room.get_mut(self.at..end) {
            place.copy_from_slice(bytes);
        }
        self.at = end;
    }

    /// Appends one byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        if let Some(place) = self.room.get_mut(self.at) {
            *place = byte;
        }
        self.at += 1;
    }

    /// Appends the first `length` of some bytes. To copy a number of bytes that is known beforehand is cheap.
    #[inline]
    pub(crate) fn extend_padded<const N: usize>(&mut self, bytes: &[u8; N], length: usize) {
        match self.room.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<N>) {
            Some(place) => {
                *place = *bytes;
                self.at += length;
            }
            None => self.extend_from_slice(bytes.get(..length).unwrap_or(bytes)),
        }
    }

    /// Appends a number in decimal digits.
    pub fn push_number(&mut self, number: u64) {
        let digits = number.checked_ilog10().map_or(1, |power| power as usize + 1);
        let end = self.at + digits;
        if let Some(place) = self.room.get_mut(self.at..end) {
            let mut rest = number;
            for digit in place.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        self.at = end;
    }

    /// Appends what was read from a message: folds and NUL, which may not be written (rule 84), become spaces in the
    /// whole of this value.
    #[inline]
    pub fn extend_unfolded(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
        self.unfolds = true;
    }

    /// Forgets what was written before.
    pub(crate) fn begin_value(&mut self) {
        self.unfolds = false;
    }

    /// What was written from a place on, as far as there was room for it.
    pub(crate) fn written_from(&mut self, start: usize) -> &mut [u8] {
        let end = self.at.min(self.room.len());
        self.room.get_mut(start..end).unwrap_or_default()
    }

    /// Whether folds and NUL among what was written shall become spaces.
    #[inline]
    pub(crate) fn unfolds(&self) -> bool {
        self.unfolds
    }
}

/// Makes spaces of CR, LF and NUL.
pub(crate) fn unfold(text: &mut [u8]) {
    if breaks_line(text) {
        for byte in text.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            *byte = b' ';
        }
    }
}

impl fmt::Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Lends `done` the value that `write` writes.
pub(crate) fn written<R>(write: impl Fn(&mut Output<'_>), done: impl FnOnce(&[u8]) -> R) -> R {
    let mut room = [0; 256];
    let mut out = Output::new(&mut room, 0);
    write(&mut out);
    let (length, unfolds) = (out.at, out.unfolds);
    let mut longer;
    let text = match room.get_mut(..length) {
        Some(text) => text,
        None => {
            longer = vec![0; length];
            write(&mut Output::new(&mut longer, 0));
            &mut longer
        }
    };
    if unfolds {
        unfold(text);
    }
    done(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Output<'_>)) -> Vec<u8> {
        written(write, <[u8]>::to_vec)
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for number in [0, 7, 9, 10, 42, 99, 100, 105, 999, 1000, 4_294_967_295, u64::MAX] {
            assert_eq!(text(|out| out.push_number(number)), number.to_string().as_bytes());
        }
    }

    #[test]
    fn what_has_no_room_is_written_again_where_there_is_more() {
        for length in [0, 1, 224, 225, 255, 256, 257, 1000] {
            let long = vec![b'x'; length];
            let written = text(|out| {
                out.extend_from_slice(&long);
                out.push(b'y');
                out.extend_padded(b"name            ", 4);
                out.push_number(1234);
                out.extend_unfolded(b"a\r\n b\0");
            });
            let expected = [&long[..], b"yname1234a   b "].concat();
            assert_eq!(String::from_utf8(written), String::from_utf8(expected), "{length}");
        }
    }
}
