//! What becomes of a call with baresip once it is up: it is held, digits are sent, and it goes on with somebody else.

use std::time::Duration;

use super::super::Lab;
use super::super::child::Running;
use super::super::server::{DOMAIN, Server, free_port, until_taken};
use super::super::sipp;
use super::{Baresip, PATIENCE, Way, compare, phone, playing, speech};
use crate::failure::Outcome;

/// What each step of a call may take.
const STEP: Duration = Duration::from_secs(10);

/// baresip calls us, and after all was said holds the call, takes it back, and dials.
pub(super) fn changes(lab: &Lab) -> Outcome<String> {
    let server = Server::start(&lab.binary, &lab.folder)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("answer.wav"));
    let mut playing = playing(&ours, &heard);
    // It is baresip who hangs up.
    playing.truncate(4);
    let mut answer = Running::start(
        &lab.folder,
        "answer",
        phone(&mut lab.ringback(), "answer", &[], &server, &Way::Udp)
            .args(["--calls", "1", "--duration", "30"])
            .args(playing),
    )?;
    answer.line(STEP, |line| (line == "ready").then_some(()))?;
    let mut baresip = Baresip::start(lab, &server, &Way::Udp, &speech(lab, "alice.wav"))?;
    baresip.command("dial", &format!("sip:bob@{DOMAIN}"))?;
    answer.line(STEP, |line| (line == "played").then_some(()))?;
    baresip.command("hold", "")?;
    answer.line(STEP, |line| line.starts_with("held by the other side").then_some(()))?;
    baresip.command("resume", "")?;
    answer.line(STEP, |line| line.starts_with("talking again").then_some(()))?;
    for digit in ["4", "2"] {
        baresip.command("sndcode", digit)?;
        answer.line(STEP, |line| (line == format!("digit {digit}")).then_some(()))?;
    }
    baresip.command("hangup", "")?;
    answer.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    compare(lab, "alice.wav", &heard, "bob.wav")
}

/// We call baresip, say all there is to say, hold it, take it back, and dial.
pub(super) fn is_changed(lab: &Lab) -> Outcome<String> {
    let server = Server::start(&lab.binary, &lab.folder)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("call.wav"));
    let mut playing = playing(&ours, &heard);
    playing.truncate(4);
    let mut baresip = Baresip::start(lab, &server, &Way::Udp, &speech(lab, "alice.wav"))?;
    let target = format!("sip:alice@{DOMAIN}");
    let words = ["--hold-after", "6", "--resume-after", "1", "--dtmf", "42", "--duration", "8.5"];
    let mut call = Running::start(
        &lab.folder,
        "call",
        phone(&mut lab.ringback(), "call", &[&target], &server, &Way::Udp).args(playing).args(words),
    )?;
    call.line(PATIENCE, |line| line.starts_with("held by us").then_some(()))?;
    call.line(PATIENCE, |line| line.starts_with("talking again").then_some(()))?;
    call.succeed(PATIENCE)?;
    baresip.told(&[
        "CALL_DTMF_START",
        "\"4\"",
        "CALL_DTMF_END",
        "CALL_DTMF_START",
        "\"2\"",
        "CALL_DTMF_END",
    ])?;
    baresip.quit()?;
    server.stop()?;
    compare(lab, "alice.wav", &heard, "bob.wav")
}

/// baresip calls us, and sends us on to somebody else, who is SIPp.
pub(super) fn transfers(lab: &Lab) -> Outcome<String> {
    let server = Server::start(&lab.binary, &lab.folder)?;
    let port = free_port()?;
    let mut third = sipp::callee(lab, "answer-hangs-up.xml", "udp", port, 1)?;
    until_taken("udp", port)?;
    let mut answer = Running::start(
        &lab.folder,
        "answer",
        phone(&mut lab.ringback(), "answer", &[], &server, &Way::Udp).args(["--calls", "1"]),
    )?;
    answer.line(STEP, |line| (line == "ready").then_some(()))?;
    let mut baresip = Baresip::start(lab, &server, &Way::Udp, &speech(lab, "alice.wav"))?;
    baresip.command("dial", &format!("sip:bob@{DOMAIN}"))?;
    answer.line(STEP, |line| line.starts_with("answered").then_some(()))?;
    baresip.command("transfer", &format!("sip:third@127.0.0.1:{port}"))?;
    answer.line(STEP, |line| line.starts_with("asked to call").then_some(()))?;
    third.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    Ok("bob went on with the third".into())
}
