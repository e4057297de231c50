//! Randomness that is handed in.

/// A source of unpredictable bytes.
///
/// Tags, branches, nonces and SSRCs come from it. A server gives one that is cryptographically strong; a test
/// gives [`SeededEntropy`], so that a run can be repeated.
pub trait Entropy {
    /// Fills `out` completely.
    fn fill(&mut self, out: &mut [u8]);

    /// Sixty-four random bits.
    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number in `0..bound`, close enough to uniform for back-off and jitter; 0 when `bound` is 0.
    fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product: no division, and bias below 2^-32 for the bounds used here.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

impl<E: Entropy + ?Sized> Entropy for Box<E> {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

/// A repeatable stream of bytes for tests and simulation (SplitMix64). **Not for production**: it can be
/// predicted from one output.
#[derive(Clone, Debug)]
pub struct SeededEntropy {
    state: u64,
}

impl SeededEntropy {
    /// The stream that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_bytes_and_different_seeds_differ() {
        let stream = |seed| {
            let mut out = [0; 33];
            SeededEntropy::new(seed).fill(&mut out);
            out
        };
        assert_eq!(stream(1), stream(1));
        assert_ne!(stream(1), stream(2));
    }

    #[test]
    fn below_stays_below() {
        let mut entropy = SeededEntropy::new(3);
        assert!((0..1_000).all(|_| entropy.below(7) < 7));
        assert_eq!(entropy.below(0), 0);
    }
}
