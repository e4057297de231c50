//! From the secret of a handshake to the keys of SRTP (RFC 5764 §4.2).

use ringback_srtp::{Inbound, MasterKey, Outbound, Profile};
use zeroize::Zeroizing;

/// How both sides protect their packets.
#[derive(Debug)]
pub struct SrtpKeys {
    /// How.
    pub profile: Profile,
    /// By which we protect.
    pub outbound: Outbound,
    /// By which we believe.
    pub inbound: Inbound,
}

/// Octets that the handshake has to yield for a profile: a key and a salt for either side.
pub(crate) fn length(profile: Profile) -> usize {
    2 * (profile.key_len() + profile.salt_len())
}

/// What they come to: the keys of client and server, then their salts. None when they are too few.
pub(crate) fn split(profile: Profile, octets: &[u8], is_client: bool) -> Option<SrtpKeys> {
    let (key, salt) = (profile.key_len(), profile.salt_len());
    let (keys, salts) = octets.split_at_checked(2 * key)?;
    let side = |at: usize| {
        let key = keys.get(at * key..(at + 1) * key)?;
        let salt = salts.get(at * salt..(at + 1) * salt)?;
        MasterKey::new(profile, &Zeroizing::new([key, salt].concat())).ok()
    };
    let (own, other) = if is_client { (side(0)?, side(1)?) } else { (side(1)?, side(0)?) };
    Some(SrtpKeys { profile, outbound: Outbound::new(&own), inbound: Inbound::new(&[other]).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_and_server_take_opposite_halves() {
        for profile in [Profile::AeadAes128Gcm, Profile::AesCm128HmacSha1_80] {
            let octets: Vec<u8> = (0..).take(length(profile)).collect();
            let (mut client, mut server) =
                (split(profile, &octets, true).unwrap(), split(profile, &octets, false).unwrap());
            let mut packet = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 40]].concat();
            let len = client.outbound.protect_rtp(&mut packet, 32).unwrap();
            assert_eq!(server.inbound.unprotect_rtp(&mut packet[..len]), Ok(32));
            let mut packet = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8][..], &[0; 40]].concat();
            let len = server.outbound.protect_rtp(&mut packet, 32).unwrap();
            assert_eq!(client.inbound.unprotect_rtp(&mut packet[..len]), Ok(32));
            assert!(split(profile, &octets[1..], true).is_none());
        }
    }
}
