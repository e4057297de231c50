//! Calls whose way is found by ICE and whose keys come by DTLS, and calls through a TURN server.

use std::time::Duration;

use super::super::Lab;
use super::super::audio::check;
use super::super::child::Running;
use super::super::server::{DOMAIN, Server, free_port};
use super::{Baresip, PATIENCE, Way, compare, phone, playing, speech};
use crate::failure::{Failure, Outcome};
use std::net::UdpSocket;
use std::process::Command;

/// What each step of a call may take.
const STEP: Duration = Duration::from_secs(10);
/// Who we are at the TURN server.
const LOGIN: (&str, &str) = ("carol", "interop-only");

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
    if extras.account.contains("dtls_srtp") {
        seen.push(ours.line(STEP, |line| line.contains("keys by DTLS").then(|| line.to_owned()))?);
    }
    Ok(seen.join(", "))
}

/// coturn: a STUN and TURN server on loopback.
struct Coturn {
    _running: Running,
    port: u16,
}

impl Coturn {
    fn start(lab: &Lab) -> Outcome<Self> {
        let port = free_port()?;
        let (user, password) = LOGIN;
        let mut command = Command::new("turnserver");
        command
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech", "--allow-loopback-peers"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--realm", DOMAIN])
            .args(["--user", &format!("{user}:{password}"), "--listening-port", &port.to_string()])
            .args(["--log-file", "stdout", "--simple-log", "--pidfile"])
            .arg(lab.folder.join("turnserver.pid"))
            .arg("--userdb")
            .arg(lab.folder.join("turndb"));
        let running = Running::start(&lab.folder, "turnserver", &mut command)?;
        let coturn = Self { _running: running, port };
        coturn.until_ready()?;
        Ok(coturn)
    }

    /// Asks until it answers: a Binding request, and nothing else.
    fn until_ready(&self) -> Outcome {
        let failed = |error| Failure::Failed(format!("coturn cannot be asked: {error}"));
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(failed)?;
        socket.set_read_timeout(Some(Duration::from_millis(200))).map_err(failed)?;
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], b"ready-or-not"].concat();
        for _ in 0..50 {
            let _ = socket.send_to(&request, ("127.0.0.1", self.port));
            if socket.recv_from(&mut [0; 512]).is_ok() {
                return Ok(());
            }
        }
        Err(Failure::Failed("coturn does not answer".to_owned()))
    }

    fn words(&self) -> Vec<String> {
        let at = format!("127.0.0.1:{}", self.port);
        let words =
            ["--stun", &at, "--turn", &format!("{}@{at}", LOGIN.0), "--turn-password-env", "TURN_PASSWORD"];
        words.map(str::to_owned).to_vec()
    }
}

/// Two of ours call each other, and the one that calls has nothing but its address at coturn.
pub(super) fn through_coturn(lab: &Lab) -> Outcome<String> {
    let (server, coturn) = (Server::start(&lab.binary, &lab.folder)?, Coturn::start(lab)?);
    let (alice, bob) = (speech(lab, "alice.wav"), speech(lab, "bob.wav"));
    let (heard_by_bob, heard_by_alice) = (lab.folder.join("answer.wav"), lab.folder.join("call.wav"));
    let mut answer = Running::start(
        &lab.folder,
        "answer",
        phone(&mut lab.ringback(), "answer", &[], &server, &Way::Udp)
            .args(["--calls", "1", "--codec", "pcmu"])
            .args(playing(&bob, &heard_by_bob)),
    )?;
    answer.line(STEP, |line| (line == "ready").then_some(()))?;
    let target = format!("sip:bob@{DOMAIN}");
    let mut ringback = lab.ringback();
    ringback
        .args(["call", &target, "--from", &format!("sip:alice@{DOMAIN}"), "--server"])
        .arg(server.address("udp").to_string())
        .args(["--password-env", "RINGBACK_INTEROP_PASSWORD", "--srtp", "dtls", "--ice=relay"])
        .env("RINGBACK_INTEROP_PASSWORD", super::password("alice"))
        .env("TURN_PASSWORD", LOGIN.1)
        .args(coturn.words())
        .args(playing(&alice, &heard_by_alice));
    let mut call = Running::start(&lab.folder, "call", &mut ringback)?;
    let way = answer.line(STEP, |line| line.starts_with("media go to ").then(|| line.to_owned()))?;
    answer.line(STEP, |line| line.contains("keys by DTLS").then_some(()))?;
    call.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    server.stop()?;
    let towards_bob = check("what alice said", &alice, &heard_by_bob)?;
    let towards_alice = check("what bob said", &bob, &heard_by_alice)?;
    Ok(format!(
        "{way}; bob heard {} of {} pieces ({:.3}), alice {} of {} ({:.3})",
        towards_bob.heard,
        towards_bob.spoken,
        towards_bob.likeness,
        towards_alice.heard,
        towards_alice.spoken,
        towards_alice.likeness
    ))
}
