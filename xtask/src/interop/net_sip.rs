//! Net::SIP, the SIP stack in Perl: it calls and is called, and what was heard is compared with what was said.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::baresip::speech;
use super::child::Running;
use super::server::free_port;
use super::{Case, Lab, audio, sipp};
use crate::failure::Outcome;

pub(crate) const CASES: &[Case] = &[("calls answer", calls_us), ("is called by call", is_called)];

/// Longer than any of these calls takes.
const PATIENCE: Duration = Duration::from_secs(40);
/// Longer than either sound.
const SECONDS: &str = "6";

fn calls_us(lab: &Lab) -> Outcome<String> {
    let record = lab.folder.join("answer.wav");
    let mut answer = lab.ringback();
    answer.args(["answer", "--no-register", "--listen", "udp:127.0.0.1:0", "--calls", "1"]);
    answer.arg("--play").arg(speech(lab, "bob.wav")).arg("--record").arg(&record);
    let mut answer = Running::start(&lab.folder, "answer", &mut answer)?;
    let to = sipp::listening(&mut answer)?;
    let (play, heard) = sounds(lab)?;
    let mut call = script(lab, "call.pl", &[&leg()?, &to.to_string()]);
    Running::start(&lab.folder, "net-sip", call.arg(play).arg(&heard).arg(SECONDS))?.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    compare(lab, &heard, &record)
}

fn is_called(lab: &Lab) -> Outcome<String> {
    let (play, heard) = sounds(lab)?;
    let leg = leg()?;
    let mut answer =
        Running::start(&lab.folder, "net-sip", script(lab, "answer.pl", &[&leg]).arg(play).arg(&heard))?;
    answer.line(PATIENCE, |line| (line == "ready").then_some(()))?;
    let record = lab.folder.join("call.wav");
    let mut call = lab.ringback();
    call.args(["call", &format!("sip:bob@{leg}"), "--listen", "udp:127.0.0.1:0", "--duration", SECONDS]);
    call.arg("--play").arg(speech(lab, "bob.wav")).arg("--record").arg(&record);
    Running::start(&lab.folder, "call", &mut call)?.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    compare(lab, &heard, &record)
}

fn script(lab: &Lab, name: &str, words: &[&str]) -> Command {
    let mut command = Command::new("perl");
    command.arg(lab.file("net-sip").join(name)).args(words);
    command
}

fn leg() -> Outcome<String> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

/// What it plays, in octets of PCMU as it wants them, and where it puts what it hears.
fn sounds(lab: &Lab) -> Outcome<(PathBuf, PathBuf)> {
    let (play, heard) = (lab.folder.join("says.ul"), lab.folder.join("heard.ul"));
    let octets: Vec<u8> = audio::read(&speech(lab, "alice.wav"))?.into_iter().map(audio::mu_law).collect();
    std::fs::write(&play, octets).map_err(|error| format!("{}: {error}", play.display()))?;
    Ok((play, heard))
}

/// What both sides heard against what the other played.
fn compare(lab: &Lab, heard: &Path, record: &Path) -> Outcome<String> {
    let octets = std::fs::read(heard).map_err(|error| format!("{}: {error}", heard.display()))?;
    let samples: Vec<i16> = octets.into_iter().map(audio::linear).collect();
    let wav = lab.folder.join("heard.wav");
    std::fs::write(&wav, audio::wav(&samples)).map_err(|error| format!("{}: {error}", wav.display()))?;
    let to_us = audio::check("what Net::SIP said", &speech(lab, "alice.wav"), record)?;
    let to_them = audio::check("what ringback said", &speech(lab, "bob.wav"), &wav)?;
    Ok(format!(
        "we heard {} of {} pieces, Net::SIP heard {} of {}",
        to_us.heard, to_us.spoken, to_them.heard, to_them.spoken
    ))
}
