//! Who a peer has to be (RFC 5922 §7): a SIP domain is named whole, by a `sip` URI or else by a DNS name in the
//! certificate, and never by a wildcard or the common name.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::net::IpAddr;
use webpki::EndEntityCert;

/// Takes servers whose certificate is signed by somebody whom we trust and names the domain that we look for.
#[derive(Debug)]
pub(super) struct SipPeer {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl SipPeer {
    pub(super) fn new(roots: RootCertStore, provider: &CryptoProvider) -> Self {
        Self { roots, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for SipPeer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        check_name(end_entity, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate names whom we look for.
fn check_name(certificate: &CertificateDer<'_>, expected: &ServerName<'_>) -> Result<(), Error> {
    let encoding = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let certificate = EndEntityCert::try_from(certificate).map_err(encoding)?;
    let ServerName::DnsName(domain) = expected else {
        // An address that was written as such; RFC 5922 knows domains alone.
        let mismatch = |_| Error::InvalidCertificate(CertificateError::NotValidForName);
        return certificate.verify_is_valid_for_subject_name(expected).map_err(mismatch);
    };
    let names = names(&certificate);
    let fits = |name: &&str| name.trim_end_matches('.').eq_ignore_ascii_case(domain.as_ref());
    if names.iter().any(fits) {
        return Ok(());
    }
    Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
        expected: expected.to_owned(),
        presented: names.into_iter().map(str::to_owned).collect(),
    }))
}

/// §7.1: the domains of the SIP URIs; DNS names count only where there is none.
fn names<'a>(certificate: &'a EndEntityCert<'_>) -> Vec<&'a str> {
    let uris: Vec<&str> = certificate.valid_uri_names().filter_map(sip_domain).collect();
    if uris.is_empty() { certificate.valid_dns_names().collect() } else { uris }
}

/// The SIP domains that a certificate stands for (RFC 5922 §7.1). Wildcards stand for none (§7.2).
pub(crate) fn domains_of(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Vec::new() };
    names(&certificate).into_iter().filter(|name| !name.contains('*')).map(str::to_owned).collect()
}

/// Whether a certificate names this address.
pub(crate) fn is_for(certificate: &CertificateDer<'_>, ip: IpAddr) -> bool {
    EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(&ServerName::from(ip)).is_ok())
}

/// The domain that a URI of a certificate stands for: that of `sip:example.com`, and none of one with a user.
fn sip_domain(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let end = rest.find([';', '?', ':']).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Takes everybody, whoever he is.
#[derive(Debug)]
pub(super) struct AnyPeer {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyPeer {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for AnyPeer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) if name.contains(':') => SanType::URI((*name).try_into().unwrap()),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn rfc_5922_a_domain_is_named_whole_and_by_uri_first() {
        for (names, expected, fits) in [
            (&["example.com"][..], "example.com", true),
            (&["EXAMPLE.com"], "example.COM", true),
            (&["sip:example.com"], "example.com", true),
            (&["sip:example.com", "other.example"], "other.example", false),
            (&["sip:bob@example.com", "example.com"], "example.com", true),
            (&["sip:bob@example.com"], "example.com", false),
            (&["https:example.com"], "example.com", false),
            (&["*.example.com"], "sip.example.com", false),
            (&["sip.example.com"], "example.com", false),
            (&["192.0.2.1"], "192.0.2.1", true),
            (&["192.0.2.1"], "192.0.2.2", false),
            (&[], "example.com", false),
        ] {
            let expected = ServerName::try_from(expected).unwrap();
            let checked = check_name(&certificate(names), &expected);
            assert_eq!(checked.is_ok(), fits, "{names:?} for {expected:?}: {checked:?}");
        }
    }
}
