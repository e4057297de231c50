//! The foreign programs, and the Debian packages that hold them.

use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process::{installed, output, run as show};

/// A program, or a file by its path, and the package that brings it.
pub(crate) type Need = (&'static str, &'static str);

pub(crate) const SIPP: Need = ("sipp", "sip-tester");
/// It takes SIPp into TLS.
pub(crate) const TUNNEL: Need = ("stunnel", "stunnel4");
pub(crate) const SIPSAK: Need = ("sipsak", "sipsak");
pub(crate) const BARESIP: Need = ("baresip", "baresip-core");
/// It brings Node; what is installed by it comes from the npm registry, as a lockfile says.
pub(crate) const NPM: Need = ("npm", "npm");
pub(crate) const TSHARK: Need = ("tshark", "tshark");
pub(crate) const KAMAILIO: Need = ("kamailio", "kamailio");
pub(crate) const LINPHONE: Need = ("linphonec", "linphone-cli");
/// Packages from PyPI go into an environment of their own, whose pip comes with this one.
pub(crate) const PYTHON: Need = ("python3", "python3-venv");
/// A library of Perl.
pub(crate) const NET_SIP: Need = ("/usr/share/perl5/Net/SIP.pm", "libnet-sip-perl");
pub(crate) const SNGREP: Need = ("sngrep", "sngrep");
pub(crate) const SSLSCAN: Need = ("sslscan", "sslscan");
pub(crate) const FFMPEG: Need = ("ffmpeg", "ffmpeg");
pub(crate) const GSTREAMER: Need = ("gst-launch-1.0", "gstreamer1.0-tools");
/// Its encoders and what packs them.
pub(crate) const GSTREAMER_GOOD: Need =
    ("/usr/share/doc/gstreamer1.0-plugins-good", "gstreamer1.0-plugins-good");
/// A STUN and TURN server.
pub(crate) const COTURN: Need = ("turnserver", "coturn");
pub(crate) const OPENSSL: Need = ("openssl", "openssl");

/// Makes sure that the programs are there: root installs what is missing, others are told what to install.
pub(crate) fn ensure(needs: &[Need]) -> Outcome {
    let is_there =
        |what: &str| if what.starts_with('/') { Path::new(what).exists() } else { installed(what) };
    let missing: Vec<&str> =
        needs.iter().filter(|(what, _)| !is_there(what)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || !installed("apt-get") {
        return Err(Failure::Failed(format!("missing: {list}; install with `sudo apt-get install {list}`")));
    }
    eprintln!("Installing {list} (this runs as root, so it can).");
    let quiet = ["-qq", "-y", "--no-install-recommends"];
    show(Command::new("apt-get").args(["update", "-qq"]))?;
    show(
        Command::new("apt-get")
            .arg("install")
            .args(quiet)
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}
