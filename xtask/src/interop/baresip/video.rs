//! baresip offers video, which our phone has none of: that line is declined, and the audio is as ever.

use std::time::Duration;

use super::super::Lab;
use super::super::child::Running;
use super::super::server::{DOMAIN, Server};
use super::{Baresip, PATIENCE, Way, compare, phone, playing, speech};
use crate::failure::{Failure, Outcome};

/// A picture that no camera has to take.
const CAMERA: &str =
    "module vp8.so\nmodule fakevideo.so\nvideo_source fakevideo,nil\nvideo_display fakevideo,nil\n";

pub(super) fn declined(lab: &Lab) -> Outcome<String> {
    let server = Server::start(&lab.binary, &lab.folder)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("answer.wav"));
    let seen = lab.folder.join("answer.pcap");
    let mut answer = Running::start(
        &lab.folder,
        "answer",
        phone(&mut lab.ringback(), "answer", &[], &server, &Way::Udp)
            .args(["--calls", "1", "--pcap"])
            .arg(&seen)
            .args(playing(&ours, &heard)),
    )?;
    answer.line(Duration::from_secs(10), |line| (line == "ready").then_some(()))?;
    let mut baresip =
        Baresip::start_more(lab, &server, &Way::Udp, &speech(lab, "alice.wav"), "auto", "pcmu", CAMERA)?;
    baresip.command("dial", &format!("sip:bob@{DOMAIN}"))?;
    answer.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    let lines = video_lines(&std::fs::read(&seen).map_err(|error| format!("{}: {error}", seen.display()))?);
    let (declined, offered): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.starts_with("m=video 0 "));
    if offered.is_empty() || declined.is_empty() {
        return Err(Failure::Failed(format!("offered: {offered:?}, declined: {declined:?}")));
    }
    Ok(format!("{} was declined; {}", offered[0], compare(lab, "alice.wav", &heard, "bob.wav")?))
}

/// The lines for video in all descriptions of a capture.
fn video_lines(capture: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(capture);
    text.match_indices("m=video ")
        .map(|(at, _)| text[at..].lines().next().unwrap_or_default().to_owned())
        .collect()
}
