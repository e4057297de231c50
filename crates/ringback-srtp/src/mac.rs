//! HMAC-SHA1 (RFC 2104) over packets: from the states behind the two halves of the key, in as few calls as there can be.
//!
//! The compression is that of the crate `sha1`. A hash that takes octets as they come has a buffer, which is copied for each
//! packet and wiped after it; here the whole packet is known, and only its last block has to be put together.

use sha1::block_api::compress;
use zeroize::Zeroize;

/// Octets of a tag before it is cut.
pub(crate) const MAC_LEN: usize = 20;
const BLOCK: usize = 64;
/// The state that SHA-1 begins with (FIPS 180-4 §5.3.1).
const BEGIN: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A key, as the states of the inner and the outer hash behind it.
pub(crate) struct Mac {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl Mac {
    /// With a key of at most a block, which those of SRTP are (RFC 3711 §5.2: 160 bits); what is longer is cut.
    pub(crate) fn new(key: &[u8]) -> Self {
        let state = |pad: u8| {
            let mut block = [pad; BLOCK];
            for (octet, key) in block.iter_mut().zip(key) {
                *octet ^= key;
            }
            let mut state = BEGIN;
            compress(&mut state, &[block]);
            block.zeroize();
            state
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }

    /// The tag over two parts that follow each other.
    pub(crate) fn tag(&self, octets: &[u8], behind: [u8; 4]) -> [u8; MAC_LEN] {
        let (blocks, rest) = octets.as_chunks::<BLOCK>();
        let mut state = self.inner;
        compress(&mut state, blocks);
        // What is left, the second part and the end of the hash: one bit, zeros, and how many bits there were.
        let mut last = [0; 2 * BLOCK];
        let (left, length) = (rest.len() + behind.len(), BLOCK + octets.len() + behind.len());
        last[..rest.len()].copy_from_slice(rest);
        last[rest.len()..left].copy_from_slice(&behind);
        last[left] = 0x80;
        let end = if left < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
        last[end - 8..end].copy_from_slice(&(8 * length as u64).to_be_bytes());
        compress(&mut state, last[..end].as_chunks().0);

        let mut block = [0; BLOCK];
        block[..MAC_LEN].copy_from_slice(&octets_of(state));
        block[MAC_LEN] = 0x80;
        block[BLOCK - 8..].copy_from_slice(&(8 * (BLOCK + MAC_LEN) as u64).to_be_bytes());
        let mut state = self.outer;
        compress(&mut state, &[block]);
        octets_of(state)
    }
}

impl Drop for Mac {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

fn octets_of(state: [u32; 5]) -> [u8; MAC_LEN] {
    let mut octets = [0; MAC_LEN];
    for (into, word) in octets.as_chunks_mut().0.iter_mut().zip(state) {
        *into = word.to_be_bytes();
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use proptest::prelude::*;
    use sha1::Sha1;

    proptest! {
        /// Against the crate `hmac`, at all lengths around the ends of blocks.
        #[test]
        fn tags_are_those_of_another_hmac(
            key in proptest::collection::vec(any::<u8>(), 0..=BLOCK),
            octets in proptest::collection::vec(any::<u8>(), 0..300),
            behind in any::<[u8; 4]>(),
        ) {
            let theirs = Hmac::<Sha1>::new_from_slice(&key).unwrap();
            let theirs = theirs.chain_update(&octets).chain_update(behind).finalize().into_bytes();
            prop_assert_eq!(&Mac::new(&key).tag(&octets, behind)[..], &theirs[..]);
        }
    }

    #[test]
    fn every_length_up_to_three_blocks_has_its_tag() {
        let key = [0x0b; 20];
        for length in 0..3 * BLOCK {
            let octets = vec![length as u8; length];
            let theirs = Hmac::<Sha1>::new_from_slice(&key).unwrap();
            let theirs = theirs.chain_update(&octets).chain_update([1, 2, 3, 4]).finalize().into_bytes();
            assert_eq!(Mac::new(&key).tag(&octets, [1, 2, 3, 4])[..], theirs[..], "{length}");
        }
    }
}
