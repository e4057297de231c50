//! Calls in the wide codecs, with baresip's own coders: what each heard against what the other said.

use std::time::Duration;

use super::{Baresip, PATIENCE, Way, audio, compare_for, phone, playing, speech};
use crate::failure::{Failure, Outcome};
use crate::interop::Lab;
use crate::interop::child::Running;
use crate::interop::server::DOMAIN;

/// baresip's name of a codec.
fn theirs(codec: &str) -> &'static str {
    if codec == "opus" { "opus/48000/2" } else { "g722/16000/1" }
}

/// How alike sounds have to be: Opus keeps what is heard, not its wave, and baresip's own way from the 8 kHz of its file to the 16 kHz
/// of G.722 costs more than the codec does.
const ALIKE: f64 = audio::ALIKE_BY_EAR;

/// baresip, which speaks nothing else, calls `ringback answer`, which speaks all it can.
pub(super) fn calls_us(lab: &Lab, codec: &str) -> Outcome<String> {
    let way = Way::Udp;
    let server = way.server(lab)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("answer.wav"));
    let mut answer = lab.ringback();
    phone(&mut answer, "answer", &[], &server, &way).args(["--calls", "1"]).args(playing(&ours, &heard));
    let mut answer = Running::start(&lab.folder, "answer", &mut answer)?;
    answer.line(Duration::from_secs(10), |line| (line == "ready").then_some(()))?;
    let alice = speech(lab, "alice.wav");
    let mut baresip = Baresip::start_more(lab, &server, &way, &alice, "auto", theirs(codec), "")?;
    baresip.command("dial", &format!("sip:bob@{DOMAIN}"))?;
    spoken(&mut answer, codec)?;
    answer.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    compare_for(lab, "alice.wav", &heard, "bob.wav", ALIKE)
}

/// `ringback call` offers all it can to baresip, which speaks nothing else.
pub(super) fn is_called(lab: &Lab, codec: &str) -> Outcome<String> {
    let way = Way::Udp;
    let server = way.server(lab)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("call.wav"));
    let alice = speech(lab, "alice.wav");
    let mut baresip = Baresip::start_more(lab, &server, &way, &alice, "auto", theirs(codec), "")?;
    let (target, mut call) = (format!("sip:alice@{DOMAIN}"), lab.ringback());
    phone(&mut call, "call", &[&target], &server, &way).args(playing(&ours, &heard));
    let mut call = Running::start(&lab.folder, "call", &mut call)?;
    spoken(&mut call, codec)?;
    call.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    compare_for(lab, "alice.wav", &heard, "bob.wav", ALIKE)
}

/// Waits until ours says that it talks in that codec.
fn spoken(ours: &mut Running, codec: &str) -> Outcome {
    let said = ours.line(PATIENCE, |line| line.starts_with("answered, talking").then(|| line.to_owned()))?;
    let words = said.to_ascii_lowercase();
    if words.contains(&format!("talking {codec}")) {
        return Ok(());
    }
    Err(Failure::Failed(format!("the call is not in {codec}: {said}")))
}
