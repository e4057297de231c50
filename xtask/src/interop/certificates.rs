//! A certificate authority of our own, and what it signed for the server, made with openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::DOMAIN;
use crate::failure::Outcome;
use crate::process::output;

/// The files of an authority, in PEM.
pub(crate) struct Authority {
    /// Its own certificate, for those who are to trust it.
    pub(crate) ca: PathBuf,
    /// The server's certificate.
    pub(crate) certificate: PathBuf,
    /// The server's key.
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Makes one that lasts for a day.
    pub(crate) fn new(folder: &Path) -> Outcome<Self> {
        let file = |name: &str| folder.join(name);
        let (ca, ca_key) = (file("ca.pem"), file("ca.key"));
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
        output(
            Command::new("openssl")
                .args(["req", "-x509", "-subj", "/CN=Ringback interop"])
                .args(curve)
                .args(["-addext", "keyUsage=critical,keyCertSign", "-keyout"])
                .arg(&ca_key)
                .arg("-out")
                .arg(&ca),
        )?;
        output(
            Command::new("openssl")
                .args(["req", "-x509", "-subj", "/CN=ringback"])
                .args(curve)
                .args(["-addext", &format!("subjectAltName=IP:{DOMAIN},DNS:{DOMAIN}")])
                .args(["-addext", "basicConstraints=critical,CA:FALSE", "-CA"])
                .arg(&ca)
                .arg("-CAkey")
                .arg(&ca_key)
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        )?;
        Ok(Self { ca, certificate, key })
    }
}
