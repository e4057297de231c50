//! Keys in SDP (RFC 4568): `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:…`.
//!
//! They stand there in clear text. Whoever reads the signalling can read the calls, so it belongs under TLS; without, it
//! still keeps out those who see the media alone (RFC 8643 §4).

use crate::{Inbound, MasterKey, Outbound, Profile};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ringback_sansio::Entropy;
use ringback_sdp::attribute::{Crypto, CryptoKey};
use ringback_sdp::{LocalCrypto, LocalSrtp, NegotiatedCrypto, SrtpPolicy, Word};
use std::fmt;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// Some peers leave the padding out, which the 46 octets of AES-256 need.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How many of our profiles, from the first, are offered. The request has to stay within a datagram, and nearly every peer
/// has one of these.
const OFFERED: usize = 2;

/// Why the keys of a line cannot be used. The line is then to be passed over, or the medium refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdesError {
    /// No profile of ours has that name.
    Suite,
    /// It asks for something that we do not do, such as unencrypted RTP (RFC 4568 §6.3).
    SessionParameter,
    /// A key is no Base64 or has another length than the profile says.
    Key,
    /// A lifetime is no number from 1 to 2^48.
    Lifetime,
    /// An identifier does not fit its length, or there are several keys and identifiers do not tell them apart.
    Mki,
}

impl fmt::Display for SdesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suite => "unknown crypto suite",
            Self::SessionParameter => "unknown session parameter",
            Self::Key => "malformed key",
            Self::Lifetime => "malformed key lifetime",
            Self::Mki => "malformed master key identifier",
        })
    }
}

impl std::error::Error for SdesError {}

/// How a key is written: `inline:` with key and salt in Base64, and lifetime and identifier where it has them.
pub fn key_params(key: &MasterKey) -> String {
    let mut text = format!("inline:{}", BASE64.encode(key.key_and_salt()));
    if key.lifetime() < crate::MAX_RTP_PACKETS {
        // Writing to a string does not fail.
        let _ = write!(text, "|{}", key.lifetime());
    }
    if !key.mki().is_empty() {
        // A number where it is short enough, as all peers write it (RFC 4568 §6.1: an integer of that many octets).
        let value = key
            .mki()
            .iter()
            .try_fold(0u128, |value, octet| value.checked_mul(256).map(|it| it | u128::from(*octet)));
        let _ = write!(text, "|{}:{}", value.unwrap_or_default(), key.mki().len());
    }
    text
}

/// The keys of a line, in its order; all of one profile.
///
/// # Errors
/// [`SdesError`] when the line is to be passed over.
pub fn keys(crypto: &Crypto<'_>) -> Result<Vec<MasterKey>, SdesError> {
    let profile = Profile::from_name(crypto.suite).ok_or(SdesError::Suite)?;
    // Those that begin with a minus may be passed over by whoever does not know them.
    if crypto.session_params.split_ascii_whitespace().any(|parameter| !parameter.starts_with('-')) {
        return Err(SdesError::SessionParameter);
    }
    let written = crypto.key_params.split(';').count();
    let keys = crypto.keys().map(|key| read(profile, &key)).collect::<Result<Vec<_>, _>>()?;
    if keys.len() != written {
        return Err(SdesError::Key);
    }
    Inbound::new(&keys).map_err(|_| SdesError::Mki)?;
    Ok(keys)
}

/// What a side that encrypts brings to an offer or answer: a fresh key for each profile, AES-128-GCM and
/// AES-CM-128-HMAC-SHA1-80 offered, the others taken where the peer offers them. `entropy` has to be fit for secrets.
pub fn local(policy: SrtpPolicy, entropy: &mut dyn Entropy) -> LocalSrtp {
    if policy == SrtpPolicy::Off {
        return LocalSrtp::default();
    }
    let suite = |profile: Profile| LocalCrypto {
        suite: Word::new(profile.name()).expect("the name of a suite is a word"),
        key_params: key_params(&MasterKey::generate(profile, entropy)),
        key_len: profile.key_len() + profile.salt_len(),
    };
    LocalSrtp { policy, suites: Profile::ALL.into_iter().map(suite).collect(), offered: OFFERED }
}

