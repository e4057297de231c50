//! SIPp over TLS. Debian's has none built in, so it speaks TCP into and out of tunnels, and its messages say TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::super::Lab;
use super::super::certificates::Authority;
use super::super::child::Running;
use super::super::server::{Server, free_port, until_taken};
use super::super::tunnel::Tunnel;
use super::{FEW, PATIENCE, RATE, base, count, listening, password};
use crate::failure::Outcome;

/// SIPp → TLS → `serve` → TLS → SIPp, whose callee registered with a password before.
pub(super) fn through_server(lab: &Lab, scenario: &str) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let server = Server::start_with("tls", &authority, lab)?;
    let at = server.address("tls");
    let into = Tunnel::into_tls(lab, "into", at, &authority)?;
    let (out, mut callee) = callee(lab, lab.calls, &authority)?;
    let contact = contact(&out);
    let mut register =
        base(lab, "register", &worded(lab, "register.xml", at, &contact)?, "tcp", free_port()?, 1);
    register
        .arg(format!("127.0.0.1:{}", into.port))
        .args(["-s", "bob", "-au", "bob", "-ap", password("bob")])
        .args(["-key", "host", &contact, "-key", "protocol", "tls"]);
    Running::start(&lab.folder, "register", &mut register)?.succeed(PATIENCE)?;
    caller(lab, scenario, at, &into, lab.calls)?.succeed(PATIENCE)?;
    callee.succeed(PATIENCE)?;
    server.stop()?;
    count(lab, "caller", lab.calls)
}

/// SIPp → TLS → `ringback answer`, without a server between.
pub(super) fn to_answer(lab: &Lab) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let calls = FEW.min(lab.calls);
    let mut answer = lab.ringback();
    answer
        .args(["answer", "--no-register", "--listen", "tls:127.0.0.1:0", "--calls", &calls.to_string()])
        .arg("--tls-cert")
        .arg(&authority.certificate)
        .arg("--tls-key")
        .arg(&authority.key);
    let mut answer = Running::start(&lab.folder, "answer", &mut answer)?;
    let at = listening(&mut answer)?;
    let into = Tunnel::into_tls(lab, "into", at, &authority)?;
    caller(lab, "call.xml", at, &into, calls)?.succeed(PATIENCE)?;
    answer.succeed(PATIENCE)?;
    count(lab, "caller", calls)
}

/// `ringback call` → TLS → SIPp.
pub(super) fn from_call(lab: &Lab) -> Outcome<String> {
    let authority = Authority::new(&lab.folder)?;
    let calls = FEW.min(lab.calls);
    let (out, mut callee) = callee(lab, calls, &authority)?;
    let mut call = lab.ringback();
    call.args(["call", &format!("sip:service@127.0.0.1:{};transport=tls", out.port), "--transport", "tls"])
        .args(["--calls", &calls.to_string(), "--duration", "0.1"])
        .arg("--tls-ca")
        .arg(&authority.ca);
    Running::start(&lab.folder, "call", &mut call)?.succeed(PATIENCE)?;
    callee.succeed(PATIENCE)?;
    count(lab, "callee", calls)
}

/// SIPp that answers, and the tunnel that leads to it.
fn callee(lab: &Lab, calls: u64, authority: &Authority) -> Outcome<(Tunnel, Running)> {
    let port = free_port()?;
    let out = Tunnel::out_of_tls(lab, "out", port, authority)?;
    let scenario = worded(lab, "answer.xml", SocketAddr::from(([127, 0, 0, 1], out.port)), &contact(&out))?;
    let callee =
        Running::start(&lab.folder, "callee", &mut base(lab, "callee", &scenario, "tcp", port, calls))?;
    until_taken("tcp", port)?;
    Ok((out, callee))
}

fn contact(out: &Tunnel) -> String {
    format!("127.0.0.1:{}", out.port)
}

fn caller(lab: &Lab, scenario: &str, to: SocketAddr, into: &Tunnel, calls: u64) -> Outcome<Running> {
    let scenario = worded(lab, scenario, to, "127.0.0.1:5061")?;
    let mut command = base(lab, "caller", &scenario, "tcp", free_port()?, calls);
    command
        .arg(format!("127.0.0.1:{}", into.port))
        .args(["-s", "bob", "-au", "alice", "-ap", password("alice"), "-key", "user", "alice"])
        .args(["-r", &RATE.to_string(), "-d", "0"]);
    Running::start(&lab.folder, "caller", &mut command)
}

/// A scenario whose messages name TLS, the other end of the tunnel, and where we are reached through another.
fn worded(lab: &Lab, scenario: &str, to: SocketAddr, contact: &str) -> Outcome<PathBuf> {
    let (from, file) = (lab.file(scenario), lab.folder.join(scenario));
    let text = std::fs::read_to_string(&from).map_err(|error| format!("{}: {error}", from.display()))?;
    let text = text
        .replace("[local_ip]:[local_port];transport=[transport]", &format!("{contact};transport=tls"))
        .replace("[remote_ip]:[remote_port]", &to.to_string())
        .replace("[transport]", "TLS");
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}
