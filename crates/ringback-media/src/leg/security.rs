//! Whether the packets of a leg are encrypted, and by what keys.

use super::AudioLeg;
use ringback_dtls::SrtpKeys;
use ringback_sdp::NegotiatedCrypto;
use ringback_srtp::sdes::{self, SdesError};
use ringback_srtp::{Inbound, Outbound, Profile, Refused};

/// The protection of a leg.
#[derive(Debug, Default)]
pub(crate) enum Security {
    /// Packets are in clear.
    #[default]
    Plain,
    /// Packets are protected.
    Srtp(Box<Srtp>),
    /// They will be when the keys are there, or would be, were they any good: nothing is sent, and nothing is believed.
    Unusable,
}

#[derive(Debug)]
pub(crate) struct Srtp {
    /// None of keys that came by a handshake.
    agreed: Option<NegotiatedCrypto>,
    outbound: Outbound,
    inbound: Inbound,
}

impl Security {
    /// Protects the packet that begins at `start`. What cannot be protected is taken off again.
    pub(crate) fn protect(&mut self, packet: &mut Vec<u8>, start: usize, is_rtcp: bool) -> bool {
        let len = packet.len() - start;
        let protected = match self {
            Self::Plain => return true,
            Self::Unusable => Err(Refused::UnknownKey),
            Self::Srtp(srtp) => {
                let outbound = &mut srtp.outbound;
                let overhead = if is_rtcp { outbound.rtcp_overhead() } else { outbound.rtp_overhead() };
                packet.resize(packet.len() + overhead, 0);
                let buffer = packet.get_mut(start..).unwrap_or(&mut []);
                if is_rtcp { outbound.protect_rtcp(buffer, len) } else { outbound.protect_rtp(buffer, len) }
            }
        };
        packet.truncate(start + protected.unwrap_or(0));
        protected.is_ok()
    }

    /// Takes the protection off, and says how long the packet is without.
    pub(crate) fn unprotect(&mut self, packet: &mut [u8], is_rtcp: bool) -> Result<usize, Refused> {
        match self {
            Self::Plain => Ok(packet.len()),
            Self::Unusable => Err(Refused::UnknownKey),
            Self::Srtp(srtp) if is_rtcp => srtp.inbound.unprotect_rtcp(packet),
            Self::Srtp(srtp) => srtp.inbound.unprotect_rtp(packet),
        }
    }

    /// How packets are protected; `None` of those in clear.
    pub(crate) fn profile(&self) -> Option<Profile> {
        match self {
            Self::Srtp(srtp) => Some(srtp.outbound.profile()),
            Self::Plain | Self::Unusable => None,
        }
    }
}

impl Security {
    /// Takes the keys of an offer and its answer, or none. The same keys as before change nothing.
    ///
    /// # Errors
    /// [`SdesError`] when the keys of the peer are none: then nothing is sent or believed.
    pub(crate) fn agree(&mut self, agreed: Option<&NegotiatedCrypto>) -> Result<(), SdesError> {
        let Some(agreed) = agreed else {
            *self = Self::Plain;
            return Ok(());
        };
        if matches!(self, Self::Srtp(srtp) if srtp.agreed.as_ref() == Some(agreed)) {
            return Ok(());
        }
        *self = Self::Unusable;
        let (outbound, inbound) = sdes::contexts(agreed)?;
        *self = Self::Srtp(Box::new(Srtp { agreed: Some(agreed.clone()), outbound, inbound }));
        Ok(())
    }

    /// Takes the keys of a handshake.
    pub(crate) fn take(&mut self, keys: SrtpKeys) {
        let SrtpKeys { outbound, inbound, .. } = keys;
        *self = Self::Srtp(Box::new(Srtp { agreed: None, outbound, inbound }));
    }

    /// Whether anything can be sent.
    pub(crate) fn is_usable(&self) -> bool {
        !matches!(self, Self::Unusable)
    }
}

impl AudioLeg {
    /// Protects packets from now on by the keys of an offer and its answer, or by none. The same keys as before change
    /// nothing; with others all counts begin anew, as those of the peer do.
    ///
    /// # Errors
    /// [`SdesError`] when the keys of the peer are none. The leg is then silent and deaf.
    pub fn secure(&mut self, agreed: Option<&NegotiatedCrypto>) -> Result<(), SdesError> {
        self.security.agree(agreed)
    }

    /// Sends nothing and believes nothing until a handshake has brought the keys.
    pub fn await_keys(&mut self) {
        self.security = Security::Unusable;
    }

    /// Protects packets from now on by the keys that a handshake has brought. All counts begin anew.
    pub fn set_keys(&mut self, keys: SrtpKeys) {
        self.security.take(keys);
    }

    /// How packets are protected; `None` of those in clear.
    pub fn encryption(&self) -> Option<Profile> {
        self.security.profile()
    }
}
