//! A certificate of our own making, for those who have none.

use super::TlsIdentity;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use std::net::IpAddr;

impl TlsIdentity {
    /// Makes a certificate that names these domains and addresses, signed by nobody but itself. Peers who check
    /// certificates have to be told to trust it.
    ///
    /// # Errors
    /// Says which name cannot stand in a certificate.
    pub fn self_signed(names: &[String]) -> Result<Self, String> {
        let mut params = CertificateParams::new(Vec::new()).map_err(|error| error.to_string())?;
        for name in names {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            match bare.parse::<IpAddr>() {
                Ok(ip) => params.subject_alt_names.push(SanType::IpAddress(ip)),
                Err(_) => {
                    let name =
                        bare.try_into().map_err(|_| format!("`{bare}` cannot stand in a certificate"))?;
                    params.subject_alt_names.push(SanType::DnsName(name));
                }
            }
        }
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, names.first().map_or("ringback", String::as_str));
        params.distinguished_name = subject;
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
        Ok(Self::Pem { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}
