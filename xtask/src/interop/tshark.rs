//! tshark: whether another dissector finds our captures, and with them our messages and packets, well formed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::child::Running;
use super::{Case, Lab};
use crate::failure::{Failure, Outcome};
use crate::process::output;

pub(crate) const CASES: &[Case] = &[("dissects the capture of demo", demo)];

/// Runs the demo and has its capture dissected: SIP, SDP and RTP are there, and nothing is malformed.
fn demo(lab: &Lab) -> Outcome<String> {
    let out = lab.folder.join("demo");
    let mut demo = lab.ringback();
    demo.arg("demo").arg("--out").arg(&out);
    Running::start(&lab.folder, "demo", &mut demo)?.succeed(Duration::from_secs(60))?;
    let capture = capture(&out)?;
    let mut counts = Vec::new();
    for protocol in ["sip", "sdp", "rtp", "rtcp", "rtpevent"] {
        let count = frames(&capture, protocol)?.len();
        if count == 0 {
            return Err(Failure::Failed(format!("{}: tshark sees no {protocol} in it", capture.display())));
        }
        counts.push(format!("{count} {protocol}"));
    }
    let bad = frames(&capture, "_ws.malformed || _ws.expert.severity == \"Error\"")?;
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
