//! Believing what comes.

use crate::cipher::{Cipher, GCM_TAG_LEN, Place};
use crate::header::{RTCP_CLEAR, RtpHeader, rtcp_ssrc};
use crate::key::SessionKeys;
use crate::outbound::{ENCRYPTED, clear_of_rtcp, roll_over};
use crate::stream::Streams;
use crate::{KeyError, MasterKey, Profile, Refused};

/// Master keys of one peer at a time.
pub const MAX_KEYS: usize = 8;

/// Takes the packets of all streams of a peer: the keys that it named, what has been, and what may still come.
pub struct Inbound {
    profile: Profile,
    /// More than one only where packets say which they were protected by.
    keys: Vec<SessionKeys>,
    rtp: Streams,
    rtcp: Streams,
}

impl Inbound {
    /// With nothing heard yet.
    ///
    /// # Errors
    /// [`KeyError`] when there is no key or more than [`MAX_KEYS`], when they are of several profiles, or when there
    /// are several and their identifiers do not tell them apart (RFC 4568 §6.1).
    pub fn new(keys: &[MasterKey]) -> Result<Self, KeyError> {
        let first = keys.first().ok_or(KeyError::Length)?;
        if keys.iter().any(|key| key.profile() != first.profile()) {
            return Err(KeyError::Length);
        }
        let alike = |(at, key): (usize, &MasterKey)| {
            key.mki().len() != first.mki().len()
                || keys.iter().skip(at + 1).any(|other| other.mki() == key.mki())
        };
        if keys.len() > MAX_KEYS || keys.iter().enumerate().any(alike) {
            return Err(KeyError::Mki);
        }
        let keys = keys.iter().map(MasterKey::derive).collect();
        Ok(Self { profile: first.profile(), keys, rtp: Streams::new(), rtcp: Streams::new() })
    }

    /// The profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Verifies and decrypts the RTP packet that fills `packet`, and says how long it is now.
    ///
    /// # Errors
    /// [`Refused`]. What is in `packet` then is of no use, and what was known of the peer's streams is as before.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let header = RtpHeader::parse(packet)?;
        let tag_len = self.profile.rtp_tag_len();
        let keys = named(&mut self.keys, packet, if self.profile.is_aead() { 0 } else { tag_len })?;
        let len = packet.len().checked_sub(tag_len + keys.mki.len()).filter(|it| *it >= header.len);
        let len = len.ok_or(Refused::Malformed)?;
        let candidate = self.rtp.guess(header.ssrc, header.sequence)?;
        if keys.rtp_left == 0 {
            return Err(Refused::KeySpent);
        }
        let place = Place { ssrc: header.ssrc, index: candidate.index };
        match &keys.rtp {
            Cipher::Counter(cipher) => {
                let (packet, behind) = packet.split_at_mut(len);
                let tag = behind.get(keys.mki.len()..).unwrap_or(&[]);
                cipher.verify(packet, roll_over(candidate.index), tag).map_err(|_| Refused::Forged)?;
                cipher.apply(place, packet.get_mut(header.len..).ok_or(Refused::Malformed)?);
            }
            Cipher::Gcm(cipher) => {
                let (clear, rest) = packet.split_at_mut(header.len);
                let sealed = rest.get_mut(..len - header.len + tag_len).ok_or(Refused::Malformed)?;
                cipher.open(place, clear, sealed).map_err(|_| Refused::Forged)?;
            }
        }
        self.rtp.note(candidate);
        keys.rtp_left -= 1;
        Ok(len)
    }

    /// Verifies and decrypts the RTCP packet that fills `packet`, and says how long it is now. One that is
    /// authenticated and not encrypted is taken as well, as its sender says which it is (RFC 3711 §3.4).
    ///
    /// # Errors
    /// As [`unprotect_rtp`](Self::unprotect_rtp).
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let ssrc = rtcp_ssrc(packet)?;
        let tag_len = self.profile.rtcp_tag_len();
        let is_aead = self.profile.is_aead();
        let keys = named(&mut self.keys, packet, if is_aead { 0 } else { tag_len })?;
        let len = packet.len().checked_sub(tag_len + 4 + keys.mki.len()).filter(|it| *it >= RTCP_CLEAR);
        let len = len.ok_or(Refused::Malformed)?;
        let at = if is_aead { len + GCM_TAG_LEN } else { len };
        let word = *packet.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(Refused::Malformed)?;
        let word_value = u32::from_be_bytes(word);
        let (is_encrypted, index) = (word_value & ENCRYPTED != 0, u64::from(word_value & !ENCRYPTED));
        let candidate = self.rtcp.exact(ssrc, index)?;
        if keys.rtcp_left == 0 {
            return Err(Refused::KeySpent);
        }
        let place = Place { ssrc, index };
        match &keys.rtcp {
            Cipher::Counter(cipher) => {
                let (packet, behind) = packet.split_at_mut(len);
                let tag = behind.get(4 + keys.mki.len()..).unwrap_or(&[]);
                cipher.verify(packet, word, tag).map_err(|_| Refused::Forged)?;
                if let (true, Some(secret)) = (is_encrypted, packet.get_mut(RTCP_CLEAR..)) {
                    cipher.apply(place, secret);
                }
            }
            Cipher::Gcm(cipher) if is_encrypted => {
                let (clear, rest) = packet.split_at_mut(RTCP_CLEAR);
                let sealed = rest.get_mut(..len - RTCP_CLEAR + GCM_TAG_LEN).ok_or(Refused::Malformed)?;
                cipher.open(place, &clear_of_rtcp(clear, word), sealed).map_err(|_| Refused::Forged)?;
            }
            Cipher::Gcm(cipher) => {
                // All of it is authenticated together with the word, which has to stand before the tag for that
                // (RFC 7714 §9.3).
                packet.get_mut(len..len + GCM_TAG_LEN + 4).ok_or(Refused::Malformed)?.rotate_right(4);
                let (clear, tag) = packet.split_at_mut(len + 4);
                let tag = tag.get_mut(..GCM_TAG_LEN).ok_or(Refused::Malformed)?;
                cipher.open(place, clear, tag).map_err(|_| Refused::Forged)?;
            }
        }
        self.rtcp.note(candidate);
        keys.rtcp_left -= 1;
        Ok(len)
    }
}

/// The keys that the packet names by the identifier before its last `behind` octets.
fn named<'a>(
    keys: &'a mut [SessionKeys],
    packet: &[u8],
    behind: usize,
) -> Result<&'a mut SessionKeys, Refused> {
    let before = packet.get(..packet.len().saturating_sub(behind)).unwrap_or(&[]);
    keys.iter_mut().find(|keys| before.ends_with(&keys.mki)).ok_or(Refused::UnknownKey)
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbound")
            .field("profile", &self.profile)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
