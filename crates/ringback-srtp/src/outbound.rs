//! Protecting what we send.

use crate::cipher::{Cipher, Forged, GCM_TAG_LEN, Place};
use crate::header::{RTCP_CLEAR, RtpHeader, rtcp_ssrc};
use crate::key::SessionKeys;
use crate::stream::Streams;
use crate::{MasterKey, Profile, Refused};

/// The bit beside the index of an SRTCP packet that says that it is encrypted.
pub(crate) const ENCRYPTED: u32 = 1 << 31;

/// Protects the packets of all streams that one side sends under one key.
pub struct Outbound {
    profile: Profile,
    keys: SessionKeys,
    streams: Streams,
    /// The index of the next SRTCP packet. One count for all sources: it is fresh for each of them.
    rtcp_index: u32,
}

impl Outbound {
    /// With nothing sent yet: the roll-over counter of each stream begins at zero, so that first sequence numbers
    /// should lie below 2^15 (RFC 3711 §3.3.1).
    pub fn new(key: &MasterKey) -> Self {
        Self { profile: key.profile(), keys: key.derive(), streams: Streams::new(), rtcp_index: 0 }
    }

    /// The profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Octets by which an RTP packet grows.
    pub fn rtp_overhead(&self) -> usize {
        self.profile.rtp_tag_len() + self.keys.mki.len()
    }

    /// Octets by which an RTCP packet grows.
    pub fn rtcp_overhead(&self) -> usize {
        self.profile.rtcp_tag_len() + 4 + self.keys.mki.len()
    }

    /// RTP packets that the key is still good for. Another key should be agreed on before it comes to zero.
    pub fn rtp_packets_left(&self) -> u64 {
        self.keys.rtp_left
    }

    /// Protects the RTP packet of `len` octets at the begin of `buffer`, and says how long it is now.
    ///
    /// # Errors
    /// [`Refused`]; the buffer is then as it was. [`Refused::Replayed`] and [`Refused::TooOld`] guard against a second
    /// packet with the numbers of another, which would give both away.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        let header = RtpHeader::parse(buffer.get(..len).ok_or(Refused::NoRoom)?)?;
        let tag_len = self.profile.rtp_tag_len();
        let (packet, behind) = buffer.split_at_mut(len);
        let behind = behind.get_mut(..self.keys.mki.len() + tag_len).ok_or(Refused::NoRoom)?;
        if self.keys.rtp_left == 0 {
            return Err(Refused::KeySpent);
        }
        let candidate = self.streams.guess(header.ssrc, header.sequence)?;
        let place = Place { ssrc: header.ssrc, index: candidate.index };
        let (clear, secret) = packet.split_at_mut(header.len);
        match &self.keys.rtp {
            Cipher::Counter(cipher) => {
                let (mki, tag) = behind.split_at_mut(self.keys.mki.len());
                cipher.apply(place, secret);
                tag.copy_from_slice(&cipher.tag(packet, roll_over(candidate.index))[..tag_len]);
                mki.copy_from_slice(&self.keys.mki);
            }
            Cipher::Gcm(cipher) => {
                let (tag, mki) = behind.split_at_mut(tag_len);
                // Only a packet of 64 GiB could be refused.
                tag.copy_from_slice(&cipher.seal(place, clear, secret).map_err(|Forged| Refused::Malformed)?);
                mki.copy_from_slice(&self.keys.mki);
            }
        }
        self.streams.note(candidate);
        self.keys.rtp_left -= 1;
        Ok(len + self.rtp_overhead())
    }

    /// Protects the compound RTCP packet of `len` octets at the begin of `buffer`, and says how long it is now.
    ///
    /// # Errors
    /// [`Refused`]; the buffer is then as it was.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        let ssrc = rtcp_ssrc(buffer.get(..len).ok_or(Refused::NoRoom)?)?;
        let tag_len = self.profile.rtcp_tag_len();
        let (packet, behind) = buffer.split_at_mut(len);
        let behind = behind.get_mut(..tag_len + 4 + self.keys.mki.len()).ok_or(Refused::NoRoom)?;
        if self.keys.rtcp_left == 0 || self.rtcp_index >= ENCRYPTED {
            return Err(Refused::KeySpent);
        }
        let place = Place { ssrc, index: self.rtcp_index.into() };
        let word = (ENCRYPTED | self.rtcp_index).to_be_bytes();
        let (clear, secret) = packet.split_at_mut(RTCP_CLEAR);
        match &self.keys.rtcp {
            Cipher::Counter(cipher) => {
                let (index, rest) = behind.split_at_mut(4);
                let (mki, tag) = rest.split_at_mut(self.keys.mki.len());
                cipher.apply(place, secret);
                tag.copy_from_slice(&cipher.tag(packet, word)[..tag_len]);
                index.copy_from_slice(&word);
                mki.copy_from_slice(&self.keys.mki);
            }
            Cipher::Gcm(cipher) => {
                let (tag, rest) = behind.split_at_mut(GCM_TAG_LEN);
                let (index, mki) = rest.split_at_mut(4);
                let sealed = cipher.seal(place, &clear_of_rtcp(clear, word), secret);
                tag.copy_from_slice(&sealed.map_err(|Forged| Refused::Malformed)?);
                index.copy_from_slice(&word);
                mki.copy_from_slice(&self.keys.mki);
            }
        }
        self.rtcp_index += 1;
        self.keys.rtcp_left -= 1;
        Ok(len + self.rtcp_overhead())
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The roll-over counter, which is authenticated and not sent (RFC 3711 §4.2).
pub(crate) fn roll_over(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// What GCM authenticates of an encrypted RTCP packet (RFC 7714 §9.2).
pub(crate) fn clear_of_rtcp(header: &[u8], word: [u8; 4]) -> [u8; RTCP_CLEAR + 4] {
    let mut clear = [0; RTCP_CLEAR + 4];
    for (into, octet) in clear.iter_mut().zip(header.iter().chain(&word)) {
        *into = *octet;
    }
    clear
}
