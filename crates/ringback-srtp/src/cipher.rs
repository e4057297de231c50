//! What is done to the octets: AES in counter mode with HMAC-SHA1 (RFC 3711 §4), or AES-GCM (RFC 7714).
//!
//! The ciphers are those of crates. AES-CM stands on `aes` and `sha1`, which keep the schedule of a key
//! and start again for each packet without memory of their own; AES-GCM from `aws-lc-rs`, which is twice as fast there.

use crate::Profile;
use crate::mac::{MAC_LEN, Mac};
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128Enc, Aes256Enc, Block};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;

/// Blocks that are encrypted together: 256 octets.
const AT_ONCE: usize = 16;
/// Octets of a tag of GCM.
pub(crate) const GCM_TAG_LEN: usize = 16;

/// A packet that is not what its sender wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forged;

pub(crate) enum Cipher {
    Counter(Box<Counter>),
    Gcm(Box<Gcm>),
}

/// Which packet it is: the parts of its initialisation vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) ssrc: u32,
    /// 48 bits for RTP, 31 for RTCP.
    pub(crate) index: u64,
}

impl Cipher {
    pub(crate) fn new(profile: Profile, key: &[u8], salt: &[u8], auth: &[u8]) -> Self {
        if profile.is_aead() {
            return Self::Gcm(Box::new(Gcm::new(key, salt)));
        }
        Self::Counter(Box::new(Counter::new(key, salt, auth)))
    }
}

/// AES in counter mode and HMAC-SHA1.
pub(crate) struct Counter {
    aes: Aes,
    salt: [u8; 14],
    mac: Mac,
}

enum Aes {
    Short(Aes128Enc),
    /// Hardly anybody wants it, and its schedule is half as long again.
    Long(Box<Aes256Enc>),
}

impl Aes {
    fn new(key: &[u8]) -> Self {
        // A master key has 16 or 32 octets, and so have those that come of it.
        match Aes256Enc::new_from_slice(key) {
            Ok(long) => Self::Long(Box::new(long)),
            Err(_) => Self::Short(Aes128Enc::new_from_slice(key).expect("16 octets where there are not 32")),
        }
    }

    fn apply(&self, block: &[u8; 16], octets: &mut [u8]) {
        match self {
            Self::Short(aes) => counter(aes, block, octets),
            Self::Long(aes) => counter(&**aes, block, octets),
        }
    }
}

/// Encrypts or decrypts by the blocks that follow each other from the first (RFC 3711 §4.1.1), of which the last sixteen bits
/// count. All of a packet of speech is done at once.
fn counter<C>(aes: &C, first: &[u8; 16], octets: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let mut count = u16::from_be_bytes([first[14], first[15]]);
    for part in octets.chunks_mut(AT_ONCE * first.len()) {
        let mut stream = [Block::from(*first); AT_ONCE];
        let stream = &mut stream[..part.len().div_ceil(first.len())];
        for block in stream.iter_mut() {
            block[14..].copy_from_slice(&count.to_be_bytes());
            count = count.wrapping_add(1);
        }
        aes.encrypt_blocks(stream);
        let (whole, rest) = part.as_chunks_mut::<16>();
        for (octets, block) in whole.iter_mut().zip(&*stream) {
            *octets = (u128::from_ne_bytes(*octets) ^ u128::from_ne_bytes((*block).into())).to_ne_bytes();
        }
        if let Some(block) = stream.get(whole.len()) {
            exclusive_or(rest, block);
        }
    }
}

/// The key stream that begins with the block, over zeros: the pseudo-random function of RFC 3711 §4.3.3.
pub(crate) fn keystream(key: &[u8], block: &[u8; 16], out: &mut [u8]) {
    out.fill(0);
    Aes::new(key).apply(block, out);
}

impl Counter {
    fn new(key: &[u8], salt: &[u8], auth: &[u8]) -> Self {
        let mac = Mac::new(auth.get(..MAC_LEN).unwrap_or(auth));
        let mut own = [0; 14];
        for (octet, salt) in own.iter_mut().zip(salt) {
            *octet = *salt;
        }
        Self { aes: Aes::new(key), salt: own, mac }
    }

    /// Encrypts or decrypts (RFC 3711 §4.1.1).
    pub(crate) fn apply(&self, place: Place, octets: &mut [u8]) {
        let mut block = [0; 16];
        block[..14].copy_from_slice(&self.salt);
        exclusive_or(&mut block[4..8], &place.ssrc.to_be_bytes());
        exclusive_or(&mut block[8..14], &place.index.to_be_bytes()[2..]);
        self.aes.apply(&block, octets);
    }

    /// The tag over two parts that follow each other, to be cut to its length (RFC 3711 §4.2).
    pub(crate) fn tag(&self, octets: &[u8], behind: [u8; 4]) -> [u8; MAC_LEN] {
        self.mac.tag(octets, behind)
    }

    /// Compares in constant time.
    pub(crate) fn verify(&self, octets: &[u8], behind: [u8; 4], tag: &[u8]) -> Result<(), Forged> {
        let own = self.mac.tag(octets, behind);
        let own = own.get(..tag.len()).filter(|own| !own.is_empty()).ok_or(Forged)?;
        verify_slices_are_equal(own, tag).map_err(|_| Forged)
    }
}

/// AES-GCM.
pub(crate) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    fn new(key: &[u8], salt: &[u8]) -> Self {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).expect("16 or 32 octets, as the profile says");
        let mut own = [0; 12];
        for (octet, salt) in own.iter_mut().zip(salt) {
            *octet = *salt;
        }
        Self { key: LessSafeKey::new(key), salt: own }
    }

    /// RFC 7714 §8.1 and §9.1: SSRC and index lie alike for RTP (48 bits) and RTCP (31 bits).
    fn nonce(&self, place: Place) -> Nonce {
        let mut nonce = self.salt;
        exclusive_or(&mut nonce[2..6], &place.ssrc.to_be_bytes());
        exclusive_or(&mut nonce[6..12], &place.index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts, and gives the tag.
    pub(crate) fn seal(
        &self,
        place: Place,
        clear: &[u8],
        octets: &mut [u8],
    ) -> Result<[u8; GCM_TAG_LEN], Forged> {
        let tag = self.key.seal_in_place_separate_tag(self.nonce(place), Aad::from(clear), octets);
        tag.ok().and_then(|tag| tag.as_ref().try_into().ok()).ok_or(Forged)
    }

    /// Decrypts octets with the tag behind them.
    pub(crate) fn open(&self, place: Place, clear: &[u8], octets: &mut [u8]) -> Result<(), Forged> {
        let opened = self.key.open_in_place(self.nonce(place), Aad::from(clear), octets);
        opened.map(|_| ()).map_err(|_| Forged)
    }
}

fn exclusive_or(into: &mut [u8], octets: &[u8]) {
    for (into, octet) in into.iter_mut().zip(octets) {
        *into ^= octet;
    }
}
