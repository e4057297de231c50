//! Our certificate, and whether that of a peer is the one that was announced (RFC 8122).

use ringback_sdp::attribute::{AttributeValue as _, Fingerprint};
use rtc_dtls::crypto_provider::{RTCCryptoProvider, default_provider};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use std::fmt;
use std::sync::Arc;

/// A certificate that says nothing of us, with its key (ECDSA on P-256). Clones are the same certificate.
#[derive(Clone)]
pub struct Certificate {
    pub(crate) own: Arc<rtc_dtls::crypto::Certificate>,
    pub(crate) provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: Arc<str>,
}

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateError(String);

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no certificate for DTLS: {}", self.0)
    }
}

impl std::error::Error for CertificateError {}

impl Certificate {
    /// A new one. The key is drawn by the cryptographic library itself.
    ///
    /// # Errors
    /// When the library cannot draw keys.
    pub fn generate() -> Result<Self, CertificateError> {
        let provider = default_provider().map_err(|error| CertificateError(error.to_string()))?;
        let names = vec!["ringback".to_owned()];
        let own = rtc_dtls::crypto::Certificate::generate_self_signed(names, provider.crypto())
            .map_err(|error| CertificateError(error.to_string()))?;
        let der = own.certificate.first().map(AsRef::as_ref).unwrap_or_default();
        let digits: Vec<String> = Sha256::digest(der).iter().map(|octet| format!("{octet:02X}")).collect();
        let fingerprint = format!("sha-256 {}", digits.join(":")).into();
        Ok(Self { own: Arc::new(own), provider, fingerprint })
    }

    /// What stands behind `a=fingerprint:`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Whether a certificate is one of those that were announced. Fingerprints by MD5 and SHA-1 count for nothing: others
/// can be made to match.
pub(crate) fn is_announced(der: &[u8], fingerprints: &[String]) -> bool {
    fingerprints.iter().filter_map(|text| Fingerprint::parse(text).ok()).any(|announced| {
        let hash: Vec<u8> = match announced.hash.to_ascii_lowercase().as_str() {
            "sha-256" => Sha256::digest(der).to_vec(),
            "sha-384" => Sha384::digest(der).to_vec(),
            "sha-512" => Sha512::digest(der).to_vec(),
            _ => return false,
        };
        announced.matches(announced.hash, &hash)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_51_a_certificate_is_believed_by_a_strong_fingerprint_alone() {
        let (ours, other) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        let der = ours.own.certificate[0].as_ref();
        let announced = |lines: &[&str]| {
            is_announced(der, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
        };
        assert!(announced(&[ours.fingerprint()]));
        assert!(announced(&[other.fingerprint(), &ours.fingerprint().to_lowercase()]));
        assert!(!announced(&[other.fingerprint()]) && !announced(&[]));
        let hex = |octets: &[u8]| octets.iter().map(|it| format!("{it:02x}")).collect::<Vec<_>>().join(":");
        assert!(announced(&[&format!("sha-512 {}", hex(&Sha512::digest(der)))]));
        // As long as a hash by SHA-1, whatever it says.
        assert!(!announced(&[&format!("sha-1 {}", hex(&Sha256::digest(der)[..20]))]));
        assert!(!announced(&[&format!("sha-256 {}", hex(&Sha256::digest(der)[..31]))]));
    }
}
