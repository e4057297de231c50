//! Keys and who they belong to (RFC 4568, RFC 8122, RFC 4145, RFC 8842, RFC 4567).

use super::macros::{digits, is_octet, is_token, is_visible, split_word, word, words};
use super::{AttributeError, AttributeValue};
use std::fmt;

/// `a=crypto`: keys of SRTP in clear text (RFC 4568 §4.1). Its `Debug` keeps them to itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Crypto<'a> {
    /// The number by which the answer names what it chose.
    pub tag: u32,
    /// The suite, such as `AES_CM_128_HMAC_SHA1_80`.
    pub suite: &'a str,
    /// The keys as they were written; see [`Crypto::keys`].
    pub key_params: &'a str,
    /// Session parameters such as `UNENCRYPTED_SRTCP`. A side that does not know one refuses the line
    /// (RFC 4568 §6.3), unless its name begins with `-`.
    pub session_params: &'a str,
}

/// One key of SRTP (RFC 4568 §6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CryptoKey<'a> {
    /// Master key and salt in Base64.
    pub key_and_salt: &'a str,
    /// How many packets it is good for, such as `2^20`.
    pub lifetime: Option<&'a str>,
    /// The master key identifier and its length in octets.
    pub mki: Option<(&'a str, u8)>,
}

impl<'a> Crypto<'a> {
    /// The keys, first to last. Keys by other methods than `inline` are left out.
    pub fn keys(&self) -> impl Iterator<Item = CryptoKey<'a>> + use<'a> {
        self.key_params.split(';').filter_map(|param| {
            let (method, key) = param.split_once(':')?;
            let mut parts = key.split('|');
            let key_and_salt =
                parts.next().filter(|key| !key.is_empty() && method.eq_ignore_ascii_case("inline"))?;
            let (mut lifetime, mut mki) = (None, None);
            for part in parts {
                match part.split_once(':') {
                    Some((identifier, length)) => mki = Some((identifier, digits(length)?)),
                    None => lifetime = Some(part),
                }
            }
            Some(CryptoKey { key_and_salt, lifetime, mki })
        })
    }
}

impl<'a> AttributeValue<'a> for Crypto<'a> {
    const NAME: &'static str = "crypto";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let (tag, rest) = split_word(value);
        let (suite, rest) = split_word(rest);
        let (key_params, session_params) = split_word(rest);
        let tag = digits(tag).filter(|_| tag.len() <= 9).ok_or(AttributeError::new("tag"))?;
        if !is_token(suite) {
            return Err(AttributeError::new("crypto-suite"));
        }
        match key_params.split(';').all(|param| param.contains(':')) {
            true => Ok(Self { tag, suite, key_params, session_params: session_params.trim_end() }),
            false => Err(AttributeError::new("key-params")),
        }
    }
}

impl fmt::Display for Crypto<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.tag, self.suite, self.key_params)?;
        if self.session_params.is_empty() { Ok(()) } else { write!(f, " {}", self.session_params) }
    }
}

impl fmt::Debug for Crypto<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crypto").field("tag", &self.tag).field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl fmt::Debug for CryptoKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_and_salt: _, lifetime, mki } = self;
        f.debug_struct("CryptoKey").field("lifetime", lifetime).field("mki", mki).finish_non_exhaustive()
    }
}

/// `a=fingerprint`: the hash of the certificate that the writer shows (RFC 8122 §5).
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint<'a> {
    /// The hash function, such as `sha-256`.
    pub hash: &'a str,
    /// The hash: pairs of hexadecimal digits with colons between them.
    pub value: &'a str,
}

impl Fingerprint<'_> {
    /// The octets of the hash.
    pub fn octets(&self) -> impl Iterator<Item = u8> + '_ {
        self.value.split(':').filter_map(|pair| u8::from_str_radix(pair, 16).ok())
    }

    /// Whether this is the fingerprint of a certificate with that hash by that function.
    pub fn matches(&self, hash: &str, octets: &[u8]) -> bool {
        self.hash.eq_ignore_ascii_case(hash) && self.octets().eq(octets.iter().copied())
    }
}

/// Neither the function nor the digits regard case (RFC 8122 §5).
impl PartialEq for Fingerprint<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.hash.eq_ignore_ascii_case(other.hash) && self.value.eq_ignore_ascii_case(other.value)
    }
}

impl Eq for Fingerprint<'_> {}

impl<'a> AttributeValue<'a> for Fingerprint<'a> {
    const NAME: &'static str = "fingerprint";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let (hash, value) = split_word(value);
        let value = value.trim_end();
        match is_token(hash) && value.split(':').all(is_octet) {
            true => Ok(Self { hash, value }),
            false => Err(AttributeError::new("fingerprint-attribute")),
        }
    }
}