/// What is agreed on comes to this: how we protect, and how we believe.
///
/// # Errors
/// [`SdesError`] when the keys of the peer are not what the lengths in its description made believe. Then nothing may
/// be sent.
pub fn contexts(agreed: &NegotiatedCrypto) -> Result<(Outbound, Inbound), SdesError> {
    let read =
        |key_params| keys(&Crypto { tag: 1, suite: agreed.suite.as_str(), key_params, session_params: "" });
    let own = read(&agreed.local)?;
    let outbound = Outbound::new(own.first().ok_or(SdesError::Key)?);
    let inbound = Inbound::new(&read(&agreed.remote)?).map_err(|_| SdesError::Mki)?;
    Ok((outbound, inbound))
}

fn read(profile: Profile, key: &CryptoKey<'_>) -> Result<MasterKey, SdesError> {
    let octets = Zeroizing::new(BASE64.decode(key.key_and_salt).map_err(|_| SdesError::Key)?);
    let mut master = MasterKey::new(profile, &octets).map_err(|_| SdesError::Key)?;
    if let Some(lifetime) = key.lifetime {
        let packets = match lifetime.strip_prefix("2^") {
            Some(power) => power.parse().ok().and_then(|power| 1u64.checked_shl(power)),
            None => lifetime.parse().ok(),
        };
        let packets = packets.filter(|it| *it <= crate::MAX_RTP_PACKETS).ok_or(SdesError::Lifetime)?;
        master = master.with_lifetime(packets).map_err(|_| SdesError::Lifetime)?;
    }
    if let Some((value, len)) = key.mki {
        let value: u128 = value.parse().map_err(|_| SdesError::Mki)?;
        let (value, len) = (value.to_be_bytes(), usize::from(len));
        let mut mki = vec![0; len.saturating_sub(value.len())];
        let (above, below) = value.split_at(value.len().saturating_sub(len));
        if above.iter().any(|octet| *octet != 0) {
            return Err(SdesError::Mki);
        }
        mki.extend(below);
        master = master.with_mki(&mki).map_err(|_| SdesError::Mki)?;
    }
    Ok(master)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_sdp::attribute::AttributeValue as _;

    fn line(text: &str) -> Result<Vec<MasterKey>, SdesError> {
        keys(&Crypto::parse(text).expect("a crypto attribute"))
    }

    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    /// RFC 4568 §6.1 and §9.
    #[test]
    fn keys_of_the_rfc_are_read_and_written_again() {
        let text = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576|1:32");
        let master = &line(&text).unwrap()[0];
        assert_eq!(master.key_and_salt(), b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#");
        assert_eq!((master.lifetime(), master.mki().len(), master.mki()[31]), (1 << 20, 32, 1));
        assert_eq!(key_params(master), text[26..]);
        let power = line(&format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20|1:32")).unwrap();
        assert_eq!(power[0].lifetime(), 1 << 20);
        let two = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4;inline:{KEY}|2:4");
        assert_eq!(line(&two).unwrap().len(), 2);
    }

    #[test]
    fn lines_that_cannot_be_kept_are_passed_over() {
        for (rest, error) in [
            ("F8_128_HMAC_SHA1_80 inline:KEY", SdesError::Suite),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY UNENCRYPTED_SRTP", SdesError::SessionParameter),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY KDR=3", SdesError::SessionParameter),
            ("AES_CM_128_HMAC_SHA1_80 inline:QUJD", SdesError::Key),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY!", SdesError::Key),
            ("AES_CM_128_HMAC_SHA1_80 other:KEY", SdesError::Key),
            ("AES_256_CM_HMAC_SHA1_80 inline:KEY", SdesError::Key),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY|2^49", SdesError::Lifetime),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY|2^64", SdesError::Lifetime),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY|0", SdesError::Lifetime),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY|256:1", SdesError::Mki),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY|1:0", SdesError::Mki),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY|1:129", SdesError::Mki),
            ("AES_CM_128_HMAC_SHA1_80 inline:KEY;inline:KEY", SdesError::Mki),
        ] {
            assert_eq!(line(&format!("1 {}", rest.replace("KEY", KEY))), Err(error), "{rest}");
        }
        assert!(line(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} -UNKNOWN")).is_ok());
    }
}
