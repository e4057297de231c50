//! Master keys, and what is derived from them (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11).

use crate::Profile;
use crate::cipher::{Cipher, keystream};
use ringback_sansio::Entropy;
use std::fmt;
use zeroize::Zeroizing;

/// The longest master key identifier, in octets (RFC 4568 §6.1).
pub const MAX_MKI_LEN: usize = 128;
/// RTP packets that one master key is good for (RFC 3711 §9.2).
pub const MAX_RTP_PACKETS: u64 = 1 << 48;
/// RTCP packets that one master key is good for.
pub const MAX_RTCP_PACKETS: u64 = 1 << 31;

/// A master key with its salt. Wiped when dropped; its `Debug` keeps it to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    profile: Profile,
    key_and_salt: Zeroizing<Vec<u8>>,
    mki: Vec<u8>,
    lifetime: u64,
}

/// Why octets are no master key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Key and salt of this profile together are longer or shorter.
    Length,
    /// A master key identifier has 1 to [`MAX_MKI_LEN`] octets.
    Mki,
    /// A key is good for at least one packet.
    Lifetime,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "key and salt do not have the length of the profile",
            Self::Mki => "the master key identifier is empty or too long",
            Self::Lifetime => "the lifetime of the key is zero",
        })
    }
}

impl std::error::Error for KeyError {}

impl MasterKey {
    /// A key from its octets, the salt behind the key as SDP has them.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn new(profile: Profile, key_and_salt: &[u8]) -> Result<Self, KeyError> {
        if key_and_salt.len() != profile.key_len() + profile.salt_len() {
            return Err(KeyError::Length);
        }
        let key_and_salt = Zeroizing::new(key_and_salt.to_vec());
        Ok(Self { profile, key_and_salt, mki: Vec::new(), lifetime: MAX_RTP_PACKETS })
    }

    /// A random key. `entropy` has to be fit for secrets.
    pub fn generate(profile: Profile, entropy: &mut dyn Entropy) -> Self {
        let mut key_and_salt = Zeroizing::new(vec![0; profile.key_len() + profile.salt_len()]);
        entropy.fill(&mut key_and_salt);
        Self { profile, key_and_salt, mki: Vec::new(), lifetime: MAX_RTP_PACKETS }
    }

    /// With an identifier, which every packet then carries.
    ///
    /// # Errors
    /// [`KeyError::Mki`].
    pub fn with_mki(mut self, mki: &[u8]) -> Result<Self, KeyError> {
        if mki.is_empty() || mki.len() > MAX_MKI_LEN {
            return Err(KeyError::Mki);
        }
        self.mki = mki.to_vec();
        Ok(self)
    }

    /// Good for so many packets only, RTP and RTCP counted apart; at most [`MAX_RTP_PACKETS`].
    ///
    /// # Errors
    /// [`KeyError::Lifetime`].
    pub fn with_lifetime(mut self, packets: u64) -> Result<Self, KeyError> {
        if packets == 0 {
            return Err(KeyError::Lifetime);
        }
        self.lifetime = packets.min(MAX_RTP_PACKETS);
        Ok(self)
    }

    /// The profile that it is for.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The octets, the salt behind the key.
    pub fn key_and_salt(&self) -> &[u8] {
        &self.key_and_salt
    }

    /// The master key identifier; empty when packets carry none.
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// How many packets it is good for.
    pub fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// The keys of a session. The key derivation rate is zero, as in all profiles of SDP and DTLS: they are derived
    /// once.
    pub(crate) fn derive(&self) -> SessionKeys {
        let rtcp_lifetime = self.lifetime.min(MAX_RTCP_PACKETS);
        let cipher = |labels: Labels| {
            let (key, salt) = (self.part(labels.key), self.part(labels.salt));
            Cipher::new(
                self.profile,
                key.get(..self.profile.key_len()).unwrap_or(&[]),
                &*salt,
                &*self.part(labels.auth),
            )
        };
        SessionKeys {
            mki: self.mki.clone(),
            rtp: cipher(Labels::RTP),
            rtcp: cipher(Labels::RTCP),
            rtp_left: self.lifetime,
            rtcp_left: rtcp_lifetime,
        }
    }

    /// The first 32 octets that belong to a label; whoever needs fewer takes the first of them.
    fn part(&self, label: u8) -> Zeroizing<[u8; 32]> {
        let (key, salt) = self.key_and_salt.split_at(self.profile.key_len());
        // RFC 3711 §4.3.1: label and index, seven octets, lie at the end of the fourteen of the salt. The shorter salt
        // of GCM is filled up with zeros (RFC 7714 §11).
        let mut block = [0; 16];
        for (octet, salt) in block.iter_mut().zip(salt) {
            *octet = *salt;
        }
        block[7] ^= label;
        let mut out = Zeroizing::new([0; 32]);
        keystream(key, &block, &mut *out);
        out
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("profile", &self.profile).finish_non_exhaustive()
    }
}

struct Labels {
    key: u8,
    auth: u8,
    salt: u8,
}

impl Labels {
    const RTP: Self = Self { key: 0, auth: 1, salt: 2 };
    const RTCP: Self = Self { key: 3, auth: 4, salt: 5 };
}

/// What one master key comes to.
pub(crate) struct SessionKeys {
    pub(crate) mki: Vec<u8>,
    pub(crate) rtp: Cipher,
    pub(crate) rtcp: Cipher,
    pub(crate) rtp_left: u64,
    pub(crate) rtcp_left: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn derived_keys_are_those_of_the_rfcs() {
        let vectors = fixture::vectors();
        let mut checked = 0;
        for vector in vectors["kdf"].as_array().unwrap().iter().chain(vectors["kdf_gcm"].as_array().unwrap())
        {
            let (key, salt) = (fixture::hex(&vector["master_key"]), fixture::hex(&vector["master_salt"]));
            let profile = match (key.len(), salt.len()) {
                (16, 14) => Profile::AesCm128HmacSha1_80,
                (32, 14) => Profile::AesCm256HmacSha1_80,
                (16, 12) => Profile::AeadAes128Gcm,
                (32, 12) => Profile::AeadAes256Gcm,
                // AES-192 has no name in SDP and none in DTLS.
                _ => continue,
            };
            let master = MasterKey::new(profile, &[key, salt].concat()).unwrap();
            for (name, expected) in vector.as_object().unwrap() {
                let Some(label) = name.split('_').skip_while(|it| *it != "label").nth(1) else { continue };
                let expected = fixture::hex(expected);
                let length = expected.len().min(32);
                assert_eq!(master.part(label.parse().unwrap())[..length], expected[..length], "{name}");
                checked += 1;
            }
        }
        assert_eq!(checked, 20);
    }

    #[test]
    fn keys_are_judged_and_do_not_show_in_logs() {
        let master = MasterKey::new(Profile::AesCm128HmacSha1_80, &[7; 30]).unwrap();
        assert!(!format!("{master:?}").contains('7'));
        assert_eq!(MasterKey::new(Profile::AeadAes128Gcm, &[7; 30]), Err(KeyError::Length));
        assert_eq!(master.clone().with_mki(&[]), Err(KeyError::Mki));
        assert_eq!(master.clone().with_mki(&[0; 129]), Err(KeyError::Mki));
        assert_eq!(master.clone().with_lifetime(0), Err(KeyError::Lifetime));
        assert_eq!(master.with_lifetime(u64::MAX).unwrap().lifetime(), MAX_RTP_PACKETS);
    }
}