impl fmt::Display for Fingerprint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.hash, self.value)
    }
}

words! {
    "setup",
    /// `a=setup`: who opens the connection, or the DTLS handshake (RFC 4145 §4, RFC 5763 §5).
    Setup {
        /// The writer does.
        Active = "active",
        /// The reader does.
        Passive = "passive",
        /// The answerer may choose; only in offers.
        ActPass = "actpass",
        /// Nobody for now.
        HoldConn = "holdconn",
    }
}

impl Setup {
    /// The answer to it: active wherever there is a choice, so that the handshake need not wait for the answer
    /// to arrive (RFC 5763 §5).
    pub const fn answer(self) -> Self {
        match self {
            Self::ActPass | Self::Passive => Self::Active,
            Self::Active => Self::Passive,
            Self::HoldConn => Self::HoldConn,
        }
    }
}

word! {
    /// `a=tls-id`: names the DTLS association, so that a change asks for a new one (RFC 8842 §4). 20 to 255
    /// characters.
    TlsId, "tls-id", |text| {
        (20..=255).contains(&text.len())
            && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+/-_".contains(&octet))
    };
}

/// `a=key-mgmt`: a message of a key management protocol (RFC 4567 §3.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyMgmt<'a> {
    /// The protocol, such as `mikey`.
    pub protocol: &'a str,
    /// Its message in Base64.
    pub data: &'a str,
}

impl<'a> AttributeValue<'a> for KeyMgmt<'a> {
    const NAME: &'static str = "key-mgmt";

    fn parse(value: &'a str) -> Result<Self, AttributeError> {
        let (protocol, data) = split_word(value);
        match is_token(protocol) && is_visible(data) {
            true => Ok(Self { protocol, data }),
            false => Err(AttributeError::new("key-mgmt-attribute")),
        }
    }
}

impl fmt::Display for KeyMgmt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.data)
    }
}

impl fmt::Debug for KeyMgmt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMgmt").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::round;
    use super::*;

    /// RFC 4568 §6.1 and §9.
    #[test]
    fn keys_have_a_lifetime_and_an_identifier() {
        let text = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32";
        let crypto = round::<Crypto<'_>>(text);
        let key = crypto.keys().next().unwrap();
        assert_eq!((crypto.tag, key.lifetime, key.mki), (1, Some("2^20"), Some(("1", 32))));
        assert_eq!(key.key_and_salt.len(), 40);
        let two = round::<Crypto<'_>>(
            "2 F8_128_HMAC_SHA1_80 inline:QUJD|2^20|1:4;inline:REVG|2:4 FEC_ORDER=FEC_SRTP",
        );
        assert_eq!((two.keys().count(), two.session_params), (2, "FEC_ORDER=FEC_SRTP"));
        assert_eq!(two.keys().nth(1).map(|key| (key.lifetime, key.mki)), Some((None, Some(("2", 4)))));
        for bad in ["", "1", "1 X", "x X inline:y", "1234567890 X inline:y", "1 X y"] {
            assert!(Crypto::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn keys_do_not_show_in_logs() {
        let crypto = round::<Crypto<'_>>("1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0");
        let shown = format!("{crypto:?} {:?}", crypto.keys().collect::<Vec<_>>());
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
    }

    /// RFC 8122 §5.
    #[test]
    fn fingerprints_are_compared_as_octets() {
        let text = "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
        let print = round::<Fingerprint<'_>>(text);
        assert_eq!(print.octets().count(), 20);
        assert_eq!(print, Fingerprint { hash: "SHA-1", value: &print.value.to_ascii_lowercase() });
        assert!(
            print.matches("sha-1", &print.octets().collect::<Vec<_>>()) && !print.matches("sha-1", &[0x4a])
        );
        assert!(Fingerprint::parse("sha-1 4A:A").is_err() && Fingerprint::parse("sha-1").is_err());
    }

    /// rule 51: actpass is answered by active.
    #[test]
    fn rule_51_an_offer_to_choose_is_answered_by_active() {
        assert_eq!(round::<Setup>("actpass").answer(), Setup::Active);
        assert_eq!((Setup::Active.answer(), Setup::Passive.answer()), (Setup::Passive, Setup::Active));
        assert_eq!(Setup::HoldConn.answer(), Setup::HoldConn);
        assert!(Setup::parse("both").is_err());
    }

    #[test]
    fn associations_and_key_management_of_the_rfcs() {
        assert_eq!(round::<TlsId<'_>>("abc3de65cddef001be82").0.len(), 20);
        assert!(TlsId::parse("short").is_err());
        assert_eq!(round::<KeyMgmt<'_>>("mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyONQ6g").protocol, "mikey");
    }
}
