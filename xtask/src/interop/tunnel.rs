//! stunnel: TLS by OpenSSL around programs that speak TCP only, such as Debian's SIPp.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::Lab;
use super::certificates::Authority;
use super::child::Running;
use super::server::{free_port, until_taken};
use crate::failure::Outcome;

/// A running tunnel, and where it is entered.
pub(crate) struct Tunnel {
    _running: Running,
    pub(crate) port: u16,
}

impl Tunnel {
    /// From plain TCP into TLS towards `to`, who has to prove by the authority that he is that address.
    pub(crate) fn into_tls(lab: &Lab, name: &str, to: SocketAddr, authority: &Authority) -> Outcome<Self> {
        let side = format!(
            "client = yes\nconnect = {to}\nCAfile = {}\nverifyChain = yes\ncheckIP = {}\n",
            authority.ca.display(),
            to.ip()
        );
        Self::start(lab, name, &side)
    }

    /// Out of TLS, with a certificate of the authority, towards the plain port `to`.
    pub(crate) fn out_of_tls(lab: &Lab, name: &str, to: u16, authority: &Authority) -> Outcome<Self> {
        let side = format!(
            "connect = 127.0.0.1:{to}\ncert = {}\nkey = {}\n",
            authority.certificate.display(),
            authority.key.display()
        );
        Self::start(lab, name, &side)
    }

    fn start(lab: &Lab, name: &str, side: &str) -> Outcome<Self> {
        let port = free_port()?;
        let file = lab.folder.join(format!("{name}.conf"));
        let text = format!(
            "foreground = yes\npid =\nsyslog = no\ndebug = 5\n[sip]\naccept = 127.0.0.1:{port}\n{side}"
        );
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        let running = Running::start(&lab.folder, name, &mut command(&file))?;
        until_taken("tcp", port)?;
        Ok(Self { _running: running, port })
    }
}

fn command(file: &Path) -> Command {
    let mut command = Command::new("stunnel");
    command.arg(file);
    command
}
