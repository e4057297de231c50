//! Calls of ours through coturn, a STUN and TURN server, to which we speak over UDP, TCP and TLS.

use super::super::Lab;
use super::super::audio::check;
use super::super::certificates::Authority;
use super::super::child::Running;
use super::super::server::{DOMAIN, Server, free_port};
use super::{PATIENCE, Way, phone, playing, speech};
use crate::failure::{Failure, Outcome};
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What each step of a call may take.
const STEP: Duration = Duration::from_secs(10);
/// Who we are at the TURN server.
const LOGIN: (&str, &str) = ("carol", "interop-only");

/// How we speak with coturn, which speaks nothing else then.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Udp,
    Tcp,
    Tls,
}

/// coturn: a STUN and TURN server on loopback.
struct Coturn {
    _running: Running,
    port: u16,
    link: Link,
    /// Who has signed its certificate.
    ca: Option<PathBuf>,
}

impl Coturn {
    fn start(lab: &Lab, link: Link) -> Outcome<Self> {
        let port = free_port()?;
        let (user, password) = LOGIN;
        let mut command = Command::new("turnserver");
        command
            .args(["-n", "--no-cli", "--no-dtls", "--lt-cred-mech", "--allow-loopback-peers"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--realm", DOMAIN])
            .args(["--user", &format!("{user}:{password}")])
            .args(["--log-file", "stdout", "--simple-log", "--pidfile"])
            .arg(lab.folder.join("turnserver.pid"))
            .arg("--userdb")
            .arg(lab.folder.join("turndb"));
        let plain = |port: u16| ["--no-tls".to_owned(), "--listening-port".to_owned(), port.to_string()];
        let mut ca = None;
        match link {
            Link::Udp => command.args(plain(port)),
            Link::Tcp => command.args(plain(port)).arg("--no-udp"),
            Link::Tls => {
                let authority = Authority::new(&lab.folder)?;
                ca = Some(authority.ca);
                command.args(["--no-udp", "--no-tcp", "--tls-listening-port", &port.to_string(), "--cert"]);
                command.arg(authority.certificate).arg("--pkey").arg(authority.key)
            }
        };
        let running = Running::start(&lab.folder, "turnserver", &mut command)?;
        let coturn = Self { _running: running, port, link, ca };
        match link {
            Link::Udp => coturn.until_ready()?,
            Link::Tcp | Link::Tls => coturn.until_accepting()?,
        }
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

    /// Connects until it is let in.
    fn until_accepting(&self) -> Outcome {
        for _ in 0..50 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err(Failure::Failed("coturn accepts no connection".to_owned()))
    }

    fn words(&self) -> Vec<String> {
        let (user, at) = (LOGIN.0, format!("127.0.0.1:{}", self.port));
        let turn = match self.link {
            Link::Udp => format!("{user}@{at}"),
            Link::Tcp => format!("turn:{user}@{at}?transport=tcp"),
            Link::Tls => format!("turns:{user}@{at}"),
        };
        let mut words =
            vec!["--turn".to_owned(), turn, "--turn-password-env".to_owned(), "TURN_PASSWORD".to_owned()];
        if self.link == Link::Udp {
            words.extend(["--stun".to_owned(), at]);
        }
        if let Some(ca) = &self.ca {
            words.extend(["--tls-ca".to_owned(), ca.display().to_string()]);
        }
        words
    }
}

pub(super) fn by_udp(lab: &Lab) -> Outcome<String> {
    through_coturn(lab, Link::Udp)
}

pub(super) fn by_tcp(lab: &Lab) -> Outcome<String> {
    through_coturn(lab, Link::Tcp)
}

pub(super) fn by_tls(lab: &Lab) -> Outcome<String> {
    through_coturn(lab, Link::Tls)
}

/// Two of ours call each other, and the one that calls has nothing but its address at coturn.
fn through_coturn(lab: &Lab, link: Link) -> Outcome<String> {
    let (server, coturn) = (Server::start(&lab.binary, &lab.folder)?, Coturn::start(lab, link)?);
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
