//! tshark and sngrep: whether other dissectors find our captures, and with them our messages and packets, well formed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::certificates::Authority;
use super::child::Running;
use super::server::{DOMAIN, Server, free_port, password, until_taken};
use super::{Case, Lab};
use crate::failure::{Failure, Outcome};
use crate::process::output;

pub(crate) const CASES: &[Case] =
    &[("dissects the capture of demo", demo), ("and sngrep read what serve tells of a call over TLS", trace)];

/// `serve --trace` to a capture and to sngrep as a collector of HEP, while two phones talk over TLS: in both the call is there
/// in the clear.
fn trace(lab: &Lab) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let (capture, collected) = (lab.folder.join("serve.pcapng"), lab.folder.join("collected.pcap"));
    let port = free_port()?;
    let mut sngrep = Command::new("sngrep");
    sngrep.args(["-N", "-q", "-L", &format!("udp:127.0.0.1:{port}"), "-O"]).arg(&collected);
    let mut sngrep = Running::start(&lab.folder, "sngrep", &mut sngrep)?;
    until_taken("udp", port)?;
    let places = [capture.display().to_string(), format!("hep:127.0.0.1:{port}")];
    let server = Server::start_traced("tls", &authority, &places, lab)?;
    let mut answer =
        Running::start(&lab.folder, "answer", &mut phone(lab, "answer", "bob", &server, &authority))?;
    answer.line(PATIENCE, |line| (line == "ready").then_some(()))?;
    let mut call = phone(lab, "call", "alice", &server, &authority);
    call.args([&format!("sip:bob@{DOMAIN}"), "--duration", "0.5"]);
    Running::start(&lab.folder, "call", &mut call)?.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    server.stop()?;
    let _ = sngrep.terminate(PATIENCE)?;
    let count = |file: &Path, filter: &str| frames(file, filter).map(|frames| frames.len());
    let tls = count(&capture, "frame.interface_name == \"tls\" && sip")?;
    for (file, filter, wanted) in [
        (&capture, "sip.Method == \"INVITE\"", 2..=8),
        (&capture, "sip.Method == \"BYE\"", 2..=4),
        (&capture, "tls || _ws.malformed || _ws.expert.severity == \"Error\"", 0..=0),
        (&collected, "sip", tls..=tls),
    ] {
        let found = count(file, filter)?;
        if !wanted.contains(&found) {
            return Err(Failure::Failed(format!("{}: {found} frames are `{filter}`", file.display())));
        }
    }
    let dialogs = output(Command::new("sngrep").args(["-N", "-I"]).arg(&capture))?;
    if !dialogs.contains("Dialog count: ") || dialogs.trim_end().ends_with("Dialog count: 0") {
        return Err(Failure::Failed(format!("sngrep sees no dialogs in {}: {dialogs}", capture.display())));
    }
    Ok(format!("{tls} messages over TLS in the clear, in the capture and at the collector"))
}

fn phone(lab: &Lab, verb: &str, user: &str, server: &Server, authority: &Authority) -> Command {
    let mut phone = lab.ringback();
    phone
        .args([verb, "--from", &format!("sip:{user}@{DOMAIN}"), "--transport", "tls"])
        .args(["--server", &server.address("tls").to_string(), "--password-env", "RINGBACK_INTEROP_PASSWORD"])
        .arg("--tls-ca")
        .arg(&authority.ca)
        .env("RINGBACK_INTEROP_PASSWORD", password(user));
    if verb == "answer" {
        phone.args(["--calls", "1"]);
    }
    phone
}

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the demo and has its capture dissected: SIP, SDP and RTP are there, and nothing is malformed.
fn demo(lab: &Lab) -> Outcome<String> {
    let out = lab.folder.join("demo");
    let mut demo = lab.ringback();
    demo.arg("demo").arg("--out").arg(&out);
    Running::start(&lab.folder, "demo", &mut demo)?.succeed(PATIENCE)?;
    let capture = capture(&out)?;
    let mut counts = Vec::new();
    for protocol in ["sip", "sdp", "rtp", "rtcp", "rtpevent"] {
        let count = frames(&capture, protocol)?.len();
        if count == 0 {
            return Err(Failure::Failed(format!("{}: tshark sees no {protocol} in it", capture.display())));
        }
        counts.push(format!("{count} {protocol}"));
    }
    // Bodies of RTCP are encrypted, which a dissector without the keys takes for rubbish.
    let bad = frames(&capture, "(_ws.malformed || _ws.expert.severity == \"Error\") && !rtcp")?;
    match bad.first() {
        None => Ok(format!("frames: {}; none malformed", counts.join(", "))),
        Some(first) => Err(Failure::Failed(format!("{}: malformed: {first}", capture.display()))),
    }
}

/// The lines that tshark prints for the frames of a filter.
fn frames(capture: &Path, filter: &str) -> Outcome<Vec<String>> {
    let text = output(Command::new("tshark").arg("-n").arg("-r").arg(capture).args(["-Y", filter]))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn capture(folder: &Path) -> Outcome<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "pcap" || ending == "pcapng"))
        .ok_or_else(|| Failure::Failed(format!("the demo left no capture in {}", folder.display())))
}
