//! Calls whose way is found by ICE, and whose keys come by DTLS or stand in the descriptions.

use std::time::Duration;

use super::super::Lab;
use super::super::child::Running;
use super::super::server::{DOMAIN, Server};
use super::{Baresip, PATIENCE, Way, compare, phone, playing, speech};
use crate::failure::Outcome;

/// What each step of a call may take.
const STEP: Duration = Duration::from_secs(10);

/// What baresip has for a call beside what every call needs.
struct Extras {
    /// Lines of its configuration.
    more: &'static str,
    /// Parameters of its account.
    account: &'static str,
}

/// For one that is found by ICE and keyed by DTLS.
const ICE_AND_DTLS: Extras = Extras {
    more: "module ice.so\nmodule srtp.so\nmodule dtls_srtp.so\nmodule_tmp stun.so\nrtcp_mux yes\n",
    account: ";medianat=ice;mediaenc=dtls_srtp",
};
/// By DTLS alone.
const DTLS: Extras =
    Extras { more: "module srtp.so\nmodule dtls_srtp.so\nrtcp_mux yes\n", account: ";mediaenc=dtls_srtp" };
/// With keys in the descriptions (RFC 4568), and not without.
const SDES: Extras = Extras { more: "module srtp.so\n", account: ";mediaenc=srtp-mand" };
/// By ICE alone.
const ICE: Extras =
    Extras { more: "module ice.so\nmodule_tmp stun.so\nrtcp_mux yes\n", account: ";medianat=ice" };

pub(super) fn calls_us_by_ice_and_dtls(lab: &Lab) -> Outcome<String> {
    calls_us(lab, &ICE_AND_DTLS)
}

pub(super) fn is_called_by_ice_and_dtls(lab: &Lab) -> Outcome<String> {
    is_called(lab, &ICE_AND_DTLS, &["--ice=offer", "--srtp", "dtls"])
}

pub(super) fn calls_us_by_dtls(lab: &Lab) -> Outcome<String> {
    calls_us(lab, &DTLS)
}

pub(super) fn is_called_by_dtls(lab: &Lab) -> Outcome<String> {
    is_called(lab, &DTLS, &["--srtp", "dtls"])
}

pub(super) fn calls_us_with_sdes(lab: &Lab) -> Outcome<String> {
    calls_us(lab, &SDES)
}

pub(super) fn is_called_with_sdes(lab: &Lab) -> Outcome<String> {
    is_called(lab, &SDES, &["--srtp", "require"])
}

pub(super) fn is_called_by_ice(lab: &Lab) -> Outcome<String> {
    is_called(lab, &ICE, &["--ice=offer", "--srtp", "off"])
}

impl Extras {
    fn start(&self, lab: &Lab, server: &Server) -> Outcome<Baresip> {
        let (account, plays) = (format!("pcmu{}", self.account), speech(lab, "alice.wav"));
        Baresip::start_more(lab, server, &Way::Udp, &plays, "auto", &account, self.more)
    }
}

/// baresip calls bob, who does as he is asked.
fn calls_us(lab: &Lab, extras: &Extras) -> Outcome<String> {
    let server = Server::start(&lab.binary, &lab.folder)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("answer.wav"));
    let mut answer = Running::start(
        &lab.folder,
        "answer",
        phone(&mut lab.ringback(), "answer", &[], &server, &Way::Udp)
            .args(["--calls", "1"])
            .args(playing(&ours, &heard)),
    )?;
    answer.line(STEP, |line| (line == "ready").then_some(()))?;
    let mut baresip = extras.start(lab, &server)?;
    baresip.command("dial", &format!("sip:bob@{DOMAIN}"))?;
    let seen = proofs(&mut answer, extras)?;
    answer.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    Ok(format!("{seen}; {}", compare(lab, "alice.wav", &heard, "bob.wav")?))
}

/// bob calls baresip, and asks for what `words` say.
fn is_called(lab: &Lab, extras: &Extras, words: &[&str]) -> Outcome<String> {
    let server = Server::start(&lab.binary, &lab.folder)?;
    let (ours, heard) = (speech(lab, "bob.wav"), lab.folder.join("call.wav"));
    let mut baresip = extras.start(lab, &server)?;
    let target = format!("sip:alice@{DOMAIN}");
    let mut call = Running::start(
        &lab.folder,
        "call",
        phone(&mut lab.ringback(), "call", &[&target], &server, &Way::Udp)
            .args(words)
            .args(playing(&ours, &heard)),
    )?;
    let seen = proofs(&mut call, extras)?;
    call.succeed(PATIENCE)?;
    baresip.quit()?;
    server.stop()?;
    Ok(format!("{seen}; {}", compare(lab, "alice.wav", &heard, "bob.wav")?))
}

/// What our side says that shows how the call was set up.
fn proofs(ours: &mut Running, extras: &Extras) -> Outcome<String> {
    let mut seen = Vec::new();
    if extras.account.contains("medianat=ice") {
        seen.push(ours.line(STEP, |line| line.starts_with("media go to ").then(|| line.to_owned()))?);
    }
    if extras.account.contains("srtp-mand") {
        seen.push(ours.line(STEP, |line| line.contains("media: SRTP").then(|| line.to_owned()))?);
    }
    if extras.account.contains("dtls_srtp") {
        seen.push(ours.line(STEP, |line| line.contains("keys by DTLS").then(|| line.to_owned()))?);
    }
    Ok(seen.join(", "))
}
