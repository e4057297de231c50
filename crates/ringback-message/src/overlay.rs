//! What was written into a message that was read.

use arrayvec::ArrayVec;
use std::fmt;

/// Lines that were added or changed. What a proxy adds on one hop fits without an allocation.
#[derive(Clone, Default)]
pub(crate) struct Overlay {
    /// The bytes, as long as they are few.
    short: ArrayVec<u8, { Overlay::INLINE }>,
    /// All the bytes, once it has a capacity.
    long: Vec<u8>,
}

impl Overlay {
    /// So many bytes are kept in place: Via, Record-Route, Max-Forwards and a Request-URI of usual lengths.
    const INLINE: usize = 256;

    /// Appends bytes.
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
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

    /// Appends some of the bytes that are there once more.
    pub(crate) fn extend_from_within(&mut self, range: std::ops::Range<usize>) {
        let again = self.as_slice()[range].to_vec();
        self.extend_from_slice(&again);
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.long.capacity() > 0 { &self.long } else { &self.short }
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_when_they_become_many() {
        let mut out = Overlay::default();
        let mut all = Vec::new();
        for round in 0..100u8 {
            out.extend_from_slice(&[round, b'a', b'b', b'c']);
            all.extend([round, b'a', b'b', b'c']);
            assert_eq!(out.as_slice(), all);
        }
        out.extend_from_within(0..4);
        assert_eq!(&out.as_slice()[400..], &all[..4]);
        assert_eq!(out.len(), 404);
    }
}
