//! What is wrong with TLS, in words for whoever runs the program.

use rustls::{AlertDescription, CertificateError, Error};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why TLS cannot be set up.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// This file cannot be used, for this reason.
    File(PathBuf, String),
    /// Clients are to be checked, and it is not said against what.
    NoClientCa,
}

impl TlsError {
    pub(super) fn new(file: &Path, problem: impl Into<String>) -> Self {
        Self::File(file.to_owned(), problem.into())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, problem) => write!(f, "{}: {problem}", file.display()),
            Self::NoClientCa => {
                f.write_str("mutual TLS needs a file with the certificates that clients' are signed with")
            }
        }
    }
}

impl std::error::Error for TlsError {}

/// Whether a handshake failed for a certificate, ours or the peer's.
pub(crate) fn is_about_trust(error: &io::Error) -> bool {
    match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => true,
        Some(Error::AlertReceived(alert)) => is_certificate_alert(*alert),
        _ => false,
    }
}

/// Why a handshake failed, with names and dates, and what to do.
pub(crate) fn explain(error: &io::Error) -> String {
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) else {
        return error.to_string();
    };
    match error {
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => format!(
            "its certificate expired on {}: it has to be renewed, or our clock is wrong",
            date(not_after.as_secs())
        ),
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            format!(
                "its certificate is not valid before {}: or our clock is wrong",
                date(not_before.as_secs())
            )
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            format!(
                "its certificate is not for {} but for {}",
                expected.to_str(),
                if presented.is_empty() { "nobody".to_owned() } else { presented.join(", ") }
            )
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is signed by nobody whom we trust: name the file of its authority (--tls-ca)"
                .to_owned()
        }
        Error::NoCertificatesPresented => "it has no certificate, and has to have one".to_owned(),
        Error::AlertReceived(alert) if is_certificate_alert(*alert) => {
            format!("it refuses our certificate, or wants one ({alert:?})")
        }
        other => other.to_string(),
    }
}

fn is_certificate_alert(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// A day as in RFC 3339, of seconds since 1970.
pub(super) fn date(seconds: u64) -> String {
    // Days from the civil calendar, counted from 0000-03-01 in eras of 400 years.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_609_459_199, "2020-12-31"),
            (4_102_444_800, "2100-01-01"),
        ] {
            assert_eq!(date(seconds), day);
        }
    }
}
