//! The protection profiles, and how long each of their parts is.

use std::fmt;

/// How packets are encrypted and authenticated. The names are those of SDP (RFC 4568 §6.2, RFC 6188 §4,
/// RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// AES-128 in counter mode, HMAC-SHA1 with ten octets: what every peer has (RFC 3711).
    AesCm128HmacSha1_80,
    /// The same with four octets on RTP packets; RTCP keeps ten. Forgeries pass once in 2^32 trials.
    AesCm128HmacSha1_32,
    /// AES-256 in counter mode, HMAC-SHA1 with ten octets (RFC 6188).
    AesCm256HmacSha1_80,
    /// The same with four octets on RTP packets.
    AesCm256HmacSha1_32,
    /// AES-128-GCM with sixteen octets (RFC 7714).
    AeadAes128Gcm,
    /// AES-256-GCM with sixteen octets (RFC 7714).
    AeadAes256Gcm,
}

impl Profile {
    /// All of them, best first for an offer: the cheapest and the one that every peer has, then those with longer keys,
    /// and last those with short tags.
    pub const ALL: [Self; 6] = [
        Self::AeadAes128Gcm,
        Self::AesCm128HmacSha1_80,
        Self::AeadAes256Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::AesCm256HmacSha1_32,
    ];

    /// The name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The profile of that name, in any case of letters (RFC 4568 §9.2: ABNF strings).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// Octets of a master key: 16 or 32.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of a master salt: 14, or 12 of GCM.
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets by which an RTP packet grows, without a master key identifier.
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm256HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 | Self::AesCm256HmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Octets of the tag of an RTCP packet; the index adds four (RFC 3711 §3.4, RFC 7714 §9).
    pub const fn rtcp_tag_len(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }

    pub(crate) const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_name(&profile.to_string().to_lowercase()), Some(profile));
        }
        assert_eq!(Profile::from_name("F8_128_HMAC_SHA1_80"), None);
    }
}
