//! The certificate of a server that was given none.

use crate::config::{ConfigError, ServerConfig, Storage};
use ringback_net::{Tls, TlsError, TlsIdentity, TlsSettings};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CERTIFICATE: &str = "tls-certificate.pem";
const KEY: &str = "tls-key.pem";

/// TLS as the configuration says; nothing where no listener speaks it.
pub(crate) fn load(config: &ServerConfig) -> Result<Option<Arc<Tls>>, ConfigError> {
    if !config.has_tls() {
        return Ok(None);
    }
    let tls = Tls::new(settings(config)?).map_err(refused)?;
    Ok(Some(Arc::new(tls)))
}

/// Goes on with the certificates that the configuration names, read again; says whether anything is another one than before.
pub(crate) fn renew(tls: &Tls, config: &ServerConfig) -> Result<bool, ConfigError> {
    tls.replace(settings(config)?).map_err(refused)
}

/// Whether a certificate is made anew each time that it is asked for.
pub(crate) fn is_of_this_run(config: &ServerConfig) -> bool {
    config.tls.cert.is_none() && config.storage == Storage::Ephemeral
}

fn refused(error: TlsError) -> ConfigError {
    ConfigError::new(format!("tls: {error}"))
}

fn settings(config: &ServerConfig) -> Result<TlsSettings, ConfigError> {
    let options = &config.tls;
    let identity = match (&options.cert, &options.key, &config.storage) {
        (Some(certificate), Some(key), _) => {
            TlsIdentity::Files { certificate: certificate.clone(), key: key.clone() }
        }
        (_, _, Storage::Directory(directory)) => kept(directory, &names(config))?,
        (_, _, Storage::Ephemeral) => {
            tracing::warn!("TLS has no certificate: one is made for this run, signed by nobody");
            TlsIdentity::self_signed(&names(config)).map_err(ConfigError::new)?
        }
    };
    Ok(TlsSettings {
        identity: Some(identity),
        ca: options.ca.clone(),
        client_ca: options.client_ca.clone(),
        verify: options.verify,
    })
}

/// The certificate that the configuration names, or that an earlier run has made.
pub(crate) fn certificate_file(config: &ServerConfig) -> Option<PathBuf> {
    if let Some(file) = &config.tls.cert {
        return Some(file.clone());
    }
    match &config.storage {
        Storage::Directory(directory) => Some(kept_files(directory).0).filter(|file| file.exists()),
        Storage::Ephemeral => None,
    }
}

/// Where a certificate of our own making and its key are kept.
pub(crate) fn kept_files(directory: &Path) -> (PathBuf, PathBuf) {
    (directory.join(CERTIFICATE), directory.join(KEY))
}

/// Our domains, or what we are called without any.
fn names(config: &ServerConfig) -> Vec<String> {
    let mut names = config.domains.clone();
    if names.is_empty() {
        let listeners = config.listen.iter().map(|listen| listen.address.ip());
        names.extend(listeners.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()));
        names.push("localhost".into());
        names.dedup();
    }
    names
}

/// The certificate of an earlier run, or a new one.
fn kept(directory: &Path, names: &[String]) -> Result<TlsIdentity, ConfigError> {
    let (certificate, key) = kept_files(directory);
    if !certificate.exists() || !key.exists() {
        if let TlsIdentity::Pem { certificate: pem, key: secret } =
            TlsIdentity::self_signed(names).map_err(ConfigError::new)?
        {
            let failed = |error: io::Error| ConfigError::new(format!("{}: {error}", directory.display()));
            write(&key, &secret, 0o600).and_then(|()| write(&certificate, &pem, 0o644)).map_err(failed)?;
        }
        tracing::warn!(
            "TLS has no certificate: one was made for {}, signed by nobody, and is kept in {}",
            names.join(", "),
            certificate.display()
        );
    }
    Ok(TlsIdentity::Files { certificate, key })
}

fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(file)?;
    file.write_all(text.as_bytes())
}
