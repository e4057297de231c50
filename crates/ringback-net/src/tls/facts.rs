//! What stands in a certificate, for those who run the program.

use super::{TlsError, certificates, read};
use rustls::pki_types::CertificateDer;
use std::path::Path;
use std::time::Duration;
use webpki::EndEntityCert;

/// Whom a certificate names, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The DNS names and URIs that it is for.
    pub names: Vec<String>,
    /// The first moment of its validity, since 1970.
    pub not_before: Duration,
    /// The last.
    pub not_after: Duration,
}

impl CertificateFacts {
    /// Reads the first certificate of a file in PEM: the one that is not there to sign others.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn read(file: &Path) -> Result<Self, TlsError> {
        let chain = certificates(file, &read(file)?)?;
        let first = chain.first().ok_or_else(|| TlsError::new(file, "holds no certificate in PEM"))?;
        Self::of(first).ok_or_else(|| TlsError::new(file, "holds a certificate that cannot be read"))
    }

    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = EndEntityCert::try_from(certificate).ok()?;
        let names = parsed.valid_uri_names().chain(parsed.valid_dns_names()).map(str::to_owned).collect();
        let (not_before, not_after) = validity(certificate)?;
        Some(Self { names, not_before, not_after })
    }

    /// A day as in RFC 3339.
    pub fn day(at: Duration) -> String {
        super::error::date(at.as_secs())
    }
}

/// RFC 5280 §4.1: the fifth part of what is signed, behind version, serial number, algorithm and issuer.
fn validity(certificate: &[u8]) -> Option<(Duration, Duration)> {
    let (_, whole, _) = element(certificate)?;
    let (_, mut signed, _) = element(whole)?;
    if signed.first() == Some(&0xA0) {
        signed = element(signed)?.2;
    }
    for _ in 0..3 {
        signed = element(signed)?.2;
    }
    let (_, validity, _) = element(signed)?;
    let (kind, from, rest) = element(validity)?;
    let (until_kind, until, _) = element(rest)?;
    Some((time(kind, from)?, time(until_kind, until)?))
}

/// Tag, content and rest of the first element in DER.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        _ => {
            let octets = usize::from(first & 0x7F);
            let length = rest.get(..octets).filter(|octets| octets.len() <= 4)?;
            (length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest.get(octets..)?)
        }
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

/// `YYMMDDHHMMSSZ` (UTCTime) or `YYYYMMDDHHMMSSZ` (GeneralizedTime), since 1970.
fn time(kind: u8, text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match kind {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        _ => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
    };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day, hour, minute, second) = (number(0)?, number(2)?, number(4)?, number(6)?, number(8)?);
    // Days of the civil calendar, with years that begin in March.
    let year: u64 = if month <= 2 { year.checked_sub(1)? } else { year };
    let before = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + before;
    let seconds = (days.checked_sub(719_468)?) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn names_and_days_are_read() {
        for (year, day) in [(2049, "2049-12-31"), (2050, "2050-12-31"), (2104, "2104-12-31")] {
            let mut params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2024, 2, 29);
            params.not_after = date_time_ymd(year, 12, 31);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let facts = CertificateFacts::of(certificate.der()).unwrap();
            assert_eq!(facts.names, ["example.com"]);
            assert_eq!(CertificateFacts::day(facts.not_before), "2024-02-29");
            assert_eq!(CertificateFacts::day(facts.not_after), day);
        }
    }

    #[test]
    fn damage_is_no_certificate_and_no_panic() {
        let params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        for end in 0..der.len() {
            let _ = validity(&der[..end]);
            let mut damaged = der.clone();
            damaged[end] ^= 0xff;
            let _ = validity(&damaged);
        }
    }
}
