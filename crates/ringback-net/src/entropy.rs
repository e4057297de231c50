//! Real randomness and the real clock.

use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use ringback_sansio::{Entropy, Epoch};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unpredictable bytes: a ChaCha stream under a key from the operating system. Make one for each machine that
/// needs randomness; a clone would repeat its tags, so there is none.
pub struct OsEntropy(StdRng);

impl OsEntropy {
    /// A stream of its own.
    ///
    /// # Panics
    /// When the operating system has no randomness to give, with which nothing here would be safe.
    pub fn new() -> Self {
        Self(StdRng::from_os_rng())
    }
}

impl Default for OsEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for OsEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

impl std::fmt::Debug for OsEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OsEntropy")
    }
}

/// This moment on both clocks.
pub fn epoch() -> Epoch {
    // A clock before 1970 is a broken clock; lifetimes are right all the same.
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Epoch { at: Instant::now(), unix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ() {
        assert_ne!(OsEntropy::new().next_u64(), OsEntropy::new().next_u64());
    }
}
