//! linphonec: calls that are paused, taken up again and transferred by it, and messages both ways.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::child::Running;
use super::fork::{bindings, linphone_with, server, until};
use super::server::{DOMAIN, Server, free_port, password, until_taken};
use super::{Case, Lab, audio, baresip, sipp};
use crate::failure::{Failure, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("hears and is heard", |lab| hears(lab, "", "RTP, not encrypted")),
    ("hears and is heard, SRTP", |lab| {
        hears(lab, "media_encryption=srtp\nmedia_encryption_mandatory=1\n", "SRTP ")
    }),
    ("pauses, resumes and transfers", pauses),
    ("writes and is written to", writes),
];

/// What each step may take.
const STEP: Duration = Duration::from_secs(15);

/// linphonec, registered as alice, which is told what to do.
struct Linphone {
    running: Running,
    input: PathBuf,
}

impl Linphone {
    fn start(lab: &Lab, server: &Server) -> Outcome<Self> {
        Self::start_with(lab, server, "")
    }

    /// With more in its configuration.
    fn start_with(lab: &Lab, server: &Server, more: &str) -> Outcome<Self> {
        let running = linphone_with(lab, server, false, more)?;
        let input = lab.folder.join("linphone/in");
        until(lab, "linphonec to register", || bindings(lab).map(|count| count > 0))?;
        Ok(Self { running, input })
    }

    fn says(&mut self, what: &str) -> Outcome {
        self.running.line(STEP, |line| line.contains(what).then_some(()))
    }

    fn command(&self, words: &str) -> Outcome {
        let failed = |error: std::io::Error| Failure::Failed(format!("linphonec takes no command: {error}"));
        let mut input = OpenOptions::new().write(true).open(&self.input).map_err(failed)?;
        writeln!(input, "{words}").map_err(failed)
    }
}

/// Bob, who is ours.
fn bob(lab: &Lab, server: &Server, words: &[&str]) -> Outcome<Running> {
    let mut answer = lab.ringback();
    answer
        .args(["answer", "--from", &format!("sip:bob@{DOMAIN}"), "--server", &server.udp.to_string()])
        .args(["--password-env", "RINGBACK_INTEROP_PASSWORD"])
        .env("RINGBACK_INTEROP_PASSWORD", password("bob"))
        .args(words);
    let mut answer = Running::start(&lab.folder, "answer", &mut answer)?;
    answer.line(STEP, |line| (line == "ready").then_some(()))?;
    Ok(answer)
}

fn pauses(lab: &Lab) -> Outcome<String> {
    let server = server(lab)?;
    let mut alice = Linphone::start(lab, &server)?;
    let port = free_port()?;
    let mut third = sipp::callee(lab, "answer-hangs-up.xml", "udp", port, 1)?;
    until_taken("udp", port)?;
    let mut bob = bob(lab, &server, &["--calls", "1"])?;
    alice.command(&format!("call sip:bob@{DOMAIN}"))?;
    bob.line(STEP, |line| line.starts_with("answered").then_some(()))?;
    alice.says("Media streams established")?;
    alice.command("pause")?;
    bob.line(STEP, |line| line.starts_with("held by the other side").then_some(()))?;
    alice.says("paused")?;
    alice.command("resume")?;
    bob.line(STEP, |line| line.starts_with("talking again").then_some(()))?;
    alice.says("established")?;
    alice.command(&format!("transfer sip:third@127.0.0.1:{port}"))?;
    bob.line(STEP, |line| line.starts_with("asked to call").then_some(()))?;
    third.succeed(STEP)?;
    bob.succeed(STEP)?;
    server.stop()?;
    Ok("bob was held, talked again, and went on with the third".into())
}

/// With files in place of a sound card both hear what the other says, encrypted or not as linphonec wants it.
fn hears(lab: &Lab, wants: &str, media: &str) -> Outcome<String> {
    let server = server(lab)?;
    let mut alice = Linphone::start_with(lab, &server, wants)?;
    let (at_alice, at_bob) = (lab.folder.join("linphone.wav"), lab.folder.join("answer.wav"));
    let [hers, his] = ["alice.wav", "bob.wav"].map(|name| baresip::speech(lab, name));
    let words = [
        ["--calls", "1"],
        ["--codec", "pcmu"],
        ["--play", &his.display().to_string()],
        ["--record", &at_bob.display().to_string()],
        ["--duration", "7"],
    ];
    let mut bob = bob(lab, &server, &words.concat())?;
    alice.command("soundcard use files")?;
    alice.command(&format!("record {}", at_alice.display()))?;
    alice.command(&format!("call sip:bob@{DOMAIN}"))?;
    bob.line(STEP, |line| (line.starts_with("answered") && line.contains(media)).then_some(()))?;
    alice.says("Media streams established")?;
    alice.command(&format!("play {}", hers.display()))?;
    bob.succeed(STEP)?;
    server.stop()?;
    let towards_us = audio::check("what linphonec said", &hers, &at_bob)?;
    let towards_them = audio::check("what ringback said", &his, &at_alice)?;
    Ok(format!(
        "we heard {} of {} pieces (likeness {:.3}), linphonec heard {} of {} ({:.3})",
        towards_us.heard,
        towards_us.spoken,
        towards_us.likeness,
        towards_them.heard,
        towards_them.spoken,
        towards_them.likeness
    ))
}

fn writes(lab: &Lab) -> Outcome<String> {
    let server = server(lab)?;
    let mut alice = Linphone::start(lab, &server)?;
    let mut bob = bob(lab, &server, &[])?;
    alice.command(&format!("chat sip:bob@{DOMAIN} what is up"))?;
    bob.line(STEP, |line| line.contains("what is up").then_some(()))?;
    let mut message = lab.ringback();
    message
        .args(["message", &format!("sip:alice@{DOMAIN}"), "the sky", "--from", &format!("sip:bob@{DOMAIN}")])
        .args(["--server", &server.udp.to_string(), "--password-env", "RINGBACK_INTEROP_PASSWORD"])
        .env("RINGBACK_INTEROP_PASSWORD", password("bob"));
    Running::start(&lab.folder, "message", &mut message)?.succeed(STEP)?;
    alice.says("the sky")?;
    server.stop()?;
    Ok("both read what the other wrote".into())
}
